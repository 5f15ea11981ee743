"""The service of a much-read article: FastAPI, and SQLite's own module with a new connection for each request.

It is written as such articles write it. Nothing is tuned, and nothing is slowed down.
"""

import os
import sqlite3
from contextlib import contextmanager

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel

DATABASE = os.environ["BENCHMARK_DATABASE"]
API_KEY = os.environ["API_KEY"]

app = FastAPI()


class NoteIn(BaseModel):
    title: str
    body: str = ""


class Note(NoteIn):
    id: int


@contextmanager
def connection():
    database = sqlite3.connect(DATABASE, timeout=30)
    database.row_factory = sqlite3.Row
    try:
        with database:
            yield database
    finally:
        database.close()


def require_key(x_api_key: str = Header("")):
    if x_api_key != API_KEY:
        raise HTTPException(401, "Invalid API key.")


@app.get("/healthz")
def alive():
    return {"status": "ok"}


@app.get("/notes")
def list_notes(q: str = "", limit: int = Query(50, ge=1, le=50), offset: int = Query(0, ge=0)) -> list[Note]:
    where, values = ("WHERE title LIKE ? OR body LIKE ?", [f"%{q}%"] * 2) if q else ("", [])
    query = f"SELECT id, title, body FROM notes {where} ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?"
    with connection() as database:
        return [dict(row) for row in database.execute(query, [*values, limit, offset])]


@app.get("/notes/{id}")
def get_note(id: int) -> Note:
    with connection() as database:
        row = database.execute("SELECT id, title, body FROM notes WHERE id = ?", [id]).fetchone()
    if row is None:
        raise HTTPException(404, "Note not found.")
    return dict(row)


@app.post("/notes", status_code=201, dependencies=[Depends(require_key)])
def create_note(note: NoteIn) -> Note:
    with connection() as database:
        cursor = database.execute("INSERT INTO notes (title, body) VALUES (?, ?)", [note.title, note.body])
    return {"id": cursor.lastrowid, **note.model_dump()}


@app.put("/notes/{id}", dependencies=[Depends(require_key)])
def replace_note(id: int, note: NoteIn) -> Note:
    with connection() as database:
        cursor = database.execute("UPDATE notes SET title = ?, body = ? WHERE id = ?", [note.title, note.body, id])
    if not cursor.rowcount:
        raise HTTPException(404, "Note not found.")
    return {"id": id, **note.model_dump()}


@app.delete("/notes/{id}", status_code=204, dependencies=[Depends(require_key)])
def delete_note(id: int) -> None:
    with connection() as database:
        cursor = database.execute("DELETE FROM notes WHERE id = ?", [id])
    if not cursor.rowcount:
        raise HTTPException(404, "Note not found.")
