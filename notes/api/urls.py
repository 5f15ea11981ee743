from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from notes.api import health, views


class Router(SimpleRouter):
    """Routes `/notes` and `/notes/` alike: a redirect would lose the body of a POST."""

    def __init__(self):
        super().__init__()
        self.trailing_slash = "/?"


router = Router()
router.register("notes", views.NoteViewSet, basename="note")

v1 = [
    *router.urls,
    re_path(r"^me/?$", views.MeView.as_view(), name="me"),
]

urlpatterns = [
    path("api/v1/", include(v1)),
    re_path(r"^api/schema/?$", views.SchemaView.as_view(), name="schema"),
    re_path(r"^api/docs/?$", views.DocsView.as_view(url_name="schema"), name="docs"),
    re_path(r"^api(/.*)?$", views.NotFoundView.as_view(), name="api-not-found"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
]
