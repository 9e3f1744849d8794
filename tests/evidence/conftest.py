"""A small sealed bundle made from records alone: no process, no git, no clock."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evidence import archive, chain, codec, journal, judge, layout, model, seal, subject, verify
from tests.records import make_cell, make_signal

UTC = "2026-12-01T10:00:00Z"
LATER = "2026-12-01T10:00:05Z"


def git_object(kind: str, body: bytes) -> tuple[str, bytes]:
    raw = f"{kind} {len(body)}".encode() + b"\0" + body
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest(), raw


def git_commit() -> tuple[str, str, bytes]:
    """A commit over `README.md` and `docs/guide.md`, as raw objects."""
    blob = bytes.fromhex("ab" * 20)
    docs, docs_raw = git_object("tree", b"100644 guide.md\0" + blob)
    body = b"100644 README.md\0" + blob + b"40000 docs\0" + bytes.fromhex(docs)
    tree, tree_raw = git_object("tree", body)
    commit, commit_raw = git_object("commit", f"tree {tree}\n\na subject\n".encode())
    return commit, tree, commit_raw + tree_raw + docs_raw


def plan_of(
    cells: tuple[model.Cell, ...], gates: tuple[model.Gate, ...], signals: tuple[model.Signal, ...]
) -> model.Plan:
    commit, tree, objects = git_commit()
    found = subject.split_objects(objects, "objects", "sha1")
    digest = subject.digest_of(subject.files_of(found, commit)[1], ("release_evidence/",))
    return model.Plan(
        format_version=1,
        tool=model.Tool("arco-audit", "0.0.0"),
        audit=model.Audit("a-1", "An audit", "2026-12-01", "all", "", "", judge.ALL_GATES_GO),
        label="head/1",
        subject=model.Subject(commit, UTC, tree, digest, "main", (), ()),
        rules=model.Rules(("release_evidence/",), None, (), (), 2, fail_fast=False),
        roles=(),
        cells=cells,
        gates=gates,
        signals=signals,
    )


def facts_of(plan: model.Plan, *attempts: model.Attempt) -> model.Facts:
    return model.Facts(
        format_version=1,
        as_of=LATER,
        subject_after=plan.subject.digest,
        attempts=tuple(verify.fact_of(attempt) for attempt in attempts),
        results=(),
        tests=(),
        metrics=(),
        files=(model.FileFact("docs", None, found=True, matches=None),),
        absent=(),
        engine=(model.EngineFact("plan_sealed", holds=True, reason="sealed first"),),
    )


def attempt_of(
    folder: Path, name: str, number: int, last: int, data: bytes, **changes: Any
) -> model.Attempt:
    """An attempt with a log that lies in the folder, chunked and salted."""
    path = layout.log_path(name, number, last)
    chunks = [data[at : at + chain.CHUNK_BYTES] for at in range(0, len(data), chain.CHUNK_BYTES)]
    salts = [bytes([number, n % 256]) * 8 for n in range(len(chunks))]
    leaves = [chain.chunk_leaf(salt, chunk) for salt, chunk in zip(salts, chunks, strict=True)]
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)
    (folder / layout.salts_path(path)).write_bytes(b"".join(salts))
    log = model.Log(
        path=path,
        bytes=len(data),
        root=chain.root(leaves).hex(),
        leaves=tuple(leaf.hex() for leaf in leaves),
        truncated=False,
    )
    plain = model.Attempt(name, number, "passed", "", 0, UTC, LATER, 5000, log, (), 0)
    return replace(plain, **changes)


def journal_of(plan: model.Plan, run: str, attempts: list[model.Attempt]) -> bytes:
    plan_root = seal.root_of(seal.plan_leaves(plan))
    records: list[journal.Record] = [journal.Opened("opened", run, plan.label, plan_root, UTC)]
    for attempt in attempts:
        records.append(journal.Started("started", attempt.cell, attempt.number, UTC))
        records.append(journal.Ended("ended", attempt))
    records.append(journal.Closed("closed", LATER, len(attempts)))
    head, data = journal.START, b""
    for record in records:
        head, line = journal.frame(head, record)
        data += line
    return data


def seal_bundle(
    folder: Path, plan: model.Plan, facts: model.Facts, attempts: list[model.Attempt]
) -> chain.Checkpoint:
    plan_root = seal.root_of(seal.plan_leaves(plan))
    decision = judge.decide(plan, facts)
    run = model.Run(
        format_version=1,
        id="run-1",
        label=plan.label,
        plan_root=plan_root,
        start_utc=UTC,
        end_utc=LATER,
        clock="system",
        host=(),
        environment=(),
        uncovered=(),
        resumed=0,
        attempts=tuple(attempts),
    )
    tracker = {
        "verdict": decision.verdict,
        "gates": [{"id": gate.id, "status": gate.status} for gate in decision.gates],
        "signals": [{"id": item.id, "status": item.status} for item in decision.signals],
    }
    files = {
        layout.PLAN: codec.write(plan),
        layout.RUN: codec.write(run),
        layout.FACTS: codec.write(facts),
        layout.DECISION: codec.write(decision),
        layout.JOURNAL: journal_of(plan, run.id, attempts),
        layout.STATUS_TSV: seal.status_tsv(plan, run),
        layout.REPORT: b"<!doctype html>",
        f"{layout.DOCUMENTS}/{layout.TRACKER}": codec.encode(tracker),
        f"{layout.OBJECTS}/{subject.OBJECTS_FILE}": git_commit()[2],
    }
    archive.put_all(folder, files)
    return archive.close(folder, plan, run)


def small_plan() -> model.Plan:
    command = model.CommandPassed("command", "tests", ("tests",))
    return plan_of(
        (make_cell("lint"), make_cell("tests", flaky=True)),
        (model.Gate(0, "Base", ("G0-001", "G0-002")),),
        (
            make_signal("G0-001", command, model.FilePresent("file", "docs")),
            make_signal("G0-002", model.EngineFactHolds("engine", "plan_sealed")),
        ),
    )


@pytest.fixture(scope="session")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, chain.Checkpoint]:
    folder = tmp_path_factory.mktemp("sealed") / "bundle"
    folder.mkdir()
    plan = small_plan()
    attempts = [
        attempt_of(folder, "lint", 1, 1, b""),
        attempt_of(folder, "tests", 1, 2, b"boom\n", result="failed", exit_code=1),
        attempt_of(folder, "tests", 2, 2, b"fine\n" * 30_000),
    ]
    return folder, seal_bundle(folder, plan, facts_of(plan, *attempts), attempts)


@pytest.fixture
def bundle(sealed_once: tuple[Path, chain.Checkpoint], tmp_path: Path) -> Path:
    """A fresh copy of the sealed bundle, to be damaged."""
    return Path(shutil.copytree(sealed_once[0], tmp_path / "bundle"))


@pytest.fixture
def point(sealed_once: tuple[Path, chain.Checkpoint]) -> chain.Checkpoint:
    """The checkpoint of that bundle."""
    return sealed_once[1]
