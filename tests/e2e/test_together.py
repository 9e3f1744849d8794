"""Audits of one repository at the same moment: each whole, or clearly refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e import process_kit as kit

PLAIN = """
[audit]
id = "toy"
title = "A toy"
jobs = 2
""" + "".join(
    f"""
[[command]]
id = "c{n}"
shell = "echo $$; sleep 0.05"
"""
    for n in range(6)
)
WITH_RESULTS = (
    PLAIN
    + """
[[command]]
id = "made"
shell = "mkdir -p build; sleep 1; echo {} > build/made.json; sleep 1"
results = [{ metrics = "build/made.json" }]
"""
)


def both(repo: Path, *labels: str) -> list[tuple[int, str]]:
    """Start a run for each label at once; return their codes and what they said on stderr."""
    processes = [
        subprocess.Popen(
            kit.words("run", "--label", label),
            cwd=repo,
            env=kit.environ(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for label in labels
    ]
    said = [process.communicate(timeout=kit.LONG_S)[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def test_runs_without_result_files_do_not_meet(tmp_path: Path) -> None:
    repo = kit.make_repository(tmp_path / "r", PLAIN)
    labels = ("a", "b", "head/c")
    assert both(repo, *labels) == [(1, "")] * 3  # no gate, so no GO
    for label in labels:
        kit.call(repo, "verify", label, check=[0])


def test_of_runs_with_one_label_one_wins(tmp_path: Path) -> None:
    repo = kit.make_repository(tmp_path / "r", PLAIN)
    found = sorted(both(repo, "a", "a", "a"))
    assert [code for code, _ in found] == [1, 2, 2]
    for _, text in found[1:]:
        assert "another process works on this run" in text or "a run of this label" in text
        assert "next: " in text
    kit.call(repo, "verify", "a", check=[0])
    assert len(kit.run_of(repo / "release_evidence/toy/a").attempts) == 6


def test_of_runs_that_write_the_same_result_files_one_wins(tmp_path: Path) -> None:
    repo = kit.make_repository(tmp_path / "r", WITH_RESULTS)
    found = sorted(both(repo, "a", "b"))
    assert [code for code, _ in found] == [1, 2]
    assert "another process works on the result files of this repository" in found[1][1]
    assert len(list(repo.glob("release_evidence/toy/*/checkpoint"))) == 1


def test_a_run_is_not_resumed_while_it_runs(tmp_path: Path) -> None:
    repo = kit.make_repository(tmp_path / "r", PLAIN.replace("0.05", "1"))
    folder = repo / "release_evidence/toy/a"
    process = kit.start(repo, "run", "--label", "a")
    try:
        kit.wait_until(lambda: len(kit.told(folder).records) > 1)
        done = kit.call(repo, "resume", "a", check=[2])
        assert "another process works on this run" in done.stderr
        assert process.wait(kit.LONG_S) == 1
    finally:
        process.kill()
    kit.call(repo, "verify", "a", check=[0])
    assert {item.result for item in kit.run_of(folder).attempts} == {"passed"}


@pytest.mark.parametrize("words", [["verify", "a"], ["status", "a"], ["publish", "a"]])
def test_readers_of_a_run_in_progress_say_so(tmp_path: Path, words: list[str]) -> None:
    repo = kit.make_repository(tmp_path / "r", PLAIN.replace("0.05", "60"))
    process = kit.start(repo, "run", "--label", "a")
    folder = repo / "release_evidence/toy/a"
    try:
        kit.wait_until(lambda: len(kit.told(folder).records) > 1)
        done = kit.call(repo, *words)
        assert done.returncode in (1, 2, 3)
        assert "not finished" in done.stdout + done.stderr or words[0] == "verify"
    finally:
        process.terminate()
        assert process.wait(kit.LONG_S) == 130
