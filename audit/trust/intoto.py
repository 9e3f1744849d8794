"""A sealed run in the field's words: in-toto statements, and a layout with its links.

Here a bundle's records become statements: a link per cell, a test result per cell that has one, the
decision, and the checkpoint. Pure functions; the same records give the same bytes, so that several
people can sign them one after the other. Nothing is signed or checked here.

Sources: in-toto Statement v1, link v0.3, test-result v0.1, and in-toto specification 1.0 for
layouts. The predicates that are ours are described in docs/guide/trust.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evidence import chain, codec, layout, seal, trusted
from evidence.chain import Checkpoint
from evidence.dsse import Statement, Subject
from evidence.model import (
    Attempt,
    Cell,
    CellDecision,
    Decision,
    Facts,
    GateStatus,
    Plan,
    Run,
    Status,
    Tool,
    Verdict,
)

LINK = "https://in-toto.io/attestation/link/v0.3"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
DECISION = "urn:arco-audit:decision:v1"
CHECKPOINT = trusted.CHECKPOINT_SAID

SUBJECT = "subject"
"""How every statement calls what was audited: its digests are the commit and the tree in git."""
LOG_ROOT = "rfc6962Root"
"""The digest of a log: the root over its salted chunks, and not its SHA-256, which would let a
chunk that is withheld later be guessed."""


@dataclass(frozen=True, slots=True)
class Named:
    """Which run a statement is about, in the words of its bundle."""

    audit: str
    label: str
    run: str
    plan_root: str
    final_root: str


@dataclass(frozen=True, slots=True)
class GateSaid:
    """The derived status of one gate."""

    id: int
    name: str
    status: GateStatus
    closed: int
    open: int


@dataclass(frozen=True, slots=True)
class SignalSaid:
    """The derived status of one signal."""

    id: str
    gate: int
    status: Status


@dataclass(frozen=True, slots=True)
class DecisionSaid:
    """What a sealed run decided, for whoever does not read bundles. Unknown fields are ignored.

    `subject_digest` covers every tracked file outside the outputs; `dirty` says that the tree
    differed from its commit, which is never GO. The whole decision is the subject `decision.json`.
    """

    of: Named
    tool: Tool
    subject_digest: str
    dirty: bool
    as_of: str
    definition_of_done: str
    verdict: Verdict
    blockers: tuple[str, ...]
    gates: tuple[GateSaid, ...]
    signals: tuple[SignalSaid, ...]


@dataclass(frozen=True, slots=True)
class CheckpointSaid:
    """The roots of a sealed run, for signers that sign one statement for all of it."""

    of: Named
    size: int


PREDICATES: Mapping[str, tuple[str, type]] = {
    DECISION: ("predicate-decision-v1", DecisionSaid),
    CHECKPOINT: ("predicate-checkpoint-v1", CheckpointSaid),
}
"""The predicate types that are ours: how their schema is called, and the record that they hold."""

About = tuple[str, str]
"""What a statement is about: its predicate type, and the id of a cell or nothing."""


@dataclass(frozen=True, slots=True)
class SealedRun:
    """The records that statements are made from."""

    plan: Plan
    run: Run
    facts: Facts
    decision: Decision
    point: Checkpoint

    @property
    def named(self) -> Named:
        """Which run this is."""
        point = self.point
        return Named(point.audit, point.label, self.run.id, point.plan_root, point.final_root)


# --- statements -----------------------------------------------------------------------------------


def statements(sealed: SealedRun) -> dict[About, Statement]:
    """Return every statement about a run in the order in which they are written.

    A link per cell of the plan, a test result per cell with tests, the decision, the checkpoint.
    """
    last = seal.deciding(sealed.run)
    decided = {item.cell: item for item in sealed.decision.cells}
    tests = _tests(sealed.facts)
    about = _about_run(sealed)
    plan_file = _digest(layout.PLAN, codec.write(sealed.plan))
    of = codec.to_value(sealed.named)
    made: dict[About, Statement] = {}
    for cell in sealed.plan.cells:
        products = (*_products(last.get(cell.id)), *about)
        predicate = _link(cell, last.get(cell.id), decided[cell.id], (*about[:1], plan_file), of)
        made[LINK, cell.id] = Statement(products, LINK, predicate)
        if cell.id in tests:
            said = _test_result(cell, tests[cell.id], decided[cell.id], plan_file, of)
            made[TEST_RESULT, cell.id] = Statement(products, TEST_RESULT, said)
    whole = (_digest(layout.DECISION, codec.write(sealed.decision)), *about)
    made[DECISION, ""] = Statement(whole, DECISION, codec.to_value(decision_said(sealed)))
    point = codec.to_value(CheckpointSaid(sealed.named, sealed.point.size))
    made[CHECKPOINT, ""] = Statement(about, CHECKPOINT, point)
    return made


def about_of(statement: Statement) -> About | None:
    """Return what a statement says that it is about; None of one that is not ours."""
    predicate = statement.predicate
    if not isinstance(predicate, dict):
        return None
    if statement.predicate_type in (DECISION, CHECKPOINT):
        return statement.predicate_type, ""
    if statement.predicate_type == LINK and isinstance(predicate.get("name"), str):
        return LINK, predicate["name"]
    if statement.predicate_type == TEST_RESULT:
        try:
            cell = predicate["configuration"][0]["annotations"]["cell"]
        except (KeyError, IndexError, TypeError):
            return None
        return (TEST_RESULT, cell) if isinstance(cell, str) else None
    return None


def run_of(statement: Statement) -> Any:
    """Return the run that a statement names, as its JSON value; None where it names none."""
    try:
        if statement.predicate_type == LINK:
            return statement.predicate["environment"]["of"]
        if statement.predicate_type == TEST_RESULT:
            return statement.predicate["configuration"][0]["annotations"]["of"]
        return statement.predicate["of"]
    except (KeyError, IndexError, TypeError):
        return None


def decision_said(sealed: SealedRun) -> DecisionSaid:
    """Return the predicate over the decision of a run."""
    plan, decision = sealed.plan, sealed.decision
    names = {gate.id: gate.name for gate in plan.gates}
    gate_of = {signal.id: signal.gate for signal in plan.signals}
    return DecisionSaid(
        of=sealed.named,
        tool=plan.tool,
        subject_digest=plan.subject.digest,
        dirty=bool(plan.subject.dirty),
        as_of=decision.as_of,
        definition_of_done=plan.audit.definition_of_done,
        verdict=decision.verdict,
        blockers=decision.blockers,
        gates=tuple(
            GateSaid(gate.id, names[gate.id], gate.status, gate.closed, gate.open)
            for gate in decision.gates
        ),
        signals=tuple(
            SignalSaid(item.id, gate_of[item.id], item.status) for item in decision.signals
        ),
    )


def _about_run(sealed: SealedRun) -> tuple[Subject, ...]:
    """The subjects of every statement: what was audited, and the checkpoint over the evidence."""
    audited = sealed.plan.subject
    commit = (("gitCommit", audited.commit), ("gitTree", audited.tree))
    note = chain.checkpoint_text(sealed.point)
    return Subject(SUBJECT, commit), _digest(layout.CHECKPOINT, note)


def _digest(name: str, data: bytes) -> Subject:
    return Subject(name, (("sha256", chain.sha256(data)),))


def _products(attempt: Attempt | None) -> Iterator[Subject]:
    """The log and the kept files of an attempt."""
    if attempt is None:
        return
    if attempt.log is not None:
        yield Subject(attempt.log.path, ((LOG_ROOT, attempt.log.root),))
    for kept in attempt.artifacts:
        yield Subject(kept.path, (("sha256", kept.sha256),))


def _resource(subject: Subject) -> dict[str, Any]:
    return {"name": subject.name, "digest": dict(subject.digests)}


def _link(
    cell: Cell,
    attempt: Attempt | None,
    decided: CellDecision,
    materials: tuple[Subject, ...],
    of: Any,
) -> dict[str, Any]:
    return {
        "name": cell.id,
        "command": list(cell.argv),
        "materials": [_resource(material) for material in materials],
        "byproducts": _byproducts(attempt, decided),
        "environment": {"of": of, "workdir": cell.cwd},
    }


def _byproducts(attempt: Attempt | None, decided: CellDecision) -> dict[str, Any]:
    """What is known of a cell beside its files. `passed` is what the judge made of all attempts."""
    return {
        "return-value": attempt.exit_code if attempt else None,
        "result": decided.result,
        "passed": decided.passed,
        "attempts": decided.attempts,
        "start_utc": attempt.start_utc if attempt else None,
        "end_utc": attempt.end_utc if attempt else None,
    }


_Sorted = dict[Literal["passed", "warned", "failed"], list[str]]


def _tests(facts: Facts) -> dict[str, _Sorted]:
    """The tests of each cell that has some, by outcome. Skipped is not passed: it is a warning."""
    found: dict[str, _Sorted] = {}
    for test in facts.tests:
        sort = found.setdefault(test.cell, {"passed": [], "warned": [], "failed": []})
        match test.outcome:
            case "passed":
                sort["passed"].append(test.key)
            case "skipped":
                sort["warned"].append(test.key)
            case _:
                sort["failed"].append(test.key)
    return found


def _test_result(
    cell: Cell, tests: _Sorted, decided: CellDecision, plan_file: Subject, of: Any
) -> dict[str, Any]:
    """A cell that did not pass has failed, whatever its tests say: it may not have run them all."""
    failed = bool(tests["failed"]) or not decided.passed
    result = "FAILED" if failed else "WARNED" if tests["warned"] else "PASSED"
    configuration = {**_resource(plan_file), "annotations": {"cell": cell.id, "of": of}}
    return {
        "result": result,
        "configuration": [configuration],
        "passedTests": sorted(tests["passed"]),
        "warnedTests": sorted(tests["warned"]),
        "failedTests": sorted(tests["failed"]),
    }


# --- layout and links -----------------------------------------------------------------------------


def links(sealed: SealedRun) -> dict[str, bytes]:
    """Return the payload of a link for each cell, as the in-toto programs read it (`_type: link`).

    They refuse Statements, so that a layout is checked against these.
    """
    made = {}
    for (kind, cell), statement in statements(sealed).items():
        if kind != LINK:
            continue
        predicate = statement.predicate
        value = {
            "_type": "link",
            "name": cell,
            "command": predicate["command"],
            "materials": {item["name"]: item["digest"] for item in predicate["materials"]},
            "products": {item.name: dict(item.digests) for item in statement.subjects},
            "byproducts": {**predicate["byproducts"], "stdout": "", "stderr": ""},
            "environment": predicate["environment"],
        }
        made[cell] = codec.compact(value)
    return made


def link_name(cell: str, keyid: str) -> str:
    """Return how the in-toto programs call the link of a step by a key."""
    return f"{cell}.{keyid[:8]}.link"


def layout_of(sealed: SealedRun, key: Mapping[str, Any], expires: str) -> bytes:
    """Return the payload of a layout that asks for every cell, in the order of the plan.

    `key` is the public key of whoever signs the links, as in-toto writes it, with its `keyid`.
    Each step says which files it leaves, by name, and allows no other.
    """
    made = links(sealed)
    steps = [_step(codec.parse(made[cell.id]), str(key["keyid"])) for cell in sealed.plan.cells]
    value = {
        "_type": "layout",
        "readme": f"{sealed.plan.audit.title}: the matrix of {sealed.point.label}",
        "expires": expires,
        "keys": {key["keyid"]: dict(key)},
        "steps": steps,
        "inspect": [],
    }
    return codec.compact(value)


def _step(link: Mapping[str, Any], keyid: str) -> dict[str, Any]:
    return {
        "_type": "step",
        "name": link["name"],
        "pubkeys": [keyid],
        "threshold": 1,
        "expected_command": link["command"],
        "expected_materials": list(rules(link["materials"])),
        "expected_products": list(rules(link["products"])),
    }


def rules(names: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the rules of a step that ask for these files and refuse every other."""
    yield from (["REQUIRE", name] for name in sorted(names))
    yield from (["ALLOW", _exactly(name)] for name in sorted(names))
    yield ["DISALLOW", "*"]


def _exactly(name: str) -> str:
    """A pattern that matches this name alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
