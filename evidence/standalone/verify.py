#!/usr/bin/env python3
"""Verifies the audit bundle that this file lies in. Needs Python 3.11 or later and nothing else.

    python3 -I verify.py [BUNDLE] [--expect-root HEX] [--trust FILE [--sign-off DIR]] [--json]

Exit codes: 0 verified, 2 usage, 3 not verified. Offline: no network, no other file is imported.
Generated: what follows are the modules of the package `evidence`, each as it stands in its source,
loaded in order; the last lines run them. To be sure of this file itself, compare it with the one
in the source distribution of the version that plan.json names, or use that distribution.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("verify.py: needs Python 3.11 or later, this is " + sys.version.split()[0])

import types

_PACKAGE = types.ModuleType("evidence")
_PACKAGE.__path__ = []
sys.modules["evidence"] = _PACKAGE


def _load(name, source):
    module = types.ModuleType("evidence." + name)
    sys.modules[module.__name__] = module
    exec(compile(source, "evidence/" + name + ".py", "exec"), module.__dict__)
    setattr(_PACKAGE, name, module)


_load(
    'codec',
    r'''
"""Canonical JSON, and frozen dataclasses read from it and written to it.

Here lives the one way a record becomes bytes and comes back.
Nothing here knows what a record means, and nothing here touches a disk, a clock or the network.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Hashable, Set
from typing import Any, TypeVar

T = TypeVar("T")
Reader = Callable[[Any], Any]


class Malformed(ValueError):  # noqa: N818  (a kind of value, named as the others are)
    """A JSON text or value that is not the record it should be; says where and why."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place or 'document'}: {problem}")
        self.place = place
        self.problem = problem


def encode(value: Any) -> bytes:
    """Return the canonical bytes of a JSON value: UTF-8, sorted keys, LF at the end.

    A top-level object gets one line per member, and one line per element of a member that is a
    list: diffs stay readable, and the fast encoder still does the work. A lone surrogate (a file
    name that is not UTF-8) becomes its JSON escape and comes back as it was.
    """
    if not isinstance(value, dict):
        return compact(value) + b"\n"
    members = []
    for key in sorted(value):
        item = value[key]
        if isinstance(item, list) and item:
            text = "[\n  " + ",\n  ".join(_compact(element) for element in item) + "\n ]"
        else:
            text = _compact(item)
        members.append(f" {_compact(key)}: {text}")
    text = "{\n" + ",\n".join(members) + "\n}\n" if members else "{}\n"
    return text.encode("utf-8", "backslashreplace")


def compact(value: Any) -> bytes:
    """Return the one-line canonical bytes of a JSON value, without a newline (digests, journal)."""
    return _compact(value).encode("utf-8", "backslashreplace")


def quoted(text: str) -> str:
    """Return the canonical text of a string, in its quotes."""
    return _ENCODER.encode(text)


def _compact(value: Any) -> str:
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def parse(data: bytes, place: str = "") -> Any:
    """Return the JSON value in `data`, strictly.

    Raises:
        Malformed: not UTF-8, not JSON, a key twice, a float, or nested too deeply.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            counts = collections.Counter(key for key, _ in pairs)
            twice = next(key for key, count in counts.items() if count > 1)
            raise Malformed(place, f"key {twice!r:.80} stands there twice")
        return members

    def no_float(text: str) -> Any:
        raise Malformed(place, f"{text:.40} is not an integer; other numbers travel as strings")

    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique,
            parse_float=no_float,
            parse_constant=no_float,
        )
    except UnicodeDecodeError as error:
        raise Malformed(place, f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        raise Malformed(place, problem) from error
    except RecursionError as error:
        raise Malformed(place, "nested too deeply to be one of ours") from error
    except ValueError as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed(place, str(error).lower()) from error
    return value


def to_value(record: Any) -> Any:
    """Return the JSON value of a record: dataclasses become objects, tuples become lists.

    Raises:
        TypeError: a field holds what has no exact JSON form, such as a float.
    """
    kind = type(record)
    if kind in _PLAIN:
        return record
    if kind is tuple or kind is list:
        if set(map(type, record)) <= _PLAIN:
            return list(record)
        return [to_value(item) for item in record]
    if kind is dict:
        return {key: to_value(item) for key, item in record.items()}
    return {name: to_value(getattr(record, name)) for name in _names(typing.cast(Hashable, kind))}


_PLAIN = {str, int, bool, type(None)}
"""What is its own JSON value."""


def from_value(cls: type[T], value: Any, place: str = "") -> T:
    """Return the record of type `cls` that a JSON value holds.

    Every key must be known; a key may be missing only where its field has a default.

    Raises:
        Malformed: names the place (`cells[3].timeout_ms`) and what is wrong there.
    """
    try:
        return typing.cast(T, _reader(typing.cast(Hashable, cls))(value))
    except Malformed as error:
        raise Malformed(_within(place, error.place), error.problem) from None


def read(cls: type[T], data: bytes, place: str = "") -> T:
    """Return the record of type `cls` in the JSON text `data`. Raises `Malformed`."""
    return from_value(cls, parse(data, place), place)


def write(record: Any) -> bytes:
    """Return the canonical bytes of a record."""
    return encode(to_value(record))


@functools.cache
def _names(cls: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(typing.cast(Any, cls)))


# Readers raise with an empty place and each level adds its own on the way out, so that a record
# that is right costs no place at all.


def _within(outer: str, inner: str) -> str:
    """The place `inner` inside the place `outer`."""
    dot = "." if outer and inner and not inner.startswith("[") else ""
    return outer + dot + inner


@functools.cache
def _reader(key: Hashable) -> Reader:
    kind: Any = key
    origin = typing.get_origin(kind)
    if kind is str or kind is int or kind is bool or kind is type(None):
        return _scalar(kind)
    if origin is typing.Literal:
        return _literal(typing.get_args(kind))
    if origin is tuple:
        return _many(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return _one_of(typing.get_args(kind))
    return _record(kind)


def _scalar(kind: type) -> Reader:
    def read_scalar(value: Any) -> Any:
        if type(value) is not kind:
            raise Malformed("", f"wants {kind.__name__}, holds {type(value).__name__}")
        return value

    return read_scalar


def _literal(allowed: tuple[Any, ...]) -> Reader:
    def read_literal(value: Any) -> Any:
        for item in allowed:
            if value == item and type(value) is type(item):
                return item
        words = ", ".join(map(str, allowed))
        raise Malformed("", f"wants one of {words}, holds {_brief(value)}")

    return read_literal


def _brief(value: Any) -> str:
    """A value for a message; of a list or object, which may be deep, only its type."""
    return type(value).__name__ if isinstance(value, list | dict) else f"{value!r:.80}"


def _many(kind: Any) -> Reader:
    read_item = _reader(kind)

    def read_many(value: Any) -> Any:
        if type(value) is not list:
            raise Malformed("", f"wants a list, holds {type(value).__name__}")
        if kind is str and set(map(type, value)) <= {str}:
            return tuple(value)
        done: list[Any] = []
        try:
            for item in value:
                done.append(read_item(item))
        except Malformed as error:
            raise Malformed(_within(f"[{len(done)}]", error.place), error.problem) from None
        return tuple(done)

    return read_many


def _one_of(kinds: tuple[Any, ...]) -> Reader:
    if type(None) in kinds and len(kinds) == 2:
        inner = _reader(next(kind for kind in kinds if kind is not type(None)))
        return lambda value: None if value is None else inner(value)
    by_kind = {typing.get_args(typing.get_type_hints(kind)["kind"])[0]: kind for kind in kinds}

    def read_tagged(value: Any) -> Any:
        tag = value.get("kind") if type(value) is dict else None
        if type(tag) is not str or tag not in by_kind:
            raise Malformed("", f"wants kind one of {', '.join(by_kind)}, holds {_brief(tag)}")
        return _reader(by_kind[tag])(value)

    return read_tagged


def _record(cls: Any) -> Reader:
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"no reader for {cls!r}")
    make = typing.cast(Callable[..., Any], cls)
    hints = typing.get_type_hints(cls)
    fields = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(cls)}
    required = {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def read_record(value: Any) -> Any:
        if type(value) is not dict:
            raise Malformed("", f"wants an object, holds {type(value).__name__}")
        if value.keys() != fields.keys():
            _refuse_keys(value.keys() - fields.keys(), required - value.keys())
        key = ""
        try:
            done = {}
            for key, item in value.items():
                done[key] = fields[key](item)
        except Malformed as error:
            raise Malformed(_within(key, error.place), error.problem) from None
        return make(**done)

    return read_record


def _refuse_keys(unknown: Set[str], missing: Set[str]) -> None:
    if unknown:
        raise Malformed(min(unknown), "unknown key")
    if missing:
        raise Malformed(min(missing), "is missing")
''',
)

_load(
    'layout',
    r'''
"""Where everything lies in a bundle: the one place that spells its file names.

Names only; nothing here reads or writes.
"""

from __future__ import annotations

import re

PLAN = "plan.json"
RUN = "run.json"
FACTS = "facts.json"
DECISION = "decision.json"
SEAL = "seal.json"
CHECKPOINT = "checkpoint"
JOURNAL = "journal.log"
STATUS_TSV = "command-matrix-status.tsv"
SUMS = "SHA256SUMS"
REPORT = "report.html"
VERIFIER = "verify.py"
LOGS = "command-logs"
ARTIFACTS = "artifacts"
DOCUMENTS = "documents"
OBJECTS = "tree-objects"
TRACKER = "gate-tracker.json"
LEDGER = "signal-ledger.md"
SUMMARY = "summary.md"
FINDINGS = "findings"
SIGN_OFF = "sign-off"
PACKED = "bundle"
"""Folder of an evidence pack that holds the sealed run; its sign-off lies beside it."""
ATTESTATIONS = "attestations.intoto.jsonl"
LOCK = ".lock"
"""Held by the process that runs the audit; no part of the evidence."""

SIGN_OFF_LOG = "log.jsonl"
"""The sign-off log, in the sign-off folder of a run."""
SIGN_OFF_CHECKPOINT = "log.checkpoint"
"""How far the sign-off log had come, to be kept elsewhere."""
ATTACHED = "attached"
"""Files that people brought, in the sign-off folder of a run, each called by its SHA-256."""
CARRIED = "carried"
"""Proofs of carried evidence, in the sign-off folder of a run, each called by its SHA-256."""

UNSEALED = (CHECKPOINT, SEAL, SUMS)
"""Files beside the sealed ones; `.salts` files and nothing else join them."""

CELL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
"""What a cell id may look like, so that it is a safe file name everywhere."""
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|.*\.|.*\.attempt-[0-9]+")
"""Names that some file system, or this layout, keeps for itself."""


def log_path(cell: str, number: int, last: int) -> str:
    """Return where the log of attempt `number` lies when `last` is the cell's last attempt.

    The deciding attempt has the plain name; earlier ones were moved aside when it started.
    """
    return f"{LOGS}/{cell}.log" if number == last else f"{LOGS}/{cell}.attempt-{number}.log"


def salts_path(log: str) -> str:
    """Return where the salts of a log lie."""
    return log.removesuffix(".log") + ".salts"


def artifact_path(cell: str, number: int, source: str) -> str:
    """Return where a file kept from an attempt lies; `source` is relative to the repository."""
    return f"{ARTIFACTS}/{cell}/{number}/{source}"


_CELL_PATH = re.compile(
    rf"{LOGS}/(?P<logged>.+?)(\.attempt-[0-9]+)?\.log|{ARTIFACTS}/(?P<left>[^/]+)/.*", re.DOTALL
)


def cell_of(path: str) -> str:
    """Return the cell whose log or kept file lies at a path of a bundle; empty for all others."""
    found = _CELL_PATH.fullmatch(path)
    return (found["logged"] or found["left"]) if found else ""


def may_be_withheld(path: str) -> bool:
    """Whether a file that is no log can be taken out of a bundle that still verifies."""
    folder = path.partition("/")[0]
    kept = folder in (ARTIFACTS, DOCUMENTS) and not path.endswith(TRACKER)
    return path == REPORT or (kept and is_below(path))


def is_below(path: str) -> bool:
    """Whether a path leads to something below the folder that it begins in."""
    return {"", ".", ".."}.isdisjoint(path.split("/"))


def findings_path(gate: int) -> str:
    """Return where the findings of a gate lie, below the documents."""
    return f"{FINDINGS}/gate-{gate}-findings.md"


def run_folder(root: str, audit: str, label: str) -> str:
    """Return the folder of a run below an output root such as `release_evidence/`."""
    return f"{root.rstrip('/')}/{audit}/{label}"


def sign_off_folder(root: str, audit: str, label: str) -> str:
    """Return where the sign-off layer of a run lies: what is added once the run is sealed."""
    return f"{root.rstrip('/')}/{audit}/{SIGN_OFF}/{label}"
''',
)

_load(
    'globs',
    r'''
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
''',
)

_load(
    'instant',
    r'''
"""Instants as RFC 3339 UTC text, compared as numbers. Nothing here asks what time it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UTC = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(utc: str) -> int:
    """Return the milliseconds since 1970 of an RFC 3339 time; one without `Z` would depend on
    the place.

    Raises:
        ValueError: no such time.
    """
    if not _UTC.fullmatch(utc):
        raise ValueError(f"no RFC 3339 time in UTC: {utc!r:.60}")
    return (datetime.fromisoformat(utc) - _EPOCH) // timedelta(milliseconds=1)


def utc_of(at_ms: int) -> str:
    """Return the RFC 3339 text of an instant in milliseconds since 1970, fractions only if any."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    text = moment.replace(microsecond=0, tzinfo=None).isoformat()
    return f"{text}.{at_ms % 1000:03d}Z" if at_ms % 1000 else f"{text}Z"
''',
)

_load(
    'model',
    r'''
"""Every record of an audit, as frozen dataclasses: the plan, what ran, the facts, the decision.

Here live shapes and the words that may stand in them, with nothing computed from them.
Field names are the JSON keys of the files in a bundle; `codec` reads and writes them.
Times are RFC 3339 UTC strings (`2026-12-01T09:30:00Z`), `_ms` are integer milliseconds, digests are
lowercase hex SHA-256, other numbers are decimal strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FORMAT_VERSION = 1
"""Version of every file format of a bundle; a reader refuses what it does not know."""

Status = Literal["NO-GO", "BLOCKED-EXTERNAL", "PARTIAL", "GO"]
GateStatus = Literal["NO-GO", "PARTIAL", "GO"]
Verdict = Literal["NO-GO", "GO"]
Result = Literal["passed", "failed", "timed_out", "skipped", "could_not_run", "interrupted"]
CellResult = Literal[
    "passed", "failed", "timed_out", "skipped", "could_not_run", "interrupted", "absent"
]
"""The result of a cell's last attempt, or that there was none."""
Outcome = Literal["passed", "failed", "skipped", "error"]
Answer = Literal["met", "missing", "broken", "wrong_subject", "stale", "no"]
"""What evidence says of a condition. Refused in this order: not there, not whole, not of this
subject, too old, says no."""
EngineFactName = Literal[
    "every_signal_complete",
    "every_cell_present",
    "plan_sealed",
    "tracker_valid",
    "definition_of_done",
]

STATUS_ORDER: tuple[Status, ...] = ("NO-GO", "BLOCKED-EXTERNAL", "PARTIAL", "GO")
"""From worst to best: removing evidence never moves a signal to the right."""
GATE_ORDER: tuple[GateStatus, ...] = ("NO-GO", "PARTIAL", "GO")
RESULTS: tuple[Result, ...] = (
    "passed",
    "failed",
    "timed_out",
    "skipped",
    "could_not_run",
    "interrupted",
)


# --- conditions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommandPassed:
    """Every named cell passed in this run."""

    kind: Literal["command"]
    command: str
    cells: tuple[str, ...]
    max_age_ms: int | None = None


@dataclass(frozen=True, slots=True)
class TestPassed:
    """At least one test in the results of `cells` matches `pattern`, and all that match passed.

    `every` asks for a match in each of the cells: the condition named their command.
    """

    kind: Literal["test"]
    pattern: str
    cells: tuple[str, ...]
    every: bool = False
    max_age_ms: int | None = None


@dataclass(frozen=True, slots=True)
class MetricWithin:
    """The number `name` in the results of `cells` lies within the bounds wherever it is found.

    Bounds are inclusive. `every` asks for it in each cell: the condition named their command.
    """

    kind: Literal["metric"]
    name: str
    cells: tuple[str, ...]
    every: bool = False
    at_least: str | None = None
    at_most: str | None = None
    max_age_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FilePresent:
    """`path` exists at the subject and, where `contains` is set, that regex matches its text."""

    kind: Literal["file"]
    path: str
    contains: str | None = None


@dataclass(frozen=True, slots=True)
class PatternAbsent:
    """The regex `pattern` occurs in no file that `inside` matches and `besides` does not."""

    kind: Literal["absent"]
    pattern: str
    inside: tuple[str, ...]
    besides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineFactHolds:
    """A fact of this very run holds."""

    kind: Literal["engine"]
    fact: EngineFactName


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """`count` holders of `role` approved."""

    kind: Literal["approval"]
    role: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class ExternalAttached:
    """An artifact that only people can bring was attached, with its approval by `role`."""

    kind: Literal["external"]
    artifact: str
    role: str


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """The evidence of an earlier run for `command` is still valid."""

    kind: Literal["carry"]
    command: str
    run: str


Condition = (
    CommandPassed
    | TestPassed
    | MetricWithin
    | FilePresent
    | PatternAbsent
    | EngineFactHolds
    | ApprovalGiven
    | ExternalAttached
    | CarriedOver
)
PRECONDITIONS = ("file", "absent")
"""Kinds that are needed for GO and never earn PARTIAL; every other kind is an exit condition."""


# --- the plan -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tool:
    """Who made the bundle."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit that a run belongs to. `date` is `YYYY-MM-DD`; `baseline` is a revision."""

    id: str
    title: str
    date: str
    scope: str
    baseline: str
    baseline_commit: str
    definition_of_done: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is audited. `digest` covers (mode, path, blob) of all tracked files outside the outputs.

    `dirty` lists paths that differ from the commit; a dirty subject is never GO.
    """

    commit: str
    committed_utc: str
    tree: str
    digest: str
    branch: str
    tags: tuple[str, ...]
    dirty: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for the whole run. `record_env`: names of variables that `run.json` may hold."""

    outputs: tuple[str, ...]
    max_age_ms: int | None
    record_env: tuple[str, ...]
    secret_env: tuple[str, ...]
    jobs: int
    fail_fast: bool


@dataclass(frozen=True, slots=True)
class Role:
    """A role that owners and approvers hold."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file that a cell writes and the judge reads: `junit` XML, `metrics` JSON, `nox` report."""

    format: Literal["junit", "metrics", "nox"]
    path: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the matrix: what runs, under which limits, and what it must leave.

    `argv` is executed without a shell; `cmd` is the line as a person would type it.
    """

    id: str
    command: str
    argv: tuple[str, ...]
    cmd: str
    cwd: str
    timeout_ms: int
    output_bytes_max: int
    needs: tuple[str, ...]
    accept_exit_codes: tuple[int, ...]
    could_not_run_exit_codes: tuple[int, ...]
    skipped_exit_codes: tuple[int, ...]
    required: bool
    flaky: bool
    env: tuple[str, ...]
    env_only: tuple[str, ...] | None
    results: tuple[ResultFile, ...]
    produces: tuple[str, ...]
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """A named set of required signals. Ids are integers and may have holes."""

    id: int
    name: str
    signals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signal:
    """One closure condition, in prose (`exit_test`) and as data (`conditions`).

    `claim` is a status that somebody wrote down: shown, never believed.
    """

    id: str
    gate: int
    title: str
    owner: str
    code: tuple[str, ...]
    tests: tuple[str, ...]
    runbook: str
    evidence: tuple[str, ...]
    exit_test: str
    conditions: tuple[Condition, ...]
    claim: Status | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`plan.json`: all that was promised before the first command ran."""

    format_version: Literal[1]
    tool: Tool
    audit: Audit
    label: str
    subject: Subject
    rules: Rules
    roles: tuple[Role, ...]
    cells: tuple[Cell, ...]
    gates: tuple[Gate, ...]
    signals: tuple[Signal, ...]


# --- what ran -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Log:
    """A log after redaction: salted leaves of its chunks, and their RFC 6962 root.

    `leaves[i]` covers bytes `i * CHUNK_BYTES` on; `truncated` says that the output limit cut it.
    """

    path: str
    bytes: int
    root: str
    leaves: tuple[str, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file kept from a cell: where it was, where it lies in the bundle, and its SHA-256."""

    source: str
    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a cell, whatever happened. `number` counts from 1.

    `exit_code` is N, or 128 + signal, or null when nothing ran. `leftovers` counts processes that
    outlived their leader and were ended.
    """

    cell: str
    number: int
    result: Result
    reason: str
    exit_code: int | None
    start_utc: str
    end_utc: str
    duration_ms: int
    log: Log | None
    artifacts: tuple[Artifact, ...]
    leftovers: int


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that the definition allows to be recorded."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Run:
    """`run.json`: what happened, attempt by attempt, in order of their end.

    `uncovered` names secrets too short to be redacted; `resumed` counts continuations after a
    crash; `clock` says where times come from.
    """

    format_version: Literal[1]
    id: str
    label: str
    plan_root: str
    start_utc: str
    end_utc: str
    clock: str
    host: tuple[Variable, ...]
    environment: tuple[Variable, ...]
    uncovered: tuple[str, ...]
    resumed: int
    attempts: tuple[Attempt, ...]


# --- the facts ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AttemptFact:
    """What the judge may know of an attempt."""

    cell: str
    number: int
    result: Result
    reason: str
    exit_code: int | None
    end_utc: str


@dataclass(frozen=True, slots=True)
class TestFact:
    """One test of a cell's JUnit results. `key` is the dotted id that `judge.test_key` makes."""

    cell: str
    key: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class MetricFact:
    """One number of a cell's results, as a decimal string."""

    cell: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ResultFact:
    """Whether a promised result file was there and whole; `problem` is empty where it was."""

    cell: str
    path: str
    found: bool
    problem: str


@dataclass(frozen=True, slots=True)
class FileFact:
    """A `file` condition looked up at the subject. `matches` is null without a content rule."""

    path: str
    contains: str | None
    found: bool
    matches: bool | None


@dataclass(frozen=True, slots=True)
class AbsentFact:
    """An `absent` condition looked up at the subject: files read, and the first places found."""

    pattern: str
    inside: tuple[str, ...]
    besides: tuple[str, ...]
    inputs: int
    hits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EngineFact:
    """A fact of the run that only the engine could observe."""

    fact: EngineFactName
    holds: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Facts:
    """`facts.json`: all that the judge reads beside the plan. `as_of` is when the run ended.

    `subject_after` is the digest at the end of the run: another one than the plan's means that the
    tree changed under the commands, and that no evidence is of this subject.
    """

    format_version: Literal[1]
    as_of: str
    subject_after: str
    attempts: tuple[AttemptFact, ...]
    results: tuple[ResultFact, ...]
    tests: tuple[TestFact, ...]
    metrics: tuple[MetricFact, ...]
    files: tuple[FileFact, ...]
    absent: tuple[AbsentFact, ...]
    engine: tuple[EngineFact, ...]


# --- the decision ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConditionDecision:
    """What the evidence says of one condition, in the order of the plan."""

    condition: str
    answer: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class SignalDecision:
    """The derived status of one signal, why, and what its owner does next."""

    id: str
    status: Status
    reason: str
    next_step: str
    conditions: tuple[ConditionDecision, ...]


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The derived status of one gate. `closed` counts GO signals, `open` all others."""

    id: int
    status: GateStatus
    reason: str
    closed: int
    open: int


@dataclass(frozen=True, slots=True)
class CellDecision:
    """The deciding (last) attempt of one cell. `passed` is what the judge makes of all attempts:
    a cell that failed before it passed is not passed unless it may be flaky."""

    cell: str
    passed: bool
    result: CellResult
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`decision.json`: the verdict and all that it rests on.

    `blockers` says in one line each what keeps the release from GO: gates, the dirty tree, required
    cells that did not pass.
    """

    format_version: Literal[1]
    as_of: str
    verdict: Verdict
    blockers: tuple[str, ...]
    gates: tuple[GateDecision, ...]
    signals: tuple[SignalDecision, ...]
    cells: tuple[CellDecision, ...]


# --- the seal -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf of a sealed tree: its name and its RFC 6962 leaf hash."""

    name: str
    hash: str


@dataclass(frozen=True, slots=True)
class Seal:
    """`seal.json`: the leaves under both roots, so that a stale one can be named."""

    format_version: Literal[1]
    plan: tuple[Leaf, ...]
    final: tuple[Leaf, ...]
''',
)

_load(
    'chain',
    r'''
"""Merkle roots and checkpoints: what makes an edit visible.

Leaf and node hashing follow RFC 6962 section 2.1 (prefix 0x00 for leaves, 0x01 for nodes); a
checkpoint is the note text of C2SP tlog-checkpoint. Pure functions over bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evidence.codec import Malformed

CHUNK_BYTES = 65_536
"""Bytes of a log under one salted leaf: the unit that can later be withheld."""
SALT_BYTES = 16
"""Bytes of the random salt of a log chunk; they lie outside every digest."""

ORIGIN = "arco-audit"
_HEX = re.compile("[0-9a-f]{64}")


def sha256(data: bytes) -> str:
    """Return the lowercase hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def new_sha256() -> hashlib._Hash:
    """Return a SHA-256 to be fed in pieces."""
    return hashlib.sha256()


def leaf_hash(name: str, digest: str) -> str:
    """Return the RFC 6962 leaf hash of a named digest: the entry is `name NUL digest-bytes`.

    The name is part of the entry, so that two files cannot be swapped.

    Raises:
        Malformed: the digest is not lowercase hex, or the name is none that a file can have.
    """
    try:
        raw = bytes.fromhex(digest)
    except ValueError as error:
        raise Malformed(name, "is no name in UTF-8 with a digest in hex") from error
    if raw.hex() != digest:
        raise Malformed(name, "has a digest that is not in lowercase hex")
    return _entry_hash(name, raw)


def data_leaf(name: str, data: bytes) -> str:
    """Return the leaf hash of named bytes, the same as that of their digest. Raises `Malformed`."""
    return _entry_hash(name, hashlib.sha256(data).digest())


def _entry_hash(name: str, raw: bytes) -> str:
    try:
        start = name.encode("utf-8", "surrogateescape")
    except ValueError as error:
        raise Malformed(name, "is no name in UTF-8 with a digest in hex") from error
    return hashlib.sha256(b"\0" + start + b"\0" + raw).hexdigest()


def chunk_leaf(salt: bytes, chunk: bytes | memoryview) -> bytes:
    """Return the leaf hash of a log chunk: the entry is `salt chunk`."""
    hasher = hashlib.sha256(b"\0" + salt)
    hasher.update(chunk)
    return hasher.digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the RFC 6962 Merkle tree hash over leaf hashes; that of no leaves is SHA-256 of ''.

    Level by level: the split at the largest power of two below n is what remains when neighbours
    are joined and a last one without a neighbour goes up as it is.
    """
    level = list(leaves)
    if not level:
        return hashlib.sha256(b"").digest()
    while len(level) > 1:
        joined = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = [*joined, level[-1]] if len(level) % 2 else joined
    return level[0]


def root_of(hashes: Sequence[str]) -> str:
    """Return the hex root over hex leaf hashes."""
    return root(bytes.fromhex(leaf) for leaf in hashes).hex()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def salts_of(data: bytes) -> Iterator[bytes]:
    """Yield the salts that a `.salts` file holds, in chunk order."""
    for start in range(0, len(data), SALT_BYTES):
        yield data[start : start + SALT_BYTES]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The two roots of a finished run. `size` counts the leaves under the final root."""

    audit: str
    label: str
    size: int
    final_root: str
    plan_root: str


def checkpoint_text(point: Checkpoint) -> bytes:
    """Return the note text of a checkpoint: origin, size, base64 root, then our extension line.

    Source: C2SP tlog-checkpoint, whose extension lines may follow the root.
    """
    encoded = base64.b64encode(bytes.fromhex(point.final_root)).decode()
    lines = (f"{ORIGIN}/{point.audit}/{point.label}", str(point.size), encoded)
    return ("\n".join(lines) + f"\nplan-root {point.plan_root}\n").encode()


def checkpoint_of(data: bytes) -> Checkpoint:
    """Return the checkpoint that a note text holds.

    Raises:
        Malformed: not the four lines that `checkpoint_text` writes, to the byte.
    """
    try:
        origin, size, encoded, extension, rest = data.decode().split("\n")
        _, audit, label = origin.split("/", 2)
        plan_root = extension.removeprefix("plan-root ")
        point = Checkpoint(audit, label, int(size), base64.b64decode(encoded).hex(), plan_root)
    except ValueError as error:
        raise Malformed("checkpoint", "is not a checkpoint of four lines") from error
    whole = point.size >= 0 and len(point.final_root) == 64 and _HEX.fullmatch(plan_root)
    if rest or not whole or checkpoint_text(point) != data:
        raise Malformed("checkpoint", "is not written as a checkpoint is")
    return point
''',
)

_load(
    'journal',
    r'''
"""The run's journal: framed, chained records, of which any prefix is a true story.

One line a record: 64 hex digits, a space, compact JSON, LF. The digits are the SHA-256 of the
digits before (64 zeros at the start) and this line's JSON, so that a torn tail, a changed line and
a line taken out all show. Pure functions over bytes; the runner decides when to write and sync.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from evidence import codec
from evidence.model import Attempt

START = "0" * 64


@dataclass(frozen=True, slots=True)
class Opened:
    """The first record: which run, under which plan root. Synced before any command starts."""

    kind: Literal["opened"]
    run: str
    label: str
    plan_root: str
    utc: str
    format_version: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt is about to start. Synced before its process exists."""

    kind: Literal["started"]
    cell: str
    number: int
    utc: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt ended, and its log is on the disk. A cell with a verdict never runs again."""

    kind: Literal["ended"]
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Resumed:
    """A later process took the run up again."""

    kind: Literal["resumed"]
    utc: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The last record: nothing more will run. `attempts` counts the `ended` records before it."""

    kind: Literal["closed"]
    utc: str
    attempts: int


Record = Opened | Started | Ended | Resumed | Closed


@dataclass(frozen=True, slots=True)
class Journal:
    """What a journal's bytes say: the records of its valid prefix.

    `valid_bytes` is where that prefix ends, `head` its last link; `problem` is empty when the
    prefix is the whole file.
    """

    records: tuple[Record, ...]
    valid_bytes: int
    head: str
    problem: str


@dataclass(frozen=True, slots=True)
class _Frame:
    record: Record


def frame(head: str, record: Record) -> tuple[str, bytes]:
    """Return the next head and the line that appends `record` after `head`."""
    payload = codec.compact(codec.to_value(record))
    link = _link(head, payload)
    return link, link.encode() + b" " + payload + b"\n"


def records_of(attempts: Sequence[Attempt], texts: Sequence[bytes]) -> dict[bytes, Record]:
    """Return the records that tell these attempts, by their payloads.

    `texts` are the attempts' canonical bytes, which make up most of an `ended` payload.
    """
    known: dict[bytes, Record] = {}
    for attempt, text in zip(attempts, texts, strict=True):
        known[b'{"attempt":%s,"kind":"ended"}' % text] = Ended("ended", attempt)
        cell, utc = codec.quoted(attempt.cell), codec.quoted(attempt.start_utc)
        line = f'{{"cell":{cell},"kind":"started","number":{attempt.number},"utc":{utc}}}'
        started = Started("started", attempt.cell, attempt.number, attempt.start_utc)
        known[line.encode("utf-8", "backslashreplace")] = started
    return known


def read(data: bytes, known: Mapping[bytes, Record] = MappingProxyType({})) -> Journal:
    """Return the longest valid prefix of a journal; never raises.

    `known` has records by their canonical payload, where the caller has them already: such a line
    need not be parsed again.
    """
    records: list[Record] = []
    head, at = START, 0
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            return Journal(tuple(records), at, head, f"record {len(records)} is torn")
        link, space, payload = data[at : at + 64], data[at + 64 : at + 65], data[at + 65 : end]
        if space != b" " or link != _link(head, payload).encode():
            problem = f"record {len(records)} does not follow from the one before it"
            return Journal(tuple(records), at, head, problem)
        try:
            records.append(known.get(payload) or _record_of(payload))
        except codec.Malformed as error:
            return Journal(tuple(records), at, head, f"record {len(records)}: {error}")
        head, at = link.decode(), end + 1
    return Journal(tuple(records), at, head, "")


def _record_of(payload: bytes) -> Record:
    value: Any = {"record": codec.parse(payload)}
    return codec.from_value(_Frame, value).record


def gaps(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """Yield (attempt, problem) where a finished run's records are not one whole story.

    It is opened once and closed at its end, and between them each start has its end and each end
    its start, but for cells that were skipped. The attempt is empty where no single one is meant.
    """
    running: set[tuple[str, int]] = set()
    for number, record in enumerate(records):
        match record:
            case Opened() if number:
                yield "", "was opened twice"
            case Closed() if number + 1 < len(records):
                yield "", "goes on after its close"
            case Started(cell=cell, number=attempt_number):
                running.add((cell, attempt_number))
            case Ended(attempt=attempt):
                key = attempt.cell, attempt.number
                if key not in running and attempt.result != "skipped":
                    yield attempt_name(*key), "ended without a start"
                running.discard(key)
    for key in sorted(running):
        yield attempt_name(*key), "started and never ended"


def attempt_name(cell: str, number: int) -> str:
    """Return what findings call an attempt."""
    return f"{cell} attempt {number}"


def _link(head: str, payload: bytes) -> str:
    return hashlib.sha256(head.encode() + payload).hexdigest()
''',
)

_load(
    'seal',
    r'''
"""What the seal covers: the leaves under both roots, and the files that follow from the records.

Pure functions: records and digests in, leaves and bytes out. Whoever writes a bundle and whoever
verifies it calls the same ones.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from evidence import chain, codec, layout
from evidence.model import FORMAT_VERSION, Attempt, Leaf, Plan, Run

TSV_COLUMNS = ("command", "exit_code", "start_utc", "end_utc", "cmd")


def plan_leaves(plan: Plan) -> tuple[Leaf, ...]:
    """Return the leaves under the plan root: every cell, gate, signal, condition, role and rule.

    A signal's leaf leaves its conditions out, which have leaves of their own, so that a changed
    one is named exactly.
    """
    leaves = [
        _leaf(f"plan/{name}", codec.to_value(getattr(plan, name)))
        for name in ("format_version", "tool", "audit", "label", "subject", "rules")
    ]
    leaves += [_leaf(f"plan/role/{role.id}", codec.to_value(role)) for role in plan.roles]
    leaves += [_leaf(f"plan/cell/{cell.id}", codec.to_value(cell)) for cell in plan.cells]
    leaves += [_leaf(f"plan/gate/{gate.id}", codec.to_value(gate)) for gate in plan.gates]
    for signal in plan.signals:
        bare = dataclasses.replace(signal, conditions=())
        leaves.append(_leaf(f"plan/signal/{signal.id}", codec.to_value(bare)))
        leaves += [
            _leaf(f"plan/condition/{signal.id}/{number}", codec.to_value(condition))
            for number, condition in enumerate(signal.conditions)
        ]
    return tuple(leaves)


def encoded(run: Run) -> tuple[bytes, ...]:
    """Return the canonical bytes of each attempt, in the order of the run."""
    return tuple(codec.compact(codec.to_value(attempt)) for attempt in run.attempts)


def final_leaves(
    plan_root: str, run: Run, digests: Mapping[str, str], attempts: Sequence[bytes] | None = None
) -> tuple[Leaf, ...]:
    """Return the leaves under the final root.

    They are the plan root, the number of attempts of each cell, every attempt, every log (by the
    root over its salted chunks) and every other sealed file (`digests`: path to SHA-256).
    `attempts` is what `encoded` made of the run, where the caller has it.
    """
    texts = zip(run.attempts, encoded(run) if attempts is None else attempts, strict=True)
    counts = Counter(attempt.cell for attempt in run.attempts)
    leaves = [Leaf("plan-root", chain.leaf_hash("plan-root", plan_root))]
    leaves += [_leaf(f"attempts/{cell}", [cell, counts[cell]]) for cell in sorted(counts)]
    for attempt, text in sorted(texts, key=_attempt_order):
        name = f"attempt/{attempt.cell}/{attempt.number}"
        leaves.append(Leaf(name, chain.data_leaf(name, text)))
        if attempt.log is not None:
            name = f"log/{attempt.log.path}"
            leaves.append(Leaf(name, chain.leaf_hash(name, attempt.log.root)))
    for path in sorted(digests):
        leaves.append(Leaf(f"file/{path}", chain.leaf_hash(f"file/{path}", digests[path])))
    return tuple(leaves)


def text_of(plan: Sequence[Leaf], final: Sequence[Leaf]) -> bytes:
    """Return the canonical bytes of the seal over these leaves.

    The same as `codec.write` of it, which takes four times as long over many leaves.
    """
    members = [
        f' "{member}": [\n  ' + ",\n  ".join(map(_leaf_text, leaves)) + "\n ]"
        if leaves
        else f' "{member}": []'
        for member, leaves in (("final", final), ("plan", plan))
    ]
    members.insert(1, f' "format_version": {FORMAT_VERSION}')
    return ("{\n" + ",\n".join(members) + "\n}\n").encode("utf-8", "backslashreplace")


def _leaf_text(leaf: Leaf) -> str:
    return f'{{"hash":{codec.quoted(leaf.hash)},"name":{codec.quoted(leaf.name)}}}'


def root_of(leaves: Iterable[Leaf]) -> str:
    """Return the hex RFC 6962 root over leaves, in their order."""
    return chain.root_of([leaf.hash for leaf in leaves])


def deciding(run: Run) -> dict[str, Attempt]:
    """Return the last attempt of each cell."""
    last: dict[str, Attempt] = {}
    for attempt in run.attempts:
        if attempt.cell not in last or last[attempt.cell].number < attempt.number:
            last[attempt.cell] = attempt
    return last


def final_paths(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Return the attempts with their logs named as they lie now: only the last has the plain name.

    The journal keeps the name of the moment at which an attempt ended.
    """
    last: dict[str, int] = {}
    for attempt in attempts:
        last[attempt.cell] = max(attempt.number, last.get(attempt.cell, 0))
    return tuple(_named(attempt, last[attempt.cell]) for attempt in attempts)


def _named(attempt: Attempt, last: int) -> Attempt:
    path = layout.log_path(attempt.cell, attempt.number, last)
    if attempt.log is None or attempt.log.path == path:
        return attempt
    return dataclasses.replace(attempt, log=dataclasses.replace(attempt.log, path=path))


def status_tsv(plan: Plan, run: Run) -> bytes:
    """Return the command matrix as tab separated values, one row per planned cell.

    Columns: command (cell id), exit_code (N, 128 + signal, or empty), start_utc, end_utc, cmd.
    """
    last = deciding(run)
    rows = ["\t".join(TSV_COLUMNS)]
    for cell in plan.cells:
        attempt = last.get(cell.id)
        code = "" if attempt is None or attempt.exit_code is None else str(attempt.exit_code)
        times = ("", "") if attempt is None else (attempt.start_utc, attempt.end_utc)
        rows.append("\t".join(escape(field) for field in (cell.id, code, *times, cell.cmd)))
    return ("\n".join(rows) + "\n").encode()


def escape(text: str) -> str:
    r"""Return `text` on one line: backslash, controls and invisible characters as escapes.

    >>> escape("a\tb\\")
    'a\\tb\\\\'
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    named = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(char)
    if named or char.isprintable():
        return named or char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\U{code:08x}"


def sums(digests: Mapping[str, str]) -> bytes:
    """Return `SHA256SUMS` in the form that `sha256sum -c` reads, sorted by path.

    It names every sealed file except logs, whose plain digest would let a withheld chunk be
    guessed; a path that holds a backslash or newline is escaped as coreutils does.
    """
    return "".join(_sums_line(path, digests[path]) for path in sorted(digests)).encode(
        "utf-8", "surrogateescape"
    )


def sum_of(table: bytes, path: str) -> str:
    """Return the digest that `SHA256SUMS` gives of a path; empty where it gives none."""
    safe = _safe(path)
    for line in table.decode("utf-8", "surrogateescape").split("\n"):
        digest, _, name = line.removeprefix("\\").partition("  ")
        if name == safe:
            return digest
    return ""


def _sums_line(path: str, digest: str) -> str:
    safe = _safe(path)
    return f"{'' if safe == path else chr(92)}{digest}  {safe}\n"


def _safe(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def is_plain(path: str) -> bool:
    """Whether a path of a bundle is a sealed file that is no log: its SHA-256 is its leaf."""
    return not (path in layout.UNSEALED or is_log(path) or is_salts(path))


def is_log(path: str) -> bool:
    """Whether a path of a bundle is a log, sealed by the root over its salted chunks."""
    return path.startswith(f"{layout.LOGS}/") and path.endswith(".log")


def is_salts(path: str) -> bool:
    """Whether a path of a bundle holds salts, which lie outside every digest."""
    return path.startswith(f"{layout.LOGS}/") and path.endswith(".salts")


def _attempt_order(told: tuple[Attempt, bytes]) -> tuple[str, int]:
    return told[0].cell, told[0].number


def _leaf(name: str, value: object) -> Leaf:
    return Leaf(name, chain.data_leaf(name, codec.compact(value)))
''',
)

_load(
    'subject',
    r'''
"""The subject of an audit, recomputed from raw git objects.

`tree-objects/` holds the commit and every tree below it as git stores them (`type SP size NUL
body`, one after another), so that a stranger can hash the proof again without git. Pure functions.
Source of the formats: git-scm.com, "Git Internals - Git Objects".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evidence.codec import Malformed

OBJECTS_FILE = "commit-and-trees"
TREE_MODE = b"40000"
DEPTH_MAX = 512
"""Nested folders that are followed; a deeper tree is refused."""
ENTRIES_MAX = 2_000_000
"""Files and folders that are listed: a few small trees can name each other billions of times."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One tracked file: mode as in its tree (`100644`), hex blob id, full path as bytes."""

    mode: bytes
    blob: str
    path: bytes


def split_objects(data: bytes, place: str, algorithm: str) -> dict[str, tuple[str, bytes]]:
    """Return the objects of a concatenation: id to (type, body).

    Raises:
        Malformed: a header that is none, or a body that is cut off.
    """
    objects: dict[str, tuple[str, bytes]] = {}
    at = 0
    while at < len(data):
        end = data.find(b"\0", at, at + 64)
        kind, _, size = data[at : max(end, at)].partition(b" ")
        if end < 0 or not size.isdigit() or end + 1 + int(size) > len(data):
            raise Malformed(place, f"no git object at byte {at}")
        stop = end + 1 + int(size)
        name = hashlib.new(algorithm, data[at:stop], usedforsecurity=False).hexdigest()
        objects[name] = (kind.decode("ascii", "replace"), data[end + 1 : stop])
        at = stop
    return objects


def files_of(objects: Mapping[str, tuple[str, bytes]], commit: str) -> tuple[str, list[Listed]]:
    """Return the tree id of a commit and all files below it, sorted by path bytes.

    Raises:
        Malformed: an object is missing or is not what it should be.
    """
    kind, body = objects.get(commit, ("", b""))
    if kind != "commit" or not body.startswith(b"tree "):
        raise Malformed(f"commit {commit}", "is not among the objects")
    tree = body[5:].partition(b"\n")[0].decode("ascii", "replace")
    return tree, sorted(_walk(objects, tree), key=lambda listed: listed.path)


def _walk(objects: Mapping[str, tuple[str, bytes]], root: str) -> Iterator[Listed]:
    waiting, entries = [(root, b"")], 0
    while waiting:
        tree, prefix = waiting.pop()
        kind, body = objects.get(tree, ("", b""))
        if kind != "tree":
            raise Malformed(f"tree {tree}", "is not among the objects")
        for mode, name, child in _entries(tree, body):
            entries += 1
            if entries > ENTRIES_MAX or prefix.count(b"/") > DEPTH_MAX:
                raise Malformed(f"tree {root}", "has too many files, or folders too deep")
            if mode == TREE_MODE:
                waiting.append((child, prefix + name + b"/"))
            else:
                yield Listed(mode, child, prefix + name)


def _entries(tree: str, body: bytes) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield (mode without leading zeros, name, hex id) of a tree's body."""
    at, width = 0, len(tree) // 2
    while at < len(body):
        space, end = body.find(b" ", at), body.find(b"\0", at)
        name, stop = body[space + 1 : end], end + 1 + width
        if not at < space < end < stop <= len(body) or not name or b"/" in name:
            raise Malformed(f"tree {tree}", f"no entry at byte {at}")
        yield body[at:space].lstrip(b"0"), name, body[end + 1 : stop].hex()
        at = stop


def paths_of(files: Sequence[Listed]) -> set[str]:
    """Return the paths of files and of the folders that they lie in."""
    paths: set[bytes] = set()
    for listed in files:
        path = listed.path
        while path and path not in paths:
            paths.add(path)
            path = path.rpartition(b"/")[0]
    return {path.decode("utf-8", "surrogateescape") for path in paths}


def digest_of(files: Sequence[Listed], outputs: Sequence[str]) -> str:
    """Return the subject digest: SHA-256 over `mode SP blob SP path NUL` of each file, by path.

    The output roots and files below them are left out, so that committing evidence keeps the
    subject.

    Raises:
        Malformed: an output root that no file can have as its name.
    """
    try:
        bare = [output.rstrip("/").encode("utf-8", "surrogateescape") for output in outputs]
    except UnicodeEncodeError as error:
        raise Malformed("outputs", "is no path in UTF-8") from error
    roots = tuple(root + b"/" for root in bare)
    hasher = hashlib.sha256()
    for listed in files:
        if not (listed.path + b"/").startswith(roots):
            hasher.update(b"%s %s %s\0" % (listed.mode, listed.blob.encode(), listed.path))
    return hasher.hexdigest()
''',
)

_load(
    'words',
    r'''
"""The words of a decision: what a condition asks, why it is open, what its owner does next.

Here every sentence of a verdict is spelled, for the judge, the plan and the pages. Nothing is
decided here.
"""

from __future__ import annotations

from collections.abc import Sequence

from evidence import layout
from evidence.model import (
    Answer,
    ApprovalGiven,
    AttemptFact,
    CarriedOver,
    CellDecision,
    CommandPassed,
    Condition,
    EngineFactHolds,
    ExternalAttached,
    FilePresent,
    MetricWithin,
    PatternAbsent,
    TestPassed,
)

SHOWN_MAX = 3
"""Names listed in a reason before it says how many more there are."""


def describe(condition: Condition) -> str:
    """Return a condition as one short line for people."""
    match condition:
        case CommandPassed():
            return f"command {condition.command} passed"
        case TestPassed():
            return f"test {condition.pattern} passed"
        case MetricWithin():
            low = "" if condition.at_least is None else f" at least {condition.at_least}"
            high = "" if condition.at_most is None else f" at most {condition.at_most}"
            return f"metric {condition.name}{low}{high}"
        case FilePresent():
            rule = "" if condition.contains is None else f" says {condition.contains}"
            return f"file {condition.path}{rule or ' exists'}"
        case PatternAbsent():
            besides = f" except {listed(condition.besides)}" if condition.besides else ""
            return f"no {condition.pattern} in {listed(condition.inside)}{besides}"
        case EngineFactHolds():
            return f"engine fact {condition.fact}"
        case ApprovalGiven():
            return f"{count(condition.count, 'approval')} by {condition.role}"
        case ExternalAttached():
            return f"{condition.artifact} attached, approved by {condition.role}"
        case CarriedOver():
            return f"evidence of {condition.command} carried over from {condition.run}"


def waits(condition: ExternalAttached) -> str:
    """Return that an artifact lacks nothing but its approval."""
    return f"{condition.artifact} is attached and waits for its approval by {condition.role}"


def next_step(
    condition: Condition,
    answer: Answer,
    not_passed: Sequence[CellDecision] = (),
    reason: str = "",
) -> str:
    """Return what the owner of an open condition does next.

    `not_passed` are the cells that the condition looks at and that did not pass; `reason` is why it
    is open, which tells an artifact that nobody brought from one that waits for its approval.
    """
    match condition:
        case TestPassed() if answer == "missing" and not not_passed:
            return (
                f"write a test that matches {condition.pattern},"
                f" or see why {listed(condition.cells)} did not run it"
            )
        case CommandPassed() | TestPassed() | MetricWithin():
            return _next_step_of_cells(condition.cells, answer, not_passed)
        case FilePresent():
            verb = "complete" if answer == "no" else "write"
            return f"{verb} {condition.path} and commit it"
        case PatternAbsent():
            where = listed(condition.inside)
            return f"take {condition.pattern} out of {where}, or name the right files"
        case EngineFactHolds():
            return "see the findings of this gate; the definition or the run is incomplete"
        case ApprovalGiven():
            return f"{condition.role} reviews and approves it: {_sign(condition.role)}"
        case ExternalAttached():
            approve = f"{condition.role} approves it: {_sign(condition.role)}"
            if reason == waits(condition):
                return approve
            return f"bring {condition.artifact} with arco-audit attach; then {approve}"
        case CarriedOver():
            return (
                f"run {condition.command} again, or show with arco-audit carry"
                f" that its evidence in {condition.run} still holds"
            )


def _sign(role: str) -> str:
    name = f"'{role}'" if " " in role else role
    return f"arco-audit sign --role {name} --key FILE"


def _next_step_of_cells(
    cells: Sequence[str], answer: Answer, not_passed: Sequence[CellDecision]
) -> str:
    if answer in ("stale", "wrong_subject"):
        return "run the audit again on the tree as it is"
    names = [decided.cell for decided in not_passed] or list(cells)
    results = {decided.result for decided in not_passed}
    if results == {"could_not_run"}:
        return f"make {listed(names)} able to run here: {not_passed[0].reason}"
    logs = listed([layout.log_path(name, 1, 1) for name in names])
    if results == {"timed_out"}:
        return f"read {logs}, then raise its timeout or make it faster"
    if results & {"failed", "passed"}:
        return f"mend what {logs} reports, then run again"
    if answer == "no":
        return f"mend what {logs} reports, then run again"
    return f"see why {listed(names)} left no such evidence, then run again"


def said(attempt: AttemptFact) -> str:
    """Return why an attempt did not pass."""
    if attempt.reason:
        return attempt.reason
    return "" if attempt.exit_code is None else f"exit code {attempt.exit_code}"


_RESULT_WORDS = {
    "timed_out": "timed out",
    "could_not_run": "could not run",
    "skipped": "was skipped",
    "interrupted": "was interrupted",
}


def outcome(decided: CellDecision) -> str:
    """Return how a cell ended, to be put behind its name."""
    if decided.result == "absent":
        return decided.reason.removeprefix("it ")
    if decided.result == "passed":
        return decided.reason
    word = _RESULT_WORDS.get(decided.result, decided.result)
    return f"{word}: {decided.reason}" if decided.reason else word


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 signal`, `2 signals`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(names[:SHOWN_MAX])
    return shown if len(names) <= SHOWN_MAX else f"{shown} and {len(names) - SHOWN_MAX} more"


def all_of(number: int, noun: str, predicate: str) -> str:
    """Return that all of them are: `its only signal is GO`, `all 4 signals are GO`."""
    if number == 1:
        return f"its only {noun} is {predicate}"
    return f"all {count(number, noun)} are {predicate}"
''',
)

_load(
    'brought',
    r'''
"""What people brought after a run, as it stands at one instant: approvals, artifacts, waivers.

Shapes only: `weigh` makes these records out of the sign-off log, `judge` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from evidence.model import Answer


@dataclass(frozen=True, slots=True)
class ApprovalFact:
    """Who approved a gate in a role, and how many people the trust file asks for at least.

    Where some did not count, `answer` and `reason` say why; else the reason is empty.
    """

    gate: int
    role: str
    people: tuple[str, ...]
    needed: int
    answer: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class ExternalFact:
    """What an attached artifact and its approval say of an `external` condition of a signal."""

    signal: str
    artifact: str
    role: str
    answer: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class CarryFact:
    """Whether the evidence of an earlier run for a command still holds."""

    command: str
    run: str
    answer: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class Waived:
    """A red signal that a named person permits to pass until an instant. It stays red.

    `entry` is the digest of the waiver's line in the sign-off log.
    """

    signal: str
    entry: str
    person: str
    role: str
    until_utc: str
    reason: str


@dataclass(frozen=True, slots=True)
class Brought:
    """All that people brought after a run, as it stands at one instant."""

    approvals: tuple[ApprovalFact, ...] = ()
    externals: tuple[ExternalFact, ...] = ()
    carries: tuple[CarryFact, ...] = ()
    waived: tuple[Waived, ...] = ()


NOTHING = Brought()
"""What there is before anybody came."""
''',
)

_load(
    'judge',
    r'''
"""How a verdict is made: plan and facts in, decision out; the same inputs give the same bytes.

Here live the rules: conditions to answers, answers to a signal's status, signals to a gate, gates
to the verdict. No file, clock or chance is consulted: `as_of` is an input. Skipped is not passed,
absent is not green, and taking a piece of evidence away never raises a status.
"""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Literal

from evidence import words
from evidence.brought import NOTHING, Brought
from evidence.instant import milliseconds
from evidence.model import (
    PRECONDITIONS,
    STATUS_ORDER,
    Answer,
    ApprovalGiven,
    AttemptFact,
    CarriedOver,
    Cell,
    CellDecision,
    CommandPassed,
    Condition,
    ConditionDecision,
    Decision,
    EngineFactHolds,
    ExternalAttached,
    Facts,
    FilePresent,
    Gate,
    GateDecision,
    MetricFact,
    MetricWithin,
    PatternAbsent,
    Plan,
    ResultFact,
    Signal,
    SignalDecision,
    Status,
    TestFact,
    TestPassed,
)

ALL_GATES_GO = "ALL_GATES_GO"

Verdict = tuple[Answer, str]

_REFUSED: tuple[Answer, ...] = ("missing", "broken", "wrong_subject", "stale", "no")
"""The order in which evidence is refused: of several answers the first of these is given."""


def decide(
    plan: Plan, facts: Facts, as_of: str | None = None, brought: Brought = NOTHING
) -> Decision:
    """Return the decision that `plan` and `facts` imply at the instant `as_of`.

    `as_of` is RFC 3339 UTC with `Z`; by default the end of the run. What ended after it is not
    there yet. `brought` is what people added after the run, as `weigh` found it to stand at that
    instant; the decision inside a bundle is made without it.

    Raises:
        ValueError: a time that is none.
    """
    bench = _Bench(plan, facts, as_of or facts.as_of, brought)
    signals = tuple(_signal(signal, bench) for signal in plan.signals)
    by_id = _worst_by_id(signals)
    gates = tuple(_gate(gate, by_id) for gate in plan.gates)
    cells = tuple(bench.cell(cell.id) for cell in plan.cells)
    blockers = (*_gate_blockers(gates), *tree_blockers(plan, facts), *_cell_blockers(plan, cells))
    return Decision(
        format_version=1,
        as_of=bench.as_of,
        verdict="NO-GO" if blockers else "GO",
        blockers=blockers,
        gates=gates,
        signals=signals,
        cells=cells,
    )


def test_key(text: str) -> str:
    """Return the dotted id of a test, the same for a node id and for a JUnit class and name.

    >>> test_key("tests/house/test_tidy.py::TestSizes::test_files[a]")
    'tests.house.test_tidy.TestSizes.test_files[a]'
    >>> test_key("tests.house.test_tidy.TestSizes::test_files[a]")
    'tests.house.test_tidy.TestSizes.test_files[a]'
    """
    head, _, rest = text.partition("::")
    head = head.removesuffix(".py").replace("/", ".")
    return f"{head}.{rest.replace('::', '.')}" if rest else head


def without_words(decision: Decision) -> Decision:
    """Return a decision without its sentences: statuses, answers, counts and names remain.

    What a bundle is held to: a later version may word a decision better, and derive no other.
    """
    return replace(
        decision,
        blockers=("",) * len(decision.blockers),
        gates=tuple(replace(gate, reason="") for gate in decision.gates),
        signals=tuple(_wordless(signal) for signal in decision.signals),
        cells=tuple(replace(cell, reason="") for cell in decision.cells),
    )


def _wordless(signal: SignalDecision) -> SignalDecision:
    answers = (replace(answer, condition="", reason="") for answer in signal.conditions)
    return replace(signal, reason="", next_step="", conditions=tuple(answers))


# --- from signals to the verdict ------------------------------------------------------------------


def _signal(signal: Signal, bench: _Bench) -> SignalDecision:
    answers = [bench.answer(condition, signal) for condition in signal.conditions]
    status = _status(signal.conditions, [answer for answer, _ in answers])
    reason, next_step = _explain(signal, answers, bench)
    decided = tuple(
        ConditionDecision(words.describe(condition), answer, text)
        for condition, (answer, text) in zip(signal.conditions, answers, strict=True)
    )
    return SignalDecision(signal.id, status, reason, next_step, decided)


def _status(conditions: Sequence[Condition], answers: Sequence[Answer]) -> Status:
    """The first rule that matches wins; preconditions never earn PARTIAL."""
    exits = [
        (condition, answer == "met")
        for condition, answer in zip(conditions, answers, strict=True)
        if condition.kind not in PRECONDITIONS
    ]
    if not exits:
        return "NO-GO"
    if all(answer == "met" for answer in answers):
        return "GO"
    if any(met for _, met in exits):
        return "PARTIAL"
    if all(condition.kind == "external" for condition, _ in exits):
        return "BLOCKED-EXTERNAL"
    return "NO-GO"


def _explain(signal: Signal, answers: Sequence[Verdict], bench: _Bench) -> tuple[str, str]:
    if all(condition.kind in PRECONDITIONS for condition in signal.conditions):
        step = f"write down in closes_when of `{signal.id}` what closes it"
        return "it has no exit condition, and emptiness is not success", step
    open_ = [n for n, (answer, _) in enumerate(answers) if answer != "met"]
    if not open_:
        return words.all_of(len(answers), "condition", "met"), ""
    first = open_[0]
    more = f" (and {len(open_) - 1} more)" if len(open_) > 1 else ""
    condition, (answer, reason) = signal.conditions[first], answers[first]
    open_cells = [bench.cell(name) for name in getattr(condition, "cells", ())]
    not_passed = [cell for cell in open_cells if not cell.passed]
    return reason + more, words.next_step(condition, answer, not_passed, reason)


def _worst_by_id(signals: Sequence[SignalDecision]) -> dict[str, SignalDecision]:
    """Signals by id; of two with the same id the worse one counts."""
    ranked = sorted(signals, key=lambda signal: STATUS_ORDER.index(signal.status), reverse=True)
    return {signal.id: signal for signal in ranked}


def _gate(gate: Gate, signals: dict[str, SignalDecision]) -> GateDecision:
    statuses = [signals[name].status if name in signals else "NO-GO" for name in gate.signals]
    closed = statuses.count("GO")
    open_ = len(statuses) - closed
    if not statuses:
        return GateDecision(gate.id, "NO-GO", "it has no signals", 0, 0)
    if not open_:
        return GateDecision(gate.id, "GO", words.all_of(closed, "signal", "GO"), closed, 0)
    names = [
        f"{name} {status}"
        for name, status in zip(gate.signals, statuses, strict=True)
        if status != "GO"
    ]
    partial = closed or "PARTIAL" in statuses
    return GateDecision(
        gate.id, "PARTIAL" if partial else "NO-GO", f"open: {words.listed(names)}", closed, open_
    )


def _gate_blockers(gates: Sequence[GateDecision]) -> Iterable[str]:
    if not gates:
        yield "the audit has no gates"
    for gate in gates:
        if gate.status != "GO":
            yield f"gate {gate.id} is {gate.status}: {gate.reason}"


def tree_blockers(plan: Plan, facts: Facts) -> Iterator[str]:
    """Yield what keeps any verdict from GO that no signal speaks of: an unknown definition of done,
    a dirty tree, or one that changed under the commands."""
    if plan.audit.definition_of_done != ALL_GATES_GO:
        yield f"unknown definition of done=`{plan.audit.definition_of_done}`"
    if plan.subject.dirty:
        yield f"the working tree is dirty: {words.listed(plan.subject.dirty)}"
    if facts.subject_after != plan.subject.digest:
        yield "the tree changed while the commands ran"


def _cell_blockers(plan: Plan, cells: Sequence[CellDecision]) -> Iterable[str]:
    for cell, decided in zip(plan.cells, cells, strict=True):
        if cell.required and not decided.passed:
            yield f"required cell {cell.id} did not pass: {decided.reason}"


# --- from conditions to answers -------------------------------------------------------------------


class _Bench:
    """The facts, indexed once, and the answer that they give to each kind of condition."""

    def __init__(self, plan: Plan, facts: Facts, as_of: str, brought: Brought) -> None:
        self.plan = plan
        self.facts = facts
        self.as_of = as_of
        self.as_of_ms = milliseconds(as_of)
        self.same_subject = facts.subject_after == plan.subject.digest
        self.planned: dict[str, Cell] = {cell.id: cell for cell in plan.cells}
        self.attempts: dict[str, list[AttemptFact]] = defaultdict(list)
        for attempt in facts.attempts:
            self.attempts[attempt.cell].append(attempt)
        self.results: dict[str, list[ResultFact]] = defaultdict(list)
        for result in facts.results:
            self.results[result.cell].append(result)
        self.tests: dict[str, list[TestFact]] = defaultdict(list)
        for test in facts.tests:
            self.tests[test.cell].append(test)
        self.metrics: dict[tuple[str, str], list[MetricFact]] = defaultdict(list)
        for metric in facts.metrics:
            self.metrics[metric.cell, metric.name].append(metric)
        self.files = {(fact.path, fact.contains): fact for fact in facts.files}
        self.absent = {(fact.pattern, fact.inside, fact.besides): fact for fact in facts.absent}
        self.engine = {fact.fact: fact for fact in facts.engine}
        self.approvals = {(fact.gate, fact.role): fact for fact in brought.approvals}
        self.externals = {
            (fact.signal, fact.artifact, fact.role): fact for fact in brought.externals
        }
        self.carries = {(fact.command, fact.run): fact for fact in brought.carries}
        self.cells: dict[str, CellDecision] = {}
        self.answers: dict[Condition, Verdict] = {}
        self.refusals: dict[tuple[tuple[str, ...], int | None], Verdict | None] = {}
        self.pools: dict[tuple[str, ...], _Tests] = {}

    def answer(self, condition: Condition, signal: Signal) -> Verdict:
        """What the evidence says of a condition; many signals may share one."""
        if isinstance(condition, ApprovalGiven):
            return self._approval(condition, signal)
        if isinstance(condition, ExternalAttached):
            return self._external(condition, signal)
        if condition not in self.answers:
            self.answers[condition] = self._answer(condition)
        return self.answers[condition]

    def _answer(self, condition: Condition) -> Verdict:
        match condition:
            case CommandPassed():
                return self._command(condition)
            case TestPassed():
                return self._test(condition)
            case MetricWithin():
                return self._metric(condition)
            case FilePresent():
                return self._file(condition)
            case PatternAbsent():
                return self._absence(condition)
            case EngineFactHolds():
                return self._engine_fact(condition)
            case CarriedOver():
                fact = self.carries.get((condition.command, condition.run))
                lacking = f"evidence of {condition.command} in {condition.run} not brought"
                return (fact.answer, fact.reason) if fact else ("missing", lacking)
            case ApprovalGiven() | ExternalAttached():
                raise ValueError("is answered for a signal")

    def _approval(self, condition: ApprovalGiven, signal: Signal) -> Verdict:
        """Approvals are given for a gate; people count once, and some may not count at all."""
        wanted = words.count(condition.count, "approval")
        fact = self.approvals.get((signal.gate, condition.role))
        if fact is None:
            return "missing", f"{wanted} by {condition.role} not brought"
        if len(fact.people) >= max(condition.count, fact.needed):
            return "met", f"approved by {words.listed(fact.people)} as {condition.role}"
        if fact.reason:
            return fact.answer, fact.reason
        needed = max(condition.count, fact.needed)
        return "missing", f"{len(fact.people)} of {needed} approvals by {condition.role}"

    def _external(self, condition: ExternalAttached, signal: Signal) -> Verdict:
        fact = self.externals.get((signal.id, condition.artifact, condition.role))
        lacking = f"{condition.artifact}, approved by {condition.role}, not brought"
        return (fact.answer, fact.reason) if fact else ("missing", lacking)

    def cell(self, name: str) -> CellDecision:
        """The deciding attempt of a cell, and whether all its attempts amount to a pass."""
        if name not in self.cells:
            self.cells[name] = self._decide_cell(name)
        return self.cells[name]

    def _decide_cell(self, name: str) -> CellDecision:
        attempts = sorted(self.attempts.get(name, ()), key=lambda attempt: attempt.number)
        if not attempts:
            return CellDecision(name, False, "absent", 0, "it did not run")
        last, count = attempts[-1], len(attempts)
        if milliseconds(last.end_utc) > self.as_of_ms:
            reason = "it ended after the instant of this decision"
            return CellDecision(name, False, "absent", count, reason)
        if [attempt.number for attempt in attempts] != list(range(1, count + 1)):
            return CellDecision(name, False, last.result, count, "an attempt is missing")
        if last.result != "passed":
            return CellDecision(name, False, last.result, count, words.said(last))
        failures = sum(attempt.result in ("failed", "timed_out") for attempt in attempts)
        if not failures:
            return CellDecision(name, True, "passed", count, "")
        flaky = name in self.planned and self.planned[name].flaky
        reason = f"passed after {words.count(failures, 'failure')}"
        return CellDecision(name, flaky, "passed", count, reason)

    def _refusal(self, name: str, max_age_ms: int | None) -> Verdict | None:
        """Why the evidence of a cell cannot be heard: absent, broken, foreign, old; or None.

        Evidence is young enough in the half-open window of `max_age_ms` from its end.
        """
        decided = self.cell(name)
        if decided.result in ("absent", "skipped", "could_not_run"):
            return "missing", f"{name} {words.outcome(decided)}"
        if decided.result == "interrupted" or decided.reason == "an attempt is missing":
            return "broken", f"{name} {words.outcome(decided)}"
        if not self.same_subject:
            return "wrong_subject", f"the tree changed while {name} ran"
        if max_age_ms is None:
            return None
        last = max(self.attempts[name], key=lambda attempt: attempt.number)
        if self.as_of_ms - milliseconds(last.end_utc) >= max_age_ms:
            return "stale", f"{name} ended at {last.end_utc}, which is too old"
        return None

    def _command(self, condition: CommandPassed) -> Verdict:
        if not condition.cells:
            return "missing", f"{condition.command} has no cells"
        refusal = _first(self._refusal(name, condition.max_age_ms) for name in condition.cells)
        if refusal:
            return refusal
        for name in condition.cells:
            decided = self.cell(name)
            if not decided.passed:
                return "no", f"{name} {words.outcome(decided)}"
        return "met", f"{words.listed(condition.cells)} passed"

    def _results_refusal(self, cells: tuple[str, ...], max_age_ms: int | None) -> Verdict | None:
        """Why what these cells wrote cannot be heard: each must have left all its files, whole.

        One that left nothing may have had the failing test, so the others cannot speak for it.
        """
        key = cells, max_age_ms
        if key not in self.refusals:
            self.refusals[key] = _first(
                refusal
                for name in cells
                for refusal in (self._refusal(name, max_age_ms), *self._file_refusals(name))
            )
        return self.refusals[key]

    def _file_refusals(self, name: str) -> Iterator[Verdict]:
        decided = self.cell(name)
        if decided.result == "timed_out":
            yield "broken", f"{name} {words.outcome(decided)}"
        if decided.result == "passed" and not decided.passed:
            yield "no", f"{name} {words.outcome(decided)}"
        results = self.results.get(name, ())
        if not results:
            yield "missing", f"{name} left no results"
        told = {result.path for result in results}
        promised = self.planned[name].results if name in self.planned else ()
        for file in promised:
            if file.format != "nox" and file.path not in told:
                yield "missing", f"{name} left no {file.path}"
        for result in results:
            if not result.found:
                yield "missing", f"{name} left no {result.path}"
            elif result.problem:
                yield "broken", f"{result.path} of {name}: {result.problem}"

    def _test(self, condition: TestPassed) -> Verdict:
        refusal = self._results_refusal(condition.cells, condition.max_age_ms)
        if refusal:
            return refusal
        tests = _matching(self._pool(condition.cells), condition.pattern)
        if not tests:
            return "missing", f"no test matches {condition.pattern}{self._broken_off(condition)}"
        if condition.every:
            told = {test.cell for test in tests}
            for name in condition.cells:
                if name not in told:
                    return "missing", f"no test of {name} matches {condition.pattern}"
        wrong = [test for test in tests if test.outcome != "passed"]
        bad = [f"{test.key} {test.outcome} in {test.cell}" for test in wrong]
        if bad:
            return "no", words.listed(bad)
        return "met", f"{words.count(len(tests), 'test')} passed"

    def _broken_off(self, condition: TestPassed) -> str:
        """Why a test may be missing although it stands in the source: its cell did not pass."""
        failed = [name for name in condition.cells if not self.cell(name).passed]
        return f"; {failed[0]} {words.outcome(self.cell(failed[0]))}" if failed else ""

    def _pool(self, cells: tuple[str, ...]) -> _Tests:
        """The tests of some cells, sorted by key."""
        if cells not in self.pools:
            lists = [self.tests[name] for name in dict.fromkeys(cells) if name in self.tests]
            tests = sorted(itertools.chain.from_iterable(lists), key=lambda test: test.key)
            self.pools[cells] = [test.key for test in tests], tests
        return self.pools[cells]

    def _metric(self, condition: MetricWithin) -> Verdict:
        refusal = self._results_refusal(condition.cells, condition.max_age_ms)
        if refusal:
            return refusal
        facts: list[MetricFact] = []
        for name in condition.cells:
            told = self.metrics.get((name, condition.name), ())
            if condition.every and not told:
                return "missing", f"{name} measured no {condition.name}"
            facts += told
        if not facts:
            return "missing", f"nothing measured {condition.name}"
        wrong = _first(_within(fact, condition) for fact in facts)
        return wrong or (
            "met",
            f"{condition.name} is {words.listed([fact.value for fact in facts])}",
        )

    def _file(self, condition: FilePresent) -> Verdict:
        fact = self.files.get((condition.path, condition.contains))
        if fact is None or not fact.found:
            return "missing", f"{condition.path} does not exist at the subject"
        if condition.contains is not None and not fact.matches:
            return "no", f"{condition.path} does not say {condition.contains}"
        return "met", f"{condition.path} exists"

    def _absence(self, condition: PatternAbsent) -> Verdict:
        fact = self.absent.get((condition.pattern, condition.inside, condition.besides))
        where = words.listed(condition.inside)
        if fact is None or not fact.inputs:
            return "missing", f"no file matches {where}"
        if fact.hits:
            return "no", f"{condition.pattern} stands at {words.listed(fact.hits)}"
        return "met", f"{condition.pattern} is nowhere in {words.count(fact.inputs, 'file')}"

    def _engine_fact(self, condition: EngineFactHolds) -> Verdict:
        if condition.fact == "definition_of_done":
            done = self.plan.audit.definition_of_done
            return ("met", f"it is {done}") if done == ALL_GATES_GO else ("no", f"it is {done}")
        if condition.fact == "every_signal_complete":
            return _completeness([s.id for s in self.plan.signals if not _complete(s)], "signal")
        if condition.fact == "every_cell_present":
            undone = [
                cell.id
                for cell in self.plan.cells
                if self.cell(cell.id).result in ("absent", "interrupted")
            ]
            return _completeness(undone, "cell")
        fact = self.engine.get(condition.fact)
        if fact is None:
            return "missing", f"{condition.fact} was not observed"
        return ("met" if fact.holds else "no"), fact.reason


_Tests = tuple[list[str], list[TestFact]]
"""Tests sorted by key, after their keys, so that exact and prefix patterns need no scan."""


def _first(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """The verdict that is refused first, the earliest of those; None when there is none."""
    given = [verdict for verdict in verdicts if verdict]
    return min(given, key=lambda verdict: _REFUSED.index(verdict[0])) if given else None


def _matching(tests: _Tests, pattern: str) -> list[TestFact]:
    """The tests whose key a pattern matches; only `*` is special (ids may hold brackets)."""
    keys, facts = tests
    wanted = test_key(pattern)
    prefix, star, rest = wanted.partition("*")
    start = bisect.bisect_left(keys, prefix)
    if not star:
        return facts[start : bisect.bisect_right(keys, wanted, start)]
    stop = bisect.bisect_left(keys, True, start, key=lambda key: not key.startswith(prefix))
    if not rest:
        return facts[start:stop]
    pieces = rest.split("*")
    return [fact for fact in facts[start:stop] if _has_pieces(fact.key, len(prefix), pieces)]


def _has_pieces(key: str, at: int, pieces: Sequence[str]) -> bool:
    """Whether the pieces follow one another in `key` from `at` on, the last one at its end.

    Taking each as early as it comes is enough, and needs no backtracking on hostile names.
    """
    for piece in pieces[:-1]:
        at = key.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return key.endswith(pieces[-1]) and len(key) - len(pieces[-1]) >= at


def tests_of(facts: Facts, condition: TestPassed) -> list[TestFact]:
    """Return the tests that a condition looks at, by key."""
    told = [test for test in facts.tests if test.cell in condition.cells]
    tests = sorted(told, key=lambda test: test.key)
    return _matching(([test.key for test in tests], tests), condition.pattern)


def side_of(value: str, condition: MetricWithin) -> Literal["within", "below", "above", "broken"]:
    """Return on which side of a condition's bounds a decimal number lies."""
    number = _decimal(value)
    if number is None:
        return "broken"
    if not _fits(number, condition.at_least, 1):
        return "below"
    return "within" if _fits(number, condition.at_most, -1) else "above"


def _within(fact: MetricFact, condition: MetricWithin) -> Verdict | None:
    side = side_of(fact.value, condition)
    if side == "within":
        return None
    if side == "broken":
        return "broken", f"{fact.name} of {fact.cell} is no number: {fact.value:.40}"
    low = side == "below"
    bound = f"at least {condition.at_least}" if low else f"at most {condition.at_most}"
    return "no", f"{fact.name} of {fact.cell} is {fact.value}, wanted {bound}"


def _fits(value: Decimal, bound: str | None, sign: int) -> bool:
    """Whether `value` is at least (sign 1) or at most (sign -1) the bound."""
    limit = None if bound is None else _decimal(bound)
    if limit is None:
        return bound is None
    return value >= limit if sign > 0 else value <= limit


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _complete(signal: Signal) -> bool:
    """Whether a signal names its owner, its place, its evidence and how it closes."""
    places = signal.code + signal.tests
    exits = [item for item in signal.conditions if item.kind not in PRECONDITIONS]
    return all((signal.title, signal.owner, places, signal.evidence, signal.exit_test, exits))


def _completeness(lacking: Sequence[str], noun: str) -> Verdict:
    return (
        ("no", f"incomplete: {words.listed(lacking)}") if lacking else ("met", f"every {noun} is")
    )
''',
)

_load(
    'carry',
    r'''
"""Whether the evidence of an earlier run for a command still holds at another commit.

It holds when everything that the command's cells could read is the same at both commits: the
tracked files that their declared patterns match *at each commit* (so that a new file that matches
counts), files that decide what is installed and how a tree is checked out, the definition of the
cells and of all that they need, the tool, the host and the recorded environment. And when the old
evidence is a pass, by the judge, that is not too old. A cell that declares nothing read everything.

Pure functions over records and raw git objects: a stranger who has both bundles gets the same
answer. Nothing is believed for being declared: what a pattern leaves out is the author's claim, and
the proof shows the patterns.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evidence import chain, codec, judge, subject, words
from evidence.codec import Malformed
from evidence.globs import matcher
from evidence.instant import milliseconds
from evidence.model import (
    Answer,
    Cell,
    CommandPassed,
    Facts,
    Gate,
    Plan,
    Run,
    Signal,
    Variable,
)
from evidence.subject import Listed

ALWAYS_READ = (
    *("**/*.lock", "**/*.lockb", "**/*-lock.json", "**/*-lock.yaml", "**/npm-shrinkwrap.json"),
    *("**/requirements*.txt", "**/requirements/**/*.txt", "**/constraints*.txt", "**/pylock*.toml"),
    *("**/go.mod", "**/go.sum", "**/.python-version", "**/.tool-versions"),
    *("**/.gitattributes", ".gitmodules"),
)
"""Files that decide what is installed or how a tree is checked out, whatever a cell declares."""
NAMES_THE_RUN = frozenset(
    (
        *("GITHUB_REF", "GITHUB_RUN_ATTEMPT", "GITHUB_RUN_ID", "GITHUB_SHA"),
        *("CI_COMMIT_SHA", "CI_JOB_ID", "CI_PIPELINE_ID"),
    )
)
"""Recorded variables that are another in every run: they name it."""
DIFFERING_MAX = 1_000
"""Differing paths that a proof lists; their number is told in full."""
LINK_MODE = b"120000"
"""The mode of a symbolic link, whose blob says where it leads and is not among the objects."""
SUBMODULE_MODE = b"160000"
_NO_MATTER = ("command", "cmd", "required")
"""Fields of a cell that do not change what it does, or what its result means."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sealed run as the rule needs it. `files` are all tracked files of its commit."""

    plan: Plan
    run: Run
    facts: Facts
    final_root: str
    files: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs: which it is, and the digests of what its cells were given.

    `definition` covers the cells and what they need, `inputs` the files that they read (`files`
    counts them), `environment` the tool, the host and the recorded variables.
    """

    label: str
    run: str
    final_root: str
    commit: str
    subject: str
    definition: str
    inputs: str
    files: int
    environment: str


@dataclass(frozen=True, slots=True)
class Differing:
    """A path that one of the cells reads and that is not the same at both commits."""

    path: str
    how: Literal["changed", "added", "removed", "changed its mode"]


@dataclass(frozen=True, slots=True)
class Carried:
    """A proof, or why there is none. `run` is the label of the old run.

    `reads` are the patterns of the cells and of what they need; `everything` says why they do not
    count and all tracked files do, and is empty where they count. `ended_utc` is when the oldest
    deciding attempt ended; `max_age_ms` is the limit of the new run.
    """

    format_version: Literal[1]
    command: str
    run: str
    cells: tuple[str, ...]
    answer: Answer
    reason: str
    as_of: str
    ended_utc: str
    max_age_ms: int | None
    reads: tuple[str, ...]
    everything: str
    old: Side
    new: Side
    differing: tuple[Differing, ...]
    differing_count: int


def files_of(plan: Plan, data: bytes, place: str) -> tuple[Listed, ...]:
    """Return the tracked files of a plan's commit out of a bundle's raw git objects.

    Raises:
        Malformed: the objects are not whole, or are not of the subject that the plan names.
    """
    algorithm = "sha256" if len(plan.subject.commit) == 64 else "sha1"
    objects = subject.split_objects(data, place, algorithm)
    tree, files = subject.files_of(objects, plan.subject.commit)
    if tree != plan.subject.tree:
        raise Malformed(place, "is not the tree of the subject")
    if subject.digest_of(files, plan.rules.outputs) != plan.subject.digest:
        raise Malformed(place, "does not have the digest of the subject")
    return tuple(files)


def carry(old: Evidence, new: Evidence, command: str, as_of: str) -> Carried:
    """Return whether what `old` found for `command` holds for `new`, at the instant `as_of`.

    Both bundles must have been verified. Evidence is refused in the judge's order: not there, not
    whole, not of this subject, too old, says no.

    Raises:
        ValueError: `as_of` is no time.
    """
    milliseconds(as_of)
    ids = tuple(cell.id for cell in new.plan.cells if cell.command == command)
    read_old, read_new = _Read(old, ids), _Read(new, ids)
    differing = list(_differing(read_old, read_new))
    answer, reason = _answer(read_old, read_new, command, as_of, differing)
    return Carried(
        format_version=1,
        command=command,
        run=old.plan.label,
        cells=ids,
        answer=answer,
        reason=reason,
        as_of=as_of,
        ended_utc=_ended(old.facts, ids),
        max_age_ms=new.plan.rules.max_age_ms,
        reads=read_new.reads,
        everything=read_new.everything or read_old.everything,
        old=read_old.side(),
        new=read_new.side(),
        differing=tuple(differing[:DIFFERING_MAX]),
        differing_count=len(differing),
    )


def refused(
    new: Evidence, command: str, run: str, answer: Answer, reason: str, as_of: str
) -> Carried:
    """Return the answer where the old bundle is not there or not whole, and cannot be heard."""
    ids = tuple(cell.id for cell in new.plan.cells if cell.command == command)
    read = _Read(new, ids)
    nothing = Side(run, "", "", "", "", "", "", 0, "")
    return Carried(
        format_version=1,
        command=command,
        run=run,
        cells=ids,
        answer=answer,
        reason=reason,
        as_of=as_of,
        ended_utc="",
        max_age_ms=new.plan.rules.max_age_ms,
        reads=read.reads,
        everything=read.everything,
        old=nothing,
        new=read.side(),
        differing=(),
        differing_count=0,
    )


def holds(proof: Carried, new: Evidence, as_of: str) -> tuple[Answer, str]:
    """Return what a recorded proof says for a run at an instant, with only that run at hand.

    The new side is computed again; the old side is as the proof tells it, until somebody brings
    the old bundle and calls `carry`.

    Raises:
        ValueError: `as_of` is no time.
    """
    at_ms = milliseconds(as_of)
    if proof.answer != "met":
        return proof.answer, proof.reason
    ids = tuple(cell.id for cell in new.plan.cells if cell.command == proof.command)
    if not ids:
        return "missing", f"the plan has no command {proof.command}"
    read = _Read(new, ids)
    if proof.cells != ids or proof.new != read.side() or new.plan.subject.dirty:
        return "wrong_subject", f"the proof for {proof.command} is about another run"
    one, other = proof.old, proof.new
    if one.label != proof.run or one.final_root == new.final_root or proof.differing_count:
        return "broken", f"the proof for {proof.command} contradicts itself"
    same = ("subject",) if read.everything else ("inputs",)
    if any(
        getattr(one, name) != getattr(other, name) for name in ("definition", "environment", *same)
    ) or not (read.everything or read.declared):
        return "broken", f"the proof for {proof.command} contradicts itself"
    try:
        age_ms = at_ms - milliseconds(proof.ended_utc)
    except ValueError:
        return "broken", f"the proof for {proof.command} does not say when its evidence ended"
    limit = new.plan.rules.max_age_ms
    if age_ms < 0:
        return "missing", f"its evidence ended at {proof.ended_utc}, after this instant"
    if limit is not None and age_ms >= limit:
        return "stale", f"its evidence ended at {proof.ended_utc}, which is too old"
    return "met", proof.reason


# --- the rule -------------------------------------------------------------------------------------


def _answer(
    old: _Read, new: _Read, command: str, as_of: str, differing: Sequence[Differing]
) -> tuple[Answer, str]:
    label = old.evidence.plan.label
    if not new.ids:
        return "missing", f"the plan has no command {command}"
    for read in (old, new):
        if read.lacking:
            return "missing", f"{read.evidence.plan.label} has no cell {read.lacking[0]}"
    judged = _judged(old.evidence, new.evidence.plan.rules.max_age_ms, new.ids, as_of)
    if judged[0] in ("missing", "broken"):
        return judged
    foreign = next(_foreign(old, new, differing), "")
    if foreign:
        return "wrong_subject", foreign
    if judged[0] != "met":
        return judged
    if old.everything or new.everything:
        return "met", f"{command} passed in {label}, whose tree is the same"
    files = words.count(len(new.files), "file")
    return "met", f"{command} passed in {label}, and the {files} that it reads are the same"


def _foreign(old: _Read, new: _Read, differing: Sequence[Differing]) -> Iterator[str]:
    """Yield why the old evidence is not about this subject."""
    for read in (old, new):
        plan = read.evidence.plan
        if plan.subject.dirty:
            yield f"the tree of {plan.label} was dirty: {words.listed(plan.subject.dirty)}"
    if old.definition != new.definition:
        yield f"the definition of {_changed_cell(old, new)} is another"
    everything = new.everything or old.everything
    if differing:
        first = f"{differing[0].path} {_HOW[differing[0].how]}"
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        why = f", and {everything}" if everything else ""
        yield f"{first}{more}{why}"
    elif everything and old.evidence.plan.subject.digest != new.evidence.plan.subject.digest:
        yield f"the subject is another, and {everything}"
    elif not everything and not new.declared:
        yield f"no tracked file matches {words.listed(new.reads)}"
    one, other = old.environment, new.environment
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            yield f"{name} was {one.get(name, 'not set')}, is {other.get(name, 'not set')}"


_HOW = {
    "changed": "was changed",
    "added": "was added",
    "removed": "was removed",
    "changed its mode": "changed its mode",
}


def _changed_cell(old: _Read, new: _Read) -> str:
    one = {cell.id: cell for cell in old.cells}
    other = {cell.id: cell for cell in new.cells}
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other or _bare(one[name]) != _bare(other[name]):
            return name
    return words.listed(new.ids)


def _differing(old: _Read, new: _Read) -> Iterator[Differing]:
    """Yield what is not the same among the files that count, by path."""
    everything = old.everything or new.everything
    one, other = (read.tracked if everything else read.files for read in (old, new))
    for path in sorted(one.keys() | other.keys()):
        before, after = one.get(path), other.get(path)
        if before == after:
            continue
        shown = path.decode("utf-8", "surrogateescape")
        if before is None:
            yield Differing(shown, "added")
        elif after is None:
            yield Differing(shown, "removed")
        else:
            same_blob = before.blob == after.blob
            yield Differing(shown, "changed its mode" if same_blob else "changed")


def _judged(
    old: Evidence, max_age_ms: int | None, ids: tuple[str, ...], as_of: str
) -> tuple[Answer, str]:
    """What the judge says of the cells in the old run, asked as a condition of this age."""
    condition = CommandPassed("command", "", ids, max_age_ms)
    asked = Signal("asked", 0, "", "", (), (), "", (), "", (condition,))
    plan = dataclasses.replace(old.plan, signals=(asked,), gates=(Gate(0, "", ("asked",)),))
    found = judge.decide(plan, old.facts, as_of).signals[0].conditions[0]
    return found.answer, found.reason


def _ended(facts: Facts, ids: Iterable[str]) -> str:
    """When the oldest of the deciding attempts ended; empty where one is missing."""
    last = {fact.cell: fact for fact in sorted(facts.attempts, key=lambda attempt: attempt.number)}
    ends = [last[name].end_utc if name in last else "" for name in ids]
    return min(ends, key=lambda utc: milliseconds(utc) if utc else -1, default="")


# --- what a cell could read -----------------------------------------------------------------------


class _Read:
    """What some cells of a run could read: files, definitions, environment."""

    def __init__(self, evidence: Evidence, ids: Sequence[str]) -> None:
        self.evidence = evidence
        self.ids = tuple(ids)
        self.cells, self.lacking = _closure(evidence.plan, ids)
        self.reads = tuple(sorted({glob for cell in self.cells for glob in cell.reads}))
        outside = _outside(evidence.plan.rules.outputs)
        self.tracked = {file.path: file for file in evidence.files if outside(file.path)}
        declared = _matched(self.reads, self.tracked)
        always = _matched(ALWAYS_READ, self.tracked)
        on_the_way = self._on_the_way()
        self.declared = bool(declared)
        self.everything = self._everything(declared | always | on_the_way)
        self.files = self.tracked if self.everything else declared | always | on_the_way
        values = [_bare(cell) for cell in self.cells]
        self.definition = chain.sha256(codec.compact(values))
        self.environment = _environment(evidence.plan, evidence.run)

    def _on_the_way(self) -> _Files:
        """Links and submodules that stand where a pattern passes through a folder."""
        heads = [(head, matcher([head])) for head in sorted(set(_heads(self.reads)))]
        found: _Files = {}
        for path, file in self.tracked.items():
            if file.mode in (LINK_MODE, SUBMODULE_MODE):
                name = path.decode("utf-8", "surrogateescape")
                for head, meant in heads:
                    same_depth = "**" in head or head.count("/") == name.count("/")
                    if same_depth and meant(name):
                        found[path] = file
        return found

    def _everything(self, files: _Files) -> str:
        """Why patterns do not say what was read; empty where they do."""
        if not self.cells:
            return "nothing is known of its cells"
        for cell in self.cells:
            if not cell.reads:
                return f"{cell.id} declares no reads, so it read everything"
        if len({file.path for file in self.evidence.files}) != len(self.evidence.files):
            return "its tree has a path twice"
        for path, file in sorted(files.items()):
            if file.mode == LINK_MODE:
                name = path.decode("utf-8", "surrogateescape")
                return f"{name} is a link, so everything may have been read"
        return ""

    def side(self) -> Side:
        """The digests of what was read, with the run that it was read in."""
        plan, run = self.evidence.plan, self.evidence.run
        files = sorted(self.files.values(), key=lambda file: file.path)
        return Side(
            label=plan.label,
            run=run.id,
            final_root=self.evidence.final_root,
            commit=plan.subject.commit,
            subject=plan.subject.digest,
            definition=self.definition,
            inputs=subject.digest_of(files, ()),
            files=len(files),
            environment=chain.sha256(codec.compact(self.environment)),
        )


_Files = dict[bytes, Listed]


def _closure(plan: Plan, ids: Sequence[str]) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """The cells, with all that they need, by id; and the ids that the plan does not have.

    What a cell needs may leave files that it reads, so it counts as part of it.
    """
    by_id = {cell.id: cell for cell in plan.cells}
    found: dict[str, Cell] = {}
    waiting, lacking = list(ids), []
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in by_id:
            lacking.append(name)
            continue
        found[name] = by_id[name]
        waiting += by_id[name].needs
    return tuple(found[name] for name in sorted(found)), tuple(sorted(set(lacking)))


def _bare(cell: Cell) -> dict[str, object]:
    value: dict[str, object] = codec.to_value(cell)
    return {name: item for name, item in value.items() if name not in _NO_MATTER}


def _outside(outputs: Sequence[str]) -> Callable[[bytes], bool]:
    roots = tuple(
        output.rstrip("/").encode("utf-8", "surrogateescape") + b"/" for output in outputs
    )
    return lambda path: not (path + b"/").startswith(roots)


def _matched(globs: Sequence[str], tracked: Mapping[bytes, Listed]) -> _Files:
    meant = matcher(globs)
    return {
        path: file
        for path, file in tracked.items()
        if meant(path.decode("utf-8", "surrogateescape"))
    }


def _heads(globs: Iterable[str]) -> Iterator[str]:
    """Yield the folders that lead to what globs mean: a link among them could lead anywhere."""
    for glob in globs:
        parts = [part for part in glob.split("/") if part not in ("", ".")]
        yield from itertools.accumulate(parts[:-1], lambda head, part: f"{head}/{part}")


def _environment(plan: Plan, run: Run) -> dict[str, str]:
    """The tool, the host and the recorded variables, by what people call them."""

    def named(kind: str, variables: Iterable[Variable]) -> dict[str, str]:
        return {f"{kind} {item.name}": item.value for item in variables}

    kept = [item for item in run.environment if item.name not in NAMES_THE_RUN]
    tool = {"the tool": f"{plan.tool.name} {plan.tool.version}"}
    return tool | named("the host's", run.host) | named("the variable", kept)
''',
)

_load(
    'contents',
    r'''
"""What lies in a bundle's files: where the bytes come from, and what they hash to.

How a bundle's bytes are reached is the caller's `Source`; nothing here opens a file, and nothing
here knows which file is evidence of what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from evidence import chain, layout
from evidence.chain import CHUNK_BYTES, SALT_BYTES
from evidence.codec import Malformed
from evidence.model import Log

BLOCK_BYTES = 16 * CHUNK_BYTES
"""Bytes that a source hands out at a time; a whole number of log chunks."""

T = TypeVar("T")
R = TypeVar("R")


class Source(Protocol):
    """Where the bytes of a bundle come from."""

    def names(self) -> Iterable[str]:
        """Return the relative paths of all files, links and oddities."""
        ...

    def read(self, name: str) -> bytes:
        """Return a whole file. Raises `Malformed` where there is no regular file of that name."""
        ...

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a file in blocks of `BLOCK_BYTES`, the last one shorter. Raises `Malformed`."""
        ...


class Mapper(Protocol):
    """`map`, or one that works on several files at a time."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What is wrong with a log, empty when all agrees, and which of its chunks were withheld."""

    problem: str
    withheld: tuple[int, ...] = ()


NO_SALT = bytes(SALT_BYTES)
"""What is left of the salt of a chunk that was withheld, so that nobody can guess at its text."""
REASON_BYTES_MAX = 1_000
"""Bytes of a reason that stand in a log in place of what was withheld."""
_BARE = b"[withheld]"


def marker(reason: str, size: int) -> bytes:
    """Return the `size` bytes that stand in place of a chunk: one line, filled up with spaces.

    Where the reason finds no room it is left out; of a chunk of a few bytes the first remain.
    """
    plain = "".join(char if char.isprintable() else " " for char in reason)
    told = b"[withheld: " + plain.encode("utf-8", "replace")[:REASON_BYTES_MAX] + b"]"
    return _filled(told if len(told) < size else _BARE, size)


def is_marker(chunk: bytes) -> bool:
    """Whether a chunk is what `marker` makes: nothing else may stand where a text was withheld."""
    line = chunk[:-1].rstrip(b" ")
    told = line.startswith(b"[withheld: ") and line.endswith(b"]")
    plain = all(byte >= 0x20 and byte != 0x7F for byte in line)
    return chunk == _filled(line if told and plain else _BARE, len(chunk))


def _filled(line: bytes, size: int) -> bytes:
    return (line.ljust(size - 1) + b"\n")[:size]


def look_at(source: Source, log: Log) -> Seen:
    """Return what is wrong with a log, its salts or its sealed leaves, and what was withheld.

    A chunk whose salt is all zeros and whose text is the marker was withheld: of it only the sealed
    leaf is left, and the root has to follow from that.
    """
    try:
        salts = source.read(layout.salts_path(log.path))
        if len(salts) != SALT_BYTES * len(log.leaves):
            return Seen("its salts are not one per chunk")
        leaves, withheld, size = _leaves(source, log, salts)
    except Malformed as error:
        return Seen(f"{error.place}: {error.problem}")
    if size != log.bytes:
        return Seen(f"has {size} bytes, sealed were {log.bytes}")
    if len(leaves) != len(log.leaves):
        return Seen(f"has {len(leaves)} chunks, sealed were {len(log.leaves)}")
    for number, (leaf, sealed) in enumerate(zip(leaves, log.leaves, strict=True)):
        if leaf.hex() != sealed:
            place = f"chunk {number} (from byte {number * CHUNK_BYTES})"
            return Seen(f"{place} is not what was sealed")
    if chain.root(leaves).hex() != log.root:
        return Seen("its root does not follow from its leaves")
    return Seen("", tuple(withheld))


def _leaves(source: Source, log: Log, salts: bytes) -> tuple[list[bytes], list[int], int]:
    leaves: list[bytes] = []
    withheld: list[int] = []
    size = 0
    for block in source.blocks(log.path):
        view = memoryview(block)
        for start in range(0, len(view), CHUNK_BYTES):
            number = len(leaves)
            salt = salts[number * SALT_BYTES : (number + 1) * SALT_BYTES]
            chunk = view[start : start + CHUNK_BYTES]
            if salt == NO_SALT and number < len(log.leaves) and is_marker(bytes(chunk)):
                withheld.append(number)
                leaves.append(_raw(log.leaves[number]))
            else:
                leaves.append(chain.chunk_leaf(salt, chunk))
        size += len(view)
    return leaves, withheld, size


def _raw(leaf: str) -> bytes:
    """A leaf hash as bytes; text that is none gives bytes that agree with nothing."""
    try:
        return bytes.fromhex(leaf)
    except ValueError:
        return b""


def digest(source: Source, name: str) -> str:
    """Return the SHA-256 of a file in hex, or why it cannot be read."""
    hasher = chain.new_sha256()
    try:
        for block in source.blocks(name):
            hasher.update(block)
    except Malformed as error:
        return error.problem
    return hasher.hexdigest()
''',
)

_load(
    'verify',
    r'''
"""Verification of a bundle in numbered steps: integrity, completeness, and the decision again.

Here live the checks; how a bundle's bytes are reached is the caller's `Source`. Nothing is trusted
because it says so: every digest is computed again, the decision is derived again from plan and
facts, and whatever cannot be read is a finding, never an exception.

 1. Every record can be read, in a format version that is known.
 2. The plan hashes to the plan root of the checkpoint, the run and the journal.
 3. The journal is one unbroken chain from `opened` to `closed` and tells the attempts of the run.
 4. Every planned cell has all its attempts, nothing unplanned ran, the status table says the same.
 5. Every log hashes, chunk by chunk with its salts, to its sealed leaves.
 6. Every sealed file is there with its digest, and no other file is.
 7. The leaves hash to the final root of the checkpoint.
 8. The facts tell the attempts of the run and the files of the subject's git tree.
 9. Judging plan and facts again gives the decision in the bundle, its sentences apart: those are
    under the seal like every byte, but a later version may word them better.
10. The gate tracker says what the decision says.
11. The root that was expected is the root that was found (only with an expected root).

Left to the caller: where the expected root comes from, and who signed it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from evidence import chain, codec, contents, journal, judge, layout, seal, subject
from evidence.chain import Checkpoint
from evidence.codec import Malformed
from evidence.contents import Mapper, Source
from evidence.model import (
    Attempt,
    AttemptFact,
    Decision,
    Facts,
    Leaf,
    Log,
    Plan,
    Run,
    Seal,
)

R = TypeVar("R")

SHOWN_MAX = 20
"""Findings of one step that are listed before the rest is counted."""

STEPS = (
    "records can be read",
    "plan hashes to the plan root",
    "journal is whole and tells this run",
    "every planned cell has all its attempts",
    "logs hash to their sealed leaves",
    "sealed files are whole, and nothing else is there",
    "leaves hash to the final root",
    "facts tell the attempts and the subject",
    "the decision follows from plan and facts",
    "the gate tracker says what the decision says",
    "the expected root is the root found",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold: the place in the bundle, and what is wrong there."""

    place: str
    problem: str


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step. `checked` is false where an earlier finding left nothing to look at."""

    number: int
    title: str
    checked: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Withheld:
    """What somebody took out after the seal: a chunk of a log (numbered from 0), or a file.

    `leaf` is its sealed leaf hash, which every root still rests on.
    """

    path: str
    chunk: int | None
    leaf: str


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found. `expected` says which root was expected: final, plan or none.

    `decision` is the one derived here, where plan and facts could be read.
    """

    steps: tuple[Step, ...]
    plan_root: str
    final_root: str
    expected: str
    decision: Decision | None
    withheld: tuple[Withheld, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every step was checked and found nothing."""
        return all(step.checked and not step.findings for step in self.steps)


@dataclass(slots=True)
class _Case:
    """What the steps hand on to each other."""

    source: Source
    each: Mapper
    expect_root: str
    findings: list[Finding] = field(default_factory=list)
    names: frozenset[str] = frozenset()
    plan: Plan | None = None
    run: Run | None = None
    facts: Facts | None = None
    decision: Decision | None = None
    sealed: Seal | None = None
    point: Checkpoint | None = None
    logs: Sequence[Log] = ()
    logs_seen: Iterable[contents.Seen] = ()
    """What `contents.look_at` says of each log: asked for early, wanted late."""
    may_lack: frozenset[str] = frozenset()
    withheld: list[Withheld] = field(default_factory=list)
    attempts: tuple[bytes, ...] = ()
    """The canonical bytes of the attempts of the run."""
    hashed: dict[str, str] = field(default_factory=dict)
    """What `contents.digest` said of the files that were read already."""
    digests: dict[str, str] = field(default_factory=dict)
    derived: Decision | None = None
    derived_seal: Seal | None = None
    plan_root: str = ""
    final_root: str = ""
    expected: str = ""

    def find(self, place: str, problem: str) -> None:
        self.findings.append(Finding(place, problem))

    def agree(self, place: str, found: object, wanted: object, of: str) -> None:
        if found != wanted:
            self.find(place, f"does not agree with {of}")


def verify(
    source: Source,
    *,
    expect_root: str = "",
    each: Mapper = map,
    withheld: Iterable[str] = (),
) -> Report:
    """Return what the numbered steps find in a bundle.

    `expect_root` is 64 hex digits taken from somewhere the author of the bundle cannot change: the
    plan root (what was promised) or the final root (everything). `withheld` are files that the
    sign-off of the run says were taken out: they may be gone, and are told. Memory: one block per
    worker plus the records. Reads every file once.
    """
    case = _Case(source, each, expect_root.strip().lower())
    case.may_lack = frozenset(filter(layout.may_be_withheld, withheld))
    checks: list[tuple[Callable[[_Case], None], Sequence[str]]] = [
        (_records, ()),
        (_plan, ("plan", "sealed", "point", "run")),
        (_journal, ("run",)),
        (_completeness, ("plan", "run")),
        (_logs, ("run",)),
        (_files, ("sealed",)),
        (_final_root, ("run", "sealed", "point")),
        (_facts, ("plan", "run", "facts")),
        (_decision, ("plan", "facts", "decision")),
        (_tracker, ("decision",)),
        (_expected, ("point",)),
    ]
    steps = []
    for number, (check, needs) in enumerate(checks, 1):
        if number == len(STEPS) and not expect_root:
            continue
        ready = all(getattr(case, name) is not None for name in needs)
        case.findings = []
        if ready:
            _checked(check, case)
        found = sorted(case.findings, key=lambda finding: finding.place)
        if len(found) > SHOWN_MAX:
            more = Finding("", f"and {len(found) - SHOWN_MAX} more")
            found = [*found[:SHOWN_MAX], more]
        steps.append(Step(number, STEPS[number - 1], ready, tuple(found)))
    roots = case.plan_root, case.final_root, case.expected
    return Report(tuple(steps), *roots, case.derived, tuple(case.withheld))


def _checked(check: Callable[[_Case], None], case: _Case) -> None:
    try:
        check(case)
    except Malformed as error:
        case.find(error.place, error.problem)


# --- the steps ------------------------------------------------------------------------------------


def _records(case: _Case) -> None:
    """Step 1."""
    case.names = frozenset(case.source.names())
    case.point = _try(case, layout.CHECKPOINT, chain.checkpoint_of)
    for name, attribute, cls in (
        (layout.RUN, "run", Run),
        (layout.PLAN, "plan", Plan),
        (layout.FACTS, "facts", Facts),
    ):
        setattr(case, attribute, _try(case, name, partial(codec.read, cls)))
        if case.run and not case.logs:
            case.logs = _logs_of(case.run)
            case.logs_seen = case.each(partial(contents.look_at, case.source), case.logs)
    case.attempts = seal.encoded(case.run) if case.run else ()
    case.decision = _try(case, layout.DECISION, lambda data: _decision_in(case, data))
    case.sealed = _try(case, layout.SEAL, lambda data: _seal_in(case, data))


# What follows from the other records is derived first. Where the file holds just those bytes,
# reading it would give the same record, at several times the cost.


def _decision_in(case: _Case, data: bytes) -> Decision:
    if case.plan and case.facts:
        with contextlib.suppress(ValueError):  # step 9 says so
            derived = judge.decide(case.plan, case.facts)
            if codec.write(derived) == data:
                case.derived = derived
                return derived
    return codec.read(Decision, data)


def _seal_in(case: _Case, data: bytes) -> Seal:
    """The seal lies outside the seal, so only its canonical form will do."""
    derived = _derived_seal(case)
    if derived and seal.text_of(derived.plan, derived.final) == data:
        case.derived_seal = derived
        return derived
    sealed = codec.read(Seal, data)
    if codec.write(sealed) != data:
        raise Malformed("", "is not in canonical form")
    return sealed


def _derived_seal(case: _Case) -> Seal | None:
    """The seal over plan, run and files as they are; None where one cannot be read."""
    plan, run = case.plan, case.run
    if not plan or not run:
        return None
    digests = _hashed(case, sorted(filter(seal.is_plain, case.names)))
    try:
        promised = seal.plan_leaves(plan)
        final = seal.final_leaves(seal.root_of(promised), run, digests, case.attempts)
    except Malformed:
        return None
    return Seal(1, promised, final)


def _hashed(case: _Case, names: Sequence[str]) -> dict[str, str]:
    """What `contents.digest` says of these files, each of which is read once."""
    new = [name for name in names if name not in case.hashed]
    found = case.each(partial(contents.digest, case.source), new)
    case.hashed.update(zip(new, found, strict=True))
    return {name: case.hashed[name] for name in names}


def _try(case: _Case, name: str, reader: Callable[[bytes], R]) -> R | None:
    try:
        return reader(case.source.read(name))
    except Malformed as error:
        within = error.place.removeprefix(name)
        case.find(f"{name} {within}".strip(), error.problem)
        return None


def _plan(case: _Case) -> None:
    """Step 2."""
    plan, sealed, point, run = case.plan, case.sealed, case.point, case.run
    assert plan
    assert sealed
    assert point
    assert run
    leaves = case.derived_seal.plan if case.derived_seal else seal.plan_leaves(plan)
    case.plan_root = seal.root_of(leaves)
    _name_stale(case, leaves, sealed.plan)
    case.agree(layout.PLAN, case.plan_root, point.plan_root, "the plan root of the checkpoint")
    case.agree(layout.RUN, run.plan_root, case.plan_root, "the plan root")
    case.agree(layout.RUN, run.label, plan.label, "the label of the plan")
    case.agree(layout.CHECKPOINT, point.audit, plan.audit.id, "the audit of the plan")
    case.agree(layout.CHECKPOINT, point.label, plan.label, "the label of the plan")


def _name_stale(case: _Case, leaves: Sequence[Leaf], sealed: Sequence[Leaf]) -> None:
    """Names every leaf that was sealed otherwise, is gone, or was never sealed."""
    if leaves is sealed:
        return
    found = {leaf.name: leaf.hash for leaf in leaves}
    names = {leaf.name: leaf.hash for leaf in sealed}
    for name in sorted(found.keys() | names.keys()):
        if name not in names:
            case.find(name, "was not sealed")
        elif name not in found:
            case.find(name, "was sealed and is gone")
        elif found[name] != names[name]:
            case.find(name, "is not what was sealed")
    if [leaf.name for leaf in leaves] != [leaf.name for leaf in sealed]:
        case.find(layout.SEAL, "does not list the leaves in their order")


def _journal(case: _Case) -> None:
    """Step 3."""
    run = case.run
    assert run
    try:
        data = case.source.read(layout.JOURNAL)
    except Malformed as error:
        case.find(layout.JOURNAL, error.problem)
        return
    told = journal.read(data, journal.records_of(run.attempts, case.attempts))
    if told.problem:
        case.find(layout.JOURNAL, told.problem)
    for place, problem in journal.gaps(told.records):
        case.find(place or layout.JOURNAL, problem)
    first = told.records[0] if told.records else None
    last = told.records[-1] if told.records else None
    ended = [record.attempt for record in told.records if isinstance(record, journal.Ended)]
    if not isinstance(first, journal.Opened):
        case.find(layout.JOURNAL, "does not begin with the plan root")
    elif (first.run, first.label, first.plan_root) != (run.id, run.label, run.plan_root):
        case.find(layout.JOURNAL, "was opened for another run or another plan root")
    if not isinstance(last, journal.Closed) or last.attempts != len(ended):
        case.find(layout.JOURNAL, "was not closed over all its attempts")
    resumed = sum(isinstance(record, journal.Resumed) for record in told.records)
    case.agree(layout.RUN, run.resumed, resumed, "the journal's continuations")
    _agree_attempts(case, ended, run.attempts)


def _agree_attempts(case: _Case, told: Sequence[Attempt], run: Sequence[Attempt]) -> None:
    told = seal.final_paths(told)
    journaled = {(attempt.cell, attempt.number): attempt for attempt in told}
    listed = {(attempt.cell, attempt.number): attempt for attempt in run}
    for key in sorted(journaled.keys() | listed.keys()):
        if journaled.get(key) != listed.get(key):
            place = journal.attempt_name(*key)
            case.find(place, "is not the same in journal and run")
    if len(journaled) != len(told) or list(told) != list(run):
        case.find(layout.RUN, "does not list the attempts as the journal tells them")


def _completeness(case: _Case) -> None:
    """Step 4."""
    plan, run = case.plan, case.run
    assert plan
    assert run
    numbers: dict[str, list[int]] = {}
    for attempt in run.attempts:
        numbers.setdefault(attempt.cell, []).append(attempt.number)
    planned = {cell.id for cell in plan.cells}
    for name in sorted(planned - numbers.keys()):
        case.find(name, "is planned and has no attempt")
    for name in sorted(numbers.keys() - planned):
        case.find(name, "ran and is not planned")
    for name, counted in sorted(numbers.items()):
        if counted != list(range(1, len(counted) + 1)):
            case.find(name, "lacks an attempt, or has one twice")
    for attempt in run.attempts:
        if attempt.log is not None:
            last = max(numbers[attempt.cell])
            wanted = layout.log_path(attempt.cell, attempt.number, last)
            case.agree(attempt.log.path, attempt.log.path, wanted, "its attempt's number")
    wanted_tsv = seal.status_tsv(plan, run)
    table = _try(case, layout.STATUS_TSV, bytes)
    case.agree(layout.STATUS_TSV, table, wanted_tsv, "plan and run")


def _logs(case: _Case) -> None:
    """Step 5."""
    for log, seen in zip(case.logs, case.logs_seen, strict=True):
        if seen.problem:
            case.find(log.path, seen.problem)
        case.withheld += [Withheld(log.path, n, log.leaves[n]) for n in seen.withheld]


def _logs_of(run: Run) -> list[Log]:
    return [attempt.log for attempt in run.attempts if attempt.log is not None]


def _files(case: _Case) -> None:
    """Step 6."""
    run, sealed = case.run, case.sealed
    assert sealed
    logs = {attempt.log.path for attempt in run.attempts if attempt.log} if run else set()
    salts = {layout.salts_path(path) for path in logs}
    wanted = {leaf.name[5:]: leaf.hash for leaf in sealed.final if leaf.name.startswith("file/")}
    for name in sorted(case.names - wanted.keys() - logs - salts - set(layout.UNSEALED)):
        case.find(name, "is not part of the evidence")
    gone = (logs | salts | wanted.keys()) - case.names
    may_lack = sorted(gone & wanted.keys() & case.may_lack)
    for name in sorted(gone - _withheld(case, may_lack, wanted)):
        case.find(name, "is gone")
    present = sorted(wanted.keys() & case.names)

    for name, found in _hashed(case, present).items():
        if len(found) != len(chain.sha256(b"")) or " " in found:
            case.find(name, found)
            continue
        case.digests[name] = found
        if chain.leaf_hash(f"file/{name}", found) != wanted[name]:
            case.find(name, "is not what was sealed")
    _artifacts(case)
    table = _try(case, layout.SUMS, bytes)
    if table is not None and table != seal.sums(case.digests):
        case.find(layout.SUMS, "does not list the files as they are")


def _withheld(case: _Case, names: Sequence[str], wanted: Mapping[str, str]) -> set[str]:
    """Those of some files that are gone whose sealed digest is left, in the table of sums."""
    found = set()
    for name in names:
        digest = seal.sum_of(case.source.read(layout.SUMS), name)
        if len(digest) == 64 and chain.leaf_hash(f"file/{name}", digest) == wanted[name]:
            case.digests[name] = digest
            case.withheld.append(Withheld(name, None, wanted[name]))
            found.add(name)
    return found


def _artifacts(case: _Case) -> None:
    listed = {
        artifact.path: artifact.sha256
        for attempt in (case.run.attempts if case.run else ())
        for artifact in attempt.artifacts
    }
    for path in sorted(listed):
        case.agree(path, case.digests.get(path), listed[path], "the attempt that left it")
    kept = {name for name in case.names if name.startswith(f"{layout.ARTIFACTS}/")}
    for path in sorted(kept - listed.keys()):
        case.find(path, "belongs to no attempt")


def _final_root(case: _Case) -> None:
    """Step 7."""
    run, sealed, point = case.run, case.sealed, case.point
    assert run
    assert sealed
    assert point
    derived = case.derived_seal
    found = (
        derived.final
        if derived
        else seal.final_leaves(case.plan_root or run.plan_root, run, case.digests, case.attempts)
    )
    _name_stale(case, found, sealed.final)
    case.final_root = seal.root_of(found)
    case.agree(layout.CHECKPOINT, point.final_root, case.final_root, "the leaves")
    case.agree(layout.CHECKPOINT, point.size, len(found), "the number of leaves")


def _facts(case: _Case) -> None:
    """Step 8."""
    plan, run, facts = case.plan, case.run, case.facts
    assert plan
    assert run
    assert facts
    wanted = tuple(fact_of(attempt) for attempt in run.attempts)
    case.agree(layout.FACTS, facts.attempts, wanted, "the attempts of the run")
    case.agree(layout.FACTS, facts.as_of, run.end_utc, "the end of the run")
    _no_fact_twice(case, facts)
    planned = {cell.id for cell in plan.cells}
    told = {
        fact.cell for facts_of in (facts.results, facts.tests, facts.metrics) for fact in facts_of
    }
    for name in sorted(told - planned):
        case.find(layout.FACTS, f"speaks of an unplanned cell=`{name}`")
    place = f"{layout.OBJECTS}/{subject.OBJECTS_FILE}"
    algorithm = "sha256" if len(plan.subject.commit) == 64 else "sha1"
    try:
        objects = subject.split_objects(case.source.read(place), place, algorithm)
        tree, files = subject.files_of(objects, plan.subject.commit)
        digest = subject.digest_of(files, plan.rules.outputs)
    except Malformed as error:
        case.find(place, str(error))
        return
    case.agree(place, tree, plan.subject.tree, "the tree of the subject")
    case.agree(place, digest, plan.subject.digest, "the digest of the subject")
    there = subject.paths_of(files)
    for fact in facts.files:
        if fact.found != (fact.path.rstrip("/") in there):
            case.find(layout.FACTS, f"says of {fact.path} what the tree does not say")


def _no_fact_twice(case: _Case, facts: Facts) -> None:
    """A second answer to a question could hide the first; of tests and metrics, all count."""
    asked = Counter[object](("result", fact.cell, fact.path) for fact in facts.results)
    asked.update(("file", fact.path, fact.contains) for fact in facts.files)
    asked.update(("absent", fact.pattern, fact.inside, fact.besides) for fact in facts.absent)
    asked.update(("engine", fact.fact) for fact in facts.engine)
    for question in sorted(str(question) for question, count in asked.items() if count > 1):
        case.find(layout.FACTS, f"answers twice: {question}")


def fact_of(attempt: Attempt) -> AttemptFact:
    """Return what the judge may know of an attempt."""
    return AttemptFact(
        cell=attempt.cell,
        number=attempt.number,
        result=attempt.result,
        reason=attempt.reason,
        exit_code=attempt.exit_code,
        end_utc=attempt.end_utc,
    )


def _decision(case: _Case) -> None:
    """Step 9."""
    plan, facts, decision = case.plan, case.facts, case.decision
    assert plan
    assert facts
    assert decision
    if case.derived:
        return
    try:
        case.derived = judge.decide(plan, facts)
    except ValueError as error:
        case.find(layout.FACTS, f"cannot be judged: {error}")
        return
    told_bare, derived_bare = judge.without_words(decision), judge.without_words(case.derived)
    case.agree(layout.DECISION, decision.verdict, case.derived.verdict, "the verdict derived again")
    for told, again in (
        (told_bare.gates, derived_bare.gates),
        (told_bare.signals, derived_bare.signals),
        (told_bare.cells, derived_bare.cells),
    ):
        _agree_decided(case, told, again)
    case.agree(layout.DECISION, told_bare, derived_bare, "the decision derived again")


def _agree_decided(case: _Case, told: Sequence[Any], again: Sequence[Any]) -> None:
    for one, other in zip(told, again, strict=False):
        if one != other:
            name = getattr(one, "id", None)
            name = one.cell if name is None else name
            case.find(f"{layout.DECISION} {name}", "does not follow from plan and facts")


def _tracker(case: _Case) -> None:
    """Step 10."""
    decision = case.decision
    assert decision
    place = f"{layout.DOCUMENTS}/{layout.TRACKER}"
    read = _try(case, place, lambda data: [codec.parse(data)])
    if read is None:
        return
    value = read[0]
    try:
        told = value["verdict"], _statuses(value["gates"]), _statuses(value["signals"])
    except (KeyError, TypeError):
        case.find(place, "is not a gate tracker")
        return
    gates = [(int, gate.id, gate.status) for gate in decision.gates]
    signals = [(str, signal.id, signal.status) for signal in decision.signals]
    case.agree(place, told, (decision.verdict, gates, signals), "the decision")


def _statuses(items: Any) -> list[tuple[type, Any, Any]]:
    """The types keep `true` from passing for the gate 1."""
    return [(type(item["id"]), item["id"], item["status"]) for item in items]


def _expected(case: _Case) -> None:
    """Step 11."""
    if case.expect_root == case.final_root:
        case.expected = "final"
    elif case.expect_root == case.plan_root:
        case.expected = "plan"
    else:
        case.find(
            layout.CHECKPOINT,
            f"the expected root {case.expect_root:.64} is neither the final root"
            f" {case.final_root or 'not found'} nor the plan root {case.plan_root or 'not found'}:"
            " it is that of another run, or this one was edited",
        )
''',
)

_load(
    'ed25519',
    r'''
"""Ed25519 signatures checked in plain Python, so that a stranger needs nothing to be installed.

Only checking lives here; keys are made and used by a library. Source: RFC 8032 section 5.1.
Nothing here is secret, so nothing here needs to take the same time for every input.
"""

from __future__ import annotations

import hashlib

PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]
"""X, Y, Z and T with x = X/Z, y = Y/Z and x * y = T/Z."""
_NEUTRAL: _Point = (0, 1, 1, 0)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` over `message` was made with the key of `public`.

    Cost: about 1 ms. Without cofactor, and comparing encoded points, as OpenSSL does.
    """
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    key = _decode(public)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= _L:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % _L
    x, y, z, t = key
    return _encode(_both(scalar, _BASE, challenge, (-x % _P, y, z, -t % _P))) == signature[:32]


def is_weak(public: bytes) -> bool:
    """Return whether a public key is none, or one whose signatures need no secret to be made.

    Those are the points whose eightfold is neutral: each is known to everybody.
    """
    point = _decode(public)
    if point is None:
        return True
    for _ in range(3):
        point = _double(point)
    return _encode(point) == _encode(_NEUTRAL)


def _both(one: int, point: _Point, other: int, second: _Point) -> _Point:
    """`one * point + other * second`, bit by bit for both at once."""
    table = (_NEUTRAL, point, second, _add(point, second))
    total = _NEUTRAL
    for bit in range(max(one.bit_length(), other.bit_length()) - 1, -1, -1):
        total = _double(total)
        which = (one >> bit & 1) | (other >> bit & 1) << 1
        if which:
            total = _add(total, table[which])
    return total


def _add(left: _Point, right: _Point) -> _Point:
    """Source: RFC 8032 section 5.1.4."""
    x1, y1, z1, t1 = left
    x2, y2, z2, t2 = right
    a, b = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P
    c, d = 2 * t1 * t2 * _D % _P, 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(point: _Point) -> _Point:
    x, y, z, _ = point
    a, b = x * x % _P, y * y % _P
    h = a + b
    e = h - (x + y) * (x + y) % _P
    g = a - b
    f = 2 * z * z % _P + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _decode(data: bytes) -> _Point | None:
    """Source: RFC 8032 section 5.1.3. None of what encodes no point, or not in the one way."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _ROOT_OF_MINUS_1 % _P
        if v * x * x % _P != u:
            return None
    if not x and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _encode(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    x, y = x * inverse % _P, y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE = _decode(_BASE_Y.to_bytes(32, "little")) or _NEUTRAL
''',
)

_load(
    'dsse',
    r'''
"""Signed statements: DSSE envelopes around in-toto Statements, and C2SP signed notes.

Here lives how signed bytes are written and read; who may sign what is in `roster`. Nothing is
checked by being read: an envelope that was read is a claim.
Sources: DSSE v1.0, in-toto Statement v1, C2SP signed-note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from evidence import codec
from evidence.codec import Malformed

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
ENVELOPE_BYTES_MAX = 16 << 20
"""Largest envelope that is read: what the field's attestation stores accept."""
SIGNATURES_MAX = 64
"""Signatures of one envelope that are looked at; each costs time to check."""

_NOTE_DASH = "\u2014 "
_NOTE_ED25519 = b"\x01"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature. `keyid` is a hint that nobody vouches for."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload of a type, with its signatures."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: a name and its digests, such as `sha256` or `gitCommit`."""

    name: str
    digests: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """An in-toto Statement: the predicate is a JSON value of the predicate's type."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Any


# --- envelopes ------------------------------------------------------------------------------------


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding: the bytes that a signature is over.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def write(envelope: Envelope) -> bytes:
    """Return an envelope as one line of canonical JSON, without a newline."""
    signatures = [
        {"keyid": signature.keyid, "sig": base64.b64encode(signature.sig).decode()}
        for signature in envelope.signatures
    ]
    payload = base64.b64encode(envelope.payload).decode()
    value = {"payload": payload, "payloadType": envelope.payload_type, "signatures": signatures}
    return codec.compact(value)


def read(data: bytes, place: str = "") -> Envelope:
    """Return the envelope in JSON text. Fields that DSSE does not name are ignored.

    Raises:
        Malformed: too large, not strict JSON, or not an envelope.
    """
    if len(data) > ENVELOPE_BYTES_MAX:
        raise Malformed(place, f"is larger than {ENVELOPE_BYTES_MAX} bytes")
    value = codec.parse(data, place)
    if not isinstance(value, dict):
        raise Malformed(place, "is not an envelope")
    signatures = value.get("signatures")
    if not isinstance(signatures, list) or len(signatures) > SIGNATURES_MAX:
        raise Malformed(place, f"does not have a list of at most {SIGNATURES_MAX} signatures")
    kind = _text(value, "payloadType", place)
    if any("\ud800" <= char <= "\udfff" for char in kind):
        raise Malformed(place, "has a payloadType that is no text in UTF-8")
    return Envelope(
        kind,
        _bytes(value, "payload", place),
        tuple(_signature(item, f"{place} signature {n}") for n, item in enumerate(signatures)),
    )


def _signature(value: Any, place: str) -> Signature:
    if not isinstance(value, dict):
        raise Malformed(place, "is not an object")
    keyid = value.get("keyid", "")
    if not isinstance(keyid, str):
        raise Malformed(place, "has a keyid that is no text")
    return Signature(keyid, _bytes(value, "sig", place))


def _text(value: dict[str, Any], key: str, place: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise Malformed(place, f"lacks {key}")
    return text


def _bytes(value: dict[str, Any], key: str, place: str) -> bytes:
    """Standard or URL-safe base64, as DSSE allows both; never a mixture or something else."""
    text = _text(value, key, place)
    altchars = b"-_" if "-" in text or "_" in text else None
    if altchars and ("+" in text or "/" in text):
        raise Malformed(place, f"has a {key} in two kinds of base64")
    try:
        return base64.b64decode(text.encode("ascii"), altchars, validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Malformed(place, f"has a {key} that is not base64") from error


# --- statements -----------------------------------------------------------------------------------


def write_statement(statement: Statement) -> bytes:
    """Return the payload of a statement: one line of canonical JSON, without a newline."""
    subjects = [
        {"name": subject.name, "digest": dict(subject.digests)} for subject in statement.subjects
    ]
    return codec.compact(
        {
            "_type": STATEMENT_TYPE,
            "subject": subjects,
            "predicateType": statement.predicate_type,
            "predicate": statement.predicate,
        }
    )


def read_statement(envelope: Envelope, place: str = "") -> Statement:
    """Return the statement in an envelope. Unknown fields are ignored, as the format asks.

    Raises:
        Malformed: another payload type, another statement version, or not a statement.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Malformed(place, f"holds {envelope.payload_type!r:.80} and not {PAYLOAD_TYPE}")
    value = codec.parse(envelope.payload, place)
    if not isinstance(value, dict) or value.get("_type") != STATEMENT_TYPE:
        raise Malformed(place, f"is not a statement of type {STATEMENT_TYPE}")
    subjects = value.get("subject")
    if not isinstance(subjects, list):
        raise Malformed(place, "has no list of subjects")
    return Statement(
        tuple(_subject(item, f"{place} subject {n}") for n, item in enumerate(subjects)),
        _text(value, "predicateType", place),
        value.get("predicate"),
    )


def _subject(value: Any, place: str) -> Subject:
    if not isinstance(value, dict) or not isinstance(value.get("digest"), dict):
        raise Malformed(place, "is not a name with digests")
    digests = value["digest"]
    if not all(isinstance(item, str) for item in digests.values()):
        raise Malformed(place, "has a digest that is no text")
    name = value.get("name", "")
    if not isinstance(name, str):
        raise Malformed(place, "has a name that is no text")
    return Subject(name, tuple(sorted(digests.items())))


# --- notes ----------------------------------------------------------------------------------------


def note_key(name: str, public: bytes) -> bytes:
    """Return the four bytes by which a signed note names an Ed25519 key. Source: C2SP."""
    return hashlib.sha256(name.encode() + b"\n" + _NOTE_ED25519 + public).digest()[:4]


def write_note(text: bytes, signatures: tuple[tuple[str, bytes, bytes], ...]) -> bytes:
    """Return a signed note: the text, which ends in a newline, then a line for each signature.

    `signatures` are (name of the key, four bytes of its id, signature over the text).
    """
    lines = (
        f"{_NOTE_DASH}{name} {base64.b64encode(key + sig).decode()}\n"
        for name, key, sig in signatures
    )
    return text + b"\n" + "".join(lines).encode()


def read_note(data: bytes, place: str = "") -> tuple[bytes, tuple[tuple[str, bytes, bytes], ...]]:
    """Return the text of a signed note and its signatures, as `write_note` takes them.

    Raises:
        Malformed: no empty line before the signatures, or a line that is none.
    """
    text, gap, tail = data.rpartition(b"\n\n")
    if not gap or not tail.endswith(b"\n"):
        raise Malformed(place, "is not a signed note")
    try:
        lines = tail.decode().removesuffix("\n").split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise Malformed(place, f"has more than {SIGNATURES_MAX} signatures")
        signatures = tuple(map(_note_line, lines))
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed(place, "has a signature line that is none") from error
    return text + b"\n", signatures


def _note_line(line: str) -> tuple[str, bytes, bytes]:
    dash, name, encoded = line[:2], *line[2:].split(" ")
    raw = base64.b64decode(encoded, validate=True)
    if dash != _NOTE_DASH or not name or len(raw) < 5:
        raise ValueError(line)
    return name, raw[:4], raw[4:]
''',
)

_load(
    'roster',
    r'''
"""Whom to trust: keys, the people behind them, their roles, thresholds and when all that held.

Here lives the small file that a verifying party keeps (`audit-trust.toml`), and the rules that
follow from it. It comes from the verifying side, never from a bundle. Pure functions.
"""

from __future__ import annotations

import base64
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from evidence import codec, ed25519
from evidence.codec import Malformed
from evidence.dsse import Envelope, pae
from evidence.instant import milliseconds

RUNNER = "runner"
"""The role whose keys sign what a run leaves: its checkpoint and its attestations."""

SIGSTORE = "Fulcio"
"""The scheme whose `public` is an identity and its issuer, as securesystemslib calls it."""

Scheme = str
Check = Callable[["Key", bytes, bytes], bool | None]
"""Whether a signature of a key over a message is good; None where the scheme cannot be checked."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, whose it is, and the half-open window of time in which it may sign.

    `public` is 64 hex digits for `ed25519`, JSON for OpenPGP and Sigstore, PEM text for other
    schemes. The scheme is taken from here alone: what an envelope says of its own algorithm is
    never heard.
    """

    id: str
    person: str
    roles: tuple[str, ...]
    scheme: Scheme
    public: str
    valid_from: str
    valid_until: str | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many different people have to sign for a role, where one is not enough."""

    role: str
    people: int


@dataclass(frozen=True, slots=True)
class Separate:
    """Roles that one person may not hold in the same sign-off."""

    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """The trust file. Keys are listed for ever: one that is no longer valid got a `valid_until`.

    `waive` lists the roles that may waive: without it nobody can.
    """

    format_version: Literal[1]
    waive: tuple[str, ...] = ()
    key: tuple[Key, ...] = ()
    threshold: tuple[Threshold, ...] = ()
    separate: tuple[Separate, ...] = ()

    def people_for(self, role: str, count: int) -> int:
        """Return how many people a role needs, where a condition asks for `count`."""
        return max([count, *(rule.people for rule in self.threshold if rule.role == role)])

    def apart(self, one: str, other: str) -> bool:
        """Whether the two roles have to be held by different people."""
        return one != other and any({one, other} <= set(rule.roles) for rule in self.separate)


def read(data: bytes, place: str = "audit-trust.toml") -> Roster:
    """Return the roster in TOML text.

    Raises:
        Malformed: not TOML, an unknown field, a key twice, a key without a secret, people whose
            names look alike, or another value that cannot be.
    """
    try:
        value = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Malformed(place, f"is not TOML: {error}") from error
    roster = codec.from_value(Roster, value, place)
    seen: set[str | bytes] = set()
    for number, key in enumerate(roster.key):
        where = f"{place} key[{number}]"
        _check_key(key, where)
        if key.id in seen or _material(key) in seen:
            raise Malformed(where, "is listed twice")
        seen |= {key.id, _material(key)}
    for number, threshold in enumerate(roster.threshold):
        if threshold.people < 1:
            raise Malformed(f"{place} threshold[{number}].people", "is not at least 1")
    for number, separate in enumerate(roster.separate):
        if len(set(separate.roles)) < 2:
            raise Malformed(f"{place} separate[{number}].roles", "does not name two roles")
    _check_names(roster, place)
    return roster


def _check_key(key: Key, place: str) -> None:
    if not key.id or not key.person.strip() or not key.roles:
        raise Malformed(place, "lacks an id, a person or a role")
    if key.scheme == "ed25519" and not _is_hex(key.public, ed25519.PUBLIC_BYTES):
        raise Malformed(f"{place}.public", "is not 64 hex digits")
    if key.scheme == "ed25519" and ed25519.is_weak(bytes.fromhex(key.public)):
        raise Malformed(f"{place}.public", "is a key by which anybody could sign")
    if key.scheme == SIGSTORE and not is_identity(key.public):
        raise Malformed(f"{place}.public", "does not name an identity and its issuer")
    _check_spelling(key.public, f"{place}.public")
    try:
        begins = milliseconds(key.valid_from)
        ends = None if key.valid_until is None else milliseconds(key.valid_until)
    except ValueError as error:
        raise Malformed(place, str(error)) from error
    if ends is not None and ends <= begins:
        raise Malformed(f"{place}.valid_until", "is not after valid_from")


def _check_spelling(public: str, place: str) -> None:
    """One key is found again in any spelling, so nothing that programs skip may stand beside it."""
    try:
        if "-----BEGIN" in public:
            _of_pem(public)
            return
        numbers = codec.parse(public.encode()) if public.lstrip().startswith("{") else {}
    except ValueError as error:
        problem = "is not one block of PEM, or JSON, and nothing else"
        raise Malformed(place, problem) from error
    if isinstance(numbers, dict) and {"n", "q"} <= numbers.keys():
        raise Malformed(place, "has the numbers of two kinds of keys")


def is_identity(public: str) -> bool:
    """Whether a `public` names an identity and its issuer: without one, anybody could vouch."""
    try:
        value = codec.parse(public.encode())
    except (Malformed, UnicodeEncodeError):
        return False
    names = [value.get(name) for name in ("identity", "issuer")] if isinstance(value, dict) else []
    return bool(names) and all(isinstance(name, str) and name.strip() for name in names)


def _is_hex(text: str, size: int) -> bool:
    try:
        return len(text) == 2 * size and bytes.fromhex(text).hex() == text
    except ValueError:
        return False


_LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u0432\u043a"
    "\u043c\u043d\u0442\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0131"
    "\u0251\u0261\u0475\u0570\u0578\u057d\u0585",
    "aeopcyxijsdqwhbkmhtaeikvoptuxiagvhnuo",
)
"""Letters of other scripts that are drawn as a Latin one, small ones; what they are drawn as."""
_STROKES = str.maketrans("I1|0", "lllO")
"""What is drawn as another letter in this case alone; what it is drawn as."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What is drawn as nothing and counts as printable: Default_Ignorable_Code_Point, and an empty
pattern of Braille. Source: Unicode, DerivedCoreProperties.txt"""


def _check_names(roster: Roster, place: str) -> None:
    """People are counted by their names and roles found by theirs, so each has one spelling."""
    people = [(f"key[{number}].person", key.person) for number, key in enumerate(roster.key)]
    roles = list(_roles(roster))
    ids = [(f"key[{number}]", key.id) for number, key in enumerate(roster.key)]
    for where, name in (*ids, *people, *roles):
        one_spelling = unicodedata.normalize("NFC", " ".join(name.split())) == name
        if not one_spelling or not name.isprintable() or _UNSEEN.search(name):
            raise Malformed(f"{place} {where}", "has odd spaces, or letters that do not show")
    _refuse_alike(people, "person", place)
    _refuse_alike(roles, "role", place)


def _roles(roster: Roster) -> Iterator[tuple[str, str]]:
    for number, key in enumerate(roster.key):
        yield from ((f"key[{number}].roles", name) for name in key.roles)
    yield from (("waive", name) for name in roster.waive)
    yield from (("threshold", rule.role) for rule in roster.threshold)
    yield from (("separate", name) for rule in roster.separate for name in rule.roles)


def _refuse_alike(names: Iterable[tuple[str, str]], noun: str, place: str) -> None:
    """A person who looks like another is counted twice; a rule about such a role rules nobody."""
    known: dict[str, str] = {}
    for where, name in names:
        for shape in _drawn(name):
            if known.setdefault(shape, name) != name:
                problem = f"looks like another {noun} of this file, and is spelled otherwise"
                raise Malformed(f"{place} {where}", problem)


def _drawn(name: str) -> tuple[str, str]:
    """What a name looks like on a screen, as far as its letters are known to be drawn alike: in
    any case, and as it is written."""
    plain = unicodedata.normalize("NFKC", name)
    return (
        plain.casefold().translate(_LOOK_ALIKES),
        plain.translate(_STROKES).casefold().translate(_LOOK_ALIKES),
    )


def _material(key: Key) -> bytes:
    """The number that makes a public key what it is, however it is written down.

    An Ed25519 key as hex or as OpenPGP has it, the modulus of an RSA key, one coordinate of a point
    on a curve: with the same number, the same person signs. With Sigstore it is who signs.
    """
    text = key.public
    try:
        if text.lstrip().startswith("{"):
            numbers = codec.parse(text.encode())
            if key.scheme == SIGSTORE:
                return codec.compact([numbers["issuer"], numbers["identity"]])
            return _tail(bytes.fromhex(str(numbers.get("n") or numbers.get("q"))))
        if "-----BEGIN" not in text:
            return _tail(bytes.fromhex(text))
        return _of_der(_of_pem(text))
    except ValueError:
        return text.encode("utf-8", "surrogatepass")


_PEM = re.compile(r"\s*-----BEGIN ([A-Z ]+)-----\s([A-Za-z0-9+/=\s]+)-----END \1-----\s*")
_CURVES = ((bytes.fromhex("06082a8648ce3d030107"), 32), (bytes.fromhex("06052b81040022"), 48))
"""P-256 and P-384 as DER names them, and the bytes of a coordinate. Source: RFC 5480."""


def _of_pem(text: str) -> bytes:
    """The bytes in PEM text. Raises `ValueError` for anything but one block."""
    found = _PEM.fullmatch(text)
    if found is None:
        raise ValueError("not one block of PEM")
    return base64.b64decode("".join(found[2].split()), validate=True)


def _of_der(data: bytes) -> bytes:
    """RSA ends with its exponent behind the modulus, a point with one coordinate or both."""
    for name, size in _CURVES:
        head, found, _ = data[:32].partition(name)
        if found:
            start = len(head) + len(name) + 4  # BIT STRING, its length, no bits unused, which form
            return _tail(data[start : start + size])
    for size in range(1, 9):
        if data[-size - 2 : -size] == bytes((2, size)):
            return _tail(data[: -size - 2])
    return _tail(data)


def _tail(data: bytes) -> bytes:
    return data[-ed25519.PUBLIC_BYTES :]


def may(key: Key, role: str, utc: str) -> str:
    """Return why a key may not speak for a role at an instant; empty where it may."""
    at = milliseconds(utc)
    if at < milliseconds(key.valid_from):
        return f"the key of {key.person} is valid only from {key.valid_from}"
    if key.valid_until is not None and at >= milliseconds(key.valid_until):
        return f"the key of {key.person} was valid until {key.valid_until}"
    if role not in key.roles:
        return f"{key.person} does not hold the role {role}"
    return ""


def check_ed25519(key: Key, message: bytes, signature: bytes) -> bool | None:
    """Check an Ed25519 signature; None for every other scheme."""
    if key.scheme != "ed25519":
        return None
    return ed25519.verify(bytes.fromhex(key.public), message, signature)


@dataclass(frozen=True, slots=True)
class Signed:
    """Which keys of the roster signed an envelope; why others do not count; what is unknown."""

    keys: tuple[Key, ...]
    refused: tuple[str, ...]
    unchecked: tuple[str, ...]


def signers(envelope: Envelope, roster: Roster, check: Check = check_ed25519) -> Signed:
    """Return whose signatures an envelope truly has. A key counts once, however often it signed."""
    message = pae(envelope.payload_type, envelope.payload)
    by_id = {key.id: key for key in roster.key}
    good: dict[str, Key] = {}
    refused: list[str] = []
    unchecked: list[str] = []
    for signature in envelope.signatures:
        key = by_id.get(signature.keyid)
        if key is None:
            refused.append(f"key {signature.keyid:.16} is not in the trust file")
            continue
        if key.id in good:
            continue
        answer = check(key, message, signature.sig)
        if answer is None:
            unchecked.append(f"{key.person} signed by {key.scheme}, which is not checked here")
        elif answer:
            good[key.id] = key
        else:
            refused.append(f"the signature of {key.person} is not over these bytes")
    return Signed(tuple(good.values()), tuple(refused), tuple(unchecked))
''',
)

_load(
    'signoff',
    r'''
"""The sign-off log: what people add to a run after it was sealed, as signed and chained lines.

Here live the entries and how the log is written and read; what they amount to is decided by
`weigh`. One line is one DSSE envelope around an in-toto Statement, and every statement names its
number and the digest of the line before it: whoever signs one vouches for all before. A prefix of
a log is a log; lines that do not follow are named and not heard.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evidence import chain, codec, dsse, layout
from evidence.codec import Malformed
from evidence.dsse import Envelope, Statement, Subject
from evidence.model import Plan

ORIGIN = "arco-audit-sign-off"
LOG_BYTES_MAX = 256 << 20
"""Largest sign-off log that is read."""

ATTACHED_BYTES_MAX = 1 << 30
"""Largest file that can be attached, and that is looked at."""


@dataclass(frozen=True, slots=True)
class At:
    """Where an entry stands: the run that it is about, its number from 0, the line before it."""

    audit: str
    label: str
    final_root: str
    number: int
    previous: str


@dataclass(frozen=True, slots=True)
class GateSeen:
    """A gate as its approver saw it: the digest that `slices.slice_digest` gives."""

    gate: int
    digest: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was shown, with its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A role-holder's statement over the decision and the pages that were shown.

    `since` is the digest of this person's approval before, from which changes were shown.
    """

    at: At
    person: str
    role: str
    signed_utc: str
    decision: str
    gates: tuple[GateSeen, ...]
    pages: tuple[Page, ...]
    since: str
    note: str = ""
    expires_utc: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """An artifact that people brought for an `external` condition. It counts once it is approved.

    It lies in the sign-off folder under its digest; `review_utc` says when to look at it again.
    """

    at: At
    person: str
    role: str
    signed_utc: str
    signal: str
    artifact: str
    name: str
    sha256: str
    bytes: int
    note: str = ""
    expires_utc: str | None = None
    review_utc: str | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """Permission to pass a red signal, for one failure of one subject in a half-open window."""

    at: At
    person: str
    role: str
    signed_utc: str
    gate: int
    signal: str
    fingerprint: str
    subject: str
    from_utc: str
    until_utc: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withholding:
    """Chunks of a log, or a whole file, that were taken out of the bundle, and why.

    `leaves` are the sealed leaf hashes of the chunks: they stay in the seal, and are shown.
    """

    at: At
    person: str
    role: str
    signed_utc: str
    path: str
    chunks: tuple[int, ...]
    leaves: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Carry:
    """A proof that the evidence of an earlier run for a command still holds; see `carry`."""

    at: At
    person: str
    role: str
    signed_utc: str
    command: str
    run: str
    final_root: str
    proof: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An entry taken back, by who made it or by another holder of its role."""

    at: At
    person: str
    role: str
    signed_utc: str
    entry: str
    reason: str


Record = Approval | Attachment | Waiver | Withholding | Carry | Withdrawal
TYPES: Mapping[str, type[Record]] = {
    f"urn:arco-audit:sign-off:{kind.__name__.lower()}:v1": kind
    for kind in (Approval, Attachment, Waiver, Withholding, Carry, Withdrawal)
}
"""The predicate types, and what each holds."""
_TYPE_OF = {kind: name for name, kind in TYPES.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. `digest` is the SHA-256 of the line without its newline."""

    number: int
    digest: str
    envelope: Envelope
    record: Record


@dataclass(frozen=True, slots=True)
class Log:
    """A log as far as it is true, and what is wrong with the rest. `size` counts true lines."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...]
    root: str

    @property
    def size(self) -> int:
        """How many lines are true."""
        return len(self.entries)

    @property
    def head(self) -> str:
        """The digest that the next entry names as the line before it."""
        return self.entries[-1].digest if self.entries else ""


# --- writing --------------------------------------------------------------------------------------


def next_at(log: Log, plan: Plan, final_root: str) -> At:
    """Return where the next entry of a log stands."""
    return At(plan.audit.id, plan.label, final_root, log.size, log.head)


def statement_of(record: Record, plan: Plan, decision: str) -> bytes:
    """Return the payload that is signed for an entry: its subjects, then the entry itself.

    The subjects are the run's decision (`decision` is its SHA-256), the audited commit and tree,
    and the pages or the artifact that the entry is about.
    """
    algorithm = "gitTree", plan.subject.tree
    subjects = [
        Subject(layout.DECISION, (("sha256", decision),)),
        Subject("subject", (("gitCommit", plan.subject.commit), algorithm)),
    ]
    if isinstance(record, Approval):
        subjects += [Subject(page.path, (("sha256", page.sha256),)) for page in record.pages]
    if isinstance(record, Attachment):
        subjects.append(Subject(record.artifact, (("sha256", record.sha256),)))
    predicate = codec.to_value(record)
    return dsse.write_statement(Statement(tuple(subjects), _TYPE_OF[type(record)], predicate))


def line_of(payload: bytes, signatures: tuple[dsse.Signature, ...]) -> bytes:
    """Return the line of an entry, its newline included."""
    return dsse.write(Envelope(dsse.PAYLOAD_TYPE, payload, signatures)) + b"\n"


def checkpoint_text(plan: Plan, final_root: str, log: Log) -> bytes:
    """Return the note text over a log: origin, size, base64 root, then the root of its run.

    Source: C2SP tlog-checkpoint, whose extension lines may follow the root.
    """
    encoded = base64.b64encode(bytes.fromhex(log.root)).decode()
    origin = f"{ORIGIN}/{plan.audit.id}/{plan.label}"
    return f"{origin}\n{log.size}\n{encoded}\nfinal-root {final_root}\n".encode()


def checkpoint_problem(data: bytes, log: Log) -> str:
    """Return why a log is not one that had come as far as a checkpoint says; empty where it is.

    A log that is longer may be: the checkpoint is written after the line.
    """
    try:
        origin, size, encoded, extension, rest = data.decode().split("\n")
        count = int(size)
        root = base64.b64decode(encoded, validate=True).hex()
    except ValueError:
        return "is not a checkpoint of four lines"
    if rest or not origin.startswith(f"{ORIGIN}/") or count < 0:
        return "is not the checkpoint of a sign-off log"
    if count > log.size:
        return f"says that the log had {count} lines; {log.size} of them are there"
    entries = list(log.entries[:count])
    if _root(entries) != root:
        return f"is over other lines than the first {count} of the log"
    if entries and extension != f"final-root {entries[0].record.at.final_root}":
        return "is about another run"
    return ""


# --- reading --------------------------------------------------------------------------------------


def read_log(data: bytes) -> Log:
    """Return the entries of a log as far as each line follows the one before it.

    A last line without its newline was cut while it was written: it is named, and not heard.
    """
    entries: list[Entry] = []
    problems: list[str] = []
    start = 0
    while start < len(data):
        place, end = f"line {len(entries) + 1}", data.find(b"\n", start)
        if end < 0:
            problems.append(f"{place} is cut off")
            break
        try:
            entries.append(_entry(data[start:end], entries, place))
        except Malformed as error:
            problems.append(f"{error.place}: {error.problem}, and nothing after it is heard")
            break
        start = end + 1
    return Log(tuple(entries), tuple(problems), _root(entries))


def _entry(line: bytes, before: list[Entry], place: str) -> Entry:
    envelope = dsse.read(line, place)
    if dsse.write(envelope) != line:
        raise Malformed(place, "is not written as an envelope is")
    statement = dsse.read_statement(envelope, place)
    kind = TYPES.get(statement.predicate_type)
    if kind is None:
        raise Malformed(place, f"is of an unknown type {statement.predicate_type!r:.80}")
    record: Any = codec.from_value(kind, statement.predicate, place)
    at: At = record.at
    if at.number != len(before):
        raise Malformed(place, f"is numbered {at.number}, {len(before)} was next")
    if at.previous != (before[-1].digest if before else ""):
        raise Malformed(place, "does not follow the line before it")
    if before and at.final_root != before[0].record.at.final_root:
        raise Malformed(place, "is about another run than the first line")
    return Entry(at.number, chain.sha256(line), envelope, record)


def _root(entries: list[Entry]) -> str:
    leaves = (chain.leaf_hash(f"entry/{entry.number}", entry.digest) for entry in entries)
    return chain.root_of(list(leaves))
''',
)

_load(
    'slices',
    r'''
"""What an approver sees of a gate, as one digest: an approval is given for it and dies with it.

Pure functions over the entries of a sign-off log; which of them count is decided by `weigh`.
"""

from __future__ import annotations

from collections.abc import Sequence

from evidence import chain, codec, judge, layout, signoff
from evidence.instant import milliseconds
from evidence.model import ApprovalGiven, CarriedOver, Decision, ExternalAttached, Plan, Signal
from evidence.signoff import Attachment, Carry, Entry, Waiver, Withdrawal, Withholding

SKEW_MS = 300_000
"""How far the clocks of two signers may be apart: entries later in the log are not earlier."""


def visible(entries: Sequence[Entry], as_of: str) -> tuple[Entry, ...]:
    """Return the entries that are signed by an instant, or whose time nobody can read.

    Raises:
        ValueError: `as_of` is no time.
    """
    until_ms = milliseconds(as_of) + SKEW_MS
    return tuple(entry for entry in entries if _signed_ms(entry, until_ms) <= until_ms)


def _signed_ms(entry: Entry, otherwise_ms: int) -> int:
    try:
        return milliseconds(entry.record.signed_utc)
    except ValueError:
        return otherwise_ms


def slice_digest(gate: int, entries: Sequence[Entry], plan: Plan, decision: Decision) -> str:
    """Return the digest of a gate as it stood after `entries`: what its approval is given for.

    It covers the gate and its signals as planned, their statuses and answers, and every artifact,
    waiver, proof and withholding that touches them, in the order in which they came. Taking one of
    those back is one more: nobody returns to what was approved by adding a line. Another approval
    changes nothing. `entries` are those that are `visible` at the instant.
    """
    listed = {name for item in plan.gates if item.id == gate for name in item.signals}
    signals = [item for item in plan.signals if item.gate == gate or item.id in listed]
    names = {signal.id for signal in signals}
    decided = [item for item in judge.without_words(decision).signals if item.id in names]
    touching: list[str] = []
    for entry in entries:
        record = entry.record
        taken_back = isinstance(record, Withdrawal) and record.entry in touching
        if taken_back or _touches(record, gate, names, signals):
            touching.append(entry.digest)
    value = [
        [codec.to_value(item) for item in plan.gates if item.id == gate],
        [codec.to_value(signal) for signal in signals],
        [codec.to_value(item) for item in decided],
        touching,
    ]
    return chain.sha256(codec.compact(value))


def _touches(record: signoff.Record, gate: int, names: set[str], signals: Sequence[Signal]) -> bool:
    if isinstance(record, Attachment):
        return record.signal in names
    if isinstance(record, Waiver):
        return record.gate == gate or record.signal in names
    if isinstance(record, Carry):
        return any(
            isinstance(condition, CarriedOver) and condition.command == record.command
            for signal in signals
            for condition in signal.conditions
        )
    if isinstance(record, Withholding):
        cell = layout.cell_of(record.path)
        return not cell or any(
            cell in getattr(condition, "cells", ())
            for signal in signals
            for condition in signal.conditions
        )
    return False


def gates_of(role: str, plan: Plan) -> tuple[int, ...]:
    """Return the gates that a role approves: where it is asked for or owns a signal; else all."""
    asked = {
        signal.gate
        for signal in plan.signals
        if signal.owner == role
        or any(
            isinstance(condition, ApprovalGiven | ExternalAttached) and condition.role == role
            for condition in signal.conditions
        )
    }
    every = [gate.id for gate in plan.gates]
    return tuple(gate for gate in every if gate in asked or not asked)
''',
)

_load(
    'weigh',
    r'''
"""What a sign-off log amounts to at an instant: which approvals, artifacts and waivers count.

Nothing is accepted by default: an entry counts when it is about this run, is signed by a key of the
trust file whose person and role it names, in that key's time, and when nothing it was given for has
changed since. Pure functions; why an entry does not count is part of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from evidence import chain, judge, layout, roster, seal, words
from evidence.brought import ApprovalFact, Brought, CarryFact, ExternalFact, Waived
from evidence.codec import Malformed
from evidence.instant import milliseconds
from evidence.model import (
    Answer,
    Decision,
    ExternalAttached,
    Facts,
    Plan,
    Signal,
    SignalDecision,
)
from evidence.roster import Check, Roster, check_ed25519
from evidence.signoff import (
    Approval,
    Attachment,
    Carry,
    Entry,
    Log,
    Page,
    Record,
    Waiver,
    Withdrawal,
    Withholding,
    statement_of,
)
from evidence.slices import SKEW_MS, slice_digest, visible

WAIVER_DAYS_MAX = 90
"""A waiver for longer is called over-broad."""

Standing = Literal[
    "counts",
    "waits",
    "withdrawn",
    "suspect",
    "expired",
    "not yet",
    "refused",
    "unchecked",
    "orphan",
    "unused",
    "shadowed",
    "changed",
]
"""How an entry stands. Only what `counts` has an effect."""


@dataclass(frozen=True, slots=True)
class Weight:
    """How one entry stands, and why."""

    entry: Entry
    standing: Standing
    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """What a log is weighed against.

    `decision` is the one inside the bundle; `pages` are the sealed documents with their SHA-256;
    `fingerprint` gives that of a signal's failure; `attached` the SHA-256 of an attached file,
    empty where there is none; `runners` are the people whose keys signed the run; `leaves` gives
    the sealed leaf hashes of a log's chunks, or the one of another file.
    """

    plan: Plan
    facts: Facts
    decision: Decision
    decision_sha256: str
    final_root: str
    pages: Mapping[str, str]
    roster: Roster
    as_of: str
    fingerprint: Callable[[str], str]
    attached: Callable[[str], str]
    carried: Callable[[Carry], tuple[Answer, str]]
    check: Check = check_ed25519
    runners: tuple[str, ...] = ()
    leaves: Callable[[str], tuple[str, ...]] = lambda path: ()


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a log amounts to: facts for the judge, each entry's standing, and lint of waivers."""

    brought: Brought
    weights: tuple[Weight, ...]
    lint: tuple[str, ...]


def weigh(log: Log, case: Case) -> Weighed:
    """Return what a sign-off log amounts to at the instant of `case`.

    Raises:
        ValueError: `as_of` is no time.
    """
    scale = _Scale(log, case)
    for entry in log.entries:
        scale.put(entry)
    people = Brought(scale.approvals(), scale.externals(), scale.carries())
    scale.let_go(people)
    return Weighed(
        replace(people, waived=scale.waived()),
        tuple(scale.weights[entry.number] for entry in log.entries),
        tuple(scale.lint),
    )


def decide(
    case: Case, weighed: Weighed
) -> tuple[Decision, Literal["GO", "GO-WITH-WAIVERS", "NO-GO"]]:
    """Return the decision with what people brought, and the verdict with waivers in force.

    A waived signal stays red in the decision: only the verdict says that somebody let it pass.
    """
    decision = judge.decide(case.plan, case.facts, case.as_of, weighed.brought)
    if decision.verdict == "GO":
        return decision, "GO"
    return decision, "GO-WITH-WAIVERS" if _passes(case, decision, weighed.brought) else "NO-GO"


def _passes(case: Case, decision: Decision, brought: Brought) -> bool:
    """Whether all that is red is waived: signals, and required cells that only they speak of."""
    plan = case.plan
    names = [signal.id for signal in plan.signals]
    asked = {name for gate in plan.gates for name in gate.signals}
    if len(set(names)) != len(names) or not asked <= set(names):
        return False  # nobody can waive what the plan does not have, or has twice
    waived = {item.signal for item in brought.waived}
    red = {signal.id for signal in decision.signals if signal.status != "GO"}
    if not waived or not red <= waived:
        return False
    if any(judge.tree_blockers(plan, case.facts)) or not all(gate.signals for gate in plan.gates):
        return False
    before = {item.id: item for item in case.decision.signals}
    excused = {
        name
        for signal in plan.signals
        if signal.id in waived
        for number in _open(before.get(signal.id))
        for name in getattr(signal.conditions[number], "cells", ())
    }
    required = {cell.id for cell in plan.cells if cell.required}
    failed = {cell.cell for cell in decision.cells if cell.cell in required and not cell.passed}
    return bool(plan.gates) and failed <= excused


def _open(decided: SignalDecision | None) -> set[int]:
    """The numbers of the conditions of a signal that are not met."""
    conditions = decided.conditions if decided else ()
    return {number for number, item in enumerate(conditions) if item.answer != "met"}


# --- the scale ------------------------------------------------------------------------------------


@dataclass
class _Scale:
    """Entries are put on one after the other; how one stands also depends on those after it."""

    log: Log
    case: Case
    weights: dict[int, Weight] = field(default_factory=dict)
    lint: list[str] = field(default_factory=list)
    held: dict[str, set[str]] = field(default_factory=dict)
    slices: dict[int, str] = field(default_factory=dict)
    refusals: dict[int, tuple[Standing, str] | None] = field(default_factory=dict)
    gone: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.as_of_ms = milliseconds(self.case.as_of)
        self.begins_ms = milliseconds(self.case.facts.as_of)
        self.visible = visible(self.log.entries, self.case.as_of)
        self.numbers = {entry.digest: entry for entry in self.log.entries}
        self.signals = {signal.id: signal for signal in self.case.plan.signals}
        for person in self.case.runners:
            self.held.setdefault(person, set()).add(roster.RUNNER)
        self._look_at_order()
        for entry in self.log.entries:
            taken = self.numbers.get(getattr(entry.record, "entry", ""))
            if taken and not self.refusals[entry.number] and self._may_take_back(entry, taken):
                self.gone.setdefault(taken.digest, entry)

    def put(self, entry: Entry) -> None:
        """Weigh one entry, in the light of those before it."""
        standing, reason = self.refusals[entry.number] or self._standing(entry)
        if standing == "counts" and isinstance(entry.record, _ACTS):
            other = self._kept_apart(entry.record)
            if other:
                standing = "refused"
                reason = f"{entry.record.person} already acts as {other}, which is kept apart"
            else:
                self.held.setdefault(entry.record.person, set()).add(entry.record.role)
        self.weights[entry.number] = Weight(entry, standing, reason)

    def _kept_apart(self, record: Record) -> str:
        """A role that this person acts in and that is kept apart from the entry's; or nothing."""
        held = sorted(self.held.get(record.person, ()))
        return next((other for other in held if self.case.roster.apart(record.role, other)), "")

    def _look_at_order(self) -> None:
        """Why entries are not heard at all; signatures are slow to check, so each is once.

        Times never run backwards along the log, whatever the instant: what was dated back counts
        at no instant. Only signed lines tell the time.
        """
        latest_ms = 0
        for entry in self.log.entries:
            refusal = self._refused(entry)
            if refusal is None or refusal[0] == "not yet":
                signed_ms = milliseconds(entry.record.signed_utc)
                if signed_ms < latest_ms - SKEW_MS:
                    refusal = "refused", "it says that it was signed before the line before it"
                elif entry.envelope.signatures:
                    latest_ms = max(latest_ms, signed_ms)
            self.refusals[entry.number] = refusal

    def _refused(self, entry: Entry) -> tuple[Standing, str] | None:
        record, case = entry.record, self.case
        at = record.at
        if (at.audit, at.label) != (case.plan.audit.id, case.plan.label):
            return "refused", f"it is about {at.audit}/{at.label}"
        if at.final_root != case.final_root:
            return "refused", "it is about another run: the final root is not this one's"
        if entry.envelope.payload != statement_of(record, case.plan, case.decision_sha256):
            return "refused", "its statement is about something else than the entry in it"
        try:
            signed_ms = milliseconds(record.signed_utc)
            for name in ("from_utc", "until_utc", "expires_utc", "review_utc"):
                utc: str | None = getattr(record, name, None)
                milliseconds(record.signed_utc if utc is None else utc)
        except ValueError as error:
            return "refused", str(error)
        if signed_ms < self.begins_ms - SKEW_MS:
            return "refused", "it was signed before the run ended"
        is_signed = entry.envelope.signatures or not isinstance(record, Attachment)
        refusal = self._signature(entry) if is_signed else None  # its approval is signed
        if refusal is None and signed_ms > self.as_of_ms + SKEW_MS:
            return "not yet", f"it was signed at {record.signed_utc}, after this instant"
        return refusal

    def _signature(self, entry: Entry) -> tuple[Standing, str] | None:
        record = entry.record
        signed = roster.signers(entry.envelope, self.case.roster, self.case.check)
        keys = [key for key in signed.keys if key.person == record.person]
        if not keys:
            if signed.unchecked and not signed.refused:
                return "unchecked", signed.unchecked[0]
            others = ", ".join(key.person for key in signed.keys)
            other = f"it was signed by {others}, not by {record.person}" if others else ""
            return "refused", other or next(iter(signed.refused), "it is not signed")
        reasons = [roster.may(key, record.role, record.signed_utc) for key in keys]
        return None if "" in reasons else ("refused", reasons[0])

    def _standing(self, entry: Entry) -> tuple[Standing, str]:
        record = entry.record
        taker = self.gone.get(entry.digest)
        if taker and not isinstance(record, Withdrawal):
            return "withdrawn", f"taken back by {taker.record.person}"
        match record:
            case Approval():
                return self._approval(record)
            case Attachment():
                standing, reason = self._attachment(record)
                is_claim = standing == "waits" and not entry.envelope.signatures
                return standing, f"nobody signed it; {reason}" if is_claim else reason
            case Waiver():
                return self._waiver(record)
            case Withholding():
                return self._withholding(record)
            case Withdrawal():
                return self._withdrawal(entry, record)
            case Carry():
                return "counts", ""

    def _withdrawal(self, entry: Entry, record: Withdrawal) -> tuple[Standing, str]:
        taken = self.numbers.get(record.entry)
        if taken is None or taken.number >= entry.number:
            return "orphan", "no line before it is the one that it takes back"
        line = f"line {taken.number + 1}"
        if isinstance(taken.record, Withdrawal):
            return "refused", f"{line} is a withdrawal: make the entry again"
        if not self._may_take_back(entry, taken):
            return "refused", f"{record.person} neither made {line} nor holds its role"
        return "counts", f"of {line}"

    def _withholding(self, record: Withholding) -> tuple[Standing, str]:
        sealed = self.case.leaves(record.path)
        if not sealed:
            return "orphan", f"nothing called {record.path} was sealed"
        is_log = seal.is_log(record.path) and layout.is_below(record.path)
        if not is_log and not layout.may_be_withheld(record.path):
            return "refused", f"{record.path} cannot be withheld"
        numbers = record.chunks if is_log else (0,)
        wanted = tuple(sealed[number] for number in numbers if 0 <= number < len(sealed))
        if not wanted or wanted != record.leaves or len(wanted) != len(numbers):
            return "refused", "its leaves are not those that were sealed"
        return "counts", record.reason

    @staticmethod
    def _may_take_back(taker: Entry, entry: Entry) -> bool:
        one, other = taker.record, entry.record
        own = one.person == other.person or one.role == other.role
        return taker.number > entry.number and own

    def _approval(self, record: Approval) -> tuple[Standing, str]:
        case = self.case
        if record.decision != case.decision_sha256:
            return "refused", "it is about another decision"
        for page in record.pages:
            if not self._is_page(page):
                why = f"the page {page.path} that was shown is not the one in the bundle"
                return "refused", why
        unseen = sorted(case.pages.keys() - {page.path for page in record.pages})
        if unseen:
            return "refused", f"the page {unseen[0]} was not shown"
        if record.expires_utc and _past(record.expires_utc, self.as_of_ms):
            return "expired", f"it expired at {record.expires_utc}"
        fresh = self.fresh_gates(record)
        if record.gates and not fresh:
            return "suspect", "every gate that it covers has changed since"
        stale = [seen.gate for seen in record.gates if seen.gate not in fresh]
        changed = ", ".join(f"gate {gate}" for gate in stale)
        needs = "needs" if len(stale) == 1 else "need"
        return "counts", f"{changed} changed since and {needs} another look" if stale else ""

    def _is_page(self, page: Page) -> bool:
        """Whether a page is the one in the bundle; of one that was withheld its leaf is left."""
        if page.path in self.case.pages:
            return self.case.pages[page.path] == page.sha256
        try:
            leaf = chain.leaf_hash(f"file/{page.path}", page.sha256)
        except Malformed:
            return False
        return self.case.leaves(page.path) == (leaf,)

    def fresh_gates(self, record: Approval) -> set[int]:
        """The gates of an approval that are still as they were shown."""
        seen = {item.gate: item.digest for item in record.gates}
        return {gate for gate, digest in seen.items() if digest and self._slice(gate) == digest}

    def _slice(self, gate: int) -> str:
        case = self.case
        if gate not in self.slices and any(item.id == gate for item in case.plan.gates):
            self.slices[gate] = slice_digest(gate, self.visible, case.plan, case.decision)
        return self.slices.get(gate, "")

    def _attachment(self, record: Attachment) -> tuple[Standing, str]:
        conditions = self.signals[record.signal].conditions if record.signal in self.signals else ()
        asked = [c for c in conditions if isinstance(c, ExternalAttached)]
        if not any(record.artifact == condition.artifact for condition in asked):
            return "orphan", f"no external condition of {record.signal} asks for {record.artifact}"
        found = self.case.attached(record.sha256)
        if not found or found != record.sha256:
            return "refused", "the attached file is gone" if not found else "the file was changed"
        if record.expires_utc and _past(record.expires_utc, self.as_of_ms):
            return "expired", f"it expired at {record.expires_utc}"
        if record.review_utc and _past(record.review_utc, self.as_of_ms):
            due = f"{record.artifact} for {record.signal} is due for review since"
            self.lint.append(f"{due} {record.review_utc}")
        return "waits", "it counts once its role approves it"

    def _waiver(self, record: Waiver) -> tuple[Standing, str]:
        """Each waiver earns its place, or the reason why not is told."""
        signal = self.signals.get(record.signal)
        if signal is None or signal.gate != record.gate:
            return "orphan", f"the plan has no signal {record.signal} in gate {record.gate}"
        if record.role not in self.case.roster.waive:
            return "refused", f"the trust file lets nobody waive as {record.role}"
        if record.subject != self.case.plan.subject.digest:
            return "refused", "it is for another subject"
        begins, ends = milliseconds(record.from_utc), milliseconds(record.until_utc)
        if ends <= begins:
            return "refused", "it ends before it begins"
        if self.as_of_ms >= ends:
            return "expired", f"it ended at {record.until_utc}"
        if self.as_of_ms < begins:
            return "not yet", f"it begins at {record.from_utc}"
        failure = self.case.fingerprint(record.signal)
        if not failure:
            return "unused", f"{record.signal} does not fail"
        if failure != record.fingerprint:
            return "changed", f"{record.signal} now fails otherwise than when it was waived"
        for weight in self.weights.values():
            other = weight.entry.record
            same = isinstance(other, Waiver) and other.signal == record.signal
            if same and weight.standing == "counts":
                return "shadowed", f"line {weight.entry.number + 1} waives it already"
        if is_over_broad(record):
            self.lint.append(
                f"the waiver of {record.signal} is over-broad:"
                f" more than {WAIVER_DAYS_MAX} days, until {record.until_utc}"
            )
        return "counts", f"until {record.until_utc}"

    def let_go(self, brought: Brought) -> None:
        """Let waivers go whose signals are GO with what people brought, or fail at more by now."""
        counting = [
            (weight, weight.entry.record.signal)
            for weight in self.weights.values()
            if isinstance(weight.entry.record, Waiver) and weight.standing == "counts"
        ]
        if not counting:
            return
        case = self.case
        decision = judge.decide(case.plan, case.facts, case.as_of, brought)
        before = {signal.id: signal for signal in case.decision.signals}
        now = {signal.id: signal for signal in decision.signals}
        for weight, signal in counting:
            more = sorted(_open(now[signal]) - _open(before.get(signal)))
            if now[signal].status == "GO":
                why = f"{signal} does not fail"
                self.weights[weight.entry.number] = Weight(weight.entry, "unused", why)
            elif more:
                why = f"{signal} now fails at more: {now[signal].conditions[more[0]].reason}"
                self.weights[weight.entry.number] = Weight(weight.entry, "changed", why)

    # --- facts for the judge ---

    def approvals(self) -> tuple[ApprovalFact, ...]:
        """One fact for each gate and role that was approved, or tried to."""
        found: dict[tuple[int, str], list[Weight]] = {}
        for weight in self.weights.values():
            record = weight.entry.record
            if isinstance(record, Approval):
                for seen in record.gates:
                    found.setdefault((seen.gate, record.role), []).append(weight)
        return tuple(
            self._approval_fact(gate, role, weights)
            for (gate, role), weights in sorted(found.items())
        )

    def _approval_fact(self, gate: int, role: str, weights: Sequence[Weight]) -> ApprovalFact:
        people: list[str] = []
        answer: Answer = "missing"
        reason = ""
        for weight in weights:
            record = weight.entry.record
            assert isinstance(record, Approval)
            if weight.standing == "counts" and gate in self.fresh_gates(record):
                people.append(record.person)
            else:
                answer = _ANSWERS.get(weight.standing, "stale")
                why = weight.reason if weight.standing != "counts" else "the gate changed since"
                reason = f"the approval of {record.person} does not count: {why}"
        needed = self.case.roster.people_for(role, 1)
        return ApprovalFact(gate, role, tuple(dict.fromkeys(people)), needed, answer, reason)

    def externals(self) -> tuple[ExternalFact, ...]:
        """One fact for each external condition that somebody brought something for."""
        facts = []
        for signal in self.case.plan.signals:
            for condition in signal.conditions:
                if isinstance(condition, ExternalAttached):
                    brought = self._brought(signal, condition)
                    if brought:
                        facts.append(self._external_fact(signal, condition, brought))
        return tuple(dict.fromkeys(facts))

    def _brought(self, signal: Signal, condition: ExternalAttached) -> list[Weight]:
        return [
            weight
            for weight in self.weights.values()
            if isinstance(weight.entry.record, Attachment)
            and weight.entry.record.signal == signal.id
            and weight.entry.record.artifact == condition.artifact
            and weight.standing not in ("withdrawn", "not yet")
        ]

    def _external_fact(
        self, signal: Signal, condition: ExternalAttached, brought: Sequence[Weight]
    ) -> ExternalFact:
        """The newest artifact decides: somebody brought it because the one before would not do."""
        weight = brought[-1]
        for older in brought[:-1]:
            if older.standing == "waits":
                why = f"a newer one was brought: line {weight.entry.number + 1}"
                self.weights[older.entry.number] = Weight(older.entry, "shadowed", why)
        name = condition.artifact
        make = ExternalFact
        if weight.standing not in ("waits", "counts"):
            answer = _ANSWERS.get(weight.standing, "broken")
            return make(signal.id, name, condition.role, answer, f"{name}: {weight.reason}")
        needed = self.case.roster.people_for(condition.role, 1)
        people = self._approvers(signal.gate, condition.role)
        if len(people) >= needed:
            said = f"{name} attached, approved by {', '.join(people)} as {condition.role}"
            self.weights[weight.entry.number] = Weight(weight.entry, "counts", said)
            return make(signal.id, name, condition.role, "met", said)
        return make(signal.id, name, condition.role, "missing", words.waits(condition))

    def _approvers(self, gate: int, role: str) -> list[str]:
        people = [
            weight.entry.record.person
            for weight in self.weights.values()
            if isinstance(weight.entry.record, Approval)
            and weight.standing == "counts"
            and weight.entry.record.role == role
            and gate in self.fresh_gates(weight.entry.record)
        ]
        return list(dict.fromkeys(people))

    def carries(self) -> tuple[CarryFact, ...]:
        """One fact for each command whose earlier evidence somebody brought a proof for.

        An entry stands as its proof does: one whose proof is broken is not said to count.
        """
        facts = {}
        for weight in self.weights.values():
            record = weight.entry.record
            if isinstance(record, Carry) and weight.standing == "counts":
                answer, reason = self.case.carried(record)
                facts[record.command, record.run] = CarryFact(
                    record.command, record.run, answer, reason
                )
                standing = _OF_PROOF.get(answer, "refused")
                self.weights[weight.entry.number] = Weight(weight.entry, standing, reason)
        return tuple(facts.values())

    def waived(self) -> tuple[Waived, ...]:
        """The waivers in force."""
        return tuple(
            _waived(weight.entry, weight.entry.record)
            for weight in self.weights.values()
            if isinstance(weight.entry.record, Waiver) and weight.standing == "counts"
        )


def is_over_broad(waiver: Waiver) -> bool:
    """Whether a waiver lasts longer than somebody should permit without looking again."""
    length_ms = milliseconds(waiver.until_utc) - milliseconds(waiver.from_utc)
    return length_ms > WAIVER_DAYS_MAX * 86_400_000


def _waived(entry: Entry, waiver: Waiver) -> Waived:
    person, role = waiver.person, waiver.role
    return Waived(waiver.signal, entry.digest, person, role, waiver.until_utc, waiver.reason)


_ACTS = (Approval, Carry, Waiver, Withholding)
"""What a person does in a role: roles that are kept apart are so for all of it."""
_ANSWERS: Mapping[Standing, Answer] = {
    "refused": "broken",
    "unchecked": "broken",
    "withdrawn": "missing",
    "not yet": "missing",
    "waits": "missing",
    "expired": "stale",
    "suspect": "stale",
    "orphan": "wrong_subject",
}
_OF_PROOF: Mapping[Answer, Standing] = {"met": "counts", "missing": "not yet", "stale": "expired"}
"""How an entry of carried evidence stands by what its proof says now; else it is refused."""


def _past(utc: str, as_of_ms: int) -> bool:
    return as_of_ms >= milliseconds(utc)


def with_roster_of_now(weighed: Weighed, book: Roster, now: str) -> Iterable[str]:
    """Yield a warning for each person and role that counts as of its signing and is over now."""
    records = (weight.entry.record for weight in weighed.weights if weight.standing == "counts")
    acted = dict.fromkeys((item.person, item.role) for item in records if isinstance(item, _ACTS))
    for person, role in acted:
        keys = [key for key in book.key if key.person == person]
        if all(roster.may(key, role, now) for key in keys):
            yield f"{person} no longer holds the role {role}; it was held then"
''',
)

_load(
    'normalise',
    r'''
"""What a log says, without what differs between two runs that say the same.

Times, durations, addresses, absolute paths, temporary names, process ids, UUIDs and hash seeds are
replaced by words such as `<time>`; everything else stays, so that a changed word is a changed line.
A replay compares logs through this, and the fingerprint of a failure is made from it. Pure
functions over text. Nothing here knows what a line means, and nothing compares or hashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BEFORE = r"(?<![\w.:/-])"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?(?!\w)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_NUMBER = r"\d+(?:[.,]\d+){0,4}(?:e[+-]?\d+)?"
"""Bounded, and each rule begins at a border, so that no line costs more than its length."""
_UNIT = r"(?:ns|nsecs?|[uµμ]s|usecs?|ms|msecs?|s|secs?|mins?|hrs?|(?:milli|micro|nano)?seconds?)"
_LONG_UNIT = r"(?:minutes?|hours?|days?)"
_PART = r"[^\s/:'\"`<>|,;()\[\]{}]+"
"""One component of a path: what ends it in prose and in code is left out."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""ECMA-48 control sequences: colours, titles and cursor movements, where they are whole: one that
never ends must not swallow the words behind it."""
_PATH = re.compile(rf"(?<![\w.\-/<>~$%])(?:file://)?(?P<dirs>/(?:{_PART}/)+)(?P<name>{_PART})?/?")
_TEMPORARY = frozenset(("/tmp/", "/var/tmp/", "/dev/shm/", "/private/tmp/"))
_SUFFIX = re.compile(r"\w\.[A-Za-z]\w{0,9}$")

_RULES = tuple(
    (re.compile(pattern, re.IGNORECASE if insensitive else 0), word)
    for pattern, word, insensitive in (
        (r"(?<!\w)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?!\w)", "<uuid>", True),
        (r"(?<!\w)0x[0-9a-f]{6,16}(?!\w)", "<address>", True),
        (rf"{_BEFORE}\d{{4}}([-/])\d\d\1\d\d(?:[T ]{_CLOCK}{_ZONE})?(?![\w-])", "<time>", False),
        (
            rf"(?:(?<!\w){_DAY},? )?(?:(?<!\w)\d\d? {_MONTH} \d{{4}} |(?<!\w){_MONTH}  ?\d\d? )"
            rf"{_CLOCK}{_ZONE}(?: \d{{4}}(?!\w))?",
            "<time>",
            False,
        ),
        (rf"{_BEFORE}{_CLOCK}{_ZONE}(?!:)", "<time>", False),
        (r"(?<![\w./])1[5-9]\d{8}\.\d+(?!\w)", "<time>", False),
        (rf"(?<![\w./]){_NUMBER} ?(?:[kMGT]?i?B|[a-zA-Z]{{2,12}})/s(?!\w)", "<rate>", False),
        (r"(?<![\w.:/])\d+:\d\d:\d\d(?:\.\d+)?(?![\w:])", "<duration>", False),
        (r"(?<![\w./])(?:\d+h ?)?\d+m ?\d+(?:\.\d+)?s(?!\w)", "<duration>", False),
        (r"(?<![\w./])\d+h ?\d+m(?!\w)", "<duration>", False),
        (rf"(?<![\w./]){_NUMBER} ?{_UNIT}(?![\w/])", "<duration>", False),
        (rf"(?<![\w./]){_NUMBER} {_LONG_UNIT}(?![\w/])", "<duration>", False),
        (
            r"((?<![a-z])(?:elapsed|took|duration|time)[\"']?(?: ?[=:] ?| )[\"']?)"
            r"\d+\.\d+(?![\w.])",
            r"\1<duration>",
            True,
        ),
    )
)
"""What is replaced before paths, in this order: a UUID holds what looks like a number."""

_NAMES = tuple(
    (re.compile(pattern, re.IGNORECASE if insensitive else 0), word)
    for pattern, word, insensitive in (
        (r"(?<![\w-])(?:tmp[a-z0-9_]{8}|tmp\.[A-Za-z0-9]{6,10})(?![\w-])", "<temp>", False),
        (r"(?<![\w.-])pytest-of-[\w.-]+/pytest-\d+(?!\w)", "<temp>", False),
        (r"((?<![a-z])p?pid[\"']?(?: ?[=:] ?| )[\"']?)\d+(?!\w)", r"\1<pid>", True),
        (r"((?<![a-z])process(?: id)?(?: ?[=:#] ?| ))\d{2,}(?!\w)", r"\1<pid>", True),
        (r"(?<=\w)\[\d{3,}\](?=:)", "[<pid>]", False),
        (r"==\d+==", "==<pid>==", False),
        (
            r"((?<!\w)\w*seed[\"']?(?: ?[=:] ?| )[\"']?)\d+(?!\w)",
            r"\1<seed>",
            True,
        ),
        (r"((?:127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1?\]):)\d{2,5}(?!\w)", r"\1<port>", True),
        (r"(?<!\w)gw\d+(?!\w)", "<worker>", False),
        (r"([=_~*#-])\1{3,}", r"\1\1\1", False),
        (r"\s+", " ", False),
    )
)
"""What is replaced after paths. Rules and spaces have the width that a number left them."""


def lines(data: bytes) -> Iterator[str]:
    """Yield what each line of a log says, in order; empty lines are left out.

    A carriage return ends a line too, so that what a progress bar wrote over is still seen. Bytes
    that are not UTF-8 are shown as escapes, never dropped.
    """
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        for piece in data[start:end].split(b"\r"):
            if said := line(piece.decode("utf-8", "backslashreplace")):
                yield said
        start = end + 1


def line(text: str) -> str:
    """Return what one line says: the same text for the same words, whatever the noise.

    The last name of a path stays when it has a suffix, with the line number behind it: a failure in
    another file is another failure. Applied twice, it changes nothing more.
    """
    text = _ESCAPES.sub("", text)
    for pattern, word in _RULES:
        text = pattern.sub(word, text)
    text = _PATH.sub(_path, text)
    for pattern, word in _NAMES:
        text = pattern.sub(word, text)
    return text.strip()


def _path(found: re.Match[str]) -> str:
    name = found["name"] or ""
    end = "." if name.endswith(".") else ""
    name = name.rstrip(".")
    if found["dirs"] in _TEMPORARY or not _SUFFIX.search(name):
        return f"<path>{end}"
    return f"<path>/{name}{end}"
''',
)

_load(
    'fingerprint',
    r'''
"""What a red signal fails at, as one digest: the same for noise, another for another failure.

A waiver is bound to it. It survives times, paths, addresses and durations, other tests that pass,
and another order of lines; it dies when another test fails, another message appears, another
condition opens or a bound is missed on the other side. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from evidence import chain, codec, normalise
from evidence.judge import side_of, tests_of
from evidence.model import (
    Attempt,
    Condition,
    ConditionDecision,
    Decision,
    Facts,
    MetricFact,
    MetricWithin,
    PatternAbsent,
    Plan,
    Signal,
    TestPassed,
)

Tail = Callable[[str], bytes]
"""What `window` gives of the log of a cell's last attempt; empty where there is none."""
TAIL_BYTES = 256 * 1024
"""Bytes at the end of a log of which every line is looked at."""
EARLIER_LINES_MAX = 2_000
"""Different telling lines before them that are read as words; more of them count byte for byte."""
LAST_LINES = 5
"""Lines taken from the end of a log in which none tells of a failure."""

_TELLING = re.compile(
    r"(?i)(?<![a-z])(errors?|fail(?:ed|ure|ures|s|ing)?|fatal|panic(?:ked)?|exception|assert\w*"
    r"|denied|refused|not found|no such|undefined|unexpected|violat\w+|E )(?![a-z])"
    r"|[A-Z]\w+(?:Error|Exception|Warning)\b"
)
_TELLING_BYTES = re.compile(_TELLING.pattern.encode())
_COLOURS = re.compile(rb"\x1b\[[0-9;]*m")
_COUNT = re.compile(r"(?<![\w.])\d+(?= (?:passed|skipped|deselected|warnings?|tests?|files?|ok)\b)")


def fingerprint(signal: Signal, plan: Plan, facts: Facts, decision: Decision, tail: Tail) -> str:
    """Return the SHA-256 of what a signal fails at, in hex; empty where it does not fail.

    `decision` is the one derived without what people brought.
    """
    decided = {item.id: item for item in decision.signals}.get(signal.id)
    if decided is None or decided.status == "GO":
        return ""
    results = {cell.cell: cell for cell in decision.cells}
    failed = [
        _failure(condition, answer, facts)
        for condition, answer in zip(signal.conditions, decided.conditions, strict=True)
        if answer.answer != "met"
    ]
    cells = sorted(
        {
            name
            for condition, answer in zip(signal.conditions, decided.conditions, strict=True)
            if answer.answer != "met"
            for name in getattr(condition, "cells", ())
            if name in results and not results[name].passed
        }
    )
    told = [[name, results[name].result, telling_lines(tail(name))] for name in cells]
    return chain.sha256(codec.compact([signal.id, failed, told]))


def _failure(condition: Condition, answer: ConditionDecision, facts: Facts) -> list[Any]:
    detail: list[Any] = []
    if isinstance(condition, TestPassed):
        tests = tests_of(facts, condition)
        detail = sorted([test.cell, test.key, test.outcome] for test in tests)
        detail = [item for item in detail if item[2] != "passed"]
    elif isinstance(condition, MetricWithin):
        values = [fact.value for fact in facts.metrics if _asked(fact, condition)]
        detail = sorted({side_of(value, condition) for value in values})
    elif isinstance(condition, PatternAbsent):
        hits = (
            fact.hits
            for fact in facts.absent
            if (fact.pattern, fact.inside, fact.besides)
            == (condition.pattern, condition.inside, condition.besides)
        )
        detail = sorted({re.sub(r":\d+$", "", hit) for found in hits for hit in found})
    return [codec.to_value(condition), answer.answer, detail]


def _asked(fact: MetricFact, condition: MetricWithin) -> bool:
    return fact.name == condition.name and fact.cell in condition.cells


def telling_lines(log: bytes) -> list[str]:
    """Return the lines of a log that tell of a failure, without noise, each once and sorted."""
    said = [_COUNT.sub("<n>", line) for line in normalise.lines(log)]
    found = sorted({line for line in said if _TELLING.search(line)})
    return found or said[-LAST_LINES:]


def window(blocks: Iterable[bytes]) -> bytes:
    """Return what of a log can tell of a failure: its end, and the telling lines before that.

    Nobody hides a failure by writing much behind it. Memory: the longest line, and what is kept.
    """
    early: dict[bytes, None] = {}
    more = chain.new_sha256()
    kept, is_more = b"", False
    for block in blocks:
        kept += block
        cut = kept.rfind(b"\n", 0, max(0, len(kept) - TAIL_BYTES)) + 1
        for line in kept[:cut].split(b"\n"):
            if line in early or not _TELLING_BYTES.search(_COLOURS.sub(b"", line)):
                continue
            if len(early) < EARLIER_LINES_MAX:
                early[line] = None
            else:
                is_more = True
                more.update(line + b"\n")
        kept = kept[cut:]
    told = [*early, *([b"error: more, " + more.hexdigest().encode()] if is_more else [])]
    return b"".join(line + b"\n" for line in told) + kept


def last_logs(attempts: Iterable[Attempt]) -> dict[str, str]:
    """Return where the log of each cell's last attempt lies."""
    last: dict[str, Attempt] = {}
    for attempt in attempts:
        if attempt.cell not in last or last[attempt.cell].number < attempt.number:
            last[attempt.cell] = attempt
    return {name: attempt.log.path for name, attempt in last.items() if attempt.log}


def tail_of(attempts: Sequence[Attempt], blocks: Callable[[str], Iterator[bytes]]) -> Tail:
    """Return a `Tail` over the logs of a bundle, read block by block."""
    logs = last_logs(attempts)
    return lambda cell: window(blocks(logs[cell])) if cell in logs else b""
''',
)

_load(
    'trusted',
    r'''
"""Verification with a trust file: who signed the run, and what its sign-off amounts to.

Three steps more than `verify` has, for whoever knows whom to trust. The trust file and the instant
come from the caller; the sign-off layer is read through a `Source` of its own, and nothing in it is
believed for being there.

12. The run's checkpoint is signed by as many runners as the trust file asks for: as a note, or
    in a statement over its digest.
13. The sign-off log is one unbroken chain about this run.
14. Every entry of it is signed by somebody who may, and says something that holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evidence import (
    carry,
    chain,
    codec,
    dsse,
    fingerprint,
    judge,
    layout,
    roster,
    seal,
    signoff,
    subject,
    weigh,
)
from evidence.carry import Carried, Evidence
from evidence.codec import Malformed
from evidence.contents import Source
from evidence.model import Answer, Decision, Facts, Plan, Run, Seal
from evidence.roster import Check, Key, Roster
from evidence.signoff import Carry, Withholding
from evidence.verify import Finding, Step, Withheld

STEPS = {
    12: "the checkpoint is signed by trusted runners",
    13: "the sign-off log is whole and about this run",
    14: "what people signed is theirs to sign",
}
CHECKPOINT_SAID = "urn:arco-audit:checkpoint:v1"
"""The predicate of the statement over a run's checkpoint."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The records of a run, its checkpoint, and what the sign-off layer is weighed against."""

    plan: Plan
    run: Run
    facts: Facts
    decision: Decision
    decision_sha256: str
    checkpoint: bytes
    final_root: str
    pages: dict[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """What the steps found, what the log amounts to, and the verdict with what people brought.

    `runners` are the people whose keys signed the run; `verdict` is `GO`, `GO-WITH-WAIVERS` or
    `NO-GO`.
    """

    steps: tuple[Step, ...]
    runners: tuple[str, ...]
    weighed: weigh.Weighed
    decision: Decision
    verdict: str
    as_of: str
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every step was checked and found nothing."""
        return all(step.checked and not step.findings for step in self.steps)


def layer_of(bundle: str, plan: Plan) -> str:
    """Return the folder of a run's sign-off, given the absolute path of its bundle.

    Empty where the bundle lies neither where runs are put nor in an unpacked evidence pack, and
    somebody has to say where.
    """
    return layer_named(bundle, plan.audit.id, plan.label)


def layer_named(bundle: str, audit: str, label: str) -> str:
    """Return the same, given the audit and the label of the run."""
    bundle = bundle.rstrip("/")
    head, found, rest = bundle.rpartition(f"/{audit}/{label}")
    if found and not rest:
        return layout.sign_off_folder(head, audit, label)
    pack, _, name = bundle.rpartition("/")
    return f"{pack}/{layout.SIGN_OFF}" if name == layout.PACKED else ""


def withheld_files(layer: Source) -> tuple[str, ...]:
    """Return the files that a sign-off log, whoever wrote it, says were taken out of its run."""
    log, _ = _log(layer)
    records = (entry.record for entry in log.entries)
    return tuple(record.path for record in records if isinstance(record, Withholding))


def records(bundle: Source) -> Sealed:
    """Return what of a bundle a sign-off is about.

    Raises:
        Malformed: a record cannot be read.
    """
    decided = bundle.read(layout.DECISION)
    note = bundle.read(layout.CHECKPOINT)
    pages = {
        name: chain.sha256(bundle.read(name))
        for name in sorted(bundle.names())
        if name == layout.REPORT or name.startswith(f"{layout.DOCUMENTS}/")
    }
    return Sealed(
        codec.read(Plan, bundle.read(layout.PLAN), layout.PLAN),
        codec.read(Run, bundle.read(layout.RUN), layout.RUN),
        codec.read(Facts, bundle.read(layout.FACTS), layout.FACTS),
        codec.read(Decision, decided, layout.DECISION),
        chain.sha256(decided),
        note,
        chain.checkpoint_of(note).final_root,
        pages,
    )


def case_of(
    run: Sealed,
    bundle: Source,
    layer: Source,
    book: Roster,
    as_of: str,
    *,
    check: Check = roster.check_ed25519,
) -> weigh.Case:
    """Return what a run's sign-off log is weighed against, at an instant.

    Raises:
        Malformed: the facts hold a time that is none.
    """
    tail = fingerprint.tail_of(run.run.attempts, bundle.blocks)
    by_id = {signal.id: signal for signal in run.plan.signals}
    decision = _decided(run)
    known: dict[str, str] = {}

    def failure(signal: str) -> str:
        if signal not in known:
            known[signal] = fingerprint.fingerprint(
                by_id[signal], run.plan, run.facts, decision, tail
            )
        return known[signal]

    files: dict[str, str] = {}
    brought: dict[str, str] = {}

    def attached(digest: str) -> str:
        if digest not in brought:
            brought[digest] = _digest_of(layer, f"{layout.ATTACHED}/{digest}")
        return brought[digest]

    def leaves(path: str) -> tuple[str, ...]:
        if seal.is_log(path):
            logs = (attempt.log for attempt in run.run.attempts)
            return next((log.leaves for log in logs if log and log.path == path), ())
        if not files:
            sealed = codec.read(Seal, bundle.read(layout.SEAL), layout.SEAL)
            files.update((leaf.name, leaf.hash) for leaf in sealed.final)
        return (files[f"file/{path}"],) if f"file/{path}" in files else ()

    runners = runners_of(layer, run, book, check).people
    return weigh.Case(
        plan=run.plan,
        facts=run.facts,
        decision=decision,
        decision_sha256=run.decision_sha256,
        final_root=run.final_root,
        pages=run.pages,
        roster=book,
        as_of=as_of,
        fingerprint=failure,
        attached=attached,
        carried=lambda record: _carried(run, bundle, layer, record, as_of),
        check=check,
        runners=runners,
        leaves=leaves,
    )


def _decided(run: Sealed) -> Decision:
    """The decision that plan and facts imply: the one in a bundle may say anything."""
    try:
        return judge.decide(run.plan, run.facts)
    except ValueError as error:
        raise Malformed(layout.FACTS, f"cannot be judged: {error}") from error


def proofs(layer: Source, log: signoff.Log) -> Iterator[Carried]:
    """Yield the proofs of carried evidence that a log names, as far as they can be read."""
    for entry in log.entries:
        if isinstance(entry.record, Carry):
            with contextlib.suppress(Malformed):
                data = layer.read(f"{layout.CARRIED}/{entry.record.proof}")
                if chain.sha256(data) == entry.record.proof:
                    yield codec.read(Carried, data, layout.CARRIED)


def _digest_of(layer: Source, name: str) -> str:
    """The SHA-256 of a file; empty where there is none, or one that nobody could have attached."""
    hasher, size = chain.new_sha256(), 0
    try:
        for block in layer.blocks(name):
            size += len(block)
            if size > signoff.ATTACHED_BYTES_MAX:
                return ""
            hasher.update(block)
    except Malformed:
        return ""
    return hasher.hexdigest()


def _carried(
    run: Sealed, bundle: Source, layer: Source, record: Carry, as_of: str
) -> tuple[Answer, str]:
    """What a proof of carried evidence says now: its side of this run is computed again."""
    place = f"{layout.OBJECTS}/{subject.OBJECTS_FILE}"
    try:
        data = layer.read(f"{layout.CARRIED}/{record.proof}")
        if chain.sha256(data) != record.proof:
            raise Malformed(record.proof, "was changed")
        proof = codec.read(Carried, data)
        if (proof.command, proof.run, proof.old.final_root) != (
            *(record.command, record.run, record.final_root),
        ):
            raise Malformed(record.proof, "is not about what was signed")
        files = carry.files_of(run.plan, bundle.read(place), place)
    except Malformed as error:
        return "broken", f"the proof for {record.command}: {error.problem}"
    now = Evidence(run.plan, run.run, run.facts, run.final_root, files)
    return carry.holds(proof, now, as_of)


# --- who signed the run ---------------------------------------------------------------------------


def note_signers(
    layer: Source, run: Sealed, book: Roster, check: Check = roster.check_ed25519
) -> tuple[tuple[Key, ...], tuple[str, ...]]:
    """Return the runners whose keys signed the checkpoint, and why others do not count.

    A key counts that may speak as a runner at the end of the run.
    """
    try:
        text, signatures = dsse.read_note(layer.read(layout.CHECKPOINT), layout.CHECKPOINT)
    except Malformed as error:
        return (), (error.problem,)
    if text != run.checkpoint:
        return (), ("the signed checkpoint is not the one of this bundle",)
    good: dict[str, Key] = {}
    refused: list[str] = []
    for name, hint, signature in signatures:
        named = [key for key in book.key if key.scheme == "ed25519" and _names(key, name, hint)]
        if not named:
            refused.append(f"a key called {name:.80} signed that is not in the trust file")
        for key in named:
            why = roster.may(key, roster.RUNNER, run.run.end_utc)
            if not check(key, text, signature):
                refused.append(f"the signature of {key.person} is not over this checkpoint")
            elif why:
                refused.append(why)
            else:
                good[key.id] = key
    return tuple(good.values()), tuple(refused)


def _names(key: Key, name: str, hint: bytes) -> bool:
    return dsse.note_key(name, bytes.fromhex(key.public)) == hint


@dataclass(frozen=True, slots=True)
class Runners:
    """The people who signed a run as its runners, why others do not count, what is not checked.

    `refused` are signatures of the note; `doubted` says what keeps the statement from counting.
    """

    people: tuple[str, ...]
    refused: tuple[str, ...]
    doubted: tuple[Finding, ...]
    unchecked: tuple[str, ...]


def runners_of(
    layer: Source, run: Sealed, book: Roster, check: Check = roster.check_ed25519
) -> Runners:
    """Return who signed a run, by its note or by the statement over its checkpoint.

    Signers with other keys than Ed25519 sign the statement alone, and need no note beside it.
    """
    keys, refused = note_signers(layer, run, book, check)
    doubted: list[Finding] = []
    if layout.CHECKPOINT not in set(layer.names()):
        doubted, refused = [Finding(layout.CHECKPOINT, why) for why in refused], ()
    stated = roster.Signed((), (), ())
    try:
        stated = roster.signers(_statement(layer, run), book, check)
    except Malformed as error:
        doubted.append(Finding(layout.ATTESTATIONS, error.problem))
    reasons = {key.id: roster.may(key, roster.RUNNER, run.run.end_utc) for key in stated.keys}
    doubted += [
        Finding(layout.ATTESTATIONS, why)
        for why in (*stated.refused, *filter(None, reasons.values()))
    ]
    good = (*keys, *(key for key in stated.keys if not reasons[key.id]))
    people = tuple(dict.fromkeys(key.person for key in good))
    return Runners(people, refused, tuple(doubted), stated.unchecked)


def _statement(layer: Source, run: Sealed) -> dsse.Envelope:
    """The envelope over the checkpoint of this run: the last line of the attestations.

    Raises:
        Malformed: there is none, or it is about something else.
    """
    data = layer.read(layout.ATTESTATIONS)
    envelope = dsse.read(data.removesuffix(b"\n").rpartition(b"\n")[2])
    statement = dsse.read_statement(envelope)
    wanted = dsse.Subject(layout.CHECKPOINT, (("sha256", chain.sha256(run.checkpoint)),))
    if statement.predicate_type != CHECKPOINT_SAID or wanted not in statement.subjects:
        raise Malformed(layout.ATTESTATIONS, "does not end with the checkpoint of this bundle")
    return envelope


# --- the steps ------------------------------------------------------------------------------------


def verify_trust(
    bundle: Source,
    layer: Source,
    book: Roster,
    as_of: str,
    *,
    check: Check = roster.check_ed25519,
    withheld: Iterable[Withheld] = (),
    kept: bytes = b"",
) -> Report:
    """Return what steps 12 to 14 find. The bundle itself was verified before.

    `withheld` is what that found taken out: somebody who may has to have signed for it. `kept` is a
    checkpoint of the log that was kept where nobody else writes: a log that has not come as far, or
    was another one then, is named.

    Raises:
        Malformed: a record of the bundle cannot be read.
    """
    run = records(bundle)
    log, log_findings = _log(layer)
    if kept and (problem := signoff.checkpoint_problem(kept, log)):
        log_findings.append(Finding("the checkpoint that was kept", problem))
    case = case_of(run, bundle, layer, book, as_of, check=check)
    weighed = weigh.weigh(log, case)
    decision, verdict = weigh.decide(case, weighed)
    signed = runners_of(layer, run, book, check)
    steps = (
        _runner_step(signed, book),
        Step(13, STEPS[13], True, tuple(log_findings)),
        _entries_step(weighed, withheld),
    )
    warnings = tuple(weigh.with_roster_of_now(weighed, book, as_of))
    every = (*weighed.lint, *warnings)
    return Report(steps, signed.people, weighed, decision, verdict, as_of, every)


def _log(layer: Source) -> tuple[signoff.Log, list[Finding]]:
    log, findings, names = signoff.read_log(b""), [], set(layer.names())
    try:
        if layout.SIGN_OFF_LOG in names:
            log = read_log(layer)
            findings = [Finding(layout.SIGN_OFF_LOG, problem) for problem in log.problems]
        if layout.SIGN_OFF_CHECKPOINT in names:
            kept = layer.read(layout.SIGN_OFF_CHECKPOINT)
            if problem := signoff.checkpoint_problem(kept, log):
                findings.append(Finding(layout.SIGN_OFF_CHECKPOINT, problem))
    except Malformed as error:
        return log, [Finding(error.place, error.problem)]
    return log, findings


def read_log(layer: Source) -> signoff.Log:
    """Return the log in a sign-off folder.

    Raises:
        Malformed: no regular file, or one larger than `signoff.LOG_BYTES_MAX`.
    """
    data = bytearray()
    for block in layer.blocks(layout.SIGN_OFF_LOG):
        data += block
        if len(data) > signoff.LOG_BYTES_MAX:
            raise Malformed(layout.SIGN_OFF_LOG, f"is larger than {signoff.LOG_BYTES_MAX} bytes")
    return signoff.read_log(bytes(data))


def _runner_step(signed: Runners, book: Roster) -> Step:
    """Not checked, and so never OK, where a scheme is used that nobody here can check."""
    people = len(signed.people)
    needed = book.people_for(roster.RUNNER, 1)
    findings = [Finding(layout.CHECKPOINT, why) for why in signed.refused]
    findings += [Finding(layout.ATTESTATIONS, why) for why in signed.unchecked]
    if people < needed:
        findings += signed.doubted
        lacking = f"{people} of {needed} trusted runners signed it"
        findings.append(Finding(layout.CHECKPOINT, lacking))
    return Step(12, STEPS[12], not signed.unchecked, tuple(findings))


def _entries_step(weighed: weigh.Weighed, withheld: Iterable[Withheld]) -> Step:
    """Not checked, and so never OK, where a scheme is used that nobody here can check."""
    signed = {
        (weight.entry.record.path, leaf)
        for weight in weighed.weights
        if isinstance(weight.entry.record, Withholding) and weight.standing == "counts"
        for leaf in weight.entry.record.leaves
    }
    findings = [
        Finding(f"{layout.SIGN_OFF_LOG} line {weight.entry.number + 1}", weight.reason)
        for weight in weighed.weights
        if weight.standing in ("refused", "unchecked", "orphan")
    ]
    for item in withheld:
        if (item.path, item.leaf) not in signed:
            chunk = "" if item.chunk is None else f"chunk {item.chunk} "
            findings.append(Finding(item.path, f"{chunk}was withheld, and nobody signed for that"))
    checked = all(weight.standing != "unchecked" for weight in weighed.weights)
    return Step(14, STEPS[14], checked, tuple(findings))


# --- told -----------------------------------------------------------------------------------------


def lines(report: Report) -> list[str]:
    """Return a report as plain lines: who signed, the entries, the verdict with all that."""
    text = [f"signed by {', '.join(report.runners)}"] if report.runners else []
    text += [
        f"{weight.entry.number + 1:>4}  {weight.standing:<10}  {title(weight.entry)}"
        + (f": {weight.reason}" if weight.reason else "")
        for weight in report.weighed.weights
    ]
    text += [f"warning: {warning}" for warning in report.warnings]
    text.append(f"decision with sign-off, as of {report.as_of}: {report.verdict}")
    return text


def title(entry: signoff.Entry) -> str:
    """Return an entry of the log as a few words; of an unsigned one, that its person is a claim."""
    record = entry.record
    if not entry.envelope.signatures and isinstance(record, signoff.Attachment):
        of = f"attachment of {record.artifact} for {record.signal}"
        return f"{of}, unsigned; says to be from {record.person} for {record.role}"
    kind, who = type(record).__name__.lower(), f"by {record.person} as {record.role}"
    if isinstance(record, signoff.Approval):
        return f"{kind} {who} of {_numbered('gate', [seen.gate for seen in record.gates])}"
    if isinstance(record, signoff.Attachment):
        return f"{kind} {who} of {record.artifact} for {record.signal}"
    if isinstance(record, signoff.Waiver):
        return f"{kind} {who} of {record.signal} until {record.until_utc}"
    if isinstance(record, signoff.Withholding):
        chunks = f", {_numbered('chunk', record.chunks)}" if record.chunks else ""
        return f"{kind} {who} of {record.path}{chunks}"
    if isinstance(record, signoff.Carry):
        return f"{kind} {who} of {record.command} from {record.run}"
    return f"{kind} {who} of entry {record.entry:.16}"


def _numbered(noun: str, numbers: Sequence[int]) -> str:
    return f"{noun}{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"


def value(report: Report) -> dict[str, Any]:
    """Return a report as a JSON value."""
    return {
        "ok": report.ok,
        "verdict": report.verdict,
        "as_of": report.as_of,
        "steps": codec.to_value(report.steps),
        "runners": list(report.runners),
        "entries": [
            {
                "line": weight.entry.number + 1,
                "digest": weight.entry.digest,
                "kind": type(weight.entry.record).__name__.lower(),
                "standing": weight.standing,
                "reason": weight.reason,
                "person": weight.entry.record.person,
                "role": weight.entry.record.role,
                "signed_utc": weight.entry.record.signed_utc,
            }
            for weight in report.weighed.weights
        ],
        "waived": codec.to_value(report.weighed.brought.waived),
        "warnings": list(report.warnings),
        "decision": codec.to_value(report.decision),
    }
''',
)

_load(
    'account',
    r'''
"""What a verification found, told to people and to machines.

The same words wherever a bundle is verified: by us, or by the program that lies in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evidence import codec, seal, trusted
from evidence.verify import Report, Step, Withheld

_ROOTS = {
    "final": "nothing was edited since it was sealed",
    "plan": "that is what was promised; only the final root shows every edit",
}


def lines(report: Report, trust: trusted.Report | None = None) -> list[str]:
    """Return a report as plain lines: one per step, one per finding, the verdict last.

    `trust` is what the steps with a trust file found, where there was one.
    """
    steps = (*report.steps, *(trust.steps if trust else ()))
    text = [line for step in steps for line in _of_step(step)]
    if report.expected and report.ok:
        text.append(f"expected root is the {report.expected} root: {_ROOTS[report.expected]}")
    elif report.expected:
        text.append(f"the {report.expected} root is the one expected; what lies under it is not")
    elif report.ok:
        text.append("consistent in itself; with --expect-root ROOT an edit of everything shows too")
    text += [f"note: {_visible(_withheld(item))}" for item in report.withheld]
    if report.decision is not None:
        text.append(f"decision, derived again: {report.decision.verdict}")
    if trust:
        text += map(_visible, trusted.lines(trust))
    text.append("VERIFIED" if holds(report, trust) else "NOT VERIFIED")
    return text


def holds(report: Report, trust: trusted.Report | None = None) -> bool:
    """Return whether every step was checked and found nothing."""
    return report.ok and (trust is None or trust.ok)


def _of_step(step: Step) -> Iterator[str]:
    word = "ok" if not step.findings else "FAILED"
    yield f"{step.number:>2}  {word if step.checked else 'not checked':<11}  {step.title}"
    for finding in step.findings:
        place = f"{_visible(finding.place)}: " if finding.place else ""
        yield f"      {place}{_visible(finding.problem)}"


def _withheld(item: Withheld) -> str:
    what = f"{item.path}" if item.chunk is None else f"chunk {item.chunk} of {item.path}"
    return f"{what} was withheld after the seal; its sealed leaf is {item.leaf}"


def _visible(text: str) -> str:
    """Text from a bundle on one line of a terminal: nothing in it can pass for a line of ours."""
    return "".join(char if char.isprintable() else seal.escape(char) for char in text)


def value(report: Report, trust: trusted.Report | None = None) -> dict[str, Any]:
    """Return a report as a JSON value; `sign_off` only with a trust file."""
    told: dict[str, Any] = {
        "ok": holds(report, trust),
        "plan_root": report.plan_root,
        "final_root": report.final_root,
        "expected": report.expected,
        "verdict": report.decision.verdict if report.decision else None,
        "steps": codec.to_value(report.steps),
    }
    if report.withheld:
        told["withheld"] = codec.to_value(report.withheld)
    return told if trust is None else {**told, "sign_off": trusted.value(trust)}
''',
)

_load(
    'folder',
    r'''
"""A bundle as a folder on a disk: the few lines of the verifier that touch files.

Standard library only, because it travels in every bundle. Reads; never writes.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, TypeVar

from evidence import chain, layout
from evidence.codec import Malformed
from evidence.contents import BLOCK_BYTES

T = TypeVar("T")
R = TypeVar("R")

RECORD_BYTES_MAX = 1 << 30
"""Largest file that is read whole (records, tables); logs and artifacts come in blocks."""


FORK_ITEMS_MIN = 512
"""Items from which processes are faster than threads."""
BATCH_FILES = 16
"""Files that a thread takes at a time."""


class Folder:
    """The `Source` of a bundle that lies in a folder. Links are listed and never followed."""

    def __init__(self, root: str) -> None:
        self.root = root

    def names(self) -> Iterator[str]:
        """Yield the path of everything below the root that is no folder, with `/` between.

        A folder that cannot be listed is yielded itself, as an oddity.
        """
        pending = [""]
        while pending:
            prefix = pending.pop()
            try:
                with os.scandir(os.path.join(self.root, prefix)) as entries:
                    for entry in entries:
                        name = prefix + entry.name
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(name + "/")
                        else:
                            yield name
            except OSError:
                yield prefix.rstrip("/") or "."

    def read(self, name: str) -> bytes:
        """Return a whole regular file. Raises `Malformed`."""
        handle, size = self._open(name)
        try:
            if size > RECORD_BYTES_MAX:
                raise Malformed(name, f"is larger than {RECORD_BYTES_MAX} bytes")
            return _next(handle, name, size)
        finally:
            os.close(handle)

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a regular file in blocks of `BLOCK_BYTES`. Raises `Malformed`."""
        handle, left = self._open(name)
        try:
            while left > 0:
                block = _next(handle, name, min(left, BLOCK_BYTES))
                yield block
                left = left - len(block) if block else 0
        finally:
            os.close(handle)

    def _open(self, name: str) -> tuple[int, int]:
        """A descriptor, which the caller closes, and the size of its file.

        Opened without following a link and without waiting for a pipe's other end, so that one
        look at what was opened tells whether it is a regular file.
        """
        if not layout.is_below(name):
            raise Malformed(name, "is not a path below the bundle")
        path = f"{self.root}/{name}"
        try:
            handle = os.open(path, _FLAGS)
        except (OSError, ValueError) as error:
            raise Malformed(name, _why_not(path, error)) from error
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            os.close(handle)
            raise Malformed(name, "is not a regular file")
        return handle, found.st_size


def sign_off_of(root: str) -> Folder | None:
    """Return the sign-off of the run whose bundle lies in a folder, where one lies beside it."""
    try:
        point = chain.checkpoint_of(Folder(root).read(layout.CHECKPOINT))
    except Malformed:
        return None
    from evidence import trusted  # most readers of a folder need nothing of it

    where = trusted.layer_named(os.path.realpath(root), point.audit, point.label)
    return Folder(where) if where and os.path.isdir(where) else None


def withheld(root: str) -> tuple[str, ...]:
    """Return the files that the sign-off beside a bundle says were taken out of it."""
    layer = sign_off_of(root)
    if layer is None:
        return ()
    from evidence import trusted

    return trusted.withheld_files(layer)


_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


def _why_not(path: str, error: OSError | ValueError) -> str:
    """Why a file could not be opened."""
    with contextlib.suppress(OSError, ValueError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return "is not a regular file"
    if isinstance(error, FileNotFoundError):
        return "is not there"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _next(handle: int, name: str, size: int) -> bytes:
    """The next `size` bytes, fewer at the end of the file; raw reads, as files are many."""
    try:
        data = os.read(handle, size)
        while len(data) < size and (more := os.read(handle, size - len(data))):
            data += more
    except OSError as error:
        raise Malformed(name, f"cannot be read: {error.strerror}") from error
    return data


def in_workers(function: Callable[[T], R], items: Iterable[T]) -> Iterable[R]:
    """Like `in_threads`, and begun at once while the caller goes on with something else.

    Many items are shared among forks of this process: threads would wait for the interpreter lock
    at each of several calls per file as long as the caller computes. `function` and the items need
    not be sendable, results must be. For single-threaded programs.
    """
    todo = list(items)
    if len(todo) < FORK_ITEMS_MIN:
        return in_threads(function, todo)
    count = os.cpu_count() or 1
    pipes = [_forked(function, todo[first::count]) for first in range(count)]
    return _collected(function, todo, pipes)


def _forked(function: Callable[[T], R], share: Sequence[T]) -> tuple[int, BinaryIO]:
    """A process that answers for its share (0 if none could be had), and where it answers."""
    source, sink = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(sink)
        return 0, open(source, "rb")
    if child:
        os.close(sink)
        return child, open(source, "rb")
    try:
        os.close(source)
        with open(sink, "wb") as stream:
            pickle.dump([function(item) for item in share], stream)
    finally:
        os._exit(0)


def _collected(
    function: Callable[[T], R], todo: Sequence[T], pipes: Sequence[tuple[int, BinaryIO]]
) -> Iterator[R]:
    """The answers in the order of the items; the share of a process that died is done here."""
    answers: list[Sequence[R]] = []
    for first, (child, stream) in enumerate(pipes):
        with stream:
            said = stream.read()
        if child:
            os.waitpid(child, 0)
        try:
            answers.append(pickle.loads(said))
        except (EOFError, pickle.UnpicklingError):
            answers.append([function(item) for item in todo[first :: len(pipes)]])
    for number in range(len(todo)):
        yield answers[number % len(pipes)][number // len(pipes)]


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> Iterable[R]:
    """Like `map`, on all processors: hashing gives the interpreter lock away.

    Files are handed out in batches, because a future costs as much as hashing a small log.
    """
    todo = list(items)
    batches = [todo[at : at + BATCH_FILES] for at in range(0, len(todo), BATCH_FILES)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = pool.map(lambda batch: [function(item) for item in batch], batches)
        return [result for batch in done for result in batch]
''',
)

from evidence import account, codec, folder, roster, trusted, verify  # noqa: E402


def main(words):
    import argparse
    import gc
    import os

    gc.disable()  # records make no cycles, and looking for some costs a fifth of the time
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(prog="verify.py", description="Verify an audit bundle.")
    parser.add_argument("bundle", nargs="?", default=here, help="its folder; default: this one")
    parser.add_argument("--expect-root", metavar="HEX", help="plan root or final root")
    parser.add_argument("--trust", metavar="FILE", help="your trust file: who may sign as what")
    parser.add_argument("--sign-off", metavar="DIR", help="the run's sign-off; default: beside it")
    parser.add_argument("--expect-log", metavar="FILE", help="a log.checkpoint that you kept")
    parser.add_argument("--as-of", metavar="UTC", help="the instant to weigh at; default: now")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(words)
    if not os.path.isdir(options.bundle):
        parser.error("no such folder: " + options.bundle)
    root = options.expect_root
    if root is not None and (len(root) != 64 or set(root.lower()) - set("0123456789abcdef")):
        parser.error("a root has 64 hex digits: --expect-root " + ascii(root[:80]))
    if options.expect_log is not None and options.trust is None:
        parser.error("--expect-log is looked at with --trust")
    source = folder.Folder(options.bundle)
    if options.sign_off is None:
        layer = folder.sign_off_of(options.bundle)
    else:
        layer = folder.Folder(options.sign_off) if os.path.isdir(options.sign_off) else None
    report = verify.verify(
        source,
        expect_root=root or "",
        each=folder.in_workers,
        withheld=trusted.withheld_files(layer) if layer else (),
    )
    trust = None
    if options.trust is not None:
        try:
            trust = sign_off(options, source, layer, report)
        except (OSError, ValueError) as error:
            parser.error("the sign-off cannot be weighed: " + ascii(str(error)[:300]))
    if options.json:
        text = codec.encode(account.value(report, trust))
    else:
        text = ("\n".join(account.lines(report, trust)) + "\n").encode("utf-8", "replace")
    sys.stdout.buffer.write(text)
    weighed = options.trust is None or trust is not None
    return 0 if weighed and account.holds(report, trust) else 3


def sign_off(options, source, layer, report):
    import datetime

    with open(options.trust, "rb") as stream:
        book = roster.read(stream.read(), options.trust)
    if layer is None:
        raise ValueError("its sign-off folder is not there; name it with --sign-off")
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    as_of = options.as_of or now
    kept = b""
    if options.expect_log is not None:
        with open(options.expect_log, "rb") as stream:
            kept = stream.read() or b"-"
    try:
        return trusted.verify_trust(source, layer, book, as_of, withheld=report.withheld, kept=kept)
    except codec.Malformed as error:
        if report.ok:  # nothing in the report says why, and it would say VERIFIED
            said = "verify.py: the sign-off cannot be weighed: " + ascii(str(error)[:300])
            print(said, file=sys.stderr)
            sys.exit(3)
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
