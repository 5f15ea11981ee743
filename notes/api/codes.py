"""Every error code of the API. They are a promise to clients, and docs/errors.md shows them in a table."""

from typing import NamedTuple


class Code(NamedTuple):
    status: int
    when: str
    what_to_do: str


CODES = {
    "invalid": Code(
        400,
        "A field, header or query parameter is not right.",
        "Read `errors`: it names each of them. Correct them and send again.",
    ),
    "parse_error": Code(
        400,
        "The body cannot be read: it is no JSON, not UTF-8, nested too deep, a broken form, or missing.",
        "Correct the body. Sending the same one again does not help.",
    ),
    "bad_request": Code(
        400,
        "The request is broken: its body ended too soon, or its Host header is not allowed.",
        "If the connection broke off, send it again; nothing was stored. Otherwise correct the client.",
    ),
    "not_authenticated": Code(
        401, "This needs an API key, and none was sent.", "Send the key as `X-API-Key`, or as `Authorization: Bearer`."
    ),
    "malformed_key": Code(
        401, "What was sent is no API key: its form is wrong.", "Look for a typo, a space or a missing end."
    ),
    "wrong_key": Code(401, "No such API key is known.", "Check the key and the server, or ask for a new key."),
    "revoked_key": Code(401, "This API key was revoked.", "Ask for a new key."),
    "expired_key": Code(401, "This API key has expired.", "Ask for a new key."),
    "permission_denied": Code(
        403,
        "The level of the key is too low, or the CSRF token of a browser is missing.",
        "Use a key of the level that `detail` names. In a browser, reload the page.",
    ),
    "https_required": Code(
        403,
        "The request came over plain HTTP.",
        "Use https. Replace the key: somebody may have read it on its way.",
    ),
    "not_found": Code(
        404,
        "There is no such note, revision, tag, key or address in the notebook of this key.",
        "Check the id. The note may be in the trash, or in another notebook.",
    ),
    "method_not_allowed": Code(405, "This address does not take this method.", "Use one of those in `Allow`."),
    "not_acceptable": Code(406, "`Accept` asks for a type that there is none of.", "Accept `application/json`."),
    "request_timeout": Code(
        408,
        "The body did not arrive in time: 30 seconds, and one more for each 10 kB of it.",
        "Send it again over a faster connection, or in several requests.",
    ),
    "id_taken": Code(
        409,
        "A note with the chosen id exists, or existed and was erased.",
        "Choose another id. Was it your own earlier try? Then the note is stored.",
    ),
    "match_count": Code(
        409,
        "The text to find is not in the body as many times as expected. Nothing was changed.",
        "Read the note, then send a longer `find` or another `count`.",
    ),
    "rename_running": Code(
        409,
        "Another tag of the notebook is just being renamed.",
        "Try again when the list of tags shows no `renaming_to`.",
    ),
    "no_longer_kept": Code(
        410,
        "A repeat of a request that was carried out; what it wrote has been erased since.",
        "Do not send it again: it was carried out.",
    ),
    "resync_required": Code(
        410,
        "The notebook has another history than the one you followed: a backup was restored.",
        "Start again with `since=0`.",
    ),
    "length_required": Code(411, "The body came without its length.", "Send `Content-Length`."),
    "precondition_failed": Code(
        412,
        "The note is not as `If-Match` or `If-None-Match` expects it; `current` is what it is now.",
        "Take the note from `current`, merge your change into it, send it with the ETag of this answer.",
    ),
    "request_too_large": Code(413, "The body is larger than the server takes.", "Send less, or in several requests."),
    "unsupported_media_type": Code(
        415,
        "The body is not JSON, not UTF-8, or it is compressed.",
        "Send `Content-Type: application/json`, without `Content-Encoding`.",
    ),
    "idempotency_key_reused": Code(
        422,
        "The `Idempotency-Key` was sent with another request before.",
        "Choose a new key for each new request. Repeat only what is the same.",
    ),
    "precondition_required": Code(
        428,
        "The server takes no such write without a condition.",
        "Send `If-Match` with the ETag of the note that you have read.",
    ),
    "throttled": Code(429, "Too many requests.", "Wait for `Retry-After` seconds, then try again."),
    "server_error": Code(
        500,
        "Something went wrong on the server; its log has it under this `request_id`.",
        "Send a write again with the same `Idempotency-Key`. Report the `request_id` if it happens again.",
    ),
    "database_unavailable": Code(
        503,
        "The database does not answer just now.",
        "Wait for `Retry-After` seconds, then try again. `detail` says whether anything was stored.",
    ),
    "overloaded": Code(
        503,
        "Too many requests wait for the server, or their bodies fill its memory. Nothing was stored.",
        "Wait for `Retry-After` seconds, then try again.",
    ),
    "database_full": Code(
        507,
        "The disk of the database is full. What is stored can be read.",
        "Tell the operator, and try again later. `detail` says whether anything was stored.",
    ),
    "unavailable": Code(
        503,
        "The proxy in front gets no answer from the service.",
        "Wait for `Retry-After` seconds, then try again. Send a write with the same `Idempotency-Key`.",
    ),
}

# The codes of single fields, in the `errors` of a 400. A code from above is there too, with an empty field, if it is
# about the whole body.
FIELD_CODES = {
    "required": "The field is missing.",
    "null": "It is null, and may not be.",
    "blank": "It is empty, or has no visible character.",
    "invalid": "It is of the wrong type or form.",
    "invalid_choice": "It is none of the values that are allowed.",
    "not_a_list": "It is not a list.",
    "min_length": "It is too short.",
    "max_length": "It is too long.",
    "min_value": "The number is too small, or the time too early.",
    "max_value": "The time is too late.",
    "comma": "A tag has a comma in it.",
    "one_line": "A name has more than one line.",
    "future": "The time is over; it has to be one to come.",
    "unknown_field": "There is no such field.",
    "read_only": "Only the server sets this field.",
    "query_parameter": "The query parameter is unknown, given twice, or out of its bounds.",
    "null_characters_not_allowed": "The text holds a NUL.",
    "surrogate_characters_not_allowed": "The text holds half of a surrogate pair.",
}
