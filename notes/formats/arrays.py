"""A file with a long array of JSON, value by value: memory holds one or two of them."""

import io
import json
import re
import zipfile

from django.conf import settings

from notes.formats.archives import BROKEN, MAX_ENTRIES, Unreadable, members
from notes.markdown import MAX_FRONT_MATTER_BYTES, BadFile

# A byte order mark is no JSON.
ENCODING = "utf-8-sig"
BETWEEN = re.compile(r"[\s,]*")
DECODER = json.JSONDecoder()


def values(path, name, endings, file_name=""):
    """Yield each value of the array, which is the whole file or its member `name`. May raise Unreadable.

    In a zip it is the first file whose name begins with `file_name`.
    """
    try:
        if not zipfile.is_zipfile(path):
            with path.open(encoding=ENCODING) as text:
                yield from values_of(text, name)
            return
        for member in members(path, endings):
            if not isinstance(member, BadFile) and member.path.rpartition("/")[2].startswith(file_name):
                with member.open() as file, io.TextIOWrapper(file, encoding=ENCODING) as text:
                    yield from values_of(text, name)
                return
    except BROKEN as error:
        raise Unreadable(f"it is broken ({error})") from None
    raise Unreadable(f"there is no {file_name} in it")


def values_of(text, name):
    # JSON may write a character as two times six.
    max_chars = 12 * settings.NOTES_MAX_BODY_CHARS + MAX_FRONT_MATTER_BYTES
    ahead = text.read(2 * max_chars)
    start = re.match(rf'\s*(?:\[|\{{.*?"{name}"\s*:\s*\[)', ahead, re.DOTALL)
    if start is None:
        raise Unreadable(f"it has no array `{name}`")
    position, count = start.end(), 0
    while True:
        if len(ahead) - position < max_chars:
            ahead, position = ahead[position:] + text.read(max_chars), 0
        position = BETWEEN.match(ahead, position).end()
        if ahead.startswith("]", position):
            return
        if count == MAX_ENTRIES:
            raise Unreadable(f"it has more than {MAX_ENTRIES} items")
        count += 1
        value, position = DECODER.raw_decode(ahead, position)
        yield value
