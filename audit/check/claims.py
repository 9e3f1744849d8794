"""What people write where a path is wanted: paths, `path:line`, folders, globs, and plain prose.

Here text becomes `PathClaim` values. Nothing here looks whether a path exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINE = re.compile(r"(?::|#L)(\d{1,9})(?:(?::\d+)?|-L?\d+)$")
_EXTENSION = re.compile(r"[^/\s]*[^/\s.]\.[A-Za-z][A-Za-z0-9]{0,7}$")
_NOT_PATH = re.compile(r"[<>|\"'`$%!=(){}\s]|^[-+@#&]|://|^mailto:")
_SEPARATORS = re.compile(r"\s*(?:,|;|\s\+\s|<br\s*/?>)\s*")


@dataclass(frozen=True, slots=True)
class PathClaim:
    """One entry of a list of paths. `path` is None where `text` is prose.

    `line` is the 1-based line it names; `is_glob` says that `path` holds `*` or `?`.
    """

    text: str
    path: str | None
    line: int | None = None
    is_glob: bool = False


def read_claim(text: str, *, in_prose: bool = False) -> PathClaim:
    """Return what one entry says. In running prose only what holds a `/` counts as a path.

    A pytest id (`tests/test_x.py::test_y`) is the claim of its file.
    """
    text = text.strip()
    bare = text.split("::", 1)[0]
    hit = _LINE.search(bare)
    path = bare[: hit.start()] if hit else bare
    looks = "/" in path.strip("/") or path.endswith("/") or bool(_EXTENSION.fullmatch(path))
    if not path or not looks or _NOT_PATH.search(path) or (in_prose and "/" not in path):
        return PathClaim(text, None)
    return PathClaim(text, path, int(hit[1]) if hit else None, bool(re.search(r"[*?]", path)))


def read_cell(cell: str) -> tuple[PathClaim, ...]:
    """Return the entries of a table cell: code spans, and between them paths or prose."""
    entries: list[PathClaim] = []
    end = 0
    for span in _CODE.finditer(cell):
        entries += _between(cell[end : span.start()])
        entries.append(read_claim(span[2]))
        end = span.end()
    return (*entries, *_between(cell[end:]))


def _between(text: str) -> Iterable[PathClaim]:
    parts = (part.strip(" +&") for part in _SEPARATORS.split(text))
    return [
        read_claim(part) for part in parts if part and part not in ("and", "-", "\u2013", "\u2014")
    ]


def read_prose(line: str) -> tuple[PathClaim, ...]:
    """Return the paths that code spans of a line of prose name."""
    spans = (read_claim(span[2], in_prose=True) for span in _CODE.finditer(line))
    return tuple(claim for claim in spans if claim.path is not None)


def code_spans(line: str) -> tuple[str, ...]:
    """Return what stands between backticks in a line."""
    return tuple(span[2].strip() for span in _CODE.finditer(line))
