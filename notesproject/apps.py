from django.contrib.admin.apps import AdminConfig


class NotesAdminConfig(AdminConfig):
    default_site = "notesproject.admin.NotesAdminSite"
