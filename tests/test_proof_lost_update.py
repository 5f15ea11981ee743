"""No lost update: many processes change what they have read; one wins and the others are told so."""

import pytest

from notes import verification
from tests.server import serving
from tests.wire import Connection, writer_processes

NOTES = "/api/v1/notes"

pytestmark = pytest.mark.django_db(transaction=True)


def test_exactly_one_of_12_processes_with_one_etag_wins(notebook):
    prove_that_one_wins(notebook, writers=12, rounds=10)


@pytest.mark.prove
def test_exactly_one_of_50_processes_with_one_etag_wins(notebook):
    prove_that_one_wins(notebook, writers=50, rounds=40)


def prove_that_one_wins(notebook, *, writers, rounds):
    with (
        serving("--processes", "2") as server,
        Connection(server.url) as connection,
        writer_processes(server.url, writers) as processes,
    ):
        for _ in range(rounds):
            created = connection.send("POST", NOTES, {"title": "Plan", "body": "Old"})
            address, headers = f"{NOTES}/{created.json()['id']}", {"If-Match": created.headers["etag"]}

            for number, process in enumerate(processes):
                process.tell(*change(number, address), headers)
            answers = [process.answer() for process in processes]

            won = [body for status, body in answers if status == 200]
            refused = [body for status, body in answers if status == 412]
            assert (len(won), len(refused)) == (1, writers - 1), answers
            now = connection.send("GET", address).json()
            assert won == [now]
            assert all(body["current"] == now for body in refused)
        assert "ERROR" not in server.log

    notebook.refresh_from_db()
    assert notebook.revision == 2 * rounds
    assert list(verification.problems(notebook)) == []


def change(number, address):
    """Return one of the requests that change a note: method, address, fields."""
    return [
        ("PATCH", address, {"body": f"New {number}"}),
        ("PUT", address, {"title": f"New {number}"}),
        ("POST", f"{address}/append", {"text": f"New {number}"}),
    ][number % 3]
