"""Which representation a client gets, and may send (RFC 9110, 12.5.1)."""

from rest_framework.negotiation import DefaultContentNegotiation

from notes.api.browsable import BrowsableAPIRenderer
from notes.api.parsers import MergePatchParser, StrictJSONParser
from notes.api.renderers import JSONRenderer, MarkdownRenderer


class Negotiation(DefaultContentNegotiation):
    """Decides as DRF does, without comparing types for those who accept anything or ask for JSON alone."""

    def select_renderer(self, request, renderers, format_suffix=None):
        accept = request.META.get("HTTP_ACCEPT", "*/*")
        is_plain = accept in {"*/*", "application/json"} and self.settings.URL_FORMAT_OVERRIDE not in request.GET
        if is_plain and not format_suffix and renderers[0].media_type == "application/json":
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)


class MediaTypesByAction:
    """Mixin of a viewset whose actions take and give different media types."""

    # What actions take besides JSON and forms.
    other_parsers = {}
    # The actions that answer with one note.
    note_actions = frozenset()
    # Whoever accepts Markdown beside HTML is no browser, and wants Markdown.
    note_renderers = [JSONRenderer, MarkdownRenderer, BrowsableAPIRenderer]

    def initialize_request(self, request, *args, **kwargs):
        # DRF asks for the parsers before it names the action.
        self.action = self.action_map.get(request.method.lower())
        return super().initialize_request(request, *args, **kwargs)

    def get_parsers(self):
        return super().get_parsers() + [parser() for parser in self.other_parsers.get(self.action, ())]

    def finalize_response(self, request, response, *args, **kwargs):
        response = super().finalize_response(request, response, *args, **kwargs)
        is_refused_patch = request.method == "PATCH" and response.status_code == 415
        if is_refused_patch or (request.method == "OPTIONS" and "patch" in self.action_map):
            # RFC 5789, 2.2 and 3.1.
            response["Accept-Patch"] = ", ".join([StrictJSONParser.media_type, MergePatchParser.media_type])
        return response

    def get_renderers(self):
        if self.action in self.note_actions:
            return [renderer() for renderer in self.note_renderers]
        return super().get_renderers()
