"""`arco-audit history`, from real runs to tables, a page and a catalog."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb", reason="could_not_run: duckdb is not installed")
pytest.importorskip("pyarrow", reason="could_not_run: pyarrow is not installed")

from audit.cli import history_command
from audit.history import query, store, tables
from evidence import layout
from tests.audit.cli.bad_input_kit import refused
from tests.audit.cli.sign_off_kit import WAITING, Desk

ROOT = Path(__file__).parents[3]


@pytest.fixture
def audited(toy: Path, call: Any) -> Path:
    """A toy repository with two runs."""
    for label in ("one", "two"):
        assert call("run", "--repo", toy, "--label", label).code == 0
    return toy


def folder_of(toy: Path, label: str) -> Path:
    return toy / "release_evidence" / "toy-1" / label


def test_runs_are_added_once_and_leave_the_tree_clean(audited: Path, call: Any) -> None:
    said = call("history", "add", "--repo", audited, "--json")
    assert (said.code, said.value["added"], said.value["known"]) == (0, 2, 0)
    assert Path(said.value["store"]) == audited / "release_evidence" / ".history"
    again = call("history", "add", "--repo", audited)
    assert again.code == 0
    assert "added: 0  there already: 2" in again.out
    assert call("run", "--repo", audited, "--label", "three").code == 0, "not dirty"
    named = call("history", "add", "three", "--repo", audited, "--json")
    assert named.value["added"] == 1


def approvals_in(toy: Path) -> list[dict[str, Any]]:
    with store.opened(toy / "release_evidence" / ".history") as files:
        found = [tables.read("approvals", path).to_pylist() for path in files["approvals"]]
    return [row for rows in found for row in rows]


def test_approvals_that_count_are_added_once(call: Any, make_toy: Any, tmp_path: Path) -> None:
    pytest.importorskip("securesystemslib", reason="could_not_run: the extra trust is missing")
    toy = make_toy(WAITING).path
    for label in ("one", "two"):
        assert call("run", "--repo", toy, "--label", label).code == 1
    (tmp_path / "keys").mkdir()
    desk = Desk(call, toy, tmp_path / "keys")
    ada = desk.key("ada", "SRE")
    assert call("sign", "one", "--repo", toy, *by(desk, ada)).code == 0
    assert call("history", "add", "--repo", toy, "--json").value["approvals"] is None
    said = desk.do("history", "add", "--json")
    assert (said.code, said.value["known"], said.value["approvals"]) == (0, 2, 1)
    assert "approvals added: 0" in desk.do("history", "add").out
    (row,) = approvals_in(toy)
    told = [row[name] for name in ("approver", "role", "answer", "gates")]
    assert told == ["ada", "SRE", "approved", ["0", "1"]]
    assert f'id = "{row["key"]}"' in desk.trust.read_text()


def by(desk: Desk, key: Path) -> tuple[object, ...]:
    return ("--trust", desk.trust, "--role", "SRE", "--key", key, "--yes")


def test_words_that_do_not_count_are_no_approvals(call: Any, make_toy: Any, tmp_path: Path) -> None:
    pytest.importorskip("securesystemslib", reason="could_not_run: the extra trust is missing")
    toy = make_toy(WAITING).path
    for label in ("one", "two", "three"):
        assert call("run", "--repo", toy, "--label", label).code == 1
    (tmp_path / "keys").mkdir()
    desk = Desk(call, toy, tmp_path / "keys")
    ada = desk.key("ada", "SRE")
    for label in ("one", "two", "three"):
        assert call("sign", label, "--repo", toy, *by(desk, ada)).code == 0
    layer = desk.layer.parent
    # The signature is gone from one, another run's log lies beside the second, the third's bundle
    # was edited: none of them holds an approval.
    line = json.loads((layer / "one" / "log.jsonl").read_bytes())
    (layer / "one" / "log.jsonl").write_text(json.dumps({**line, "signatures": []}) + "\n")
    (layer / "two" / "log.jsonl").write_bytes((layer / "three" / "log.jsonl").read_bytes())
    facts = folder_of(toy, "three") / layout.FACTS
    facts.write_bytes(facts.read_bytes().replace(b"failed", b"passed"))
    said = desk.do("history", "add", "--json")
    assert (said.code, said.value["approvals"]) == (3, 0)
    other = tmp_path / "none.toml"
    refused(call("history", "add", "--repo", toy, "--trust", other))
    other.write_text("format_version = 9")
    refused(call("history", "add", "--repo", toy, "--trust", other))


@pytest.mark.parametrize(
    ("ms", "took"), [(0, "<1 s"), (1000, "1 s"), (59_000, "59 s"), (61_000, "1 min 1 s")]
)
def test_a_run_that_is_known_in_whole_seconds_is_told_so(ms: int, took: str) -> None:
    run = query.Trend(
        **{item.name: "" for item in dataclasses.fields(query.Trend)}  # type: ignore[arg-type]
        | {"ended": "2026-12-01T10:00:00Z", "change": 0, "verified": True, "duration_ms": ms}
    )
    header, line = history_command.LAYOUTS["trends"]
    assert dict(zip(header, line(run), strict=True))["took"] == took


def test_without_a_word_it_shows_the_trends(audited: Path, call: Any) -> None:
    call("history", "add", "--repo", audited)
    said = call("history", "--repo", audited)
    assert said.code == 0
    head, *rows = [line.split()[-1] for line in said.out.splitlines()[:3]]
    assert head == "run"
    assert sorted(rows) == ["toy-1/one", "toy-1/two"], "they may have ended in the same second"
    assert "over 2 runs" in said.out
    assert "over 1 run\n" in call("history", "show", "--repo", audited, "--last", "1").out


def test_the_questions_are_those_that_can_be_answered() -> None:
    assert tuple(query.ANSWERS) == history_command.WHAT
    assert history_command.LAYOUTS.keys() == history_command.NOTHING.keys() == {*query.ANSWERS}


@pytest.mark.parametrize("what", history_command.WHAT)
def test_every_question_has_a_table_and_json(audited: Path, call: Any, what: str) -> None:
    call("history", "add", "--repo", audited)
    said = call("history", "--repo", audited, "--what", what)
    assert said.code == 0
    assert "over 2 runs" in said.out
    told = call("history", "show", "--repo", audited, "--what", what, "--json").value
    assert (told["what"], told["runs"]) == (what, 2)
    assert bool(told["rows"]) == (what not in ("flaky", "time-to-green"))


def test_a_page_is_written(audited: Path, call: Any) -> None:
    call("history", "add", "--repo", audited)
    out = audited / "build" / "history.html"
    said = call("history", "page", "--repo", audited, "--out", out, "--json")
    assert said.value == {"page": str(out), "runs": 2}
    assert "2 runs of 1 audit" in out.read_text()


def test_a_tampered_bundle_is_added_and_marked(audited: Path, call: Any) -> None:
    log = folder_of(audited, "one") / layout.LOGS / "hello.log"
    log.write_text("hallo\n")
    said = call("history", "add", "--repo", audited)
    assert said.code == 3
    assert "added, and does not verify" in said.out
    told = call("history", "--repo", audited, "--json").value["rows"]
    assert {row["label"]: row["verified"] for row in told} == {"one": False, "two": True}
    log.write_text("hello\n")
    healed = call("history", "add", "--repo", audited, "--json")
    assert (healed.code, healed.value["replaced"]) == (0, 1)


@pytest.mark.parametrize("name", [layout.CHECKPOINT, layout.RUN, layout.PLAN])
def test_an_unreadable_bundle_keeps_no_other_out(audited: Path, call: Any, name: str) -> None:
    path = folder_of(audited, "one") / name
    path.write_bytes(path.read_bytes()[:40])
    said = call("history", "add", "--repo", audited)
    assert said.code == 3
    assert "added: 1" in said.out
    assert "not added: " in said.out


def test_a_run_that_was_not_finished_is_refused(audited: Path, call: Any) -> None:
    (folder_of(audited, "one") / layout.CHECKPOINT).unlink()
    assert "resume" in refused(call("history", "add", "one", "--repo", audited))
    said = call("history", "add", "--repo", audited, "--json")
    assert said.value["added"] == 1, "by default only what was finished"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["show"], "there is no history yet"),
        (["page", "--out", "x.html"], "there is no history yet"),
        (["add"], "no finished run"),
        (["add", "nowhere"], "no run is called"),
        (["--what", "weather"], "weather"),
        (["--last", "0"], "0"),
        (["weather"], "weather"),
        (["page"], "--out"),
        (["push", "--catalog", "x"], "--namespace"),
    ],
)
def test_what_cannot_be_is_refused(toy: Path, call: Any, words: list[str], told: str) -> None:
    head, *rest = words
    said = call("history", head, *rest, *([] if head == "weather" else ["--repo", toy]))
    assert told in refused(said)
    assert not (toy / "x.html").exists()
    assert not (toy / "release_evidence" / ".history").exists()


def test_a_folder_with_other_things_is_no_store(audited: Path, call: Any) -> None:
    said = call("history", "add", "--repo", audited, "--store", audited)
    assert "holds other things" in refused(said)


def test_a_push_to_a_catalog(audited: Path, call: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyiceberg", reason="could_not_run: pyiceberg is not installed")
    pytest.importorskip("sqlalchemy", reason="could_not_run: sqlalchemy is not installed")
    call("history", "add", "--repo", audited)
    (tmp_path / "warehouse").mkdir()
    words = ("history", "push", "--repo", audited, "--namespace", "rel", "--json")
    where = (f"sqlite:///{tmp_path}/catalog.db", "--warehouse", f"file://{tmp_path}/warehouse")
    rows = [
        [item["rows"] for item in call(*words, "--catalog", *where).value["tables"]]
        for _ in range(2)
    ]
    assert rows == [[4, 4, 2, 0, 2], [0] * 5]


MISSING = """
import sys
sys.modules[{package!r}] = None
from audit import cli
sys.argv = ["arco-audit", *{words!r}]
cli.main()
"""


@pytest.mark.parametrize(
    ("package", "words", "extra"),
    [
        ("pyarrow", ["history", "add"], "history"),
        ("pyarrow", ["history"], "history"),
        ("duckdb", ["history"], "history"),
        ("duckdb", ["history", "page", "--out", "x"], "history"),
        ("pyiceberg", ["history", "push", "--catalog", "x", "--namespace", "y"], "iceberg"),
        ("pyarrow", ["history", "push", "--catalog", "x", "--namespace", "y"], "iceberg"),
    ],
)
def test_a_missing_package_is_told_with_what_installs_it(
    tmp_path: Path, package: str, words: list[str], extra: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISSING.format(package=package, words=[*words, "--json"])],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    error = json.loads(done.stdout)["error"]
    assert f"package=`{package}`" in error["problem"]
    assert error["next_step"] == f"in a clone of this program: pip install '.[{extra}]'"


def test_help_needs_no_extra(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISSING.format(package="pyarrow", words=["history", "--help"])],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Examples" in done.stdout


def test_the_help_names_each_subcommand_in_whole_words(call: Any) -> None:
    said = call("history", "-h")
    assert said.code == 0
    assert "..." not in said.out.partition("Commands:")[2]
    assert "--what" in said.out
