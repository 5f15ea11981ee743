"""The log of writes: of one note, and of all."""

from dataclasses import dataclass
from itertools import pairwise

from django.contrib import admin
from django.utils.html import format_html

from notes import diffs
from notes.admin.filters import NotebookFilter, WriterFilter, WrittenFilter
from notes.admin.lists import ListAdmin, WithoutBodies, start_of_page
from notes.content import metadata_lines
from notes.models import Revision

LOG_PAGE_SIZE = 50
WRITES_A_PAGE = 5000


@dataclass(frozen=True)
class LogPage:
    """Up to 50 writes of a note, newest first, as pairs of a Revision and its diff.

    `older_than` is the number of the last of these writes if there are older ones, else None.
    """

    writes: list
    older_than: int | None

    @classmethod
    def of(cls, note, before=None):
        newest_first = note.revisions.order_by("-number")
        if before is not None:
            newest_first = newest_first.filter(number__lt=before)
        # Fetch one more than is shown: the diff of the last one needs the state before it.
        found = [*newest_first[: LOG_PAGE_SIZE + 1], None]
        writes = [(now, diffs.for_people(then, now)) for now, then in pairwise(found)][:LOG_PAGE_SIZE]
        return cls(writes, older_than=writes[-1][0].number if len(found) > LOG_PAGE_SIZE + 1 else None)


def lines_of(row):
    """Return the metadata of a note or revision, a line for each name."""
    return "\n".join(metadata_lines(row.metadata or {}))


class LogList(WithoutBodies):
    """Look through a bounded number of writes for each page: no index knows actions, writers and requests."""

    def get_results(self, request):
        before_first, last = WrittenFilter.numbers(request)
        end = min([last + 1, *start_of_page(request, self.model_admin)])
        first = max(end - WRITES_A_PAGE, before_first + 1)
        self.queryset = self.queryset.filter(number__gte=first, number__lt=end)
        super().get_results(request)
        if self.next_page is None and first > before_first + 1:
            self.next_page = self.page_after([first])


@admin.register(Revision)
class RevisionAdmin(ListAdmin):
    list_display = ["number", "action", "title", "writer_link", "day_link", "request_id"]
    list_filter = [NotebookFilter, "action", WriterFilter, ("written_at", WrittenFilter)]
    list_select_related = ["notebook"]
    search_fields = ["request_id__exact"]
    search_hint = (
        f"The whole id of a request. Click a writer or a day to see what was written. A page looks through "
        f"{WRITES_A_PAGE:,} writes; the next one goes on from there."
    )
    ordering = ["-number"]
    exclude = ["metadata"]
    readonly_fields = ["metadata_lines"]

    def get_changelist(self, request, **kwargs):
        return LogList

    @admin.display(description="writer")
    def writer_link(self, revision):
        return format_html("{} ({})", revision.writer_name, WriterFilter.link(revision.notebook, revision.writer))

    @admin.display(description="written at")
    def day_link(self, revision):
        return format_html("{} {}", WrittenFilter.link(revision), f"{revision.written_at:%H:%M:%S %Z}")

    @admin.display(description="metadata")
    def metadata_lines(self, revision):
        return lines_of(revision)

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
