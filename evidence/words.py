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
