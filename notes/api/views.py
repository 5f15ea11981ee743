"""Views of notes. A read answers from a QuerySet; a write calls one operation, through `WritingView.write`."""

from django.conf import settings
from django.utils.cache import patch_cache_control, patch_vary_headers
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from notes.api import operations, params
from notes.api.pagination import KeysetPagination
from notes.api.permissions import NotebookPermission
from notes.api.preconditions import (
    Expected,
    entity_tag,
    idempotency_key,
    includes,
    raise_412_if_changed,
    request_digest,
)
from notes.api.schema import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, NOTE_EXAMPLE
from notes.api.serializers import NewNoteSerializer, NoteSerializer, ReplaceSerializer, TextSerializer
from notes.api.throttling import AccessThrottle
from notes.models import Note


class KeyUsedForAnotherRequest(APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was sent with another request before. Choose a new one."


class NoLongerKept(APIException):
    status_code = status.HTTP_410_GONE
    default_code = "no_longer_kept"
    default_detail = "This request was carried out before; what it wrote has been erased since."


class NotebookView(APIView):
    """A view of one notebook: the one that the caller's key opens."""

    permission_classes = [NotebookPermission]
    throttle_classes = [AccessThrottle]
    # The query parameters that each action knows; all others are a 400.
    query_params = {}

    @property
    def access(self):
        return self.request.access

    @property
    def notebook(self):
        return self.request.access.notebook

    def get_parsers(self):
        """Forms are for people who have logged in with a browser; programs send JSON."""
        parsers = super().get_parsers()
        if self.request and settings.SESSION_COOKIE_NAME not in self.request.COOKIES:
            parsers = [parser for parser in parsers if not isinstance(parser, MultiPartParser)]
        return parsers

    def permission_denied(self, request, message=None, code=None):
        if not request.successful_authenticator:
            raise NotAuthenticated("This needs an API key. Send it in the X-API-Key header.")
        super().permission_denied(request, message, code)

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        params.raise_400_for_unknown(request, self.query_params.get(getattr(self, "action", None), set()))

    def finalize_response(self, request, response, *args, **kwargs):
        response = super().finalize_response(request, response, *args, **kwargs)
        # One address shows another notebook to another key, and must be asked again for the present state.
        patch_vary_headers(response, ["X-API-Key"])
        patch_cache_control(response, private=True, no_cache=True)
        for name, value in getattr(request, "rate_limit", {}).items():
            response[name] = value
        if response.accepted_renderer.format != "json":
            # An ETag names the JSON; the page for people has none.
            response.headers.pop("ETag", None)
        return response


class WritingView(NotebookView):
    """A view that writes."""

    def write(self, operation):
        """Carry out one operation under the notebook's lock and answer with its outcome.

        A repeat of an Idempotency-Key is answered with what the first request did, and changes nothing: its receipt
        was stored in the same transaction as its writes.
        """
        fields, expected, key = self.request.data, Expected.of(self.request), idempotency_key(self.request)
        with self.notebook.locked():
            receipt = self.receipt(key)
            if receipt is None:
                outcome = operation(self.access, self.kwargs.get("id"), fields, expected)
                self.keep_receipt(key, outcome)
                return self.answer(outcome)
        if receipt.request_digest != request_digest(self.request):
            raise KeyUsedForAnotherRequest
        response = self.answer(self.outcome_of(receipt))
        response["Idempotency-Replayed"] = "true"
        return response

    def receipt(self, key):
        return key and self.notebook.receipts.filter(writer=self.access.writer.id, key=key).first()

    def keep_receipt(self, key, outcome):
        if key:
            self.notebook.receipts.create(
                writer=self.access.writer.id,
                key=key,
                request_digest=request_digest(self.request),
                outcomes=self.numbers(outcome),
            )

    def numbers(self, outcome):
        """Return an outcome as a receipt keeps it: by the number of the write, without content."""
        return [[outcome.status, outcome.note.revision]]

    def outcome_of(self, receipt):
        [outcome] = receipt.outcomes
        return self.as_it_was(*outcome)

    def as_it_was(self, status_code, number):
        """Return the Outcome with the note as that write left it. A NoLongerKept where its content was erased."""
        revision = self.notebook.revisions.select_related("note").get(number=number)
        if revision.body is None and status_code != status.HTTP_204_NO_CONTENT:
            raise NoLongerKept
        return operations.Outcome(status_code, revision.as_note())

    def answer(self, outcome):
        if outcome.status == status.HTTP_204_NO_CONTENT:
            return Response(status=outcome.status)
        response = Response(NoteSerializer(outcome.note).data, status=outcome.status)
        response["ETag"] = entity_tag(outcome.note.revision)
        if outcome.status == status.HTTP_201_CREATED:
            response["Location"] = reverse("note-detail", kwargs={"id": str(outcome.note.uuid)}, request=self.request)
        return response


@extend_schema_view(
    list=extend_schema(summary="List the notes, newest first", parameters=[IF_NONE_MATCH]),
    create=extend_schema(
        summary="Create a note",
        request=NewNoteSerializer,
        responses={201: NoteSerializer},
        parameters=[IDEMPOTENCY_KEY],
        examples=[NOTE_EXAMPLE],
    ),
    retrieve=extend_schema(summary="Read a note", parameters=[IF_NONE_MATCH]),
    update=extend_schema(
        summary="Replace a note, or create it with If-None-Match: *",
        responses={200: NoteSerializer, 201: NoteSerializer},
        parameters=[IF_MATCH, IF_NONE_MATCH, IDEMPOTENCY_KEY],
        examples=[NOTE_EXAMPLE],
    ),
    partial_update=extend_schema(summary="Change what is sent, keep the rest", parameters=[IF_MATCH, IDEMPOTENCY_KEY]),
    destroy=extend_schema(summary="Move a note to the trash", parameters=[IF_MATCH, IDEMPOTENCY_KEY]),
)
class NoteViewSet(WritingView, ModelViewSet):
    """Notes: a title, a body, tags."""

    queryset = Note.objects.all()
    serializer_class = NoteSerializer
    lookup_field = "uuid"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    page_order = ["-created_at", "-uuid"]
    query_params = {"list": KeysetPagination.query_params}
    error_statuses = {
        "create": {409, 422},
        "update": {409, 412, 422, 428},
        "partial_update": {412, 422, 428},
        "destroy": {412, 422, 428},
        "retrieve": {412},
        "restore": {412, 422},
        "append": {412, 422},
        "prepend": {412, 422},
        "replace": {409, 412, 422},
    }

    def get_queryset(self):
        return self.notebook.notes.live()

    def get_serializer_class(self):
        return NewNoteSerializer if self.action == "create" else super().get_serializer_class()

    def get_object(self):
        return operations.found(self.get_queryset(), self.kwargs["id"])

    def list(self, request, *args, **kwargs):
        tag = f"{self.notebook.epoch.hex}-{self.notebook.revision}"
        unchanged = includes_tag(Expected.of(request), tag)
        response = Response(status=status.HTTP_304_NOT_MODIFIED) if unchanged else super().list(request)
        response["ETag"] = entity_tag(tag)
        return response

    def retrieve(self, request, *args, **kwargs):
        note = self.get_object()
        expected = Expected.of(request)
        if includes_tag(expected, str(note.revision)):
            response = Response(status=status.HTTP_304_NOT_MODIFIED)
        else:
            raise_412_if_changed(expected, note)
            response = Response(NoteSerializer(note).data)
        response["ETag"] = entity_tag(note.revision)
        return response

    def create(self, request, *args, **kwargs):
        return self.write(operations.create)

    def update(self, request, *args, **kwargs):
        return self.write(operations.update)

    def partial_update(self, request, *args, **kwargs):
        return self.write(operations.patch)

    def destroy(self, request, *args, **kwargs):
        return self.write(operations.delete)

    @extend_schema(
        summary="Take a note out of the trash",
        request=None,
        responses=NoteSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"])
    def restore(self, request, *args, **kwargs):
        return self.write(operations.restore)

    @extend_schema(
        summary="Add text at the end of the body",
        responses=NoteSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"], serializer_class=TextSerializer)
    def append(self, request, *args, **kwargs):
        return self.write(operations.append)

    @extend_schema(
        summary="Add text at the beginning of the body",
        responses=NoteSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"], serializer_class=TextSerializer)
    def prepend(self, request, *args, **kwargs):
        return self.write(operations.prepend)

    @extend_schema(
        summary="Replace text in the body",
        responses=NoteSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"], serializer_class=ReplaceSerializer)
    def replace(self, request, *args, **kwargs):
        return self.write(operations.replace)


def includes_tag(expected, tag):
    return expected.if_none_match is not None and includes(expected.if_none_match, tag)
