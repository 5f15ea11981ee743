"""The least that Python can do: a WSGI function, a kept connection to SQLite, and orjson. It checks next to nothing."""

import os
import sqlite3
import threading
from urllib.parse import parse_qs

import orjson

API_KEY = os.environ["API_KEY"]
COLUMNS = "SELECT id, title, body FROM notes"

kept = threading.local()


def connection():
    if not hasattr(kept, "database"):
        kept.database = sqlite3.connect(os.environ["BENCHMARK_DATABASE"], timeout=30, isolation_level="IMMEDIATE")
        kept.database.execute("PRAGMA journal_mode=WAL")
        kept.database.execute("PRAGMA synchronous=FULL")
    return kept.database


def application(environ, start_response):
    status, answer = respond(environ)
    body = orjson.dumps(answer)
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def respond(environ):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if path == "/healthz":
        return "200 OK", {"status": "ok"}
    if method != "GET" and environ.get("HTTP_X_API_KEY") != API_KEY:
        return "401 Unauthorized", {"detail": "Invalid API key."}
    database, number = connection(), path.removeprefix("/notes").removeprefix("/")
    if method == "GET" and not number:
        return "200 OK", page(database, parse_qs(environ["QUERY_STRING"]))
    if method == "GET":
        row = database.execute(f"{COLUMNS} WHERE id = ?", [int(number)]).fetchone()
        return ("200 OK", note(row)) if row else ("404 Not Found", {"detail": "Note not found."})
    sent = orjson.loads(environ["wsgi.input"].read())
    title, text = sent["title"], sent["body"]
    with database:
        if method == "POST":
            number = database.execute("INSERT INTO notes (title, body) VALUES (?, ?)", [title, text]).lastrowid
            return "201 Created", note((number, title, text))
        database.execute("UPDATE notes SET title = ?, body = ? WHERE id = ?", [title, text, int(number)])
    return "200 OK", note((int(number), title, text))


def page(database, query):
    [q], [offset] = query.get("q", [""]), query.get("offset", ["0"])
    where, values = ("WHERE title LIKE ? OR body LIKE ?", [f"%{q}%"] * 2) if q else ("", [])
    if not q and int(offset):
        # No row is ever deleted here, so that its number tells where a page starts.
        where, values, offset = "WHERE id <= (SELECT max(id) FROM notes) - ?", [int(offset)], 0
    rows = database.execute(f"{COLUMNS} {where} ORDER BY id DESC LIMIT 50 OFFSET ?", [*values, int(offset)])
    return [note(row) for row in rows]


def note(row):
    return {"id": row[0], "title": row[1], "body": row[2]}
