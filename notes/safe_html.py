"""Markdown as HTML that is safe to show, whoever wrote it: it runs and loads nothing, and its links tell nobody."""

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

# The worst texts of this length that the tests know take a second. A longer text is shown as its source alone.
MAX_CHARS = 50_000
# One definition of an address can serve thousands of links.
MAX_ADDRESS_CHARS = 2_000
MAX_HTML_CHARS = 1_000_000
TEXT = {"a", "br", "code", "em", "s", "strong"}
BLOCKS = {"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"}
TABLES = {"table", "tbody", "td", "th", "thead", "tr"}


class Renderer(RendererHTML):
    """Shows an image as a link to it: nothing is loaded before a person clicks."""

    def link_open(self, tokens, idx, options, env):
        env["in_link"] = True
        tokens[idx].attrs.pop("title", None)
        return self.renderToken(tokens, idx, options, env)

    def link_close(self, tokens, idx, options, env):
        env["in_link"] = False
        return self.renderToken(tokens, idx, options, env)

    def image(self, tokens, idx, options, env):
        address = tokens[idx].attrs["src"]
        text = escape(self.renderInlineAsText(tokens[idx].children, options, env).strip() or address)
        return text if env.get("in_link") else f'<a href="{escape(address)}">{text}</a>'


def is_address(text):
    return len(text) <= MAX_ADDRESS_CHARS and validate_link(text)


parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=Renderer).enable(["table", "strikethrough"])
validate_link = parser.validateLink
parser.validateLink = is_address
cleaner = nh3.Cleaner(
    tags=TEXT | BLOCKS | TABLES,
    attributes={"a": {"href"}, "ol": {"start"}},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
)


def rendered(markdown: str) -> SafeString | None:
    """Return the HTML of this Markdown, or None if either would be too long to show in an instant."""
    html = parser.render(markdown) if len(markdown) <= MAX_CHARS else None
    return mark_safe(cleaner.clean(html)) if html is not None and len(html) <= MAX_HTML_CHARS else None
