"""Two attempts of a cell: noise is the same, everything else differs and is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.trust import replay_match
from audit.trust.replay_match import Side
from evidence import chain
from evidence.codec import Malformed
from evidence.model import Artifact, Attempt, Cell, Log, ResultFile
from tests.records import make_cell

UTC, LOG = "2026-12-01T10:00:00Z", "command-logs/cell.log"
ATTEMPT = Attempt("cell", 1, "passed", "", 0, UTC, UTC, 5, None, (), 0)
CELL = make_cell(results=(ResultFile("junit", "j.xml"),), produces=("out/*",))


def side(log: bytes | None = b"", files: dict[str, bytes] | None = None, **changes: Any) -> Side:
    """An attempt that printed `log` and left `files`."""
    bytes_by_path = {f"artifacts/cell/1/{name}": data for name, data in (files or {}).items()}
    artifacts = tuple(
        Artifact(path.split("/", 3)[3], path, len(data), chain.sha256(data))
        for path, data in bytes_by_path.items()
    )
    told = None if log is None else Log(LOG, len(log), "", (), truncated=False)
    attempt = replace(ATTEMPT, log=told, artifacts=artifacts)
    bytes_by_path[LOG] = log or b""

    def read(path: str) -> bytes:
        if path not in bytes_by_path:
            raise Malformed(path, "is not there")
        return bytes_by_path[path]

    return Side(replace(attempt, **changes), read)


def compared(one: Side, other: Side, cell: Cell = CELL) -> tuple[str, str]:
    found = replay_match.compare(cell, "chosen", one, other)
    return found.outcome, "; ".join(found.notes)


def junit(outcome: str = "", time: str = "0.1", host: str = "a") -> bytes:
    inside = f"<{outcome}/>" if outcome else ""
    case = f'<testcase classname="t" name="one" time="{time}">{inside}</testcase>'
    return f'<testsuite name="s" hostname="{host}">{case}</testsuite>'.encode()


SAME = [
    (side(), side()),
    (side(None), side(None)),
    (side(b"in 0.12s\n"), side(b"in 7.50s\n")),
    (side(b"one\ntwo\n"), side(b"two\none\n")),
    (side(b"", {"out/a": b"1 2"}), side(b"", {"out/a": b"1 2"})),
    (side(b"", {"out/a": b"took 1ms"}), side(b"", {"out/a": b"took 22ms"})),
    (side(b"", {"j.xml": junit()}), side(b"", {"j.xml": junit(time="9.9", host="b")})),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_noise_is_the_same(one: Side, other: Side) -> None:
    assert compared(one, other) == ("same", "")


DIFFERS = [
    (side(), side(result="failed", reason="broke"), "result: was passed, is failed (broke)"),
    (side(result="failed", reason="broke"), side(), "result: was failed, is passed"),
    (side(), side(exit_code=3), "exit code: was 0, is 3"),
    (side(), side(exit_code=None), "exit code: was 0, is none"),
    (side(b"one\n"), side(b"two\n"), "log: line 1 was `one`, is `two`"),
    (side(b"one\n"), side(b"one\none\n"), "log: line 2 was not there, is `one`"),
    (side(b"one\n"), side(b""), "log: line 1 was `one`, is not there"),
    (side(b""), side(None), "log: was there, is not"),
    (side(None), side(b""), "log: was not there, is"),
    (side(b"", {"out/a": b"1"}), side(), "out/a: was left, is not"),
    (side(), side(b"", {"out/a": b"1"}), "out/a: was not left, is"),
    (side(b"", {"out/a": b"x\n1"}), side(b"", {"out/a": b"x\n2"}), "out/a: line 2 was `1`, is `2`"),
    (side(b"", {"out/a": b"1\0"}), side(b"", {"out/a": b"2\0"}), "out/a: is not the same bytes"),
    (
        side(b"", {"j.xml": junit()}),
        side(b"", {"j.xml": junit("failure")}),
        "j.xml: test t.one was passed, is failed",
    ),
    (
        side(b"", {"j.xml": junit()}),
        side(b"", {"j.xml": b"<testsuite/>"}),
        "j.xml: test t.one was passed, is not there",
    ),
    (
        side(b"", {"j.xml": junit()}),
        side(b"", {"j.xml": b"no xml"}),
        "j.xml: its tests cannot be read: line 1: syntax error",
    ),
]


@pytest.mark.parametrize(("one", "other", "told"), DIFFERS)
def test_what_differs_is_told(one: Side, other: Side, told: str) -> None:
    assert compared(one, other) == ("differs", told)


def broken(path: str) -> Side:
    """A side whose file at `path` cannot be read any more."""
    whole = side(b"x", {"out/a": b"1"})

    def read(name: str) -> bytes:
        if name == path:
            raise Malformed(name, "is not there")
        return whole.read(name)

    return Side(whole.attempt, read)


def truncated() -> Side:
    cut = side(b"x")
    assert cut.attempt.log
    log = replace(cut.attempt.log, truncated=True)
    return Side(replace(cut.attempt, log=log), cut.read)


UNKNOWN = [
    (side(), side(result="could_not_run", reason="no docker"), "could_not_run here: no docker"),
    (side(), side(result="interrupted", reason="stopped"), "interrupted here: stopped"),
    (truncated(), side(b"x"), "its log was cut at the output limit"),
    (replace(side(b"x"), withheld=frozenset([LOG])), side(b"x"), "part of its log was withheld"),
    (broken(LOG), side(b"x", {"out/a": b"1"}), f"{LOG} is not there"),
    (
        broken("artifacts/cell/1/out/a"),
        side(b"x", {"out/a": b"2"}),
        "artifacts/cell/1/out/a is not there",
    ),
]


@pytest.mark.parametrize(("one", "other", "told"), UNKNOWN)
def test_what_cannot_be_compared_says_why(one: Side, other: Side, told: str) -> None:
    assert compared(one, other) == ("not_compared", told)


def test_a_difference_is_not_hidden_by_what_cannot_be_compared() -> None:
    outcome, told = compared(truncated(), side(b"x", exit_code=9))
    assert outcome == "differs"
    assert told == "exit code: was 0, is 9; its log was cut at the output limit"


def test_a_log_that_is_too_large_is_not_read() -> None:
    huge = side(b"x")
    assert huge.attempt.log
    log = replace(huge.attempt.log, bytes=replay_match.COMPARED_BYTES_MAX + 1)
    outcome, told = compared(Side(replace(huge.attempt, log=log), huge.read), side(b"x"))
    assert outcome == "not_compared"
    assert "larger than" in told


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_the_answer_is_the_same_from_both_sides(one: bytes, other: bytes) -> None:
    there, back = (compared(side(a), side(b))[0] for a, b in ((one, other), (other, one)))
    assert there == back
    assert compared(side(one), side(one)) == ("same", "")


BEYOND = [
    ((), {}, "no sealed attempt"),
    ((ATTEMPT, ATTEMPT), {}, "it took 2 attempts"),
    ((replace(ATTEMPT, result="interrupted"),), {}, "interrupted"),
    ((replace(ATTEMPT, result="could_not_run", reason="no x"),), {}, "could not run then: no x"),
    ((ATTEMPT,), {"argv": ("curl", "[redacted:TOKEN]")}, "secret"),
    ((ATTEMPT,), {"env": ("A=[redacted:TOKEN]",)}, "secret"),
    ((ATTEMPT,), {}, ""),
    ((replace(ATTEMPT, result="failed"),), {}, ""),
]


@pytest.mark.parametrize(("attempts", "changes", "why"), BEYOND)
def test_what_no_replay_can_reach(
    attempts: tuple[Attempt, ...], changes: dict[str, Any], why: str
) -> None:
    told = replay_match.out_of_reach(replace(CELL, **changes), attempts)
    assert why in told
    assert bool(why) == bool(told)
