"""Views for clients that keep a copy: the feed of changes, and many writes at once."""

from functools import partial

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from notes.api import batches, retries
from notes.api.batches import BatchSerializer
from notes.api.fields import Epoch
from notes.api.generics import NotebookView, WritingView
from notes.api.listing import OF_NOTEBOOK
from notes.api.pagination import LimitParams, Page, PagesOf, read_with_bodies
from notes.api.preconditions import CONDITIONS
from notes.api.problems import ResyncRequired, raises
from notes.api.query_params import WholeNumber
from notes.api.schema import IDEMPOTENCY_KEY
from notes.api.serializers import (
    BatchResultsSerializer,
    ChangeSerializer,
    ChangesSerializer,
)
from notes.models import Note
from notes.prepared import Parameter

SINCE = Parameter("since", Note._meta.get_field("revision"))
CHANGES = PagesOf(lambda: Note.objects.filter(**OF_NOTEBOOK).changed_after(SINCE))


class ChangesParams(LimitParams):
    """What the feed of changes may be asked for."""

    since = WholeNumber(default=0)
    epoch = Epoch(required=False)


class ChangesView(NotebookView):
    """Each note changed after `since`, once, at its latest state, in the order of the writes.

    Deleted and erased notes come as tombstones: `{"id", "revision", "deleted": true}`. Ask again with `since` set to
    the `revision` of the answer, at once while `has_more` is true. `since=0` is a full first sync, which may be
    interrupted and continued at any page. Keep the `epoch` and send it along: should the server be restored from a
    backup, the answer is a 410 with the code `resync_required`, and you start again.
    """

    query_params = {None: ChangesParams.names()}
    made_from = {None: "notebook"}
    pages = {None: "notes/changes.html"}

    @extend_schema(
        operation_id="listChanges",
        summary="Follow the changes",
        responses=ChangesSerializer,
        parameters=[ChangesParams],
    )
    @raises(ResyncRequired)
    def get(self, request):
        wanted, notebook = ChangesParams.of(request), self.notebook
        since = wanted["since"]
        if since > notebook.revision or wanted.get("epoch") not in {None, notebook.epoch}:
            raise ResyncRequired
        # If nothing is new, the only query is the one for the notebook.
        notes, has_more = [], False
        if since < notebook.revision:
            query, rows, has_more = read_with_bodies(partial(self.read, since), wanted["limit"], request)
            notes = ChangeSerializer.of_page(Page(query, rows))
        # The notebook was read before the notes, so a note may have a higher revision than the notebook has here.
        last = notes[-1]["revision"] if notes else since
        return Response(
            {
                "results": notes,
                "revision": last if has_more else max(last, notebook.revision),
                "epoch": str(notebook.epoch),
                "has_more": has_more,
            }
        )

    def read(self, since, count, short):
        query = CHANGES.query(["revision"], is_after=False, count=count, short=short)
        return query, query.rows(notebook=self.notebook.pk, since=since)


class BatchView(WritingView):
    """Up to 100 writes in one transaction: all of them, or none.

    They are carried out in order, each as its own write with its own number; one sees what those before it did. The
    first that fails is named by `operation`, counted from 0, and nothing is stored. Of a note that is written to more
    than once the last result has the content; those before it have `id`, `revision` and `deleted` alone.
    """

    writes = {None: batches.batch}
    pages = {None: "notes/batch.html"}
    ignored_headers = dict.fromkeys(CONDITIONS, "Say `if_match` in each operation that it is about.")

    @extend_schema(
        operation_id="runBatch",
        summary="Write many notes, all or nothing",
        request=BatchSerializer,
        responses=BatchResultsSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request):
        return self.write()

    def cost(self, request):
        operations = request.data.get("operations") if isinstance(request.data, dict) else None
        return max(1, len(operations)) if isinstance(operations, list) else 1

    def for_receipt(self, outcomes):
        return [[outcome.status, outcome.note.revision] for outcome in outcomes]

    def outcome_of(self, receipt):
        return [retries.outcome_at(self.notebook, *outcome) for outcome in receipt.outcomes]

    def response_for(self, outcomes):
        last = {outcome.note.uuid: outcome for outcome in outcomes}
        results = [result(outcome, in_full=outcome is last[outcome.note.uuid]) for outcome in outcomes]
        return Response({"results": results})


def result(outcome, *, in_full):
    note = ChangeSerializer(outcome.note).data
    if not in_full:
        # With the content, the answer to a hundred small edits of a long note would be ten megabytes.
        note = {name: note[name] for name in ("id", "revision", "deleted")}
    return {"status": outcome.status, "note": note}
