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
