"""From the text of `audit.toml` to a `Definition`, or to every problem in it, each with its line.

Here pydantic's complaints become messages for people. `load` reads the file; `parse` is pure.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from audit.definition import rules
from audit.definition.lines import Lines, Path
from audit.definition.models import CONDITIONS, Definition
from audit.definition.names import hint
from audit.definition.rules import Known, Trouble
from audit.definition.twice import REPEATED, headed, header_of, repeated
from audit.definition.units import WrongError, kind_of, shown
from audit.errors import Invalid, Unavailable

FILE_BYTES_MAX = 4 * 2**20
"""A definition that people write is far below this."""
PROBLEMS_MAX = 100
"""Problems told at once."""
NEXT_STEP = "write it as `arco-audit init --stdout` does"
"""What to do where a problem itself says what is wanted."""


def load(path: FilePath) -> Definition:
    """Return the definition in the file at `path`.

    Raises:
        Invalid: no such file, not TOML, or wrong; the first problem, with the rest in `others`.
        Unavailable: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise Invalid(
            f"there is no definition path=`{path}`",
            place=path.name,
            next_step="run `arco-audit init` to write one, or name it with --definition",
        ) from error
    except IsADirectoryError as error:
        raise Invalid(
            f"this is a folder, not a definition path=`{path}`",
            place=path.name,
            next_step=f"did you mean `{path / 'audit.toml'}`?",
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Unavailable(
            f"the definition cannot be read, {reason} path=`{path}`",
            place=path.name,
            next_step="see who may read this file",
        ) from error
    if len(data) > FILE_BYTES_MAX:
        raise Invalid(
            f"the definition is too large limit=`{FILE_BYTES_MAX} bytes`",
            place=path.name,
            next_step="move evidence and notes out of it",
        )
    return parse(data, path.name).lying_in(path.parent)


def parse(data: bytes, name: str = "audit.toml") -> Definition:
    """Return the definition in `data`; `name` is the file in messages. Raises `Invalid`."""
    text = _decoded(data, name)
    value = _toml(text, name)
    try:
        definition = Definition.model_validate(value)
        problems = list(rules.troubles(definition))
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = [_trouble(detail, value) for detail in found]
        problems += _troubles_of_the_rest(value, found)
        definition = None
    if definition is None or problems:
        raise _invalid(problems, Lines(text), name)
    return definition.noted(tuple(rules.notes(definition)))


def _invalid(problems: Iterable[Trouble], lines: Lines, name: str) -> Invalid:
    ordered = sorted(set(problems), key=lambda item: (lines.of(item.path), str(item.path)))
    told = [
        Invalid(
            item.problem,
            place=f"{name}:{lines.of(item.path)}: {dotted(item.path)}".removesuffix(": "),
            next_step=item.next_step or NEXT_STEP,
        )
        for item in ordered[:PROBLEMS_MAX]
    ]
    if len(ordered) > PROBLEMS_MAX:
        more = f"{len(ordered) - PROBLEMS_MAX} more problems are not shown"
        told.append(Invalid(more, place=name, next_step="mend these first"))
    first = told[0]
    first.others = tuple(told[1:])
    return first


def dotted(path: Path) -> str:
    """Return a key path as people write it: `gate[0].signal[1].owner`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.removeprefix(".")


# --- from bytes to values -------------------------------------------------------------------------


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid(
            f"a byte is not UTF-8 byte=`{data[error.start]:#04x}`",
            place=f"{name}:{line}",
            next_step="save the file as UTF-8",
        ) from error


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        frozen: dict[str, Any] = _frozen(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
        place = f"{name}:{found[1]}:{found[2]}" if found else f"{name}:{text.count(chr(10)) + 1}"
        problem = re.sub(r" \(at [^()]*\)$", "", message).lower()
        if REPEATED.match(problem) and (told := repeated(text)):
            where, what, step = told
            raise Invalid(what, place=f"{name}:{where}", next_step=step) from error
        raise Invalid(
            f"not TOML, {shown(problem, 200)}",
            place=place,
            next_step="look before this place; text needs quotes, a list needs `[` and `]`",
        ) from error
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).lower()
        raise Invalid(
            f"not a definition, {shown(reason, 200)}",
            place=name,
            next_step="compare it with what `arco-audit init` writes",
        ) from error
    return frozen


def _frozen(value: Any) -> Any:
    """Lists as tuples: strict models take nothing else for one."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value


# --- from pydantic's complaints to ours -----------------------------------------------------------

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_WRITTEN = {
    "string_type": "put it in quotes",
    "bool_type": "write true or false, without quotes",
    "int_type": "write digits, without quotes",
    "tuple_type": "put it in `[` and `]`",
}


def _trouble(detail: ErrorDetails, value: Any) -> Trouble:
    path = tuple(
        key
        for n, key in enumerate(detail["loc"])
        if not _is_tag(detail["loc"], n) and key != "[key]"
    )
    kind = detail["type"]
    key = str(path[-1]) if path else ""
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, WrongError):
        return Trouble(path, error.problem, error.next_step)
    if kind == "extra_forbidden":
        step = hint(key, _keys_at(detail["loc"][:-1]), "key")
        if _is_of_tables(detail["input"]):
            step = headed(path[:-1], step)
        return Trouble(path, f"unknown key key=`{shown(key)}`", step)
    if kind == "missing" and path == ("audit",):
        step = "add the table `[audit]` with `id` and `title`"
        return Trouble(path, "a required table is missing table=`[audit]`", step)
    if kind == "missing":
        return Trouble(path, f"a required key is missing key=`{key}`", f"add `{key} = …`")
    if kind.startswith("union_tag"):
        return _kindless(path, detail["input"])
    if kind in _WANTED:
        problem = f"wants {_WANTED[kind]}, holds {kind_of(detail['input'])}"
        step = _WRITTEN.get(kind, "")
        if isinstance(detail["input"], dict) and (header := header_of(path)):
            step = f"write `{header}`"
        return Trouble(path, problem, step)
    if kind == "literal_error":
        return _unlisted(path, detail)
    return _out_of_bounds(path, detail)


def _is_of_tables(value: Any) -> bool:
    first = value[0] if isinstance(value, tuple) and value else value
    return isinstance(first, dict)


def _out_of_bounds(path: Path, detail: ErrorDetails) -> Trouble:
    given, limits = shown(detail["input"]), detail.get("ctx", {})
    if detail["type"] == "less_than_equal":
        return Trouble(path, f"too large value=`{given}`", f"write at most {limits['le']}")
    if detail["type"] == "greater_than_equal":
        return Trouble(path, f"too small value=`{given}`", f"write at least {limits['ge']}")
    if detail["type"] == "too_short":
        return Trouble(path, "this list must not be empty", "name at least one")
    if detail["type"] == "string_pattern_mismatch":
        step = "use letters, digits and `_`"
        return Trouble(path, f"no name of a variable name=`{given}`", step)
    return Trouble(path, f"{detail['msg'].lower()} value=`{given}`")


def _unlisted(path: Path, detail: ErrorDetails) -> Trouble:
    allowed = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
    given = str(detail["input"])
    noun = "engine fact" if path[-1:] == ("engine",) else "value"
    return Trouble(path, f"unknown {noun} value=`{shown(given)}`", hint(given, allowed, noun))


def _kindless(path: Path, given: Any) -> Trouble:
    if not isinstance(given, Mapping):
        problem = f"wants a table such as {{ command = … }}, holds {kind_of(given)}"
        return Trouble(path, problem, "put each condition in `{` and `}`")
    kinds = [key for key in given if key in CONDITIONS]
    if kinds:
        named = " and ".join(f"`{key}`" for key in kinds)
        return Trouble(path, f"this condition has several kinds, {named}", "make one table of each")
    known = ", ".join(f"`{kind}`" for kind in CONDITIONS)
    odd = next(iter(given), "")
    step = hint(odd, CONDITIONS, "kind") if odd else ""
    near = step if step.startswith("did") else f"write one of {known}"
    return Trouble(path, f"this condition has no known kind keys=`{shown(', '.join(given))}`", near)


def _is_tag(location: Sequence[int | str], n: int) -> bool:
    """Whether pydantic put the kind of a condition there, which is no key of the file."""
    return n >= 2 and location[n - 2] == "closes_when" and isinstance(location[n - 1], int)


def _keys_at(location: Sequence[int | str]) -> list[str]:
    """Return the keys that the table at a place of pydantic's may hold."""
    model: type[BaseModel] = Definition
    for n, key in enumerate(location):
        if _is_tag(location, n):
            model = CONDITIONS[str(key)]
        elif isinstance(key, str):
            model = _model_below(model, key) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_below(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            return next(_models_in(field.annotation), None)
    return None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


# --- what else is wrong, beside what pydantic saw -------------------------------------------------

_STAND_IN = {"id": "stand-in", "title": "stand-in"}


def _troubles_of_the_rest(value: Any, found: Sequence[ErrorDetails]) -> list[Trouble]:
    """Return the problems between those tables that are right by themselves.

    Wrong tables are taken out, and what refers to them is believed, so that one slip does not make
    others out of nothing.
    """
    if not isinstance(value, dict):
        return []
    wrong = {_table_of(detail["loc"]) for detail in found}
    rest, places = _without(value, wrong)
    try:
        definition = Definition.model_validate(rest)
    except ValidationError:
        return []
    known = Known(_ids(value.get("command")), _ids(value.get("role")))
    return [
        Trouble(_restored(trouble.path, places), trouble.problem, trouble.next_step)
        for trouble in rules.troubles(definition, known)
    ]


def _table_of(location: Sequence[int | str]) -> Path:
    """Return the smallest table that can be left out: a signal, an element, or a whole key."""
    path = tuple(location)
    if path[:1] == ("gate",) and path[2:3] == ("signal",) and len(path) > 4:
        return path[:4]
    return path[:2] if len(path) > 2 and isinstance(path[1], int) else path[:1]


def _without(value: dict[str, Any], wrong: set[Path]) -> tuple[dict[str, Any], dict[Path, Path]]:
    """Return the definition's value without some tables, and where the others stood before."""
    rest: dict[str, Any] = {}
    places: dict[Path, Path] = {}
    for key, item in value.items():
        if (key,) in wrong:
            continue
        rest[key] = item
        if isinstance(item, tuple):
            rest[key] = _kept((key,), (key,), item, wrong, places)
    for path in wrong:
        if path[0] == "audit":
            rest["audit"] = _STAND_IN
    for n, gate in enumerate(rest.get("gate", ())):
        if isinstance(gate, dict) and isinstance(gate.get("signal"), tuple):
            old = (*places[("gate", n)], "signal")
            signals = _kept(old, ("gate", n, "signal"), gate["signal"], wrong, places)
            rest["gate"][n] = gate | {"signal": tuple(signals)}
    return _frozen(rest) | {"audit": rest.get("audit", _STAND_IN)}, places


def _kept(
    old: Path, new: Path, items: Sequence[Any], wrong: set[Path], places: dict[Path, Path]
) -> list[Any]:
    kept: list[Any] = []
    for n, item in enumerate(items):
        if (*old, n) not in wrong:
            places[*new, len(kept)] = (*old, n)
            kept.append(item)
    return kept


def _restored(path: Path, places: Mapping[Path, Path]) -> Path:
    for length in (4, 2):
        if path[:length] in places:
            return places[path[:length]] + path[length:]
    return path


def _ids(items: Any) -> tuple[str, ...]:
    tables = items if isinstance(items, tuple) else ()
    found = (item.get("id") for item in tables if isinstance(item, dict))
    return tuple(name for name in found if isinstance(name, str))
