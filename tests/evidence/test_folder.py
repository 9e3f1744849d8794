"""Many files at a time: the answers are those of `map`, in its order, whatever becomes of a worker.

What a `Folder` refuses to open is in `test_verify.py` and `test_verify_mutants.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import account, folder, verify
from tests.evidence import conftest as made
from tests.examples import share
from tests.records import make_cell

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

MANY = folder.FORK_ITEMS_MIN


@share(10)
@given(st.integers(0, 5) | st.integers(MANY - 2, MANY + 5))
def test_workers_answer_in_the_order_of_the_items(size: int) -> None:
    items = [str(number) for number in range(size)]
    assert list(folder.in_workers(len, items)) == [len(item) for item in items]


def test_a_worker_that_dies_costs_time_and_no_answer() -> None:
    here = os.getpid()

    def fragile(number: int) -> int:
        if os.getpid() != here and number == MANY // 2:
            raise RuntimeError("a worker's end")
        return -number

    assert list(folder.in_workers(fragile, range(MANY))) == [-n for n in range(MANY)]


def test_where_no_process_can_be_had_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError(11, "no more processes")

    monkeypatch.setattr(os, "fork", refused)
    assert list(folder.in_workers(abs, range(-MANY, 0))) == list(range(MANY, 0, -1))


def test_workers_find_the_one_log_that_was_changed(tmp_path: Path) -> None:
    names = [f"cell-{number}" for number in range(MANY)]
    plan = made.plan_of(tuple(make_cell(name) for name in names), (), ())
    attempts = [made.attempt_of(tmp_path, name, 1, 1, b"fine\n") for name in names]
    made.seal_bundle(tmp_path, plan, made.facts_of(plan, *attempts), attempts)
    source = folder.Folder(str(tmp_path))
    assert verify.verify(source, each=folder.in_workers).ok
    (tmp_path / "command-logs/cell-77.log").write_bytes(b"fine, surely")
    (tmp_path / "command-logs/cell-78.salts").unlink()
    found = verify.verify(source, each=folder.in_workers)
    assert account.value(found) == account.value(verify.verify(source))
    assert [finding.place for finding in found.steps[4].findings] == [
        "command-logs/cell-77.log",
        "command-logs/cell-78.log",
    ]
