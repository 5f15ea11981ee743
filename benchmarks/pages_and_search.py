"""How list pages and searches grow with a notebook: python -m benchmarks.pages_and_search --folder FOLDER

Run it behind `python -m tests.postgres` for PostgreSQL; TMPDIR says where that server keeps its files. A page is a
whole request through Django's test client. A search is the product's own `index.page`, which returns the positions of
its hits; it is compared with LIKE, which returns positions too. Two things that are compared run in turns, again and
again: each ratio is the median of the ratios of their turns.
"""

import argparse
import sys
import time
from statistics import median
from urllib.parse import parse_qs, urlsplit

from benchmarks.library import databases, use  # This import comes first: it sets Django up.

from django.db.models import Q  # isort: skip
from rest_framework.test import APIClient  # isort: skip

from notes.search import index  # isort: skip
from notes.search.query import parse  # isort: skip
from notes.api.pagination import position_text, signer  # isort: skip
from notes.api.listing import ORDERS  # isort: skip
from notes.models import Notebook  # isort: skip
from tests.keys import OPERATOR_KEY  # isort: skip

LIST = "/api/v1/notes"
LIMIT = 50
DEEP_PAGE = 10_000
LISTS = ["-created_at", "created_at", "-updated_at", "title"]
SEARCHES = [
    ("rare", "rareword"),
    ("middling", "middleword"),
]
RELATIVES = [
    ("common word by relevance", "commonword"),
    ("two common words by relevance", "commonword othercommon"),
    ("phrase of common words by relevance", '"commonword othercommon"'),
    ("unfinished common word by relevance", "commonwo"),
    ("middling word by relevance", "middleword"),
    ("no such word by relevance", "nosuchword"),
]
# Whole requests, compared with the first page of the list.
REQUESTS = [
    {"q": "rareword", "ordering": "title"},
    {"q": "middleword", "ordering": "-updated_at"},
    {"q": "rareword", "created_before": "2016-01-01T00:00:00Z"},
    {"q": "middleword commonword", "created_after": "2016-01-01T00:00:00Z"},
    {"q": "commonword", "updated_before": "2016-01-01T00:00:00Z"},
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--notes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], metavar="N")
    parser.add_argument("--folder", help="where the databases go (SQLite); a million notes take 6 GB")
    parser.add_argument("--keep", action="store_true", help="keep the databases in the folder, for another run")
    parser.add_argument("--seconds", type=float, default=3, help="how long each comparison goes on")
    options = parser.parse_args()
    if options.keep and not options.folder:
        parser.error("--keep needs a --folder")
    sizes = sorted(set(options.notes))
    try:
        with databases(options.folder, sizes, keep=options.keep) as made:
            print(f"{'':66}{'ms':>9} {'beside':>10} {'ratio':>8}")
            for label, functions, target in comparisons(made):
                ours, other, ratio = compared(*functions, seconds=options.seconds)
                print(
                    f"{label:66}{ours * 1000:9.2f} {other * 1000:10.2f} {ratio:8.2f}  {verdict(ratio, target)}",
                    flush=True,
                )
    except KeyboardInterrupt:
        sys.exit("Interrupted.")


def comparisons(made):
    """Yield (label, (what is measured, what it is compared with), (at most or at least, target) or None)."""
    smallest, *_, largest = [*made, *made]
    for order in LISTS:
        first, beside = ListPage(made[largest], order), ListPage(made[smallest], order)
        yield f"list by {order}: {largest:,} notes / {smallest:,}", (first, beside), ("at most", 1.2)
    for order in LISTS:
        page = min(DEEP_PAGE, largest // LIMIT)
        first, deep = ListPage(made[largest], order), ListPage(made[largest], order, page=page)
        yield f"list by {order}: page {page:,} / page 1", (deep, first), ("at most", 1.2)
    for size, database in made.items():
        for label, word in SEARCHES:
            like = Like(database, word)
            for by_relevance in (False, True):
                ours = Search(database, word, by_relevance=by_relevance)
                if not by_relevance and set(ours()) != set(like()):
                    print(f"{word} and LIKE find different notes", file=sys.stderr)
                way = "relevance" if by_relevance else "newest"
                # LIKE knows no relevance, and scanning few notes is as fast as anything.
                target = None if by_relevance or size < largest else ("at least", 100)
                yield f"LIKE / search, {label} word by {way}, {size:,} notes", (ours, like), target
    rare = Search(made[largest], "rareword", by_relevance=True)
    for label, text in RELATIVES:
        target = ("at most", 10) if label == "common word by relevance" else None
        yield f"{label} / rare word, {largest:,} notes", (Search(made[largest], text, by_relevance=True), rare), target
    first = ListPage(made[largest], LISTS[0])
    for params in REQUESTS:
        label = " ".join(f"{name}={value[:17]}" for name, value in params.items())
        yield f"{label} / list", (ListPage(made[largest], **params), first), None


def verdict(ratio, target):
    if target is None:
        return ""
    bound, number = target
    is_met = ratio <= number if bound == "at most" else ratio >= number
    return f"{bound} {number}: {'met' if is_met else 'MISSED'}"


def compared(ours, other, *, seconds):
    """Return the median seconds of both, and the median ratio: ours to the other, or LIKE's to ours."""
    for one in (ours, other):
        one()
    turns, began = [], time.perf_counter()
    while len(turns) < 3 or time.perf_counter() - began < seconds:
        turns.append((timed(ours), timed(other)))
    is_against_like = isinstance(other, Like)
    ratios = [that / this if is_against_like else this / that for this, that in turns]
    return median(this for this, _ in turns), median(that for _, that in turns), median(ratios)


def timed(one, most=0.02):
    """Return the median seconds of some calls."""
    use(one.database)
    calls, until = [], time.perf_counter() + most
    while not calls or time.perf_counter() < until:
        began = time.perf_counter()
        one.run()
        calls.append(time.perf_counter() - began)
    return median(calls)


class Measured:
    def __init__(self, database):
        self.database = database
        use(database)
        self.notebook = Notebook.objects.default()

    def __call__(self):
        use(self.database)
        return self.run()


class ListPage(Measured):
    """A page of the list, as a client gets it."""

    def __init__(self, database, ordering="relevance", page=1, **params):
        super().__init__(database)
        self.client = APIClient()
        self.client.credentials(HTTP_X_API_KEY=OPERATOR_KEY)
        self.params = {"limit": LIMIT, "ordering": ordering, **params}
        if page > 1:
            # Build the cursor without walking there: it is the last row of the page before.
            columns = ORDERS[ordering]
            last = self.notebook.notes.live().order_by(*columns)[(page - 1) * LIMIT - 1]
            [cursor] = parse_qs(urlsplit(self().json()["next"]).query)["cursor"]
            digest, backwards, _ = signer.unsign_object(cursor)
            position = [position_text(last, column.removeprefix("-")) for column in columns]
            self.params["cursor"] = signer.sign_object([digest, backwards, position])

    def run(self):
        response = self.client.get(LIST, self.params)
        assert len(response.json()["results"]) == LIMIT or "q" in self.params
        return response


class Search(Measured):
    """Return the positions of the newest or the best hits of a search."""

    def __init__(self, database, text, *, by_relevance):
        super().__init__(database)
        self.query = parse(text)
        self.by_relevance = by_relevance

    def run(self):
        hits = index.page(self.notebook, self.query, by_relevance=self.by_relevance, limit=LIMIT)
        return [hit.position for hit in hits]


class Like(Measured):
    """Find the newest notes that contain these letters, without any index of words."""

    def __init__(self, database, letters):
        super().__init__(database)
        self.letters = letters

    def run(self):
        notes = self.notebook.notes.live().filter(Q(title__contains=self.letters) | Q(body__contains=self.letters))
        return list(notes.order_by("-position").values_list("position", flat=True)[:LIMIT])


if __name__ == "__main__":
    main()
