"""The administration as a whole, and what its first page tells."""

from datetime import timedelta

from django.contrib.admin import AdminSite

from notes import backups
from notes.activity import notebooks_with_writes
from notes.models import ApiKey, Note

MAX_KEYS = 10
KEYS_EXPIRE_WITHIN = timedelta(days=14)


class NotesAdminSite(AdminSite):
    site_header = "Notes"
    site_title = "Notes administration"
    index_title = "Administration"
    index_template = "admin/notes/index.html"

    def index(self, request, extra_context=None):
        context = {"last_backup_at": backups.last_times()[0]}
        if self.get_model_admin(Note).has_view_permission(request):
            context["notebooks"] = notebooks_with_writes()
        if self.get_model_admin(ApiKey).has_view_permission(request):
            context["expiring_keys"] = ApiKey.objects.expiring_within(KEYS_EXPIRE_WITHIN)[:MAX_KEYS]
        return super().index(request, {**context, **(extra_context or {})})
