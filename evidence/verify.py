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
