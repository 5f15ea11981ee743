"""Views that are about the API itself."""

from functools import cache

from csp.decorators import csp_update
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.response import Response
from rest_framework.routers import APIRootView
from rest_framework.views import APIView

from notes.api.generics import NotebookView
from notes.api.permissions import Public
from notes.api.problems import NothingHere
from notes.api.query_params import raise_400_for_unknown
from notes.api.serializers import MeSerializer


class RootView(APIRootView):
    """All that there is, as links. Start at the documentation."""

    name = "API"
    pages = {None: "notes/api_root.html"}
    permission_classes = [Public]
    # The same for every caller: no authentication.
    authentication_classes = []
    api_root_dict = {
        "notes": "note-list",
        "trash": "trash-list",
        "tags": "tag-list",
        "keys": "key-list",
        "changes": "changes",
        "batch": "batch",
        "export": "export",
        "me": "me",
        "docs": "docs",
        "schema": "schema",
    }

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        raise_400_for_unknown(request, set())


class MeView(NotebookView):
    """Tells a key what it is and what it opens."""

    pages = {None: "notes/me.html"}

    @extend_schema(operation_id="whoAmI", summary="Who am I", responses=MeSerializer)
    def get(self, request):
        me = {
            "name": self.access.writer and self.access.writer.name,
            "level": self.access.level,
            "notebook": self.notebook.name,
            "epoch": self.notebook.epoch,
            "expires_at": self.access.expires_at,
        }
        return Response(MeSerializer(me).data)


class SchemaView(SpectacularAPIView):
    permission_classes = [Public]
    # The same for every caller: no authentication.
    authentication_classes = []
    schema = None

    def get(self, request, *args, **kwargs):
        renderer = request.accepted_renderer
        headers = {
            "Content-Disposition": f'inline; filename="openapi.{renderer.format}"',
            "Cache-Control": "max-age=60",
        }
        return HttpResponse(document(type(renderer)), content_type=renderer.media_type, headers=headers)

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        raise_400_for_unknown(request, set())


@cache
def document(renderer_class):
    """Return the OpenAPI document as bytes, made once: making it takes a hundred times as long as reading a note."""
    return renderer_class().render(SchemaGenerator().get_schema(public=True), renderer_context={})


# Swagger's style sheet has its icons in itself.
@method_decorator(csp_update({"img-src": ["data:"]}), name="dispatch")
class DocsView(SpectacularSwaggerView):
    template_name = "notes/swagger.html"
    permission_classes = [Public]
    authentication_classes = []
    # The page is its only renderer, so it cannot answer OPTIONS.
    http_method_names = ["get", "head"]


class NotFoundView(APIView):
    """Everything under /api/ that is not routed, with any method."""

    permission_classes = [Public]
    authentication_classes = []
    schema = None

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        raise NothingHere
