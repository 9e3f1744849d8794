"""What somebody is told to do next is what they have not done yet, and works as it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit.cli.sign_off_kit import WAITING, Desk


@pytest.fixture
def desk(make_toy: Callable[..., Any], call: Callable[..., Any], tmp_path: Path) -> Desk:
    keys = tmp_path / "keys"
    keys.mkdir()
    made = Desk(call, make_toy(WAITING).path, keys)
    made.call("run", "--repo", made.toy, "--label", "one")
    return made


def test_what_is_attached_waits_for_its_approval_and_for_nothing_else(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    before = {
        item["id"]: item["next_step"] for item in desk.do("status", "--json").value["signals"]
    }
    assert "arco-audit attach" in before["G1-001"]
    assert desk.attach().code == 0
    (told,) = [
        item for item in desk.do("status", "--json").value["signals"] if item["id"] == "G1-001"
    ]
    assert "is attached and waits" in told["reason"]
    assert told["next_step"] == "SRE approves it: arco-audit sign --role SRE --key FILE"
    assert "arco-audit sign --role SRE --key FILE" in desk.do("unblock").out
    assert desk.sign(ada).code == 0
    assert desk.statuses()["G1-001"] == "GO"


def test_what_people_brought_closes_a_signal_since_the_run_before(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")

    def closed(label: str) -> tuple[str, list[str]]:
        desk.call("run", "--repo", desk.toy, "--label", label)
        assert desk.attach().code == 0
        assert desk.sign(ada).code == 0
        (line,) = [x for x in desk.do("status").out.splitlines() if "closed since" in x]
        return line, desk.do("status", "--json").value["closed_since"]

    line, names = closed("two")
    assert "G1-001" in names
    assert line == f"signals closed since one: {', '.join(names)}"
    assert closed("two-b") == ("signals closed since two: none", [])


def test_what_became_go_has_nothing_to_waive_again(desk: Desk) -> None:
    bob = desk.key("bob", "Manager")
    desk.let_waive("Manager")
    assert desk.waive(bob).code == 0
    definition = desk.toy / "audit.toml"
    definition.write_text(definition.read_text("utf-8").replace("exit 3", "exit 0"), "utf-8")
    assert desk.call("run", "--repo", desk.toy, "--label", "two", "--allow-dirty").code == 1
    words = ("--role", "Manager", "--key", bob, "--again")
    said = desk.do("waive", "G2-001", "two", *words)
    assert said.code == 2
    assert "does not fail, so there is nothing to waive" in said.err


def test_whoever_may_not_waive_is_shown_the_line_that_lets_them(desk: Desk) -> None:
    bob = desk.key("bob", "Manager")
    said = desk.waive(bob)
    assert said.code == 2
    assert 'waive = ["Manager"]' in said.err
    assert "above the first [[key]]" in said.err
    desk.let_waive("SRE")
    assert 'waive = ["SRE", "Manager"]' in desk.waive(bob).err
