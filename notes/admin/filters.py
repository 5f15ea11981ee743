"""What the lists can be narrowed to."""

from datetime import timedelta
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import BadRequest, ValidationError
from django.forms import DateTimeField
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html

from notes.activity import last_numbers
from notes.models import ApiKey, Notebook, Tag
from notes.querysets import positions_between


class ClickedFilter(admin.SimpleListFilter):
    """A filter that the list's cells link to. It offers a few values: finding them all would read the whole table."""

    MAX_OFFERED = 20

    def lookups(self, request, model_admin):
        offered = self.offered(NotebookFilter.chosen(request))
        is_among = not self.value() or any(value == self.value() for value, _ in offered)
        return offered if is_among else [(self.value(), self.value()), *offered]

    @classmethod
    def chosen(cls, request):
        # PostgreSQL takes no NUL in text, and the refusal would be a 500.
        return request.GET.get(cls.parameter_name, "").replace("\x00", "") or None

    def value(self):
        return self.chosen(self.request)

    @classmethod
    def link(cls, notebook, value):
        query = urlencode({NotebookFilter.parameter_name: notebook.name, cls.parameter_name: value})
        return format_html('<a href="{}?{}">{}</a>', reverse(cls.list_name), query, value)


class TagFilter(ClickedFilter):
    """A tag is found by the search, together with the words. The tags on most notes are offered."""

    title = "tag"
    parameter_name = "tag"
    list_name = "admin:notes_note_changelist"

    def offered(self, notebook_name):
        most_used = Tag.objects.filter(notebook__name=notebook_name).order_by("-notes", "key")
        return [(name, name) for name in most_used.values_list("name", flat=True)[: self.MAX_OFFERED]]

    def queryset(self, request, queryset):
        return queryset


class OneOfFilter(admin.SimpleListFilter):
    """A filter that always has one of its values: no index would serve the list of all."""

    @classmethod
    def chosen(cls, request):
        return request.GET.get(cls.parameter_name) or cls.default

    def value(self):
        return self.chosen(self.request)

    def choices(self, changelist):
        _all, *choices = super().choices(changelist)
        return choices


class NotebookFilter(OneOfFilter):
    title = "notebook"
    parameter_name = "notebook"
    default = Notebook.DEFAULT_NAME

    def lookups(self, request, model_admin):
        return [(name, name) for name in Notebook.objects.order_by("name").values_list("name", flat=True)]

    def queryset(self, request, queryset):
        return queryset.filter(notebook=self.notebook(request))

    @classmethod
    def notebook(cls, request):
        return get_object_or_404(Notebook, name=cls.chosen(request))


class TrashFilter(OneOfFilter):
    title = "in trash"
    parameter_name = "trash"
    default = "no"

    def lookups(self, request, model_admin):
        return [("no", "No"), ("yes", "Yes")]

    def queryset(self, request, queryset):
        return queryset.trashed() if self.value() == "yes" else queryset.live()


class DaysFilter(admin.DateFieldListFilter):
    @classmethod
    def moments(cls, request):
        """Return the first moment, and the one after the last. Either may be None."""
        try:
            return [DateTimeField(required=False).clean(request.GET.get(name)) for name in cls.PARAMETERS]
        except ValidationError:
            raise BadRequest("There is no such time.") from None


class CreatedFilter(DaysFilter):
    """The day of creation. The position goes with it, and has the index."""

    PARAMETERS = ("created_at__gte", "created_at__lt")

    def queryset(self, request, queryset):
        moments = self.moments(request)
        bounds = zip(("position__gte", "position__lt"), positions_between(*moments))
        wanted = [*zip(self.PARAMETERS, moments), *bounds]
        return queryset.filter(**{lookup: value for lookup, value in wanted if value is not None})


class WrittenFilter(DaysFilter):
    """The day of a write. The list itself turns it into numbers of the log, which have the index."""

    PARAMETERS = ("written_at__gte", "written_at__lt")

    def queryset(self, request, queryset):
        return queryset

    @classmethod
    def numbers(cls, request):
        """Return the number before the first of these writes, and that of the last one."""
        notebook, moments = NotebookFilter.notebook(request), cls.moments(request)
        found = last_numbers([notebook], [moment for moment in moments if moment])
        ends = zip(moments, (0, notebook.revision))
        return [found[notebook.pk, moment] if moment else end for moment, end in ends]

    @classmethod
    def link(cls, revision):
        day = revision.written_at.replace(hour=0, minute=0, second=0, microsecond=0)
        moments = zip(cls.PARAMETERS, (day, day + timedelta(days=1)))
        query = urlencode({NotebookFilter.parameter_name: revision.notebook.name, **dict(moments)})
        return format_html('<a href="?{}">{}</a>', query, day.date())


class WriterFilter(ClickedFilter):
    """A writer. The operator and the newest keys are offered."""

    title = "writer"
    parameter_name = "by"
    list_name = "admin:notes_revision_changelist"

    def offered(self, notebook_name):
        newest = ApiKey.objects.filter(notebook__name=notebook_name).order_by("-id")[: self.MAX_OFFERED]
        return [("operator", "operator"), *((key.writer_id, f"key {key}") for key in newest)]

    def queryset(self, request, queryset):
        return queryset.filter(writer=self.value()) if self.value() else queryset
