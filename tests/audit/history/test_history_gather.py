"""A run as rows: what the bundle says, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audit import runs
from audit.history.columns import TABLES
from audit.history.gather import Gathered, approval_rows, approvals_of, gather, instant
from evidence.model import Attempt
from evidence.roster import check_ed25519
from tests.evidence.sign_kit import ADA, BOB, DAY_2, DAY_9, EVE, TRUST, Book

BUNDLE = Path(__file__).parents[3] / "tests" / "golden" / "bundles" / "bundle-1"
ROOT = "ab" * 32


@pytest.fixture(scope="module")
def records() -> runs.Records:
    return runs.load(BUNDLE)


@pytest.fixture(scope="module")
def gathered(records: runs.Records) -> Gathered:
    return gather(records, final_root=ROOT, verified=True)


def test_every_row_has_every_column_and_no_other(gathered: Gathered) -> None:
    assert gathered.rows.keys() == TABLES.keys() - {"approvals"}
    for table, rows in gathered.rows.items():
        names = {column.name for column in TABLES[table]}
        assert rows, table
        assert all(row.keys() == names for row in rows), table


def test_a_golden_run_as_rows(gathered: Gathered, records: runs.Records) -> None:
    run = gathered.rows["runs"][0]
    decision = records.decision
    assert run["final_root"] == ROOT
    assert run["verdict"] == decision.verdict
    assert run["signals_open"] == sum(gate.open for gate in decision.gates)
    assert run["signals"] == len(decision.signals) == len(gathered.rows["signals"])
    assert run["gates"] == len(gathered.rows["gates"])
    assert run["attempts"] == len(records.run.attempts)
    assert run["ended"] == instant(records.run.end_utc)
    assert [row["status"] for row in gathered.rows["signals"]] == [
        item.status for item in decision.signals
    ]
    deciding = [row["cell"] for row in gathered.rows["cells"] if row["deciding"]]
    assert deciding == [cell.id for cell in records.plan.cells]


def attempt(cell: str, number: int, result: str) -> Attempt:
    at = "2026-12-01T10:00:00Z"
    return Attempt(cell, number, result, "", 0, at, at, 5, None, (), 0)  # type: ignore[arg-type]  # a result


def test_attempts_count_the_failures_before_them(records: runs.Records) -> None:
    cell = records.plan.cells[0].id
    results = ["interrupted", "failed", "timed_out", "could_not_run", "passed"]
    attempts = [attempt(cell, number, result) for number, result in enumerate(results, 1)]
    told = replace(records, run=replace(records.run, attempts=tuple(attempts[::-1])))
    rows = gather(told, final_root=ROOT, verified=False).rows["cells"]
    own = [row for row in rows if row["cell"] == cell]
    assert [row["result"] for row in own] == results
    assert [row["failed_before"] for row in own] == [0, 0, 1, 2, 2]
    assert [row["deciding"] for row in own] == [False] * 4 + [True]
    others = [row for row in rows if row["cell"] != cell]
    assert {(row["attempt"], row["result"], row["deciding"]) for row in others} == {
        (0, "absent", True)
    }


def test_a_commit_time_that_is_none_is_null(records: runs.Records) -> None:
    about = replace(records.plan.subject, committed_utc="yesterday")
    told = replace(records, plan=replace(records.plan, subject=about))
    assert gather(told, final_root=ROOT, verified=True).rows["runs"][0]["committed"] is None


def test_only_approvals_that_count_are_approvals() -> None:
    log = Book()
    withdrawn = log.approve(ADA)
    log.withdraw(withdrawn, ADA)
    log.approve(BOB, utc=DAY_2)
    log.approve(ADA, utc=DAY_2, signer=EVE)
    log.waive(utc=DAY_2)
    weighed = log.weighed(DAY_9)
    assert [item.standing for item in weighed.weights][:4] == [
        "withdrawn",
        "counts",
        "counts",
        "refused",
    ]
    (found,) = approvals_of(weighed, TRUST, check_ed25519)
    assert (found.approver, found.role, found.key) == ("Bob", "SRE", BOB.keyid)
    assert (found.answer, found.signed, found.expires) == ("approved", DAY_2, None)
    assert found.decision_digest == log.decided
    (row,) = approval_rows([found])
    assert row.keys() == {column.name for column in TABLES["approvals"]}
