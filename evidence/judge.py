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
