"""The history over 10,000 runs: how long each question takes, and an addition.

Promised: every question under a second, from opening the store to its answer. The rows are made
up: 7 gates, 38 signals and 25 cells a run, as in the audit of this repository, three runs for each
subject. `scan` beside a question is a plain count over every column that it reads, in DuckDB and
in pyarrow, over the same files; medians of rounds in turns. `processor` is the time that was
computed, on all its cores, which a busy machine changes less.
Run it as `python tests/bench/bench_history.py [ROUNDS] [RUNS]`.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb
import pyarrow.dataset as ds

from audit.history import gather, query, store, tables
from tests.bench.figures import seconds

PROMISED_S = 1.0
GATES, SIGNALS, CELLS = 7, 38, 25
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
READS = {
    "trends": ("runs", ["ended", "audit", "label", "commit", "verdict", "signals_open"]),
    "flaky": ("cells", ["ended", "cell", "subject_digest", "result", "failed_before"]),
    "time-to-green": ("signals", ["ended", "audit", "signal", "status", "final_root"]),
    "owners": ("signals", ["ended", "audit", "signal", "status", "owner", "final_root"]),
    "gates": ("gates", ["ended", "audit", "gate", "name", "status", "open"]),
    "cells": ("cells", ["ended", "cell", "result", "duration_ms", "final_root"]),
}
"""For each question the table that it rests on, with the columns that it reads."""


def made_up(number: int, chance: random.Random) -> gather.Gathered:
    """One run as rows; everything follows from its number and the seed."""
    root = hashlib.sha256(str(number).encode()).hexdigest()
    subject = hashlib.sha256(f"subject {number // 3}".encode()).hexdigest()
    ended = BEGIN + timedelta(minutes=37 * number)
    head = {"final_root": root, "audit": "bench-1", "ended": ended}
    signals = [head | signal_row(n, chance) for n in range(SIGNALS)]
    open_of = [
        sum(s["gate"] == gate and s["status"] != "GO" for s in signals) for gate in range(GATES)
    ]
    gates = [head | gate_row(n, open_of[n]) for n in range(GATES)]
    cells = [head | cell_row(n, ended, subject, chance) for n in range(CELLS)]
    run = head | run_row(number, subject, ended, sum(open_of), sum(map(bool, open_of)))
    rows = {"runs": [run], "cells": cells, "signals": signals, "gates": gates}
    return gather.Gathered(f"run {number}", root, True, rows)


def signal_row(n: int, chance: random.Random) -> dict[str, Any]:
    status = chance.choices(["GO", "PARTIAL", "NO-GO"], [90, 5, 5])[0]
    return {
        "signal": f"G{n % GATES}-{n:03d}",
        "gate": n % GATES,
        "title": f"signal {n}",
        "owner": f"role {n % 5}",
        "status": status,
        "claim": None,
        "reason": "all conditions are met" if status == "GO" else "tests did not pass",
        "next_step": "" if status == "GO" else "read the log of the cell",
        "conditions": 3,
        "conditions_met": 3 if status == "GO" else 1,
    }


def gate_row(n: int, open_: int) -> dict[str, Any]:
    return {
        "gate": n,
        "name": f"gate {n}",
        "status": "PARTIAL" if open_ else "GO",
        "reason": f"{open_} signals are open",
        "closed": SIGNALS // GATES - open_,
        "open": open_,
    }


def cell_row(n: int, ended: datetime, subject: str, chance: random.Random) -> dict[str, Any]:
    result = chance.choices(["passed", "failed"], [97, 3])[0]
    return {
        "subject_digest": subject,
        "cell": f"cell-{n}",
        "command": f"cell-{n}",
        "attempt": 1,
        "deciding": True,
        "result": result,
        "passed": result == "passed",
        "failed_before": 0,
        "reason": "",
        "exit_code": int(result != "passed"),
        "started": ended - timedelta(seconds=90),
        "stopped": ended,
        "duration_ms": chance.randrange(500, 90_000),
        "timeout_ms": 600_000,
        "log_bytes": chance.randrange(1 << 20),
        "log_truncated": False,
        "artifacts": 1,
        "leftovers": 0,
        "required": True,
        "flaky": False,
    }


def run_row(number: int, subject: str, ended: datetime, open_: int, red: int) -> dict[str, Any]:
    return {
        "label": f"run-{number}",
        "verified": True,
        "verdict": "NO-GO" if open_ else "GO",
        "blockers": [f"{red} gates"] if open_ else [],
        "gates": GATES,
        "gates_go": GATES - red,
        "signals": SIGNALS,
        "signals_open": open_,
        "cells": CELLS,
        "cells_passed": CELLS,
        "attempts": CELLS,
        "started": ended - timedelta(minutes=5),
        "duration_ms": 300_000,
        "run_id": f"bench-1-{number}",
        "plan_root": subject,
        "subject_digest": subject,
        "commit": subject[:40],
        "committed": ended - timedelta(hours=1),
        "branch": "main",
        "tags": [],
        "dirty": 0,
        "tool_version": "0.1.0",
        "clock": "system",
        "resumed": 0,
    }


def fill(folder: Path, count: int) -> Iterator[float]:
    """Fill a store through its own door, a hundred runs at a time; yields the seconds of each."""
    chance = random.Random(7)
    for start in range(0, count, 100):
        runs = [made_up(number, chance) for number in range(start, min(count, start + 100))]
        began = perf_counter()
        store.add(folder, runs)
        yield perf_counter() - began


def processor(work: Callable[[], object]) -> float:
    """Seconds that a piece of work computes."""
    began = process_time()
    work()
    return process_time() - began


def answer(folder: Path, what: str) -> int:
    """Ask one question of a store that is opened for it."""
    with query.opened(folder) as history:
        return len(query.ANSWERS[what](history))


def scan_duckdb(paths: list[Path], columns: list[str]) -> None:
    """Read some columns of files in DuckDB and count what is there."""
    counts = ", ".join(f'count("{name}")' for name in columns)
    with duckdb.connect(":memory:") as connection:
        relation = connection.read_parquet([str(path) for path in paths])
        relation.aggregate(counts).fetchall()


def scan_arrow(paths: list[Path], columns: list[str], table: str) -> None:
    """Read some columns of files in pyarrow."""
    schema = tables.stored_schema(table)
    ds.dataset([str(path) for path in paths], schema=schema).to_table(columns=columns)


def measure(folder: Path, rounds: int) -> float:
    """Print the median of each question beside plain scans; return the slowest one."""
    slowest = 0.0
    for what, (table, columns) in READS.items():
        paths = sorted(folder.glob(f"*-{table}.parquet"))
        took = [
            (
                seconds(lambda: answer(folder, what)),  # noqa: B023
                seconds(lambda: scan_duckdb(paths, columns)),  # noqa: B023
                seconds(lambda: scan_arrow(paths, columns, table)),  # noqa: B023
            )
            for _ in range(rounds)
        ]
        asked, plain, arrow = (statistics.median(column) for column in zip(*took, strict=True))
        computed = processor(lambda: answer(folder, what))  # noqa: B023
        slowest = max(slowest, asked)
        print(
            f"    {what:<14}{asked:.3f} s   processor {computed:.3f} s   "
            f"{asked / plain:5.1f} x a scan in DuckDB   {asked / arrow:5.1f} x one in pyarrow"
        )
    return slowest


def main() -> None:
    """Fill a store, ask it everything, and print what was promised beside it."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    count = int(sys.argv[2]) if sys.argv[2:] else 10_000
    with tempfile.TemporaryDirectory(prefix="bench-history-") as name:
        folder = Path(name) / "store"
        adds = list(fill(folder, count))
        files = list(folder.glob("*.parquet"))
        size = sum(path.stat().st_size for path in files)
        print(f"{count:,} runs, {len(files)} files, {size / 2**20:.1f} MiB")
        print(
            f"    adding 100 runs: median {statistics.median(adds):.3f} s, most {max(adds):.3f} s"
        )
        slowest = measure(folder, rounds)
        print(f"    slowest: {slowest / PROMISED_S:.2f} of the {PROMISED_S:.0f} s promised")


if __name__ == "__main__":
    main()
