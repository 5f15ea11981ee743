"""Views of the past: the trash, and the revisions of a note."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from notes import diffs
from notes.api import operations
from notes.api.generics import WritingView
from notes.api.pagination import KeysetPagination, PageParams
from notes.api.query_params import QueryParams, WholeNumber, invalid_parameter
from notes.api.schema import IDEMPOTENCY_KEY, IF_MATCH, PREFER
from notes.api.serializers import (
    NoteSerializer,
    RevisionContentSerializer,
    RevisionSerializer,
    TrashedNoteSerializer,
)
from notes.content import metadata_lines
from notes.models import CONTENT


@extend_schema_view(
    list=extend_schema(
        operation_id="listTrash", summary="List the notes in the trash, last deleted first", parameters=[PageParams]
    )
)
class TrashViewSet(WritingView, ListModelMixin, GenericViewSet):
    """Deleted notes. They stay here until they are restored, purged, or older than NOTES_TRASH_DAYS."""

    needs = {"GET": "read", "DELETE": "admin"}
    serializer_class = TrashedNoteSerializer
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    page_order = ["-deleted_at", "-position"]
    shows_bodies = True
    query_params = {"list": KeysetPagination.query_params}
    pages = {"list": "notes/trash_list.html"}
    conditional_actions = {"destroy"}
    writes = {"destroy": operations.purge}

    def get_queryset(self):
        return self.notebook.notes.trashed()

    @extend_schema(
        operation_id="purgeNote",
        summary="Erase a note in the trash, and its history, for good",
        responses={204: None},
        parameters=[IF_MATCH, IDEMPOTENCY_KEY, PREFER],
    )
    def destroy(self, request, *args, **kwargs):
        """What it held is wiped out everywhere: note, history and search. Nothing can bring it back."""
        return self.write()


class DiffParams(QueryParams):
    """What one revision may be compared with."""

    diff = WholeNumber(
        required=False, help_text="The number of another revision of the note: `diff` is from it to this."
    )


@extend_schema_view(
    list=extend_schema(
        operation_id="listRevisions", summary="List the revisions of a note, newest first", parameters=[PageParams]
    ),
)
class RevisionViewSet(WritingView, ListModelMixin, RetrieveModelMixin, GenericViewSet):
    """The history of a note: every write to it, with the content after it. What was pruned is not listed."""

    needs = {"GET": "read"}
    serializer_class = RevisionSerializer
    page_order = ["-number"]
    query_params = {"list": KeysetPagination.query_params, "retrieve": DiffParams.names()}
    pages = {"list": "notes/revision_list.html", "retrieve": "notes/revision_detail.html"}
    conditional_actions = {"restore"}
    writes = {"restore": operations.restore_revision}

    def get_queryset(self):
        note = operations.found(self.notebook, self.kwargs["id"], among="unpurged")
        revisions = note.revisions.kept()
        return revisions.defer(*CONTENT) if self.action == "list" else revisions

    @extend_schema(
        operation_id="getRevision",
        summary="Read one state of a note",
        responses=RevisionContentSerializer,
        parameters=[DiffParams],
    )
    def retrieve(self, request, *args, **kwargs):
        """It has the content after that write. With `diff` it shows the difference from another revision, too."""
        revision = self.get_object()
        number = DiffParams.of(request).get("diff")
        if number is not None:
            revision.diff = self.diff(number, revision)
        return Response(RevisionContentSerializer(revision).data)

    def get_object(self):
        return operations.found_revision(self.get_queryset(), self.kwargs["number"])

    def diff(self, number, revision):
        other = self.get_queryset().filter(number=number).first()
        if other is None:
            raise invalid_parameter("diff", f"The note has no revision {number}.")
        return diffs.unified(
            text_of(other), text_of(revision), f"revision {other.number}", f"revision {revision.number}"
        )

    @extend_schema(
        operation_id="restoreRevision",
        summary="Write the content of an old revision again",
        request=None,
        responses=NoteSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY, PREFER],
    )
    def restore(self, request, *args, **kwargs):
        """This is a new write: what was written in between stays in the history."""
        return self.write(number=self.kwargs["number"])


def text_of(revision):
    """Return the content as one text, for a diff."""
    head = [f"# {revision.title}", ", ".join(revision.tags), *metadata_lines(revision.metadata)]
    return "\n".join([*head, "", revision.body])
