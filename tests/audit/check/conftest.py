"""The corpus where there is one, and a small audit without a fault to plant faults in."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from audit.check import Report, check

NAME = "2026-02-12-prod-readiness"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HEADER = "command\texit_code\tstart_utc\tend_utc\tcmd\n"
TIMES = "2026-03-01T10:00:00Z\t2026-03-01T10:00:05Z"


@pytest.fixture(scope="session")
def corpus(repository_root: Path) -> Path:
    """Return the folder of the real audit; without one the test could not run."""
    named = os.environ.get("ARCO_CORPUS")
    place = Path(named) if named else repository_root.parent / "shared" / "corpus"
    if not (place / NAME / "tree.txt").is_file():
        pytest.skip("could_not_run: no corpus: set ARCO_CORPUS")
    return place / NAME


@pytest.fixture(scope="session")
def laid_out(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with every path of the audited commit: real where the corpus has it, else
    empty. Tests must not write into it."""
    root = tmp_path_factory.mktemp("laid-out")
    for path in (corpus / "tree.txt").read_text("utf-8").splitlines():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (corpus / path).is_file():
            shutil.copyfile(corpus / path, target)
        else:
            target.touch()
    return root


@pytest.fixture(scope="session")
def corpus_tracker(laid_out: Path) -> Path:
    """Return the tracker of the corpus in the laid-out tree."""
    return laid_out / "docs" / "audits" / NAME / "gate-tracker.json"


@dataclass
class World:
    """A small audit: the tracker's value, and every other file by its path."""

    root: Path
    tracker: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)

    AUDIT = "docs/audits/a1"
    LEDGER = "docs/audits/a1/signal-ledger.md"
    SUMMARY = "docs/audits/a1/summary.md"
    FINDINGS = "docs/audits/a1/findings/gate-1-findings.md"
    RUN = "release_evidence/a1/run"
    TSV = "release_evidence/a1/run/command-matrix-status.tsv"
    LOG = "release_evidence/a1/run/command-logs/tests.log"

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace a text that must be there, so that a planted fault cannot miss."""
        assert old in self.files[path], f"{old!r} is not in {path}"
        self.files[path] = self.files[path].replace(old, new)

    def write(self) -> Path:
        """Write everything and return the tracker's path."""
        tracker = f"{self.AUDIT}/gate-tracker.json"
        for path, text in ({tracker: json.dumps(self.tracker, indent=1)} | self.files).items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode("utf-8", "surrogateescape"))
        return self.root / tracker

    def check(self, rev: str | None = None) -> Report:
        """Write everything and check it."""
        return check(self.write(), self.root, rev)


LEDGER = """# Signal Ledger - a1

- Ledger date: 2026-03-01

## Signals

| Signal ID | Gate | Signal | Owner | Status | Code/Infra Path | Evidence Artifact | Exit Test |
|---|---:|---|---|---|---|---|---|
| G1-001 | 1 | Tests pass | Core | GO | `src/a.py:2` | `{log}` | All tests pass |
| G1-002 | 1 | Docs exist | Docs | GO | `docs/guide/` | `{tsv}` | The guide is there |
| G2-001 | 2 | A drill ran | SRE | BLOCKED-EXTERNAL | the drill plan | `{gate}/` | Signed |
"""
SUMMARY = """# Readiness of a1

- Audit date: 2026-03-01
- Scope: everything
- Definition of Done: `ALL GATES GO`
- Evidence root: `release_evidence/a1/`

## Gates

| Gate | Area | Status | Closed Signals | Open Signals | Primary Evidence |
|---:|---|---|---:|---:|---|
| 1 | Quality | GO | 2 | 0 | `{tsv}` |
| 2 | Operations | NO-GO | 0 | 1 | `{gate}/` |

## Signals Closed

1. `G1-001` Tests pass.

## Remaining Open Signals

1. `G2-001` waits and stays `BLOCKED-EXTERNAL`.
"""
FINDINGS = """# Gate 1 Findings

- Gate: 1 (Quality)

## Overall Status

`GO` (both signals are closed)

- Evidence: `{log}`
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return an audit in which a check finds nothing at all."""
    places = {"log": World.LOG, "tsv": World.TSV, "gate": "release_evidence/a1/gate-2"}
    tracker = {
        "schema_version": "1.0",
        "audit_date": "2026-03-01",
        "generated_at_utc": "2026-03-01T11:00:00Z",
        "baseline_commit": "",
        "definition_of_done": "ALL_GATES_GO",
        "evidence_root": "release_evidence/a1",
        "command_matrix": {
            "status_file": World.TSV,
            "all_pass": True,
            "required_commands": ["pytest -q", "ruff check ."],
        },
        "gates": [
            {
                "id": 1,
                "name": "Quality",
                "status": "GO",
                "status_reason": "both closed",
                "required_signal_ids": ["G1-001", "G1-002"],
                "evidence": [World.TSV],
            },
            {
                "id": 2,
                "name": "Operations",
                "status": "NO-GO",
                "status_reason": "no drill yet",
                "required_signal_ids": ["G2-001"],
                "evidence": [f"{places['gate']}/"],
            },
        ],
        "signals": [
            {"id": "G1-001", "owner": "Core", "status": "GO"},
            {"id": "G1-002", "owner": "Docs", "status": "GO"},
            {"id": "G2-001", "owner": "SRE", "status": "BLOCKED-EXTERNAL"},
        ],
    }
    files = {
        World.LEDGER: LEDGER.format(**places),
        World.SUMMARY: SUMMARY.format(**places),
        World.FINDINGS: FINDINGS.format(**places),
        World.TSV: f"{HEADER}tests\t0\t{TIMES}\tpytest -q\nlint\t0\t{TIMES}\truff check .\n",
        World.LOG: "12 passed in 0.31s\n",
        f"{World.RUN}/command-logs/lint.log": "All checks passed!\n",
        f"{World.RUN}/metadata.env": f"commit={COMMIT}\n",
        "release_evidence/a1/gate-2/README.md": "Nothing yet.\n",
        "src/a.py": "one = 1\ntwo = 2\n",
        "docs/guide/index.md": "# Guide\n",
    }
    return World(tmp_path / "repo", tracker, files)


Plant = Callable[[World], object]
