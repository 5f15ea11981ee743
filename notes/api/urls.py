from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from notes.api.views import export, health, history, keys, markdown, metrics, notes, site, sync, tags


class Router(SimpleRouter):
    """Routes `/notes` and `/notes/` alike: a redirect would lose the body of a POST."""

    def __init__(self):
        super().__init__()
        self.trailing_slash = "/?"


router = Router()
router.register("notes", notes.NoteViewSet, basename="note")
router.register("trash", history.TrashViewSet, basename="trash")
router.register("tags", tags.TagViewSet, basename="tag")
router.register("keys", keys.KeyViewSet, basename="key")

revisions = r"^notes/(?P<id>[^/]+)/revisions"

v1 = [
    # Before the router's own, whose id may be any text.
    re_path(
        r"^notes/(?P<id>[^/]+)\.md/?$", markdown.MarkdownNoteViewSet.as_view({"get": "retrieve"}), name="note-markdown"
    ),
    *router.urls,
    re_path(rf"{revisions}/?$", history.RevisionViewSet.as_view({"get": "list"}), name="revision-list"),
    re_path(
        rf"{revisions}/(?P<number>[^/]+)/?$",
        history.RevisionViewSet.as_view({"get": "retrieve"}),
        name="revision-detail",
    ),
    re_path(
        rf"{revisions}/(?P<number>[^/]+)/restore/?$",
        history.RevisionViewSet.as_view({"post": "restore"}, basename="revision"),
        name="revision-restore",
    ),
    re_path(r"^batch/?$", sync.BatchView.as_view(), name="batch"),
    re_path(r"^changes/?$", sync.ChangesView.as_view(), name="changes"),
    re_path(r"^export/?$", export.ExportView.as_view(), name="export"),
    re_path(r"^me/?$", site.MeView.as_view(), name="me"),
]

# One callback for both addresses: the trail on a page for people names it once.
root = site.RootView.as_view()

urlpatterns = [
    path("api/v1/", include(v1)),
    re_path(r"^api/v1/?$", root, name="root"),
    re_path(r"^api/?$", root),
    re_path(r"^api/schema/?$", site.SchemaView.as_view(), name="schema"),
    re_path(r"^api/docs/?$", site.DocsView.as_view(url_name="schema"), name="docs"),
    re_path(r"^api(/[\s\S]*)?$", site.NotFoundView.as_view(), name="api-not-found"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", metrics.MetricsView.as_view(), name="metrics"),
]
