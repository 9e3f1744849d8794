"""What a selftest costs: 1,000 mutants of a bundle of 200 cells. Promised: under a minute.

`python tests/bench/bench_selftest.py [MUTANTS] [CELLS]`; `BENCH_DIR` says on which disk.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from audit.trust import selftest
from evidence import model
from tests.evidence import conftest as kit
from tests.records import make_cell, make_signal

SECONDS_MAX = 60
GATES = 8
LOG_BYTES = 20_000


def write_bundle(folder: Path, cells: int) -> None:
    """Seal a bundle of cells with a signal each, in eight gates."""
    names = [f"cell-{number}" for number in range(cells)]
    signals = tuple(
        make_signal(
            f"G{n % GATES}-{n}", model.CommandPassed("command", name, (name,)), gate=n % GATES
        )
        for n, name in enumerate(names)
    )
    gates = tuple(
        model.Gate(gate, f"gate {gate}", tuple(item.id for item in signals if item.gate == gate))
        for gate in range(GATES)
    )
    plan = kit.plan_of(tuple(make_cell(name) for name in names), gates, signals)
    attempts = [kit.attempt_of(folder, name, 1, 1, os.urandom(LOG_BYTES)) for name in names]
    kit.seal_bundle(folder, plan, kit.facts_of(plan, *attempts), attempts)


def main(words: Sequence[str]) -> int:
    """Print seconds; 1 when a mutant survived, because then the figure means nothing."""
    mutants, cells = ([int(word) for word in words] + [1_000, 200][len(words) :])[:2]
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as base:
        folder = Path(base) / "bundle"
        folder.mkdir()
        write_bundle(folder, cells)
        began, spent = perf_counter(), process_time()
        outcome = selftest.examine(folder, mutants=mutants, seed=0, progress=lambda done, of: None)
        wall, spent = perf_counter() - began, process_time() - spent
    print(f"{mutants} mutants of {cells} cells: {wall:.1f} s, {spent:.1f} s of a processor")
    print(f"promised: under {SECONDS_MAX} s; survivors: {len(outcome.survivors)}")
    return int(not outcome.ok)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
