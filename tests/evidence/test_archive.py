"""A bundle is written whole or not at all, by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from evidence import archive, chain, codec, folder, layout, model, seal
from tests.evidence.kernel_kit import LATER, UTC, make_plan

PLAN = make_plan()
RUN = model.Run(1, "r", "l", "ab" * 32, UTC, LATER, "system", (), (), (), 0, ())


def names(path: Path) -> set[str]:
    return set(folder.Folder(str(path)).names())


def test_a_file_is_put_whole(tmp_path: Path) -> None:
    archive.put(tmp_path, "documents/findings/gate-1.md", b"one")
    archive.put_all(tmp_path, {"documents/findings/gate-1.md": b"two", "x": b""})
    assert (tmp_path / "documents/findings/gate-1.md").read_bytes() == b"two"
    assert names(tmp_path) == {"documents/findings/gate-1.md", "x"}


def test_a_file_that_could_not_be_put_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.put(tmp_path, "x", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        archive.put(tmp_path, "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"


def test_closing_seals_what_is_there_and_the_checkpoint_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.put_all(tmp_path, {layout.PLAN: codec.write(PLAN), "artifacts/a/1/x": b"x"})
    archive.put(tmp_path, "command-logs/a.log", b"log")
    kept = "artifacts/a/1/y" + archive.PARTIAL_SUFFIX
    archive.put(tmp_path, kept, b"made by a command")
    (tmp_path / ("torn" + archive.PARTIAL_SUFFIX)).write_bytes(b"half")
    order: list[str] = []
    put = archive.put

    def noted(path: Path, name: str, data: bytes) -> None:
        order.append(name)
        put(path, name, data)

    monkeypatch.setattr(archive, "put", noted)
    assert not archive.is_sealed(tmp_path)
    point = archive.close(tmp_path, PLAN, RUN)
    assert archive.is_sealed(tmp_path)
    assert order[-1] == layout.CHECKPOINT
    assert chain.checkpoint_of((tmp_path / layout.CHECKPOINT).read_bytes()) == point
    sealed = codec.read(model.Seal, (tmp_path / layout.SEAL).read_bytes())
    covered = {leaf.name[5:] for leaf in sealed.final if leaf.name.startswith("file/")}
    assert covered == {layout.PLAN, "artifacts/a/1/x", kept}
    assert (len(sealed.final), seal.root_of(sealed.final)) == (point.size, point.final_root)
    assert seal.root_of(sealed.plan) == point.plan_root
    # Sealing again gives the same bytes: nothing depends on the moment or the order on the disk.
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    assert archive.close(tmp_path, PLAN, RUN) == point
    assert before == {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}


def test_a_link_among_the_evidence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts/x").symlink_to("/etc/hostname")
    with pytest.raises(codec.Malformed, match="artifacts/x: is not a regular file"):
        archive.close(tmp_path, PLAN, RUN)
    assert not archive.is_sealed(tmp_path)


def test_one_process_holds_a_folder(tmp_path: Path) -> None:
    with archive.hold(tmp_path):
        assert names(tmp_path) == {layout.LOCK}
        with pytest.raises(archive.Busy), archive.hold(tmp_path):
            pass
        with pytest.raises(archive.Busy), archive.hold(tmp_path):
            pass
        assert names(tmp_path) == {layout.LOCK}
    assert names(tmp_path) == set()
    with archive.hold(tmp_path):
        pass


def test_a_lock_left_by_a_dead_process_holds_nobody(tmp_path: Path) -> None:
    (tmp_path / layout.LOCK).write_bytes(b"")
    with archive.hold(tmp_path):
        pass


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_on_a_file_that_is_gone_holds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """The holder leaves, and takes its file away, between our opening and our locking it."""
    flock = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        (tmp_path / layout.LOCK).unlink()
        if replaced:
            (tmp_path / layout.LOCK).write_bytes(b"")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(archive.Busy), archive.hold(tmp_path):
        pass
    assert names(tmp_path) == ({layout.LOCK} if replaced else set())


def test_an_error_while_holding_gives_the_folder_back(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), archive.hold(tmp_path):
        raise RuntimeError
    with archive.hold(tmp_path):
        pass
