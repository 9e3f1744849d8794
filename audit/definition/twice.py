"""What to say of a key or table that stands twice, and how the header of a table is written.

Pure text work. `lines` finds where something stands; here it becomes a sentence and a way out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from audit.definition.lines import Lines, Path
from audit.definition.units import shown

REPEATED = re.compile(
    r"cannot (overwrite|declare|mutate|redefine)|duplicate inline table key|.* twice\b"
)
"""What `tomllib` says, in small letters, of a text that defines something again."""

_MANY = (("role",), ("command",), ("gate",), ("gate", "signal"))
_ONE = (("audit",), ("environment",), ("secrets",), ("evidence",))
_HEADER = re.compile(r"^[ \t]*(\[\[?)[ \t]*([A-Za-z0-9_-]+)[ \t]*[\].]", re.MULTILINE)
_MEANT = re.compile(r"did you mean `([^`]*)`\?")


def header_of(path: Path) -> str:
    """Return how the header of a known table is written, such as `[[gate]]`, else nothing."""
    names = tuple(str(key) for key in path if not isinstance(key, int))
    dotted = ".".join(names)
    if names in _MANY:
        return f"[[{dotted}]]"
    return f"[{dotted}]" if names in _ONE else ""


def headed(above: Path, step: str) -> str:
    """Return a next step that names the nearest key so that it names that table's header."""
    found = _MEANT.fullmatch(step)
    header = header_of((*above, found[1])) if found else ""
    return f"did you mean `{header}`?" if header else step


def repeated(text: str) -> tuple[int, str, str] | None:
    """Return the line of the fault, the problem and the next step of what stands twice.

    None where it cannot be found. A header of another spelling that made a second table of its
    neighbours is the fault, wherever the clash comes to light.
    """
    twice = Lines(text).twice
    if twice is None:
        return None
    path, first, second = twice
    name = shown(".".join(str(key) for key in path if not isinstance(key, int)))
    problem = f"this key or table stands twice key=`{name}` first_line=`{first}` line=`{second}`"
    for line, written, meant in _misspelled(text):
        if path[0] == meant and line <= second:
            step = f"line {line} says `{written}`; did you mean `{header_of((meant,))}`?"
            return line, problem, step
    header = header_of(path)
    if header.startswith("[["):
        return second, problem, f"write both headers as `{header}`, in lines {first} and {second}"
    return second, problem, f"keep one `{header}`" if header else "keep one of the two"


def _misspelled(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the headers that are near to those of known tables: line, as written, and the name."""
    known = [names[0] for names in (*_MANY, *_ONE)]
    for found in _HEADER.finditer(text):
        name = found[2]
        near = difflib.get_close_matches(name.lower(), known, n=1)
        if name not in known and near:
            line = text.count("\n", 0, found.start(2)) + 1
            yield line, f"{found[1]}{name}{']' * len(found[1])}", near[0]
