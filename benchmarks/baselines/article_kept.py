"""The article's service with a connection kept by each thread, WAL, synchronous=FULL and BEGIN IMMEDIATE."""

import sqlite3
import threading
from contextlib import contextmanager

from benchmarks.baselines import article

kept = threading.local()


@contextmanager
def connection():
    if not hasattr(kept, "database"):
        kept.database = sqlite3.connect(article.DATABASE, timeout=30, isolation_level="IMMEDIATE")
        kept.database.row_factory = sqlite3.Row
        kept.database.execute("PRAGMA journal_mode=WAL")
        kept.database.execute("PRAGMA synchronous=FULL")
    with kept.database:
        yield kept.database


article.connection = connection
app = article.app
