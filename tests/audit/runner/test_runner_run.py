"""Real processes from their start in the journal to their end there."""

from __future__ import annotations

import base64
import gc
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit import errors
from audit.runner import LocalExecutor
from evidence import layout
from evidence.journal import Ended, Opened, Started
from evidence.model import ResultFile
from tests.audit.runner.runner_kit import Arena, AtOutput, Heard, Hours, python, quick, sh
from tests.records import make_cell


def test_output_of_both_kinds_is_kept_in_its_order(arena: Arena) -> None:
    attempt = arena.one(sh("echo one; echo two >&2; echo three"))
    assert attempt.result == "passed"
    assert attempt.exit_code == 0
    assert attempt.reason == ""
    assert arena.log(attempt) == b"one\ntwo\nthree\n"
    arena.verify(attempt)


def test_a_cell_without_output_has_an_empty_log_and_no_leaves(arena: Arena) -> None:
    attempt = arena.one(make_cell())
    assert arena.log(attempt) == b""
    assert attempt.log is not None
    assert attempt.log.leaves == ()
    arena.verify(attempt)


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 1_000_000])
def test_leaves_hold_whatever_the_size(arena: Arena, size: int) -> None:
    code = f"import os; os.write(1, b'') or print('x' * {size - 1})"
    attempt = arena.one(python(code))
    assert len(arena.log(attempt)) == size
    arena.verify(attempt)


def test_the_log_keeps_bytes_that_are_no_text(arena: Arena) -> None:
    raw = bytes(range(256)) + b"\x1b[31mred\x1b[0m\x00\xff"
    attempt = arena.one(python(f"import sys; sys.stdout.buffer.write({raw!r})"))
    assert arena.log(attempt) == raw


@pytest.mark.parametrize(
    ("line", "changes", "result", "code", "reason"),
    [
        ("exit 0", {}, "passed", 0, ""),
        ("exit 3", {}, "failed", 3, "exit_code=`3`"),
        ("exit 3", {"accept_exit_codes": (3,)}, "passed", 3, ""),
        ("exit 0", {"accept_exit_codes": (3,)}, "failed", 0, "exit_code=`0`"),
        ("echo x; echo no docker; exit 75", {}, "could_not_run", 75, "no docker"),
        ("exit 75", {}, "could_not_run", 75, "gave no reason exit_code=`75`"),
        ("echo later; exit 5", {"skipped_exit_codes": (5,)}, "skipped", 5, "later"),
        ("kill -SEGV $$", {}, "failed", 139, "ended by a signal signal=`SIGSEGV`"),
        ("exit 139", {}, "failed", 139, "exit_code=`139`"),
    ],
)
def test_endings(
    arena: Arena, line: str, changes: dict[str, Any], result: str, code: int, reason: str
) -> None:
    attempt = arena.one(sh(line, **changes))
    assert (attempt.result, attempt.exit_code, attempt.reason) == (result, code, reason)


def test_a_program_that_is_not_there_could_not_run(arena: Arena) -> None:
    attempt = arena.one(make_cell("a", ("no-such-program-anywhere", "--x")))
    assert (attempt.result, attempt.exit_code) == ("could_not_run", None)
    assert attempt.reason == "the program was not found program=`no-such-program-anywhere`"


def test_a_program_that_may_not_run_could_not_run(arena: Arena) -> None:
    (arena.root / "tool").write_text("#!/bin/sh\n")
    attempt = arena.one(make_cell("a", ("./tool",)))
    assert (attempt.result, attempt.exit_code) == ("could_not_run", None)
    assert "permission denied" in attempt.reason


@pytest.mark.parametrize("cwd", ["nowhere", "file", "../..", "/"])
def test_a_folder_that_is_none_could_not_run(arena: Arena, cwd: str) -> None:
    (arena.root / "file").write_text("")
    attempt = arena.one(make_cell("a", cwd=cwd))
    assert (attempt.result, attempt.exit_code) == ("could_not_run", None)
    assert "folder" in attempt.reason


def test_a_nul_in_a_word_could_not_run(arena: Arena) -> None:
    attempt = arena.one(make_cell("a", ("true", "a\0b")))
    assert (attempt.result, attempt.exit_code) == ("could_not_run", None)


def test_the_folder_of_a_cell_is_its_own(arena: Arena) -> None:
    (arena.root / "sub").mkdir()
    assert arena.log(arena.one(sh("pwd", cwd="sub"))).endswith(b"repository/sub\n")


def test_a_time_limit_ends_the_cell_and_keeps_what_it_said(arena: Arena) -> None:
    hours = Hours()
    executor = LocalExecutor(term_grace_ms=60_000, monotonic_ns=hours.monotonic_ns)
    cell = sh("echo before; exec sleep 60", timeout_ms=600_150)
    attempt = arena.one(cell, executor=executor, events=AtOutput(hours.pass_one))
    assert attempt.result == "timed_out"
    assert attempt.exit_code == 128 + signal.SIGTERM
    assert attempt.reason == "the time limit was reached timeout_ms=`600150`"
    assert arena.log(attempt) == b"before\n"
    assert attempt.duration_ms >= 3_600_000


def test_a_time_limit_ends_what_ignores_term(arena: Arena) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=1)\n"
        "while True: time.sleep(9)"
    )
    hours = Hours()
    attempt = arena.one(python(code), executor=quick(hours), events=AtOutput(hours.pass_one))
    assert (attempt.result, attempt.exit_code) == ("timed_out", 128 + signal.SIGKILL)
    assert arena.log(attempt) == b"on\n"


def test_an_output_limit_cuts_the_log_and_ends_the_cell(arena: Arena) -> None:
    attempt = arena.one(sh("yes", output_bytes_max=100_001))
    assert attempt.result == "failed"
    assert attempt.reason == "the output limit was reached output_bytes_max=`100001`"
    assert attempt.log is not None
    assert attempt.log.truncated
    assert len(arena.log(attempt)) == 100_001
    arena.verify(attempt)


def test_exactly_the_limit_is_no_cut(arena: Arena) -> None:
    attempt = arena.one(sh("printf 12345", output_bytes_max=5))
    assert attempt.result == "passed"
    assert attempt.log is not None
    assert not attempt.log.truncated


def test_one_byte_over_the_limit_at_the_very_end_is_a_cut(arena: Arena) -> None:
    attempt = arena.one(sh("printf 123456", output_bytes_max=5))
    assert attempt.result == "failed"
    assert arena.log(attempt) == b"12345"


def test_half_a_secret_at_the_cut_is_not_written(arena: Arena) -> None:
    secret = "geheim-geheim-geheim"
    cell = sh(f"printf 'xx{secret} and more and more'; sleep 60", output_bytes_max=8)
    attempt = arena.one(cell, secrets={"S": secret})
    assert arena.log(attempt) == b"xx[redac"


def test_secrets_reach_neither_log_nor_reason_nor_screen_nor_artifact(arena: Arena) -> None:
    secret, heard = "geheim/geheim+geheim", Heard()
    encoded = base64.b64encode(secret.encode()).decode()
    cell = sh(
        f"echo {secret}; echo {encoded}; echo {secret} > out.txt; printf %s {secret}; exit 75",
        "a",
        produces=("out.txt",),
    )
    missing = make_cell("b", (f"/bin/{secret}",))
    ends = arena.run(cell, missing, secrets={"S": secret}, events=heard)
    assert [attempt.result for attempt in ends] == ["could_not_run", "could_not_run"]
    assert ends[0].reason == "[redacted:S]"
    assert "[redacted:S]" in ends[1].reason
    for path in arena.folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert secret.encode() not in data, path
        assert encoded.encode() not in data, path
    assert secret not in repr(heard)
    assert heard.lines


def test_stdin_is_closed(arena: Arena) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"typed")
    os.close(write_end)
    before = os.dup(0)
    os.dup2(read_end, 0)
    try:
        attempt = arena.one(python("import sys; print(repr(sys.stdin.read()))"))
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(read_end)
    assert arena.log(attempt) == b"''\n"


def test_no_descriptor_but_the_three_is_inherited(arena: Arena) -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    try:
        attempt = arena.one(sh("ls /proc/self/fd | tr '\\n' ' '"))
    finally:
        os.close(read_end)
        os.close(write_end)
    assert arena.log(attempt) == b"0 1 2 3 "  # 3 is the folder that ls reads


def test_the_child_leads_a_session_of_its_own(arena: Arena) -> None:
    attempt = arena.one(python("import os; print(os.getsid(0) == os.getpid())"))
    assert arena.log(attempt) == b"True\n"


def test_the_environment_is_everything_and_what_the_cell_adds(arena: Arena) -> None:
    arena.environ = {**os.environ, "OUTER": "outer value"}
    attempt = arena.one(sh('echo "$OUTER $OWN"', env=("OWN=a=b",)))
    assert arena.log(attempt) == b"outer value a=b\n"


def test_the_environment_can_be_narrowed(arena: Arena) -> None:
    arena.environ = {"PATH": os.environ["PATH"], "LC_ALL": "C", "LC_TIME": "C", "OUTER": "x"}
    attempt = arena.one(sh("env | cut -d= -f1 | sort", env_only=("PATH", "LC_*"), env=("A=1",)))
    seen = set(arena.log(attempt).decode().split()) - {"PWD", "SHLVL", "_", "OLDPWD"}
    assert seen == {"PATH", "LC_ALL", "LC_TIME", "A", "ARCO_AUDIT_RUNS"}


def test_the_last_line_on_screen_has_no_escapes(arena: Arena) -> None:
    heard = Heard()
    arena.one(sh("printf 'a\\033[2J\\033]0;title\\007b\\t\\342\\200\\256c\\r\\n\\n'"), events=heard)
    assert heard.lines == [("cell", "ab c")]


def test_needs_that_did_not_pass_skip_what_wants_them(arena: Arena) -> None:
    a = sh("exit 1", "a")
    b = make_cell("b", needs=("a",))
    c = make_cell("c", needs=("b",))
    d = make_cell("d", needs=("x",))
    ends = {attempt.cell: attempt for attempt in arena.run(a, b, c, d)}
    assert ends["b"].result == ends["c"].result == ends["d"].result == "skipped"
    assert ends["b"].reason == "what it needs did not pass need=`a` result=`failed`"
    assert ends["c"].reason == "what it needs did not pass need=`b` result=`skipped`"
    assert ends["b"].exit_code is None
    assert ends["b"].log is None


def test_a_need_on_a_command_waits_for_all_its_cells(arena: Arena) -> None:
    cells = [sh("sleep 0.1; touch 1", "t-1", command="t"), sh("touch 2", "t-2", command="t")]
    last = sh("ls 1 2", "last", needs=("t",))
    ends = arena.run(*cells, last, jobs=3)
    assert [attempt.result for attempt in ends] == ["passed"] * 3
    assert ends[-1].cell == "last"


def test_failing_fast_skips_the_rest_and_keeps_going_otherwise(arena: Arena) -> None:
    optional = sh("exit 1", "optional", required=False)
    cells = (optional, make_cell("good"), sh("exit 1", "bad"), make_cell("later"))
    ends = arena.run(*cells, fail_fast=True)
    assert [attempt.result for attempt in ends] == ["failed", "passed", "failed", "skipped"]
    assert ends[3].reason == "the run stops at the first failure cell=`bad`"


def test_stopping_interrupts_what_runs_and_starts_nothing_more(arena: Arena) -> None:
    stop = threading.Event()
    cells = (sh("echo started; sleep 60", "a"), make_cell("b"))
    ends = arena.run(*cells, stop=stop, events=AtOutput(stop.set))
    assert [(end.cell, end.result, end.reason) for end in ends] == [
        ("a", "interrupted", "the run was stopped")
    ]
    assert arena.log(ends[0]) == b"started\n"
    arena.verify(ends[0])
    again = arena.run(sh("true", "a"), cells[1], past=ends)
    assert [(end.cell, end.number, end.result) for end in again] == [
        ("a", 1, "interrupted"),
        ("a", 2, "passed"),
        ("b", 1, "passed"),
    ]


def test_an_interrupt_of_the_main_thread_stops_and_records(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, real_join = threading.Event(), threading.Thread.join
    interrupts = [KeyboardInterrupt, KeyboardInterrupt]

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name.startswith("cell-") and interrupts:
            started.wait(60)
            raise interrupts.pop()
        real_join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", join)
    ends = arena.run(sh("echo on; sleep 60", "a"), make_cell("b"), events=AtOutput(started.set))
    assert [end.result for end in ends] == ["interrupted"]
    assert not arena.told().problem


def test_a_signal_that_does_not_wake_the_main_thread_is_heard(arena: Arena) -> None:
    """The handler waits until the main thread runs again, and here nothing else wakes it."""
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        there = AtOutput(lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT))
        ends = arena.run(sh("echo on; sleep 60", "a"), stop=stop, events=there)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [end.result for end in ends] == ["interrupted"]


def test_only_what_has_no_verdict_runs_again(arena: Arena) -> None:
    cells = (sh("exit 75", "a"), sh("exit 1", "b"), make_cell("c"), make_cell("d", needs=("a",)))
    past = arena.run(*cells)
    results = {end.cell: end.result for end in past}
    assert results == {"a": "could_not_run", "b": "failed", "c": "passed", "d": "skipped"}
    changed = (sh("echo two", "a"), sh("true", "b"), *cells[2:])
    ends = arena.run(*changed, past=past)
    assert [(end.cell, end.number, end.result) for end in ends[4:]] == [
        ("a", 2, "passed"),
        ("d", 2, "passed"),
    ]
    assert ends[0].log is not None
    assert ends[4].log is not None
    assert ends[0].log.path == layout.log_path("a", 1, 2)
    assert ends[4].log.path == layout.log_path("a", 2, 2)
    arena.verify(ends[0])
    arena.verify(ends[4])
    assert arena.log(ends[4]) == b"two\n"


def test_the_journal_tells_every_attempt_in_order(arena: Arena) -> None:
    ends = arena.run(make_cell("a"), sh("exit 1", "b"), make_cell("c", needs=("b",)))
    told = arena.told()
    assert not told.problem
    assert [type(record) for record in told.records] == [
        Opened,
        *[Started, Ended] * 2,
        Ended,
    ]
    assert tuple(r.attempt for r in told.records if isinstance(r, Ended)) == ends


def test_events_tell_starts_and_ends(arena: Arena) -> None:
    heard = Heard()
    ends = arena.run(make_cell("a"), make_cell("b"), jobs=2, events=heard)
    assert sorted(heard.starts) == [("a", 1), ("b", 1)]
    assert sorted(end.cell for end in heard.ends) == sorted(end.cell for end in ends)


def test_many_cells_run_side_by_side_and_each_once(arena: Arena) -> None:
    cells = [sh(f"echo {n} >> ran", f"c{n}") for n in range(30)]
    ends = arena.run(*cells, jobs=4)
    assert sorted(end.cell for end in ends) == sorted(cell.id for cell in cells)
    assert len((arena.root / "ran").read_text().split()) == 30


def test_cells_with_the_same_result_file_never_run_at_once(arena: Arena) -> None:
    line = "mkdir lock && echo {} > out.xml && sleep 0.05 && cat out.xml && rmdir lock"
    result = (ResultFile("junit", "out.xml"),)
    cells = [sh(line.format(n), f"c{n}", results=result) for n in range(4)]
    ends = arena.run(*cells, jobs=4)
    for end in ends:
        assert end.result == "passed"
        assert (arena.folder / end.artifacts[0].path).read_text() == f"{end.cell[1:]}\n"


def test_durations_come_from_the_monotonic_clock(arena: Arena) -> None:
    attempt = arena.one(make_cell(), executor=LocalExecutor())
    assert attempt.start_utc == attempt.end_utc
    assert attempt.duration_ms >= 0


def test_a_full_disk_ends_the_children_and_leaves_a_true_journal(arena: Arena) -> None:
    (arena.folder / layout.LOGS).write_text("in the way")
    with pytest.raises(errors.Unavailable) as caught:
        arena.run(make_cell("a"), make_cell("b"))
    assert layout.LOGS in caught.value.place
    assert caught.value.next_step
    told = arena.told()
    assert not told.problem
    assert [type(record) for record in told.records] == [Opened, Started]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(("full", "line"), [("a.log", "sleep 60; touch late"), ("a.salts", ":")])
def test_a_disk_that_fills_up_in_the_middle_ends_the_child(
    arena: Arena, full: str, line: str
) -> None:
    logs = arena.folder / layout.LOGS
    logs.mkdir()
    (logs / full).symlink_to("/dev/full")
    before = descriptors()
    with pytest.raises(errors.Unavailable, match="no space left"):
        arena.run(sh(f"echo $$ > pid; echo x; {line}", "a"))
    pid = int((arena.root / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not (arena.root / "late").exists()
    assert descriptors() == before


def test_salts_that_cannot_be_made_leave_no_log_open(arena: Arena) -> None:
    (arena.folder / layout.salts_path(layout.log_path("a", 1, 1))).mkdir(parents=True)
    before = descriptors()
    with pytest.raises(errors.Unavailable, match="is a directory"):
        arena.run(make_cell("a"))
    assert descriptors() == before


def descriptors() -> list[str]:
    """What this process has open; what nobody holds any more is closed first."""
    gc.collect()
    return sorted(os.listdir("/dev/fd"))


def test_a_later_attempt_without_a_log_moves_the_former_log_too(arena: Arena) -> None:
    first = sh("echo one; exit 75", "a")
    past = arena.run(first)
    ends = arena.run(replace(first, needs=("gone",)), past=past)
    assert ends[1].result == "skipped"
    assert ends[0].log is not None
    assert ends[0].log.path == layout.log_path("a", 1, 2)
    arena.verify(ends[0])
