"""Text differences for people."""

import difflib

# difflib takes quadratic time on long texts without common lines.
MAX_COMPARED_LINES = 2_000


def unified(old, new, old_name="", new_name=""):
    """Return a unified diff; "" for equal texts. Very long changed parts are shown as replaced whole."""
    old_lines, new_lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    start = common_length(old_lines, new_lines)
    end = common_length(old_lines[start:][::-1], new_lines[start:][::-1])
    changed = max(len(old_lines), len(new_lines)) - start - end
    if changed > MAX_COMPARED_LINES:
        removed = old_lines[start : len(old_lines) - end]
        added = new_lines[start : len(new_lines) - end]
        header = f"@@ -{start + 1},{len(removed)} +{start + 1},{len(added)} @@\n"
        lines = [f"--- {old_name}\n", f"+++ {new_name}\n", header]
        lines += [f"-{line}" for line in removed] + [f"+{line}" for line in added]
    else:
        lines = difflib.unified_diff(old_lines, new_lines, old_name, new_name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def common_length(first, second):
    """Return how many lines two lists have in common at their beginning."""
    length = 0
    for one, other in zip(first, second):
        if one != other:
            break
        length += 1
    return length
