"""Idempotency-Key: a repeated write changes nothing, and gets the answer of the first one.

The receipt of a write is stored in the same transaction as the write: both are there, or neither is.
"""

import hashlib
import json
import re

from django.utils.crypto import salted_hmac
from rest_framework.exceptions import ValidationError

from notes.api.operations import Outcome
from notes.api.parsers import PlainTextParser, is_plain_text
from notes.api.preconditions import CONDITIONS
from notes.api.problems import KeyUsedForAnotherRequest, NoLongerKept
from notes.models import Receipt
from notes.prepared import Insert, Parameter, Prepared

# A key may be bare, or a string in quotes as in the IETF draft (RFC 9651, 3.3.3).
BARE_KEY = re.compile(r"[!#-~]{1,255}")
QUOTED_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')

RECEIPT = Prepared(
    lambda: Receipt.objects.filter(
        **{name: Parameter(name, Receipt._meta.get_field(name)) for name in ("notebook", "writer", "key")}
    )
)
NEW_RECEIPT = Insert(Receipt)


def key_of(request):
    """Return the request's Idempotency-Key, or None. In quotes or bare, it is the same key."""
    text = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if text is None or BARE_KEY.fullmatch(text):
        return text
    if match := QUOTED_KEY.fullmatch(text):
        return re.sub(r"\\(.)", r"\1", match[1])
    detail = "Write 1 to 255 visible ASCII characters, in double quotes or without any; a UUID is a good one."
    raise ValidationError({"Idempotency-Key": [detail]})


def digest_of(request):
    """Return a digest of the request's method, address, conditions and content, to tell requests apart.

    The SECRET_KEY is part of it. Otherwise somebody with a copy of the database could test guesses at a purged text
    against its receipt.
    """
    parts = [
        request.method,
        request.path.rstrip("/"),
        *(request.headers.get(name) for name in CONDITIONS),
        request.data,
    ]
    if is_plain_text(request):
        # The same content as JSON is another write: a PUT of JSON replaces the tags too.
        parts.append(PlainTextParser.media_type)
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return salted_hmac("notes.receipt", digest, algorithm="sha256").hexdigest()


def receipt_of(door, key):
    """Return the receipt of this writer's earlier request with the key, or None."""
    return key and RECEIPT.first(notebook=door.notebook.pk, writer=door.by.id, key=key)


def keep_receipt(door, key, request, outcomes):
    """Store what a request did, if it has a key. `outcomes` is JSON without any content of notes."""
    if key:
        digest = digest_of(request)
        receipt = Receipt(notebook=door.notebook, writer=door.by.id, key=key, request_digest=digest, outcomes=outcomes)
        NEW_RECEIPT.create(receipt)


def raise_422_if_another_request(receipt, request):
    if receipt.request_digest != digest_of(request):
        raise KeyUsedForAnotherRequest


def outcome_at(notebook, status, number):
    """Return the Outcome of the write with this number, with the note as that write left it.

    Raise NoLongerKept if that content has been erased, except for a 204: it shows no content.
    """
    revision = notebook.revisions.select_related("note").get(number=number)
    if revision.body is None and status != 204:
        raise NoLongerKept
    return Outcome(status, revision.as_note())
