"""Safe to race: many clients do everything at once, and none is refused because another one writes."""

import random
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from notes import verification
from notes.models import Note
from tests.server import serving
from tests.wire import Connection
from tests.writing import create_note

NOTES = "/api/v1/notes"
CLIENTS = 16
PEOPLE = 4
FORMS_OF_EACH = 40
NOTES_WRITTEN_TO = 6
REQUESTS_OF_EACH = 250
TAGS = ["work", "Work", "home", "straße", "STRASSE", "é", "e\u0301"]


@pytest.mark.prove
@pytest.mark.django_db(transaction=True)
def test_no_request_fails_while_programs_and_people_do_everything_at_once(notebook, by):
    ids = [str(uuid.uuid4()) for _ in range(NOTES_WRITTEN_TO)]
    pks = [create_note(notebook, by, title="Of all people").pk for _ in range(NOTES_WRITTEN_TO)]
    sessions = [session_of(f"person-{number}") for number in range(PEOPLE)]

    with serving() as server, ThreadPoolExecutor(CLIENTS + PEOPLE) as threads:
        programs = threads.map(lambda seed: crowd(server.url, ids, random.Random(seed)), range(CLIENTS))
        people = threads.map(lambda session: in_the_admin(server.url, session, pks), sessions)
        seen, seen_by_people = set().union(*programs), set().union(*people)

    # By chance a request is repeated, under its key, after its note was purged: a 410.
    assert seen - {410} == {200, 201, 204, 404, 409, 412, 422}
    # A form is shown again if somebody else was quicker.
    assert seen_by_people <= {200, 302}
    assert Note.objects.filter(title="Added").count() == PEOPLE * FORMS_OF_EACH
    assert list(verification.problems(notebook)) == []


def crowd(url, ids, chance):
    """Send requests chosen by chance, one after the other; return their statuses."""
    statuses = set()
    with Connection(url) as connection:
        for _ in range(REQUESTS_OF_EACH):
            if chance.random() < 0.2:
                statuses |= use_a_key_of_its_own(connection)
                continue
            method, path, fields = chance.choice(requests_about(chance.choice(ids), chance))
            headers = {}
            if method != "GET" and chance.random() < 0.3:
                headers["Idempotency-Key"] = f"key-{chance.randrange(40)}"
            if path.startswith(f"{NOTES}/") and chance.random() < 0.2:
                headers["If-Match"] = chance.choice(["*", '"1"'])
            answer = connection.send(method, path, fields, headers)
            assert answer.status != 410 or answer.json()["code"] == "no_longer_kept", answer
            statuses.add(answer.status)
    return statuses


def requests_about(note_id, chance):
    tags, address = chance.sample(TAGS, 3), f"{NOTES}/{note_id}"
    batch = [
        {"op": "create", "title": "Batch", "tags": tags},
        {"op": "patch", "id": note_id, "tags": tags},
        {"op": "append", "id": note_id, "text": "more "},
    ]
    return [
        ("POST", NOTES, {"id": note_id, "title": "New", "tags": tags}),
        ("PUT", address, {"title": "Replaced", "body": "word " * chance.randrange(20), "tags": tags}),
        ("PATCH", address, {"tags": tags}),
        ("DELETE", address, None),
        ("POST", f"{address}/restore", None),
        ("POST", f"{address}/append", {"text": "word "}),
        ("DELETE", f"/api/v1/trash/{note_id}", None),
        ("POST", "/api/v1/tags/rename", {"tag": tags[0], "name": tags[1]}),
        ("POST", "/api/v1/batch", {"operations": batch[:1]}),
        ("POST", "/api/v1/batch", {"operations": batch}),
        ("GET", f"{NOTES}?q=word", None),
        ("GET", "/api/v1/changes?since=0", None),
    ]


def use_a_key_of_its_own(connection):
    made = connection.send("POST", "/api/v1/keys", {"name": "crowd", "level": "read"})
    assert made.status == 201, made
    key = made.json()
    used = connection.send("GET", "/api/v1/me", headers={"X-API-Key": key["key"]})
    revoked = connection.send("DELETE", f"/api/v1/keys/{key['id']}")
    return {made.status, used.status, revoked.status}


def session_of(name):
    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser(name))
    return browser.cookies["sessionid"].value


def in_the_admin(url, session, pks):
    """Add a note and edit another one, again and again; return the statuses."""
    chance, token = random.Random(session), "x" * 32
    cookies = {"Cookie": f"sessionid={session}; csrftoken={token}"}
    statuses = set()
    with Connection(url) as connection:

        def send(method, address, form=None):
            connection.http.request(
                method,
                f"/admin/notes/note/{address}",
                form and urlencode({"csrfmiddlewaretoken": token, **form}),
                {**cookies, "Content-Type": "application/x-www-form-urlencoded"},
            )
            response = connection.http.getresponse()
            statuses.add(response.status)
            return response.read().decode()

        for _ in range(FORMS_OF_EACH):
            page = send("GET", "add/")
            notebook = re.search(r'<option value="(\d+)" selected', page)[1]
            send("POST", "add/", {"notebook": notebook, "title": "Added", "tags": chance.choice(TAGS)})
            address = f"{chance.choice(pks)}/change/"
            opened = unescape(re.search(r'name="etag" value="([^"]+)"', send("GET", address))[1])
            send("POST", address, {"title": "Edited", "body": str(chance.random()), "etag": opened})
    return statuses
