"""What is indexed of a note, the same in both databases.

The first character, which no word has, tells the kinds of terms apart. `word` stands anywhere in the note, `=word` in
its title; `=!digest` is its whole title, `@digest` a tag, `!digest` a name of its metadata with its value. So a search
in titles reads no more of the index than it finds, however common its words are.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

from notes.content import folded, metadata_pairs
from notes.search.query import Term
from notes.search.words import words


def tag_term(name: str) -> str:
    return "@" + digest(folded(name))


def pair_term(pair: tuple[str, str]) -> str:
    # NUL separates the two safely: neither can hold one.
    return "!" + digest("\0".join(pair))


def title_term(title_words: Iterable[str]) -> str:
    return "=!" + digest(" ".join(title_words))


def digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


class NoteOfIndex(Protocol):
    """What the index needs of a note."""

    pk: int
    notebook_id: int
    position: int
    title: str
    body: str
    tags: list[str]
    metadata: dict[str, Any]
    deleted_at: datetime | None


class Indexed(NamedTuple):
    """What the index holds of a note: marked terms, words of the title, words of the body."""

    marked: list[str]
    title: list[str]
    body: list[str]


def indexed(note: NoteOfIndex) -> Indexed:
    title = words(note.title)
    pairs = dict.fromkeys(metadata_pairs(note.metadata))
    marked = [*map(tag_term, note.tags), *map(pair_term, pairs), title_term(title), *(f"={word}" for word in title)]
    return Indexed(marked, title, words(note.body))


def term_words(term: Term) -> tuple[str, ...]:
    if term.pair:
        return (pair_term(term.pair),)
    return (tag_term(term.tag),) if term.tag else term.words
