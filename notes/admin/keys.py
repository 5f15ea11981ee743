"""API keys: made and revoked here, shown once."""

from django.contrib import admin, messages
from django.template.response import TemplateResponse
from django.utils.html import format_html

from notes.admin.filters import WriterFilter
from notes.admin.forms import ApiKeyForm
from notes.admin.lists import ListAdmin
from notes.api import audit
from notes.models import ApiKey, Writer

SET_BY_SERVER = ["created_at", "created_by", "revoked_at", "last_used_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(ListAdmin):
    form = ApiKeyForm
    list_display = ["name", "notebook", "level", "state", "last_used_at"]
    list_filter = ["notebook", "level"]
    list_select_related = ["notebook"]
    search_fields = ["name"]
    # The newest first: ids are UUIDs of version 7.
    ordering = ["-id"]
    actions = ["revoke_selected"]

    def get_fields(self, request, obj=None):
        return ["name", "notebook", "level", "expires_at", *(["state", "writes", *SET_BY_SERVER] if obj else [])]

    def get_readonly_fields(self, request, obj=None):
        # Level, notebook and expiry are fixed when a key is made.
        return ["notebook", "level", "expires_at", "state", "writes", *SET_BY_SERVER] if obj else []

    @admin.display(description="in the log")
    def writes(self, key):
        return WriterFilter.link(key.notebook, key.writer_id)

    def has_add_permission(self, request):
        # A key gives access to a whole notebook, whatever permissions the person who makes it has.
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        if change:
            # Save only the name. Saving all columns would reopen a key that somebody has just revoked.
            obj.save(update_fields=["name"])
        else:
            made, request.text_of_new_key = ApiKey.make(Writer.staff(request.user, request.id), **form.cleaned_data)
            obj.pk = made.pk
            audit.log("key_made", request, key=made)

    def response_add(self, request, obj, post_url_continue=None):
        """Show the key in the answer to the form. A redirect would have to store it in a cookie."""
        text = format_html("The key “{}”, shown this once: <code>{}</code>", obj.name, request.text_of_new_key)
        self.message_user(request, text, messages.SUCCESS)
        context = {**self.admin_site.each_context(request), "title": "Copy the key now", "opts": self.opts}
        return TemplateResponse(request, "admin/notes/apikey/made.html", context)

    @admin.action(permissions=["change"], description="Revoke selected keys")
    def revoke_selected(self, request, queryset):
        revoked = [key for key in queryset if key.revoke()]
        for key in revoked:
            self.log_change(request, key, "Revoked.")
            audit.log("key_revoked", request, key=key)
        count = len(revoked)
        self.message_user(request, f"Revoked {count} {'key' if count == 1 else 'keys'}.", messages.SUCCESS)
