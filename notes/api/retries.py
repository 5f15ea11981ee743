"""Idempotency-Key: a write that is sent again changes nothing, and is answered with what the first one did.

The receipt of a write is stored in the same transaction, so that either both are there or neither.
"""

import hashlib
import json
import re

from django.utils.crypto import salted_hmac
from rest_framework.exceptions import ValidationError

from notes.api.operations import Outcome
from notes.api.preconditions import CONDITIONS
from notes.api.problems import KeyUsedForAnotherRequest, NoLongerKept

# Bare, or as the IETF draft has it: a string in quotes (RFC 9651, 3.3.3).
BARE_KEY = re.compile(r"[!#-~]{1,255}")
QUOTED_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')


def key_of(request):
    """Return the request's Idempotency-Key, in quotes or bare the same one; None without one."""
    text = request.headers.get("Idempotency-Key")
    if text is None or BARE_KEY.fullmatch(text):
        return text
    if match := QUOTED_KEY.fullmatch(text):
        return re.sub(r"\\(.)", r"\1", match[1])
    detail = "Write 1 to 255 visible ASCII characters, in double quotes or without any; a UUID is a good one."
    raise ValidationError({"Idempotency-Key": [detail]})


def digest_of(request):
    """Return what tells one request from another: method, address, conditions and content.

    The SECRET_KEY is part of it. Otherwise a receipt would tell whoever has a copy of the database which guess at a
    purged text is right.
    """
    parts = [
        request.method,
        request.path.rstrip("/"),
        *(request.headers.get(name) for name in CONDITIONS),
        request.data,
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return salted_hmac("notes.receipt", digest, algorithm="sha256").hexdigest()


def receipt_of(door, key):
    """Return the receipt that this writer's earlier request with the key has left, or None."""
    return key and door.notebook.receipts.filter(writer=door.by.id, key=key).first()


def keep_receipt(door, key, request, outcomes):
    """Store what a request did, if it bears a key. `outcomes` is JSON without content of notes."""
    if key:
        door.notebook.receipts.create(writer=door.by.id, key=key, request_digest=digest_of(request), outcomes=outcomes)


def raise_422_if_another_request(receipt, request):
    if receipt.request_digest != digest_of(request):
        raise KeyUsedForAnotherRequest


def outcome_at(notebook, status, number):
    """Return the Outcome of the write with this number, with the note as it left it.

    A NoLongerKept where its content was erased; a 204 shows none.
    """
    revision = notebook.revisions.select_related("note").get(number=number)
    if revision.body is None and status != 204:
        raise NoLongerKept
    return Outcome(status, revision.as_note())
