"""Notebooks: their names, and who may read them."""

from django.contrib import admin, messages
from django.db import IntegrityError
from django.shortcuts import redirect

from notes.admin.lists import ListAdmin
from notes.models import Notebook


@admin.register(Notebook)
class NotebookAdmin(ListAdmin):
    list_display = ["name", "public", "revision", "created_at"]
    fields = ["name", "public", "revision", "created_at"]
    ordering = ["name"]

    def get_readonly_fields(self, request, obj=None):
        # The service finds the default notebook by its name.
        is_default = obj is not None and obj.name == Notebook.DEFAULT_NAME
        return ["revision", "created_at", *(["name"] if is_default else [])]

    def has_delete_permission(self, request, obj=None):
        return False

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            # Somebody took the name after the form had checked it.
            self.message_user(request, "There is a notebook of this name by now. Nothing was saved.", messages.ERROR)
            return redirect(request.path)

    def save_model(self, request, obj, form, change):
        # Save only what was changed. Saving all columns would set the counter back if somebody writes meanwhile.
        obj.save(update_fields=form.changed_data if change else None)
