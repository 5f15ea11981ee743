"""The pages for people that belong neither to the API nor to the administration."""

import re
from functools import cache
from html import unescape

from django.http import Http404
from django.templatetags.static import static
from django.utils.html import strip_tags
from django.utils.safestring import mark_safe
from django.views.generic import TemplateView

from notes import readiness, safe_html
from notesproject.environment import BASE_DIR

DOCUMENTS = {path.stem: path for path in sorted(BASE_DIR.glob("docs/*.md"))}


class StartView(TemplateView):
    template_name = "notes/index.html"

    def get_context_data(self, **kwargs):
        address = f"{self.request.scheme}://{self.request.get_host()}"
        is_ready = readiness.problem() is None
        titles = {name: document(name)["title"] for name in DOCUMENTS}
        return super().get_context_data(address=address, is_ready=is_ready, documents=titles, **kwargs)


class DocumentView(TemplateView):
    """A page of the folder docs."""

    template_name = "notes/document.html"

    def get_context_data(self, *, name, **kwargs):
        if name not in DOCUMENTS:
            raise Http404
        return super().get_context_data(**document(name), **kwargs)


@cache
def document(name):
    """Return {"title", "headings", "text"} of a page of the folder docs, in HTML; headings as (id, heading)."""
    text = safe_html.rendered(DOCUMENTS[name].read_text())
    text = re.sub(r"<(h\d)>(.*?)</h\d>", with_id, text)
    text = re.sub(r'href="([\w-]+)\.md', r'href="\1', text)
    # A wide table scrolls by itself, and so the keyboard has to reach it.
    text = text.replace("<table>", '<table tabindex="0">')
    pictures = static("notes/pictures/")
    # The renderer shows a picture as a link to it, as it does in notes. These come from this host.
    text = re.sub(r'<a href="pictures/([\w.-]+)"[^>]*>(.*?)</a>', rf'<img src="{pictures}\1" alt="\2">', text)
    title = re.search(r"<h1 .*?>(.*?)</h1>", text)[1]
    headings = [(anchor, mark_safe(heading)) for anchor, heading in re.findall(r'<h2 id="(.*?)">(.*?)</h2>', text)]
    return {"title": mark_safe(title), "headings": headings, "text": mark_safe(text)}


def with_id(heading):
    """Return the heading with the id that code hosts give it, so that a link to it leads there on both."""
    tag, text = heading.groups()
    anchor = re.sub(r"[^\w -]", "", unescape(strip_tags(text)).lower()).replace(" ", "-")
    return f'<{tag} id="{anchor}">{text}</{tag}>'
