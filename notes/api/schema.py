"""The OpenAPI document: what drf-spectacular cannot know of our views."""

import json
from pathlib import Path

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.permissions import SAFE_METHODS

from notes.api.codes import CODES
from notes.api.errors import MEDIA_TYPE
from notes.api.operations import BATCH
from notes.api.permissions import NotebookPermission
from notes.api.preferences import MINIMAL
from notes.api.serializers import NoteSerializer


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "notes.api.authentication.KeyAuthentication"
    name = ["ApiKey", "Bearer"]

    def get_security_requirement(self, auto_schema):
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema):
        description = "A key of the notebook. Send it in either header."
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": description},
            {"type": "http", "scheme": "bearer", "description": description},
        ]


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "notes.api.authentication.StaffSessionAuthentication"
    name = "StaffSession"

    def get_security_definition(self, auto_schema):
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A member of staff who has logged in with a browser; writes need the CSRF token too.",
        }


class FieldErrorSerializer(serializers.Serializer):
    """What is wrong with one field."""

    field = serializers.CharField(help_text="The field or query parameter; a child as `tags.3`; empty for the whole.")
    code = serializers.CharField()
    detail = serializers.CharField()


class CurrentNoteSerializer(NoteSerializer):
    """A note that is not as the client expected: what it is now."""

    deleted_at = serializers.DateTimeField(required=False, help_text="When it was deleted, if it is in the trash.")


class ProblemSerializer(serializers.Serializer):
    """Whatever goes wrong, in one shape (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What was wrong, for people.")
    code = serializers.CharField(help_text="What was wrong, for programs: it stays when the wording changes.")
    request_id = serializers.CharField(help_text="The X-Request-ID of this answer; the server's log bears it too.")
    current = CurrentNoteSerializer(required=False, help_text="On a 412: the note as it is now.")
    operation = serializers.IntegerField(required=False, help_text="In a batch: which operation failed, from 0.")
    errors = FieldErrorSerializer(many=True, required=False, help_text="On a 400: what is wrong with which field.")


JSON = "application/json"
# The names of the error responses in the document. CODES says what the codes of each status mean.
ERRORS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    406: "NotAcceptable",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    411: "LengthRequired",
    412: "PreconditionFailed",
    413: "TooLarge",
    415: "UnsupportedMediaType",
    422: "IdempotencyKeyReused",
    428: "PreconditionRequired",
    429: "TooManyRequests",
    500: "ServerError",
    503: "Unavailable",
    507: "Full",
}


def description_of(status):
    return "\n\n".join(f"`{name}`: {code.when}" for name, code in CODES.items() if code.status == status)


# `*` for any state, or a list of entity-tags (RFC 9110, 13.1).
ENTITY_TAGS = {
    "anyOf": [
        {"type": "string", "enum": ["*"]},
        {"type": "string", "pattern": r'^(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*$'},
    ]
}
IF_MATCH = OpenApiParameter(
    "If-Match",
    ENTITY_TAGS,
    OpenApiParameter.HEADER,
    description="The ETag of the note that you have read. If it has changed since: 412, with the `current` note.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    ENTITY_TAGS,
    OpenApiParameter.HEADER,
    description="On a read, the ETag that you have: 304 if nothing has changed. On a PUT, `*`: create, never replace.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": r'^([!#-~]{1,255}|"[!#-\[\]-~]{1,255}")$'},
    OpenApiParameter.HEADER,
    description="Makes the write safe to send again: a repeat is answered with what the first did. Best a new UUID.",
)
PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="`return=minimal` leaves the note out of the answer: 204, or a 201 without a body (RFC 7240).",
)

# The groups of operations, in the order in which the documentation shows them.
GROUPS = {
    "notes": "Create, read, search, change and delete notes.",
    "history": "Every write to a note: what it changed, when and by whom, and the way back to any state.",
    "trash": "Deleted notes, until they are restored, erased by hand, or older than the operator keeps them.",
    "tags": "Which tags there are, how many notes bear each, and a new name for one on all of its notes.",
    "changes": "For clients that keep a copy: what has changed since they last asked. Nothing is skipped, ever.",
    "batch": "Many writes in one request: all of them, or none.",
    "export": "The whole notebook, to take along.",
    "keys": "The API keys of a notebook, for its admin keys.",
    "me": "What a key is, and what it opens.",
}


def group_of(path):
    """Return the group of the operations at this path: the collection that it begins with."""
    return "history" if "/revisions" in path else path.removeprefix("/api/v1/").split("/")[0]


TEXT = {"type": "string"}
# What a text holds, by its media type. The fields that JSON has are in it.
NOTE_AS_TEXT = {
    "text/markdown": {
        **TEXT,
        "description": "Front matter (YAML) with title, tags, dates and metadata, and the body.",
        "example": "---\ntitle: Shopping list\ntags: [home]\n---\n- milk\n- bread\n",
    },
    "text/plain": {**TEXT, "description": "The body alone.", "example": "# Shopping list\n- milk\n"},
}
LINES = {
    **TEXT,
    "description": "Lines of JSON: what the file holds, each write in order, and the SHA-256 of all lines before.",
    "example": '{"format": "notes-log", "version": 1, …}\n{"number": 1, "action": "create", …}\n{"sha256": "…"}\n',
}
ADDED_TEXT = {
    **TEXT,
    "minLength": 1,
    "description": "Added as it is. It is never read as front matter.",
    "example": "- bread\n",
}
SECONDS = {"type": "integer", "minimum": 0}
# name: (schema, description). CORS_EXPOSE_HEADERS lets web pages see them.
HEADERS = {
    "Accept-Patch": (TEXT, "There where a PATCH was refused: the media types that it may have."),
    "Allow": (TEXT, "The methods that this address takes."),
    "ETag": (
        TEXT,
        'Names this state, for If-Match and If-None-Match; of a note as `"41-421ea4eb"`, `"41-421ea4eb-md"` as text.',
    ),
    "Link": (TEXT, 'The next and the previous page, as in the body: `<…>; rel="next"`. Not there if it would be long.'),
    "Location": ({"type": "string", "format": "uri"}, "The address of the new note."),
    "Idempotency-Replayed": ({"type": "string", "enum": ["true"]}, "There where the answer is that of an earlier try."),
    "Preference-Applied": ({"type": "string", "enum": [MINIMAL]}, "The answer is as `Prefer` wished it."),
    "RateLimit": (TEXT, 'What is left of the rate, and for how many seconds: `"reads";r=2999;t=42`.'),
    "RateLimit-Policy": (TEXT, 'The rate, and its window in seconds: `"reads";q=3000;w=60`.'),
    "Retry-After": (SECONDS, "Try again after so many seconds."),
    "WWW-Authenticate": (TEXT, "How to send a key."),
    "X-Request-ID": (TEXT, "The id of the request, yours if you sent one; the server's log bears it too."),
}
HEADERS_OF_ERRORS = {
    401: ["WWW-Authenticate"],
    412: ["ETag"],
    415: ["Accept-Patch"],
    429: ["Retry-After", "RateLimit", "RateLimit-Policy"],
    503: ["Retry-After"],
    507: ["Retry-After"],
}
# What drf-spectacular leaves empty: how a request went well.
DONE = {"200": "Done.", "201": "Created.", "204": "Done. There is nothing to show."}


# What the service was sent and what it answered, as tests/test_examples.py records it.
EXAMPLES = Path(__file__).with_name("examples.json")


def headers(*names):
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def header_names(method, operation, status, response):
    """Yield the names of the headers that a successful answer may have."""
    yield from ("Allow", "X-Request-ID")
    if "429" in operation["responses"]:
        yield from ("RateLimit", "RateLimit-Policy")
    parameters = {parameter["name"] for parameter in operation.get("parameters", [])}
    if "Idempotency-Key" in parameters:
        yield "Idempotency-Replayed"
    content = response.get("content", {}).get(JSON, {})
    is_note = content.get("schema") == {"$ref": "#/components/schemas/Note"}
    if is_note or "Prefer" in parameters or (method == "get" and "If-None-Match" in parameters):
        yield "ETag"
    if is_note and status == "201":
        yield "Location"
    if "Prefer" in parameters and status in {"201", "204"}:
        yield "Preference-Applied"
    if "cursor" in parameters and status == "200":
        yield "Link"


class Schema(AutoSchema):
    """Adds to every operation the errors it may answer with."""

    def get_tags(self):
        return [group_of(self.path)]

    def _get_format_parameters(self):
        """`Accept` says which representation is wanted, and `.md` for those who cannot send it."""
        return []

    def get_auth(self):
        """Whether a read needs a key depends on NOTES_PUBLIC_READS."""
        requirements = super().get_auth()
        return [*requirements, {}] if self.method in SAFE_METHODS and {} not in requirements else requirements

    def _map_basic_serializer(self, serializer, direction):
        """In an answer, what has a default is always there."""
        schema = super()._map_basic_serializer(serializer, direction)
        always = [name for name, field in force_instance(serializer).fields.items() if field.default is not empty]
        if direction == "response" and always:
            schema["required"] = sorted({*schema.get("required", []), *always})
        return schema

    def _get_response_bodies(self, direction="response"):
        bodies = super()._get_response_bodies(direction)
        self.resolve_serializer(ProblemSerializer, direction)
        for status in self.error_statuses():
            bodies.setdefault(str(status), {"$ref": f"#/components/responses/{ERRORS[status]}"})
        if self.method == "GET" and IF_NONE_MATCH in self.get_override_parameters():
            bodies["304"] = {"description": "Nothing has changed since the answer with that ETag."}
        if PREFER in self.get_override_parameters() and "200" in bodies:
            bodies["204"] = {"description": f"Done. With `Prefer: {MINIMAL}` the note is left out."}
        return dict(sorted(bodies.items()))

    def error_statuses(self):
        statuses = {400, 406, 500, 503, 507}
        if any(issubclass(permission, NotebookPermission) for permission in self.view.permission_classes):
            statuses |= {401, 403, 429}
        if "{" in self.path:
            statuses.add(404)
        if self.method not in SAFE_METHODS:
            statuses |= {408, 411, 413, 415}
        if IDEMPOTENCY_KEY in self.get_override_parameters():
            # The content that a repeat should show may have been erased: 410. A DELETE shows no content.
            statuses |= {422} if self.method == "DELETE" else {410, 422}
        return statuses | {CODES[error.default_code].status for error in self.named_errors()}

    def named_errors(self):
        """Return the errors that `@raises` names on the view's method and on its operation."""
        action = getattr(self.view, "action", None)
        functions = [getattr(self.view, action or self.method.lower()), getattr(self.view, "writes", {}).get(action)]
        return {error for function in functions for error in getattr(function, "raises", ())}


def without_trailing_slashes(endpoints):
    """Show each path in its canonical form, without the slash at its end. With the slash it works too."""
    return [(path.rstrip("/"), regex, method, view) for path, regex, method, view in endpoints]


# A tag has no comma, because commas separate tags, and at least one visible character.
TAG_PATTERN = r"^[^,]*[^,\s][^,]*$"


def finish(result, generator, request, public):
    """Add the groups, the shared error responses and the headers, and say that unknown fields are refused."""
    result["tags"] = [{"name": name, "description": description} for name, description in GROUPS.items()]
    order = list(GROUPS)
    result["paths"] = dict(sorted(result["paths"].items(), key=lambda item: order.index(group_of(item[0]))))
    examples = json.loads(EXAMPLES.read_text())
    problem = {"$ref": "#/components/schemas/Problem"}
    result["components"]["responses"] = {
        name: {
            "description": description_of(status),
            "content": {MEDIA_TYPE: {"schema": problem, **examples_of(examples["errors"], status)}},
            "headers": headers("Allow", "X-Request-ID", *HEADERS_OF_ERRORS.get(status, ())),
        }
        for status, name in ERRORS.items()
    }
    result["components"]["headers"] = {
        name: {"description": description, "schema": schema} for name, (schema, description) in HEADERS.items()
    }
    schemas = result["components"]["schemas"]
    for name, component in schemas.items():
        for field in component.get("properties", {}).values():
            # Generated clients send a default by themselves: a PATCH of the title alone would empty the body.
            field.pop("default", None)
        if name.endswith("Request") and "properties" in component:
            component["additionalProperties"] = False
            if "tags" in component["properties"]:
                component["properties"]["tags"]["items"]["pattern"] = TAG_PATTERN
    share_metadata(schemas)
    # `fields` and `omit` leave out whatever they like.
    del schemas["ListedNote"]["required"]
    schemas["RenameTagRequest"]["properties"]["name"]["pattern"] = TAG_PATTERN
    for path in result["paths"].values():
        for method, operation in path.items():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
                describe_texts(operation["requestBody"])
            for status, response in operation["responses"].items():
                if "$ref" not in response:
                    response["description"] = response["description"] or DONE[status]
                    leave_out_markdown_beside_json(response)
                    describe_texts(response)
                    response["headers"] = headers(*header_names(method, operation, status, response))
    describe_batch(schemas)
    add_examples(result["paths"], examples["operations"])
    return result


def share_metadata(schemas):
    """Make a schema of its own of `metadata`. Generators would name one for each note that has it, and some twice."""
    metadata = schemas["Note"]["properties"]["metadata"]
    # In a patch null removes a name. `nullable` counts beside a `type` alone (OpenAPI 3.0.3).
    values = [{**value, "nullable": True} for value in metadata["additionalProperties"]["anyOf"]]
    for component in schemas.values():
        if "metadata" in component.get("properties", {}):
            component["properties"]["metadata"] = {"$ref": "#/components/schemas/Metadata"}
    schemas["PatchedNoteRequest"]["properties"]["metadata"] = {"$ref": "#/components/schemas/PatchedMetadata"}
    schemas["Metadata"] = metadata
    schemas["PatchedMetadata"] = {**metadata, "nullable": True, "additionalProperties": {"anyOf": values}}


def examples_of(errors, status):
    """Return {"examples"} of the errors with this status, or nothing."""
    shown = {
        code: {"summary": CODES[code].when, "value": body} for code, body in errors.items() if body["status"] == status
    }
    return {"examples": shown} if shown else {}


def add_examples(paths, examples):
    """Show with each operation what a real run sent and answered."""
    for path, operations in paths.items():
        for method, operation in operations.items():
            example = examples.get(f"{method.upper()} {path}", {})
            bodies = [("request", operation.get("requestBody", {}))]
            bodies += [("answer", operation["responses"].get(status, {})) for status in ("200", "201")]
            for name, body in bodies:
                for media_type, content in body.get("content", {}).items():
                    if name in example and media_type.endswith("json"):
                        content["example"] = example[name]


def leave_out_markdown_beside_json(response):
    """The address that ends in `.md` has the Markdown. Beside JSON it would make each answer a note or a text.

    A generated client could then read no field of a note without asking which of the two it got.
    """
    content = response.get("content", {})
    if JSON in content:
        content.pop("text/markdown", None)


def describe_texts(body):
    """Replace the schema of the JSON where a body is text."""
    for media_type, content in body.get("content", {}).items():
        if media_type in NOTE_AS_TEXT:
            is_added = content["schema"] == {"$ref": "#/components/schemas/TextRequest"}
            content["schema"] = ADDED_TEXT if is_added else NOTE_AS_TEXT[media_type]


def describe_batch(schemas):
    """Describe what each operation of a batch takes besides the four names of its own, and how many there may be.

    Each has a schema of its own, by which generated clients name a class.
    """
    own = schemas["BatchItemRequest"]["properties"]
    mapping = {}
    for op, write in BATCH.items():
        content = schemas[write.content] if write.content else {"properties": {}}
        named = [] if op == "create" else ["id"]
        name = f"Batch{op.title()}Request"
        mapping[op] = f"#/components/schemas/{name}"
        schemas[name] = {
            "type": "object",
            "description": f"The operation `{op}` of a batch.",
            "properties": {**own, "op": {"type": "string", "enum": [op]}, **content["properties"]},
            "required": ["op", *named, *content.get("required", [])],
            "additionalProperties": False,
        }
        if op == "create":
            del schemas[name]["properties"]["if_match"], schemas[name]["properties"]["epoch"]
    schemas["BatchItemRequest"] = {
        "oneOf": [{"$ref": schema} for schema in mapping.values()],
        "discriminator": {"propertyName": "op", "mapping": mapping},
    }
    # Each operation names its one `op` itself.
    del schemas["OpEnum"]
    schemas["BatchRequest"]["properties"]["operations"].update(minItems=1, maxItems=100)
