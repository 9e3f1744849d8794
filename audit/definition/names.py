"""Which ids and paths a definition may hold, why others are refused, and the nearest right one.

Ids become file names and columns of tables, and paths are followed inside a repository: both are
kept free of what a file system, a terminal or a reader could take for something else.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

from audit.definition.units import WrongError, shown
from evidence import layout

NAME_LETTERS_MAX = 120
PATH_LETTERS_MAX = 1_000
SHOWN_MAX = 8
"""Known names listed when none is near."""
_SIMPLE = "use letters, digits, `.`, `_` and `-`, beginning with a letter or digit"


def safe_id(name: str) -> str:
    """Return `name` when it can be a file name everywhere. Raises `WrongError` with the reason."""
    reason = _id_reason(name)
    if reason:
        raise WrongError(f"{reason} id=`{shown(name)}`", _SIMPLE)
    return name


def _id_reason(name: str) -> str:
    if not name:
        return "an id must not be empty"
    if len(name) > NAME_LETTERS_MAX:
        return f"an id may have {NAME_LETTERS_MAX} letters, this one has {len(name)}"
    hidden = _hidden(name)
    if hidden:
        return hidden
    if "/" in name or "\\" in name:
        return "an id must not hold a path separator"
    if layout.RESERVED.fullmatch(name):
        return "this name is kept by file systems or by the bundle"
    return "" if layout.CELL_ID.fullmatch(name) else "this id is no safe file name"


def _hidden(text: str) -> str:
    for letter in text:
        category = unicodedata.category(letter)
        if category == "Cf":
            return "it holds an invisible or direction mark"
        if category in ("Cc", "Zl", "Zp"):
            return "it holds a control character"
    return ""


def label(text: str) -> str:
    """Return a run label, which may hold `/` between safe names. Raises `WrongError`."""
    parts = text.split("/")
    for part in parts:
        safe_id(part)
    if parts[0].lower() == layout.SIGN_OFF:  # some file systems ignore case
        problem = f"what people sign lies in `{layout.SIGN_OFF}`, beside the runs"
        raise WrongError(f"{problem} label=`{shown(text)}`", "begin it with another word")
    return text


def word(text: str) -> str:
    """Return a short text without control or direction marks. Raises `WrongError`."""
    if not text.strip():
        raise WrongError("it must not be empty")
    hidden = _hidden(text)
    if hidden:
        raise WrongError(f"{hidden} value=`{shown(text)}`", "take it out")
    return text


def inside(path: str) -> str:
    """Return a path or glob that stays inside the repository. Raises `WrongError`."""
    step = "write it relative to the root of the repository, such as `build/junit.xml`"
    reason = ""
    parts = path.replace("\\", "/").split("/")
    if not path:
        reason = "a path must not be empty"
    elif len(path) > PATH_LETTERS_MAX:
        reason = f"a path may have {PATH_LETTERS_MAX} letters, this one has {len(path)}"
    elif _hidden(path):
        reason = _hidden(path)
    elif path.startswith(("/", "\\", "~")) or path[1:2] == ":":
        reason = "an absolute path depends on the machine"
    elif ".." in parts:
        reason = "a path must not lead out of the repository"
    elif ".git" in (part.lower() for part in parts):
        reason = "a path must not lead into `.git`"
    if reason:
        raise WrongError(f"{reason} path=`{shown(path)}`", step)
    return path.removeprefix("./") or "."


def output_root(path: str) -> str:
    """Return an output root with one slash at its end. Raises `WrongError`."""
    clean = inside(path).rstrip("/")
    if clean in ("", ".") or "*" in clean:
        raise WrongError(
            f"an output root must be a folder of its own path=`{shown(path)}`",
            "name a folder, such as `release_evidence/`",
        )
    return clean + "/"


def hint(name: str, known: Iterable[str], noun: str) -> str:
    """Return the next step for an unknown name: the nearest known one, else which there are."""
    names = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name, names, n=1)
    folded = {item.casefold(): item for item in names}
    best = folded.get(name.casefold()) or (near[0] if near else "")
    if best:
        return f"did you mean `{best}`?"
    if not names:
        return f"there is no {noun} yet; declare it first"
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return f"known: {', '.join(f'`{item}`' for item in names[:SHOWN_MAX])}{more}"
