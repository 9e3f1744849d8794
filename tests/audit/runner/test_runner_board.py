"""The board against a plain model: order, needs, failing fast, and what is tried again."""

from __future__ import annotations

import itertools
import sys
from types import FrameType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from audit.runner.board import FATAL, RETRIED, Board
from evidence.model import RESULTS, Attempt, Cell, Result, ResultFile
from tests.audit.runner.runner_kit import UTC
from tests.records import make_cell


def end(cell: str, result: Result = "passed", number: int = 1) -> Attempt:
    return Attempt(cell, number, result, "", 0, UTC, UTC, 1, None, (), 0)


def test_ready_cells_come_in_the_order_of_the_plan() -> None:
    cells = [make_cell("c"), make_cell("a"), make_cell("b", needs=("c",)), make_cell("d")]
    board = Board(cells, (), fail_fast=False)
    taken = [board.take(), board.take()]
    assert [cell.id for cell in taken if cell] == ["c", "a"]
    board.end(end("c"))
    assert [cell.id for cell in (board.take(), board.take()) if cell] == ["b", "d"]
    assert board.take() is None
    assert board.is_done()


def test_cells_that_wait_for_each_other_are_hopeless_and_do_not_hang() -> None:
    cells = [make_cell("a", needs=("b",)), make_cell("b", needs=("a",)), make_cell("c")]
    board = Board(cells, (), fail_fast=False)
    assert board.take_hopeless() is None
    cell = board.take()
    assert cell is not None
    assert cell.id == "c"
    board.end(end("c"))
    found = [board.take_hopeless(), board.take_hopeless()]
    assert [one[0].id for one in found if one] == ["a", "b"]
    assert board.is_done()


def test_a_move_costs_the_cells_it_touches_and_not_all() -> None:
    few, many = lines_run(300), lines_run(3000)
    assert many <= 12 * few  # a quadratic board runs a hundred times as many


def lines_run(count: int) -> int:
    """How many lines of Python a board of so many cells runs: a cost that no machine changes."""
    cells = [make_cell(f"c{n}", needs=(f"c{n - 1}",) if n % 5 else ()) for n in range(count)]
    lines = itertools.count()

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        next(lines)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        board, ran = Board(cells, (), fail_fast=False), 0
        while (cell := board.take()) is not None:
            board.end(end(cell.id))
            ran += 1
    finally:
        sys.settrace(before)
    assert ran == count
    return next(lines)


@st.composite
def matrices(draw: st.DrawFn) -> list[Cell]:
    count = draw(st.integers(1, 8))
    return [
        make_cell(
            f"c{n}",
            needs=tuple(f"c{k}" for k in draw(st.sets(st.integers(0, n - 1), max_size=3)))
            if n
            else (),
            required=draw(st.booleans()),
            results=(ResultFile("junit", draw(st.sampled_from("xyz"))),)
            if draw(st.booleans())
            else (),
        )
        for n in range(count)
    ]


@given(matrices(), st.booleans(), st.data())
def test_every_cell_ends_once_and_never_before_its_needs(
    cells: list[Cell], fail_fast: bool, data: st.DataObject
) -> None:
    board = Board(cells, (), fail_fast=fail_fast)
    results: dict[str, Result] = {}
    failed = False
    while True:
        while (hopeless := board.take_hopeless()) is not None:
            cell, reason = hopeless
            needs_passed = all(results.get(need, "passed") == "passed" for need in cell.needs)
            assert not needs_passed or failed, reason
            assert cell.id not in results
            results[cell.id] = "skipped"
            board.end(end(cell.id, "skipped"))
        while len(board.running) < 3 and (taken := board.take()) is not None:
            assert not failed
            assert taken.id not in results
            assert all(results[need] == "passed" for need in taken.needs)
        paths = [result.path for cell in board.running.values() for result in cell.results]
        assert len(paths) == len(set(paths))
        if not board.running:
            break
        name = data.draw(st.sampled_from(sorted(board.running)))
        results[name] = data.draw(st.sampled_from(RESULTS))
        required = next(cell.required for cell in cells if cell.id == name)
        failed = failed or (fail_fast and required and results[name] in FATAL)
        board.end(end(name, results[name]))
    assert board.is_done()
    assert set(results) == {cell.id for cell in cells}


@given(matrices(), st.data())
def test_on_resume_exactly_what_has_no_verdict_waits(
    cells: list[Cell], data: st.DataObject
) -> None:
    past: list[Attempt] = []
    again: set[str] = set()
    for cell in cells:
        result = data.draw(st.sampled_from((*RESULTS, None)))
        if result is not None:
            past.append(end(cell.id, result))
        retried = result is None or result in RETRIED
        if retried or (result == "skipped" and again.intersection(cell.needs)):
            again.add(cell.id)
    board = Board(cells, past, fail_fast=False)
    seen: set[str] = set()
    while not (board.is_done() and not board.running):
        hopeless = board.take_hopeless()
        cell_or_none = hopeless[0] if hopeless else board.take()
        if cell_or_none is not None:
            assert cell_or_none.id not in seen
            seen.add(cell_or_none.id)
            board.end(end(cell_or_none.id, "skipped" if hopeless else "passed", 2))
    assert seen == again


def test_a_failure_of_the_past_fails_fast_too() -> None:
    board = Board([make_cell("a"), make_cell("b")], [end("a", "failed")], fail_fast=True)
    hopeless = board.take_hopeless()
    assert hopeless is not None
    assert hopeless[0].id == "b"
    assert board.take() is None
