"""A small honest client that works offline: it keeps a copy, queues what its user does, and syncs when it can.

It uses the public API alone. It never overwrites what its user has not seen: if somebody else was faster, their note
stays as it is, and the text written here becomes a note of its own.
"""

import uuid
from dataclasses import dataclass, field

NOTES, CHANGES = "/api/v1/notes", "/api/v1/changes"
PAGE = 3
CONTENT = ["title", "body", "tags", "metadata"]

REQUEST, ANSWER = "the request is lost", "the answer is lost"


class ConnectionLost(Exception):
    """The client cannot know whether the server has done what it was asked."""


class Network:
    """Carries requests to the API. `faults` says which part of the next ones gets lost: REQUEST, ANSWER, or None."""

    def __init__(self, api):
        self.api = api
        self.faults = []

    def send(self, method, path, fields=None, headers=None):
        fault = self.faults.pop(0) if self.faults else None
        if fault == REQUEST:
            raise ConnectionLost
        response = getattr(self.api, method)(path, fields, headers=headers)
        if fault == ANSWER:
            raise ConnectionLost
        return response


@dataclass
class Change:
    """What the user did to a note, until the server has acknowledged it."""

    CREATE, EDIT, DELETE, RESTORE = "create", "edit", "delete", "restore"

    action: str
    note_id: str
    key: str
    fields: dict = field(default_factory=dict)
    # Set when the request is sent for the first time. A retry sends the same request.
    headers: dict | None = None


def changed(note, fields):
    """Return the note as a PATCH of these fields leaves it: metadata is merged (RFC 7396)."""
    metadata = {**note.get("metadata", {}), **fields.get("metadata", {})}
    return {**note, **fields, "metadata": {name: value for name, value in metadata.items() if value is not None}}


class OfflineClient:
    def __init__(self, name, network):
        self.network = network
        self.names = (str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {number}")) for number in range(1_000_000))
        self.notes = {}  # The copy: each live note, by id, as the server last told it.
        self.tombstones = {}  # The revisions of the deleted notes; None if the server has not told one yet.
        self.queue = []
        self.since = 0
        self.epoch = None

    # What the user sees and does.

    def shown(self):
        """Return the notes that may be edited: the copy, with the queued changes applied."""
        shown = dict(self.notes)
        for change in self.queue:
            if change.action == Change.DELETE:
                shown.pop(change.note_id, None)
            elif change.action == Change.CREATE:
                shown[change.note_id] = change.fields
            elif change.action == Change.EDIT:
                shown[change.note_id] = changed(shown[change.note_id], change.fields)
        return shown

    def shown_in_trash(self):
        deleted = dict.fromkeys(self.tombstones)
        for change in self.queue:
            if change.action == Change.DELETE:
                deleted[change.note_id] = None
            elif change.action == Change.RESTORE:
                # The note left the trash, but cannot be edited before the server has sent its content.
                deleted.pop(change.note_id, None)
        return list(deleted)

    def create(self, fields):
        self.enqueue(Change.CREATE, next(self.names), fields)

    def edit(self, note_id, fields):
        self.enqueue(Change.EDIT, note_id, fields)

    def delete(self, note_id):
        self.enqueue(Change.DELETE, note_id)

    def restore(self, note_id):
        self.enqueue(Change.RESTORE, note_id)

    def enqueue(self, action, note_id, fields=None):
        self.queue.append(Change(action, note_id, next(self.names), fields or {}))

    # What the client does when it is online.

    def sync(self):
        """Send what waits, in order, then fetch what is new. After a ConnectionLost, the next sync goes on there."""
        self.start_again_after_another_history()
        while self.queue:
            self.push(self.queue[0])
        has_more = True
        while has_more:
            has_more = self.pull_a_page()

    def start_again_after_another_history(self):
        response = self.changes(limit=1)
        if response.status_code == 410:
            assert response.json()["code"] == "resync_required", response.json()
            # Revisions of the old history mean nothing in the new one, so the queued changes have lost their basis.
            created = {change.note_id for change in self.queue if change.action == Change.CREATE}
            for note_id in {change.note_id: None for change in self.queue}:
                if note_id not in created:
                    self.keep_both(note_id)
            self.notes, self.tombstones, self.since, self.epoch = {}, {}, 0, None
            response = self.changes(limit=1)
        assert response.status_code == 200, response.content
        self.epoch = response.json()["epoch"]

    def pull_a_page(self):
        response = self.changes(limit=PAGE)
        assert response.status_code == 200, response.content
        feed = response.json()
        for row in feed["results"]:
            note_id, deleted = row["id"], row.pop("deleted")
            if deleted:
                self.notes.pop(note_id, None)
                self.tombstones[note_id] = row["revision"]
            else:
                self.tombstones.pop(note_id, None)
                self.notes[note_id] = row
        self.since, self.epoch = feed["revision"], feed["epoch"]
        return feed["has_more"]

    def changes(self, *, limit):
        query = {"since": self.since, "limit": limit}
        if self.epoch:
            query["epoch"] = self.epoch
        return self.network.send("get", CHANGES, query)

    def push(self, change):
        if change.headers is None:
            if change.action in {Change.EDIT, Change.DELETE} and change.note_id not in self.notes:
                self.keep_both(change.note_id)
                return
            change.headers = {"Idempotency-Key": change.key, **self.condition(change)}
        method, path = {
            Change.CREATE: ("post", NOTES),
            Change.EDIT: ("patch", f"{NOTES}/{change.note_id}"),
            Change.DELETE: ("delete", f"{NOTES}/{change.note_id}"),
            Change.RESTORE: ("post", f"{NOTES}/{change.note_id}/restore"),
        }[change.action]
        fields = {"id": change.note_id, **change.fields} if change.action == Change.CREATE else change.fields

        response = self.network.send(method, path, fields, change.headers)

        if response.status_code in {200, 201}:
            self.notes[change.note_id] = response.json()
            self.tombstones.pop(change.note_id, None)
        elif response.status_code == 204:
            self.notes.pop(change.note_id, None)
            self.tombstones[change.note_id] = None
        elif response.status_code == 410:
            # The server did it before the answer was lost, and the note has been erased since.
            assert response.json()["code"] == "no_longer_kept", response.json()
            self.notes.pop(change.note_id, None)
        elif response.status_code in {404, 412} and change.action != Change.CREATE:
            self.keep_both(change.note_id)
            if response.status_code == 404:
                self.notes.pop(change.note_id, None)
            elif change.action != Change.RESTORE:
                self.notes[change.note_id] = response.json()["current"]
            return
        else:
            raise AssertionError((change, response.status_code, response.content))
        self.queue.remove(change)

    def condition(self, change):
        if change.action in {Change.EDIT, Change.DELETE}:
            revision = self.notes[change.note_id]["revision"]
        else:
            revision = self.tombstones.get(change.note_id)
        return {"If-Match": f'"{revision}-{self.epoch[:8]}"'} if revision else {}

    def keep_both(self, note_id):
        """Leave the note to whoever changed it, and make a new note of what was written here."""
        kept, copy_id = [], None
        for change in self.queue:
            if change.note_id != note_id:
                kept.append(change)
            elif change.action == Change.EDIT and copy_id is None:
                copy_id = next(self.names)
                seen = {name: self.notes[note_id][name] for name in CONTENT if note_id in self.notes}
                kept.append(
                    Change(Change.CREATE, copy_id, next(self.names), changed({"title": "", **seen}, change.fields))
                )
            elif change.action == Change.EDIT:
                kept.append(Change(Change.EDIT, copy_id, next(self.names), change.fields))
        self.queue = kept
