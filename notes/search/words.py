"""Cuts text into words. No ORM, no SQL, no HTTP.

One tokenizer serves both databases, so that both find the same. It folds case, accents and compatibility forms. In
scripts without spaces each character is a word; in Korean too, where particles stick to the word. It keeps what
programmers look for: `list_display`, `C++`, `C#`. All other punctuation separates.
"""

import functools
import re
import unicodedata

MIN_PREFIX_CHARS = 2

SINGLE = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3031-\u3035\u3041-\u30ff\u3105-\u31ff\u3220-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\uff66-\uffdc\U0001aff0-\U0001b2ff\U00020000-\U0003ffff"
)
EMOJI = "\u231a-\u23ff\u2600-\u27bf\u2b50\u2b55\U0001f1e6-\U0001f3fa\U0001f400-\U0001faff"
# Soft hyphen, tatweel, joiners, byte order mark.
IGNORED = "\u00ad\u0640\u200c\u200d\u2060\ufeff"
# Letters that Unicode does not decompose.
LETTERS = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "æ": "ae", "œ": "oe"})


def marks() -> str:
    """Return all combining marks as ranges for a character class of a regular expression."""
    ranges: list[list[int]] = []
    for code in (*range(0x300, 0xD800), *range(0xF900, 0x1F000), *range(0xE0100, 0xE01F0)):
        if unicodedata.category(chr(code))[0] == "M":
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


MARKS = marks() + "\uff9e\uff9f" + IGNORED
SYMBOLS = r"(?<=[^\W_])(?:_{1,64}(?=[^\W_])|(?:\+{1,3}|\#)(?!\w))"
# Runs of more than 64 characters (hashes, base64) are cut. A search for one is cut the same way and finds a phrase.
ASCII_RUN = re.compile(r"[a-z0-9]{1,64}|(?<=[a-z0-9])(?:_{1,64}(?=[a-z0-9])|(?:\+{1,3}|\#)(?![a-z0-9_]))")
# Keep every run short: Unicode normalization takes quadratic time for many marks on one letter.
ANY_RUN = re.compile(
    rf"[A-Za-z0-9]{{1,64}}+(?![^\x00-\x7f])"
    rf"|[\u1100-\u115f][\u1160-\u11a7]{{1,4}}[\u11a8-\u11ff]{{0,4}}|[{SINGLE}][{MARKS}]{{0,8}}"
    rf"|(?:[^\W_{SINGLE}]|(?<=\w)[{MARKS}]|(?<=[{MARKS}])[{MARKS}]){{1,64}}|[{EMOJI}]|{SYMBOLS}"
)
FOLDED_RUN = re.compile(rf"[{SINGLE}][{MARKS}]{{0,8}}|(?:[^\W_{SINGLE}]|[{MARKS}]){{1,64}}|[{EMOJI}]|[_+#]+")
# These words are never a prefix: nobody types only their beginning.
WHOLE = re.compile(rf"[{SINGLE}{EMOJI}_+#]")


@functools.lru_cache(maxsize=1 << 16)
def folded(run: str) -> tuple[str, ...]:
    """Return the words of one matched run, without case, accents and compatibility forms."""
    if run.isascii():
        return (run.lower(),)
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", run).casefold()).casefold()
    # Keep marks of a class below 10 (voiced kana, nukta, virama): they make other letters. The rest are accents and
    # points.
    text = "".join(
        char
        for char in text
        if unicodedata.combining(char) < 10 and char not in IGNORED and not "\ufe00" <= char <= "\ufe0f"
    )
    return tuple(FOLDED_RUN.findall(unicodedata.normalize("NFC", text).translate(LETTERS)))


def words(text: str) -> list[str]:
    """Return the words of a text. ASCII lines, most lines of most texts, take a short cut."""
    if text.isascii():
        return ASCII_RUN.findall(text.lower())
    found: list[str] = []
    for line in text.split("\n"):
        if line.isascii():
            found += ASCII_RUN.findall(line.lower())
        else:
            for run in ANY_RUN.findall(line):
                found += folded(run)
    return found


# A word, its start and its end.
Span = tuple[str, int, int]


def spans(text: str) -> list[Span]:
    """Return a span for each word, counted in characters of the original text."""
    found: list[Span] = []
    at = 0
    for line in text.split("\n"):
        if line.isascii():
            found += [(match[0], at + match.start(), at + match.end()) for match in ASCII_RUN.finditer(line.lower())]
        else:
            for match in ANY_RUN.finditer(line):
                found += [(word, at + match.start(), at + match.end()) for word in folded(match[0])]
        at += len(line) + 1
    return found
