"""The admin: look into notes and their log, and write through the same door as everybody else."""

import re
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as ask_before_delete
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import DataError, IntegrityError, connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join

from notes import diffs
from notes.api import audit
from notes.forms import ApiKeyForm, NoteForm
from notes.models import CONTENT, ApiKey, Note, Notebook, Revision, Writer

admin.site.site_header = "Notes"
admin.site.site_title = "Notes administration"
admin.site.index_title = "Administration"

LOG_PAGE_SIZE = 50
MAX_SEARCH_CHARS = 100
SET_BY_SERVER = ["created_at", "created_by", "revoked_at", "last_used_at"]


class BoundedList(ChangeList):
    """A list that no address makes slow: it filters by what its own filters offer, and by nothing else."""

    def get_filters_params(self, params=None):
        # Django asks for all values of a name: a thousand are more than an expression of SQLite holds.
        return {name: values[-1:] for name, values in super().get_filters_params(params).items()}

    def get_filters(self, request):
        found = super().get_filters(request)
        _, _, left_over, _, _ = found
        # What no filter has taken would be a lookup in any column: digits of a digest could be tried out one by one,
        # and a regular expression can keep the whole process busy for ever.
        for name in self.get_filters_params().keys() & left_over.keys():
            raise DisallowedModelAdminLookup(f"Filtering by {name!r} not allowed")
        return found


class WithoutBodies(BoundedList):
    """A page of a hundred rows would otherwise carry up to ten million characters that it does not show."""

    def get_queryset(self, *args, **kwargs):
        return super().get_queryset(*args, **kwargs).defer("body")


class ClickedFilter(admin.SimpleListFilter):
    """A filter that the list's cells link to. To offer all values would be a walk over the whole table."""

    def lookups(self, request, model_admin):
        return [(self.value(), self.value())] if self.value() else []

    def value(self):
        # PostgreSQL takes no NUL in text, and the refusal would be a 500.
        return (super().value() or "").replace("\x00", "") or None

    @classmethod
    def link(cls, value):
        address = f"{reverse(cls.list_name)}?{urlencode({cls.parameter_name: value})}"
        return format_html('<a href="{}">{}</a>', address, value)


class TagFilter(ClickedFilter):
    title = "tag"
    parameter_name = "tag"
    list_name = "admin:notes_note_changelist"
    # Django's own lookup into JSON lists, tags__contains, is not for SQLite.
    HAS_TAG = {
        "sqlite": 'EXISTS (SELECT 1 FROM json_each("notes_note"."tags") WHERE value = %s)',
        "postgresql": 'EXISTS (SELECT 1 FROM jsonb_array_elements_text("notes_note"."tags") WHERE value = %s)',
    }

    def queryset(self, request, queryset):
        if not self.value():
            return queryset
        return queryset.filter(RawSQL(self.HAS_TAG[connection.vendor], [self.value()], output_field=BooleanField()))


class TrashFilter(admin.SimpleListFilter):
    title = "in trash"
    parameter_name = "trash"

    def lookups(self, request, model_admin):
        return [("no", "No"), ("yes", "Yes")]

    def queryset(self, request, queryset):
        if self.value() == "no":
            return queryset.live()
        if self.value() == "yes":
            return queryset.trashed()
        return queryset


class WriterFilter(ClickedFilter):
    title = "writer"
    parameter_name = "by"
    list_name = "admin:notes_revision_changelist"

    def queryset(self, request, queryset):
        return queryset.filter(writer=self.value()) if self.value() else queryset


class ListAdmin(admin.ModelAdmin):
    """What every model of the admin has: a list that an address can neither slow down nor break."""

    def get_changelist(self, request, **kwargs):
        return BoundedList

    def get_changelist_instance(self, request):
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError, DataError) as error:
            # A filter typed by hand that is no date or number is no filter.
            raise IncorrectLookupParameters from error

    def get_search_results(self, request, queryset, search_term):
        # Each word is looked for in each row. PostgreSQL takes no NUL.
        if len(search_term) > MAX_SEARCH_CHARS or "\x00" in search_term:
            self.message_user(request, f"A search has at most {MAX_SEARCH_CHARS} characters.", messages.ERROR)
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def get_changeform_initial_data(self, request):
        # Django would fill in a form from the address, and fails over a time that is none.
        return {}

    def response_action(self, request, queryset):
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.clean(key, None)
        except ValidationError:
            raise BadRequest("A selected row has no such id.") from None
        return super().response_action(request, queryset)


# Django's own admins of people and groups, with lists of ours.
admin.site.unregister([get_user_model(), Group])


@admin.register(get_user_model())
class PersonAdmin(ListAdmin, UserAdmin):
    pass


@admin.register(Group)
class PeopleAdmin(ListAdmin, GroupAdmin):
    pass


@admin.register(Note)
class NoteAdmin(ListAdmin):
    form = NoteForm
    list_display = ["title", "tag_links", "number", "updated_at", "notebook", "in_trash"]
    list_filter = ["notebook", TrashFilter, TagFilter, "created_at"]
    list_select_related = ["notebook"]
    search_fields = ["title", "body"]
    search_help_text = "Words of the title or the body. Click a tag to see the notes that bear it."
    ordering = ["-created_at", "-id"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = ["delete_selected", "restore_selected"]

    def get_changelist(self, request, **kwargs):
        return WithoutBodies

    def get_queryset(self, request):
        # What was purged is an empty row, which only clients that synchronize need.
        return super().get_queryset(request).unpurged()

    @admin.display(description="revision", ordering="revision")
    def number(self, note):
        return note.revision

    @admin.display(description="tags")
    def tag_links(self, note):
        return format_html_join(", ", "{}", ((TagFilter.link(name),) for name in note.tags))

    @admin.display(description="in trash", ordering="deleted_at")
    def in_trash(self, note):
        return "in trash" if note.deleted_at else ""

    def get_fields(self, request, obj=None):
        if obj is None:
            return ["notebook", *CONTENT]
        if self.has_change_permission(request, obj):
            return [*CONTENT, "opened_at_revision", *self.get_readonly_fields(request, obj)]
        return ["title", "body", "tag_links", *self.get_readonly_fields(request, obj)]

    def get_form(self, request, obj=None, change=False, **kwargs):
        # Django makes no field of a column that is not editable, and refuses the name; NoteForm declares the notebook.
        return super().get_form(request, obj, change, **{**kwargs, "fields": CONTENT})

    def get_readonly_fields(self, request, obj=None):
        return ["notebook", "uuid", "number", "created_at", "updated_at", "deleted_at"] if obj else []

    # A note in the trash is shown, and offers nothing to do. A POST comes from a page that was opened before it went
    # there: it is heard, and answered in words instead of a bare 403.

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and is_live_or_post(request, obj)

    def has_delete_permission(self, request, obj=None):
        return super().has_delete_permission(request, obj) and is_live_or_post(request, obj)

    # The lock is held from before Django reads the note until the end of the write. An edit through the API either
    # was there before, and the form refuses, or waits and meets a new revision.

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        with self.locked_for_post(request, object_id):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request, object_id, extra_context=None):
        with self.locked_for_post(request, object_id):
            return super().delete_view(request, object_id, extra_context)

    @contextmanager
    def locked_for_post(self, request, object_id):
        note = self.get_object(request, unquote(object_id)) if object_id and request.method == "POST" else None
        with note.notebook.locked() if note else nullcontext():
            yield

    def save_model(self, request, obj, form, change):
        if change:
            # `obj` has all of the form in it already. The row as it is, and on it what the person changed.
            note = Note.objects.select_related("notebook").get(pk=obj.pk)
            note.edit(writer(request), **form.changes)
            obj.revision = note.revision
        else:
            content = {name: form.cleaned_data[name] for name in CONTENT}
            obj.pk = form.cleaned_data["notebook"].create_note(writer(request), **content).pk

    def delete_model(self, request, obj):
        """Move it to the trash; return False when it is there already."""
        with obj.notebook.locked():
            note = obj.notebook.notes.live().filter(pk=obj.pk).first()
            if note:
                note.trash(writer(request))
            return note is not None

    def delete_queryset(self, request, queryset):
        """Return how many went to the trash. Each is a write of its own: no two notebooks are locked at a time."""
        return sum(self.delete_model(request, note) for note in queryset.select_related("notebook"))

    @admin.action(permissions=["delete"], description="Move selected notes to the trash")
    def delete_selected(self, request, queryset):
        if not request.POST.get("post"):
            return ask_before_delete(self, request, queryset)
        count = self.delete_queryset(request, queryset)
        self.message_user(request, f"Moved {count} {'note' if count == 1 else 'notes'} to the trash.", messages.SUCCESS)

    @admin.action(permissions=["change"], description="Restore selected notes from the trash")
    def restore_selected(self, request, queryset):
        count = 0
        for row in queryset.select_related("notebook"):
            with row.notebook.locked():
                note = row.notebook.notes.trashed().filter(pk=row.pk).first()
                count += note is not None and note.restore(writer(request))
        self.message_user(request, f"Restored {count} {'note' if count == 1 else 'notes'}.", messages.SUCCESS)

    def get_deleted_objects(self, objs, request):
        # Django would list what goes with the notes, and refuse because the log protects them. Nothing goes.
        titles = [note.title for note in objs]
        return titles, {"notes": len(titles)}, set(), []

    def response_change(self, request, obj):
        is_unchanged = request.POST["opened_at_revision"] == str(obj.revision)
        if not is_unchanged or "_addanother" in request.POST:
            return super().response_change(request, obj)
        self.message_user(request, "Nothing was changed, so nothing was written.")
        if "_continue" in request.POST:
            return redirect(request.get_full_path())
        return self.response_post_save_change(request, obj)

    def response_delete(self, request, obj_display, obj_id):
        self.message_user(request, f"The note “{obj_display}” is in the trash.", messages.SUCCESS)
        return self.response_post_save_change(request, None)

    # The log of writes says more than Django's, whose copies of titles would outlive a purge.

    def log_addition(self, request, obj, message):
        pass

    def log_change(self, request, obj, message):
        pass

    def log_deletions(self, request, queryset):
        pass

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if change:
            context["log"] = LogPage.of(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def history_view(self, request, object_id, extra_context=None):
        note = self.get_object(request, unquote(object_id))
        if note is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_or_change_permission(request, note):
            raise PermissionDenied
        before = request.GET.get("before", "")
        context = {
            **self.admin_site.each_context(request),
            "title": f"History: {note}",
            "module_name": "Notes",
            "object": note,
            "opts": self.opts,
            "can_revert": note.deleted_at is None and self.has_change_permission(request, note),
            "log": LogPage.of(note, before=int(before) if re.fullmatch("[0-9]{1,18}", before) else None),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/notes/note/object_history.html", context)

    def get_urls(self):
        view = self.admin_site.admin_view(self.revert_view)
        return [path("<path:object_id>/revert/<int:number>/", view, name="notes_note_revert"), *super().get_urls()]

    def revert_view(self, request, object_id, number):
        """Write the content of an old revision again: the button in the log."""
        note = self.get_object(request, unquote(object_id))
        if note is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method != "POST" or note.deleted_at or not self.has_change_permission(request, note):
            raise PermissionDenied
        with note.notebook.locked():
            present = note.notebook.notes.live().filter(pk=note.pk).first()
            revision = note.revisions.kept().filter(number=number).first()
            if present and revision and present.revert(writer(request), revision):
                self.message_user(request, f"The note is again what it was at revision {number}.", messages.SUCCESS)
            else:
                self.message_user(request, "Nothing was changed, so nothing was written.")
        return redirect("admin:notes_note_change", note.pk)


def writer(request):
    return Writer(id=f"staff:{request.user.pk}", name=request.user.get_username(), request_id=request.id)


def is_live_or_post(request, note):
    return note is None or note.deleted_at is None or request.method == "POST"


@dataclass(frozen=True)
class LogPage:
    """Up to 50 writes of a note, newest first, as pairs of a Revision and its diff.

    `older_than` is the number of the last one when there are older ones, else None.
    """

    writes: list
    older_than: int | None

    @classmethod
    def of(cls, note, before=None):
        newest_first = note.revisions.order_by("-number")
        if before is not None:
            newest_first = newest_first.filter(number__lt=before)
        # One more than is shown: the state before the last one.
        found = [*newest_first[: LOG_PAGE_SIZE + 1], None]
        writes = [(now, diffs.for_people(then, now)) for now, then in pairwise(found)][:LOG_PAGE_SIZE]
        return cls(writes, older_than=writes[-1][0].number if len(found) > LOG_PAGE_SIZE + 1 else None)


@admin.register(Revision)
class RevisionAdmin(ListAdmin):
    list_display = ["number", "action", "title", "writer_link", "written_at", "request_id", "notebook"]
    list_filter = ["notebook", "action", WriterFilter]
    list_select_related = ["notebook"]
    search_fields = ["request_id__exact"]
    search_help_text = "The whole id of a request. Click a writer to see what they wrote."
    ordering = ["-id"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_changelist(self, request, **kwargs):
        return WithoutBodies

    @admin.display(description="writer", ordering="writer")
    def writer_link(self, revision):
        return format_html("{} ({})", revision.writer_name, WriterFilter.link(revision.writer))

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(Notebook)
class NotebookAdmin(ListAdmin):
    list_display = ["name", "public", "revision", "created_at"]
    fields = ["name", "public", "revision", "created_at"]
    ordering = ["name"]

    def get_readonly_fields(self, request, obj=None):
        # The service finds the default notebook by its name.
        is_default = obj is not None and obj.name == Notebook.objects.all().DEFAULT
        return ["revision", "created_at", *(["name"] if is_default else [])]

    def has_delete_permission(self, request, obj=None):
        return False

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            # Somebody took the name after the form had looked for it.
            self.message_user(request, "There is a notebook of this name by now. Nothing was saved.", messages.ERROR)
            return redirect(request.path)

    def save_model(self, request, obj, form, change):
        # Only what was changed: all columns would set back the counter of a notebook that is written to meanwhile.
        obj.save(update_fields=form.changed_data if change else None)


@admin.register(ApiKey)
class ApiKeyAdmin(ListAdmin):
    form = ApiKeyForm
    list_display = ["name", "notebook", "level", "state", "last_used_at"]
    list_filter = ["notebook", "level"]
    list_select_related = ["notebook"]
    search_fields = ["name"]
    ordering = ["-created_at", "-id"]
    show_facets = admin.ShowFacets.NEVER
    actions = ["revoke_selected"]

    def get_fields(self, request, obj=None):
        return ["name", "notebook", "level", "expires_at", *(["state", *SET_BY_SERVER] if obj else [])]

    def get_readonly_fields(self, request, obj=None):
        # A key is what it was made as. Who needs another one makes another one.
        return ["notebook", "level", "expires_at", "state", *SET_BY_SERVER] if obj else []

    def has_add_permission(self, request):
        # A key reads or writes all of any notebook, whatever the person who makes it may do.
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        if change:
            # Only the name: all columns would open a key again that is revoked meanwhile.
            obj.save(update_fields=["name"])
        else:
            made, request.text_of_new_key = ApiKey.make(writer(request), **form.cleaned_data)
            obj.pk = made.pk
            audit.log("key_made", request, key=made)

    def response_add(self, request, obj, post_url_continue=None):
        """Show the text in the answer to the form: on the way through a redirect it would lie in a cookie."""
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
