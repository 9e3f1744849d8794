"""What the seal covers, and the tables beside it that other tools read."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import chain, codec, layout, model, seal
from tests.evidence.kernel_kit import (
    LATER,
    TEXT,
    UTC,
    any_of,
    make_plan,
)
from tests.examples import share
from tests.records import make_cell, make_signal

LOG = model.Log("command-logs/a.log", 3, "cd" * 32, ("cd" * 32,), truncated=False)


def attempt(cell: str, number: int = 1, **changes: Any) -> model.Attempt:
    plain = model.Attempt(cell, number, "passed", "", 0, UTC, LATER, 5, LOG, (), 0)
    return dataclasses.replace(plain, **changes)


def run_of(*attempts: model.Attempt) -> model.Run:
    return model.Run(1, "r", "l", "ab" * 32, UTC, LATER, "system", (), (), (), 0, attempts)


def unescaped(text: str) -> str:
    """What a reader of the table does."""
    plain = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}

    def char(match: re.Match[str]) -> str:
        word = match[1]
        return plain[word] if word in plain else chr(int(word[1:], 16))

    return re.sub(r"\\(x[0-9a-f]{2}|U[0-9a-f]{8}|.)", char, text)


NASTY = ("\t", "\n", "\r\n", "\\", "\\t", "\u202e", "\u2028", "\x85", "\x1b[2J", "\udcff", "a\0b")


@given(TEXT | st.sampled_from(NASTY))
def test_a_field_of_the_table_is_one_visible_line(text: str) -> None:
    told = seal.escape(text)
    assert told.isprintable()
    assert unescaped(told) == text
    assert told == text or not text.isprintable() or "\\" in text


@given(st.lists(TEXT, max_size=4), st.integers(-1, 300) | st.none())
def test_the_table_has_a_row_for_each_planned_cell(lines: list[str], code: int | None) -> None:
    cells = tuple(make_cell(f"c{n}", cmd=line) for n, line in enumerate(lines))
    ran = [attempt("c0", 2, exit_code=code), attempt("c0", 1, exit_code=7), attempt("gone")]
    table = seal.status_tsv(make_plan(cells=cells), run_of(*ran)).decode()
    head, *rows = table.removesuffix("\n").split("\n")
    assert head.split("\t") == ["command", "exit_code", "start_utc", "end_utc", "cmd"]
    assert len(rows) == len(cells)
    for n, row in enumerate(rows):
        name, told, start, end, line = map(unescaped, row.split("\t"))
        assert (name, line) == (f"c{n}", lines[n])
        last = (str(code) if code is not None else "", UTC, LATER)
        assert (told, start, end) == (last if n == 0 else ("", "", ""))


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_sha256sum_accepts_the_sums(tmp_path: Path) -> None:
    names = [
        "plain",
        "with space",
        " lead",
        "new\nline",
        "cr\rx",
        "back\\slash",
        "\\n",
        "tab\t",
        "*star",
    ]
    names += ["-dash", "deep/er/x", "\u202e", "é", "\udcff", "\u2028", "#hash", "a\\\nb"]
    digests = {}
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
        digests[name] = chain.sha256(os.fsencode(name))
    (tmp_path / "SHA256SUMS").write_bytes(seal.sums(digests))
    command = ["sha256sum", "-c", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.count(b": OK") == len(names)
    for name in names:
        (tmp_path / name).write_bytes(b"other")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.stdout.count(b": FAILED") == len(names)


def test_the_sums_are_sorted_and_leave_logs_out() -> None:
    digests = {"b": "00" * 32, "a": "11" * 32, "B": "22" * 32}
    assert seal.sums(digests).decode().split() == [
        *("22" * 32, "B", "11" * 32, "a", "00" * 32, "b"),
    ]
    assert not any(map(seal.is_plain, ("command-logs/a.log", "command-logs/a.salts", "seal.json")))
    assert all(map(seal.is_plain, ("plan.json", "artifacts/a.log", "command-logs/x.txt")))


# --- leaves ---------------------------------------------------------------------------------------

PLAN = make_plan(
    make_signal("s", model.CommandPassed("command", "a", ("a",)), model.FilePresent("file", "f")),
    cells=(make_cell("a"), make_cell("b")),
    roles=(model.Role("SRE", "keeps it up"),),
)


def values_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every plain value inside a JSON value."""
    if isinstance(value, dict):
        return [one for key in value for one in values_of(value[key], (*path, key))]
    if isinstance(value, list):
        return [one for n, item in enumerate(value) for one in values_of(item, (*path, n))]
    return [path]


def test_every_value_of_a_plan_is_under_its_root() -> None:
    """Changing any value whatever changes at least one leaf, so nothing is outside the promise."""
    value = codec.to_value(PLAN)
    sealed = seal.plan_leaves(PLAN)
    seen = 0
    for path in values_of(value):
        changed = codec.parse(codec.encode(value))
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        old = inner[path[-1]]
        for other in ("x", "NO-GO", 77, not old, None):
            inner[path[-1]] = other
            try:
                plan = codec.from_value(model.Plan, changed)
            except codec.Malformed:
                continue
            leaves = seal.plan_leaves(plan)
            assert (seal.root_of(leaves) == seal.root_of(sealed)) == (plan == PLAN), path
            seen += plan != PLAN
    assert seen > 60


@share(30)
@given(any_of(model.Plan), any_of(model.Plan))
def test_other_plans_have_other_roots(one: model.Plan, other: model.Plan) -> None:
    roots = seal.root_of(seal.plan_leaves(one)), seal.root_of(seal.plan_leaves(other))
    assert (roots[0] == roots[1]) == (one == other)


def test_the_leaves_name_what_they_cover() -> None:
    names = [leaf.name for leaf in seal.plan_leaves(PLAN)]
    assert names[:6] == [
        *("plan/format_version", "plan/tool", "plan/audit", "plan/label"),
        *("plan/subject", "plan/rules"),
    ]
    assert names[6:] == [
        *("plan/role/SRE", "plan/cell/a", "plan/cell/b", "plan/gate/0", "plan/signal/s"),
        *("plan/condition/s/0", "plan/condition/s/1"),
    ]
    run = run_of(attempt("b"), attempt("a", 2), attempt("a", 1, log=None))
    final = seal.final_leaves("ab" * 32, run, {"z": "00" * 32, "m": "11" * 32})
    assert [leaf.name for leaf in final] == [
        *("plan-root", "attempts/a", "attempts/b", "attempt/a/1", "attempt/a/2"),
        *("log/command-logs/a.log", "attempt/b/1", "log/command-logs/a.log", "file/m", "file/z"),
    ]
    assert seal.root_of(final) == chain.root_of([leaf.hash for leaf in final])


@pytest.mark.parametrize(
    "runs",
    [
        (run_of(attempt("a")), run_of(attempt("a", result="failed"))),
        (run_of(attempt("a")), run_of(attempt("a"), attempt("a", 2))),
        (run_of(attempt("a")), run_of(attempt("a", log=None))),
        (run_of(attempt("a")), run_of(attempt("a", leftovers=1))),
        (run_of(attempt("a")), run_of(attempt("b"))),
    ],
)
def test_every_attempt_is_under_the_final_root(runs: tuple[model.Run, model.Run]) -> None:
    roots = [seal.root_of(seal.final_leaves("ab" * 32, run, {})) for run in runs]
    assert roots[0] != roots[1]


def test_the_order_of_ends_is_not_under_the_leaves_but_in_run_json() -> None:
    """Attempts are sealed by name; run.json, a sealed file itself, holds their order."""
    one = run_of(attempt("a"), attempt("b"))
    other = run_of(attempt("b"), attempt("a"))
    assert seal.final_leaves("ab" * 32, one, {}) == seal.final_leaves("ab" * 32, other, {})
    assert codec.write(one) != codec.write(other)


def test_the_last_attempt_decides_and_has_the_plain_log() -> None:
    attempts = (attempt("a", 1), attempt("b"), attempt("a", 3), attempt("a", 2, log=None))
    assert seal.deciding(run_of(*attempts))["a"].number == 3
    named = seal.final_paths(attempts)
    assert [one.log.path if one.log else None for one in named] == [
        *(f"{layout.LOGS}/a.attempt-1.log", f"{layout.LOGS}/b.log", f"{layout.LOGS}/a.log", None),
    ]
    assert seal.final_paths(named) == named


@given(st.lists(any_of(model.Leaf), max_size=4), st.lists(any_of(model.Leaf), max_size=4))
@share(40)
def test_the_seal_has_one_text(plan: list[model.Leaf], final: list[model.Leaf]) -> None:
    assert seal.text_of(plan, final) == codec.write(model.Seal(1, tuple(plan), tuple(final)))


@given(st.lists(any_of(model.Attempt), max_size=3))
@share(40)
def test_attempts_that_are_encoded_already_have_the_same_leaves(
    attempts: list[model.Attempt],
) -> None:
    run = run_of(*(dataclasses.replace(told, log=None) for told in attempts))
    texts = seal.encoded(run)
    assert [codec.read(model.Attempt, text) for text in texts] == list(run.attempts)
    leaves = seal.final_leaves("ab" * 32, run, {}, texts)
    assert leaves == seal.final_leaves("ab" * 32, run, {})
    for told, text in zip(run.attempts, texts, strict=True):
        name = f"attempt/{told.cell}/{told.number}"
        assert model.Leaf(name, chain.leaf_hash(name, chain.sha256(text))) in leaves
