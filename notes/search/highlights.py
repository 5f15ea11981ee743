"""Finds the places in a text that match a search. No ORM, no SQL, no HTTP."""

from bisect import bisect_right
from typing import Any

from notes.search.query import Query
from notes.search.words import Span, spans

FRAGMENT_CHARS = 160
MAX_FRAGMENTS = 3


# Start, end, and the number of the term.
Match = tuple[int, int, int]


def highlights(query: Query, text: str) -> list[dict[str, Any]]:
    """Return up to three fragments of the text in which the search matches, in the order of the text.

    Each is {"start", "text", "matches": [[start, end], ...]}; all numbers count characters from the beginning of the
    whole text. Takes linear time. Most matches stand early, so a long text is read to its end only if need be.
    """
    for size in (4_000, len(text)):
        cut = text.rfind(" ", 0, size) if size < len(text) else len(text)
        part = text[: cut if cut > 0 else size]
        found = spans(part)
        matches = matches_in(query, found)
        if size >= len(text) or len({term for _, _, term in matches}) == len(query.wanted):
            break
    best = sorted(grouped(matches), key=lambda group: (-len({term for _, _, term in group}), group[0][0]))
    return [fragment(group, found, text) for group in sorted(best[:MAX_FRAGMENTS])]


def matches_in(query: Query, found: list[Span]) -> list[Match]:
    """Return the matches in the order of the text."""
    starts: list[int] = []
    place = 1
    for word, _, _ in found:
        starts.append(place)
        place += len(word) + 1
    line = " " + " ".join(word for word, _, _ in found) + " "
    matches: list[Match] = []
    for number, term in enumerate(query.wanted):
        needle = term.text
        at = line.find(needle)
        while at >= 0:
            first = bisect_right(starts, at + 1) - 1
            matches.append((found[first][1], found[first + len(term.words) - 1][2], number))
            # The space after one match may be the space before the next.
            at = line.find(needle, at + len(needle) - (not term.is_prefix))
    return sorted(matches)


def grouped(matches: list[Match]) -> list[list[Match]]:
    """Return the matches in groups that fit one fragment each."""
    groups: list[list[Match]] = []
    for match in matches:
        if groups and match[1] - groups[-1][0][0] <= FRAGMENT_CHARS:
            groups[-1].append(match)
        else:
            groups.append([match])
    return groups


def fragment(group: list[Match], found: list[Span], text: str) -> dict[str, Any]:
    """Return the fragment around a group of matches, cut between words."""
    begins, ends = [begin for _, begin, _ in found], [end for _, _, end in found]
    first, last = group[0][0], max(end for _, end, _ in group)
    room = max(0, FRAGMENT_CHARS - (last - first)) // 2
    start = 0 if first <= room else begins[min(bisect_right(begins, first - room), bisect_right(begins, first) - 1)]
    stop = len(text) if last + room >= len(text) else max(last, ends[bisect_right(ends, last + room) - 1])
    merged: list[list[int]] = []
    for begin, end, _ in group:
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([begin, end])
    return {"start": start, "text": text[start:stop], "matches": merged}
