"""Differences of two revisions, as people see them in the admin."""

from types import SimpleNamespace

from notes.diffs import for_people


def state(body, title="Plan", tags=()):
    return SimpleNamespace(title=title, tags=tags, metadata={}, body=body)


def test_a_diff_shows_a_few_lines_around_each_change():
    lines = [f"line {number}" for number in range(40)]
    edited = ["changed" if number in {10, 30} else line for number, line in enumerate(lines)]

    shown = for_people(state("\n".join(lines)), state("\n".join(edited)))

    assert [line for kind, line in shown if kind in "+-"] == ["line 10", "changed", "line 30", "changed"]
    assert len([line for kind, line in shown if kind == " "]) == 12
    assert [kind for kind, _ in shown].count("…") == 1


def test_a_diff_says_that_only_the_line_breaks_have_changed():
    assert for_people(state("One\nTwo"), state("One\r\nTwo")) == [("…", "Only the kind of line breaks (LF or CRLF).")]


def test_a_diff_of_two_huge_texts_is_short_and_quick():
    one = "\n".join(str(number * 7919 % 50_000) for number in range(50_000))
    two = "\n".join(str(number * 104_729 % 50_000) for number in range(50_000))

    shown = for_people(state(one), state(two))

    assert "50,002 lines before, 50,002 after" in shown[0][1]
    assert len(shown) == 101
    assert {kind for kind, _ in shown} == {"…", "-", "+"}


def test_a_diff_cuts_endless_lines():
    assert max(len(line) for _, line in for_people(state("a" * 100_000), state("b" * 100_000))) < 1100
