"""A notebook as a person might have one: a month of notes, some edited, one in the trash, by a few writers.

    python -m tests.browser.notebook

writes it, and those who use it, to the database of the environment. The tests in Chromium and the pictures begin here.
"""

from datetime import timedelta
from unittest.mock import patch

import django
from django.utils import timezone

PASSWORD = "correct horse battery"

TMUX = """# Sessions

A session outlives the terminal that it was started in.

| Keys | What they do |
| --- | --- |
| `C-b d` | leave the session, and let it run |
| `C-b s` | choose another one |
| `C-b [` | scroll, and copy |

```sh
tmux new -s notes     # a new session with a name
tmux attach -t notes  # back to it, from anywhere
```
"""
# Days before today, title, tags, body.
NOTES = [
    (
        30,
        "Reading list",
        ["books"],
        "* The Mythical Man-Month\n* A Philosophy of Software Design\n* The Soul of a New Machine\n",
    ),
    (
        29,
        "Plan for the garden",
        ["garden", "home"],
        "Peas and radishes in March, beans in May.\n\nThe **west bed** rests this year.\n",
    ),
    (27, "tmux: sessions that outlive a terminal", ["tmux", "shell"], TMUX),
    (26, "Find large files", ["shell"], "```sh\ndu -ah . | sort -rh | head -20\n```\n"),
    (24, "Café in the Rue des Martyrs", ["places"], "Good for reading in the morning. Closed on Mondays.\n"),
    (22, "git: undo the last commit", ["git"], "`git reset --soft HEAD~1` keeps the changes in the index.\n"),
    (
        21,
        "Bread with a long rest",
        ["kitchen"],
        "1. Mix 500 g of flour, 350 g of water, salt, a little yeast.\n2. Rest 18 hours.\n3. Bake 45 minutes.\n",
    ),
    (19, "What the dentist said", ["health"], "Next visit in spring. Ask about the left side.\n"),
    (17, "tmux: copy mode with vi keys", ["tmux", "shell"], "Put `setw -g mode-keys vi` into `~/.tmux.conf`.\n"),
    (
        15,
        "SQLite: what WAL mode changes",
        ["databases"],
        "Readers do not wait for the writer, and it does not wait for them.\n",
    ),
    (13, "Gifts", ["home"], "- [x] A kite for Jo\n- [ ] Strings for the cello\n"),
    (
        11,
        "PostgreSQL: why a query does not use an index",
        ["databases"],
        "`EXPLAIN (ANALYZE, BUFFERS)` first. Then look for a function on the column.\n",
    ),
    (9, "Meeting with the printer", ["work"], "They can do *uncoated paper*. The price is for 500 copies.\n"),
    (8, "Bicycle: size of the inner tube", ["home"], "28 inches, 37-622, the long valve.\n"),
    (6, "Words I always look up", ["writing"], "> Affect is what it does, effect is what comes of it.\n"),
    (5, "vim: record a macro", ["vim", "shell"], "`qa` begins, `q` ends, `@a` plays it, `@@` plays it again.\n"),
    (3, "Call the library", ["home"], "The book is due on Friday.\n"),
    (2, "Route along the river", ["places"], "[The map](https://www.openstreetmap.org/) shows a ferry at Wapping.\n"),
    (1, "Shopping", ["kitchen", "home"], "Flour, yeast, *olives*, and lemons\n"),
]
LINES = "These are notes of many days, so that lists have a second page.\n"


def write(now):
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Permission

    from notes.door import Door
    from notes.models import ApiKey, Notebook, Writer

    users = get_user_model().objects
    ada = Writer.staff(users.create_superuser("ada", password=PASSWORD), "")
    viewer = users.create_user("vera", password=PASSWORD, is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))

    notebook = Notebook.objects.get()
    with at(now - timedelta(days=40)):
        phone, _ = ApiKey.make(ada, notebook=notebook, name="phone", level="write", expires_at=now + timedelta(days=5))
        ApiKey.make(ada, notebook=notebook, name="feed reader", level="read")
    phone = Writer(f"key:{phone.pk}", phone.name)
    notes = {}
    for day in range(36):
        with at(now - timedelta(days=31, minutes=day)), Door(notebook, Writer.command("import_notes")) as door:
            door.create(title=f"Diary, day {day + 1}", body=LINES * (day % 7 + 1), tags=["diary"])
    for days, title, tags, body in NOTES:
        with at(now - timedelta(days=days)), Door(notebook, phone if days % 3 else ada) as door:
            metadata = {"source": "phone", "stars": days % 5} if days % 3 else {}
            notes[title] = door.create(title=title, tags=tags, body=body, metadata=metadata)
    for days, by, title, body in [
        (7, phone, NOTES[2][1], TMUX.replace("# a new session with a name", "# a new session, by name")),
        (4, ada, NOTES[2][1], TMUX + "\nNames may not have a dot.\n"),
        (0, phone, "Shopping", "Flour, yeast, *olives*, lemons, and salt\n"),
    ]:
        with at(now - timedelta(days=days, hours=2)), Door(notebook, by) as door:
            door.edit(notes[title], body=body)
    with at(now - timedelta(hours=1)), Door(notebook, ada) as door:
        door.trash(notes["Gifts"])


def at(moment):
    return patch.object(timezone, "now", lambda: moment)


if __name__ == "__main__":
    django.setup()
    write(timezone.now())
