from django.contrib import admin
from django.urls import include, path

from notes import pages
from notes.api import urls as api

handler400 = "notes.api.errors.bad_request"
handler403 = "notes.api.errors.permission_denied"
handler404 = "notes.api.errors.page_not_found"
handler500 = "notes.api.errors.server_error"

urlpatterns = [
    # First, as Django tries one pattern after the other.
    *api.urlpatterns,
    path("", pages.StartView.as_view(), name="index"),
    path("docs/<name>", pages.DocumentView.as_view(), name="document"),
    path("admin/", admin.site.urls),
    path("", include("rest_framework.urls")),
]
