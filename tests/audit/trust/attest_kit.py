"""What the tests of attestations share: a small sealed run as records, and keys made in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audit.trust import attest, intoto
from audit.trust.attest import Line
from audit.trust.intoto import SealedRun
from audit.trust.keys import Public, Signer
from evidence import chain, dsse, judge, model, seal, verify
from evidence.dsse import Envelope, Statement
from evidence.roster import Key, Roster
from tests.evidence import conftest as kit
from tests.records import make_cell, make_signal

MISSING = "could_not_run: the packages of the extra trust are not installed"
FROM = "2026-01-01T00:00:00Z"


def attempt(cell: str, number: int = 1, **changes: Any) -> model.Attempt:
    path = f"command-logs/{cell}.log" if number == 1 else f"command-logs/{cell}.attempt-1.log"
    log = model.Log(path, 6, chain.sha256(cell.encode()), (), truncated=False)
    kept = model.Artifact("a.txt", f"artifacts/{cell}/{number}/a.txt", 1, chain.sha256(b"a"))
    plain = model.Attempt(cell, number, "passed", "", 0, kit.UTC, kit.LATER, 5_000, log, (kept,), 0)
    return replace(plain, **changes)


def sealed_run(
    label: str = "head/1", audit: str = "a-1", cells: tuple[str, ...] = ("lint", "tests", "docs")
) -> SealedRun:
    """A run of three cells: `tests` has test results, `docs` failed."""
    condition = model.CommandPassed("command", cells[0], (cells[0],))
    plan = kit.plan_of(
        tuple(make_cell(name) for name in cells),
        (model.Gate(0, "Base", ("G0-001",)),),
        (make_signal("G0-001", condition),),
    )
    plan = replace(plan, label=label, audit=replace(plan.audit, id=audit))
    failed: dict[str, Any] = {"result": "failed", "exit_code": 3}
    attempts = [attempt(name, **(failed if name == "docs" else {})) for name in cells]
    outcomes: tuple[tuple[str, model.Outcome], ...] = (("a", "passed"), ("b", "skipped"))
    tests = tuple(model.TestFact("tests", key, outcome) for key, outcome in outcomes)
    facts = replace(kit.facts_of(plan, *attempts), tests=tests if "tests" in cells else ())
    facts = replace(facts, attempts=tuple(verify.fact_of(item) for item in attempts))
    plan_root = seal.root_of(seal.plan_leaves(plan))
    run = model.Run(
        *(1, f"run-of-{audit}-{label}", label, plan_root, kit.UTC, kit.LATER, "system"),
        *((), (), (), 0, tuple(attempts)),
    )
    final = chain.sha256(f"{audit} {label}".encode())
    point = chain.Checkpoint(audit, label, 9, final, plan_root)
    return SealedRun(plan, run, facts, judge.decide(plan, facts), point)


def private(seed: int) -> Any:
    """An Ed25519 key that is the same in every test."""
    ed25519 = pytest.importorskip(
        "cryptography.hazmat.primitives.asymmetric.ed25519", reason=MISSING
    )
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def signer(seed: int = 1) -> Signer:
    """A signer whose id tells its seed; no file, no securesystemslib."""
    key = private(seed)
    public = key.public_key().public_bytes_raw().hex()
    return Signer(Public(f"{seed:064x}", "ed25519", public), key.sign)


def entry(one: Signer, person: str = "Ada", roles: tuple[str, ...] = ("runner",)) -> Key:
    return Key(one.keyid, person, roles, one.key.scheme, one.key.public, FROM)


def trusting(*keys: Key, **changes: Any) -> Roster:
    return Roster(1, key=keys, **changes)


def attested(sealed: SealedRun, *signers: Signer) -> list[Line]:
    """The lines that `attest` writes."""
    payloads = [dsse.write_statement(item) for item in intoto.statements(sealed).values()]
    done: list[Envelope] = []
    for one in signers:
        done = attest.together(done, attest.sign(payloads, one))
    return numbered(attest.in_order(done, payloads))


def numbered(envelopes: list[Envelope]) -> list[Line]:
    return [Line(number, envelope) for number, envelope in enumerate(envelopes, 1)]


def enveloped(statement: Statement, *signers: Signer) -> Envelope:
    """An envelope around a statement of one's own, properly signed."""
    payload = dsse.write_statement(statement)
    done: list[Envelope] = []
    for one in signers:
        done = attest.together(done, attest.sign([payload], one))
    return done[0] if done else Envelope(dsse.PAYLOAD_TYPE, payload, ())


def problems(sealed: SealedRun, lines: list[Line], trusted: Roster) -> list[str]:
    """What `check` says, as `place: problem` without the name of the file."""
    found = attest.check(
        lines,
        trusted,
        sealed.plan,
        sealed.run,
        sealed.decision,
        sealed.point,
        facts=sealed.facts,
    )
    return [
        f"{item.place.removeprefix('attestations.intoto.jsonl').strip()}: {item.problem}"
        for item in found
    ]
