"""The verifier beside tools that only hash.

(b) A bundle of 10,000 logs and 2 GiB. Promised: at least 4 times as fast as `sha256sum -c`, and at
most 1.3 times the time of `openssl dgst -sha256` on all cores. What is not hashing is the records:
every cell, attempt and leaf is read, its leaves computed again and the decision derived again.

Measured in turns; medians and ratios are printed.
`python tests/bench/bench_verify.py [ROUNDS] [LOGS] [MIB]`; `BENCH_DIR` says on which disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from evidence import model, standalone
from tests.evidence import conftest as kit
from tests.records import make_cell, make_signal

OPENSSL_RATIO_MAX = 1.3
SUMS_RATIO_MIN = 4


def write_bundle(folder: Path, logs: int, log_bytes: int) -> None:
    """Seal a bundle of `logs` cells that printed `log_bytes` each."""
    names = [f"cell-{number}" for number in range(logs)]
    condition = model.CommandPassed("command", names[0], (names[0],))
    plan = kit.plan_of(
        tuple(make_cell(name) for name in names),
        (model.Gate(0, "all", ("G0-001",)),),
        (make_signal("G0-001", condition),),
    )
    data = os.urandom(log_bytes)
    attempts = [kit.attempt_of(folder, name, 1, 1, data) for name in names]
    kit.seal_bundle(folder, plan, kit.facts_of(plan, *attempts), attempts)


def write_sums(folder: Path) -> Path:
    """Write what `sha256sum -c` checks: the logs, with their plain digests."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}\n"
        for path in sorted((folder / "command-logs").glob("*.log"))
    ]
    sums = folder.parent / "sums"
    sums.write_text("".join(lines))
    return sums


def seconds(words: Sequence[str], data: bytes = b"") -> float:
    """Return how long a process took from start to end; it must succeed."""
    began = perf_counter()
    subprocess.run(words, input=data, stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - began


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return seconds by tool, measured in turns."""
    sums = write_sums(folder)
    program = folder.parent / "verify.py"
    program.write_bytes(standalone.committed())
    logs = "\n".join(str(path) for path in sorted((folder / "command-logs").glob("*.log")))
    cores = os.cpu_count() or 1
    share = -(-logs.count("\n") // cores) + 1
    openssl = ("xargs", f"-P{cores}", f"-n{share}", "openssl", "dgst", "-sha256")
    ours = (sys.executable, "-m", "audit.cli", "verify", str(folder))
    runs: dict[str, Callable[[], float]] = {
        "arco-audit verify": lambda: seconds(ours),
        "verify.py": lambda: seconds((sys.executable, "-I", str(program), str(folder))),
        "openssl dgst, all cores": lambda: seconds(openssl, logs.encode()),
        "sha256sum -c": lambda: seconds(("sha256sum", "-c", "--quiet", str(sums))),
    }
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(run())
    return taken


def main(words: Sequence[str]) -> int:
    """Print seconds and ratios; always 0, because a figure is no verdict."""
    rounds, logs, mib = ([int(word) for word in words] + [3, 10_000, 2048][len(words) :])[:3]
    root = Path(tempfile.mkdtemp(prefix="bench-verify-", dir=os.environ.get("BENCH_DIR")))
    try:
        folder = root / "bundle"
        folder.mkdir()
        write_bundle(folder, logs, (mib << 20) // logs)
        medians = {name: statistics.median(s) for name, s in measure(folder, rounds).items()}
    finally:
        shutil.rmtree(root)
    print(f"(b) verifying {logs} logs and {mib} MiB, median of {rounds} rounds")
    for name, median in medians.items():
        print(f"  {name:<24} {median:7.2f} s  {mib / median:7.0f} MiB/s")
    ours = medians["arco-audit verify"]
    against = medians["openssl dgst, all cores"]
    print(f"  of openssl: {ours / against:.2f} (promised at most {OPENSSL_RATIO_MAX})")
    gain = medians["sha256sum -c"] / ours
    print(f"  faster than sha256sum -c: {gain:.1f} times (promised at least {SUMS_RATIO_MIN})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
