"""One search, two engines: the same query finds the same notes, in the same order, on SQLite and PostgreSQL."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import product
from operator import attrgetter
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from notes.door import Door, drafted
from notes.management.commands import rebuild_search
from notes.models import Notebook
from notes.search import index, relevance, words
from notes.search.engine import Search
from notes.search.highlights import highlights
from notes.search.postgresql import PostgreSQL
from notes.search.query import parse
from notes.search.sqlite import SQLite
from notes.verification import problems
from tests.pages import results, walk
from tests.writing import create_note, create_notes, edit, restore, trash

NOTES = "/api/v1/notes"
IS_SQLITE = settings.DATABASES["default"]["ENGINE"].endswith("sqlite")
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)

# name: (title, body, tags)
LIBRARY = {
    "cafe": ("Café Zürich", "Ein Café am See, naïve Gäste", ["food"]),
    "nfd": ("Decomposed", "cafe\u0301 written with a combining accent", []),
    "apos": ("O’Reilly books", "don't panic, it’s l'homme", ["Food", "reading list"]),
    "code": ("Admin list_display", "Use list_display in foo.bar() and created_at__gte, C++ and C# too", ["python"]),
    "list": ("List display", "a list display of things, plain C here", []),
    "url": ("Link", "See https://docs.djangoproject.com/en/5.0/ref/?q=1&x=%20y#top", []),
    "emoji": ("Party 🎉", "thumbs 👍🏽 flag 🇩🇪 family 👨‍👩‍👧", []),
    "cyr": ("Привет Мир", "Съешь ещё этих мягких булок", []),
    "greek": ("Οδυσσέας", "ὁ ΟΔΥΣΣΕΎΣ πολύτροπος", []),
    "arabic": ("مرحبا", "هذه الْعَرَبِيَّة لغة أحمد", []),
    "zh": ("学习笔记", "我在北京大学学习计算机科学。", ["中文"]),
    "ja": ("東京タワー", "昨日、東京都に行きました。ｶﾞｲﾄﾞ Python入門", []),
    "ko": ("서울 여행", "우리는 서울에서 김치를 먹었다", []),
    "sym": ("100% \\ _ '", "100% of 'quotes' and back\\slash NEAR AND OR NOT *star* \"dq\"", []),
    "lig": ("ﬁne ＦＵＬＬ ㍿", "Straße İstanbul Łódź x² co\u00adoperate", []),
    "sha": ("hash", "d" * 100 + "e" + " tail", []),
    "thai": ("สวัสดี", "ภาษาไทยไม่มีช่องว่าง", []),
    "edge": ("alpha beta", "gamma delta", []),
}

FINDS = {
    # Accents, case, apostrophes, the last word as it is being typed.
    "cafe": "cafe nfd", "CAFÉ": "cafe nfd", "caf": "cafe nfd", "caf ein": "", "ein caf": "cafe", "zurich": "cafe",
    "don't": "apos", "don’t": "apos", "O'Reilly": "apos", "homme": "apos", '"l’homme"': "apos",
    # Code, URLs, emoji.
    "list_display": "code", '"list display"': "list", "list_dis": "code", "list display": "code list",
    "foo.bar()": "code", "foo.ba": "code", "created_at__gte": "code", "created_at_gte": "",
    "c++": "code", "C#": "code", "c": "code list", "C++ -c#": "",
    "https://docs.djangoproject.com/en/5.0/ref/": "url", "docs.djangoproject.co": "url",
    "🎉": "emoji", "👍": "emoji", "👍🏽": "emoji", "🇩🇪": "emoji", "🇪🇩": "", "👩": "emoji",
    # Other scripts.
    "привет": "cyr", "ПРИВЕТ": "cyr", "еще": "cyr", "мяг": "cyr", "Οδυσσεας": "greek", "οδυσσευς": "greek",
    "ὀδυσσεύς": "greek", "العربية": "arabic", "احمد": "arabic", "مرحـبا": "arabic",
    "北京": "zh", "大学": "zh", "京大": "zh", "北大": "", "京": "zh ja", "计算机科学": "zh", "学习 北京": "zh",
    "-北京 学": "",
    "東京": "ja", "東京都": "ja", "タワー": "ja", "ガイド": "ja", "python入門": "ja", "カイド": "",
    "서울": "ko", "서울에서": "ko", "김치": "ko", "\u1109\u1165\u110b\u116e\u11af": "ko", "สวัส": "thai", "ไทย": "thai",
    # Query text is never syntax.
    "100%": "sym", "%": "", "_": "", "*": "", '"': "", "-": "", "'": "", "\\": "", "()": "", '""': "", "": "",
    "NEAR": "sym", "near(": "sym", "NOT": "sym", "AND OR": "sym", "star*": "sym", "back\\slash": "sym", '"dq': "sym",
    "title:alpha": "", "head : alpha": "", "=alpha": "edge", "~1": "url", "@food": "",
    "^alpha": "edge", "{alpha}": "edge",
    "alpha;--": "edge", "' OR 1=1 --": "",
    # Compatibility forms, long runs.
    "fine": "lig", "full": "lig", "株式": "lig", "strasse": "lig", "istanbul": "lig", "lodz": "lig", "x2": "lig",
    "cooperate": "lig", "d" * 100 + "e": "sha", "d" * 100: "sha", "d" * 99 + "e": "", "d" * 64 + "e": "",
    # Phrases, without, tags.
    "alpha gamma": "edge", '"beta gamma"': "", '"alpha beta"': "edge", '"alpha bet"': "", "alpha bet": "edge",
    "alph beta": "", "alpha -gamma": "", 'beta -"alpha beta"': "", 'beta -"beta alpha"': "edge", "alpha -": "edge",
    "tag:food": "cafe apos", "tag:FOOD cafe": "cafe", 'tag:"reading list"': "apos", "tag:中文": "zh", "tag:foo": "",
    "-tag:food reilly": "", "-tag:python display": "list", "Tag:Python": "code", "tag:": "", "nosuchword": "",
}  # fmt: skip


@pytest.fixture
def library(notebook, by):
    """Return {id: name} of the notes to search in."""
    drafts = [{"title": title, "body": body, "tags": tags} for title, body, tags in LIBRARY.values()]
    return {str(note.uuid): name for note, name in zip(create_notes(notebook, by, drafts), LIBRARY)}


def found(client, **params):
    response = client.get(NOTES, params)
    assert response.status_code == 200, response.json()
    return response.json()["results"]


def searched(params):
    return f"{NOTES}?{urlencode(params)}"


def test_each_query_finds_what_a_person_would_expect(operator, library):
    for text, expected in FINDS.items():
        for ordering in ("relevance", "-created_at", "created_at", "title"):
            names = [library[note["id"]] for note in found(operator, q=text, ordering=ordering)]

            assert sorted(names) == sorted(expected.split()), (text, ordering)


def test_no_text_is_engine_syntax(operator, library):
    chance = random.Random(3)
    pieces = [
        '"',
        "*",
        "-",
        "(",
        ")",
        "NEAR",
        "AND",
        "OR",
        "NOT",
        ":",
        "tag:",
        "^",
        "{",
        "'",
        "%",
        "\\",
        "北",
        "é",
        "c++",
    ]
    pieces += [
        "a",
        "_",
        "a_b",
        "~1",
        "=x",
        "@y",
        "<->",
        "&",
        "|",
        "!",
        " ",
        "  ",
        "🎉",
        "\u0301",
        ";",
        "--",
        "\n",
        "$$",
    ]
    for _ in range(400):
        text = "".join(chance.choices(pieces, k=chance.randint(1, 12)))

        assert operator.get(NOTES, {"q": text}).status_code == 200, text


@pytest.mark.parametrize("text", ["x" * 501, "word " * 1500, " ".join(f"w{n}" for n in range(65)), "x" * 10_000])
def test_a_search_that_is_too_long_is_a_400_that_names_it(operator, text):
    response = operator.get(NOTES, {"q": text})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "q"


@pytest.mark.parametrize("text", [" ".join(f"w{n}" for n in range(64)), "北" * 64, '"' + "a " * 64 + '"', "-a " * 64])
def test_a_search_at_the_limit_is_answered(operator, library, text):
    assert operator.get(NOTES, {"q": text}).status_code == 200


def test_the_best_notes_are_those_with_the_words_in_their_title(operator, notebook, by):
    titles = ["nothing", "tea or milk", "milk, then tea", "black tea with milk", "tea with milk", "tea with milk"]
    bodies = ["tea with milk"] * 6
    create_notes(notebook, by, [{"title": title, "body": body} for title, body in zip(titles, bodies)])

    hits = [note["title"] for note in found(operator, q="tea with milk")]

    assert hits == [
        "tea with milk",
        "tea with milk",
        "black tea with milk",
        "milk, then tea",
        "tea or milk",
        "nothing",
    ]


@pytest.fixture
def many_hits(monkeypatch):
    """Any hit is one too many to be weighed."""
    monkeypatch.setattr(relevance, "MOST_WEIGHED", 0)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 8, 9])
def test_of_many_hits_all_words_but_one_in_the_title_are_better_than_one_up_to_eight_words(
    operator, notebook, by, count, many_hits
):
    words = [f"word{number}" for number in range(count)]
    text = " ".join(words)
    titles = {"all but one": " ".join(words[:0:-1]), "one": words[0]}
    create_notes(notebook, by, [{"title": titles["all but one"], "body": text}])
    create_notes(notebook, by, [{"title": titles["one"], "body": text}])

    hits = [note["title"] for note in found(operator, q=text)]

    # Longer searches have no such group; in the next group the newest note is first.
    best = ["all but one", "one"] if count <= 8 else ["one", "all but one"]
    assert hits == [titles[name] for name in best]


def test_of_a_few_hits_the_shortest_is_first_and_a_word_in_the_title_halves_it(operator, notebook, by):
    sizes = {"one": 100, "two": 60, "tea": 150, "three": 80, "milk tea jug": 290, "four": 60}
    drafts = [{"title": title, "body": "with milk tea jugs ".ljust(size, "!")} for title, size in sizes.items()]
    create_notes(notebook, by, drafts)

    hits = [note["title"] for note in found(operator, q="tea milk with jug")]

    assert hits == ["milk tea jug", "four", "two", "tea", "three", "one"]


def test_of_many_hits_the_newest_is_first_in_its_group(operator, notebook, by, monkeypatch):
    monkeypatch.setattr(relevance, "MOST_WEIGHED", 3)
    drafts = [{"title": title, "body": "tea with milk" + "!" * size} for size, title in enumerate(["none", "tea"] * 2)]
    notes = create_notes(notebook, by, drafts)

    hits = [note["id"] for note in found(operator, q="tea milk")]

    assert hits == [str(notes[number].uuid) for number in (3, 1, 2, 0)]


@pytest.mark.parametrize("is_few", [True, False])
def test_pages_by_relevance_have_each_note_once_while_others_write(operator, notebook, by, monkeypatch, is_few):
    monkeypatch.setattr(relevance, "MOST_WEIGHED", 60 if is_few else 20)
    chance = random.Random(8)

    def write(count):
        drafts = [
            {
                "title": chance.choice(["red", "blue", "blue"]),
                "body": "red green " + "x" * chance.randrange(200),
                "created_at": LONG_AGO + timedelta(days=chance.uniform(0, 3000)),
            }
            for _ in range(count)
        ]
        return {str(note.uuid) for note in create_notes(notebook, by, drafts)}

    before = write(50)
    whole = [note["id"] for note in found(operator, q="red green", limit=200)]
    shown = []
    for page in walk(operator, searched({"q": "red green", "limit": 7})):
        shown += [note["id"] for note in page["results"]]
        # Soon there are more than are weighed, and more than that were added.
        write(15)

    assert len(set(shown)) == len(shown)
    assert [note_id for note_id in shown if note_id in before] == whole


@pytest.mark.parametrize("ordering", ["relevance", "-created_at", "created_at", "title", "-updated_at"])
def test_pages_of_a_search_have_each_note_once(operator, notebook, by, ordering):
    chance = random.Random(4)
    drafts = [
        {
            "title": " ".join(chance.choices(["red", "green", "blue"], k=2)),
            "body": "red " + "green " * chance.randint(0, 1),
        }
        for _ in range(60)
    ]
    create_notes(notebook, by, drafts)
    whole = [note["id"] for note in found(operator, q="red green", ordering=ordering, limit=200)]

    pages = [note["id"] for note in results(operator, searched({"q": "red green", "ordering": ordering, "limit": 7}))]

    assert pages == whole
    assert len(set(pages)) == len(pages) > 30


@pytest.mark.parametrize("text", ["seldom", "often", "-often seldom", '"often seldom"', "tag:work", "oft", "-seldom"])
@pytest.mark.parametrize("ordering", ["-created_at", "created_at"])
def test_a_search_finds_notes_of_any_age_in_their_order(operator, notebook, by, text, ordering):
    chance = random.Random(5)
    # From one microsecond ago to a hundred years ago, and into the future.
    ages = [timedelta(microseconds=10 ** chance.uniform(0, 15.5)) for _ in range(300)] + [timedelta(days=-9)] * 30
    drafts = [
        {
            "title": "note",
            "body": chance.choice(["often", "often", "often seldom", "seldom", "seldom often"] + ["often"] * 20),
            "tags": chance.choice([[], [], ["work"]]),
            "created_at": timezone.now() - age,
        }
        for age in ages
    ]
    notes = create_notes(notebook, by, drafts)
    create_notes(notebook, by, [{"title": "often seldom"}] * 5)
    rule = {
        "seldom": lambda note: "seldom" in note.body,
        "often": lambda note: "often" in note.body,
        "oft": lambda note: "often" in note.body,
        "-often seldom": lambda note: note.body == "seldom",
        '"often seldom"': lambda note: note.body == "often seldom",
        "tag:work": lambda note: note.tags,
        "-seldom": lambda note: note.body == "often",
    }[text]
    expected = sorted(
        (note for note in notes if rule(note)), key=lambda note: note.position, reverse=ordering == "-created_at"
    )

    pages = results(operator, searched({"q": text, "ordering": ordering, "limit": 13}))

    assert [note["id"] for note in pages if note["title"] == "note"] == [str(note.uuid) for note in expected]


@pytest.mark.parametrize("ordering", ["relevance", "-created_at", "created_at"])
def test_a_search_finds_notes_of_any_year(operator, notebook, by, ordering):
    months = [datetime(2010 + number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in range(60)]
    years = [datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1449, 1969, 1970, 1999, 9999)]
    moments = sorted(years + months)
    create_notes(notebook, by, [{"title": f"On {moment:%Y-%m}", "created_at": moment} for moment in moments])
    # Enough notes that the engine has to look further than it does for a common word.
    create_notes(notebook, by, [{"title": "Filler", "created_at": moment} for moment in moments] * 30)

    notes = results(operator, searched({"q": "on -1999", "ordering": ordering, "limit": 50}))

    expected = [f"On {moment:%Y-%m}" for moment in moments if moment.year != 1999]
    assert [note["title"] for note in notes] == (expected if ordering == "created_at" else expected[::-1])


@pytest.mark.parametrize(
    ("ordering", "few"),
    [*product(["relevance", "-created_at", "created_at"], [0, 1000]), ("title", 1000), ("-updated_at", 1000)],
)
def test_a_search_within_bounds_finds_what_is_within_them(operator, notebook, by, monkeypatch, ordering, few):
    monkeypatch.setattr(Search, "FEW", few)
    chance = random.Random(6)
    drafts = []
    for number in range(250):
        created_at = LONG_AGO + timedelta(days=chance.uniform(0, 3000))
        updated_at = created_at + timedelta(days=chance.choice([0, 1, chance.uniform(0, 3000)]))
        body = chance.choice(["often", "often", "often", "often seldom", "filler"])
        drafts.append({"title": f"{number}", "body": body, "created_at": created_at, "updated_at": updated_at})
    notes = create_notes(notebook, by, drafts)
    moments = [LONG_AGO + timedelta(days=day) for day in (700, 2000)]
    bounds = [
        ({"created_after": 0, "created_before": 1}, lambda note: moments[0] < note.created_at < moments[1]),
        ({"created_before": 0}, lambda note: note.created_at < moments[0]),
        ({"updated_after": 1}, lambda note: note.updated_at > moments[1]),
        ({"updated_before": 0}, lambda note: note.updated_at < moments[0]),
    ]

    column = {"title": "title", "-updated_at": "updated_at"}.get(ordering, "position")
    for text in ("often", "seldom", "often -seldom", '"often seldom"'):
        for names, is_within in bounds:
            params = {name: f"{moments[number]:%Y-%m-%dT%H:%M:%SZ}" for name, number in names.items()}
            address = searched({"q": text, "ordering": ordering, "limit": 20, **params})
            pages = [page["results"] for page in walk(operator, address)]

            wanted = [word.strip('"') for word in text.split() if not word.startswith("-")]
            hits = [note for note in notes if is_within(note) and all(word in note.body for word in wanted)]
            hits = [note for note in hits if not ("-seldom" in text and "seldom" in note.body)]
            hits.sort(key=attrgetter(column), reverse=ordering not in {"title", "created_at"})
            if ordering == "relevance" and len(hits) <= relevance.MOST_WEIGHED:
                hits.sort(key=lambda note: len(note.body))
            assert [note["title"] for page in pages for note in page] == [note.title for note in hits]
            assert all(len(page) == 20 for page in pages[:-1])


@pytest.mark.django_db
def test_a_note_of_all_characters_there_are_is_stored_and_found(by):
    notebook = Notebook.objects.create(pk=10**12, name="far away")
    body = "".join(chr(0x20000 + number) for number in range(100_000))
    late = datetime(9999, 1, 1, tzinfo=UTC)

    [note] = create_notes(notebook, by, [{"title": "Characters", "body": body, "created_at": late}])

    for text in ("characters", body[7], body[500:503]):
        assert list(notebook.notes.found_by(notebook, parse(text))) == [note]


@pytest.mark.parametrize("ordering", ["relevance", "-created_at", "created_at", "title", "-updated_at"])
@pytest.mark.parametrize("text", ["apple", "-pear", "app", '"apple pie"', "tag:work"])
def test_the_notes_of_other_notebooks_take_no_room_on_a_page(operator, notebook, by, ordering, text):
    draft = {"title": "Apple", "body": "apple pie", "tags": ["work"]}
    others = [Notebook.objects.create(name=f"other {number}") for number in range(2)]
    create_notes(notebook, by, [draft] * 3)
    for other in others:
        create_notes(other, by, [{**draft, "created_at": LONG_AGO}] * 5 + [draft] * 20)
    create_notes(notebook, by, [{**draft, "created_at": LONG_AGO}] * 3)

    first = operator.get(NOTES, {"q": text, "ordering": ordering, "limit": 4}).json()
    second = operator.get(first["next"]).json()

    assert [len(page["results"]) for page in (first, second)] == [4, 2]
    assert second["next"] is None


def test_a_cursor_of_another_search_is_a_400(operator, notebook, by):
    create_notes(notebook, by, [{"title": "red"}] * 3)
    cursor = operator.get(NOTES, {"q": "red", "limit": 1}).json()["next"].partition("cursor=")[2]

    response = operator.get(f"{NOTES}?q=blue&limit=1&cursor={cursor}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "cursor"


def test_highlights_are_cut_from_the_text_as_it_is(operator, notebook, by):
    body = "x " * 200 + "Ein Café am See, CAFE\u0301 und Tee. " + "y " * 200
    create_notes(notebook, by, [{"title": "Cafés", "body": body}])

    [note] = found(operator, q="cafe")

    # The last word of a search may be unfinished.
    assert note["highlights"]["title"] == [{"start": 0, "text": "Cafés", "matches": [[0, 5]]}]
    [fragment] = note["highlights"]["body"]
    assert body[fragment["start"] :].startswith(fragment["text"])
    assert [body[start:end] for start, end in fragment["matches"]] == ["Café", "CAFE\u0301"]


def test_a_list_that_is_no_search_has_no_highlights(operator, note):
    assert "highlights" not in found(operator)[0]
    assert "highlights" not in found(operator, tag="work")[0]


def test_a_word_is_found_in_a_body_of_any_length(operator, notebook, by):
    late = "a b " * 24_000 + "late phrase here 北京大"
    early = "late phrase here " + "x " * 40_000 + "phrase late"
    odd = ["\ufdfa" * 90_000, "x" * 90_000, "e" + "\u0301" * 90_000, "🎉" * 90_000, "_" * 90_000]
    create_notes(notebook, by, [{"title": "late", "body": late}, {"title": "early", "body": early}])
    create_notes(notebook, by, [{"title": "odd", "body": body} for body in odd])

    assert [note["title"] for note in found(operator, q='"late phrase here"', fields="title")] == ["early", "late"]
    assert [note["title"] for note in found(operator, q='"phrase late"', fields="title")] == ["early"]
    assert [note["title"] for note in found(operator, q="京大", fields="title")] == ["late"]


@pytest.mark.parametrize("ordering", ["relevance", "-created_at", "title", "-updated_at"])
def test_what_is_in_the_trash_is_found_by_no_search(operator, note, notebook, ordering):
    url = f"{NOTES}/{note.uuid}"

    def hits():
        by_text = [found(operator, q=text, ordering=ordering) for text in ("plan", "tag:work")]
        return [len(notes) for notes in (*by_text, found(operator, tag="work"))]

    operator.delete(url)
    assert hits() == [0, 0, 0]
    operator.post(f"{url}/restore")
    assert hits() == [1, 1, 1]
    operator.patch(url, {"title": "Other", "tags": []})
    assert hits() == [0, 0, 0]
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_the_index_is_rebuilt_by_a_command(operator, library, notebook, capsys):
    with_index = [note["id"] for note in found(operator, q="cafe")]
    index.clear()
    assert found(operator, q="cafe") == []
    assert "18 live notes are missing in the search index" in "".join(problems(notebook))

    call_command("rebuild_search")

    assert capsys.readouterr().out == "The index has 18 notes.\n"
    assert [note["id"] for note in found(operator, q="cafe")] == with_index
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_highlighting_takes_linear_time():
    query = parse('"a b" c d')

    assert highlights(query, "a " * 50_000) == []
    assert len(highlights(query, "a b c d " * 12_000)) == 3


def test_highlights_are_looked_for_at_the_beginning_of_so_many_bodies(operator, notebook, by):
    create_notes(notebook, by, [{"title": str(n), "body": "x " * 15_000 + "found"} for n in range(20)])
    create_notes(notebook, by, [{"title": "late", "body": "x " * 20_000 + "found"}])

    hits = found(operator, q="found", ordering="-created_at")

    assert len(hits) == 21
    assert hits[0]["highlights"]["body"] == []
    assert [bool(hit["highlights"]["body"]) for hit in hits[1:]] == [True] * 12 + [False] * 8


def test_a_light_list_reads_no_bodies(operator, note, django_assert_num_queries):
    with django_assert_num_queries(2) as queries:
        operator.get(NOTES, {"fields": "id,title"})

    assert '"body"' not in queries[-1]["sql"]


def test_many_marks_on_one_letter_are_read_in_linear_time():
    for letter, marks in (("あ", "\u0301\u0316"), ("\u1100", "\u1161"), ("e", "\u0301\u0316")):
        cut = words.words(letter + marks * 49_999)

        assert all(len(word) < 100 for word in cut)
    assert words.folded.cache_info().currsize <= 1 << 16


@pytest.mark.skipif("not IS_SQLITE", reason="PostgreSQL keeps all terms of a note in its row")
def test_after_any_writes_the_index_has_the_words_of_a_new_one(operator, notebook, by):
    chance = random.Random(9)
    pieces = [*"abcde", "list_display", "北京大学", "café", "C++", "👍🏽", "\n\n", "word " * 300]
    notes = [create_note(notebook, by, title="Note") for _ in range(12)]
    for _ in range(150):
        note = chance.choice(notes)
        text = " ".join(chance.choices(pieces, k=chance.randint(1, 8)))
        if note.deleted_at:
            restore(note, by)
        elif chance.random() < 0.3:
            trash(note, by)
        else:
            with Door(notebook, by) as door:
                door.edit(note, body=text, tags=chance.sample(["work", "home"], chance.randint(0, 2)))
                door.edit(note, title=f"Note {text[:50]}")
    operator.post("/api/v1/tags/rename", {"tag": "work", "name": "job"})
    written = words_of_the_index()

    call_command("rebuild_search")

    assert words_of_the_index() == written
    assert list(problems(Notebook.objects.get())) == []


def words_of_the_index():
    """Return (word, how many notes have it, how often) of all words."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT term, doc, cnt FROM notes_search_words")
        return cursor.fetchall()


def test_a_search_made_during_a_rebuild_is_never_confirmed(operator, notebook, by, monkeypatch):
    create_notes(notebook, by, [{"title": "Plan", "body": str(number)} for number in range(30)])
    monkeypatch.setattr(rebuild_search, "CHUNK_NOTES", 10)
    indexed_chunks, answers = rebuild_search.indexed_chunks, [search_for_plan(operator)]

    def watched_chunks(notebook):
        answers.append(search_for_plan(operator))
        for notes in indexed_chunks(notebook):
            answers.append(search_for_plan(operator))
            yield notes

    monkeypatch.setattr(rebuild_search, "indexed_chunks", watched_chunks)
    call_command("rebuild_search")

    assert [len(answer.data["results"]) for answer in answers] == [30, 0, 10, 20, 30]
    assert len({answer["ETag"] for answer in answers}) == 5
    for answer in answers:
        again = operator.get(NOTES, {"q": "plan"}, headers={"If-None-Match": answer["ETag"]})
        assert again.status_code == 200
        assert len(again.data["results"]) == 30


@pytest.mark.django_db(transaction=True)
def test_the_index_is_rebuilt_while_others_write(notebook, by):
    others = [notebook, *(Notebook.objects.create(name=f"other {number}") for number in range(2))]
    is_over = threading.Event()

    def write(notebook):
        try:
            while not is_over.is_set():
                note = create_note(notebook, by, title="Plan")
                edit(note, by, body="Changed")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as threads:
        writers = [threads.submit(write, other) for other in others]
        try:
            for _ in range(4):
                call_command("rebuild_search")
        finally:
            is_over.set()

    assert [writer.result() for writer in writers] == [None] * 3
    for other in others:
        assert list(problems(other)) == []
    assert not Notebook.objects.wrongly_indexed().exists()


def search_for_plan(client):
    return client.get(NOTES, {"q": "plan"})


def test_changing_what_is_indexed_requires_a_new_format_number():
    notebook = Notebook(pk=7)
    long_text = {"title": "Long", "body": "a b " * 10_000}
    drafts = [*({"title": title, "body": body, "tags": tags} for title, body, tags in LIBRARY.values()), long_text]
    drafts.append({"title": "Metadata", "metadata": {"author": "Ada", "rating": 4, "aliases": ["a", "a", "b"]}})
    notes = [drafted(notebook, 1, **draft, created_at=LONG_AGO) for draft in drafts]
    for number, note in enumerate(notes):
        note.pk = note.position = number << 45
    stored = [engine.CREATE[:3] for engine in (SQLite, PostgreSQL)]
    stored += [engine.row(note) for engine in (SQLite, PostgreSQL) for note in notes]

    digest = sha256(repr(stored).encode()).hexdigest()[:16]

    # If the second value changes, the first must change too: the indexes of today must then be rebuilt.
    assert (index.FORMAT, digest) == (4, "fe530958acf5c565")
