"""Notes: people look into them, and write them through the same door as everybody else."""

import re
from contextlib import contextmanager, nullcontext

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as ask_before_delete
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html_join

from notes import safe_html
from notes.admin.filters import CreatedFilter, NotebookFilter, TagFilter, TrashFilter
from notes.admin.forms import NoteForm
from notes.admin.lists import ListAdmin, WithoutBodies, start_of_page
from notes.admin.log import LogPage, lines_of
from notes.api.preconditions import tag_of_note
from notes.door import Door
from notes.models import CONTENT, Note, Writer
from notes.querysets import positions_between
from notes.search import index
from notes.search.engine import Hit
from notes.search.query import Query, QueryTooLong, Term, parse
from notes.search.ranking import IN_TEXT


@admin.register(Note)
class NoteAdmin(ListAdmin):
    form = NoteForm
    list_display = ["title", "tag_links", "number", "updated_at", "deleted_at"]
    list_filter = [NotebookFilter, TrashFilter, TagFilter, ("created_at", CreatedFilter)]
    list_select_related = ["notebook"]
    search_fields = ["title", "body"]
    search_hint = (
        'Words, "exact phrases", -without and tag:name, in one notebook, the newest first. The trash is not searched. '
        "Click a tag to see the notes that bear it."
    )
    actions = ["delete_selected", "restore_selected"]

    def get_changelist(self, request, **kwargs):
        return WithoutBodies

    def get_queryset(self, request):
        # A purged note is an empty row, which only clients that synchronize need.
        return super().get_queryset(request).unpurged()

    def get_ordering(self, request):
        return ["-deleted_at", "-position"] if TrashFilter.chosen(request) == "yes" else ["-position"]

    def get_paginator(self, request, queryset, *args, **kwargs):
        # Django asks for it where a note is to be chosen, and would count all notes.
        return super().get_paginator(request, list(queryset.defer("body")[: self.list_per_page]), *args, **kwargs)

    def get_search_results(self, request, queryset, search_term):
        """Find a page of the notes that have these words and the clicked tag, by the index of the API's search."""
        tag = TagFilter.chosen(request)
        if not search_term and not tag:
            return queryset, False
        try:
            terms = parse(search_term).terms
        except QueryTooLong as error:
            self.message_user(request, str(error), messages.ERROR)
            return queryset.none(), False
        # A search without any word, such as "%", finds nothing, rather than everything.
        if (search_term and not terms) or TrashFilter.chosen(request) == "yes":
            return queryset.none(), False
        notebook, moments = NotebookFilter.notebook(request), CreatedFilter.moments(request)
        hits = index.page(
            notebook,
            Query((*terms, Term(tag=tag)) if tag else terms),
            by_relevance=False,
            limit=self.list_per_page + 1,
            after=Hit(IN_TEXT, *start) if (start := start_of_page(request, self)) else None,
            candidates=queryset if any(moments) else None,
            position_range=positions_between(*moments),
        )
        # Begin anew: beside the filters' bounds of the position, SQLite would not look the hits up one by one.
        found = self.get_queryset(request).live().filter(notebook=notebook, position__in=[hit.position for hit in hits])
        return found.select_related("notebook"), False

    @admin.display(description="revision")
    def number(self, note):
        return note.revision

    @admin.display(description="tags")
    def tag_links(self, note):
        return format_html_join(", ", "{}", ((TagFilter.link(note.notebook, name),) for name in note.tags))

    @admin.display(description="metadata")
    def metadata_lines(self, note):
        return lines_of(note)

    def get_fields(self, request, obj=None):
        if obj is None:
            return ["notebook", *CONTENT]
        if self.has_change_permission(request, obj):
            return [*CONTENT, "etag", *self.get_readonly_fields(request, obj)]
        return ["title", "body", "tag_links", "metadata_lines", *self.get_readonly_fields(request, obj)]

    def get_form(self, request, obj=None, change=False, **kwargs):
        # NoteForm declares the notebook itself. Django refuses the name of a column that is not editable.
        return super().get_form(request, obj, change, **{**kwargs, "fields": CONTENT})

    def get_readonly_fields(self, request, obj=None):
        return ["notebook", "uuid", "number", "created_at", "updated_at", "deleted_at"] if obj else []

    # The page of a trashed note offers nothing to do. A POST can still come from a page opened before the note was
    # trashed. It is let through, so that it gets an explanation instead of a bare 403.

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and is_live_or_post(request, obj)

    def has_delete_permission(self, request, obj=None):
        return super().has_delete_permission(request, obj) and is_live_or_post(request, obj)

    # Keep the door open from before Django reads the note until the end of the write. If an edit through the API
    # came first, the form refuses; if it comes later, it waits and then meets a new revision.

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        with self.door_for_post(request, object_id):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request, object_id, extra_context=None):
        with self.door_for_post(request, object_id):
            return super().delete_view(request, object_id, extra_context)

    @contextmanager
    def door_for_post(self, request, object_id):
        note = self.get_object(request, unquote(object_id)) if object_id and request.method == "POST" else None
        with Door(note.notebook, Writer.staff(request.user, request.id)) if note else nullcontext() as request.door:
            yield

    def save_model(self, request, obj, form, change):
        if change:
            # `obj` already carries the whole form. Take the stored row instead, and apply only what the person changed.
            note = Note.objects.select_related("notebook").get(pk=obj.pk)
            request.door.edit(note, **form.changes)
            obj.revision = note.revision
        else:
            content = {name: form.cleaned_data[name] for name in CONTENT}
            with Door(form.cleaned_data["notebook"], Writer.staff(request.user, request.id)) as door:
                obj.pk = door.create(**content).pk

    def delete_model(self, request, obj):
        move_to_trash(request.door, obj)

    def delete_queryset(self, request, queryset):
        """Return how many notes went to the trash. Each is a write of its own, so it locks one notebook at a time."""
        count = 0
        for note in queryset.select_related("notebook"):
            with Door(note.notebook, Writer.staff(request.user, request.id)) as door:
                count += move_to_trash(door, note)
        return count

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
            with Door(row.notebook, Writer.staff(request.user, request.id)) as door:
                note = row.notebook.notes.trashed().filter(pk=row.pk).first()
                count += note is not None and door.restore(note)
        self.message_user(request, f"Restored {count} {'note' if count == 1 else 'notes'}.", messages.SUCCESS)

    def get_deleted_objects(self, objs, request):
        # Django would list rows to delete with the notes, and refuse because the log protects them. None is deleted.
        titles = [note.title for note in objs]
        return titles, {"notes": len(titles)}, set(), []

    def response_change(self, request, obj):
        is_unchanged = request.POST["etag"] == tag_of_note(obj.revision, obj.notebook.epoch)
        if not is_unchanged or "_addanother" in request.POST:
            return super().response_change(request, obj)
        self.message_user(request, "Nothing was changed, so nothing was written.")
        if "_continue" in request.POST:
            return redirect(request.get_full_path())
        return self.response_post_save_change(request, obj)

    def response_delete(self, request, obj_display, obj_id):
        self.message_user(request, f"The note “{obj_display}” is in the trash.", messages.SUCCESS)
        return self.response_post_save_change(request, None)

    # Keep nothing in Django's log: its copies of titles would outlive a purge. The log of writes says more.

    def log_addition(self, request, obj, message):
        pass

    def log_change(self, request, obj, message):
        pass

    def log_deletions(self, request, queryset):
        pass

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if change:
            context["log"] = LogPage.of(obj)
            context["rendered"] = safe_html.rendered(obj.body)
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
        revert, restore = map(self.admin_site.admin_view, [self.revert_view, self.restore_view])
        return [
            path("<path:object_id>/revert/<int:number>/", revert, name="notes_note_revert"),
            path("<path:object_id>/restore/", restore, name="notes_note_restore"),
            *super().get_urls(),
        ]

    def restore_view(self, request, object_id):
        """Take a note out of the trash: the button on its page."""
        note = self.get_object(request, unquote(object_id))
        if note is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method != "POST" or not self.has_change_permission(request, note):
            raise PermissionDenied
        self.restore_selected(request, Note.objects.filter(pk=note.pk))
        return redirect("admin:notes_note_change", note.pk)

    def revert_view(self, request, object_id, number):
        """Write the content of an old revision again: the button in the log."""
        note = self.get_object(request, unquote(object_id))
        if note is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method != "POST" or note.deleted_at or not self.has_change_permission(request, note):
            raise PermissionDenied
        with Door(note.notebook, Writer.staff(request.user, request.id)) as door:
            present = note.notebook.notes.live().filter(pk=note.pk).first()
            revision = note.revisions.kept().filter(number=number).first()
            if present and revision and door.revert(present, revision):
                self.message_user(request, f"The note is again what it was at revision {number}.", messages.SUCCESS)
            else:
                self.message_user(request, "Nothing was changed, so nothing was written.")
        return redirect("admin:notes_note_change", note.pk)


def move_to_trash(door, row):
    """Move the note to the trash; return False when it is there already."""
    note = door.notebook.notes.live().filter(pk=row.pk).first()
    if note:
        door.trash(note)
    return note is not None


def is_live_or_post(request, note):
    return note is None or note.deleted_at is None or request.method == "POST"
