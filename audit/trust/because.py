"""Why something is different: each change with what likely brought it about.

Links only between things that the records name: a gate and its signals, a signal and its
conditions, a condition and its cells and tests, a cell and what it needs and reads, and the facts
of the environment. They are likely causes and not proofs; nothing here changes what a change is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from audit.trust.bundle import Bundle
from audit.trust.changes import MATCHED, Change
from audit.trust.matching import condition_name
from evidence import judge, words
from evidence.model import (
    Condition,
    FilePresent,
    MetricWithin,
    PatternAbsent,
    Signal,
    TestFact,
    TestPassed,
)

FAILING = ("vanished", "newly failing")
"""Kinds that make what rests on them fail."""
HIDING = (*FAILING, "weakened", "altered")
"""Kinds that make a test say less: one that is skipped now counts too."""
SHOWN_MAX = 5
"""Links that are given for one change."""


def changed_files(
    old: Mapping[str, str] | None, new: Mapping[str, str] | None
) -> tuple[str, ...] | None:
    """Return the tracked paths that differ in mode or content, sorted; None where not known."""
    if old is None or new is None:
        return None
    return tuple(sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path)))


def explained(
    changes: Iterable[Change], old: Bundle, new: Bundle, files: Sequence[str] | None
) -> list[Change]:
    """Return the changes with their likely causes; what is better or harmless needs none."""
    found = list(changes)
    case = _Case(found, old, new, files or ())
    return [
        dataclasses.replace(change, because=tuple(dict.fromkeys(case.links(change)))[:SHOWN_MAX])
        for change in found
    ]


class _Case:
    """All changes by what they are about, and the newer plan to look things up in."""

    def __init__(
        self, changes: Sequence[Change], old: Bundle, new: Bundle, files: Sequence[str]
    ) -> None:
        self.files = files
        self.about: dict[tuple[str, str], list[Change]] = {}
        for change in changes:
            self.about.setdefault((change.noun, change.place), []).append(change)
        self.cells = {cell.id: cell for cell in new.plan.cells}
        self.gates = {str(gate.id): gate for gate in new.plan.gates}
        self.signals = {signal.id: signal for signal in new.plan.signals}
        self.conditions: dict[str, tuple[Signal, Condition]] = {
            f"{signal.id}: {condition_name(condition)}": (signal, condition)
            for bundle in (old, new)
            for signal in bundle.plan.signals
            for condition in signal.conditions
        }
        self.using: dict[str, list[Signal]] = {}
        for signal, condition in self.conditions.values():
            for cell in getattr(condition, "cells", ()):
                self.using.setdefault(cell, []).append(signal)
        self.open = {
            f"{signal.id}: {condition_name(condition)}"
            for signal, told in zip(new.plan.signals, new.decision.signals, strict=True)
            for condition, answer in zip(signal.conditions, told.conditions, strict=True)
            if answer.answer != "met"
        }
        hiding = (
            change.place.partition(": ")
            for change in changes
            if change.noun == "test" and change.kind in HIDING
        )
        tests = tuple(TestFact(cell, key, "failed") for cell, _, key in hiding)
        self.hiding = dataclasses.replace(new.facts, tests=tests)
        self.flips = [
            f"{change.place}: {change.before} → {change.after}"
            for change in changes
            if change.noun == "environment" and not change.place.startswith("subject ")
        ]

    def links(self, change: Change) -> Iterator[str]:
        """Yield the likely causes of a change, nearest first."""
        fell = change.kind in ("newly failing", "weakened") and not change.what
        match change.noun:
            case "cell" if change.kind == "newly failing":
                yield from self._cell(change.place)
            case "test" if change.kind in HIDING:
                yield from self._test(change.place)
            case "condition" if change.kind == "newly failing" or change.what == MATCHED:
                yield from self._condition(change)
            case "metric" if change.kind == "noted":
                yield from self._bounds(change)
            case "signal" if fell:
                yield from self._signal(change.place)
            case "gate" if fell:
                gate = self.gates.get(change.place)
                for name in gate.signals if gate else ():
                    yield from self._of("signal", name)
            case "verdict" if change.kind == "newly failing":
                yield from self._verdict()
            case _:
                return

    def _of(self, noun: str, place: str) -> Iterator[str]:
        """What went wrong with a thing, as one line."""
        for change in self.about.get((noun, place), ()):
            if change.kind in (HIDING if noun == "test" else FAILING):
                yield f"{noun} {place} {change.kind}"

    def _cell(self, name: str) -> Iterator[str]:
        cell = self.cells.get(name)
        for need in cell.needs if cell else ():
            yield from self._of("cell", need)
        for change in self.about.get(("cell", name), ()):
            if change.what:
                yield f"its {change.what} is {change.after}, was {change.before}"
        yield from self._files(cell.reads if cell else (), self.using.get(name, ()))
        yield from self.flips

    def _files(self, reads: Sequence[str], using: Sequence[Signal]) -> Iterator[str]:
        """Changed files that a cell reads: as declared, else those its signals name, else all."""
        near = reads or [path for signal in using for path in (*signal.code, *signal.tests)]
        files = _below(self.files, near)
        yield from _told(files or ([] if reads else self.files))

    def _test(self, place: str) -> Iterator[str]:
        cell, _, key = place.partition(": ")
        yield from _told([path for path in self.files if _holds(path, key)])
        yield from self._of("cell", cell)

    def _condition(self, change: Change) -> Iterator[str]:
        _, condition = self.conditions.get(change.place, (None, None))
        if condition is None:
            return
        for other in self.about[change.noun, change.place]:
            if other.kind == "strengthened" and other.what:
                yield f"its {other.what} is {other.after}, was {other.before}"
        for cell in getattr(condition, "cells", ()):
            yield from self._of("cell", cell)
        match condition:
            case TestPassed():
                yield from self._tests(condition)
            case MetricWithin():
                for cell in condition.cells:
                    yield from self._metric(f"{cell}: {condition.name}")
            case FilePresent():
                yield from _told(_below(self.files, (condition.path,)))
            case PatternAbsent():
                yield from _told(_below(self.files, condition.inside))
            case _:
                return

    def _bounds(self, change: Change) -> Iterator[str]:
        """Whether a number moved toward a bound, which is where it will fail one day."""
        cell, _, name = change.place.partition(": ")
        for _, condition in self.conditions.values():
            if not isinstance(condition, MetricWithin) or condition.name != name:
                continue
            for bound, word, sign in (
                (condition.at_least, "at least", -1),
                (condition.at_most, "at most", 1),
            ):
                if cell in condition.cells and _rose(change.before, change.after) == sign:
                    yield from [f"toward its bound: {word} {bound}"] if bound else []

    def _metric(self, place: str) -> Iterator[str]:
        for change in self.about.get(("metric", place), ()):
            yield f"metric {place}: {change.before or 'none'} → {change.after or 'none'}"

    def _tests(self, condition: TestPassed) -> Iterator[str]:
        for cell in condition.cells:
            yield from self._of("test", f"{cell}: all")
        for fact in judge.tests_of(self.hiding, condition):
            yield from self._of("test", f"{fact.cell}: {fact.key}")

    def _signal(self, name: str) -> Iterator[str]:
        signal = self.signals.get(name)
        for condition in signal.conditions if signal else ():
            place = f"{name}: {condition_name(condition)}"
            yield from self._of("condition", place)
            about = self.about.get(("condition", place), ())
            if place in self.open and any(change.kind == "added" for change in about):
                yield f"condition {place} added, and not met"

    def _verdict(self) -> Iterator[str]:
        for place in self.gates:
            yield from self._of("gate", place)
        for name, cell in self.cells.items():
            if cell.required:
                yield from self._of("cell", name)
        for place in ("subject dirty", "tree after the run"):
            for change in self.about.get(("environment", place), ()):
                yield f"{place}: {change.after}"


def _rose(before: str, after: str) -> int:
    """1 where a number rose, -1 where it fell, 0 where nobody can say."""
    try:
        one, other = Decimal(before), Decimal(after)
        return (other > one) - (other < one)
    except InvalidOperation:
        return 0


def _told(files: Sequence[str]) -> Iterator[str]:
    if files:
        yield f"changed: {words.listed(files)}"


def _below(paths: Sequence[str], places: Sequence[str]) -> list[str]:
    """The paths that globs mean; of `path:line` and `path::test` the path counts."""
    from evidence.globs import matcher

    globs = [place.partition(":")[0] for place in places]
    found = matcher([glob for glob in globs if glob])
    return [path for path in paths if found(path)]


def _holds(path: str, key: str) -> bool:
    """Whether a test's dotted id begins with the module that a path is."""
    return path.endswith(".py") and key.startswith(path[:-3].replace("/", ".") + ".")
