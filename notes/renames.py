"""Renames a tag on all its notes, in transactions of bounded size, so that others can write in between.

The task is stored first, as a TagRename. If it is interrupted, the same request continues it, and so does a server when
it starts.
"""

import logging
from itertools import accumulate

from django.db import Error, connection
from django.db.models.functions import Length
from django.utils import timezone

from notes import databases
from notes.content import folded
from notes.door import Door
from notes.models import TagRename
from notes.search import index
from notes.search.engine import Hit
from notes.search.query import Query, Term
from notes.search.ranking import IN_TEXT

logger = logging.getLogger("notes.renames")

# The limits of one transaction: it takes 0.1 to 0.2 seconds, whether notes are short or long.
MAX_NOTES = 100
MAX_CHARS = 500_000
MAX_ROWS = 5_000


def finish_all():
    """Finish what was interrupted when the last server ended. A fault is only logged: the service runs without this."""
    try:
        for rename in TagRename.objects.running().select_related("notebook"):
            finish(rename)
    except Error as error:
        logger.error("The renaming of a tag could not be finished: %s", type(error).__name__)
    finally:
        connection.close()


def finish(rename):
    """Rename the tag on all notes. Another thread may be working on the same TagRename."""
    while not rename.finished_at:
        with databases.giving_way(), Door(rename.notebook, rename.by) as door:
            rename.refresh_from_db(fields=rename.PROGRESS)
            if not rename.finished_at:
                go_on(door, rename)
                rename.save(update_fields=rename.PROGRESS)


def go_on(door, rename):
    """Rename the tag on the next notes. If none are left, mark the renaming as finished."""
    positions, last = next_in_index(rename) if rename.goes_by_index else next_in_rows(rename)
    if last is not None:
        notes, is_cut = bounded(rename.notebook.notes.live().filter(position__in=positions))
        rename.notes += door.replace_tag(notes, rename.old, rename.new)
        rename.seen += len(notes)
        rename.position = notes[-1].position if is_cut else last
    elif rename.goes_by_index and is_left(rename):
        rename.goes_by_index, rename.position = False, None
    else:
        # The new name may differ only in case from an existing tag.
        rename.notebook.tags.filter(key=folded(rename.new)).update(name=rename.new)
        # Keep no names here: a purge would not find them.
        rename.old = rename.new = ""
        rename.finished_at = timezone.now()


def next_in_index(rename):
    """Return (positions of notes with the tag, the last of these positions); ([], None) at the end."""
    query = Query((Term(tag=rename.old),))
    after = None if rename.position is None else Hit(IN_TEXT, rename.position)
    hits = index.page(rename.notebook, query, by_relevance=False, ascending=True, after=after, limit=MAX_NOTES)
    positions = [hit.position for hit in hits]
    return positions, positions[-1] if positions else None


def next_in_rows(rename):
    """Return (positions of notes with the tag, the last position looked at); ([], None) at the end."""
    rows = rename.notebook.notes.live().order_by("position")
    if rename.position is not None:
        rows = rows.filter(position__gt=rename.position)
    rows = list(rows.values_list("position", "tags")[:MAX_ROWS])
    old = folded(rename.old)
    positions = [position for position, tags in rows if old in map(folded, tags)][:MAX_NOTES]
    is_cut = len(positions) == MAX_NOTES
    return positions, positions[-1] if is_cut else rows[-1][0] if rows else None


def is_left(rename):
    """Tell whether notes still have the tag. If so, the index has missed them: it is being rebuilt, or is broken."""
    tag = rename.notebook.tags.filter(key=folded(rename.old)).first()
    if folded(rename.old) == folded(rename.new):
        return tag is not None and rename.seen < tag.notes
    return tag is not None


def bounded(notes):
    """Return (the first of these notes by position, whether there are more).

    They have up to MAX_CHARS of text; a single longer note comes alone.
    """
    notes = notes.order_by("position")
    totals = list(accumulate(notes.values_list(Length("body"), flat=True)))
    fitting = max(1, sum(total <= MAX_CHARS for total in totals))
    return list(notes[:fitting]), fitting < len(totals)
