"""Notes that would do harm if a page took their text for anything but text."""

SCRIPT = "<script>alert('taken for markup')</script>"
IMAGE = "<img src=https://elsewhere.example/x.png onerror=alert(1)>"
LINK = "javascript:alert(document.domain)"
WORD = "w" * 5_000
RIGHT_TO_LEFT = "\u202eעברית \u2067العربية"
EMOJI = "👩‍👩‍👧‍👦🏳️‍🌈 Z̡̖̜͖̰̣͉̜͖̰̲̻̥̈̇͑̿̄a͚̗͕̞̲͈͗̆̂̔ͤ̓l̞̥̱̭̬͍̒͑ͫ̚g̯͈͔̼͇̔̏̈́ͪ͐̚o̙͙̣̬̥͈̐̄̇ͯ̾ "

NOTES = {
    "markup": {
        "title": SCRIPT,
        "body": f"{SCRIPT}\n\n{IMAGE}\n\n</pre></textarea></title>{SCRIPT}\n\n<style>*{{display:none}}</style>",
        "tags": ["<b>tag</b>", '"><script>alert(2)</script>'],
        "metadata": {"<i>name</i>": SCRIPT, "html": [IMAGE, SCRIPT]},
    },
    "links": {
        "title": LINK,
        "body": f"[a]({LINK})\n\n<{LINK}>\n\n![a](https://elsewhere.example/x.png)\n\n[b](data:text/html,{SCRIPT})\n\n"
        f"[c]: {LINK}\n\n[c]\n\n[d](//elsewhere.example/)",
        "tags": [LINK],
        "metadata": {"url": LINK},
    },
    "long": {
        "title": "A long text",
        "body": "All work and no play makes a long text. " * 2_500,
        "tags": [f"tag {number} of a note with very many" for number in range(50)],
        "metadata": {f"name-{number}-{'n' * 50}": "v" * 200 for number in range(50)},
    },
    "wide": {
        "title": "W" * 200,
        "body": f"{WORD}\n\n    {WORD}\n\n`{WORD}`\n\n| {'a | ' * 60}\n| {'--- | ' * 60}\n| {'b | ' * 60}\n\n# {WORD}",
        "tags": ["t" * 50, "u" * 50],
        "metadata": {"n" * 64: "v" * 1_000},
    },
    "right to left": {
        "title": f"{RIGHT_TO_LEFT} title",
        "body": f"{RIGHT_TO_LEFT} body\n\n{'مرحبا ' * 500}",
        "tags": [RIGHT_TO_LEFT],
        "metadata": {"שם": RIGHT_TO_LEFT},
    },
    "emoji": {"title": EMOJI, "body": EMOJI * 50, "tags": ["🏳️‍🌈", EMOJI[:20]], "metadata": {"👩‍👩‍👧‍👦": EMOJI}},
}
KEY_NAME = f"{SCRIPT} {'k' * 40}"
