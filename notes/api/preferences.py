"""Prefer (RFC 7240): what a client would like. What nobody here knows is ignored, as the RFC says."""

import re

MINIMAL = "return=minimal"

# A preference, its value, and parameters of it, which none that is known here has.
PREFERENCE = re.compile(
    r"""(?P<name>[^\s=;,"]+)
        [ \t]*(?:=[ \t]*(?P<value>"(?:[^"\\]|\\.)*"|[^\s=;,"]*))?
        (?:[^,"]|"(?:[^"\\]|\\.)*"?)*""",
    re.VERBOSE,
)


def wants_minimal(request):
    """Tell whether the answer to a write shall leave out the note. The first `return` counts (RFC 7240, 2)."""
    for preference in PREFERENCE.finditer(request.META.get("HTTP_PREFER", "")):
        if preference["name"].lower() == "return":
            return (preference["value"] or "").strip('"') == "minimal"
    return False
