from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

from notes.api import urls as api

handler400 = "notes.api.errors.bad_request"
handler403 = "notes.api.errors.permission_denied"
handler404 = "notes.api.errors.page_not_found"
handler500 = "notes.api.errors.server_error"

urlpatterns = [
    # First, as Django tries one pattern after the other.
    *api.urlpatterns,
    path("", TemplateView.as_view(template_name="notes/index.html"), name="index"),
    path("admin/", admin.site.urls),
    path("", include("rest_framework.urls")),
]
