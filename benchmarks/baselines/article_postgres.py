"""The article's service written for PostgreSQL, with psycopg's pool of connections."""

from contextlib import contextmanager
from typing import NamedTuple

from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from benchmarks.baselines import article

pool = ConnectionPool(article.DATABASE, min_size=4, max_size=20, kwargs={"row_factory": dict_row}, open=True)


class Inserted(NamedTuple):
    lastrowid: int


class Connection:
    """Gives the article's statements to psycopg, which spells two things in another way."""

    def __init__(self, connection):
        self.connection = connection

    def execute(self, query, values=()):
        query = query.replace("?", "%s").replace(" LIKE ", " ILIKE ")
        if not query.startswith("INSERT"):
            return self.connection.execute(query, values)
        return Inserted(self.connection.execute(f"{query} RETURNING id", values).fetchone()["id"])


@contextmanager
def connection():
    with pool.connection() as kept:
        yield Connection(kept)


article.connection = connection
app = article.app
