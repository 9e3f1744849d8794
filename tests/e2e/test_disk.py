"""Disks that are full or cannot be written: a clear refusal, nothing half-written, and then resume.

A small tmpfs is mounted where the tests may mount; a limit on the size of files works everywhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from evidence import layout
from tests.e2e import process_kit as kit
from tests.e2e.disk_kit import Mount, fill

TOY = f"""
[audit]
id = "toy"
title = "A toy"
jobs = 1

[[command]]
id = "small"
shell = "echo small; mkdir -p build; echo made > build/made.txt"
produces = ["build/*.txt"]

[[command]]
id = "large"
run = ["{sys.executable}", "-c", "import sys; sys.stdout.write('x' * 300_000)"]

[[gate]]
id = 0
name = "Base"
[[gate.signal]]
id = "G0-001"
title = "Both ran"
owner = "SRE"
exit_test = "both passed"
closes_when = [{{ command = "small" }}, {{ command = "large" }}]
"""
ROOMS_KIB = (0, 40, 96, 104, 112, 120, 200, 440, 480, 520)
"""Room left on the disk: from nothing at all to just not enough for the last file."""


def refused(done: subprocess.CompletedProcess[str], *, why: str) -> None:
    """A refusal by the disk: no verdict, the place, the reason, the next step."""
    assert done.returncode == 2, done.stdout + done.stderr
    first, second = done.stderr.strip().splitlines()[-2:]
    assert re.fullmatch(rf"error: /\S+: .*{why}.*", first), done.stderr
    assert re.fullmatch(r"  next: .*(room|space).*(resume|run again).*", second), done.stderr


@pytest.mark.parametrize("room_kib", ROOMS_KIB)
def test_a_full_disk_is_said_and_survived(tmp_path: Path, mount: Mount, room_kib: int) -> None:
    repo = kit.make_repository(tmp_path / "r", TOY)
    root = repo / "release_evidence"
    folder = root / "toy/a"
    mount(root, "size=2m")
    filler = fill(root, room_kib)
    done = kit.call(repo, "run", "--label", "a", TMPDIR=str(tmp_path))
    assert kit.alive(folder) == ()
    if done.returncode != 0:
        refused(done, why="no space left on device")
        assert not (folder / layout.CHECKPOINT).exists()
        assert not kit.told(folder).problem
        assert_told_by_status(repo, folder)
    filler.unlink()
    if not kit.told(folder).records:
        kit.call(repo, "run", "--label", "a", check=[0])
    elif done.returncode != 0:
        kit.call(repo, "resume", "a", check=[0])
    kit.call(repo, "verify", folder, check=[0])
    assert not list(folder.rglob("*.being-written"))
    assert (folder / "command-logs/large.log").stat().st_size == 300_000


def assert_told_by_status(repo: Path, folder: Path) -> None:
    """What never began is no run; what did is told as far as it came."""
    if (folder / layout.PLAN).exists():
        status = kit.call(repo, "status", "a", check=[1])
        assert "not finished" in status.stdout


def test_the_smallest_rooms_refuse_and_the_largest_do_not(tmp_path: Path, mount: Mount) -> None:
    """The list of rooms is of use only while it has both kinds."""
    codes = []
    for room_kib in (ROOMS_KIB[0], 1500):
        repo = kit.make_repository(tmp_path / f"r{room_kib}", TOY)
        mount(repo / "release_evidence", "size=2m")
        fill(repo / "release_evidence", room_kib)
        codes.append(kit.call(repo, "run", "--label", "a").returncode)
    assert codes == [2, 0]


def test_a_read_only_repository_can_be_read_and_not_audited(tmp_path: Path, mount: Mount) -> None:
    base = tmp_path / "disk"
    mount(base, "size=20m")
    repo = kit.make_repository(base / "r", TOY)
    kit.call(repo, "run", "--label", "a", check=[0])
    mount(base, "ro")
    done = kit.call(repo, "run", "--label", "b")
    assert done.returncode == 2
    assert "error: " + str(repo / "release_evidence/toy/b") in done.stderr
    assert "read-only file system" in done.stderr
    assert "next: " in done.stderr
    for words in (["plan"], ["status"], ["verify"], ["decide"], ["report"], ["render"]):
        kit.call(repo, *words, check=[0])
    doctor = kit.call(repo, "doctor", check=[2])
    assert "cannot be written" in doctor.stdout
    said = kit.call(repo, "publish", check=[2]).stderr
    assert "read-only file system" in said


@pytest.mark.parametrize("blocks", [1, 40, 200])
def test_a_limit_on_files_is_a_full_disk_too(tmp_path: Path, blocks: int) -> None:
    repo = kit.make_repository(tmp_path / "r", TOY)
    folder = repo / "release_evidence/toy/a"
    done = subprocess.run(
        ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *kit.words("run", "--label", "a")],
        cwd=repo,
        env=kit.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    refused(done, why="file too large")
    assert kit.alive(folder) == ()
    words = ["resume", "a"] if kit.told(folder).records else ["run", "--label", "a"]
    kit.call(repo, *words, check=[0])
    kit.call(repo, "verify", folder, check=[0])


def test_a_folder_of_evidence_that_is_none(tmp_path: Path) -> None:
    repo = kit.make_repository(tmp_path / "r", TOY)
    (repo / "release_evidence").write_text("not a folder\n")
    done = kit.call(repo, "run", "--label", "a", check=[2])
    assert "release_evidence" in done.stderr
    assert "next: " in done.stderr
