"""What the templates of the pages need to show an answer of the API."""

from itertools import pairwise

from django import template
from django.conf import settings
from django.utils.html import format_html, format_html_join

from notes import diffs
from notes.api.forms import Form
from notes.content import metadata_text

register = template.Library()


@register.filter
def when(text):
    """Show a time of the API to the minute, with its zone."""
    return format_html('<time datetime="{}">{} UTC</time>', text, text[:16].replace("T", " ")) if text else ""


@register.filter
def shown(value):
    """Show a value of metadata: text as it is, of a list its members."""
    if isinstance(value, list):
        return ", ".join(value)
    return value if isinstance(value, str) else metadata_text(value).decode()


@register.filter
def marked_title(note):
    """Show the title of a note in a list with its matches marked."""
    fragments = note.get("highlights", {}).get("title", [])
    title = note.get("title") or note.get("id", "A note")
    return pieces(title, [match for fragment in fragments for match in fragment["matches"]], 0)


@register.filter
def excerpt(fragment):
    """Show a fragment of a text with its matches marked."""
    return pieces(fragment["text"], fragment["matches"], fragment["start"])


def pieces(text, matches, start):
    shown, end = [], start
    for first, last in matches:
        shown.append((text[end - start : first - start], text[first - start : last - start]))
        end = last
    return format_html("{}{}", format_html_join("", "{}<mark>{}</mark>", shown), text[end - start :])


@register.filter
def lines(unified):
    """Return the lines of a unified diff without its heads, as notes/diffs.py has them for people."""
    of_text = unified.split("\n")[2:-1]
    return [diffs.Line("…", "") if line.startswith("@@") else diffs.Line(line[:1], line[1:]) for line in of_text]


@register.simple_tag
def with_differences(note, shown):
    """Return each write of a page of the history with the lines in which it differs from the one before it."""
    newest_first = note.revisions.order_by("-number").filter(number__lte=shown[0]["number"]) if shown else []
    found = [*newest_first[: len(shown) + 1], None]
    differences = {now.number: diffs.for_people(then, now) for now, then in pairwise(found)}
    return [(write, differences.get(write["number"])) for write in shown]


@register.simple_tag
def trash_days():
    return settings.NOTES_TRASH_DAYS


@register.inclusion_tag("notes/form.html", takes_context=True)
def write(context, revision, button, method, address):
    """Show the form of a write without content: to a note as of this revision, or to anything else (None)."""
    form = Form.without_fields(revision, context["view"].notebook, button, method, address)
    return {"form": form, "csrf_token": context["csrf_token"]}
