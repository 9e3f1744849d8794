"""The runner beside others that run commands: overhead, throughput, memory.

(a) 200 commands that do nothing, two at a time, with full evidence. Promised: at most the spawn
floor (`xargs -P2`) and one and a half times the cell's syncs, timed in the same run; at least 100
times less overhead than `in-toto-run` (`IN_TOTO_RUN` names another one than that on the path).
(c) 1 GiB of output through one pipe. Promised: at least 500 MB/s with no secret in force and
250 MB/s with 50, under 100 MiB of memory, the final sync apart.

Everything is measured in turns, so that what disturbs one disturbs all; medians and ratios are
printed. Run it where the project is installed: `python tests/bench/bench_runner.py [ROUNDS]`;
`BENCH_DIR` says on which disk.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import string
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from audit.runner import JournalWriter, RunOptions, SystemClock, capture, files, run_cells
from evidence.journal import Closed, Opened
from evidence.model import Attempt, Cell
from evidence.redact import Redactor
from tests.bench.figures import machine, median, seconds, verdict
from tests.records import make_cell

COMMANDS = 200
JOBS = 2
IN_TOTO_COMMANDS = 8
SYNCS_PER_CELL = 4
SYNC_SHARE = 1.5
IN_TOTO_RATIO = 100
RECORD_BYTES = 300

OUTPUT_BYTES = 1 << 30
SECRETS = 50
PROMISED_MB_S = {0: 500, SECRETS: 250}
RSS_MIB_MAX = 100
LINE = "2026-12-01T09:30:00Z test_module_17.py::test_case[99123] PASSED in 0.123s\n"
GENERATE = f"""
import os
block = memoryview(({LINE!r} * 20_000).encode()[: 1 << 20])
for _ in range({OUTPUT_BYTES >> 20}):
    at = 0
    while at < len(block):
        at += os.write(1, block[at:])
"""


def cell(name: str, *argv: str) -> Cell:
    """Return a cell with generous limits."""
    return make_cell(name, argv, timeout_ms=600_000, output_bytes_max=4 << 30)


def run(
    cells: Sequence[Cell], root: Path, *, jobs: int, secrets: Mapping[str, str]
) -> tuple[Attempt, ...]:
    """Run cells with full evidence: journal, redacted logs, salted leaves, syncs, sweeps."""
    folder, clock, run_id = root / f"run-{uuid.uuid4()}", SystemClock(), f"bench-{uuid.uuid4()}"
    journal = JournalWriter.create(folder)
    journal.append(Opened("opened", run_id, "bench", "0" * 64, clock.utc()))
    attempts = run_cells(
        cells,
        options=RunOptions(jobs=jobs, fail_fast=False, run_id=run_id, root=root, folder=folder),
        redactor=Redactor(secrets),
        journal=journal,
        clock=clock,
    )
    journal.append(Closed("closed", clock.utc(), len(attempts)))
    journal.close()
    assert all(attempt.result == "passed" for attempt in attempts), attempts[0]
    return attempts


# --- (a) small commands ---------------------------------------------------------------------------


def piped(line: str) -> float:
    """Return how long a shell line takes."""
    return seconds(
        lambda: subprocess.run(["sh", "-c", line], check=True, stdout=subprocess.DEVNULL)
    )


def ours(root: Path) -> float:
    """Return how long our runner takes."""
    cells = [cell(f"c{n}", "true") for n in range(COMMANDS)]
    return seconds(lambda: run(cells, root, jobs=JOBS, secrets={}))


def syncs(root: Path) -> float:
    """Return how long the syncs of all cells take one after the other.

    Those of one cell: two records appended to a journal, a log and its salts newly made.
    """
    sync = getattr(os, "fdatasync", os.fsync)
    folder = Path(tempfile.mkdtemp(dir=root))
    journal = os.open(folder / "journal", os.O_CREAT | os.O_WRONLY)
    spent = 0.0
    for number in range(COMMANDS):
        for record in range(2):
            os.write(journal, b"x" * RECORD_BYTES)
            spent += seconds(partial(sync, journal))
            new = os.open(folder / f"{number}-{record}", os.O_CREAT | os.O_WRONLY)
            os.write(new, b"x")
            spent += seconds(partial(sync, new))
            os.close(new)
    os.close(journal)
    return spent


def in_toto(root: Path) -> float | None:
    """Return how long one command takes under `in-toto-run`, two at a time; None without it."""
    program = os.environ.get("IN_TOTO_RUN") or shutil.which("in-toto-run")
    if program is None or shutil.which("openssl") is None:
        return None
    key = root / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True)
    line = (
        f"cd {root} && seq {IN_TOTO_COMMANDS} | xargs -P{JOBS} -I@ "
        f"{program} --step-name s@ --signing-key {key} -- true"
    )
    return piped(line) / IN_TOTO_COMMANDS


def small_commands(rounds: int) -> None:
    """Measure and print (a)."""
    taken: dict[str, list[float]] = {"xargs": [], "arco": [], "syncs": [], "parallel": []}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        root = Path(name)
        for _ in range(rounds):
            taken["xargs"].append(piped(f"seq {COMMANDS} | xargs -P{JOBS} -n1 true"))
            taken["arco"].append(ours(root))
            taken["syncs"].append(syncs(root))
            if shutil.which("parallel"):
                taken["parallel"].append(piped(f"seq {COMMANDS} | parallel -j{JOBS} true"))
        link_s = in_toto(root)
    floor, own, synced = (median(taken[name]) for name in ("xargs", "arco", "syncs"))
    print(f"{COMMANDS} no-op commands, {JOBS} at a time, {rounds} rounds, {machine()}")
    print(f"  xargs -P{JOBS}       {floor:8.3f} s")
    print(f"  arco            {own:8.3f} s   {own / floor:6.2f} x xargs")
    print(f"  syncs alone     {synced:8.3f} s   {SYNCS_PER_CELL} a cell, one after the other")
    if taken["parallel"]:
        gnu = median(taken["parallel"])
        print(f"  GNU parallel    {gnu:8.3f} s   {gnu / own:6.2f} x arco (no evidence)")
    else:
        print("  GNU parallel    not installed")
    limit = floor + SYNC_SHARE * synced
    verdict("floor + 1.5 x syncs", own <= limit, f"{own:.3f} s of {limit:.3f} s")
    if link_s is None:
        print("        in-toto-run: not installed, so nothing was compared")
        return
    overhead, theirs = (own - floor) / COMMANDS, link_s - floor / COMMANDS
    ratio = theirs / max(overhead, 1e-9)
    told = f"{overhead * 1e3:.2f} ms beside {theirs * 1e3:.1f} ms a command, {ratio:.0f} x less"
    verdict(f"{IN_TOTO_RATIO} x less overhead than in-toto-run", ratio >= IN_TOTO_RATIO, told)


# --- (c) much output ------------------------------------------------------------------------------


def secrets(count: int) -> dict[str, str]:
    """Return secrets as people have them: 20 to 64 characters of a base64 alphabet."""
    chance = random.Random(7)
    alphabet = string.ascii_letters + string.digits + "+/="
    return {
        f"S{n}_TOKEN": "".join(chance.choices(alphabet, k=chance.choice((20, 32, 40, 64))))
        for n in range(count)
    }


def one(count: int, root: Path) -> None:
    """Capture once in this process and print the figures as JSON."""
    synced = [0.0]
    real = files.sync

    def timed(descriptor: int) -> None:
        synced[0] += seconds(lambda: real(descriptor))

    setattr(capture, "sync", timed)  # noqa: B010  (the final sync is told apart)
    big = cell("big", sys.executable, "-c", GENERATE)
    spent = seconds(lambda: run([big], root, jobs=1, secrets=secrets(count)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mib = peak >> (20 if sys.platform == "darwin" else 10)
    print(json.dumps({"seconds": spent - synced[0], "sync": synced[0], "mib": mib}))


def measured(count: int) -> dict[str, float]:
    """Return the figures of one capture in a process of its own."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as root:
        words = [sys.executable, __file__, "--one", str(count), root]
        figures: dict[str, float] = json.loads(subprocess.check_output(words))
        return figures


def peer(line: str) -> float:
    """Return how long it takes to send the output through a shell line."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as root:
        words = ["sh", "-c", f'"$0" -c "$1" | {line}', sys.executable, GENERATE]
        return seconds(lambda: subprocess.run(words, check=True, cwd=root, capture_output=True))


def much_output(rounds: int) -> None:
    """Measure and print (c)."""
    figures: dict[int, list[dict[str, float]]] = {count: [] for count in PROMISED_MB_S}
    peers: dict[str, list[float]] = {"cat > file": []}
    if shutil.which("openssl"):
        peers["openssl dgst -sha256"] = []
    for _ in range(rounds):
        for count, taken in figures.items():
            taken.append(measured(count))
        for line, times in peers.items():
            times.append(peer(line))
    print(f"{OUTPUT_BYTES >> 20} MiB of output, {rounds} rounds, {machine()}")
    speeds = {
        count: OUTPUT_BYTES / 1e6 / median([one["seconds"] for one in taken])
        for count, taken in figures.items()
    }
    for line, times in peers.items():
        speed = OUTPUT_BYTES / 1e6 / median(times)
        print(f"  {line:22} {speed:6.0f} MB/s   {speed / speeds[0]:.2f} x arco without secrets")
    for count, taken in figures.items():
        mib, sync = max(one["mib"] for one in taken), median([one["sync"] for one in taken])
        print(f"  arco, {count:2} secrets        {speeds[count]:6.0f} MB/s   sync {sync:.2f} s")
        verdict(
            f"{PROMISED_MB_S[count]} MB/s with {count} secrets",
            speeds[count] >= PROMISED_MB_S[count],
            f"{speeds[count]:.0f} MB/s",
        )
        verdict(f"under {RSS_MIB_MAX} MiB", mib < RSS_MIB_MAX, f"{mib:.0f} MiB at most")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        given = int(sys.argv[1]) if len(sys.argv) > 1 else 5
        small_commands(given)
        much_output(min(given, 3))
