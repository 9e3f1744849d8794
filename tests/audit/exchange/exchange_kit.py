"""What the tests of exports and ingest share: small runs made from records, and golden ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audit.exchange import Source
from evidence import chain, codec, judge, layout, model, verify
from evidence.brought import Waived
from tests.records import make_cell, make_signal

UTC, LATER = "2026-12-01T10:00:00Z", "2026-12-01T10:00:05Z"
ROOT = "ab" * 32
GOLDEN = Path(__file__).parents[2] / "golden" / "bundles" / "bundle-1"


def attempt(cell: str, result: model.Result = "passed", number: int = 1, **more: Any) -> Any:
    log = model.Log(f"command-logs/{cell}.log", 3, "00" * 32, (), truncated=False)
    code = {"passed": 0, "failed": 1}.get(result)
    plain = model.Attempt(cell, number, result, "", code, UTC, LATER, 1234, log, (), 0)
    return replace(plain, **more)


def command(*cells: str, **more: Any) -> model.Condition:
    return model.CommandPassed("command", cells[0], cells, **more)


def source(
    signals: Sequence[model.Signal],
    *,
    cells: Sequence[model.Cell] = (make_cell("tests"),),
    attempts: Sequence[model.Attempt] = (attempt("tests"),),
    dirty: tuple[str, ...] = (),
    text: str = "An audit",
    waivers: Mapping[str, Waived] | None = None,
) -> Source:
    """A run over one gate per distinct number, decided by the real judge."""
    gates = sorted({item.gate for item in signals})
    plan = model.Plan(
        format_version=1,
        tool=model.Tool("arco-audit", "0.0.0"),
        audit=model.Audit("a-1", text, "2026-12-01", text, "", "", judge.ALL_GATES_GO),
        label="head/1",
        subject=model.Subject("cd" * 20, UTC, "ef" * 20, "12" * 32, "main", (), dirty),
        rules=model.Rules(("release_evidence/",), None, (), (), 2, fail_fast=False),
        roles=(),
        cells=tuple(cells),
        gates=tuple(
            model.Gate(n, f"{text} {n}", tuple(s.id for s in signals if s.gate == n)) for n in gates
        ),
        signals=tuple(signals),
    )
    facts = model.Facts(
        format_version=1,
        as_of=LATER,
        subject_after=plan.subject.digest,
        attempts=tuple(verify.fact_of(item) for item in attempts),
        results=(),
        tests=(),
        metrics=(),
        files=(),
        absent=(),
        engine=(),
    )
    run = model.Run(
        format_version=1,
        id="run-1",
        label=plan.label,
        plan_root="34" * 32,
        start_utc=UTC,
        end_utc=LATER,
        clock="system",
        host=(),
        environment=(),
        uncovered=(),
        resumed=0,
        attempts=tuple(attempts),
    )
    return Source(plan, run, facts, judge.decide(plan, facts), ROOT, waivers)


def golden() -> Source:
    """The sealed run of the golden bundle: every status and every kind of outcome."""

    def record(cls: Any, name: str) -> Any:
        return codec.read(cls, (GOLDEN / name).read_bytes())

    point = chain.checkpoint_of((GOLDEN / layout.CHECKPOINT).read_bytes())
    return Source(
        record(model.Plan, layout.PLAN),
        record(model.Run, layout.RUN),
        record(model.Facts, layout.FACTS),
        record(model.Decision, layout.DECISION),
        point.final_root,
    )


def go(name: str = "G0-001", **more: Any) -> model.Signal:
    return make_signal(name, command("tests"), **more)


def red(name: str = "G0-002", **more: Any) -> model.Signal:
    return make_signal(name, model.MetricWithin("metric", "m", ("tests",), at_least="3"), **more)


def waived(person: str, reason: str, until_utc: str, signal: str = "G0-002") -> Waived:
    return Waived(signal, "ff" * 32, person, "Manager", until_utc, reason)


def only(files: Mapping[str, bytes]) -> Any:
    """The JSON value of a format that has one file."""
    (data,) = files.values()
    return json.loads(data)


def envelope(payload: Any, *keyids: str, kind: str = "application/vnd.in-toto+json") -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signatures = [{"keyid": name, "sig": base64.b64encode(b"x" * 64).decode()} for name in keyids]
    body = {"payloadType": kind, "payload": base64.b64encode(data).decode()}
    return json.dumps(body | {"signatures": signatures}).encode()


def statement(predicate_type: str, predicate: Any, **digest: str) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "dist/a.whl", "digest": digest or {"sha256": "aa" * 32}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
