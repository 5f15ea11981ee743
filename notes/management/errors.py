"""What goes wrong in a command, as one sentence for people."""

import signal
import sqlite3
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import Error


@contextmanager
def told(outcome):
    """Tell an error, or an interruption, together with its outcome, such as "there is no new backup"."""
    # A service manager ends what it has started by SIGTERM. It has to be tidied up as after Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(f"Interrupted: {outcome}.", returncode=130) from None
    except (OSError, sqlite3.Error, Error) as error:
        raise CommandError(f"{outcome.capitalize()}: {str(error).strip()}") from error
    finally:
        signal.signal(signal.SIGTERM, before)
