"""`diff` from the command line, over real runs of a toy repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence import layout

Made = Callable[[str, str], None]


@pytest.fixture
def audited(call: Any, make_toy: Callable[..., Any]) -> tuple[Path, Made]:
    """A toy repository with one run, and how to change its definition and run again."""
    repo = make_toy()

    def again(label: str, definition: str) -> None:
        repo.write("audit.toml", definition)
        repo.commit()
        call("run", "--repo", repo.path, "--label", label)

    again("one", (repo.path / "audit.toml").read_text())
    return repo.path, again


def test_two_runs_are_compared(call: Any, audited: tuple[Path, Made]) -> None:
    toy, again = audited
    text = (toy / "audit.toml").read_text()
    again("two", text.replace('run = "echo hello"', 'run = "echo hello"\ntimeout = "99m"'))
    said = call("diff", "--repo", toy)
    assert said.code == 1
    assert "timeout_ms: 30m → 99m" in said.out
    assert "tracked files that differ: 1" in said.out
    assert call("diff", "two", "one", "--repo", toy).code == 0
    value = call("diff", "one", "--repo", toy, "--json").value
    assert value["counts"]["weakened"] == 1
    assert value["old_folder"].endswith("one")
    assert value["files"] == ["audit.toml"]
    page = call("diff", "one", "two", "--repo", toy, "--format", "markdown").out
    assert "## Weakened" in page
    assert page == call("diff", "one", "two", "--repo", toy, "--format", "markdown").out
    assert json.loads(call("diff", "one", "two", "--repo", toy, "--format", "json").out) == value
    shown = call("diff", "one", "two", "--repo", toy, "--format", "html").out
    assert '<h2 id="kind-1">Weakened</h2>' in shown
    assert "timeout_ms: 30m &#8594; 99m" in shown


def test_the_same_run_is_the_same(call: Any, audited: tuple[Path, Made]) -> None:
    said = call("diff", "one", "one", "--repo", audited[0], "--json")
    assert said.code == 0
    assert said.value["changes"] == []


def test_without_an_earlier_run_it_says_so(call: Any, audited: tuple[Path, Made]) -> None:
    said = call("diff", "--repo", audited[0])
    assert said.code == 2
    assert "arco-audit diff OLD NEW" in said.err
    assert call("diff", "nothing", "--repo", audited[0]).code == 2


def test_a_run_that_is_not_finished_is_left_out(call: Any, audited: tuple[Path, Made]) -> None:
    toy, again = audited
    text = (toy / "audit.toml").read_text()
    again("two", text)
    again("two-b", text)
    (toy / "release_evidence/toy-1/two-b" / layout.CHECKPOINT).unlink()
    said = call("diff", "--repo", toy)
    assert (said.code, "two-b is not finished" in said.err) == (0, True)
    assert "/one\n" in said.out
    assert "/two\n" in said.out
    for words in (("diff", "one", "two-b"), ("replay", "two-b", "--nonce", "1")):
        said = call(*words, "--repo", toy)
        assert (said.code, "arco-audit resume" in said.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        *(("diff", "FOLDER"), ("unblock", "FOLDER"), ("status", "FOLDER"), ("selftest", "FOLDER")),
        *(("replay", "FOLDER", "--nonce", "1"), ("forecast", "FOLDER")),
        *(("export", "FOLDER", "--format", "junit"), ("history", "add", "FOLDER")),
    ],
)
def test_a_folder_without_a_run_is_not_to_be_resumed(
    call: Any, audited: tuple[Path, Made], tmp_path: Path, words: tuple[str, ...]
) -> None:
    if words[0] == "history":
        pytest.importorskip("pyarrow", reason="could_not_run: the extra history is not installed")
    said = call(*[tmp_path if word == "FOLDER" else word for word in words], "--repo", audited[0])
    assert said.code == 2
    assert "no run lies there" in said.err
    assert "resume" not in said.err


def test_another_audit_needs_a_word(call: Any, audited: tuple[Path, Made]) -> None:
    toy, again = audited
    again("two", (toy / "audit.toml").read_text().replace('"toy-1"', '"toy-2"'))
    folders = toy / "release_evidence/toy-1/one", toy / "release_evidence/toy-2/two"
    said = call("diff", *folders)
    assert said.code == 2
    assert "--across" in said.err
    assert call("diff", *folders, "--across").code == 1
    assert "no earlier finished run" in call("diff", "--repo", toy).err


def test_a_bundle_that_does_not_verify_is_not_compared(
    call: Any, audited: tuple[Path, Made]
) -> None:
    toy, again = audited
    again("two", (toy / "audit.toml").read_text())
    log = toy / f"release_evidence/toy-1/one/{layout.LOGS}/hello.log"
    log.write_bytes(b"hullo\n")
    said = call("diff", "one", "two", "--repo", toy)
    assert said.code == 3
    assert "does not verify" in said.err
    assert "arco-audit verify" in said.err


def test_status_says_what_closed_since_the_run_before(
    call: Any, audited: tuple[Path, Made]
) -> None:
    toy, again = audited
    text = (toy / "audit.toml").read_text()
    assert "closed since" not in call("status", "one", "--repo", toy).out
    again("two", text.replace('"README.md"', '"NOTICE"'))
    again("two-b", text)  # of runs opened in one second the name decides
    said = call("status", "--repo", toy)
    assert said.code == 0
    assert said.out.rstrip().endswith("two: G0-001")
    assert call("status", "two", "--repo", toy).out.rstrip().endswith("one: none")
    assert call("status", "--repo", toy, "--json").value["closed_since"] == ["G0-001"]
    assert call("diff", "two", "two-b", "--repo", toy, "--json").value["closed"] == ["G0-001"]


def test_the_step_summary_names_what_closed(
    call: Any, make_toy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo = make_toy()
    text = (repo.path / "audit.toml").read_text()
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    for label, definition in (("one", text.replace('"README.md"', '"NOTICE"')), ("two", text)):
        repo.write("audit.toml", definition)
        repo.commit()
        page.write_text("")
        said = call("run", "--repo", repo.path, "--label", label)
        assert ("### Closed since" in page.read_text()) == (label == "two")
        assert ("signals closed since one: G0-001" in said.out) == (label == "two")
    assert "### Closed since `one`\n\nG0-001\n" in page.read_text()
