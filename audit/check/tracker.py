"""Reading a gate tracker that others wrote: its shape, its values, and the line of each value.

Here a foreign JSON file becomes a `Tracker`, or is refused with everything that is wrong with its
shape. Whether its claims are true is not judged here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.errors import Invalid

TRACKER_BYTES_MAX = 16 * 1024 * 1024
"""Largest tracker that is read. A thousand signals take under one MiB."""
DEPTH_MAX = 32
"""Deepest nesting that is read; ours needs five."""
KNOWN_VERSIONS = ("1.0", "2.0")

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')
_MISSING = object()


@dataclass(frozen=True, slots=True)
class ClaimedGate:
    """One gate as claimed. `index` is its position; `closed` and `open` exist since 2.0."""

    index: int
    id: int
    name: str
    status: str
    status_reason: str
    signals: tuple[str, ...]
    evidence: tuple[str, ...]
    closed: int | None
    open: int | None


@dataclass(frozen=True, slots=True)
class ClaimedSignal:
    """One signal as claimed. What a 1.0 tracker does not hold is empty here."""

    index: int
    id: str
    owner: str
    status: str
    title: str
    exit_test: str
    code: tuple[str, ...]
    tests: tuple[str, ...]
    runbook: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimedMatrix:
    """The command matrix as claimed."""

    status_file: str
    all_pass: bool
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tracker:
    """A gate tracker of a known shape. `value` is the whole JSON value, nothing left out.

    `lines` gives the 1-based line of every JSON path (`gates[3].status`); `twice` lists the paths
    of keys that stand twice.
    """

    path: Path
    schema_version: str | None
    audit_date: str
    generated_at_utc: str
    baseline_commit: str
    definition_of_done: str
    evidence_root: str
    verdict: str | None
    matrix: ClaimedMatrix
    gates: tuple[ClaimedGate, ...]
    signals: tuple[ClaimedSignal, ...]
    value: dict[str, Any]
    lines: dict[str, int]
    twice: tuple[str, ...]


def read_tracker(path: Path) -> Tracker:
    """Return the tracker in a file. Numbers that are not whole stay the text they were.

    Raises:
        Invalid: not readable, not UTF-8, not JSON, too large, too deep, or of another shape; the
            message then names every missing field, and `.others` the values of a wrong type.
    """
    text = _text(path)
    lines, twice = _positions(text, str(path))
    try:
        value = json.loads(text, parse_float=str, parse_constant=_no_constant)
    except RecursionError as error:
        raise _refused(path, "nested too deeply to be a gate tracker") from error
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno}"
        problem = f"not JSON: {error.msg.lower()} column=`{error.colno}`"
        next_step = "check that the file is complete, for example with python -m json.tool"
        raise Invalid(problem, place=place, next_step=next_step) from error
    except ValueError as error:
        raise _refused(path, f"not JSON: {str(error).lower():.200}") from error
    return _shaped(path, value, lines, twice)


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise _refused(path, "no such file" if not path.exists() else "not a plain file")
        size = path.stat().st_size
        if size > TRACKER_BYTES_MAX:
            raise _refused(path, f"too large for a gate tracker bytes=`{size}`")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(path, f"not UTF-8 byte=`{error.start}`") from error
    except (OSError, ValueError) as error:
        raise _refused(path, f"cannot be read: {str(error).lower():.200}") from error


def _refused(path: Path, problem: str) -> Invalid:
    return Invalid(problem, place=str(path), next_step="name the gate-tracker.json of an audit")


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


# --- lines ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Frame:
    """An open object or array while the text is scanned."""

    path: str
    is_list: bool
    count: int = 0
    key: str | None = None
    keys: set[str] = field(default_factory=set)

    def here(self) -> str:
        if self.is_list:
            return f"{self.path}[{self.count}]"
        dot = "." if self.path else ""
        return f"{self.path}{dot}{self.key}"


def _positions(text: str, name: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the line of every value, and the paths of repeated keys; the parser judges syntax."""
    lines: dict[str, int] = {}
    twice: list[str] = []
    stack: list[_Frame] = []
    line = 1
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "\n":
            line += 1
        elif token in "]}":
            stack = stack[:-1]
        elif token == ",":
            _next_item(stack)
        elif token != ":":
            frame = stack[-1] if stack else None
            if frame is not None and not frame.is_list and frame.key is None:
                _open_key(frame, token, twice)
                continue
            path = frame.here() if frame else ""
            lines.setdefault(path, line)
            if token in "[{":
                stack.append(_Frame(path, token == "["))
                if len(stack) > DEPTH_MAX:
                    problem = f"nested too deeply to be a gate tracker levels=`{DEPTH_MAX}`"
                    next_step = "name the gate-tracker.json of an audit"
                    raise Invalid(problem, place=f"{name}:{line}", next_step=next_step)
    return lines, tuple(twice)


def _next_item(stack: list[_Frame]) -> None:
    if stack:
        stack[-1].count += 1
        stack[-1].key = None


def _open_key(frame: _Frame, token: str, twice: list[str]) -> None:
    frame.key = token[1:-1] if token.startswith('"') else token
    if frame.key in frame.keys:
        twice.append(frame.here())
    frame.keys.add(frame.key)


# --- shape ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Shape:
    """Collects what is missing or of a wrong type while fields are read."""

    lines: dict[str, int]
    missing: list[str] = field(default_factory=list)
    wrong: list[tuple[str, str]] = field(default_factory=list)

    def get(self, holder: dict[str, Any], key: str, kind: type, place: str = "") -> Any:
        where = f"{place}.{key}" if place else key
        value = holder.get(key, _MISSING)
        if value is _MISSING:
            self.missing.append(where)
            return kind()
        return self.typed(value, kind, where)

    def maybe(self, holder: dict[str, Any], key: str, kind: type, place: str) -> Any:
        if holder.get(key) is None:
            return kind()
        return self.typed(holder[key], kind, f"{place}.{key}" if place else key)

    def typed(self, value: Any, kind: type, where: str) -> Any:
        if type(value) is kind:
            return value
        self.wrong.append((where, f"wants {_WORDS[kind]}, holds {_WORDS.get(type(value), 'null')}"))
        return kind()

    def texts(self, values: list[Any], where: str) -> tuple[str, ...]:
        return tuple(
            self.typed(item, str, f"{where}[{number}]") for number, item in enumerate(values)
        )

    def each(
        self, holder: dict[str, Any], key: str, read: Callable[[int, dict[str, Any], str], Any]
    ) -> tuple[Any, ...]:
        items = self.get(holder, key, list)
        return tuple(
            read(number, self.typed(item, dict, f"{key}[{number}]"), f"{key}[{number}]")
            for number, item in enumerate(items)
        )

    def maybe_count(self, holder: dict[str, Any], key: str, place: str) -> int | None:
        return self.typed(holder[key], int, f"{place}.{key}") if key in holder else None


_WORDS: dict[type, str] = {
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _shaped(path: Path, value: Any, lines: dict[str, int], twice: tuple[str, ...]) -> Tracker:
    if not isinstance(value, dict):
        raise _refused(path, f"wants an object at the top, holds {_WORDS.get(type(value), 'null')}")
    shape = _Shape(lines)
    head = {
        key: shape.get(value, key, str)
        for key in (
            "audit_date",
            "generated_at_utc",
            "baseline_commit",
            "definition_of_done",
            "evidence_root",
        )
    }
    tracker = Tracker(
        path=path,
        schema_version=_version(value.get("schema_version")),
        verdict=shape.maybe(value, "verdict", str, "") or None,
        matrix=_matrix(shape, value),
        gates=shape.each(value, "gates", lambda *item: _gate(shape, *item)),
        signals=shape.each(value, "signals", lambda *item: _signal(shape, *item)),
        value=value,
        lines=lines,
        twice=twice,
        **head,
    )
    _refuse(path, shape)
    return tracker


def _version(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _matrix(shape: _Shape, value: dict[str, Any]) -> ClaimedMatrix:
    inner = shape.get(value, "command_matrix", dict)
    place = "command_matrix"
    required = shape.get(inner, "required_commands", list, place)
    return ClaimedMatrix(
        shape.get(inner, "status_file", str, place),
        shape.get(inner, "all_pass", bool, place),
        shape.texts(required, f"{place}.required_commands"),
    )


def _gate(shape: _Shape, index: int, item: dict[str, Any], place: str) -> ClaimedGate:
    required = shape.get(item, "required_signal_ids", list, place)
    evidence = shape.maybe(item, "evidence", list, place)
    return ClaimedGate(
        index=index,
        id=shape.get(item, "id", int, place),
        name=shape.get(item, "name", str, place),
        status=shape.get(item, "status", str, place),
        status_reason=shape.maybe(item, "status_reason", str, place),
        signals=shape.texts(required, f"{place}.required_signal_ids"),
        evidence=shape.texts(evidence, f"{place}.evidence"),
        closed=shape.maybe_count(item, "closed", place),
        open=shape.maybe_count(item, "open", place),
    )


def _signal(shape: _Shape, index: int, item: dict[str, Any], place: str) -> ClaimedSignal:
    def many(key: str) -> tuple[str, ...]:
        return shape.texts(shape.maybe(item, key, list, place), f"{place}.{key}")

    return ClaimedSignal(
        index=index,
        id=shape.get(item, "id", str, place),
        owner=shape.maybe(item, "owner", str, place),
        status=shape.get(item, "status", str, place),
        title=shape.maybe(item, "title", str, place),
        exit_test=shape.maybe(item, "exit_test", str, place),
        code=many("code"),
        tests=many("tests"),
        runbook=shape.maybe(item, "runbook", str, place),
        evidence=many("evidence"),
    )


NAMED_FIELDS_MAX = 60
"""Missing fields that one message lists; a file of another kind may lack thousands."""


def _refuse(path: Path, shape: _Shape) -> None:
    problems: list[Invalid] = []
    if shape.missing:
        names = list(dict.fromkeys(re.sub(r"\[\d+\]", "[]", name) for name in shape.missing))
        more = f" and {len(names) - NAMED_FIELDS_MAX} more" if len(names) > NAMED_FIELDS_MAX else ""
        listed = ", ".join(names[:NAMED_FIELDS_MAX]) + more
        problems.append(
            Invalid(
                f"a tracker of another shape missing=`{listed}`",
                place=str(path),
                next_step="add the missing fields, or name a tracker of schema 1.0 or 2.0",
            )
        )
    for where, problem in shape.wrong:
        line = shape.lines.get(where)
        place = f"{path}:{line}" if line else str(path)
        problems.append(Invalid(f"{problem} at=`{where}`", place=place))
    if problems:
        first = problems[0]
        raise Invalid(
            first.problem,
            place=first.place,
            next_step=first.next_step or "correct the value; all problems are listed",
            others=tuple(problems[1:]),
        )
