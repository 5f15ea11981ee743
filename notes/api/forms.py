"""The forms of the browsable API: what a person may write, with its fields as HTML."""

from typing import NamedTuple, Self

from rest_framework.renderers import HTMLFormRenderer
from rest_framework.utils.serializer_helpers import BoundField

from notes import content
from notes.api.parsers import LEFT_OUT_IF_EMPTY
from notes.api.preconditions import entity_tag, tag_of_note


class Form(NamedTuple):
    """A write that a person may do. `fields` and `more` are HTML; `more` may be left empty."""

    button: str
    method: str
    address: str
    etag: str | None = None
    fields: list[str] = []
    more: list[str] = []
    # Whether something in `more` is filled in or wrong.
    is_open: bool = False

    @classmethod
    def of(cls, button, method, address, etag, serializer, values, errors) -> Self:
        fields = fields_as_html(serializer, values, errors)
        more = {name: fields.pop(name) for name in list(fields) if name in LEFT_OUT_IF_EMPTY}
        is_open = any(values.get(name) or name in errors for name in more)
        return cls(button, method, address, etag, list(fields.values()), list(more.values()), is_open)

    @classmethod
    def without_fields(cls, revision, notebook, button, method, address) -> Self:
        """Return the form of a write without content, to a note as of this revision, or to anything else (None)."""
        etag = None if revision is None else entity_tag(tag_of_note(revision, notebook.epoch))
        return cls(button, method, address, etag)


def fields_as_html(serializer, values, errors, names=None):
    """Return the fields that can be filled in, as {name: HTML}."""
    form_renderer = HTMLFormRenderer()
    fields = {}
    for name, field in serializer.fields.items():
        if not field.read_only and (names is None or name in names):
            value = values.get(name, field.get_initial())
            if isinstance(value, dict):
                value = content.metadata_to_edit(value)
            bound = BoundField(field, value, errors.get(name, []))
            fields[name] = form_renderer.render_field(bound, {"template_pack": "rest_framework/horizontal"})
    return fields
