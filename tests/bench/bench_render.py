"""Judging and rendering 1,000 signals and 5,000 cells in one process.

(d) Promised: at most 0.3 s for decision, tracker, schema check, documents and report page together,
with one short log per cell. How fast Chromium opens that page: see `tests/e2e/test_page.py`.
The first round, which compiles the templates, is printed apart; then medians. `processor` is the
time that was computed, which a busy machine changes less.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from audit.render import documents, report, schema, tracker
from evidence import judge
from tests.audit.render import worlds

PROMISED_S = 0.3
LOG = b"collected 12 items\n............\n12 passed in 0.31s\n"


def measured(world: worlds.World, folder: str) -> dict[str, float]:
    """Seconds of each step, once."""
    plan, run, facts, _ = world
    excerpt = report.LogExcerpt.of(LOG)
    marks = [("", perf_counter())]
    busy = process_time()

    def mark(name: str) -> None:
        marks.append((name, perf_counter()))

    decision = judge.decide(plan, facts)
    mark("judge")
    made = tracker.build(plan, facts, decision, folder=folder, plan_root=run.plan_root)
    mark("tracker")
    assert not schema.validate(made)
    mark("schema")
    documents.render(made)
    mark("documents")
    report.page(report.ReportView(plan, run, facts, decision, made, lambda _: excerpt))
    mark("page")
    steps = {name: end - start for (_, start), (name, end) in itertools.pairwise(marks)}
    return {**steps, "all": sum(steps.values()), "processor": process_time() - busy}


def main() -> None:
    """Print the first round, then medians over the rounds that the first argument asks for."""
    world, count = worlds.large(), int(sys.argv[1]) if sys.argv[1:] else 7
    first = measured(world, worlds.FOLDER)
    rounds = [measured(world, worlds.FOLDER) for _ in range(count)]
    print("(d) 1,000 signals, 5,000 cells, one process")
    print(f"    first round, templates compiled: {first['all']:.3f} s")
    for name in first:
        print(f"    {name:<10}{statistics.median(each[name] for each in rounds):.3f} s")
    ratio = statistics.median(each["all"] for each in rounds) / PROMISED_S
    print(f"    {ratio:.2f} of the {PROMISED_S} s promised")


if __name__ == "__main__":
    main()
