"""Visible to every client: two that work offline, on a network that fails, end with one and the same copy."""

import uuid
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from notes import verification
from notes.door import recount_all
from notes.models import Note, Notebook, Receipt, Revision, Tag
from notes.search import index
from tests.keys import OPERATOR_KEY
from tests.offline import ANSWER, REQUEST, ConnectionLost, Network, OfflineClient
from tests.pages import results
from tests.people import client_with_key

NOTES = "/api/v1/notes"

which_client = st.sampled_from([0, 1])
position = st.integers(0, 255)


class TwoOfflineClients(RuleBasedStateMachine):
    """Each text that a user types is a word of its own at the end of a body; no such word may ever disappear."""

    most_steps = 0

    def __init__(self):
        super().__init__()
        # Each example begins with an empty notebook. The test's own transaction removes the last one.
        replace_all_rows(Notebook.objects.default(), revision=0, rows=[])
        self.operator = client_with_key(OPERATOR_KEY)
        self.clients = [OfflineClient(name, Network(client_with_key(OPERATOR_KEY))) for name in ["Ada", "Bob"]]
        self.typed = set()
        self.words = 0
        self.steps = 0
        self.backup = None

    def word(self):
        self.words += 1
        self.typed.add(f"word{self.words}")
        return f" word{self.words}"

    @invariant()
    def each_step_counts(self):
        self.steps += 1

    @initialize()
    def both_have_a_note(self):
        self.create(which=0)
        self.everybody_syncs()

    @rule(which=which_client)
    def create(self, which):
        self.clients[which].create({"title": "New", "body": self.word(), "created_at": "2020-05-31T12:00:00Z"})

    @rule(which=which_client, position=position)
    def write_on(self, which, position):
        shown = self.clients[which].shown()
        if shown:
            note_id = pick(shown, position)
            self.clients[which].edit(note_id, {"body": shown[note_id]["body"] + self.word()})

    @rule(position=position)
    def both_write_on(self, position):
        shown = [client.shown() for client in self.clients]
        known_to_both = [note_id for note_id in shown[0] if note_id in shown[1]]
        if known_to_both:
            note_id = pick(known_to_both, position)
            for client, notes in zip(self.clients, shown):
                client.edit(note_id, {"body": notes[note_id]["body"] + self.word()})

    @rule(which=which_client, position=position, tag=st.sampled_from(["home", "work"]))
    def rename(self, which, position, tag):
        shown = self.clients[which].shown()
        if shown:
            self.clients[which].edit(pick(shown, position), {"title": f"Title {self.steps}", "tags": [tag]})

    @rule(which=which_client, position=position, rating=st.sampled_from([1, True, None]))
    def rate(self, which, position, rating):
        shown = self.clients[which].shown()
        if shown:
            self.clients[which].edit(pick(shown, position), {"metadata": {"rating": rating}})

    @rule(which=which_client, position=position)
    def delete(self, which, position):
        shown = self.clients[which].shown()
        if shown:
            self.clients[which].delete(pick(shown, position))

    @rule(which=which_client, position=position)
    def restore(self, which, position):
        trash = self.clients[which].shown_in_trash()
        if trash:
            self.clients[which].restore(pick(trash, position))

    @rule(which=which_client)
    def sync(self, which):
        self.clients[which].sync()

    @rule(which=which_client, position=position, lost=st.sampled_from([ANSWER, REQUEST]))
    def sync_until_the_connection_breaks(self, which, position, lost):
        client = self.clients[which]
        # The first request asks whether the history is still the same; then come the writes, then the pages.
        client.network.faults = [None, *[None] * (position % (len(client.queue) + 2)), lost]
        with suppress(ConnectionLost):
            client.sync()
        client.network.faults = []

    @rule(position=position)
    def somebody_purges(self, position):
        trash = self.operator.get("/api/v1/trash").json()["results"]
        if trash:
            note = trash[position % len(trash)]
            assert self.operator.delete(f"/api/v1/trash/{note['id']}").status_code == 204
            # The text is gone for good, except for copies that somebody made.
            self.typed = (self.typed - words_in(note["body"])) | self.words_on_the_server()

    @rule()
    def somebody_makes_a_backup(self):
        rows = [list(model.objects.order_by("pk")) for model in [Note, Revision, Receipt, Tag]]
        self.backup = {"revision": Notebook.objects.default().revision, "rows": rows}

    @rule()
    def somebody_restores_the_backup(self):
        if self.backup:
            replace_all_rows(Notebook.objects.default(), **self.backup)
            self.backup = None
            self.typed = self.words_on_the_server() | (self.typed & self.words_that_wait())

    @rule()
    def everybody_syncs(self):
        ada, bob = self.clients
        ada.sync()
        bob.sync()
        ada.sync()

        live, trash = self.all_of(NOTES), self.all_of("/api/v1/trash")
        assert ada.notes == bob.notes == live
        assert ada.tombstones == bob.tombstones == tombstones()
        assert trash.keys() <= ada.tombstones.keys()
        assert ada.queue == bob.queue == []
        assert self.typed <= self.words_on_the_server()
        assert list(verification.problems(Notebook.objects.default())) == []

    def teardown(self):
        self.everybody_syncs()
        TwoOfflineClients.most_steps = max(self.most_steps, self.steps)

    def all_of(self, address):
        """Return the notes of all pages, by id."""
        return {note["id"]: note for note in results(self.operator, f"{address}?limit=50")}

    def words_on_the_server(self):
        return words_in(" ".join(Note.objects.values_list("body", flat=True)))

    def words_that_wait(self):
        return words_in(" ".join(c.fields.get("body", "") for client in self.clients for c in client.queue))


def pick(notes, position):
    notes = list(notes)
    return notes[position % len(notes)]


def words_in(text):
    return set(text.split())


def tombstones():
    deleted = Note.objects.filter(deleted_at__isnull=False)
    return {str(uuid): revision for uuid, revision in deleted.values_list("uuid", "revision")}


def replace_all_rows(notebook, *, revision, rows):
    """Put a backup back: other rows, an older number, and another epoch."""
    for model in [Tag, Receipt, Revision, Note]:
        model.objects.all().delete()
    for objects in rows:
        if objects:
            type(objects[0]).objects.bulk_create(objects)
    index.clear()
    index.add(Note.objects.all())
    Notebook.objects.filter(pk=notebook.pk).update(revision=revision, epoch=uuid.uuid4())
    recount_all(notebook)


@pytest.fixture
def two(notebook):
    """Two clients that know one note. No hypothesis here: the test calls the steps itself."""
    two = TwoOfflineClients()
    two.both_have_a_note()
    return two


def run(**more):
    run_state_machine_as_test(
        TwoOfflineClients,
        settings=settings(
            derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), **more
        ),
    )


def test_when_both_change_a_note_offline_both_texts_stay(two):
    two.both_write_on(position=0)

    two.everybody_syncs()


def test_a_write_whose_answer_was_lost_is_sent_again_and_done_once(two):
    two.create(which=0)
    two.sync_until_the_connection_breaks(which=0, position=0, lost=ANSWER)

    two.everybody_syncs()

    assert len(two.all_of(NOTES)) == 2


def test_a_note_that_one_deletes_and_the_other_restores_is_back_for_both(two):
    two.delete(which=0, position=0)
    two.everybody_syncs()
    two.restore(which=1, position=0)

    two.everybody_syncs()

    assert len(two.all_of(NOTES)) == 1


def test_after_a_restored_backup_both_follow_the_new_history(two):
    two.somebody_makes_a_backup()
    two.write_on(which=0, position=0)
    two.everybody_syncs()
    two.somebody_restores_the_backup()
    two.write_on(which=1, position=0)

    two.everybody_syncs()


def test_two_offline_clients_converge_and_equal_the_server(notebook):
    run(max_examples=10, stateful_step_count=20)


@pytest.mark.prove
def test_two_offline_clients_converge_after_a_thousand_steps(notebook):
    # No shrinking: it would take hours. The short examples above are for finding out why.
    run(max_examples=30, stateful_step_count=20)
    run(max_examples=2, stateful_step_count=1000, phases=[Phase.generate])

    assert TwoOfflineClients.most_steps >= 1000
