"""What this program publishes stands up to its own check, with its evidence and without."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.check import Report, check
from audit.definition import load
from audit.plan import compile_plan
from audit.render.tracker import build
from evidence import judge, layout
from evidence.model import AttemptFact, Facts, Subject, Tool

END = "2026-12-01T10:00:00Z"


def published(call: Any, make_repo: Callable[..., Any]) -> Path:
    """Return the tracker of a small repository that took every step up to publishing."""
    repo = make_repo("small")
    repo.write("Makefile", "check:\n\t@echo all is well\n")
    repo.commit()
    assert call("init", "--repo", repo.path).code == 0
    repo.commit()
    said = call("run", "--repo", repo.path)
    assert said.code == 0, said.out + said.err
    assert call("publish", "--repo", repo.path).code == 0
    (tracker,) = repo.path.glob(f"docs/audits/*/{layout.TRACKER}")
    return Path(tracker)


def relative(tracker: Path) -> dict[str, Any]:
    """Name the evidence relative to the folder of its run, as a definition does."""
    value: dict[str, Any] = json.loads(tracker.read_text())
    for item in (*value["gates"], *value["signals"]):
        root = f"{value['evidence_root']}/"
        item["evidence"] = [path.removeprefix(root) for path in item["evidence"]]
    tracker.write_text(json.dumps(value))
    assert any("command-logs/make-check.log" in item["evidence"] for item in value["signals"])
    return value


def codes(report: Report) -> list[str]:
    return [item.code for item in (*report.findings, *report.could_not_check)]


def test_published_documents_pass_the_check(call: Any, make_repo: Callable[..., Any]) -> None:
    tracker = published(call, make_repo)
    said = call("check", tracker, "--json")
    assert said.code == 0
    assert said.value["findings"] == said.value["could_not_check"] == []
    (inside,) = tracker.parents[3].glob(f"release_evidence/*/*/{layout.DOCUMENTS}/{layout.TRACKER}")
    assert codes(check(inside)) == []


@pytest.mark.parametrize("kept", [True, False])
def test_evidence_may_be_named_from_its_run(
    call: Any, make_repo: Callable[..., Any], kept: bool
) -> None:
    tracker = published(call, make_repo)
    value = relative(tracker)
    if not kept:
        shutil.rmtree(tracker.parents[3] / "release_evidence")
    report = check(tracker)
    assert report.exit_code == 0
    # The summary beside it still names the evidence in full.
    assert {item.code for item in report.findings} <= {"AUD311"}
    assert [item.code for item in report.could_not_check] == ([] if kept else ["AUD905"])
    assert value["verdict"] == "GO"


def test_a_clone_without_the_evidence_says_what_it_could_not_check(
    call: Any, make_repo: Callable[..., Any]
) -> None:
    tracker = published(call, make_repo)
    shutil.rmtree(tracker.parents[3] / "release_evidence")
    said = call("check", tracker, "--json")
    assert said.code == 0
    assert said.value["findings"] == []
    (one,) = said.value["could_not_check"]
    assert one["code"] == "AUD905"
    assert one["place"]["json_path"] == "evidence_root"
    assert "claims=`" in one["message"]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("path", ["docs/gone.md", "Makefile.gone", "elsewhere/command-logs/a.log"])
def test_what_is_no_part_of_a_run_is_missed_all_the_same(
    call: Any, make_repo: Callable[..., Any], path: str, kept: bool
) -> None:
    tracker = published(call, make_repo)
    value = json.loads(tracker.read_text())
    value["signals"][0]["evidence"].append(path)
    tracker.write_text(json.dumps(value))
    if not kept:
        shutil.rmtree(tracker.parents[3] / "release_evidence")
    report = check(tracker)
    assert report.exit_code == 1
    assert [item.code for item in report.findings if item.severity == "error"] == ["AUD201"]


def test_a_log_that_a_present_run_lacks_is_missed(call: Any, make_repo: Callable[..., Any]) -> None:
    tracker = published(call, make_repo)
    value = relative(tracker)
    value["signals"][-1]["evidence"] = ["command-logs/gone.log"]
    tracker.write_text(json.dumps(value))
    assert "AUD201" in codes(check(tracker))


def test_an_older_tracker_has_its_evidence_beside_it(
    call: Any, make_repo: Callable[..., Any]
) -> None:
    tracker = published(call, make_repo)
    value = json.loads(tracker.read_text()) | {"schema_version": "1.0"}
    tracker.write_text(json.dumps(value))
    shutil.rmtree(tracker.parents[3] / "release_evidence")
    assert {"AUD201", "AUD401"} <= set(codes(check(tracker)))


def test_own_definition_names_evidence_that_can_be_looked_up(
    tmp_path: Path, repository_root: Path
) -> None:
    """No run of this project is needed: where its folder is absent, nothing may be called wrong."""
    definition = load(repository_root / "audit.toml")
    subject = Subject("c" * 40, END, "t" * 40, "d" * 64, "main", (), ())
    plan = compile_plan(definition, subject, label="l", baseline_commit="", tool=Tool("a", "0"))
    attempts = tuple(AttemptFact(cell.id, 1, "passed", "", 0, END) for cell in plan.cells)
    facts = Facts(1, END, subject.digest, attempts, (), (), (), (), (), ())
    folder = layout.run_folder(definition.audit.outputs[0], definition.audit.id, "l")
    value = build(plan, facts, judge.decide(plan, facts), folder=folder)
    tracker = tmp_path / layout.TRACKER
    tracker.write_text(json.dumps(value))
    report = check(tracker, repository_root)
    missed = [str(item.place) for item in report.findings if ".evidence[" in item.place.json_path]
    assert missed == []
    assert "AUD905" in codes(report)
    assert not {"AUD201", "AUD401"} & set(codes(report))
