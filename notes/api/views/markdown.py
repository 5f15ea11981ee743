"""The view of a note at an address of its own, for whoever cannot send Accept."""

from drf_spectacular.utils import extend_schema

from notes.api.problems import PreconditionFailed, raises
from notes.api.renderers import MarkdownRenderer
from notes.api.schema import IF_NONE_MATCH
from notes.api.views.notes import NoteViewSet


class MarkdownNoteViewSet(NoteViewSet):
    note_renderers = [MarkdownRenderer]

    @extend_schema(operation_id="getNoteAsMarkdown", summary="Read a note as Markdown", parameters=[IF_NONE_MATCH])
    @raises(PreconditionFailed)
    def retrieve(self, request, *args, **kwargs):
        """The same as with `Accept: text/markdown`: front matter, and the body byte for byte."""
        return super().retrieve(request, *args, **kwargs)
