"""Titles and names as text: whether they show anything. No ORM, no HTTP."""

import re
import unicodedata

# Separators, control and format characters, surrogates; and marks, which show on a letter only.
UNSEEN = {"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Mc", "Me"}
# Letters and symbols that are blank all the same, and what Unicode keeps free for invisible characters.
BLANK = re.compile("[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U0001d159\U000e0000-\U000e0fff]")


def is_visible(text):
    """Tell whether the text has a character that shows, by its Unicode category.

    Those that this Python does not know yet count as visible: new emoji and scripts.
    """
    return any(unicodedata.category(char) not in UNSEEN and not BLANK.match(char) for char in text)
