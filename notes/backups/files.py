"""The files of backups: their checksums, and names that outlive a power cut."""

import hashlib
import os

from django.core.management import CommandError


def sha256_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_beside(path):
    return path.with_name(f"{path.name}.sha256")


def write_checksum(path, sha256):
    """Write it in the form that sha256sum reads."""
    checksum_beside(path).write_text(f"{sha256}  {path.name}\n")


def raise_if_changed(path):
    """Compare a file with the checksum beside it. Return (its SHA-256, whether there was a checksum)."""
    if not path.is_file():
        raise CommandError(f"There is no file {path}.")
    sha256, checksum = sha256_of(path), checksum_beside(path)
    if not checksum.exists():
        return sha256, False
    if checksum.read_text(errors="replace").split()[:1] != [sha256]:
        raise CommandError(f"{path} is not as it was written: its checksum in {checksum.name} is another one.")
    return sha256, True


def sync(path):
    """Keep a file's content, or the names in a folder, through a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
