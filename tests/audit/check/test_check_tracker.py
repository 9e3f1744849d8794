"""Reading trackers: lines, and every way of not being one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.check import read_tracker
from audit.check.tracker import TRACKER_BYTES_MAX, _positions
from audit.errors import Invalid

if TYPE_CHECKING:
    from tests.audit.check.conftest import World
else:
    World = Any


def refused(path: Path) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read_tracker(path)
    assert caught.value.exit_code == 2
    assert str(path) in caught.value.place
    assert caught.value.next_step
    return caught.value


def put(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "gate-tracker.json"
    path.write_bytes(data)
    return path


def test_another_shape_names_all_missing_fields(tmp_path: Path) -> None:
    later = {
        "status": "RED",
        "gates": [{"id": "g1", "description": "x", "required_signals": []}],
        "blocked_signals": [{"reason": "x", "evidence_path": "y"}],
        "verification_commands": [],
    }
    error = refused(put(tmp_path, json.dumps(later).encode()))
    for name in (
        *("audit_date", "generated_at_utc", "baseline_commit", "definition_of_done"),
        *("evidence_root", "command_matrix", "signals"),
        *("gates[].name", "gates[].status", "gates[].required_signal_ids"),
    ):
        assert name in error.problem
    assert "gates[0].id" in error.others[0].problem
    assert error.others[0].place.endswith(":1")


def test_wrong_types_are_all_named_with_their_lines(world: World) -> None:
    world.tracker["gates"][0]["status"] = 1
    world.tracker["command_matrix"]["all_pass"] = "yes"
    world.tracker["signals"][1]["id"] = None
    path = world.write()
    error = refused(path)
    problems = [error.problem, *(other.problem for other in error.others)]
    assert len(problems) == 3
    assert any("command_matrix.all_pass" in problem for problem in problems)
    lines = path.read_text().splitlines()
    number = int(error.place.rpartition(":")[2])
    assert '"all_pass": "yes"' in lines[number - 1]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_truncated_json_is_refused_with_its_line(cut: int, world: World) -> None:
    path = world.write()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * cut // 60])
    assert "not JSON" in refused(path).problem


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"{" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
        b'{"gates": NaN}',
        b'{"n": ' + b"9" * 10_000 + b"}",
        b"\x00" * 100,
        b'{"a": "\\ud800"',
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_tracker_is_refused(data: bytes, tmp_path: Path) -> None:
    refused(put(tmp_path, data))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = put(tmp_path, b"{}")
    with path.open("r+b") as file:
        file.truncate(TRACKER_BYTES_MAX + 1)
    assert "too large" in refused(path).problem


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.json").problem
    assert "not a plain file" in refused(tmp_path).problem


def test_numbers_that_are_not_whole_stay_text(world: World) -> None:
    world.tracker["score"] = 0.1
    assert read_tracker(world.write()).value["score"] == "0.1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from("abc"), JSON, min_size=1), st.sampled_from((None, 0, 2)))
def test_every_value_has_the_line_it_stands_in(value: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    lines, twice = _positions(text, "x")
    assert twice == ()
    for key in value:
        number = lines[key]
        assert f'"{key}":' in text.splitlines()[number - 1]


@given(st.text(alphabet='{}[],:"\\ab1 \n', max_size=60))
def test_any_text_is_scanned_without_a_fault(text: str) -> None:
    _positions(text, "x")
