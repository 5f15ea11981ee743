"""What the lists can be narrowed to."""

from urllib.parse import urlencode

from django.contrib import admin
from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.urls import reverse
from django.utils.html import format_html


class ClickedFilter(admin.SimpleListFilter):
    """A filter that the list's cells link to. It offers no values: finding them all would read the whole table."""

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
    # Django's own lookup into JSON lists, tags__contains, does not work on SQLite.
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
