"""A tracker that is wrong anywhere is refused, with the place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.render import schema, tracker


@pytest.fixture
def good(worlds: ModuleType) -> dict[str, Any]:
    plan, run, facts, decision = worlds.toy()
    return tracker.build(plan, facts, decision, folder=worlds.FOLDER, plan_root=run.plan_root)


def _set(*path: Any) -> Callable[[dict[str, Any]], None]:
    *steps, key, value = path

    def change(tree: Any) -> None:
        for step in steps:
            tree = tree[step]
        tree[key] = value

    return change


WRONG = [
    ("schema_version", _set("schema_version", "1.0"), "wants 2.0, holds '1.0'"),
    ("audit_date", _set("audit_date", "2026-02-30"), "no date that exists"),
    ("audit.date", _set("audit", "date", "2026-2-3"), "no date that exists"),
    ("generated_at_utc", _set("generated_at_utc", "2026-12-01T25:00:00Z"), "no date-time"),
    ("generated_at_utc", _set("generated_at_utc", "2026-12-01T10:00:00+01:00"), "no date-time"),
    ("generated_at_utc", _set("generated_at_utc", "2026-12-01"), "no date-time"),
    ("gates[1].status", _set("gates", 1, "status", "BLOCKED-EXTERNAL"), "wants one of"),
    ("gates[1].status", _set("gates", 1, "status", "GO"), "its signals make it PARTIAL"),
    ("gates[0].closed", _set("gates", 0, "closed", 3), "its signals make it 2"),
    ("gates[0].id", _set("gates", 0, "id", "zero"), "wants integer"),
    ("gates[0].id", _set("gates", 0, "id", True), "wants integer"),
    ("gates[1].id", _set("gates", 1, "id", 0), "stands there twice"),
    ("signals[0].status", _set("signals", 0, "status", "DONE"), "wants one of"),
    ("signals[1].id", _set("signals", 1, "id", "G0-001"), "stands there twice"),
    ("signals[0]", _set("signals", 0, "id", "G0-009"), "no gate requires it"),
    ("gates[0].required_signal_ids[0]", _set("signals", 0, "id", "G0-009"), "no such signal"),
    ("gates[0].required_signal_ids[0]", _set("signals", 0, "gate", 2), "belongs to gate 2"),
    ("signals[2]", _set("signals", 2, "extra", 1), "unknown extra"),
    ("signals[3].title", _set("signals", 3, "title", ""), "should be non-empty"),
    ("command_matrix.all_pass", _set("command_matrix", "all_pass", True), "make it false"),
    ("command_matrix.cells[1].id", _set("command_matrix", "cells", 1, "id", "Fmt_Check"), "twice"),
    ("command_matrix.cells[1].passed", _set("command_matrix", "cells", 1, "passed", True), "not"),
    ("command_matrix.required_commands", _set("command_matrix", "required_commands", []), "not"),
    ("verdict", _set("verdict", "GO"), "GO beside blockers"),
    ("verdict", _set("verdict", "GO"), "GO while not every gate is GO"),
    ("blockers", _set("blockers", []), "nothing is named"),
    ("plan_root", _set("plan_root", "xyz"), "does not match"),
]


def _name(item: object) -> str:
    """Return a name without an address in it: workers must collect the same tests."""
    return item[:40] if isinstance(item, str) else "change"


@pytest.mark.parametrize(("place", "change", "said"), WRONG, ids=_name)
def test_names_the_place(
    good: dict[str, Any], place: str, change: Callable[[Any], None], said: str
) -> None:
    change(good)
    problems = schema.validate(good)
    assert any(p.place == place and said in p.problem for p in problems), problems


def test_go_over_a_dirty_tree(worlds: ModuleType) -> None:
    plan, _, facts, decision = worlds.green()
    made = tracker.build(plan, facts, decision, folder="x")
    assert schema.validate(made) == []
    made["subject"]["dirty"] = ["src/core.py"]
    assert [str(problem) for problem in schema.validate(made)] == ["verdict: GO over a dirty tree"]


def test_names_all_missing_fields_at_once(good: dict[str, Any]) -> None:
    del good["gates"], good["signals"]
    assert schema.validate(good) == [schema.Problem("tracker", "missing gates, signals")] * 2


@pytest.mark.parametrize("value", [None, [], "text", 7, {}])
def test_another_shape_is_refused(value: object) -> None:
    assert schema.validate(value)


def test_a_claimed_tracker_may_contradict_itself_but_not_its_counts(good: dict[str, Any]) -> None:
    good["basis"] = "claimed"
    del good["subject"]
    good["gates"][2]["status"] = "GO"
    assert schema.validate(good) == []
    good["gates"][2]["closed"] = 2
    assert [problem.place for problem in schema.validate(good)] == ["gates[2].closed"]


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.sampled_from(["", "GO", "x", "2026-01-01"]),
    st.just([]), st.just({}), st.just(["GO"]), st.just([7]),
)  # fmt: skip


@given(data=st.data())
def test_the_thinned_value_is_valid_exactly_when_the_whole_is(
    worlds: ModuleType, data: st.DataObject
) -> None:
    plan, run, facts, decision = worlds.toy()
    made = tracker.build(plan, facts, decision, folder=worlds.FOLDER, plan_root=run.plan_root)
    made = copy.deepcopy(made)
    node: Any = made
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(VALUES)
    checker = schema._validator()
    assert checker.is_valid(schema._thinned(made, checker.schema)) == checker.is_valid(made)


def test_the_schema_file_is_a_schema() -> None:
    folder = schema.schema_folder()
    value = json.loads(folder.joinpath(schema.TRACKER_SCHEMA).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(value)
    assert Path(str(folder)).name == "schemas"
