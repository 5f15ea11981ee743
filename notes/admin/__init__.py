"""The admin: look into notes and their log, and write through the same door as everybody else."""

from notes.admin import keys, log, notebooks, notes, people  # noqa: F401  (importing registers them)
