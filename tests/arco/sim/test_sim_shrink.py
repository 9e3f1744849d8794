"""Shrinking: fewer departures from the plain run, and plainer ones, that still fail."""

from __future__ import annotations

from arco.sim.choices import Taken
from arco.sim.shrink import shrink
from tests.arco.sim.sim_toys import fails_without_reading_back


def test_what_is_not_needed_is_left_out_and_what_is_left_is_plainer() -> None:
    asked: list[Taken] = []

    def fails(taken: Taken) -> bool:
        asked.append(taken)
        return taken.get("a/7", 0) >= 3 and "b/2" in taken

    taken = {**{f"x/{at}": 5 for at in range(300)}, "a/7": 9, "b/2": 4}
    assert shrink(taken, fails) == {"a/7": 3, "b/2": 1}
    assert len(asked) < 200


def test_shrinking_stops_when_its_runs_are_spent() -> None:
    runs = 0

    def fails(taken: Taken) -> bool:
        nonlocal runs
        runs += 1
        return len(taken) >= 64

    kept = shrink({f"x/{at}": 1 for at in range(128)}, fails, attempts=5)
    assert runs == 5
    assert 64 <= len(kept) <= 128


def test_a_run_of_the_wrong_log_shrinks_to_a_few_choices_that_still_fail() -> None:
    seed = next(seed for seed in range(100) if fails_without_reading_back(seed))
    failed = fails_without_reading_back(seed)
    assert failed is not None
    taken = failed.world.choices.taken
    kept = shrink(taken, lambda tried: fails_without_reading_back(seed, tried) is not None)
    assert len(kept) <= 8 < len(taken), kept
    assert fails_without_reading_back(seed, kept) is not None
