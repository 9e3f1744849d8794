"""Every way to damage a bundle is found and named, by us and by the verifier inside it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence import account, chain, codec, folder, layout, model, standalone, verify, words


def findings(bundle: Path, expect_root: str = "") -> list[verify.Finding]:
    report = verify.verify(folder.Folder(str(bundle)), expect_root=expect_root)
    assert report.ok == (
        not any(step.findings for step in report.steps)
        and all(step.checked for step in report.steps)
    )
    return [finding for step in report.steps for finding in step.findings]


def places(bundle: Path, expect_root: str = "") -> str:
    return " ".join(
        f"{finding.place}: {finding.problem}\n" for finding in findings(bundle, expect_root)
    )


def test_a_whole_bundle_verifies(bundle: Path, point: chain.Checkpoint) -> None:
    report = verify.verify(folder.Folder(str(bundle)), each=folder.in_threads)
    assert report.ok, "\n".join(account.lines(report))
    assert (report.plan_root, report.final_root) == (point.plan_root, point.final_root)
    assert report.decision is not None
    assert report.decision.verdict == "GO"
    assert [step.number for step in report.steps] == list(range(1, 11))


@pytest.mark.parametrize("which", ["final", "plan"])
def test_expected_root_says_which(bundle: Path, point: chain.Checkpoint, which: str) -> None:
    root = point.final_root if which == "final" else point.plan_root
    report = verify.verify(folder.Folder(str(bundle)), expect_root=root)
    assert report.ok
    assert report.expected == which
    assert not verify.verify(folder.Folder(str(bundle)), expect_root="ab" * 32).ok


def every_file(bundle: Path) -> list[str]:
    return sorted(folder.Folder(str(bundle)).names())


def test_every_file_deleted_is_named(bundle: Path) -> None:
    for name in every_file(bundle):
        path = bundle / name
        kept = path.read_bytes()
        path.unlink()
        assert Path(name).name.rsplit(".", 1)[0] in places(bundle), name
        path.write_bytes(kept)
    assert not findings(bundle)


def test_every_flipped_byte_is_found(bundle: Path) -> None:
    rng = random.Random(7)
    for name in every_file(bundle):
        path = bundle / name
        kept = path.read_bytes()
        for _ in range(6 if kept else 0):
            at = rng.randrange(len(kept))
            path.write_bytes(
                kept[:at] + bytes([kept[at] ^ (1 << rng.randrange(8))]) + kept[at + 1 :]
            )
            assert findings(bundle), f"{name} byte {at}"
        path.write_bytes(kept + b"x")
        assert findings(bundle), f"{name} with a byte more"
        path.write_bytes(kept)


def test_swapped_logs_are_named(bundle: Path) -> None:
    one, other = bundle / "command-logs/tests.log", bundle / "command-logs/tests.attempt-1.log"
    kept = one.read_bytes(), other.read_bytes()
    one.write_bytes(kept[1])
    other.write_bytes(kept[0])
    told = places(bundle)
    assert "command-logs/tests.log" in told
    assert "command-logs/tests.attempt-1.log" in told


def test_a_changed_chunk_is_named_by_its_place(bundle: Path) -> None:
    path = bundle / "command-logs/tests.log"
    data = bytearray(path.read_bytes())
    data[chain.CHUNK_BYTES + 3] ^= 1
    path.write_bytes(data)
    assert f"chunk 1 (from byte {chain.CHUNK_BYTES})" in places(bundle)


def edit(bundle: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """An edit that writes the record back in canonical form, as a careful forger would."""
    value = json.loads((bundle / name).read_bytes())
    change(value)
    (bundle / name).write_bytes(codec.encode(value))


def test_the_last_failed_attempt_cannot_be_dropped(bundle: Path) -> None:
    def drop(run: dict[str, Any]) -> None:
        del run["attempts"][1]
        run["attempts"][1]["number"] = 1

    edit(bundle, layout.RUN, drop)
    assert "tests attempt 1: is not the same in journal and run" in places(bundle)


def test_a_status_written_by_hand_is_named(bundle: Path) -> None:
    def green(decision: dict[str, Any]) -> None:
        decision["signals"][1]["status"] = "NO-GO"

    edit(bundle, layout.DECISION, green)
    assert "decision.json G0-002: does not follow from plan and facts" in places(bundle)


def test_a_later_version_may_word_a_decision_otherwise(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "listed", lambda names: f"{len(names)} of them")
    monkeypatch.setattr(words, "describe", lambda condition: condition.kind)
    assert not findings(bundle)


def test_a_dropped_condition_is_named(bundle: Path) -> None:
    edit(bundle, layout.PLAN, lambda plan: plan["signals"][0]["conditions"].pop(0))
    assert "plan/condition/G0-001/0" in places(bundle)


def test_foreign_files_and_links_are_named(bundle: Path) -> None:
    (bundle / "documents" / "extra.md").write_text("hello")
    (bundle / "command-logs" / "more.log").symlink_to("/etc/hostname")
    (bundle / "artifacts").symlink_to(bundle)
    told = places(bundle)
    assert "documents/extra.md" in told
    assert "command-logs/more.log" in told
    assert "artifacts" in told


def test_a_log_that_became_a_link_or_a_pipe_is_refused(bundle: Path, tmp_path: Path) -> None:
    log = bundle / "command-logs/tests.log"
    log.rename(tmp_path / "aside")
    log.symlink_to(tmp_path / "aside")
    assert "is not a regular file" in places(bundle)
    log.unlink()
    os.mkfifo(log)
    assert "is not a regular file" in places(bundle)


def reseal(bundle: Path) -> None:
    """What somebody does who recomputes everything after an edit."""
    from evidence import archive, judge, seal

    plan = codec.read(model.Plan, (bundle / layout.PLAN).read_bytes())
    facts = codec.read(model.Facts, (bundle / layout.FACTS).read_bytes())
    run = codec.read(model.Run, (bundle / layout.RUN).read_bytes())
    archive.put(bundle, layout.DECISION, codec.write(judge.decide(plan, facts)))
    archive.put(bundle, layout.STATUS_TSV, seal.status_tsv(plan, run))
    archive.close(bundle, plan, run)


def test_a_complete_forgery_shows_only_against_the_expected_root(
    bundle: Path, point: chain.Checkpoint
) -> None:
    (bundle / layout.REPORT).write_text("<!doctype html>all is well")
    reseal(bundle)
    assert not findings(bundle)
    assert "is neither the final root" in places(bundle, point.final_root)
    assert not findings(bundle, point.plan_root)


def standalone_report(bundle: Path, *words: str) -> tuple[int, dict[str, Any]]:
    program = bundle.parent / "verify.py"
    program.write_bytes(standalone.committed())
    done = subprocess.run(
        [sys.executable, "-I", str(program), str(bundle), "--json", *words],
        capture_output=True,
        check=False,
        env={},
    )
    assert not done.stderr, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def mutants() -> dict[str, Callable[[Path], object]]:
    def swap(bundle: Path) -> None:
        one, other = bundle / layout.PLAN, bundle / layout.FACTS
        kept = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(kept)

    def empty(bundle: Path) -> None:
        shutil.rmtree(bundle)
        bundle.mkdir()

    return {
        "none": lambda bundle: None,
        "log gone": lambda bundle: (bundle / "command-logs/lint.log").unlink(),
        "log longer": lambda bundle: (bundle / "command-logs/lint.log").write_bytes(b"x"),
        "records swapped": swap,
        "journal cut": lambda bundle: os.truncate(bundle / layout.JOURNAL, 700),
        "duplicate": lambda bundle: shutil.copy(bundle / layout.RUN, bundle / "run-2.json"),
        "verdict": lambda bundle: edit(
            bundle, layout.DECISION, lambda d: d.update(verdict="NO-GO")
        ),
        "time": lambda bundle: edit(bundle, layout.FACTS, lambda f: f.update(as_of="yesterday")),
        "empty": empty,
    }


@pytest.mark.parametrize("name", mutants())
def test_the_verifier_in_the_bundle_agrees(name: str, bundle: Path) -> None:
    mutants()[name](bundle)
    ours = account.value(verify.verify(folder.Folder(str(bundle))))
    code, theirs = standalone_report(bundle)
    assert theirs == json.loads(codec.encode(ours))
    assert code == (0 if ours["ok"] else 3)
    assert ours["ok"] == (name == "none")


def test_the_committed_verifier_is_the_generated_one() -> None:
    assert standalone.committed().decode() == standalone.source()
