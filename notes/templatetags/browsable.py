"""What the templates of the pages need to show an answer of the API."""

from django import template
from django.utils.html import format_html, format_html_join

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


@register.inclusion_tag("notes/form.html", takes_context=True)
def write(context, note, button, method, address):
    """Show the form of a write without content, to a note that the page shows."""
    form = Form.about(note, context["view"].notebook, button, method, address)
    return {"form": form, "csrf_token": context["csrf_token"]}
