"""Ways to tamper with a sealed bundle, from one flipped bit to a history written anew.

Each way takes the bundle and chance, and returns the bytes that it would put in place of others,
with what the verifier has to name. A careful forger recomputes digests and seal as well, so most
ways come in three depths. Nothing here verifies anything, and nothing touches the disk.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from audit.trust.selftest_source import Bundle
from evidence import chain, codec, contents, journal, judge, layout, seal, verify
from evidence.chain import Checkpoint
from evidence.codec import Malformed
from evidence.model import Attempt, Facts, Plan, Result, Run, Seal

MUTATED_BYTES_MAX = 16 << 20
"""Largest file whose bytes are changed: a copy of it lies in memory."""
TRIES_MAX = 20
"""How often a way that finds nothing to change is tried with other luck."""

TRACKER = f"{layout.DOCUMENTS}/{layout.TRACKER}"
DEPTHS = ("", ", digests too", ", sealed anew")
"""How careful the forger is: not, with new `SHA256SUMS`, with a new seal and checkpoint."""

Files = dict[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Tampering:
    """One mutant. Of `names` the verifier has to name one; of none, anything. `gates` are those
    whose evidence or record it touches; empty when it is the bundle as a whole."""

    kind: str
    said: str
    changes: Files
    names: tuple[str, ...]
    gates: frozenset[int]


@dataclass(frozen=True, slots=True)
class Target:
    """The bundle to be tampered with, and its records."""

    bundle: Bundle
    plan: Plan
    run: Run
    facts: Facts
    gates_of: dict[str, frozenset[int]]
    """The gates that a cell is evidence for."""

    @classmethod
    def of(cls, bundle: Bundle, plan: Plan, run: Run, facts: Facts) -> Target:
        """Return the target that a bundle with these records is."""
        gates: dict[str, set[int]] = {cell.id: set() for cell in plan.cells}
        for signal in plan.signals:
            for condition in signal.conditions:
                for name in getattr(condition, "cells", ()):
                    gates.setdefault(name, set()).add(signal.gate)
        return cls(bundle, plan, run, facts, {k: frozenset(v) for k, v in gates.items()})

    def gates(self, name: str) -> frozenset[int]:
        """Return the gates that a file is evidence for, going by its cell."""
        for attempt in self.run.attempts:
            paths = [artifact.path for artifact in attempt.artifacts]
            if attempt.log is not None:
                paths += [attempt.log.path, layout.salts_path(attempt.log.path)]
            if name in paths:
                return self.gates_of.get(attempt.cell, frozenset())
        return frozenset()


Way = Callable[[Target, random.Random], Tampering | None]


def mutants(target: Target, chance: random.Random) -> Iterator[Tampering]:
    """Yield mutants without end, each way in turn; stops where no way finds anything to change."""
    barren = 0
    for number in _forever():
        if barren == len(WAYS):
            return
        kind, way = WAYS[number % len(WAYS)]
        made = next(filter(None, (way(target, chance) for _ in range(TRIES_MAX))), None)
        if made is None or not _changed(target.bundle, made.changes):
            barren += 1
            continue
        barren = 0
        yield dataclasses.replace(made, kind=kind)


def _forever() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def _changed(bundle: Bundle, changes: Files) -> bool:
    """Whether the bytes are others than those of the bundle: else the mutant would be none."""
    for name, data in changes.items():
        if name not in bundle.paths:
            return data is not None
        if data is None or data != bundle.read(name):
            return True
    return False


def _only_withheld(bundle: Bundle, name: str, data: bytes) -> bool:
    """Whether a log differs only in what stands where a text was withheld: no evidence is there.

    A reason may be any, so that such a change proves nothing of the verifier.
    """
    if not seal.is_log(name):
        return False
    old, salts = bundle.read(name), bundle.read(layout.salts_path(name))
    if len(old) != len(data):
        return False
    for number, start in enumerate(range(0, len(old), chain.CHUNK_BYTES)):
        was, now = (text[start : start + chain.CHUNK_BYTES] for text in (old, data))
        salt = salts[number * chain.SALT_BYTES :][: chain.SALT_BYTES]
        taken = salt == contents.NO_SALT and contents.is_marker(was) and contents.is_marker(now)
        if was != now and not taken:
            return False
    return True


# --- files ----------------------------------------------------------------------------------------


def _sizable(target: Target) -> list[str]:
    """Files that have bytes and are small enough to be copied."""
    return [
        name
        for name in target.bundle.paths
        if 0 < target.bundle.disk_size(name) <= MUTATED_BYTES_MAX
    ]


def _named(name: str) -> tuple[str, ...]:
    """What the verifier names when a file is not what it was: of salts, their log."""
    if name == layout.SEAL:
        return ()
    return (name.removesuffix(".salts") if seal.is_salts(name) else name,)


def _flipped_byte(target: Target, chance: random.Random) -> Tampering | None:
    files = _sizable(target)
    if not files:
        return None
    name = chance.choice(files)
    data = bytearray(target.bundle.read(name))
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    if _only_withheld(target.bundle, name, bytes(data)):
        return None
    said = f"{name}: a bit of byte {at}"
    return _file(target, chance, said, name, bytes(data))


def _file(
    target: Target, chance: random.Random, said: str, name: str, data: bytes | None
) -> Tampering:
    """A mutant in which one file is another, at some depth."""
    return _deep(target, chance, said, {name: data}, _named(name), target.gates(name))


def _absent_file(target: Target, chance: random.Random) -> Tampering:
    name = chance.choice(target.bundle.paths)
    gates = target.gates(name)
    return Tampering("", f"{name} taken away", {name: None}, _named(name), gates)


def _extra_file(target: Target, chance: random.Random) -> Tampering:
    places = (
        *("extra.txt", ".hidden", f"{layout.LOGS}/extra.log", f"{layout.LOGS}/extra.salts"),
        *(f"{layout.ARTIFACTS}/extra/1/x", f"{layout.DOCUMENTS}/extra.md", "a/b/c"),
    )
    name = chance.choice(places)
    return _file(target, chance, f"{name} added", name, chance.randbytes(8))


def _swapped_logs(target: Target, chance: random.Random) -> Tampering | None:
    logs = [name for name in _sizable(target) if seal.is_log(name)]
    if len(logs) < 2:
        return None
    one, other = chance.sample(logs, 2)
    first, second = target.bundle.read(one), target.bundle.read(other)
    swapped = {one: second, other: first}
    if all(_only_withheld(target.bundle, name, data) for name, data in swapped.items()):
        return None
    changes: Files = {**swapped}
    if chance.random() < 0.5:
        salts = layout.salts_path(one), layout.salts_path(other)
        changes |= dict(zip(salts, map(target.bundle.read, reversed(salts)), strict=True))
    gates = target.gates(one) | target.gates(other)
    return Tampering("", f"{one} and {other} swapped", changes, (one, other), gates)


def _wrong_sha(target: Target, chance: random.Random) -> Tampering | None:
    name = chance.choice((layout.SUMS, layout.SEAL, layout.RUN, layout.CHECKPOINT))
    data = bytearray(target.bundle.read(name))
    digits = [at for at in range(len(data) - 8) if _is_digest(data[at : at + 8])]
    if not digits:
        return None
    at = chance.choice(digits)
    data[at] = ord("1") if data[at] == ord("0") else ord("0")
    return _file(target, chance, f"{name}: a digit of a digest at byte {at}", name, bytes(data))


def _is_digest(text: bytes | bytearray) -> bool:
    return all(byte in b"0123456789abcdef" for byte in text) and not text.isalpha()


# --- records --------------------------------------------------------------------------------------


def _record(
    target: Target,
    chance: random.Random,
    name: str,
    change: Callable[[Any], str | None],
    gates: Callable[[str], frozenset[int]] = lambda said: frozenset(),
) -> Tampering | None:
    """A mutant of one record; `change` edits its value and says what it did."""
    value = json.loads(target.bundle.read(name))
    said = change(value)
    if said is None:
        return None
    changes: Files = {name: codec.encode(value)}
    return _deep(target, chance, f"{name}: {said}", changes, (name,), gates(said))


def _deleted(target: Target, chance: random.Random) -> Tampering | None:
    """A condition, signal, gate or cell that the plan does not promise any more."""
    what = chance.choice(("condition", "signal", "gate", "cell"))
    touched: set[int] = set()

    def change(plan: Any) -> str | None:
        if what == "condition":
            signals = [signal for signal in plan["signals"] if signal["conditions"]]
            if not signals:
                return None
            signal = chance.choice(signals)
            at = chance.randrange(len(signal["conditions"]))
            del signal["conditions"][at]
            touched.add(signal["gate"])
            return f"condition {at} of {signal['id']} deleted"
        items = plan[f"{what}s"]
        if not items:
            return None
        item = items.pop(chance.randrange(len(items)))
        touched.update(_gates_of_item(target, what, item))
        return f"{what} {item['id']} deleted"

    return _record(target, chance, layout.PLAN, change, lambda said: frozenset(touched))


def _gates_of_item(target: Target, what: str, item: Any) -> frozenset[int]:
    if what == "cell":
        return target.gates_of.get(item["id"], frozenset())
    return frozenset((item["gate"] if what == "signal" else item["id"],))


def _edited_status(target: Target, chance: random.Random) -> Tampering | None:
    return _status(target, chance, layout.DECISION)


def _edited_tracker(target: Target, chance: random.Random) -> Tampering | None:
    return _status(target, chance, TRACKER)


def _status(target: Target, chance: random.Random, name: str) -> Tampering | None:
    """Another status of a gate or signal, or another verdict, where it is told."""
    touched: set[int] = set()
    homes = {signal.id: signal.gate for signal in target.plan.signals}

    def change(value: Any) -> str | None:
        items = [*value["gates"], *value["signals"], value]
        item = chance.choice(items)
        key = "verdict" if item is value else "status"
        item[key] = "NO-GO" if item[key] == "GO" else "GO"
        if item is not value:
            touched.add(homes[item["id"]] if item["id"] in homes else item["id"])
        return f"{key} of {item.get('id', 'the release')} is {item[key]}"

    return _record(target, chance, name, change, lambda said: frozenset(touched))


def _edited_decision(target: Target, chance: random.Random) -> Tampering | None:
    """Another word of the decision: a blocker gone, a cell passed, an answer met, another time."""

    def change(value: Any) -> str | None:
        what = chance.choice(("blockers", "cell", "answer", "as_of"))
        if what == "blockers":
            value["blockers"] = [] if value["blockers"] else ["nothing"]
        elif what == "cell" and value["cells"]:
            cell = chance.choice(value["cells"])
            cell["passed"] = not cell["passed"]
        elif what == "answer" and (told := [s for s in value["signals"] if s["conditions"]]):
            condition = chance.choice(chance.choice(told)["conditions"])
            condition["answer"] = "no" if condition["answer"] == "met" else "met"
        else:
            value["as_of"] = "2001-01-01T00:00:00Z"
        return f"another {what}"

    return _record(target, chance, layout.DECISION, change)


# --- what ran -------------------------------------------------------------------------------------


def _attempt(target: Target, chance: random.Random) -> Attempt | None:
    return chance.choice(target.run.attempts) if target.run.attempts else None


def _dropped_attempt(target: Target, chance: random.Random) -> Tampering | None:
    attempt = _attempt(target, chance)
    if attempt is None:
        return None
    rest = tuple(item for item in target.run.attempts if item is not attempt)
    return _history(target, chance, f"{_name(attempt)} dropped", rest, attempt)


def _duplicated_attempt(target: Target, chance: random.Random) -> Tampering | None:
    attempt = _attempt(target, chance)
    if attempt is None:
        return None
    twice = (*target.run.attempts, attempt)
    return _history(target, chance, f"{_name(attempt)} twice", twice, attempt)


def _flipped_exit_code(target: Target, chance: random.Random) -> Tampering | None:
    attempt = _attempt(target, chance)
    if attempt is None:
        return None
    other = dataclasses.replace(attempt, exit_code=0 if attempt.exit_code else 1)
    return _edited(target, chance, f"{_name(attempt)} exits {other.exit_code}", attempt, other)


def _flipped_result(target: Target, chance: random.Random) -> Tampering | None:
    attempt = _attempt(target, chance)
    if attempt is None:
        return None
    result: Result = "failed" if attempt.result == "passed" else "passed"
    other = dataclasses.replace(attempt, result=result)
    return _edited(target, chance, f"{_name(attempt)} {result}", attempt, other)


def _stale_time(target: Target, chance: random.Random) -> Tampering | None:
    """Times that run backwards, or lie long ago."""
    attempt = _attempt(target, chance)
    if attempt is None:
        return None
    if chance.random() < 0.5:
        other = dataclasses.replace(attempt, start_utc="2099-01-01T00:00:00Z")
        return _edited(target, chance, f"{_name(attempt)} ends before it starts", attempt, other)
    other = dataclasses.replace(attempt, end_utc="2001-01-01T00:00:00Z")
    return _edited(target, chance, f"{_name(attempt)} ended long ago", attempt, other)


def _name(attempt: Attempt) -> str:
    return journal.attempt_name(attempt.cell, attempt.number)


def _edited(
    target: Target, chance: random.Random, said: str, old: Attempt, new: Attempt
) -> Tampering:
    attempts = tuple(new if item is old else item for item in target.run.attempts)
    return _history(target, chance, said, attempts, old)


def _history(
    target: Target,
    chance: random.Random,
    said: str,
    attempts: Sequence[Attempt],
    about: Attempt,
) -> Tampering:
    """A mutant in which other attempts ran: told so by the run alone, or by every record."""
    run = dataclasses.replace(target.run, attempts=tuple(attempts))
    gates = target.gates_of.get(about.cell, frozenset())
    changes: Files = {layout.RUN: codec.write(run)}
    if chance.random() < 0.5:
        changes |= _told_again(target, run)
        said += ", every record agrees"
    return _deep(target, chance, said, changes, (layout.RUN,), gates)


def _told_again(target: Target, run: Run) -> Files:
    """Every record that follows from the attempts of a run, as a careful forger writes them."""
    plan = target.plan
    told = tuple(verify.fact_of(attempt) for attempt in run.attempts)
    facts = dataclasses.replace(target.facts, attempts=told)
    decision = judge.decide(plan, facts)
    tracker = json.loads(target.bundle.read(TRACKER))
    tracker["verdict"] = decision.verdict
    for gate, decided_gate in zip(tracker["gates"], decision.gates, strict=False):
        gate["status"] = decided_gate.status
    for signal, decided in zip(tracker["signals"], decision.signals, strict=False):
        signal["status"] = decided.status
    return {
        layout.FACTS: codec.write(facts),
        layout.DECISION: codec.write(decision),
        layout.STATUS_TSV: seal.status_tsv(plan, run),
        layout.JOURNAL: _journal(target, run),
        TRACKER: codec.encode(tracker),
    }


def _journal(target: Target, run: Run) -> bytes:
    """The journal that tells the attempts of a run, chained again from its first line."""
    told = journal.read(target.bundle.read(layout.JOURNAL)).records
    left = {(attempt.cell, attempt.number): attempt for attempt in run.attempts}
    head, data = journal.START, b""
    for record in told:
        if isinstance(record, journal.Started) and (record.cell, record.number) not in left:
            continue
        if isinstance(record, journal.Ended):
            key = record.attempt.cell, record.attempt.number
            if key not in left:
                continue
            record = journal.Ended("ended", left[key])
        elif isinstance(record, journal.Closed):
            record = dataclasses.replace(record, attempts=len(run.attempts))
        head, line = journal.frame(head, record)
        data += line
    return data


# --- how careful the forger is --------------------------------------------------------------------


def _deep(
    target: Target,
    chance: random.Random,
    said: str,
    changes: Files,
    names: tuple[str, ...],
    gates: frozenset[int],
) -> Tampering:
    depth = chance.randrange(len(DEPTHS))
    if depth and not {layout.SUMS, layout.SEAL, layout.CHECKPOINT} & changes.keys():
        again = _sealed_anew(target.bundle, changes, depth)
        if again is not None:
            changes = {**changes, **again}
            said += DEPTHS[depth]
            # What is consistent in itself shows in the root that is known from elsewhere.
            names = (*names, layout.CHECKPOINT) if depth > 1 and names else names
    return Tampering("", said, changes, names, gates)


def _sealed_anew(bundle: Bundle, changes: Files, depth: int) -> Files | None:
    """New sums over the changed files and, at depth 2, a new seal; None where no record is left."""
    digests = bundle.digests()
    for name, data in changes.items():
        if seal.is_plain(name):
            digests.pop(name, None)
            if data is not None:
                digests[name] = chain.sha256(data)
    anew: Files = {layout.SUMS: seal.sums(digests)}
    if depth == 1:
        return anew
    mutant = bundle.with_changes(changes)
    try:
        plan = codec.read(Plan, mutant.read(layout.PLAN))
        run = codec.read(Run, mutant.read(layout.RUN))
        promised = seal.plan_leaves(plan)
        plan_root = seal.root_of(promised)
        final = seal.final_leaves(plan_root, run, digests)
    except Malformed:
        return None
    point = Checkpoint(plan.audit.id, plan.label, len(final), seal.root_of(final), plan_root)
    anew[layout.SEAL] = codec.write(Seal(1, promised, final))
    anew[layout.CHECKPOINT] = chain.checkpoint_text(point)
    return anew


WAYS: tuple[tuple[str, Way], ...] = (
    ("flipped byte", _flipped_byte),
    ("absent file", _absent_file),
    ("extra file", _extra_file),
    ("swapped logs", _swapped_logs),
    ("wrong sha", _wrong_sha),
    ("deleted promise", _deleted),
    ("edited status", _edited_status),
    ("edited decision", _edited_decision),
    ("edited tracker", _edited_tracker),
    ("dropped attempt", _dropped_attempt),
    ("duplicated attempt", _duplicated_attempt),
    ("flipped exit code", _flipped_exit_code),
    ("flipped result", _flipped_result),
    ("stale time", _stale_time),
)
"""Every way, in turn."""
