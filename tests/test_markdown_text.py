"""A note as Markdown: what is read can be sent back, byte for byte, and takes no number."""

import uuid

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from notes import content, markdown
from notes.models import Note
from tests.problems import fields_of
from tests.writing import create_note, trash

NOTES = "/api/v1/notes"
MARKDOWN, PLAIN = "text/markdown", "text/plain"


@pytest.fixture
def url(note):
    return f"{NOTES}/{note.uuid}"


def send(client, method, address, text, content_type=MARKDOWN, **headers):
    body = text if isinstance(text, bytes) else text.encode()
    return client.generic(method, address, body, content_type, headers=headers)


def read(client, address, **headers):
    return client.get(address, headers={"Accept": MARKDOWN, **headers})


def number(notebook):
    notebook.refresh_from_db()
    return notebook.revision


# Out


def test_a_note_is_front_matter_and_the_body_byte_for_byte(operator, note, url):
    response = read(operator, url)

    shown = operator.get(url).json()
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert response.content.decode() == (
        f'---\nid: {note.uuid}\ntitle: "Plan"\ntags: ["work"]\n'
        f"created_at: {shown['created_at']}\nupdated_at: {shown['updated_at']}\n---\nOne\nTwo\n"
    )
    assert operator.get(f"{url}.md").content == response.content
    assert operator.get(f"{url}.md/").content == response.content
    assert operator.get(url, {"format": "md"}).content == response.content


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/markdown", "text/markdown; charset=utf-8"),
        ("text/markdown; charset=utf-8", "text/markdown; charset=utf-8"),
        ("text/markdown, */*", "text/markdown; charset=utf-8"),
        ("text/markdown, text/html, */*", "text/markdown; charset=utf-8"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
    ],
)
def test_who_asks_for_markdown_gets_it_and_nobody_else(operator, url, accept, content_type):
    response = operator.get(url, headers={"Accept": accept})

    assert response["Content-Type"] == content_type
    assert "Accept" in response["Vary"]


def test_a_browser_gets_markdown_at_the_address_of_its_own(operator, url):
    response = operator.get(f"{url}.md", headers={"Accept": "text/html,*/*;q=0.8"})

    assert response["Content-Type"] == "text/markdown; charset=utf-8"


@pytest.mark.parametrize(
    "address", [f"{NOTES}/0190f1c2-7a3b-7c4d-8e5f-001122334455.md", f"{NOTES}/x.md", f"{NOTES}/.md", f"{NOTES}/%00.md"]
)
def test_a_note_that_is_not_there_is_the_one_error_body(operator, address):
    response = read(operator, address)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response["Content-Type"] == "application/problem+json"


def test_a_note_in_the_trash_is_not_there_as_markdown(operator, note, by, url):
    trash(note, by)

    assert read(operator, f"{url}.md").status_code == 404


def test_a_list_is_not_markdown(operator, note):
    assert read(operator, NOTES).status_code == 406
    assert read(operator, "/api/v1/tags").status_code == 406


def test_a_write_answers_in_markdown_if_asked(operator, notebook, url):
    response = operator.patch(url, {"title": "New"}, headers={"Accept": MARKDOWN})

    assert response.content == read(operator, url).content
    assert response["ETag"] == read(operator, url)["ETag"]


def test_the_options_of_a_note_are_json(operator, url):
    assert operator.options(f"{url}.md").json()["name"]
    assert read(operator, url).status_code == 200


# Tags of states


def test_the_markdown_has_a_tag_of_its_own(operator, url):
    of_json, of_markdown = operator.get(url)["ETag"], read(operator, url)["ETag"]

    assert of_markdown == f'{of_json[:-1]}-md"'
    for address in (url, f"{url}.md"):
        assert read(operator, address, **{"If-None-Match": of_markdown}).status_code == 304
        assert read(operator, address, **{"If-None-Match": of_markdown})["ETag"] == of_markdown
        assert read(operator, address, **{"If-None-Match": of_json}).status_code == 200
        assert read(operator, address, **{"If-Match": of_json, "If-None-Match": of_json}).status_code == 200
    assert operator.get(url, headers={"If-None-Match": of_markdown}).status_code == 200
    assert read(operator, f"{url}.md", **{"If-Match": '"0-00000000-md"'}).status_code == 412


@pytest.mark.parametrize("weak", ["", "W/"])
def test_a_write_takes_either_tag(operator, url, weak):
    of_markdown = read(operator, url)["ETag"]

    assert operator.patch(url, {"title": "A"}, headers={"If-Match": f"{weak}{of_markdown}"}).status_code == 200
    refused = operator.patch(url, {"title": "B"}, headers={"If-Match": of_markdown})
    assert refused.status_code == 412
    assert refused["ETag"] == operator.get(url)["ETag"]
    of_json = operator.get(url)["ETag"]
    assert send(operator, "PUT", url, "# C", **{"If-Match": of_json}).status_code == 200


def test_a_batch_takes_either_tag(operator, note, url):
    item = {"op": "append", "id": str(note.uuid), "text": "x", "if_match": read(operator, url)["ETag"]}

    assert operator.post("/api/v1/batch", {"operations": [item]}).status_code == 200
    assert operator.post("/api/v1/batch", {"operations": [item]}).status_code == 412


# There and back

HOSTILE = [
    "a: b", "- a", "'", '"', "#", "# a", "a #b", "[a]", "{a}", "true", "No", "null", "~", "1.0", "0x10", "1e3", ".inf",
    "2024-05-01", "12:30", "=", "<<", "*a", "&a", "!a", "%a", "@a", "`a`", "|", ">", "?", "---", "...", "a\n---\nb",
    "a\r\nb", "\ta\t", "  a  ", "a\\", "\\n", "\x7fa", "a\x85b", "a\u2028b\u2029", "a\ufeff", "\ufeffa", "\ufffea",
    "\U0001fffe a", "😀 👩‍👩‍👧", "שלום \u200f\u202e", "é e\u0301", "\x01a", "a\x1bb",
]  # fmt: skip
BODIES = [
    "", "\n", "\r\n", "\n\n---\n\n", "---\n", "---", "---\ntitle: x\n---\n", "---\r\ntitle: x\r\n---\r\nText",
    "a\r\nb\rc", "no newline at the end", "\ufeffText", "\ufeff---\ntitle: x\n---\n", "...\n", " \t", "\x01\x85\u2028",
]  # fmt: skip
STORABLE = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")
TITLES = st.sampled_from(HOSTILE) | st.text(STORABLE, min_size=1, max_size=200).filter(content.is_visible)
TAGS = st.sampled_from(HOSTILE) | st.text(STORABLE, min_size=1, max_size=16)
TEXTS = st.sampled_from(BODIES) | st.text(STORABLE)
NAMES = st.sampled_from(
    [
        "id",
        "Title",
        "tags",
        "metadata",
        "date",
        "created_at",
        "modified",
        "author",
        "null",
        "yes",
        "a: b",
        "-",
        "7",
        "é",
    ]
) | st.text(STORABLE, min_size=1, max_size=64).filter(
    lambda name: content.is_visible(name) and not content.BREAKS_A_LINE.search(name)
)
VALUES = (
    st.sampled_from([*HOSTILE, 7, -0.5, 1e300, 1e-7, 2**53, True, False, [], ["7", "true"], ""])
    | st.text(STORABLE)
    | st.lists(st.text(STORABLE), max_size=3)
    | st.floats(allow_nan=False, allow_infinity=False)
)
METADATA = st.dictionaries(NAMES, VALUES, max_size=5).map(content.metadata)
STORED_TAGS = st.lists(TAGS.filter(lambda name: name.strip() and "," not in name), max_size=5).map(content.tags)


@given(title=TITLES, tags=STORED_TAGS, metadata=METADATA, body=TEXTS)
def test_what_is_written_is_read_back_to_the_same_value(title, tags, metadata, body):
    moments = {"created_at": "0001-01-01T00:00:00Z", "updated_at": "2024-05-31T12:00:00.000001Z"}
    note = {"id": str(uuid.uuid4()), "title": title, "tags": tags, "metadata": metadata, **moments, "body": body}

    text = markdown.write_text(note)

    said = markdown.read_text(text, is_id=lambda value: True)
    assert (said.title, said.tags, said.body, said.metadata) == (title, tags, body, metadata)
    # To Python 1 and true are equal.
    assert not content.differs(said.metadata, metadata)
    # A reader with YAML's own types sees the same texts.
    front = yaml.safe_load(text.split("\n---\n")[0])
    assert (front["title"], front["tags"]) == (title, tags)


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(title=TITLES, tags=STORED_TAGS, metadata=METADATA, body=TEXTS)
@example(title="Plan", tags=HOSTILE[:5], metadata={"date": "", "a": 1, "b": True, "c": ["1"]}, body=BODIES[6])
def test_a_put_of_what_was_read_takes_no_number(operator, notebook, by, title, tags, metadata, body):
    note = create_note(notebook, by, title=title, tags=tags, metadata=metadata, body=body)
    url = f"{NOTES}/{note.uuid}"
    text, before = read(operator, url).content, number(notebook)

    response = send(operator, "PUT", url, text)

    assert response.status_code == 200, response.content
    assert number(notebook) == before
    assert read(operator, url).content == text


@pytest.mark.parametrize("body", BODIES)
def test_plain_text_is_the_body_byte_for_byte(operator, note, url, body):
    assert send(operator, "PUT", url, body, PLAIN).status_code == 200

    note.refresh_from_db()
    assert (note.title, note.tags, note.body) == ("Plan", ["work"], body)
    before = note.revision
    send(operator, "PUT", url, body, PLAIN)
    note.refresh_from_db()
    assert note.revision == before


def test_the_largest_metadata_comes_back(operator, notebook, by):
    text = "\x7f" * 1000
    metadata = {f"{number}": text for number in range(15)}
    tags = [f"{number}{'a' * 48}" for number in range(10, 60)]
    note = create_note(notebook, by, title="\x7f" * 199 + "a", tags=tags, metadata=metadata)
    url, before = f"{NOTES}/{note.uuid}", number(notebook)

    assert send(operator, "PUT", url, read(operator, url).content).status_code == 200
    assert number(notebook) == before


# In


def test_front_matter_without_a_place_becomes_metadata(operator, url):
    text = (
        "---\ntitle: Plan\nAuthor: Ada\nrating: 4\nversion: 1.10\naliases: [a, 1]\ndone: true\nmore: {a: b}\nno:\n---\n"
    )

    shown = send(operator, "PUT", url, text).json()["metadata"]

    aliases = ["a", "1"]
    more = {"more": '{"a":"b"}', "no": ""}
    assert shown == {"Author": "Ada", "rating": 4, "version": "1.10", "aliases": aliases, "done": True, **more}
    assert send(operator, "PUT", url, "# Plan\n", PLAIN).json()["metadata"] == shown
    assert send(operator, "PUT", url, "# Plan\n").json()["metadata"] == {}


def test_metadata_with_the_name_of_a_place_is_written_apart(operator, note, url):
    operator.patch(url, {"metadata": {"title": "Sir", "author": "Ada"}})

    text = read(operator, url).content.decode()

    assert '\nauthor: "Ada"\nmetadata: {"title": "Sir"}\n---\n' in text
    created = send(operator, "POST", NOTES, text.replace(str(note.uuid), str(uuid.uuid4()))).json()
    assert (created["title"], created["metadata"]) == ("Plan", {"author": "Ada", "title": "Sir"})


def test_a_note_is_created_from_front_matter(operator):
    note_id = str(uuid.uuid4())
    text = f"---\nid: {note_id}\ntitle: Plan\ntags: home, work\ndate: 2019-05-31\n---\n\nText\r\n"

    response = send(operator, "POST", NOTES, text, "text/markdown; charset=UTF-8; variant=GFM")

    created = response.json()
    assert response.status_code == 201
    assert (created["id"], created["title"], created["tags"]) == (note_id, "Plan", ["home", "work"])
    assert (created["body"], created["created_at"]) == ("\nText\r\n", "2019-05-31T00:00:00Z")
    assert send(operator, "POST", NOTES, text).json()["code"] == "id_taken"


@pytest.mark.parametrize("content_type", [MARKDOWN, PLAIN])
def test_a_new_note_without_front_matter_has_the_title_of_its_first_heading(operator, content_type):
    text = "Intro\n\n```sh\n# a comment\n```\n\n# Shopping list #\n- milk"

    created = send(operator, "POST", NOTES, text, content_type).json()

    assert (created["title"], created["body"], created["tags"]) == ("Shopping list", text, [])


@pytest.mark.parametrize("content_type", [MARKDOWN, PLAIN])
@pytest.mark.parametrize("text", ["", "no heading", "---\n---\n", "# " + "x" * 201])
def test_a_new_note_needs_a_title(operator, content_type, text):
    response = send(operator, "POST", NOTES, text, content_type)

    assert fields_of(response) == ["title"]
    assert not Note.objects.exists()


def test_plain_text_is_never_read_as_front_matter(operator):
    text = "---\ntitle: Front\ntags: [a]\n---\n# Heading\n"

    created = send(operator, "POST", NOTES, text, PLAIN).json()

    assert (created["title"], created["tags"], created["body"]) == ("Heading", [], text)


def test_markdown_replaces_the_whole_note_and_plain_text_its_body(operator, note, url):
    replaced = send(operator, "PUT", url, "# New\n").json()
    assert (replaced["title"], replaced["tags"], replaced["body"]) == ("New", [], "# New\n")

    operator.patch(url, {"tags": ["a"]})
    replaced = send(operator, "PUT", url, "# Other\n", PLAIN).json()
    assert (replaced["title"], replaced["tags"], replaced["body"]) == ("New", ["a"], "# Other\n")


@pytest.mark.parametrize("content_type", [MARKDOWN, PLAIN])
def test_a_put_creates_the_note_where_json_would(operator, content_type):
    url = f"{NOTES}/{uuid.uuid4()}"

    response = send(operator, "PUT", url, "# New\n", content_type, **{"If-None-Match": "*"})

    assert response.status_code == 201
    assert operator.get(url).json()["title"] == "New"
    assert send(operator, "PUT", url, "# New\n", content_type, **{"If-None-Match": "*"}).status_code == 412


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "0190f1c2-7a3b-7c4d-8e5f-001122334455"),
        ("created_at", "2019-05-31T12:00:00Z"),
        ("updated_at", "2019-05-31"),
        ("date", "2019-05-31"),
    ],
)
def test_a_put_does_not_change_what_only_the_server_sets(operator, notebook, url, name, value):
    before = number(notebook)

    response = send(operator, "PUT", url, f"---\ntitle: Plan\n{name}: {value}\n---\n")

    assert fields_of(response) == ["created_at" if name == "date" else name]
    assert number(notebook) == before


def test_a_date_may_be_sent_back_in_another_notation(operator, url, note):
    moment = operator.get(url).json()["created_at"].replace("T", " ").replace("Z", "+00:00")

    assert send(operator, "PUT", url, f"---\ntitle: A\ndate: {moment}\n---\n").status_code == 200


@pytest.mark.parametrize("content_type", [MARKDOWN, PLAIN])
@pytest.mark.parametrize(("verb", "body"), [("append", "Plan\n{}"), ("prepend", "{}Plan\n")])
def test_text_is_added_as_it_is_and_never_read_as_front_matter(operator, notebook, by, content_type, verb, body):
    note = create_note(notebook, by, title="Plan", body="Plan\n")
    text = "\ufeff---\ntitle: x\n---\r\n"

    response = send(operator, "POST", f"{NOTES}/{note.uuid}/{verb}", text, content_type)

    assert response.json()["body"] == body.format(text)


@pytest.mark.parametrize(
    ("text", "fields", "detail"),
    [
        ("---\ntitle: [\n---\n", [""], "The front matter is not YAML"),
        ("---\ntitle: &a x\ntags: *a\n---\n", [""], "YAML alias"),
        ("---\ntitle: " + "[" * 50 + "]" * 50 + "\n---\n", [""], "nested deeper"),
        ("---\ntitle: x\nmore: " + "x" * 140_000 + "\n---\n", [""], "longer than"),
        ("---\n- a\n---\n# A\n", [""], "The front matter is a list"),
        ("---\ntitle: [a]\n---\n", ["title"], "The title in the front matter is not text."),
        ("---\ntitle: !!python/object/apply:os.getcwd []\n---\n", ["title"], "is not text"),
        ('---\ntitle: "a\\0b"\n---\n', ["title"], "no NUL character"),
        ("---\ntitle: A\ntags: {a: b}\n---\n", ["tags"], "The tags are neither"),
        ("---\ntitle: A\ntags: [[a]]\n---\n", ["tags"], "A tag is not text."),
        ("---\ntitle: A\ntags: ['a,b']\n---\n", ["tags.0"], "comma"),
        ("---\ntitle: A\ndate: tomorrow\n---\n", ["date"], "`date` is no date"),
        ("---\ntitle: A\ndate: 9999-12-31\n---\n", ["created_at"], "a day ahead"),
        ("---\ntitle: A\nid: 7\n---\n", ["id"], "UUID"),
        ("---\ntitle: A\nmore: " + "x" * 1001 + "\n---\n", ["metadata.more"], "at most 1000"),
        ('---\ntitle: A\nmore: "\\0"\n---\n', ["metadata.more"], "no NUL character"),
        ("---\ntitle: A\n" + "x" * 65 + ": y\n---\n", ["metadata"], "at most 64"),
        (b"# A\xff", [""], "not valid UTF-8"),
        ("# A\n\0", ["body"], "no NUL character"),
    ],
)
def test_bad_front_matter_is_refused_by_name_and_nothing_is_stored(operator, text, fields, detail):
    response = send(operator, "POST", NOTES, text)

    assert fields_of(response) == fields
    assert detail in response.json()["detail"]
    assert not Note.objects.exists()


@pytest.mark.parametrize("charset", ["latin-1", "utf-16"])
def test_text_is_utf_8(operator, charset):
    assert send(operator, "POST", NOTES, "# A", f"text/markdown; charset={charset}").status_code == 415


@pytest.mark.parametrize("content_type", ["text/html", "text/*", "text/x-markdown"])
def test_other_text_is_not_taken(operator, url, content_type):
    assert send(operator, "PUT", url, "# A", content_type).status_code == 415


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", ""), ("POST", "/replace"), ("POST", "/restore"), ("DELETE", "")]
)
def test_other_writes_take_no_text(operator, url, method, path):
    assert send(operator, method, url + path, "# A").status_code == 415


# Retries


def test_a_put_of_plain_text_is_another_request_than_the_same_as_json(operator, url):
    key = {"Idempotency-Key": "one"}
    first = send(operator, "PUT", url, "# New", PLAIN, **key)

    again = send(operator, "PUT", url, "# New", PLAIN, **key)

    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    assert operator.put(url, {"title": "New", "body": "# New"}, headers=key).status_code == 422
