"""Views of notes. A read answers from a QuerySet; a write calls one operation, through `WritingView.write`."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from notes.api import operations, parsers
from notes.api.generics import WritingView
from notes.api.listing import ListParams, ListRequest
from notes.api.negotiation import MediaTypesByAction
from notes.api.preconditions import (
    Expected,
    entity_tag,
    includes,
    raise_412_if_changed,
    tag_of_note,
)
from notes.api.problems import PreconditionFailed, raises
from notes.api.schema import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, PREFER
from notes.api.serializers import (
    ListedNoteSerializer,
    NewNoteSerializer,
    NoteSerializer,
    PutNoteSerializer,
    ReplaceSerializer,
    TextSerializer,
)
from notes.search import index


@extend_schema_view(
    list=extend_schema(
        operation_id="listNotes",
        summary="List the notes, newest first, or search them",
        description=(
            "`metadata.NAME=value`, with any NAME, finds the notes whose metadata has this value under the name, or a "
            "list with it. Given more than once, all must be there. `q` is a search: see docs/api.md."
        ),
        parameters=[ListParams, IF_NONE_MATCH],
        responses=ListedNoteSerializer(many=True),
    ),
    create=extend_schema(
        operation_id="createNote",
        summary="Create a note",
        request=NewNoteSerializer,
        responses={201: NoteSerializer},
        parameters=[IDEMPOTENCY_KEY, PREFER],
    ),
    retrieve=extend_schema(operation_id="getNote", summary="Read a note", parameters=[IF_NONE_MATCH]),
    update=extend_schema(
        operation_id="replaceNote",
        summary="Replace a note, or create it with If-None-Match: *",
        request=PutNoteSerializer,
        responses={200: NoteSerializer, 201: NoteSerializer},
        parameters=[IF_MATCH, IF_NONE_MATCH, IDEMPOTENCY_KEY, PREFER],
    ),
    partial_update=extend_schema(
        operation_id="patchNote",
        summary="Change what is sent, keep the rest",
        parameters=[IF_MATCH, IDEMPOTENCY_KEY, PREFER],
    ),
    destroy=extend_schema(
        operation_id="trashNote", summary="Move a note to the trash", parameters=[IF_MATCH, IDEMPOTENCY_KEY, PREFER]
    ),
)
class NoteViewSet(MediaTypesByAction, WritingView, ModelViewSet):
    """Notes: a title, a body, tags."""

    serializer_class = NoteSerializer
    lookup_field = "uuid"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    query_params = {"list": ListParams.names()}
    filters = ListParams
    pages = {"list": "notes/note_list.html", "retrieve": "notes/note_detail.html"}
    made_from = {"list": "notebook", "retrieve": "note"}
    repeatable_params = ListParams.repeatable
    conditional_actions = {"update", "partial_update", "destroy", "restore", "append", "prepend", "replace"}
    writes = {
        "create": operations.create,
        "update": operations.update,
        "partial_update": operations.patch,
        "destroy": operations.delete,
        "restore": operations.restore,
        "append": operations.append,
        "prepend": operations.prepend,
        "replace": operations.replace,
    }
    other_parsers = {
        "create": [parsers.MarkdownParser, parsers.PlainTextParser],
        "update": [parsers.MarkdownParser, parsers.PlainTextParser],
        "partial_update": [parsers.MergePatchParser],
        "append": [parsers.AddedMarkdownParser, parsers.AddedPlainTextParser],
        "prepend": [parsers.AddedMarkdownParser, parsers.AddedPlainTextParser],
    }
    note_actions = {"retrieve", *writes} - {"destroy"}

    def get_queryset(self):
        return self.notebook.notes.live()

    def get_serializer_class(self):
        return NewNoteSerializer if self.action == "create" else super().get_serializer_class()

    def get_object(self):
        return operations.found(self.notebook, self.kwargs["id"])

    def list(self, request, *args, **kwargs):
        """Search with `q`, narrow with the other parameters: all of them go together. Follow `next` as it is.

        Poll with its `ETag` in `If-None-Match`: while nobody has written, the answer is a 304 without a body.
        """
        # Read all parameters first: a request that deserves a 400 must not get a 304 (RFC 9110, 13.2.1).
        wanted = ListRequest.of(request, self.notebook)
        tag = tag_of_list(self.notebook) if wanted.only is None else None
        if wanted.query.terms and self.notebook.search_format != index.FORMAT:
            # While the index is being made anew, a search finds more from one moment to the next.
            self.made_from = {}
        if tag and includes_tag(Expected.of(request), tag):
            response = Response(status=status.HTTP_304_NOT_MODIFIED)
        else:
            page = wanted.page()
            notes = ListedNoteSerializer.of_page(page, wanted.query, wanted.only)
            response = self.paginator.response(page, notes)
        if tag:
            response["ETag"] = entity_tag(tag)
        return response

    @raises(PreconditionFailed)
    def retrieve(self, request, *args, **kwargs):
        """With `If-None-Match` and the `ETag` that you have, a note that has not changed is a 304 without a body.

        With `Accept: text/markdown` the note comes as at the address that ends in `.md`.
        """
        query, row = operations.found_row(self.notebook, self.kwargs["id"])
        [shown] = NoteSerializer.of_rows(query, [row])
        epoch, renderer_format = self.notebook.epoch, request.accepted_renderer.format
        expected, tag = Expected.of(request), tag_of_note(shown["revision"], epoch, renderer_format)
        if includes_tag(expected, tag):
            response = Response(status=status.HTTP_304_NOT_MODIFIED)
        else:
            if expected.if_match is not None:
                raise_412_if_changed(Expected(expected.if_match), query.model_of(row), epoch)
            response = Response(shown)
        response["ETag"] = entity_tag(tag)
        return response

    def create(self, request, *args, **kwargs):
        """With an `Idempotency-Key` you may send it again, and no second note is made. You may choose the `id`, too.

        A note that moves here from elsewhere may bring its dates.
        """
        return self.write()

    def update(self, request, *args, **kwargs):
        """What is left out becomes empty. With `If-Match` no edit of another client is lost.

        `If-None-Match: *` creates the note with this id, and never replaces one.
        """
        return self.write(body_alone=parsers.is_plain_text(request))

    def partial_update(self, request, *args, **kwargs):
        """With `If-Match` and the `ETag` that you have read, no edit of another client is lost."""
        return self.write()

    def destroy(self, request, *args, **kwargs):
        """It keeps its history, and can be restored until it is purged."""
        return self.write()

    @extend_schema(
        operation_id="restoreNote",
        summary="Take a note out of the trash",
        request=None,
        responses=NoteSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY, PREFER],
    )
    @action(detail=True, methods=["post"])
    def restore(self, request, *args, **kwargs):
        """It comes back as it was, with its history, as a new write."""
        return self.write()

    @extend_schema(
        operation_id="appendToNote",
        summary="Add text at the end of the body",
        responses=NoteSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY, PREFER],
    )
    @action(detail=True, methods=["post"], serializer_class=TextSerializer)
    def append(self, request, *args, **kwargs):
        """You need not read the note first, and nobody else can be in your way: each text is added whole."""
        return self.write()

    @extend_schema(
        operation_id="prependToNote",
        summary="Add text at the beginning of the body",
        responses=NoteSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY, PREFER],
    )
    @action(detail=True, methods=["post"], serializer_class=TextSerializer)
    def prepend(self, request, *args, **kwargs):
        """As with `append`, you need not read the note first."""
        return self.write()

    @extend_schema(
        operation_id="replaceInNote",
        summary="Replace text in the body",
        responses=NoteSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY, PREFER],
    )
    @action(detail=True, methods=["post"], serializer_class=ReplaceSerializer)
    def replace(self, request, *args, **kwargs):
        """If `find` is not in the body exactly `count` times, the answer is a 409, and nothing is changed."""
        return self.write()


def tag_of_list(notebook):
    """Return an entity-tag that changes with every write, and whenever searches start to find other notes."""
    return f"{notebook.epoch.hex}-{notebook.revision}-{notebook.search_generation}"


def includes_tag(expected, tag):
    return expected.if_none_match is not None and includes(expected.if_none_match, tag)
