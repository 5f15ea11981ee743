"""Folders, zips and tars as the files in them. Nothing is unpacked to the disk, and nobody need trust an archive.

No link is followed, no archive in an archive is opened, and all limits hold before memory is taken.
"""

import calendar
import io
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import NamedTuple

from notes.markdown import BadFile, Unusable, markdown_paths, printable, read_bounded

MAX_ENTRIES = 200_000
# Of all files of a zip that are read. Made to hurt, so much JSON takes half a minute to parse.
MAX_BYTES = 200_000_000
# A zip's list of contents is read at once; so is each header of a tar, up to a thousand of which may be nested.
MAX_ZIP_LIST_BYTES = 8_000_000
MAX_TAR_HEADER_BYTES = 65_536
# A step of bzip2 or LZMA may fill memory whatever its reader asks for.
COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# RuntimeError is also what is nested too deeply.
BROKEN = (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error, RuntimeError)


class Unreadable(Exception):
    """Why nothing more can be read, in words for the owner."""


class Member(NamedTuple):
    """A file in a folder or an archive. `path` has slashes on every system, `modified_at` is in seconds after 1970."""

    path: str
    modified_at: float
    open: Callable

    def read(self):
        """Return its text, or raise Unusable."""
        try:
            with self.open() as file:
                return read_bounded(file)
        except BROKEN as error:
            raise Unusable(f"it cannot be read: {error}") from None


class Bounded(io.FileIO):
    """A file of which nobody can read more than `max_bytes` at once."""

    def __init__(self, path, max_bytes):
        super().__init__(path)
        self.max_bytes = max_bytes

    def read(self, size=-1):
        if size > self.max_bytes:
            raise Unreadable(f"its list of contents is longer than {self.max_bytes} bytes")
        return super().read(size)


def members(path, endings):
    """Yield a Member, or a BadFile, for each file whose name ends so. May raise Unreadable."""
    if path.is_dir():
        found = members_of_folder(path, endings)
    elif zipfile.is_zipfile(path):
        found = members_of_zip(path, endings)
    else:
        found = members_of_tar(path, endings)
    names = set()
    try:
        for member in found:
            if len(names) == MAX_ENTRIES:
                raise Unreadable(f"it has more than {MAX_ENTRIES} files")
            is_new = member.path not in names
            names.add(member.path)
            if isinstance(member, BadFile):
                yield member
            elif leaves(member.path):
                yield BadFile(printable(member.path), "its path leads out of the archive")
            elif not is_new:
                yield BadFile(printable(member.path), "there are two files of this name")
            else:
                yield member
    except (tarfile.TarError, *BROKEN) as error:
        raise Unreadable(f"it is broken, or neither a zip nor a tar that is not compressed ({error})") from None


def leaves(name):
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


def is_wanted(name, endings):
    """Tell whether a file may be a note; hidden ones are not."""
    # pathlib would intern the parts of every name in the archive.
    is_hidden = any(part.startswith(".") and part not in {".", ".."} for part in name.split("/"))
    return posixpath.splitext(name)[1].lower() in endings and not is_hidden


def members_of_folder(folder, endings):
    for path in markdown_paths(folder, endings):
        if isinstance(path, BadFile):
            yield path
        else:
            yield Member(path.relative_to(folder).as_posix(), path.stat().st_mtime, lambda path=path: path.open("rb"))


def members_of_zip(path, endings):
    left = MAX_BYTES
    with Bounded(path, MAX_ZIP_LIST_BYTES) as file, zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or not is_wanted(entry.filename, endings):
                continue
            if entry.compress_type not in COMPRESSIONS or entry.flag_bits & 1:
                yield BadFile(printable(entry.filename), "it is encrypted, or compressed in an unusual way")
                continue
            left -= entry.file_size
            if left < 0:
                raise Unreadable(f"its files are longer than {MAX_BYTES} bytes")
            # What is longer than it says ends there.
            yield Member(entry.filename, time_of(entry), lambda entry=entry: archive.open(entry))


def time_of(entry):
    """Return when a file in a zip was written. A zip has no zones, and some have no times."""
    try:
        return calendar.timegm(entry.date_time)
    except ValueError:
        return 0


def members_of_tar(path, endings):
    # A compressed tar must be read to its end, however long that is.
    with Bounded(path, MAX_TAR_HEADER_BYTES) as file, tarfile.open(fileobj=file, mode="r:") as archive:
        entries = 0
        while entry := archive.next():
            # It would keep them all.
            archive.members.clear()
            entries += 1
            if entries > MAX_ENTRIES:
                raise Unreadable(f"it has more than {MAX_ENTRIES} files")
            if entry.isreg() and not entry.issparse() and is_wanted(entry.name, endings):
                yield Member(entry.name, entry.mtime, lambda entry=entry: Part(path, entry.offset_data, entry.size))


class Part(io.FileIO):
    """The bytes of a file from `start` on, at most `size` of them. It is read once."""

    def __init__(self, path, start, size):
        super().__init__(path)
        self.seek(start)
        self.size = size

    def read(self, size):
        return super().read(min(size, self.size))
