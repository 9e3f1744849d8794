"""A run from the command line to a verified bundle, and everything that can be asked of it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evidence import codec, journal, layout, model


def folder_of(toy: Path) -> Path:
    return next(toy.glob("release_evidence/toy-1/*"))


def test_run_ends_with_the_paths_and_both_roots(call: Any, toy: Path) -> None:
    said = call("run", "--repo", toy)
    assert said.code == 0, said.err + said.out
    lines = said.out.splitlines()
    assert lines[0].startswith("plan root: ")
    assert "[2/2]" in said.out
    folder = folder_of(toy)
    for name in (layout.REPORT, f"{layout.DOCUMENTS}/{layout.SUMMARY}"):
        assert (folder / name).is_file()
        assert f"{folder.relative_to(toy)}/{name}" in said.out
    checkpoint = (folder / layout.CHECKPOINT).read_text()
    assert lines[0].removeprefix("plan root: ") in checkpoint
    root = said.out.split("final root: ")[1].strip()
    assert call("verify", folder, "--expect-root", root).code == 0


def test_json_is_one_value_and_says_the_same(call: Any, toy: Path) -> None:
    said = call("run", "--repo", toy, "--json", "--label", "head/one")
    assert said.code == 0
    assert said.value["verdict"] == "GO"
    assert said.value["evidence"] == "release_evidence/toy-1/head/one"
    status = call("status", "head/one", "--repo", toy, "--json")
    assert status.value["signals"] == said.value["signals"]


def test_a_red_required_cell_is_an_honest_no(
    call: Any, make_toy: Callable[..., Any], toy: Path
) -> None:
    text = (toy / "audit.toml").read_text().replace("required = false", "required = true")
    red = make_toy(text, "red").path
    said = call("run", "--repo", red)
    assert said.code == 1
    assert "required cell fails did not pass: exit_code=`3`" in said.out
    assert call("status", "--repo", red).code == 1
    assert call("verify", "--repo", red).code == 0


def test_the_evidence_is_what_was_seen(call: Any, toy: Path) -> None:
    call("run", "--repo", toy)
    folder = folder_of(toy)
    rows = (folder / layout.STATUS_TSV).read_text().splitlines()
    assert rows[0] == "command\texit_code\tstart_utc\tend_utc\tcmd"
    assert [row.split("\t")[:2] for row in rows[1:]] == [["hello", "0"], ["fails", "3"]]
    assert (folder / "command-logs/hello.log").read_bytes() == b"hello\n"
    assert (folder / "command-logs/fails.log").read_bytes() == b"broken\n"
    run = codec.read(model.Run, (folder / layout.RUN).read_bytes())
    assert {attempt.cell: attempt.result for attempt in run.attempts} == {
        "hello": "passed",
        "fails": "failed",
    }


def test_a_dirty_tree_is_refused_or_labelled(call: Any, toy: Path) -> None:
    (toy / "README.md").write_text("changed\n")
    refused = call("run", "--repo", toy)
    assert refused.code == 2
    assert "README.md" in refused.err
    assert "--allow-dirty" in refused.err
    said = call("run", "--repo", toy, "--allow-dirty")
    assert said.code == 1
    assert "the working tree is dirty: README.md" in said.out


def test_a_command_that_changes_the_tree_closes_nothing(call: Any, make_toy: Any) -> None:
    text = """
[audit]
id = "toy-1"
title = "A toy"
[[command]]
id = "meddle"
shell = "echo changed > README.md"
[[gate]]
id = 0
name = "Base"
[[gate.signal]]
id = "G0-001"
title = "t"
owner = "o"
exit_test = "e"
closes_when = [{ command = "meddle" }]
"""
    said = call("run", "--repo", make_toy(text).path, "--json")
    assert said.code == 1
    assert said.value["signals"][0]["conditions"][0]["answer"] == "wrong_subject"


def test_labels_are_used_once(call: Any, toy: Path) -> None:
    assert call("run", "--repo", toy, "--label", "a").code == 0
    again = call("run", "--repo", toy, "--label", "a")
    assert again.code == 2
    assert "label=`a`" in again.err
    assert "next:" in again.err
    assert call("run", "--repo", toy, "--label", "../../x").code == 2
    assert not (toy.parent / "x").exists()


def test_a_sealed_run_is_not_resumed(call: Any, toy: Path) -> None:
    call("run", "--repo", toy, "--label", "a")
    said = call("resume", "a", "--repo", toy)
    assert said.code == 2
    assert "finished and sealed" in said.err


def unfinish(folder: Path, keep: int) -> None:
    """What a kill leaves: the first `keep` journal records, and nothing that comes after."""
    lines = (folder / layout.JOURNAL).read_bytes().splitlines(keepends=True)
    (folder / layout.JOURNAL).write_bytes(b"".join(lines[:keep]) + lines[keep][:40])
    for name in (layout.RUN, layout.FACTS, layout.DECISION, layout.SEAL, layout.CHECKPOINT):
        (folder / name).unlink()
    shutil.rmtree(folder / layout.DOCUMENTS)


def test_resume_runs_only_what_has_no_end(call: Any, toy: Path) -> None:
    call("run", "--repo", toy, "--label", "a", "--jobs", "1")
    folder = toy / "release_evidence/toy-1/a"
    before = journal.read((folder / layout.JOURNAL).read_bytes()).records
    assert isinstance(before[2], journal.Ended)
    unfinish(folder, 4)  # opened, started, ended, started
    assert call("status", "a", "--repo", toy, "--json").value["finished"] is False
    assert call("decide", "a", "--repo", toy).code == 2
    said = call("resume", "a", "--repo", toy)
    assert said.code == 0, said.err
    run = codec.read(model.Run, (folder / layout.RUN).read_bytes())
    told = [(attempt.cell, attempt.number, attempt.result) for attempt in run.attempts]
    assert told == [("hello", 1, "passed"), ("fails", 1, "interrupted"), ("fails", 2, "failed")]
    assert run.resumed == 1
    assert call("verify", folder).code == 0


def test_resume_after_everything_ran_only_seals(call: Any, toy: Path) -> None:
    call("run", "--repo", toy, "--label", "a")
    folder = toy / "release_evidence/toy-1/a"
    journaled = (folder / layout.JOURNAL).read_bytes()
    for name in (layout.CHECKPOINT, layout.SEAL, layout.DECISION):
        (folder / name).unlink()
    assert call("resume", "a", "--repo", toy).code == 0
    assert (folder / layout.JOURNAL).read_bytes() == journaled
    assert call("verify", folder).code == 0


def test_resume_refuses_another_subject_or_definition(call: Any, make_toy: Any) -> None:
    toy = make_toy()
    call("run", "--repo", toy.path, "--label", "a", "--jobs", "1")
    unfinish(toy.path / "release_evidence/toy-1/a", 4)
    toy.commit(other__txt="more")
    said = call("resume", "a", "--repo", toy.path)
    assert said.code == 2
    assert "subject" in said.err
    toy.git("checkout", "-q", "HEAD~1")
    text = (toy.path / "audit.toml").read_text()
    (toy.path / "audit.toml").write_text(text.replace("echo hello", "echo hullo"))
    said = call("resume", "a", "--repo", toy.path)
    assert said.code == 2
    assert "cell/hello" in said.err


def test_decide_at_another_instant_changes_nothing(call: Any, toy: Path) -> None:
    call("run", "--repo", toy)
    folder = folder_of(toy)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert call("decide", "--repo", toy).code == 0
    early = call("decide", "--repo", toy, "--as-of", "2020-01-01T00:00:00+01:00", "--json")
    assert early.code == 1
    assert early.value["as_of"] == "2019-12-31T23:00:00Z"
    assert call("decide", "--repo", toy, "--as-of", "tomorrow").code == 2
    assert call("decide", "--repo", toy, "--as-of", "2027-01-01T00:00:00").code == 2
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_publish_then_render_check(call: Any, toy: Path) -> None:
    call("run", "--repo", toy)
    assert call("render", "--check", "--repo", toy).code == 2
    assert call("publish", "--repo", toy).code == 0
    assert call("render", "--check", "--repo", toy).code == 0
    ledger = toy / "docs/audits/toy-1" / layout.LEDGER
    ledger.write_text(ledger.read_text().replace("| GO |", "| NO-GO |"))
    said = call("render", "--check", "--repo", toy)
    assert said.code == 1
    assert layout.LEDGER in said.out
    assert call("render", "--repo", toy).code == 0
    # Published documents are an output, so the tree is as clean as before.
    assert call("run", "--repo", toy, "--label", "b").code == 0


def test_a_tampered_run_is_not_published(call: Any, toy: Path) -> None:
    call("run", "--repo", toy)
    path = folder_of(toy) / layout.DOCUMENTS / layout.SUMMARY
    path.write_text(path.read_text() + "all is well\n")
    said = call("publish", "--repo", toy)
    assert said.code == 3
    assert "does not verify" in said.err
    assert call("verify", "--repo", toy).code == 3
    assert not (toy / "docs/audits").exists()


def test_a_packed_bundle_verifies(call: Any, toy: Path, tmp_path: Path) -> None:
    call("run", "--repo", toy)
    packed = shutil.make_archive(str(tmp_path / "bundle"), "gztar", folder_of(toy))
    said = call("verify", packed)
    assert (said.code, said.out.splitlines()[0]) == (0, f"bundle: {packed}")
    assert call("verify", packed, "--json").value["bundle"] == packed
    trust = tmp_path / "trust.toml"
    trust.write_text("")
    said = call("verify", packed, "--trust", trust)
    assert (said.code, packed in said.err, "arco-audit-" in said.err) == (2, True, False)
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(Path(packed).read_bytes()[:-500])
    assert call("verify", broken).code in (2, 3)
    (tmp_path / "no.txt").write_text("no")
    assert call("verify", tmp_path / "no.txt").code == 2


def test_plan_runs_nothing_and_tells_the_root(call: Any, toy: Path) -> None:
    said = call("plan", "--repo", toy, "--label", "a")
    assert said.code == 0
    assert not (toy / "release_evidence").exists()
    root = said.out.splitlines()[-1]
    assert call("run", "--repo", toy, "--label", "a").out.splitlines()[0] == root
    assert call("plan", "--repo", toy, "--label", "a", "--json").value["plan_root"] in root


def test_the_plan_says_nothing_of_this_machine(call: Any, make_toy: Any) -> None:
    text = """
[audit]
id = "toy-1"
title = "A toy"
[[command]]
id = "lint"
nox = "lint"
"""
    said = call("plan", "--repo", make_toy(text).path, "--json")
    assert said.value["cells"][0]["argv"][0] == "python"


def test_secrets_are_nowhere(call: Any, make_toy: Any, monkeypatch: Any) -> None:
    canary = "s3cr3t-c4nary-v4lue"
    monkeypatch.setenv("DEPLOY_TOKEN", canary)
    monkeypatch.setenv("TINY_TOKEN", "abc")
    text = f"""
[audit]
id = "toy-1"
title = "A toy"
[[command]]
id = "leak"
run = ["sh", "-c", "echo $DEPLOY_TOKEN; printf %s $DEPLOY_TOKEN | base64; echo {canary}"]
"""
    toy = make_toy(text).path
    said = call("run", "--repo", toy)
    assert said.code == 1
    assert "TINY_TOKEN" in said.err
    assert canary not in said.out + said.err
    for path in folder_of(toy).rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path
    assert b"[redacted:DEPLOY_TOKEN]" in (folder_of(toy) / "command-logs/leak.log").read_bytes()


def test_a_secret_of_one_cell_does_not_hide_behind_another(
    call: Any, make_toy: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "from-the-environment")
    text = """
[audit]
id = "toy-1"
title = "A toy"
[[command]]
id = "one"
shell = "echo $DEPLOY_TOKEN from-the-environment"
env = { DEPLOY_TOKEN = "from-the-definition" }
"""
    toy = make_toy(text).path
    call("run", "--repo", toy)
    log = (folder_of(toy) / "command-logs/one.log").read_text()
    assert log == "[redacted:one.DEPLOY_TOKEN] [redacted:DEPLOY_TOKEN]\n"


def test_github_gets_its_summary_and_outputs(
    call: Any, toy: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    call("run", "--repo", toy)
    assert "## GO - A toy" in (tmp_path / "summary").read_text()
    assert "verdict=GO\n" in (tmp_path / "output").read_text()


def test_report_is_found_and_rendered_again_the_same(call: Any, toy: Path, tmp_path: Path) -> None:
    call("run", "--repo", toy)
    said = call("report", "--repo", toy, "--json")
    assert Path(said.value["report"]).is_file()
    again = tmp_path / "out" / "report.html"
    assert call("report", "--repo", toy, "--out", again).code == 0
    assert again.read_bytes() == Path(said.value["report"]).read_bytes()


def test_an_audit_inside_itself_is_refused(
    call: Any, make_toy: Any, repository_root: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(repository_root))
    text = f"""
[audit]
id = "toy-1"
title = "A toy"
[[command]]
id = "again"
run = ["{sys.executable}", "-m", "audit.cli", "run", "--label", "inner"]
[[command]]
id = "other"
shell = "cd ../elsewhere && {sys.executable} -m audit.cli run --label inner"
"""
    make_toy(name="elsewhere")
    toy = make_toy(text).path
    said = call("run", "--repo", toy, "--json")
    assert said.code == 1
    log = (folder_of(toy) / "command-logs/again.log").read_text()
    assert "an enclosing run audits this very repository" in log
    cells = {cell["cell"]: cell["result"] for cell in said.value["cells"]}
    assert cells == {"again": "failed", "other": "passed"}


def test_json_of_a_refusal_names_the_place(call: Any, toy: Path) -> None:
    (toy / "audit.toml").write_text('[audit]\nid = "a"\ntitel = "x"\n')
    said = call("plan", "--repo", toy, "--json")
    assert said.code == 2
    assert "audit.toml:3" in json.dumps(said.value)
    assert "title" in json.dumps(said.value)
