"""SQLite's file, looked at before a server starts: a lost one must not be answered with an empty service."""

from notes import databases

FIRST_BYTES = b"SQLite format 3\0"


def problem_of(database):
    """Return what is wrong with the file of these settings of a database, as a sentence; None where it is well.

    None for another engine too: a server that does not answer may do so later.
    """
    path = databases.file_of(database)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            first_bytes = file.read(len(FIRST_BYTES))
    except FileNotFoundError:
        if not path.parent.is_dir():
            return f"The folder of the database {path} is not there: is its disk mounted?"
        return f"The database {path} is not there: put it back, or make a new, empty one with manage.py migrate."
    except OSError as error:
        return f"The database {path} cannot be read: {error.strerror}."
    if not first_bytes:
        return f"The database {path} is an empty file: put it back, or make a new one with manage.py migrate."
    if first_bytes != FIRST_BYTES:
        return f"The file {path} is no SQLite database: DATABASE_URL names the wrong one, or it was overwritten."
    return None
