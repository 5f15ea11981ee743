"""Keys and their digests appear in no log, error, page, address, table or command. The test searches a whole run."""

import json
import logging
import re
from dataclasses import dataclass, field
from io import StringIO
from itertools import product

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from notes import keys
from notes.models import ApiKey, Note
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key, make_key
from tests.server import PROJECT
from tests.test_matrix import BODIES, EXPECTED
from tests.writing import create_note, trash

KEYS = "/api/v1/keys"
ADMIN = "/admin/notes/apikey/"


@dataclass
class Run:
    """Everything that was answered, written and logged, under a name for each place."""

    seen: dict = field(default_factory=dict)

    def see(self, place, text):
        self.seen[f"{len(self.seen)} {place}"] = text

    def send(self, client, method, address, fields=None, **headers):
        content = json.dumps(fields or {}) if method not in {"GET", "HEAD"} else ""
        response = client.generic(method, address, content, "application/json", headers=headers)
        self.keep(f"{method} {address} {response.status_code}", response)
        return response

    def keep(self, place, response):
        self.see(place, f"{response.headers}\n{response.cookies}\n{response.getvalue().decode()}")

    def command(self, *arguments):
        out = StringIO()
        try:
            call_command(*arguments, stdout=out, stderr=out)
        except CommandError as error:
            out.write(str(error))
        self.see(arguments[0], out.getvalue())
        return out.getvalue()

    def places_of(self, secrets):
        return {place for place, text in self.seen.items() if any(secret in text for secret in secrets)}


@pytest.fixture
def run(caplog, settings):
    caplog.set_level(logging.DEBUG)
    settings.NOTES_RATE_FAILURES = (1_000_000, 86_400)
    return Run()


@pytest.fixture
def people(notebook):
    """{kind: the text of a key}: every kind of key that a request may bear."""
    before = timezone.now()
    return {
        "operator": OPERATOR_KEY,
        "read": make_key(notebook, "read")[1],
        "write": make_key(notebook, "write")[1],
        "admin": make_key(notebook, "admin")[1],
        "expired": make_key(notebook, "admin", expires_at=before)[1],
        "revoked": make_key(notebook, "admin", revoked_at=before)[1],
        "unknown": keys.generate(),
        "malformed": "notes_almost-a-key-but-for-the-checksum",
    }


@pytest.fixture
def browser(db):
    get_user_model().objects.create_superuser("ada", password="correct horse")
    browser = APIClient(raise_request_exception=False)
    browser.force_login(get_user_model().objects.get())
    return browser


def secrets_of(texts):
    """Return what nobody may see of these keys: their digests and their random parts; the prefix is no secret."""
    return {*(text.removeprefix("notes_")[:32] for text in texts), *(keys.digest(text) for text in texts)}


def break_the_database(execute, sql, params, many, context):
    raise OperationalError(f"no such table in {sql.split()[0]}")


def break_the_code(execute, sql, params, many, context):
    raise RuntimeError("an error of ours")


@pytest.mark.prove
@pytest.mark.django_db(transaction=True)
def test_a_whole_run_shows_each_new_key_once_and_no_other_key_nor_digest(
    run, people, browser, notebook, note, by, tmp_path, caplog, capfd, settings
):
    clients = {kind: APIClient(raise_request_exception=False) for kind in [*people, "no key"]}
    for kind, text in people.items():
        clients[kind].credentials(HTTP_X_API_KEY=text)
    trashed = create_note(notebook, by, title="Trashed")
    trash(trashed, by)

    # Every route, with every method and every kind of key, as JSON and as a page.
    made_by_api = run.send(clients["admin"], "POST", KEYS, {"name": "made", "level": "write"})
    new_keys = {made_by_api.json()["key"]}
    ids = {"/api/v1/trash/{id}": trashed.uuid, f"{KEYS}/{{id}}": made_by_api.json()["id"]}
    for (path, method), (kind, client) in product(EXPECTED, clients.items()):
        if path == "/api/docs" and method == "OPTIONS":
            continue
        id = ids.get(path, note.uuid)
        address = path.format(id=id, number=1, name="api")
        response = run.send(client, method, address, BODIES.get((method, path)), **{"X-Request-ID": f"{kind}-run"})
        if (method, path, response.status_code) == ("POST", KEYS, 201):
            new_keys.add(response.json()["key"])
        if method == "GET":
            run.send(client, method, address, Accept="text/html")

    # Requests that go wrong: bodies, headers, parameters, a key where it does not belong, a broken database, a bug.
    admin = clients["admin"]
    for address, headers in product(["/api/v1/notes", KEYS, "/api/v1/batch", "/api/v1/notes?x=1"], BAD_HEADERS):
        run.send(admin, "POST", address, {"unknown": 1}, **headers)
    for trouble, (_, client), address in product(
        [break_the_database, break_the_code], clients.items(), ["/api/v1/notes", KEYS, "/admin/"]
    ):
        with connection.execute_wrapper(trouble):
            run.send(client, "GET", address)
            run.send(client, "POST", address, {"name": "x", "level": "read", "title": "x"})

    # The admin.
    for address in [ADMIN, f"{ADMIN}add/", "/admin/", "/admin/notes/notebook/", "/admin/notes/revision/"]:
        run.keep(address, browser.get(address))
    for key in ApiKey.objects.all():
        for view in ["change", "history"]:
            run.keep(f"{view} of {key}", browser.get(f"{ADMIN}{key.pk}/{view}/"))
    fields = {"name": "by ada", "notebook": notebook.pk, "level": "read", "expires_at_0": "", "expires_at_1": ""}
    made_by_admin = browser.post(f"{ADMIN}add/", fields, format="multipart")
    made_here = ApiKey.objects.get(name="by ada")
    run.keep("made by the admin", made_by_admin)
    run.keep("after it", browser.get(ADMIN))
    chosen = {"action": "revoke_selected", "_selected_action": [str(made_here.pk)]}
    run.keep("revoked", browser.post(ADMIN, chosen, format="multipart", follow=True))

    # A bug on a page of the admin in development, where Django shows everybody all it knows.
    settings.DEBUG = True
    developer = Client(raise_request_exception=False, headers={"X-API-Key": people["admin"]})
    with connection.execute_wrapper(break_the_code):
        run.keep("debug page", developer.get("/admin/", {}, headers={"Cookie": "sessionid=x"}))
        run.keep("debug answer", developer.get("/api/v1/notes"))
    settings.DEBUG = False

    # Commands.
    made_by_command = run.command("create_key", "script", "--level", "read").strip()
    for arguments in [
        ["list_keys"],
        ["revoke_key", str(ApiKey.objects.get(name="script").pk)],
        ["revoke_key", people["write"]],
        ["create_key", "x", "--level", "read", "--notebook", "nowhere"],
        ["backup", str(tmp_path / "copy")],
        ["verify_notebook"],
    ]:
        run.command(*arguments)
    run.see("files", str([*tmp_path.iterdir()]))
    run.see("the log", caplog.text)
    written = capfd.readouterr()
    run.see("standard output and error", written.out + written.err)

    everything = {*people.values(), *new_keys, made_by_command}
    by_admin = re.search("notes_[0-9A-Za-z]{38}", made_by_admin.content.decode())[0]
    everything.add(by_admin)
    # The search finds what is there: each new key in the one answer that makes it.
    once = run.places_of(secrets_of(everything))
    assert len(once) == len(new_keys) + 2
    assert {place.partition(" ")[2] for place in once} == {f"POST {KEYS} 201", "made by the admin", "create_key"}
    for text in {*new_keys, made_by_command, by_admin}:
        assert len(run.places_of(secrets_of([text]))) == 1
    assert run.places_of(secrets_of(people.values())) == set()
    # It was a whole run.
    statuses = {place.rpartition(" ")[2] for place in run.seen}
    assert {"200", "201", "204", "400", "401", "403", "404", "405", "500", "503"} <= statuses
    assert "Traceback" in caplog.text
    assert Note.objects.count() > 2

    assert tables_with(secrets_of(everything)) == {"notes_apikey.digest"}
    assert tables_with({text.removeprefix("notes_")[:32] for text in everything}) == set()


BAD_HEADERS = [
    {},
    {"Idempotency-Key": " "},
    {"If-Match": "x"},
    {"Accept": "image/png"},
    {"Content-Type": "text/plain"},
    {"X-Request-ID": "a b"},
]


def tables_with(secrets):
    """Return the columns, as table.column, in which one of these stands."""
    found = set()
    for model in apps.get_models(include_auto_created=True):
        for row in model._base_manager.values():
            found |= {
                f"{model._meta.db_table}.{column}"
                for column, value in row.items()
                if any(secret in str(value) for secret in secrets)
            }
    return found


@pytest.mark.parametrize("kind", ["read", "admin", "unknown", "malformed"])
def test_a_key_in_an_address_or_a_body_is_not_logged(run, people, caplog, kind):
    text = people[kind]

    client_with_key(OPERATOR_KEY).get(f"/api/v1/notes?key={text}")
    client_with_key(OPERATOR_KEY).post("/api/v1/notes", {"title": "x", "key": text})

    assert not any(secret in caplog.text for secret in secrets_of([text]))


def test_the_openapi_document_shows_no_key():
    document = (PROJECT / "openapi.yaml").read_text()

    assert OPERATOR_KEY not in document
    assert not any(keys.is_well_formed(word.strip("\"',")) for word in document.split())
