"""A small disk of its own for a test, and no room on it."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(megabytes):
    """Yield an empty folder, on a new disk where this user may mount one."""
    with tempfile.TemporaryDirectory(prefix="notes-disk-") as name:
        folder = Path(name)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
        if os.geteuid() == 0:
            # PostgreSQL runs as "nobody" then.
            shutil.chown(folder, "nobody")
        try:
            yield folder
        finally:
            if is_mounted:
                subprocess.run(["umount", folder], check=True)


@contextmanager
def no_room(folder):
    """Leave no room on a small disk. Skip the test where there is none: it would fill the disk of the machine."""
    if not folder.is_mount():
        pytest.skip("this user may not mount a small disk")
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        yield
    finally:
        filler.unlink()
