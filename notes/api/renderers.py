"""JSON answers."""

import orjson
from rest_framework import renderers
from rest_framework.utils.encoders import JSONEncoder

OTHER = JSONEncoder().default


class JSONRenderer(renderers.JSONRenderer):
    """Writes what DRF's renderer writes, many times as fast. Indented JSON, for people, stays DRF's."""

    def render(self, data, accepted_media_type=None, renderer_context=None):
        is_indented = "indent" in (renderer_context or {}) or "indent" in (accepted_media_type or "")
        if data is None or is_indented:
            return super().render(data, accepted_media_type, renderer_context)
        return orjson.dumps(data, OTHER, orjson.OPT_PASSTHROUGH_DATETIME)
