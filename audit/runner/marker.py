"""The variable that every process of a cell inherits, and that says which run it belongs to.

Pure functions over text. The value lists the enclosing runs from the outermost to the innermost as
`run/cell/number@root`, joined by `:`; each part is percent-encoded, so that neither a colon nor a
newline in a folder's name can break it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from audit import errors

MARKER = "ARCO_AUDIT_RUNS"
"""Name of the variable."""


def mark(environ: Mapping[str, str], run: str, cell: str, number: int, root: str) -> str:
    """Return the variable's value for an attempt that starts under `environ`."""
    place = quote(root, safe="/", errors="surrogateescape")
    entry = f"{attempt_prefix(run, cell, number)}{place}"
    outer = environ.get(MARKER)
    return f"{outer}:{entry}" if outer else entry


def run_prefix(run: str) -> str:
    """Return how every entry of a run begins."""
    return quote(run, safe="") + "/"


def attempt_prefix(run: str, cell: str, number: int) -> str:
    """Return how the entry of one attempt begins."""
    return f"{run_prefix(run)}{quote(cell, safe='')}/{number}@"


def carries(environ: bytes, prefix: str) -> bool:
    """Whether a raw environment (NUL between its variables) has an entry that begins so."""
    wanted = prefix.encode()
    if wanted not in environ:
        return False
    name = MARKER.encode() + b"="
    return any(
        entry.startswith(wanted)
        for variable in environ.split(b"\0")
        if variable.startswith(name)
        for entry in variable[len(name) :].split(b":")
    )


def enclosing_roots(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the roots of the repositories that enclosing runs audit, outermost first."""
    entries = filter(None, environ.get(MARKER, "").split(":"))
    roots = (entry.partition("@")[2] for entry in entries)
    return tuple(unquote(root, errors="surrogateescape") for root in roots if root)


def refuse_enclosed(root: Path, environ: Mapping[str, str]) -> None:
    """Refuse to audit a repository that an enclosing run audits: it would never end.

    Raises:
        Invalid: `root` is one of `enclosing_roots`, whatever links lead to it.
    """
    real = root.resolve()
    if any(Path(outer).resolve() == real for outer in enclosing_roots(environ)):
        raise errors.Invalid(
            "an enclosing run audits this very repository",
            place=str(root),
            next_step="audit another repository inside a cell, or leave the audit out of the cell",
        )
