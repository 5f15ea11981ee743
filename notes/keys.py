"""API keys as text: `notes_`, 32 random characters, 6 of checksum. No ORM, no HTTP."""

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "notes_"
ALPHABET = string.digits + string.ascii_letters
RANDOM_CHARS = 32
CHECKSUM_CHARS = 6
# What looks like a key inside other text, even if an end of it is missing.
IN_TEXT = re.compile(rf"{PREFIX}[{ALPHABET}]{{16,}}")


def generate() -> str:
    """Return a new key: about 190 random bits. The prefix is for scanners that look for leaked secrets."""
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARS))
    return PREFIX + random + checksum(random)


def is_well_formed(text: str) -> bool:
    """Tell whether the checksum is right. A mistyped key is found out without asking the database."""
    random, check = text[len(PREFIX) : -CHECKSUM_CHARS], text[-CHECKSUM_CHARS:]
    return text.startswith(PREFIX) and len(random) == RANDOM_CHARS and checksum(random) == check


def checksum(text: str) -> str:
    number = zlib.crc32(text.encode("utf-8", "surrogateescape"))
    digits = ""
    for _ in range(CHECKSUM_CHARS):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def digest(text: str) -> str:
    """Return what is stored of a key. A fast hash is enough: there is nothing to guess in 190 random bits."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
