"""Words: how text is cut into them, what a search asks for, where a text has them. No ORM, no SQL, no HTTP.

One tokenizer serves both databases, so that both find the same. It folds case, accents and compatibility forms; makes a
word of each character where a script has no spaces (and of Korean, whose particles stick to the word); and keeps what
programmers look for: `list_display`, `C++`, `C#`. All other punctuation separates.
"""

import functools
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

MAX_QUERY_CHARS = 500
MAX_QUERY_WORDS = 64
MIN_PREFIX_CHARS = 2

SINGLE = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3031-\u3035\u3041-\u30ff\u3105-\u31ff\u3220-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\uff66-\uffdc\U0001aff0-\U0001b2ff\U00020000-\U0003ffff"
)
EMOJI = "\u231a-\u23ff\u2600-\u27bf\u2b50\u2b55\U0001f1e6-\U0001f3fa\U0001f400-\U0001faff"
# Soft hyphen, tatweel, joiners, byte order mark.
IGNORED = "\u00ad\u0640\u200c\u200d\u2060\ufeff"
# Letters that Unicode does not take apart.
LETTERS = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "æ": "ae", "œ": "oe"})


def marks():
    """Return all combining marks as ranges of a regular expression's class."""
    ranges = []
    for code in (*range(0x300, 0xD800), *range(0xF900, 0x1F000), *range(0xE0100, 0xE01F0)):
        if unicodedata.category(chr(code))[0] == "M":
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


MARKS = marks() + "\uff9e\uff9f" + IGNORED
SYMBOLS = r"(?<=[^\W_])(?:_{1,64}(?=[^\W_])|(?:\+{1,3}|\#)(?!\w))"
# Runs of more than 64 characters (hashes, base64) are cut; a search for one is cut alike, and found as a phrase.
ASCII_RUN = re.compile(r"[a-z0-9]{1,64}|(?<=[a-z0-9])(?:_{1,64}(?=[a-z0-9])|(?:\+{1,3}|\#)(?![a-z0-9_]))")
# Every run is short: Unicode's normalization takes quadratic time for many marks on one letter.
ANY_RUN = re.compile(
    rf"[A-Za-z0-9]{{1,64}}+(?![^\x00-\x7f])"
    rf"|[\u1100-\u115f][\u1160-\u11a7]{{1,4}}[\u11a8-\u11ff]{{0,4}}|[{SINGLE}][{MARKS}]{{0,8}}"
    rf"|(?:[^\W_{SINGLE}]|(?<=\w)[{MARKS}]|(?<=[{MARKS}])[{MARKS}]){{1,64}}|[{EMOJI}]|{SYMBOLS}"
)
FOLDED_RUN = re.compile(rf"[{SINGLE}][{MARKS}]{{0,8}}|(?:[^\W_{SINGLE}]|[{MARKS}]){{1,64}}|[{EMOJI}]|[_+#]+")
# Nobody types the beginning of these.
WHOLE = re.compile(rf"[{SINGLE}{EMOJI}_+#]")


@functools.lru_cache(maxsize=1 << 16)
def folded(run):
    """Return the words of one matched run, without case, accents and compatibility forms."""
    if run.isascii():
        return (run.lower(),)
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", run).casefold()).casefold()
    # Marks of a class below 10 (voiced kana, nukta, virama) make other letters; the others are accents and points.
    text = "".join(
        char
        for char in text
        if unicodedata.combining(char) < 10 and char not in IGNORED and not "\ufe00" <= char <= "\ufe0f"
    )
    return tuple(FOLDED_RUN.findall(unicodedata.normalize("NFC", text).translate(LETTERS)))


def words(text):
    """Return the words of a text. Lines of ASCII, most of most texts, take a short cut."""
    if text.isascii():
        return ASCII_RUN.findall(text.lower())
    found = []
    for line in text.split("\n"):
        if line.isascii():
            found += ASCII_RUN.findall(line.lower())
        else:
            for run in ANY_RUN.findall(line):
                found += folded(run)
    return found


def spans(text):
    """Return (word, start, end) for each word, counted in characters of the text as it is."""
    found, at = [], 0
    for line in text.split("\n"):
        if line.isascii():
            found += [(match[0], at + match.start(), at + match.end()) for match in ASCII_RUN.finditer(line.lower())]
        else:
            for match in ANY_RUN.finditer(line):
                found += [(word, at + match.start(), at + match.end()) for word in folded(match[0])]
        at += len(line) + 1
    return found


class QueryTooLong(ValueError):
    """Says in words for people what the limit is."""


@dataclass(frozen=True)
class Term:
    """One thing that a search asks for: a word, a phrase of several, or a tag."""

    words: tuple = ()
    tag: str = ""
    is_negated: bool = False
    is_prefix: bool = False


@dataclass(frozen=True)
class Query:
    terms: tuple = ()

    @property
    def wanted(self):
        """The terms that a note's text must have."""
        return [term for term in self.terms if term.words and not term.is_negated]

    @property
    def others(self):
        """The tags, and what a note must not have."""
        return [term for term in self.terms if term.tag or term.is_negated]


TERM = re.compile(
    r'(?P<minus>(?<!\S)-(?=[^\s-]))?(?P<tag>tag:)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))', re.IGNORECASE
)


def parse(text):
    """Return the Query of words, "exact phrases", -without and tag:name; all else in the text is just text.

    The last word stands for all that begin with it, while it is being typed. Raises QueryTooLong.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise QueryTooLong(f"A search has at most {MAX_QUERY_CHARS} characters.")
    text = re.sub("[“”„]", '"', text.rstrip())
    terms, count = {}, 0
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


FRAGMENT_CHARS = 160
MAX_FRAGMENTS = 3


def highlights(query, text):
    """Return up to three fragments of the text in which the search matches, in the order of the text.

    Each is {"start", "text", "matches": [[start, end], ...]}; all numbers count characters from the beginning of the
    whole text. Linear time. Most matches stand early: a long text is read to its end only if need be.
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


def matches_in(query, found):
    """Return (start, end, number of the term) for each match, in the order of the text."""
    starts, place = [], 1
    for word, _, _ in found:
        starts.append(place)
        place += len(word) + 1
    line = " " + " ".join(word for word, _, _ in found) + " "
    matches = []
    for number, term in enumerate(query.wanted):
        needle = " " + " ".join(term.words) + ("" if term.is_prefix else " ")
        at = line.find(needle)
        while at >= 0:
            first = bisect_right(starts, at + 1) - 1
            matches.append((found[first][1], found[first + len(term.words) - 1][2], number))
            # The space behind one match is the space before the next.
            at = line.find(needle, at + len(needle) - (not term.is_prefix))
    return sorted(matches)


def grouped(matches):
    """Return the matches in groups that fit one fragment each."""
    groups = []
    for match in matches:
        if groups and match[1] - groups[-1][0][0] <= FRAGMENT_CHARS:
            groups[-1].append(match)
        else:
            groups.append([match])
    return groups


def fragment(group, found, text):
    """Return the fragment around a group of matches, cut between words."""
    begins, ends = [begin for _, begin, _ in found], [end for _, _, end in found]
    first, last = group[0][0], max(end for _, end, _ in group)
    room = max(0, FRAGMENT_CHARS - (last - first)) // 2
    start = 0 if first <= room else begins[min(bisect_right(begins, first - room), bisect_right(begins, first) - 1)]
    stop = len(text) if last + room >= len(text) else max(last, ends[bisect_right(ends, last + room) - 1])
    merged = []
    for begin, end, _ in group:
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([begin, end])
    return {"start": start, "text": text[start:stop], "matches": merged}
