"""A client as openapi-python-client makes it of openapi.yaml: client.py URL KEY."""

import sys
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from generated.notes_client import AuthenticatedClient
from generated.notes_client.api.changes import list_changes
from generated.notes_client.api.notes import create_note, list_notes, patch_note, trash_note
from generated.notes_client.models import Metadata, NewNoteRequest, PatchedNoteRequest, Problem
from generated.notes_client.types import UNSET

TAG = "python"


def create(client, title, idempotency_key):
    body = NewNoteRequest(title=title, tags=[TAG], metadata=Metadata.from_dict({"client": TAG}))
    answer = create_note.sync_detailed(client=client, body=body, idempotency_key=idempotency_key)
    assert answer.status_code == 201, answer
    return answer


def creates_a_note_and_sends_it_again(client):
    idempotency_key = str(uuid4())
    first, again = (create(client, "Plan", idempotency_key) for _ in range(2))

    assert again.parsed == first.parsed
    assert again.headers["Idempotency-Replayed"] == "true"
    return first


def edits_with_a_precondition_and_meets_a_412(client, note, etag):
    def patch(if_match, **fields):
        body = PatchedNoteRequest(**fields)
        return patch_note.sync_detailed(str(note.id), client=client, if_match=if_match, body=body)

    edited = patch(etag, body="First\n")
    renamed = patch(edited.headers["ETag"], title="Plan B")
    assert (renamed.parsed.title, renamed.parsed.body) == ("Plan B", "First\n")
    assert renamed.parsed.metadata.to_dict() == {"client": TAG}

    late = patch(etag, title="Late")
    assert late.status_code == 412
    assert isinstance(late.parsed, Problem)
    assert late.parsed.code == "precondition_failed"
    assert late.parsed.current.title == "Plan B"
    assert late.headers["ETag"] == renamed.headers["ETag"]


def pages_through_them(client, count):
    seen, cursor, more = set(), UNSET, True
    while more:
        page = list_notes.sync(client=client, tag=[TAG], limit=50, cursor=cursor)
        seen |= {note.id for note in page.results}
        more = page.next_ is not None
        cursor = parse_qs(urlsplit(page.next_).query)["cursor"][0] if more else UNSET
    assert len(seen) == count


def keeps_a_copy(client):
    copy, since, epoch, more = {}, 0, UNSET, True
    while more:
        answer = list_changes.sync(client=client, since=since, epoch=epoch)
        for change in answer.results:
            if change.deleted:
                copy.pop(change.id, None)
            else:
                copy[change.id] = change
        since, epoch, more = answer.revision, answer.epoch, answer.has_more
    return [note for note in copy.values() if TAG in note.tags]


def main(url, key):
    with AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True) as client:
        created = creates_a_note_and_sends_it_again(client)
        edits_with_a_precondition_and_meets_a_412(client, created.parsed, created.headers["ETag"])
        for number in range(1, 120):
            create(client, f"Note {number}", str(uuid4()))
        pages_through_them(client, 120)
        assert len(keeps_a_copy(client)) == 120

        assert trash_note.sync_detailed(str(created.parsed.id), client=client).status_code == 204
        assert len(keeps_a_copy(client)) == 119


if __name__ == "__main__":
    main(*sys.argv[1:])
