"""Known-item search: does a note come first when one remembers its title? python -m benchmarks.known_items FOLDER

Imports the Markdown files of a folder into a database of its own, and searches for each note by some of its words.
Plain FTS5, with bm25 and no weight on the title, gets the same searches for comparison.
"""

import argparse
import random
import sqlite3
import sys
from pathlib import Path

from benchmarks.library import BY, databases, use  # This import comes first: it sets Django up.

from notes.search import index  # isort: skip
from notes.search.query import parse  # isort: skip
from notes.search import words  # isort: skip
from notes import importing, markdown  # isort: skip
from notes.models import Notebook  # isort: skip

LIMIT = 50


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    try:
        with databases(None, [0], keep=False) as made:
            use(made[0])
            report(options.folder)
    except KeyboardInterrupt:
        sys.exit("Interrupted.")


def report(folder):
    notebook = Notebook.objects.default()
    for _ in importing.import_files(notebook, BY, markdown.read_folder(folder)):
        pass
    notes = list(notebook.notes.order_by("uuid"))
    plain = Plain(notes)
    print(f"{len(notes):,} notes{'':30}{'MRR':>8}{'first':>8}   {'bm25 MRR':>8}{'first':>8}")
    for label, choose in QUERIES.items():
        chance = random.Random(1)
        asked = [(note, query) for note in notes if (query := choose(note, chance))]
        ours = [place(positions_found(notebook, query), note.position) for note, query in asked]
        theirs = [place(plain.search(query), note.position) for note, query in asked]
        print(f"{label:32}{len(asked):8,}{figures(ours)}   {figures(theirs)}", flush=True)


def positions_found(notebook, query):
    hits = index.page(notebook, parse(" ".join(query)), by_relevance=True, limit=LIMIT)
    return [hit.position for hit in hits]


class Plain:
    """SQLite's own full-text search of titles and texts, as it comes."""

    def __init__(self, notes):
        self.database = sqlite3.connect(":memory:")
        self.database.execute("CREATE VIRTUAL TABLE plain USING fts5(title, body)")
        rows = [(note.position, note.title, note.body) for note in notes]
        self.database.executemany("INSERT INTO plain (rowid, title, body) VALUES (?, ?, ?)", rows)

    def search(self, query):
        # The last word may be unfinished, as in our search.
        match = " ".join(f'"{word}"' for word in query) + ("*" if len(query[-1]) > 1 else "")
        found = self.database.execute(
            "SELECT rowid FROM plain WHERE plain MATCH ? ORDER BY bm25(plain), rowid DESC LIMIT ?", (match, LIMIT)
        )
        return [position for (position,) in found]


def place(found, position):
    """Return 1 for the first place, 1/2 for the second; 0 if the note is not found."""
    return 1 / (found.index(position) + 1) if position in found else 0


def figures(places):
    return f"{sum(places) / len(places):8.3f}{sum(place == 1 for place in places) / len(places):8.1%}"


def letters(text):
    return [word for word in words.words(text) if word.isalnum()]


def some(text, count, chance):
    """Return `count` different words of the text, none very short; None if there are not enough."""
    long = [word for word in dict.fromkeys(letters(text)) if len(word) >= 4]
    return chance.sample(long, count) if len(long) >= count else None


def unfinished(found):
    return found and [*found[:-1], found[-1][:3]]


def both(first, second):
    return first and second and first + second


QUERIES = {
    "all words of the title": lambda note, chance: letters(note.title),
    "the last one cut to 3 letters": lambda note, chance: unfinished(letters(note.title)),
    "2 words of the title": lambda note, chance: some(note.title, 2, chance),
    "2 of the title, 1 of the text": lambda note, chance: both(some(note.title, 2, chance), some(note.body, 1, chance)),
    "1 of the title, 2 of the text": lambda note, chance: both(some(note.title, 1, chance), some(note.body, 2, chance)),
    "3 words of the text": lambda note, chance: some(note.body, 3, chance),
}

if __name__ == "__main__":
    main()
