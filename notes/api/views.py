"""What each address does. A view takes the row, checks, calls one verb of the model and serializes."""

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated, NotFound, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from notes.api.errors import Conflict
from notes.api.pagination import KeysetPagination
from notes.api.permissions import NotebookPermission, Public
from notes.api.serializers import MeSerializer, NewNoteSerializer, NoteSerializer, parsed_uuid
from notes.models import Note


class NotebookView(APIView):
    """A view of one notebook: the one that the caller's key opens."""

    permission_classes = [NotebookPermission]
    # The query parameters that each method or action knows; all others are a 400.
    query_params = {}

    @property
    def notebook(self):
        return self.request.access.notebook

    @property
    def writer(self):
        return self.request.access.writer

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
        raise_400_for_unknown_params(request, self.query_params.get(getattr(self, "action", None), set()))


def raise_400_for_unknown_params(request, known):
    errors = {}
    for name, values in request.query_params.lists():
        if name not in {*known, api_settings.URL_FORMAT_OVERRIDE}:
            errors[ascii(name).strip("'")] = ["There is no such query parameter."]
        elif len(values) > 1:
            errors[name] = ["This parameter stands twice."]
        elif "\x00" in values[0]:
            errors[name] = ["Null characters are not allowed."]
    if errors:
        raise ValidationError(errors, code="query_parameter")


EXAMPLE = OpenApiExample(
    "A note", {"title": "Shopping list", "body": "- milk\n- bread\n", "tags": ["home"]}, request_only=True
)


@extend_schema_view(
    list=extend_schema(summary="List the notes, newest first"),
    create=extend_schema(
        summary="Create a note", request=NewNoteSerializer, responses={201: NoteSerializer}, examples=[EXAMPLE]
    ),
    retrieve=extend_schema(summary="Read a note"),
    update=extend_schema(summary="Replace a note", examples=[EXAMPLE]),
    partial_update=extend_schema(summary="Change what is sent, keep the rest"),
    destroy=extend_schema(summary="Delete a note"),
)
class NoteViewSet(NotebookView, ModelViewSet):
    """Notes: a title, a body, tags."""

    queryset = Note.objects.all()
    serializer_class = NoteSerializer
    lookup_field = "uuid"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    page_order = ["-created_at", "-uuid"]
    query_params = {"list": KeysetPagination.query_params}
    error_statuses = {"create": {409}}

    def get_queryset(self):
        return self.notebook.notes.live()

    def get_serializer_class(self):
        return NewNoteSerializer if self.action == "create" else NoteSerializer

    def get_object(self):
        note_id = parsed_uuid(self.kwargs["id"])
        note = self.get_queryset().filter(uuid=note_id).first() if note_id else None
        if note is None:
            raise NotFound("Note not found.")
        return note

    def create(self, request, *args, **kwargs):
        fields = self.validated_fields()
        with self.notebook.locked():
            raise_409_if_taken(self.notebook, fields.get("uuid"))
            note = self.notebook.create_note(self.writer, **fields)
        return self.answer(note, status.HTTP_201_CREATED)

    def update(self, request, *args, partial=False, **kwargs):
        fields = self.validated_fields(self.get_object(), partial=partial)
        with self.notebook.locked():
            note = self.get_object()
            note.edit(self.writer, **fields)
        return self.answer(note)

    def destroy(self, request, *args, **kwargs):
        with self.notebook.locked():
            self.get_object().trash(self.writer)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def validated_fields(self, note=None, *, partial=False):
        serializer = self.get_serializer(note, data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def answer(self, note, status_code=status.HTTP_200_OK):
        response = Response(NoteSerializer(note).data, status=status_code)
        if status_code == status.HTTP_201_CREATED:
            response["Location"] = self.reverse_action("detail", kwargs={"id": str(note.uuid)})
        return response


def raise_409_if_taken(notebook, uuid):
    if uuid and notebook.notes.filter(uuid=uuid).exists():
        raise Conflict(f"There is, or was, a note with the id {uuid}.", code="id_taken")


class MeView(NotebookView):
    """Tells which key this is and what it opens."""

    @extend_schema(summary="Who am I", responses=MeSerializer)
    def get(self, request):
        access = request.access
        me = {
            "name": access.writer and access.writer.name,
            "level": access.level,
            "notebook": access.notebook.name,
        }
        return Response(MeSerializer(me).data)


class SchemaView(SpectacularAPIView):
    permission_classes = [Public]


class DocsView(SpectacularSwaggerView):
    permission_classes = [Public]


class NotFoundView(APIView):
    """Everything under /api/ that is not routed, with any method."""

    permission_classes = [Public]
    authentication_classes = []

    schema = None

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this address. See /api/docs.")
