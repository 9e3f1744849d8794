"""The definition of this repository's own audit: complete, and true about the tree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from audit.definition import load, models

ROOT = Path(__file__).parents[2]
DEFINITION = load(ROOT / "audit.toml")
SIGNALS = [(gate, signal) for gate in DEFINITION.gates for signal in gate.signals]
HEIRS = {
    *("fmt_check", "lint", "types", "tests", "tests_all_extras", "tests_lowest", "doctests"),
    *("deny", "schemas_lint", "schemas_breaking", "house", "docs", "sim"),
}


def test_the_matrix_has_every_row() -> None:
    rows = {command.id: command for command in DEFINITION.commands}
    assert rows.keys() >= HEIRS
    assert {name for name, row in rows.items() if not row.required} == {"advisories"}


@pytest.mark.parametrize(("gate", "signal"), SIGNALS, ids=[s.id for _, s in SIGNALS])
def test_a_signal_is_whole(gate: Any, signal: Any) -> None:
    assert signal.id.startswith(f"G{gate.id}-")
    assert signal.code
    assert signal.runbook
    assert signal.evidence
    assert signal.closes_when


def test_attachments_are_explained_where_they_belong() -> None:
    for _, signal in SIGNALS:
        for condition in signal.closes_when:
            if not isinstance(condition, models.ExternalCondition):
                continue
            place = ROOT / condition.external
            folder, name = place.parent, place.name
            text = (folder / "README.md").read_text("utf-8")
            assert re.search(rf"^\| `{re.escape(name)}` \| {signal.id} \|.*\| {condition.role} \|$",
                             text, re.MULTILINE)  # fmt: skip


def test_gate_zero_rests_on_this_run_and_nothing_else() -> None:
    kinds = {type(c).__name__ for g, s in SIGNALS if g.id == 0 for c in s.closes_when}
    assert kinds == {"EngineCondition", "FileCondition"}
