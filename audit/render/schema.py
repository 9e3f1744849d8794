"""What a gate tracker must be: the JSON Schema, real dates, and what no schema can say.

Here lives the only use of jsonschema. `format` alone checks nothing in a clean install, so dates
and times are checked by functions of our own.
"""

from __future__ import annotations

import functools
import importlib.resources
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema.validators import validator_for

TRACKER_SCHEMA = "gate-tracker.schema.json"
PROBLEMS_MAX = 200
"""Problems reported of one tracker; a file with more is of another shape."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a tracker, and where: `place` reads like `gates[2].status`."""

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


def schema_folder() -> Traversable:
    """Return where the JSON Schemas lie: inside the installed package, else in the source tree.

    Raises `FileNotFoundError` where neither holds them.
    """
    beside_package = Path(__file__).resolve().parents[2] / "schemas"
    for folder in (importlib.resources.files("audit") / "schemas", beside_package):
        if folder.joinpath(TRACKER_SCHEMA).is_file():
            return folder
    raise FileNotFoundError(f"the schemas are not installed, looked for `{beside_package}`")


def validate(tracker: object) -> list[Problem]:
    """Return all problems of a gate tracker, the schema's first; empty means that it is valid.

    Whether ids, counts and statuses fit together is only asked of a tracker of the right shape.
    """
    if not _validator().is_valid(_thinned(tracker, _validator().schema)):
        errors = itertools.islice(_validator().iter_errors(tracker), PROBLEMS_MAX)
        return [Problem(_place(error.absolute_path), _said(error)) for error in errors]
    assert isinstance(tracker, dict)
    return list(itertools.islice(_beyond_the_schema(tracker), PROBLEMS_MAX))


# --- the schema -----------------------------------------------------------------------------------

_FORMATS = jsonschema.FormatChecker(formats=())


@_FORMATS.checks("date")
def is_date(value: object) -> bool:
    """Return whether a string is a day that exists, as `YYYY-MM-DD`; other types pass."""
    return not isinstance(value, str) or (bool(_DATE.fullmatch(value)) and _exists(value, date))


@_FORMATS.checks("date-time")
def is_utc_time(value: object) -> bool:
    """Return whether a string is an instant that exists, RFC 3339 in UTC with `Z`."""
    if not isinstance(value, str):
        return True
    return bool(_TIME.fullmatch(value)) and _exists(value.removesuffix("Z"), datetime)


def _exists(text: str, kind: type[date]) -> bool:
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True


@functools.cache
def _validator() -> Any:
    schema = json.loads(schema_folder().joinpath(TRACKER_SCHEMA).read_text(encoding="utf-8"))
    return validator_for(schema)(schema, format_checker=_FORMATS)


def _thinned(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a smaller value that is valid exactly when `value` is.

    Free text becomes a sign that it was there, and list elements that then are alike become one:
    thousands of cells have a handful of shapes (seven times faster on 5,000 cells).
    """
    if isinstance(value, str) and schema.keys() <= _FREE_TEXT and schema.get("minLength", 0) <= 1:
        return "x" if value else ""
    if isinstance(value, list) and schema.keys() <= _FREE_LIST:
        inner = schema.get("items", {})
        thin = [_thinned(item, inner) for item in value]
        return list({repr(item): item for item in thin}.values())
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return {key: _thinned(item, known.get(key, {})) for key, item in value.items()}
    return value


_FREE_TEXT = {"type", "minLength", "description"}
_FREE_LIST = {"type", "items", "description"}


def _place(path: Iterable[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "tracker"


def _said(error: Any) -> str:
    held = f"{error.instance!r:.60}"
    match error.validator:
        case "required":
            lacking = [key for key in error.validator_value if key not in error.instance]
            return f"missing {', '.join(lacking)}" if lacking else error.message
        case "enum":
            return f"wants one of {', '.join(map(str, error.validator_value))}, holds {held}"
        case "const":
            return f"wants {error.validator_value}, holds {held}"
        case "type":
            return f"wants {error.validator_value}, holds {held}"
        case "format":
            return f"no {error.validator_value} that exists, holds {held}"
        case "additionalProperties":
            unknown = sorted(error.instance.keys() - error.schema["properties"].keys())
            return f"unknown {', '.join(unknown):.200}"
        case _:
            return f"{error.message:.200}"


# --- beyond the schema ----------------------------------------------------------------------------


def _beyond_the_schema(t: Mapping[str, Any]) -> Iterator[Problem]:
    matrix = t["command_matrix"]
    yield from _twice("gates", [gate["id"] for gate in t["gates"]])
    yield from _twice("signals", [signal["id"] for signal in t["signals"]])
    yield from _twice("command_matrix.cells", [cell["id"].lower() for cell in matrix["cells"]])
    yield from _membership(t)
    status = {signal["id"]: signal["status"] for signal in t["signals"]}
    for n, gate in enumerate(t["gates"]):
        yield from _counts(f"gates[{n}]", gate, status)
        if t["basis"] == "derived":
            yield from _gate_follows(f"gates[{n}]", gate, status)
    yield from _matrix_adds_up(matrix)
    if t["basis"] == "derived":
        yield from _verdict_follows(t)


def _twice(place: str, ids: list[Any]) -> Iterator[Problem]:
    seen: set[Any] = set()
    for n, name in enumerate(ids):
        if name in seen:
            yield Problem(f"{place}[{n}].id", f"stands there twice, id=`{name}`")
        seen.add(name)


def _membership(t: Mapping[str, Any]) -> Iterator[Problem]:
    """Every signal belongs to the one gate that requires it."""
    owner = {signal["id"]: signal["gate"] for signal in t["signals"]}
    required = set()
    for n, gate in enumerate(t["gates"]):
        for k, name in enumerate(gate["required_signal_ids"]):
            place = f"gates[{n}].required_signal_ids[{k}]"
            if name not in owner:
                yield Problem(place, f"no such signal, id=`{name}`")
            elif owner[name] != gate["id"]:
                yield Problem(place, f"the signal belongs to gate {owner[name]}, id=`{name}`")
            required.add(name)
    for n, signal in enumerate(t["signals"]):
        if signal["id"] not in required:
            yield Problem(f"signals[{n}]", f"no gate requires it, id=`{signal['id']}`")


def _counts(place: str, gate: Mapping[str, Any], status: Mapping[str, str]) -> Iterator[Problem]:
    statuses = [status.get(name) for name in gate["required_signal_ids"]]
    closed = statuses.count("GO")
    for key, counted in (("closed", closed), ("open", len(statuses) - closed)):
        if gate[key] != counted:
            yield Problem(f"{place}.{key}", f"its signals make it {counted}, holds {gate[key]}")


def _gate_follows(
    place: str, gate: Mapping[str, Any], status: Mapping[str, str]
) -> Iterator[Problem]:
    statuses = [status.get(name) for name in gate["required_signal_ids"]]
    if statuses and all(item == "GO" for item in statuses):
        follows = "GO"
    else:
        follows = "PARTIAL" if {"GO", "PARTIAL"} & set(statuses) else "NO-GO"
    if gate["status"] != follows:
        yield Problem(f"{place}.status", f"its signals make it {follows}, holds {gate['status']}")


def _matrix_adds_up(matrix: Mapping[str, Any]) -> Iterator[Problem]:
    if not matrix["cells"]:
        return
    required = [cell for cell in matrix["cells"] if cell["required"]]
    follows = bool(required) and all(cell["passed"] for cell in required)
    if matrix["all_pass"] != follows:
        said = str(follows).lower()
        yield Problem("command_matrix.all_pass", f"its cells make it {said}")
    if matrix["required_commands"] != [cell["cmd"] for cell in required]:
        place = "command_matrix.required_commands"
        yield Problem(place, "they are not the commands of the required cells")
    for n, cell in enumerate(matrix["cells"]):
        if cell["passed"] and cell["result"] != "passed":
            place = f"command_matrix.cells[{n}].passed"
            yield Problem(place, f"a cell that {cell['result']} did not pass")


def _verdict_follows(t: Mapping[str, Any]) -> Iterator[Problem]:
    if "subject" not in t:
        yield Problem("subject", "missing: a derived tracker says what was audited")
    elif t["subject"]["dirty"] and t["verdict"] == "GO":
        yield Problem("verdict", "GO over a dirty tree")
    if t["verdict"] == "GO" and t["blockers"]:
        yield Problem("verdict", "GO beside blockers")
    if t["verdict"] != "GO" and not t["blockers"]:
        yield Problem("blockers", "nothing is named that keeps the release from GO")
    ready = bool(t["gates"]) and all(gate["status"] == "GO" for gate in t["gates"])
    if t["verdict"] == "GO" and not ready:
        yield Problem("verdict", "GO while not every gate is GO")
    if t["verdict"] == "GO" and any(c["required"] and not c["passed"] for c in _cells(t)):
        yield Problem("verdict", "GO while a required command did not pass")


def _cells(t: Mapping[str, Any]) -> list[Any]:
    return list(t["command_matrix"]["cells"])
