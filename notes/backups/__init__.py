"""Backups: files that hold the database at one moment, and what is known of those that were written.

`sqlite` and `postgresql` hold what each database does in its own way, as functions of the same names.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from django.core.management import CommandError
from django.db import connection, transaction
from django.db.models import Max, Q

from notes.backups import postgresql, sqlite
from notes.models import Backup


def last_times():
    """Return when the last backup was made, and when the last verified one was made. Either may be None. One query."""
    verified = Max("made_at", filter=Q(verified_at__isnull=False))
    times = Backup.objects.aggregate(made=Max("made_at"), verified=verified)
    return times["made"], times["verified"]


def engine():
    return sqlite if connection.vendor == "sqlite" else postgresql


def make(path, *, force):
    """Write a backup and its checksum while others write. Return the checksum."""
    refuse_path(path, force=force)
    # Only the owner may read the file (0600). Nobody sees a half-written backup under the final name.
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "rb") as file:
            engine().copy(Path(part))
            os.fsync(descriptor)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        refuse_path(path, force=force)
        # A backup without a checksum is better than one with that of an older file.
        checksum_beside(path).unlink(missing_ok=True)
        os.replace(part, path)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(part + suffix).unlink(missing_ok=True)
    # The form of sha256sum.
    checksum_beside(path).write_text(f"{sha256}  {path.name}\n")
    keep_names(path.parent)
    return sha256


def refuse_path(path, *, force):
    if not path.parent.is_dir():
        raise CommandError(f"There is no folder {path.parent}.")
    # The server would go on writing to the replaced file, and all of that would be lost when it ends.
    if path in engine().files():
        raise CommandError(f"{path} is the running database itself.")
    if path.exists() and not force:
        raise CommandError(f"{path} exists. Choose another name, or replace it with --force.")


def checksum_beside(path):
    return path.with_name(f"{path.name}.sha256")


def keep_names(folder):
    """Keep new names through a power cut: on POSIX a name is stored when its folder is."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def take_note(path, sha256):
    with transaction.atomic():
        Backup.objects.filter(path=path).delete()
        Backup.objects.create(path=path, sha256=sha256)


def delete_older(folder, keep):
    """Delete all but the newest of the backups that were written to the folder. Yield the path of each.

    A file that is no longer as it was written is somebody else's, and stays.
    """
    of_folder = [backup for backup in Backup.objects.order_by("-pk") if Path(backup.path).parent == folder]
    there = [backup for backup in of_folder if os.path.exists(backup.path)]
    for backup in there[keep:]:
        path = Path(backup.path)
        if sha256_of(path) == backup.sha256:
            path.unlink()
            checksum_beside(path).unlink(missing_ok=True)
            yield path
        backup.delete()


def sha256_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
