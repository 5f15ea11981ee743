"""The lists of the admin: few queries, and no address that makes them slow or fail."""

import time

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import reverse

from notes.admin.filters import ClickedFilter
from notes.door import Door
from notes.models import Notebook
from tests.admin import KEYS, LIST
from tests.writing import create_note, trash

# The list


def test_the_list_shows_the_newest_first_with_their_tags(browser, notebook, by):
    create_note(notebook, by, title="Older", tags=["home", "garden"])
    create_note(notebook, by, title="Newer")

    response = browser.get(LIST)

    text = response.content.decode()
    assert text.index("Newer") < text.index("Older")
    address = f"{LIST}?notebook=default&amp;tag"
    assert f'<a href="{address}=home">home</a>, <a href="{address}=garden">garden</a>' in text


def test_the_list_offers_the_tags_on_most_notes(browser, notebook, by, monkeypatch):
    monkeypatch.setattr(ClickedFilter, "MAX_OFFERED", 2)
    for tags in [["home", "work"], ["home", "work", "garden"], ["home"]]:
        create_note(notebook, by, title="Plan", tags=tags)
    create_note(Notebook.objects.create(name="other"), by, title="Elsewhere", tags=["sea"])

    def offered(query=""):
        [tags] = [spec for spec in browser.get(LIST + query).context["cl"].filter_specs if spec.title == "tag"]
        return [value for value, _ in tags.lookup_choices]

    assert offered() == ["home", "work"]
    assert offered("?tag=garden") == ["garden", "home", "work"]
    assert offered("?notebook=other") == ["sea"]


def test_the_list_of_the_trash_shows_first_what_was_trashed_last(browser, notebook, by):
    older, newer = create_note(notebook, by, title="Older"), create_note(notebook, by, title="Newer")
    trash(newer, by)
    trash(older, by)

    assert shown(browser, f"{LIST}?trash=yes") == ["Older", "Newer"]


def shown(browser, address):
    return [str(row) for row in browser.get(address).context["cl"].result_list]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", {"Shopping", "Lists"}),
        ("q=milk", {"Shopping"}),
        ("q=shop", {"Shopping"}),
        ("q=milk -shopping", set()),
        ("q=plan", set()),
        ("q=%25", set()),
        ("q=lists&notebook=other", {"Elsewhere"}),
        ("trash=yes", {"Plan B"}),
        ("trash=yes&q=plan", set()),
        ("trash=no", {"Shopping", "Lists"}),
        ("tag=home", {"Shopping"}),
        ("tag=hom", set()),
        ("tag=home&q=milk", {"Shopping"}),
        ("tag=home&q=lists", set()),
        ("tag=caf%C3%A9%22%25", {"Lists"}),
        ("tag=", {"Shopping", "Lists"}),
        ("tag=%00", {"Shopping", "Lists"}),
        ("notebook=other", {"Elsewhere"}),
        ("created_at__gte=2000-01-01+00:00:00Z", {"Shopping", "Lists"}),
        ("created_at__gte=2999-01-01+00:00:00Z", set()),
        ("created_at__lt=2999-01-01+00:00:00Z&q=milk", {"Shopping"}),
        ("created_at__lt=2000-01-01+00:00:00Z&q=milk", set()),
    ],
)
def test_the_list_can_be_searched_and_filtered(browser, notebook, by, query, titles):
    create_note(notebook, by, title="Shopping", body="milk", tags=["home"])
    create_note(notebook, by, title="Lists", tags=['café"%'])
    trash(create_note(notebook, by, title="Plan B", tags=["home"]), by)
    create_note(Notebook.objects.create(name="other"), by, title="Elsewhere", body="lists")

    assert set(shown(browser, f"{LIST}?{query}")) == titles


def test_the_list_takes_the_same_few_queries_for_one_note_and_for_thirty(
    browser, notebook, by, django_assert_num_queries
):
    create_note(notebook, by, title="First", tags=["home"])
    # Session, user, the notebooks and tags to filter by, the chosen one, notes.
    with django_assert_num_queries(6):
        browser.get(LIST)
    for number in range(29):
        create_note(Notebook.objects.create(name=f"Notebook {number}"), by, title="Another", tags=["work", "home"])

    with django_assert_num_queries(6) as queries:
        browser.get(LIST)

    assert not any('"notes_note"."body"' in query["sql"] for query in queries)


# No address makes it slow


ADMINS = admin.site._registry
LISTS = {model: reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in ADMINS}
EACH_MODEL = pytest.mark.parametrize("model", ADMINS, ids=lambda model: model.__name__)
LOOKUPS = ["", "__regex", "__iregex", "__contains", "__startswith", "__gt", "__in"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "typed", ["created_at__year=0", "created_at__gte=0001-01-01T00:00:00%2B23:59", f"id__exact={'9' * 30}"]
)
def test_a_filter_typed_by_hand_is_no_500(staff, note, typed):
    for address in LISTS.values():
        assert staff.get(f"{address}?{typed}").status_code in {200, 302, 400}


@EACH_MODEL
def test_an_address_looks_up_only_what_the_filters_of_the_list_offer(browser, notebook, model):
    lookups = [f"{column.name}{lookup}" for column in model._meta.fields for lookup in LOOKUPS]

    answers = {lookup: browser.get(f"{LISTS[model]}?{lookup}=(((").status_code for lookup in lookups}

    # `notebook` is the parameter of a filter; there is no notebook of this name.
    assert answers.pop("notebook", 404) in {400, 404}
    assert set(answers.values()) == {400}, answers


@pytest.mark.parametrize(
    "typed",
    [
        "notebook__name__regex=(a%2B)%2B%24",
        "notebook__keys__digest=0",
        "revisions__body__contains=a",
        "notebook__regex=1",
        "created_at__gte__regex=1",
        "created_at__date=2027-01-31",
        "pk=1",
    ],
)
def test_an_address_looks_up_nothing_beyond_the_table_either(browser, note, typed):
    assert browser.get(f"{LIST}?{typed}").status_code in {302, 400}


def test_a_regular_expression_in_an_address_is_not_tried(browser, notebook, by):
    create_note(notebook, by, title="a" * 24 + "!")
    started = time.monotonic()

    response = browser.get(f"{LIST}?title__regex=(a%2B)%2B%24")

    assert response.status_code == 400
    assert time.monotonic() - started < 1


@EACH_MODEL
@pytest.mark.parametrize(
    "typed",
    [
        "o=" + ".".join(["1", "-1", "2"] * 2000),
        "o=" + "9" * 5000,
        "o=--1.x..1-",
        "p=" + "9" * 4000,
        "p=" + "9" * 5000,
        "p=-1",
        "p=x",
        "p=%00",
        "p=1&p=2",
        "trash=yes&p=x&p=1",
        "q=note&p=" + "9" * 4000,
        "q=note&created_at__gte=x",
        "q=note&created_at__gte=2027-01-31",
        "all=",
        "q=" + "+".join("a" * 4000),
        "q=" + "a" * 60_000,
        "q=%00",
        "q=%22",
        "_facets=True",
        "_popup=1",
        "_to_field=digest",
        "_to_field=password",
        "is_staff__exact=x",
        "groups__id__exact=x",
        "&".join(f"notebook__id__exact={number}" for number in range(1000)),
        "&".join(f"notebook={number}" for number in range(1000)),
        "notebook=%00",
        "&".join(f"groups__id__exact={number}" for number in range(1000)),
        "created_at__gte=&created_at__lt=",
    ],
    ids=lambda typed: typed[:20],
)
def test_an_absurd_address_of_a_list_is_no_failure(browser, note, model, typed):
    # Django offers no filter if there is only one thing to filter by.
    Notebook.objects.create(name="other")
    Group.objects.bulk_create([Group(name="one"), Group(name="two")])

    assert browser.get(f"{LISTS[model]}?{typed}").status_code in {200, 302, 400, 404}


@pytest.mark.parametrize("term", ["+".join("a" * 4000), "a" * 60_000, "%00"], ids=["words", "long", "NUL"])
@pytest.mark.parametrize("source", ["notes.revision.note", "admin.logentry.user"])
def test_an_absurd_search_for_a_row_to_choose_is_no_failure(browser, note, source, term):
    app, model, field = source.split(".")
    address = f"/admin/autocomplete/?app_label={app}&model_name={model}&field_name={field}&term={term}"

    assert browser.get(address).json()["results"] == []


def test_a_search_that_is_too_long_says_so(browser, note):
    for address, most in [(LIST, 500), (KEYS, 100)]:
        response = browser.get(f"{address}?q={'a' * (most + 1)}")

        assert f"A search has at most {most} characters." in response.content.decode()
        assert not response.context["cl"].result_list


def test_the_lists_of_people_can_still_be_filtered_and_searched(browser, user):
    people = LISTS[get_user_model()]

    for query in ["is_staff__exact=1", "is_superuser__exact=1", "q=ada", "o=-1"]:
        assert user in browser.get(f"{people}?{query}").context["cl"].result_list
    assert not browser.get(f"{people}?is_staff__exact=0").context["cl"].result_list


@EACH_MODEL
@pytest.mark.parametrize("key", ["x", "9" * 30, "", "%00"])
def test_a_selected_row_that_cannot_be_one_is_no_failure(browser, note, model, key):
    action = next(iter(ADMINS[model].get_actions(browser.get(LISTS[model]).wsgi_request)), "delete_selected")

    response = browser.post(LISTS[model], {"action": action, "_selected_action": key})

    assert response.status_code in {200, 302, 400}


@EACH_MODEL
def test_an_address_fills_in_no_form(browser, notebook, model):
    address = LISTS[model] + "add/"
    query = {column.name: "x" for column in model._meta.fields}

    response = browser.get(address, query)

    assert response.status_code == browser.get(address).status_code
    assert response.status_code == 403 or "x" not in response.context["adminform"].form.initial.values()


def test_an_error_in_an_action_is_seen(browser, note, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("a fault of ours")

    monkeypatch.setattr(Door, "trash", fail)

    with pytest.raises(ValueError, match="a fault of ours"):
        browser.post(LIST, {"action": "delete_selected", "_selected_action": note.pk, "post": "yes"})
