"""The world: one order of events per seed, deaths that run no more code, clocks that go wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from arco.sim.choices import Choices, Table, evenly
from arco.sim.world import Operation, Process, SimTasks, Sleep, Together, Violation, World
from tests.arco.sim.sim_toys import Toy

ROOT = Path(__file__).parents[3]
PLAIN: dict[str, int] = {}
"""Replayed instead of a seed's choices: nothing goes wrong."""


def test_what_is_due_together_happens_in_the_order_of_asking() -> None:
    world, seen = World(1, PLAIN), list[int]()
    for number, delay_ms in enumerate((5, 0, 5, 2)):
        world.after(delay_ms, partial(seen.append, number))
    world.run()
    assert seen == [1, 3, 0, 2]
    assert world.now_ms == 5


def test_a_process_sleeps_by_its_own_clock() -> None:
    async def main(process: Process) -> int:
        await SimTasks().sleep_ms(1_000)
        return process.clock.monotonic_ms()

    world = World(1, {"world/2": 1, "slow.clock/2": 3})
    assert world.call("slow", main) == 1_000
    assert world.now_ms == round(1_000 / 0.85)


def test_coroutines_run_together_and_the_first_error_in_their_order_is_raised() -> None:
    async def late(answer: int, after_ms: int) -> int:
        await Sleep(after_ms)
        if answer < 0:
            raise LookupError(answer)
        return answer

    async def good(_: Process) -> object:
        return await Together([late(1, 30), late(2, 10), late(3, 20)]), await Together([])

    async def pair(_: Process) -> object:
        return await SimTasks().both(late(1, 30), late(2, 10))

    async def bad(_: Process) -> object:
        return await Together([late(1, 30), late(-2, 30), late(-3, 10)])

    world = World(1, PLAIN)
    assert world.call("good", good) == ([1, 2, 3], [])
    assert world.now_ms == 30
    assert world.call("pair", pair) == (1, 2)
    with pytest.raises(LookupError, match="-2"):
        world.call("bad", bad)


def test_a_death_runs_no_line_more_and_the_next_life_remembers_nothing() -> None:
    lives: list[str] = []

    async def main(process: Process) -> str:
        try:
            lives.append(f"begins at {process.world.now_ms}")
            await Sleep(100)
        finally:
            lives.append(f"ends at {process.world.now_ms}")
        return "done"

    world = World(1, PLAIN)
    process = world.start("mortal", main)
    world.after(40, lambda: process.crash(1))
    world.after(41, lambda: process.crash(1))  # a second death of the first life is none
    world.run()
    assert lives == ["begins at 0", "begins at 41", "ends at 141"]
    assert (process.answer, process.life) == ("done", 3)
    world.close()
    assert lives[3:] == ["ends at 141"], "only dropping the world runs what was left"


def test_what_goes_round_in_circles_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(_: Process) -> None:
        while True:
            await Operation()

    monkeypatch.setattr("arco.sim.world.STEPS_MAX", 500)
    world = World(1, PLAIN)
    world.start("circle", main)
    with pytest.raises(Violation, match="does not end"):
        world.run()
    world.close()


def test_an_error_of_ours_in_a_process_is_not_swallowed() -> None:
    async def main(_: Process) -> None:
        await Sleep(1)
        raise ZeroDivisionError

    world = World(1, PLAIN)
    world.start("broken", main)
    with pytest.raises(ZeroDivisionError):
        world.run()


def test_clocks_are_skewed_jump_and_begin_again() -> None:
    world = World(1, {"world/2": 1, "p.clock/1": 1, "p.clock/3": 1, "p.clock/4": 1})

    async def main(process: Process) -> list[int]:
        before = process.clock.utc_ms()
        await Sleep(2_000)
        return [process.clock.utc_ms() - before, process.clock.monotonic_ms()]

    assert world.call("p", main) == [2_000 - 40_000, 2_000]


def test_choices_are_remembered_only_where_they_are_not_plain_and_come_again() -> None:
    table = Table([("plain", 5.0), ("odd", 1.0), ("rare", 0.5)])
    first = Choices(7)
    seen = [first.stream("a").pick(table) for _ in range(1)]
    stream = first.stream("b")
    seen += [stream.pick(table) for _ in range(50)]
    assert {"plain", "odd"} <= set(seen)
    assert len(first.taken) == sum(item != "plain" for item in seen)
    again = Choices(99, first.taken)
    stream_again = again.stream("b")
    repeated = [again.stream("a").pick(table)] + [stream_again.pick(table) for _ in range(50)]
    assert repeated == seen
    assert again.taken == first.taken


def test_a_replayed_choice_beyond_the_table_is_its_last() -> None:
    assert Choices(1, {"s/1": 9}).stream("s").pick(evenly("abc")) == "c"


TRACE = """
from tests.arco.sim.sim_toys import Toy
import hashlib
kept = hashlib.sha256()
for seed in range(40):
    toy = Toy(seed)
    toy.world.trace = []
    toy.run()
    kept.update(repr((toy.world.trace, toy.history.calls, toy.world.choices.taken)).encode())
print(kept.hexdigest())
"""


def test_a_seed_means_the_same_in_every_process() -> None:
    said = set()
    for hash_seed in ("0", "1", "4242"):
        environ = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-c", TRACE]
        done = subprocess.run(
            words, cwd=ROOT, env=environ, capture_output=True, text=True, check=True
        )
        said.add(done.stdout)
    assert len(said) == 1
    assert len(said.pop().strip()) == 64


def test_two_seeds_differ_and_a_replay_of_the_choices_is_the_same_run() -> None:
    def run(seed: int, taken: dict[str, int] | None = None) -> tuple[object, dict[str, int]]:
        toy = Toy(seed, taken)
        toy.world.trace = []
        toy.run()
        return toy.world.trace, toy.world.choices.taken

    first, taken = run(3)
    assert run(3, taken) == (first, taken)
    assert run(4)[0] != first
