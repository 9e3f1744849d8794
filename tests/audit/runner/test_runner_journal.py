"""The journal on the disk: cut anywhere, taken up, full disks, logs that move."""

from __future__ import annotations

import itertools
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from audit import errors
from audit.runner import JournalWriter, read_journal, recover
from audit.runner.children import HAS_PROC
from audit.runner.marker import mark
from evidence import journal, layout
from evidence.journal import START, Closed, Ended, Opened, Record, Resumed, Started
from evidence.model import Attempt
from evidence.seal import final_paths
from tests.audit.runner.runner_kit import UTC, Arena, StillClock, sh, start_marked
from tests.records import make_cell


def ended(cell: str, number: int = 1, result: str = "passed") -> Ended:
    attempt = Attempt(cell, number, "passed", "", 0, UTC, UTC, 1, None, (), 0)
    return Ended("ended", replace(attempt, result=result))  # type: ignore[arg-type]


def story(run: str) -> list[Record]:
    return [
        Opened("opened", run, "label", "0" * 64, UTC),
        Started("started", "a", 1, UTC),
        Started("started", "b", 1, UTC),
        ended("a"),
        Started("started", "c", 1, UTC),
        ended("b"),
        ended("c"),
    ]


def written(records: list[Record]) -> list[bytes]:
    head, lines = START, []
    for record in records:
        head, line = journal.frame(head, record)
        lines.append(line)
    return lines


def test_what_is_appended_is_read_back_whatever_thread_it_came_from(arena: Arena) -> None:
    def write(n: int) -> None:
        for k in range(20):
            arena.writer.append(Started("started", f"c{n}-{k}", 1, UTC))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = arena.told()
    assert not told.problem
    assert len(told.records) == 81


def test_a_second_journal_is_refused(arena: Arena) -> None:
    with pytest.raises(errors.Conflict) as caught:
        JournalWriter.create(arena.folder)
    assert "resume" in caught.value.next_step


def test_cut_anywhere_it_recovers_to_a_true_story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Hundreds of syncs and looks into /proc would only cost time.
    monkeypatch.setattr("audit.runner.journal.sync", lambda descriptor: None)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr("audit.runner.children.sweep_run", lambda run: 0)
    records = story("run-cut")
    lines = written(records)
    whole = b"".join(lines)
    ends = [sum(map(len, lines[:n])) for n in range(1, len(lines) + 1)]
    path = tmp_path / layout.JOURNAL
    # What is read of a cut at every single offset is shown where journals are read; here each
    # place where something begins or ends, the middle of each record, and every 50th offset.
    edges = {end + step for end in (0, *ends) for step in (-1, 0, 1)}
    middles = {(a + b) // 2 for a, b in itertools.pairwise((0, *ends))}
    for cut in sorted((edges | middles | {*range(0, len(whole), 50)}) & {*range(len(whole) + 1)}):
        path.write_bytes(whole[:cut])
        kept = sum(end <= cut for end in ends)
        if not kept:
            with pytest.raises(errors.Invalid):
                recover(tmp_path, clock=StillClock())
            continue
        found = recover(tmp_path, clock=StillClock())
        found.writer.append(Closed("closed", UTC, len(found.past)))
        found.writer.close()
        told = journal.read(path.read_bytes())
        assert not told.problem
        assert list(told.records[:kept]) == records[:kept]
        assert isinstance(told.records[kept], Resumed)
        verdicts = [r.attempt for r in records[:kept] if isinstance(r, Ended)]
        assert list(found.past[: len(verdicts)]) == verdicts
        flying = {r.cell for r in records[:kept] if isinstance(r, Started)}
        flying -= {attempt.cell for attempt in verdicts}
        late = found.past[len(verdicts) :]
        assert {attempt.cell for attempt in late} == flying
        assert {attempt.result for attempt in late} <= {"interrupted"}


def test_a_bad_record_in_the_middle_is_no_torn_tail(tmp_path: Path) -> None:
    lines = written(story("run-bad"))
    whole = b"".join([*lines[:2], lines[2].replace(b'"b"', b'"x"'), *lines[3:]])
    (tmp_path / layout.JOURNAL).write_bytes(whole)
    with pytest.raises(errors.Corrupt, match="record 2"):
        recover(tmp_path, clock=StillClock())
    assert (tmp_path / layout.JOURNAL).read_bytes() == whole


@pytest.mark.parametrize("tail", [b"\0" * 300, b"garbage", b"garbage\n", b"\xff" * 80 + b"\n\0\0"])
def test_a_tail_of_rubbish_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    whole = b"".join(written(story("run-tail")))
    (tmp_path / layout.JOURNAL).write_bytes(whole + tail)
    found = recover(tmp_path, clock=StillClock())
    found.writer.close()
    assert (tmp_path / layout.JOURNAL).read_bytes().startswith(whole)
    assert not read_journal(tmp_path).problem


def test_no_run_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(errors.Invalid, match="no run"):
        recover(tmp_path, clock=StillClock())


def test_a_closed_run_is_left_as_it_is(arena: Arena) -> None:
    arena.one(make_cell("a"))
    arena.writer.append(Closed("closed", UTC, 1))
    before = (arena.folder / layout.JOURNAL).read_bytes()
    found = recover(arena.folder, clock=StillClock())
    found.writer.close()
    assert found.closed
    assert [attempt.cell for attempt in found.past] == ["a"]
    assert (arena.folder / layout.JOURNAL).read_bytes() == before


def test_what_was_in_flight_is_interrupted_with_the_log_as_far_as_it_came(arena: Arena) -> None:
    arena.one(make_cell("a"))
    arena.writer.append(Started("started", "b", 1, UTC))
    logs = arena.folder / layout.LOGS
    (logs / "b.log").write_bytes(b"half a" * 20_000)
    (logs / "b.salts").write_bytes(b"torn")
    arena.writer.close()
    found = recover(arena.folder, clock=StillClock())
    arena.writer = found.writer
    attempt = found.past[-1]
    assert (attempt.cell, attempt.number, attempt.result) == ("b", 1, "interrupted")
    assert attempt.reason
    arena.verify(attempt)
    ends = arena.run(make_cell("a"), sh("echo again", "b"), past=found.past)
    assert [(end.cell, end.number, end.result) for end in ends] == [
        ("a", 1, "passed"),
        ("b", 1, "interrupted"),
        ("b", 2, "passed"),
    ]
    for end in ends:
        arena.verify(end)
    assert arena.log(ends[1]) == b"half a" * 20_000
    told = arena.told()
    assert final_paths([r.attempt for r in told.records if isinstance(r, Ended)]) == ends


@pytest.mark.parametrize("step", range(4))
def test_a_crash_while_logs_move_is_put_right(arena: Arena, step: int) -> None:
    past = arena.run(sh("echo one; exit 75", "a"))
    logs = arena.folder / layout.LOGS
    if step > 0:
        arena.writer.append(Started("started", "a", 2, UTC))
    if step > 1:
        (logs / "a.salts").rename(logs / "a.attempt-1.salts")
    if step > 2:
        (logs / "a.log").rename(logs / "a.attempt-1.log")
    arena.writer.close()
    found = recover(arena.folder, clock=StillClock())
    arena.writer = found.writer
    assert len(found.past) == (2 if step else 1)
    if step:
        assert found.past[-1].log is None
    ends = arena.run(sh("echo last", "a"), past=found.past)
    assert ends[0].cell == past[0].cell
    assert arena.log(ends[0]) == b"one\n"
    assert arena.log(ends[-1]) == b"last\n"
    arena.verify(ends[0])
    arena.verify(ends[-1])


@pytest.mark.skipif(not HAS_PROC, reason="processes are found in /proc only")
def test_children_of_the_dead_process_are_ended_first(arena: Arena) -> None:
    arena.writer.append(Started("started", "a", 1, UTC))
    child = start_marked(mark({}, arena.run_id, "a", 1, str(arena.root)))
    try:
        found = recover(arena.folder, clock=StillClock())
        assert found.leftovers == 1
        assert child.wait(60) != 0
        found.writer.close()
    finally:
        child.kill()
        child.wait()


def test_continuations_are_counted(arena: Arena) -> None:
    for n in (1, 2, 3):
        found = recover(arena.folder, clock=StillClock())
        found.writer.close()
        assert found.resumed == n


def test_half_a_record_on_a_full_disk_is_taken_back(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (arena.folder / layout.JOURNAL).read_bytes()
    real, calls = os.pwrite, [0]

    def short(descriptor: int, data: bytes, offset: int) -> int:
        calls[0] += 1
        if calls[0] == 1:
            return real(descriptor, data[:10], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", short)
    with pytest.raises(errors.Unavailable, match="no space left") as caught:
        arena.writer.append(Started("started", "a", 1, UTC))
    assert caught.value.place == str(arena.folder / layout.JOURNAL)
    monkeypatch.undo()
    assert (arena.folder / layout.JOURNAL).read_bytes() == before
    with pytest.raises(errors.Unavailable, match="earlier write"):
        arena.writer.append(Started("started", "a", 1, UTC))


def test_a_short_write_is_gone_on_with(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:7], at))
    arena.writer.append(Started("started", "a", 1, UTC))
    assert not arena.told().problem


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.Unavailable) as caught:
        JournalWriter.create(tmp_path / "file" / "run")
    assert str(tmp_path / "file" / "run") in caught.value.place
