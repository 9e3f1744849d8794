"""JUnit XML: a suite per gate with a case per signal, the cells, and the verdict.

Suites and cases in, bytes out; `audit.results` reads them back. Only what passed is a pass: a
waived signal is a failure that says so, a skipped cell is skipped.
Source of the shape: the xunit2 dialect that pytest writes, since the format has no standard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from audit.exchange import source as sources
from audit.exchange.source import Source, line, lines
from evidence import words
from evidence.model import Attempt, Cell, CellDecision, Gate, Outcome, Signal, SignalDecision


@dataclass(frozen=True, slots=True)
class Case:
    """One test case. `kind` and `message` say why it is no pass; `text` is the whole story.

    `retried` says that it passed after failing, which Surefire's dialect has an element for.
    """

    owner: str
    name: str
    outcome: Outcome
    kind: str = ""
    message: str = ""
    text: str = ""
    duration_ms: int = 0
    retried: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases under a name; `start_utc` is RFC 3339 UTC, or empty."""

    name: str
    cases: Sequence[Case]
    start_utc: str = ""


def export(source: Source) -> dict[str, bytes]:
    """Return the JUnit file of a run, by name."""
    plan = source.plan
    start = source.run.start_utc
    by_id = {signal.id: (signal, decided) for signal, decided in source.signals}
    suites = [_gate(source, gate, by_id) for gate in plan.gates]
    attempts = source.attempts()
    cells = zip(plan.cells, source.decision.cells, strict=True)
    cases = [_cell(cell, decided, attempts[cell.id]) for cell, decided in cells]
    suites.append(Suite("cells", cases, start))
    suites.append(Suite(sources.VERDICT, [_verdict(source)], start))
    return {"junit.xml": document(plan.audit.title, suites)}


def document(name: str, suites: Sequence[Suite]) -> bytes:
    """Return suites as a JUnit file: US-ASCII with character references, LF line ends."""
    root = ET.Element("testsuites", {"name": line(name), **_counts(suites)})
    for suite in suites:
        when = {"timestamp": suite.start_utc} if suite.start_utc else {}
        top = ET.SubElement(
            root, "testsuite", {"name": line(suite.name), **_counts([suite]), **when}
        )
        for case in suite.cases:
            _write(top, case)
    ET.indent(root, " ")
    # Carriage returns are visible signs by now, so that nothing depends on how XML ends lines.
    body: bytes = ET.tostring(root, "us-ascii")
    return b'<?xml version="1.0" encoding="US-ASCII"?>\n' + body + b"\n"


def _counts(suites: Iterable[Suite]) -> dict[str, str]:
    cases = [case for suite in suites for case in suite.cases]
    outcomes = [case.outcome for case in cases]
    return {
        "tests": str(len(cases)),
        "failures": str(outcomes.count("failed")),
        "errors": str(outcomes.count("error")),
        "skipped": str(outcomes.count("skipped")),
        "time": _seconds(sum(case.duration_ms for case in cases)),
    }


_TAGS: Mapping[Outcome, str] = {"failed": "failure", "error": "error", "skipped": "skipped"}


def _write(suite: ET.Element, case: Case) -> None:
    attributes = {
        "classname": line(case.owner),
        "name": line(case.name),
        "time": _seconds(case.duration_ms),
    }
    element = ET.SubElement(suite, "testcase", attributes)
    if case.properties:
        inner = ET.SubElement(element, "properties")
        for key, value in case.properties.items():
            ET.SubElement(inner, "property", {"name": line(key), "value": line(value)})
    if case.outcome != "passed":
        why = {"message": line(case.message)} | ({"type": line(case.kind)} if case.kind else {})
        ET.SubElement(element, _TAGS[case.outcome], why).text = lines(case.text)
    elif case.retried:
        ET.SubElement(element, "flakyFailure", {"message": line(case.message)})


def _seconds(duration_ms: int) -> str:
    return f"{duration_ms // 1000}.{duration_ms % 1000:03}"


# --- what a run is as cases -----------------------------------------------------------------------


def _gate(source: Source, gate: Gate, by_id: Mapping[str, tuple[Signal, SignalDecision]]) -> Suite:
    owner = f"gate-{gate.id}"
    cases = [_signal(source, owner, *by_id[name]) for name in gate.signals if name in by_id]
    unknown = [name for name in gate.signals if name not in by_id]
    if unknown or not gate.signals:
        why = f"no such signal: {words.listed(unknown)}" if unknown else "it has no signals"
        cases.append(Case(owner, "it has its signals", "failed", "NO-GO", why, why))
    return Suite(f"gate {gate.id}: {gate.name}", cases, source.run.start_utc)


def _signal(source: Source, owner: str, signal: Signal, decided: SignalDecision) -> Case:
    told = {"status": decided.status, "owner": signal.owner, "exit_test": signal.exit_test}
    waiver = source.waiver(signal.id)
    if waiver and decided.status != "GO":
        told["waived"] = f"by {waiver.person} until {waiver.until_utc}: {waiver.reason}"
    name = f"{signal.id} {signal.title}"
    if decided.status == "GO":
        return Case(owner, name, "passed", properties=told)
    story = [f"{decided.status}: {decided.reason}", f"next: {decided.next_step}"]
    story += [f"waived {told['waived']}"] if "waived" in told else []
    story += [f"{item.answer}: {item.condition}: {item.reason}" for item in decided.conditions]
    return Case(
        owner,
        name,
        "failed",
        decided.status,
        decided.reason,
        "\n".join(map(line, story)),
        properties=told,
    )


_OUTCOMES: Mapping[str, Outcome] = {
    "failed": "failed",
    "timed_out": "failed",
    "skipped": "skipped",
    "could_not_run": "error",
    "interrupted": "error",
    "absent": "error",
}


def _cell(cell: Cell, decided: CellDecision, attempts: Sequence[Attempt]) -> Case:
    told = {
        "command": cell.cmd,
        "required": str(cell.required).lower(),
        "attempts": str(decided.attempts),
        "exit_code": str(attempts[-1].exit_code) if attempts else "none",
    }
    outcome: Outcome = "passed" if decided.passed else _OUTCOMES.get(decided.result, "failed")
    story = "\n".join(
        f"attempt {item.number}: {item.result} {line(item.reason)} {sources.log_of(item)}".rstrip()
        for item in attempts
    )
    spent_ms = sum(item.duration_ms for item in attempts)
    why = words.outcome(decided)
    again = any(item.result in ("failed", "timed_out") for item in attempts)
    text = story or why
    return Case("cells", cell.id, outcome, decided.result, why, text, spent_ms, again, told)


def _verdict(source: Source) -> Case:
    """The verdict as a case: what blocks beside the gates must not be lost in green suites."""
    decision = source.decision
    told = {
        "as_of": decision.as_of,
        "commit": source.plan.subject.commit,
        "plan_root": source.run.plan_root,
        "final_root": source.final_root,
        **source.told_signed_off("verdict_with_sign_off"),
    }
    if decision.verdict == "GO":
        return Case(sources.VERDICT, "the release is ready", "passed", properties=told)
    why = words.listed(decision.blockers)
    text = "\n".join(map(line, decision.blockers))
    return Case(
        sources.VERDICT, "the release is ready", "failed", "NO-GO", why, text, properties=told
    )
