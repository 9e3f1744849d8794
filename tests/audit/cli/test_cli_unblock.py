"""`unblock` from the command line, over a real run of a toy repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence import codec, layout


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
    assert call("unblock", "nothing", "--repo", red).code == 2
    assert call("unblock", "--repo", red, "--as-of", "yesterday").code == 2


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
    assert "cannot be judged" in said.err
