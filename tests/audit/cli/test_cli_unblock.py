"""`unblock` from the command line, over a real run of a toy repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence import codec, layout
from tests.audit.cli.sign_off_kit import WAITING, Desk

MISSING = "could_not_run: the packages of the extra trust are not installed"


def test_a_green_run_shows_what_it_hangs_on(call: Any, toy: Path) -> None:
    call("run", "--repo", toy)
    said = call("unblock", "--repo", toy)
    assert said.code == 0
    assert "gate 0 is the most fragile" in said.out
    assert "  cell hello" in said.out
    value = call("unblock", "--repo", toy, "--json").value
    assert value["fixes"] == []
    assert "engine fact plan_sealed" in value["fragile"][0]["single_points"]
    assert call("unblock", "--repo", toy, "--format", "markdown").out.startswith("# GO")
    shown = call("unblock", "--repo", toy, "--format", "html").out
    assert '<h1 id="title">GO: what it hangs on</h1>' in shown
    assert "gate 0 is the most fragile" in shown


def test_a_red_run_shows_what_to_mend(call: Any, make_toy: Callable[..., Any], toy: Path) -> None:
    text = (toy / "audit.toml").read_text().replace("required = false", "required = true")
    red = make_toy(text.replace('"README.md"', '"NOTICE"'), "red").path
    call("run", "--repo", red)
    said = call("unblock", "--repo", red)
    assert said.code == 1
    assert "write NOTICE and commit it" in said.out
    assert "2 things to mend for GO; the next gate is 0 with 1" in said.out
    value = call("unblock", "--repo", red, "--json").value
    assert [fix["name"] for fix in value["fixes"]] == ["cell fails", "file NOTICE"]
    assert call("unblock", "--repo", red, "--format", "json").value == value
    page = call("unblock", "--repo", red, "--format", "markdown").out
    assert "| cell fails | the verdict |" in page
    shown = call("unblock", "--repo", red, "--format", "html").out
    assert '<h1 id="title">NO-GO: what to mend</h1>' in shown
    assert '<th scope="row">cell fails</th><td class="any">the verdict</td>' in shown
    assert call("unblock", "nothing", "--repo", red).code == 2
    assert call("unblock", "--repo", red, "--as-of", "yesterday").code == 2


def test_a_run_that_does_not_verify_says_nothing_of_what_to_mend(call: Any, toy: Path) -> None:
    call("run", "--repo", toy, "--label", "one")
    (toy / f"release_evidence/toy-1/one/{layout.LOGS}/hello.log").write_bytes(b"hullo\n")
    said = call("unblock", "--repo", toy)
    assert (said.code, "does not verify" in said.err) == (3, True)


def test_of_many_runs_the_newest_are_named(call: Any, toy: Path) -> None:
    for label in "abcde":
        assert call("run", "--repo", toy, "--label", label).code == 0
    said = call("unblock", "nothing", "--repo", toy)
    assert said.code == 2
    assert "runs=`toy-1/e, toy-1/d, toy-1/c and 2 more`" in said.err


def test_a_dirty_tree_is_mended_and_no_gate_is(call: Any, toy: Path) -> None:
    (toy / "dirty.txt").write_text("x", "utf-8")
    call("run", "--repo", toy, "--allow-dirty")
    said = call("unblock", "--repo", toy)
    assert said.code == 1
    assert "tree dirty" in said.out
    assert "which\n" not in said.out, "a table of no gate"
    assert "The next gate" not in call("unblock", "--repo", toy, "--format", "markdown").out


JUNK = (b"", b"{}", b"\xff\xfe\x00", b"[" * 100_000, b'{"format_version": 2}')


@pytest.mark.parametrize("name", [layout.PLAN, layout.FACTS, layout.DECISION, layout.RUN])
def test_junk_for_a_record_is_refused(call: Any, toy: Path, name: str) -> None:
    call("run", "--repo", toy, "--label", "a")
    folder = toy / "release_evidence/toy-1/a"
    for junk in JUNK:
        (folder / name).write_bytes(junk)
        for words in (["unblock", folder], ["diff", folder, folder], ["diff", folder, "a"]):
            said = call(*words, "--repo", toy)
            assert said.code == 3, (words, said.err)
            assert "next: " in said.err


def test_a_time_that_cannot_be_judged_is_refused(call: Any, toy: Path) -> None:
    call("run", "--repo", toy, "--label", "a")
    path = toy / "release_evidence/toy-1/a" / layout.FACTS
    facts = codec.parse(path.read_bytes())
    facts["as_of"] = "20261201T100000Z"
    path.write_bytes(codec.encode(facts))
    said = call("unblock", "--repo", toy)
    assert said.code == 3
    assert "next: arco-audit verify" in said.err


def test_what_people_brought_counts_and_what_they_waived_is_not_to_be_mended(
    call: Any, make_toy: Callable[..., Any], tmp_path: Path
) -> None:
    pytest.importorskip("securesystemslib", reason=MISSING)
    toy = make_toy(WAITING.replace("required = false\n", "")).path
    assert call("run", "--repo", toy, "--label", "one").code == 1
    (tmp_path / "keys").mkdir()
    desk = Desk(call, toy, tmp_path / "keys")
    ada, bob = desk.key("ada", "SRE"), desk.key("bob", "Manager")
    desk.let_waive("Manager")
    assert desk.waive(bob).code == 0
    assert "is not weighed" in call("unblock", "--repo", toy).out
    said = desk.do("unblock")
    assert said.code == 1
    assert "G2-001 is red and waived by bob as Manager until 2099-01-01T00:00:00Z" in said.out
    names = ["approval gate 0: SRE", "external G1-001: release_evidence/drill.md: SRE"]
    value = desk.do("unblock", "--json").value
    assert [fix["name"] for fix in value["fixes"]] == names
    assert [item["signal"] for item in value["waived"]] == ["G2-001"]
    page = desk.do("unblock", "--format", "markdown").out
    assert "- G2-001 is red and waived by bob" in page
    assert desk.attach().code == 0
    assert desk.sign(ada).code == 0
    said = desk.do("unblock")
    assert said.code == 0
    assert "GO-WITH-WAIVERS: ready only thanks to waivers" in said.out
    said = desk.do("unblock", "--strict-waivers")
    assert said.code == 4
    assert "mend cell fails" in said.out
    assert desk.do("unblock", "--as-of", "2099-01-01T00:00:00Z").code == 1
