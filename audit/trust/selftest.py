"""The gate tests itself: a real bundle is changed a thousand times, and each change must show.

Two families of mutants. *Tampering* changes bytes, and the verifier must name what was changed.
*Evidence* changes facts, and the judge must take the condition, and with it a gate that was GO,
down. Who is not noticed is a survivor. A gate that stays GO whatever its facts say is decorative.
Everything happens in memory; the disk is only read.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from audit import runs
from audit.errors import Corrupt
from audit.trust import selftest_facts, selftest_tamper
from audit.trust.selftest_facts import Otherwise
from audit.trust.selftest_source import Bundle
from evidence import codec, judge, verify
from evidence.model import Decision, GateStatus

FORMAT_VERSION = 1
CELL_SHARE = 10
"""One mutant of so many, at most, is a required cell that failed whatever gate it belongs to."""

Family = Literal["tampering", "evidence"]
Progress = Callable[[int, int], None]
"""Told now and then: mutants done, mutants in all."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One mutant and its fate. `gates` are those it touches; empty when it is the whole bundle."""

    family: Family
    kind: str
    said: str
    gates: tuple[int, ...]
    signal: str
    killed: bool


@dataclass(slots=True)
class Score:
    """How many mutants touched something, and how many of them were noticed."""

    mutants: int = 0
    killed: int = 0

    def add(self, killed: bool) -> None:
        """Count one more."""
        self.mutants += 1
        self.killed += killed


@dataclass(frozen=True, slots=True)
class GateScore:
    """What became of the mutants that touch one gate."""

    gate: int
    name: str
    status: GateStatus
    tampering: Score
    evidence: Score
    decorative: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a selftest found. `tampering` and `evidence` count mutants that touch no gate in
    particular; `vacuous` are signals that stay GO whatever their facts say."""

    final_root: str
    seed: int
    tried: tuple[Tried, ...]
    gates: tuple[GateScore, ...]
    tampering: Score
    evidence: Score
    vacuous: tuple[str, ...]

    @property
    def survivors(self) -> tuple[Tried, ...]:
        """The mutants that nobody noticed."""
        return tuple(item for item in self.tried if not item.killed)

    @property
    def decorative(self) -> tuple[int, ...]:
        """The gates that stay GO whatever their facts say."""
        return tuple(item.gate for item in self.gates if item.decorative)

    @property
    def ok(self) -> bool:
        """Whether every mutant was noticed, and every GO can be lost."""
        return not (self.survivors or self.decorative or self.vacuous)


def examine(folder: Path, *, mutants: int, seed: int, progress: Progress) -> Outcome:
    """Try `mutants` mutants of a finished run; the same seed tries the same ones.

    Half of them at most change evidence, spread over all conditions that are met; the rest tamper.
    Costs one verification of the bundle, and per mutant what it touches.

    Raises:
        Invalid: the run is not finished.
        Corrupt: the bundle does not verify as it is.
    """
    bundle = Bundle(str(folder))
    records = runs.load(folder)
    report = verified(bundle, {}, "")
    if not report.ok:
        raise Corrupt(
            "the bundle does not verify as it is, so no mutant of it would prove anything",
            place=str(folder),
            next_step=f"arco-audit verify {folder}",
        )
    decision = judge.decide(records.plan, records.facts)
    desk = _Desk(bundle, records, decision, report.final_root, random.Random(seed))
    tried: list[Tried] = []
    for item in itertools.islice(desk.all(mutants), mutants):
        tried.append(item)
        progress(len(tried), mutants)
    vacuous = tuple(desk.vacuous())
    return Outcome(
        final_root=report.final_root,
        seed=seed,
        tried=tuple(tried),
        gates=tuple(_gate_scores(desk, tried, frozenset(vacuous))),
        tampering=_whole(tried, "tampering"),
        evidence=_whole(tried, "evidence"),
        vacuous=vacuous,
    )


def verified(bundle: Bundle, changes: selftest_tamper.Files, expect_root: str) -> verify.Report:
    """Return what the verifier finds in a bundle with changes, the fast way."""
    mutant = bundle.with_changes(changes)
    return verify.verify(
        mutant, expect_root=expect_root, each=mutant.each, withheld=bundle.withheld
    )


def named(report: verify.Report, names: Sequence[str]) -> bool:
    """Whether a report refuses the bundle and names one of `names`, or anything where none is."""
    found = [f"{item.place} {item.problem}" for step in report.steps for item in step.findings]
    if report.ok or not found:
        return False
    return not names or any(name in text for name in names for text in found)


@dataclass(slots=True)
class _Desk:
    """The bundle, its records and decision, and the mutants that were judged already."""

    bundle: Bundle
    records: runs.Records
    decision: Decision
    final_root: str
    chance: random.Random
    _by_signal: dict[str, list[Otherwise]] = field(default_factory=lambda: defaultdict(list))
    _survived: dict[int, bool] = field(default_factory=dict)

    def all(self, count: int) -> Iterator[Tried]:
        """Yield mutants of both families, tampering without end."""
        yield from self._evidence(count // 2)
        yield from self._cells(count // CELL_SHARE)
        yield from self._tampering()

    def _evidence(self, most: int) -> Iterator[Tried]:
        plan, facts = self.records.plan, self.records.facts
        found = selftest_facts.mutants(plan, facts, self.decision, self.chance)
        for mutant in found:
            self._by_signal[mutant.signal].append(mutant)
        for mutant in spread(found, most, self.chance):
            killed = not self._survives(mutant)
            yield Tried("evidence", mutant.kind, mutant.said, (mutant.gate,), mutant.signal, killed)

    def _survives(self, mutant: Otherwise) -> bool:
        if id(mutant) not in self._survived:
            self._survived[id(mutant)] = selftest_facts.survives(mutant, self.decision)
        return self._survived[id(mutant)]

    def _cells(self, most: int) -> Iterator[Tried]:
        plan, facts = self.records.plan, self.records.facts
        found = list(selftest_facts.cells(plan, facts, self.decision))
        for name, world in found if len(found) <= most else self.chance.sample(found, most):
            killed = selftest_facts.blocks(name, world, self.decision)
            yield Tried("evidence", "the release without it", name, (), "", killed)

    def _tampering(self) -> Iterator[Tried]:
        plan, run, facts = self.records.plan, self.records.run, self.records.facts
        target = selftest_tamper.Target.of(self.bundle, plan, run, facts)
        known = {gate.id for gate in plan.gates}
        for mutant in selftest_tamper.mutants(target, self.chance):
            report = verified(self.bundle, mutant.changes, self.final_root)
            gates = tuple(sorted(mutant.gates & known))
            killed = named(report, mutant.names)
            yield Tried("tampering", mutant.kind, mutant.said, gates, "", killed)

    def vacuous(self) -> Iterator[str]:
        """Yield signals that are GO in every world; of these all mutants are judged, not some."""
        for signal in self.decision.signals:
            if signal.status == "GO" and all(map(self._survives, self._by_signal[signal.id])):
                yield signal.id


def spread(found: Sequence[Otherwise], most: int, chance: random.Random) -> list[Otherwise]:
    """Return at most `most` mutants: of every condition one, then a second, and so on."""
    if len(found) <= most:
        return list(found)
    groups: dict[tuple[int, int], list[Otherwise]] = defaultdict(list)
    for mutant in found:
        groups[mutant.place, mutant.number].append(mutant)
    turns = list(groups.values())
    chance.shuffle(turns)
    for group in turns:
        chance.shuffle(group)
    mixed = itertools.chain.from_iterable(itertools.zip_longest(*turns))
    return list(itertools.islice((mutant for mutant in mixed if mutant is not None), most))


def _whole(tried: Sequence[Tried], family: Family) -> Score:
    score = Score()
    for item in tried:
        if item.family == family and not item.gates:
            score.add(item.killed)
    return score


def _gate_scores(
    desk: _Desk, tried: Sequence[Tried], vacuous: frozenset[str]
) -> Iterator[GateScore]:
    scores: dict[tuple[int, Family], Score] = defaultdict(Score)
    for item in tried:
        for gate in item.gates:
            scores[gate, item.family].add(item.killed)
    for promised, decided in zip(desk.records.plan.gates, desk.decision.gates, strict=True):
        yield GateScore(
            gate=promised.id,
            name=promised.name,
            status=decided.status,
            tampering=scores[promised.id, "tampering"],
            evidence=scores[promised.id, "evidence"],
            decorative=decided.status == "GO" and vacuous.issuperset(promised.signals),
        )


def value(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as a JSON value; survivors are listed in full."""
    kinds: dict[tuple[Family, str], Score] = defaultdict(Score)
    for item in outcome.tried:
        kinds[item.family, item.kind].add(item.killed)
    return {
        "format_version": FORMAT_VERSION,
        "ok": outcome.ok,
        "final_root": outcome.final_root,
        "seed": outcome.seed,
        "mutants": len(outcome.tried),
        "killed": len(outcome.tried) - len(outcome.survivors),
        "gates": codec.to_value(outcome.gates),
        "tampering": codec.to_value(outcome.tampering),
        "evidence": codec.to_value(outcome.evidence),
        "kinds": [
            {"family": family, "kind": kind, **codec.to_value(score)}
            for (family, kind), score in sorted(kinds.items())
        ],
        "survivors": codec.to_value(outcome.survivors),
        "decorative": list(outcome.decorative),
        "vacuous": list(outcome.vacuous),
    }
