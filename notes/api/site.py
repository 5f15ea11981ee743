"""Views that are about the API itself."""

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView

from notes.api.notebooks import NotebookView
from notes.api.params import raise_400_for_unknown
from notes.api.permissions import Public
from notes.api.serializers import MeSerializer


class MeView(NotebookView):
    """Tells a key what it is and what it opens."""

    @extend_schema(summary="Who am I", responses=MeSerializer)
    def get(self, request):
        access = request.access
        me = {
            "name": access.writer and access.writer.name,
            "level": access.level,
            "notebook": access.notebook.name,
            "expires_at": access.expires_at,
        }
        return Response(MeSerializer(me).data)


class SchemaView(SpectacularAPIView):
    permission_classes = [Public]
    # The same for everybody: who asks is not looked at, and the answer is kept for a minute (see urls.py).
    authentication_classes = []

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        raise_400_for_unknown(request, set())


class DocsView(SpectacularSwaggerView):
    permission_classes = [Public]
    authentication_classes = []
    # Its only renderer is the page: there is nothing to answer OPTIONS with.
    http_method_names = ["get", "head"]


class NotFoundView(APIView):
    """Everything under /api/ that is not routed, with any method."""

    permission_classes = [Public]
    authentication_classes = []
    schema = None

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this address. See /api/docs.")
