"""The figures for Prometheus, for the operator's eyes: they are totals of all notebooks."""

import hmac

from django.conf import settings
from django.http import HttpResponse
from django.utils.functional import cached_property
from rest_framework.renderers import BaseRenderer
from rest_framework.views import APIView

from notes import keys
from notes.api.authentication import KeyAuthentication
from notes.api.permissions import NotebookPermission, access_of
from notes.api.problems import NothingHere


class MetricsToken:
    """The NOTES_METRICS_TOKEN of the environment. It opens the figures and nothing else, even without a database."""

    writer_id = "metrics"


class MetricsAuthentication(KeyAuthentication):
    def key_of(self, text):
        token = settings.NOTES_METRICS_TOKEN
        if token and hmac.compare_digest(keys.digest(text), keys.digest(token)):
            return MetricsToken()
        return super().key_of(text)


class MetricsPermission(NotebookPermission):
    def has_permission(self, request, view):
        return isinstance(request.auth, MetricsToken) or super().has_permission(request, view)


class PrometheusRenderer(BaseRenderer):
    media_type = "text/plain"
    format = "prometheus"


class MetricsView(APIView):
    authentication_classes = [MetricsAuthentication]
    permission_classes = [MetricsPermission]
    renderer_classes = [PrometheusRenderer]
    needs = {"GET": "admin"}
    # What it renders is the figures alone, so it cannot answer OPTIONS.
    http_method_names = ["get", "head"]
    schema = None

    @cached_property
    def access(self):
        return access_of(self.request)

    def initial(self, request, *args, **kwargs):
        if not settings.NOTES_METRICS:
            raise NothingHere
        super().initial(request, *args, **kwargs)

    def get(self, request):
        from notes.api import metrics

        return HttpResponse(metrics.page(), content_type="text/plain; version=0.0.4; charset=utf-8")
