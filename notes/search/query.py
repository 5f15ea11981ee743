"""What a search asks for. No ORM, no SQL, no HTTP."""

import re
from dataclasses import dataclass

from notes.search.words import MIN_PREFIX_CHARS, WHOLE, spans

MAX_QUERY_CHARS = 500
MAX_QUERY_WORDS = 64


class QueryTooLong(ValueError):
    """The message tells people what the limit is."""


@dataclass(frozen=True)
class Term:
    """One thing that a search asks for: a word, a phrase of several, a tag, or a name of metadata with its value."""

    words: tuple[str, ...] = ()
    tag: str = ""
    pair: tuple[str, str] | None = None
    is_negated: bool = False
    is_prefix: bool = False

    @property
    def text(self) -> str:
        """What a line of words has in it, with a space before and after each, if it has this term."""
        return f" {' '.join(self.words)}{'' if self.is_prefix else ' '}"


@dataclass(frozen=True)
class Query:
    terms: tuple[Term, ...] = ()

    @property
    def wanted(self) -> list[Term]:
        """The terms that a note's text must have."""
        return [term for term in self.terms if term.words and not term.is_negated]

    @property
    def others(self) -> list[Term]:
        """The tags, the metadata, and what a note must not have."""
        return [term for term in self.terms if not term.words or term.is_negated]


TERM = re.compile(
    r'(?P<minus>(?<!\S)-(?=[^\s-]))?(?P<tag>tag:)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))', re.IGNORECASE
)


def parse(text: str) -> Query:
    """Return the Query of words, "exact phrases", -without and tag:name. There is no other syntax.

    The last word is a prefix while it is being typed: it finds all words that begin with it. Raises QueryTooLong.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise QueryTooLong(f"A search has at most {MAX_QUERY_CHARS} characters.")
    text = re.sub("[“”„]", '"', text.rstrip())
    terms: dict[Term, None] = {}
    count = 0
    for match in TERM.finditer(text):
        written = match["word"] if match["phrase"] is None else match["phrase"]
        is_negated = bool(match["minus"])
        if match["tag"]:
            if written.strip():
                terms[Term(tag=written, is_negated=is_negated)] = None
            continue
        found = spans(written)
        if not found:
            continue
        last, _, end = found[-1]
        is_being_typed = match["word"] and not is_negated and match.end() == len(text) and end == len(written)
        is_prefix = bool(is_being_typed and len(last) >= MIN_PREFIX_CHARS and not WHOLE.match(last))
        terms[Term(tuple(word for word, _, _ in found), is_negated=is_negated, is_prefix=is_prefix)] = None
        count += len(found)
        if count > MAX_QUERY_WORDS:
            raise QueryTooLong(f"A search has at most {MAX_QUERY_WORDS} words.")
    return Query(tuple(terms))
