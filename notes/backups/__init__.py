"""Backups: files that hold the database at one moment, what is known of those that were written, and the way back.

`sqlite` and `postgresql` hold what each database does in its own way, as functions of the same names.
"""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from django.core.management import CommandError, call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import Max, Q
from django.utils import timezone

from notes.backups import postgresql, sqlite
from notes.backups.files import checksum_beside, sha256_of, sync, write_checksum
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
    os.close(descriptor)
    try:
        engine().copy(Path(part))
        sync(part)
        sha256 = sha256_of(Path(part))
        refuse_path(path, force=force)
        # A backup without a checksum is better than one with that of an older file.
        checksum_beside(path).unlink(missing_ok=True)
        os.replace(part, path)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(part + suffix).unlink(missing_ok=True)
    write_checksum(path, sha256)
    sync(path.parent)
    return sha256


def refuse_path(path, *, force):
    if not path.parent.is_dir():
        raise CommandError(f"There is no folder {path.parent}.")
    # The server would go on writing to the replaced file, and all of that would be lost when it ends.
    if path in engine().files():
        raise CommandError(f"{path} is the running database itself.")
    if path.exists() and not force:
        raise CommandError(f"{path} exists. Choose another name, or replace it with --force.")


def take_note(path, sha256):
    with transaction.atomic():
        Backup.objects.filter(path=path).delete()
        Backup.objects.create(path=path, sha256=sha256)


def take_note_of_verified(sha256):
    """Return whether the backup is one that this database knows of."""
    return Backup.objects.filter(sha256=sha256).update(verified_at=timezone.now()) > 0


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


@contextmanager
def built_from(path):
    """Yield the name of a new database that holds the backup, migrated. Remove it, unless it was put in place."""
    with engine().scratch() as name:
        with connected_to(name):
            engine().load(path)
            migrate()
        yield name


@contextmanager
def connected_to(name):
    """Lead Django's connection to another database of the same server, or another file, until the block ends."""
    own = connections[DEFAULT_DB_ALIAS]
    other = own.copy()
    other.settings_dict["NAME"] = name
    connections[DEFAULT_DB_ALIAS] = other
    try:
        yield
    finally:
        other.close()
        connections[DEFAULT_DB_ALIAS] = own


def migrate():
    loader = MigrationLoader(connection)
    known, applied = loader.disk_migrations.keys(), loader.applied_migrations.keys()
    ours = {migration for migration in applied if migration[0] == Backup._meta.app_label}
    if not ours:
        raise CommandError("This is no backup of a database of notes.")
    if ours - known:
        raise CommandError("A newer version of the service wrote this backup: install that version first.")
    if known - applied:
        call_command("migrate", verbosity=0)


def refuse_to_replace(*, replace):
    """Refuse to restore over a database that is there, unless it may be replaced and nobody has it open."""
    connection.close()
    if not engine().is_there():
        return
    if not replace:
        raise CommandError(f"There is a database already: {engine().place()}. With --replace it is kept aside.")
    engine().refuse_if_open()


def put_in_place(name):
    """Let a database take the place of the running one. Return where that one is kept; None if there was none."""
    return engine().put_in_place(name, f"replaced_{timezone.now():%Y%m%d_%H%M%S}")
