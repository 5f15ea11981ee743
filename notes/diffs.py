"""Text differences for people."""

import difflib
import io
from typing import Any, NamedTuple, Protocol

from notes.content import metadata_lines

# difflib takes quadratic time on long texts without common lines.
MAX_COMPARED_LINES = 2_000
# A page of the admin shows 50 diffs, so each is cut. The revision's own page has the whole text.
MAX_LINES_FOR_PEOPLE = 1000
MAX_SHOWN_LINES = 100
MAX_SHOWN_LINE_CHARS = 1000
CONTEXT_LINES = 3


def unified(old: str, new: str, old_name: str = "", new_name: str = "") -> str:
    """Return a unified diff; "" for equal texts. Very long changed parts are shown as replaced whole."""
    old_lines, new_lines = split_lines(old), split_lines(new)
    start = common_length(old_lines, new_lines)
    end = common_length(old_lines[start:][::-1], new_lines[start:][::-1])
    changed = max(len(old_lines), len(new_lines)) - start - end
    if changed > MAX_COMPARED_LINES:
        removed = old_lines[start : len(old_lines) - end]
        added = new_lines[start : len(new_lines) - end]
        header = f"@@ -{start + 1},{len(removed)} +{start + 1},{len(added)} @@\n"
        lines = [f"--- {old_name}\n", f"+++ {new_name}\n", header]
        lines += [f"-{line}" for line in removed] + [f"+{line}" for line in added]
    else:
        lines = list(difflib.unified_diff(old_lines, new_lines, old_name, new_name))
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def split_lines(text: str) -> list[str]:
    """Return the lines with their ends. splitlines() would also cut at form feeds and the like."""
    return io.StringIO(text, newline="\n").readlines()


def common_length(first: list[str], second: list[str]) -> int:
    """Return how many lines two lists have in common at their beginning."""
    length = 0
    for one, other in zip(first, second):
        if one != other:
            break
        length += 1
    return length


class Line(NamedTuple):
    """A line of a diff; its kind is "+", "-", " " or "…"."""

    kind: str
    text: str


class Content(Protocol):
    """What a diff needs of a revision. The body is None once it was erased."""

    title: str
    body: Any
    tags: list[str]
    metadata: dict[str, Any]


def for_people(before: Content | None, after: Content) -> list[Line] | None:
    """Return what a write changed; an empty list if nothing.

    `before` is None for the first write. The result is None if the text of either revision has been erased.
    """
    if after.body is None or (before and before.body is None):
        return None
    old, new = (lines_of(before) if before else []), lines_of(after)
    if old == new:
        return []
    if [line.removesuffix("\r") for line in old] == [line.removesuffix("\r") for line in new]:
        return [Line("…", "Only the kind of line breaks (LF or CRLF).")]
    # Leave out what is equal at both ends: most edits then compare only a few lines, however long the note is.
    start = common_length(old, new)
    end = common_length(old[start:][::-1], new[start:][::-1])
    start, end = max(0, start - CONTEXT_LINES), max(0, end - CONTEXT_LINES)
    old, new = old[start : len(old) - end], new[start : len(new) - end]
    if len(old) + len(new) > MAX_LINES_FOR_PEOPLE:
        lines = [Line("-", line) for line in old[: MAX_SHOWN_LINES // 2]] + [Line("+", line) for line in new]
        lines[:0] = [Line("…", f"Too much changed to compare: {len(old):,} lines before, {len(new):,} after.")]
    else:
        unified = list(difflib.unified_diff(old, new, n=CONTEXT_LINES, lineterm=""))[2:]
        lines = [Line("…", "") if line.startswith("@@") else Line(line[0], line[1:]) for line in unified][1:]
    shown = [Line(kind, shortened(line)) for kind, line in lines[:MAX_SHOWN_LINES]]
    if len(lines) > MAX_SHOWN_LINES:
        shown.append(Line("…", f"and {len(lines) - MAX_SHOWN_LINES:,} more lines"))
    return shown


def lines_of(revision: Content) -> list[str]:
    head = [f"Title: {revision.title}", f"Tags: {', '.join(revision.tags)}", *metadata_lines(revision.metadata)]
    return [*head, "", *revision.body.split("\n")]


def shortened(line: str) -> str:
    more = len(line) - MAX_SHOWN_LINE_CHARS
    return f"{line[:MAX_SHOWN_LINE_CHARS]} … ({more:,} more characters)" if more > 0 else line
