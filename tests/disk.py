"""A small disk of its own for a test, and no room on it."""

import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(megabytes):
    """Yield an empty folder on a new disk. Skip the test where this user may not mount one."""
    with tempfile.TemporaryDirectory(prefix="notes-disk-") as name:
        folder = Path(name)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("only root may mount a small disk")
        # PostgreSQL runs as "nobody" where the tests run as root.
        shutil.chown(folder, "nobody")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)


@contextmanager
def no_room(folder):
    """Leave no room on the disk of this folder."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        yield
    finally:
        filler.unlink()
