"""What happened lately in the notebooks: their last writes, and how many there were on each day."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone

from notes.models import Notebook, Revision

MAX_NOTEBOOKS = 10
DAYS = 30


@dataclass(frozen=True)
class Day:
    date: date
    writes: int
    # Of the picture: the place of the day's bar, and its height in percent of the highest.
    x: int
    height: int


class WritesPerDay(list):
    """A Day for each of the last days, the oldest first."""

    def __init__(self, midnights, counts):
        self.most, self.total = max(counts), sum(counts)
        for place, (midnight, count) in enumerate(zip(midnights, counts)):
            # A single write shows beside a thousand, too.
            height = max(100 * count // self.most, 3) if count else 0
            self.append(Day(midnight.date(), count, 4 * place, height))


def notebooks_with_writes():
    """Return the notebooks that were written to last, each with its WritesPerDay as `writes_per_day`."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    midnights = [today - timedelta(days=days) for days in reversed(range(DAYS))]
    notebooks = list(Notebook.objects.last_written_first()[:MAX_NOTEBOOKS])
    busy = [notebook for notebook in notebooks if notebook.written_at and notebook.written_at >= midnights[0]]
    numbers = last_numbers(busy, midnights)
    for notebook in notebooks:
        before = [numbers.get((notebook.pk, midnight), notebook.revision) for midnight in midnights]
        after = [*before[1:], notebook.revision]
        notebook.writes_per_day = WritesPerDay(midnights, [end - start for start, end in zip(before, after)])
    return notebooks


def last_numbers(notebooks, moments):
    """Return {(notebook's key, moment): number of the last write before it, or 0}.

    No index knows the times of writes, but they rise with the numbers. So all are searched for by halving, at once: a
    million writes take 20 queries.
    """
    ranges = {(notebook.pk, moment): (0, notebook.revision) for notebook in notebooks for moment in moments}
    while middles := {key: (low + high + 1) // 2 for key, (low, high) in ranges.items() if low < high}:
        wanted = defaultdict(set)
        for (pk, _), number in middles.items():
            wanted[pk].add(number)
        writes, *others = [
            Revision.objects.filter(notebook=pk, number__among=numbers).values_list("notebook", "number", "written_at")
            for pk, numbers in wanted.items()
        ]
        written_at = {tuple(key): moment for *key, moment in writes.union(*others, all=True)}
        for (pk, moment), number in middles.items():
            low, high = ranges[pk, moment]
            is_before = written_at[pk, number] < moment
            ranges[pk, moment] = (number, high) if is_before else (low, number - 1)
    return {key: low for key, (low, _) in ranges.items()}
