"""Which tracked paths a glob means.

A glob starts at the root of the repository. `*` and `?` stand for letters other than `/`, `[a-z]`
for one of a set, `**` for any number of folders. A glob that names a folder means all below it, as
in `.gitignore`; unlike there, one without `/` does not float. Pure functions over strings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence


def matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Return whether a path is meant by any of `globs`, as a function."""
    if not globs:
        return lambda path: False
    found = re.compile("|".join(map(_regex, globs)), re.DOTALL)
    return lambda path: found.fullmatch(path) is not None


def _regex(glob: str) -> str:
    parts = [part for part in glob.strip("/").split("/") if part not in ("", ".")]
    text = ""
    for n, part in enumerate(parts):
        last = n == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]+/)*"
        else:
            text += _segment(part) + ("" if last else "/")
    return f"(?:{text}(?:/.*)?)" if text else "(?:.*)"


def _segment(part: str) -> str:
    text, at = "", 0
    while at < len(part):
        letter = part[at]
        close = part.find("]", at + 2)
        if letter == "*":
            # Runs of stars mean one; more would only make matching slow.
            text += "" if text.endswith("[^/]*") else "[^/]*"
        elif letter == "?":
            text += "[^/]"
        elif letter == "[" and close > 0:
            text += _set(part[at + 1 : close])
            at = close
        else:
            text += re.escape(letter)
        at += 1
    return text


def _set(inner: str) -> str:
    negated = inner[0] in "!^"
    body = inner[1:] if negated else inner
    if not body:
        return re.escape(f"[{inner}]")
    ranges, at = "", 0
    while at < len(body):
        if body[at + 1 : at + 2] == "-" and at + 2 < len(body):
            low, high = sorted((body[at], body[at + 2]))
            ranges += f"{re.escape(low)}-{re.escape(high)}"
            at += 3
        else:
            ranges += re.escape(body[at])
            at += 1
    return f"(?!/)[{'^' if negated else ''}{ranges}]"
