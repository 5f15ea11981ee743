"""Rendered Markdown runs nothing, loads nothing, and takes an instant, whatever a note holds."""

import re
import time
from urllib.parse import urlsplit

import pytest

from notes import safe_html
from notes.safe_html import MAX_ADDRESS_CHARS, MAX_CHARS, rendered

pytestmark = pytest.mark.once

REL = 'rel="noopener noreferrer nofollow"'


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# Plan\n\nBuy *milk* and ~~tea~~.", "<h1>Plan</h1>\n<p>Buy <em>milk</em> and <s>tea</s>.</p>\n"),
        ("[a](https://example.org)", f'<p><a href="https://example.org" {REL}>a</a></p>\n'),
        ("<mailto:a@example.org>", f'<p><a href="mailto:a@example.org" {REL}>mailto:a@example.org</a></p>\n'),
        ("![A cat](https://example.org/cat.png)", f'<p><a href="https://example.org/cat.png" {REL}>A cat</a></p>\n'),
        ("![](cat.png)", f'<p><a href="cat.png" {REL}>cat.png</a></p>\n'),
        ("[![Badge](b.svg)](/x)", f'<p><a href="/x" {REL}>Badge</a></p>\n'),
        ("    <b>", "<pre><code>&lt;b&gt;\n</code></pre>\n"),
        ("", ""),
    ],
)
def test_markdown_is_shown(markdown, html):
    assert rendered(markdown) == html


def test_a_table_is_shown():
    assert re.findall(r"<t[hd]>\w", rendered("|a|b|\n|-|-|\n|1|2|")) == ["<th>a", "<th>b", "<td>1", "<td>2"]


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](data:text/html,x)",
        "![a](data:image/png;base64,x)",
        "[a](java&#10;script:alert(1))",
        "[a](vbscript:x)\n\n[b]: JAVASCRIPT:alert(1)\n[b]",
        '![" onerror="alert(1)](x" onload="y)',
        "```x onload=alert(1)\n<iframe>\n```",
        "| a |\n| :-: |\n| <style>*{}</style> |",
        "<https://a?&quot;onclick=alert(1)>",
    ],
)
def test_hostile_markdown_is_text(markdown):
    html = rendered(markdown)

    tags = re.findall(r"<[^>]*>", html)
    assert all(re.fullmatch(r'</?\w+( href="[^"]*")?( rel="[\w ]*")?>', tag) for tag in tags), html
    assert all(urlsplit(href).scheme in {"", "https"} for href in re.findall('href="([^"]*)', html))
    assert not re.search("<(script|img|iframe|style)", html)


@pytest.mark.parametrize("way", ["parser", "cleaner"])
def test_parser_and_cleaner_each_keep_markup_out(way, monkeypatch):
    markdown = "<script>alert(1)</script><img src=x onerror=alert(1)>"

    html = safe_html.parser.render(markdown) if way == "parser" else safe_html.cleaner.clean(markdown)

    assert "<script" not in html
    assert "<img" not in html


def test_a_long_text_is_not_rendered():
    assert rendered("a" * (MAX_CHARS + 1)) is None


@pytest.mark.parametrize("definition", ["[a]: /%s", "[a]: / '%s'"])
def test_a_short_text_makes_no_endless_page(definition):
    for length in (MAX_ADDRESS_CHARS - 2, MAX_CHARS // 4):
        definitions = definition % ("x" * length)
        html = rendered(definitions + "\n\n" + "[a]" * ((MAX_CHARS - len(definitions)) // 3 - 1))
        assert html is None or len(html) < safe_html.MAX_HTML_CHARS


@pytest.mark.prove
@pytest.mark.parametrize(
    "piece",
    ["[ ", "![", "[](", "[a](", "*a ", "*a_ ", "~~a", "a**b_c* ", "> ", "- a\n", "`a", "<", "[a\n", "*[_`~~ ", "&amp;"],
)
def test_a_hostile_text_takes_no_seconds(piece):
    began = time.process_time()

    rendered(piece * (MAX_CHARS // len(piece)))

    assert time.process_time() - began < 3


@pytest.mark.prove
@pytest.mark.parametrize(
    "markdown",
    [
        f"|{'a|' * 300}\n|{'-|' * 300}\n" + "|\n" * 20_000,
        "a|b\n-|-\n" + "x|y\n" * 12_000,
        ">" * 20 + "a\n" + "b\n" * 20_000,
        "".join(f"{'  ' * depth}- a\n" for depth in range(200)),
        "[" * 24_000 + "]" * 24_000,
    ],
    ids=["wide rows", "rows", "lazy quotes", "nested lists", "nested brackets"],
)
def test_a_hostile_structure_takes_no_seconds(markdown):
    began = time.process_time()

    rendered(markdown)

    assert time.process_time() - began < 3
