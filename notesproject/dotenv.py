"""`python -m notesproject.dotenv` writes .env from .env.example with fresh random secrets. It overwrites no .env."""

import os
import re
import secrets
import sys
from pathlib import Path

from notes import keys

FOLDER = Path(__file__).resolve().parent.parent


def write(folder=FOLDER):
    """Return the new API key, or None if there is a .env already."""
    example = (folder / ".env.example").read_text()
    key = keys.generate()
    text = re.sub("^SECRET_KEY=.*", f"SECRET_KEY={secrets.token_urlsafe(48)}", example, flags=re.M)
    text = re.sub("^API_KEY=.*", f"API_KEY={key}", text, flags=re.M)
    try:
        file = os.open(folder / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return None
    with open(file, "w") as env:
        env.write(text)
    return key


if __name__ == "__main__":
    key = write()
    if key is None:
        sys.exit(".env is there already; it was left as it is.")
    print(f"Wrote .env with fresh secrets. Your API key, shown this once and kept in .env:\n\n    {key}\n")
