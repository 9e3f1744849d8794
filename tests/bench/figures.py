"""What benchmarks share: measuring in turns, and telling figures beside what was promised.

No figure is a verdict on the code: a machine that does other things changes it. So everything that
is compared is measured in the same run, in turns, and ratios are the median of those of the rounds.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time

Work = Callable[[], Awaitable[object]]
"""One operation that is measured: a call, and what it returns awaited."""


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action took."""
    began = perf_counter()
    action()
    return perf_counter() - began


def median(values: Sequence[float]) -> float:
    """Return the median; a machine that does other things too disturbs it least."""
    return statistics.median(values)


def verdict(what: str, met: bool, why: str) -> None:
    """Print whether a promise was kept, in this run on this machine."""
    print(f"{'met   ' if met else 'MISSED'}  {what}: {why}")


def machine() -> str:
    """Return what the figures were measured on."""
    return f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"


@dataclass
class Turns:
    """What operations took, measured in turns: for each round the seconds of each call.

    `processor` is what was computed, for each round: a busy machine changes it less.
    """

    taken: dict[str, list[list[float]]]
    processor: dict[str, list[float]]

    def seconds(self, name: str) -> float:
        """Return the median of an operation over the rounds."""
        return median([median(calls) for calls in self.taken[name]])

    def least(self, name: str) -> float:
        """Return the shortest call: what a machine that does nothing else would take."""
        return min(min(calls) for calls in self.taken[name])

    def computed(self, name: str) -> float:
        """Return the median, over the rounds, of the processor's seconds for one call."""
        calls = len(self.taken[name][0])
        return median([spent / calls for spent in self.processor[name]])

    def ratio(self, name: str, to: str) -> float:
        """Return the median, over the rounds, of one operation's seconds in another's."""
        pairs = zip(self.taken[name], self.taken[to], strict=True)
        return median([median(one) / median(other) for one, other in pairs])

    def show(self, to: str) -> None:
        """Print milliseconds, and each as a multiple of one of them."""
        for name in self.taken:
            told = "" if name == to else f"{self.ratio(name, to):8.2f} x {to}"
            took = f"{self.seconds(name) * 1e3:9.3f} ms, least {self.least(name) * 1e3:8.3f}"
            print(f"  {name:<46}{took}{told}")

    def show_rates(self, amount: float, unit: str) -> None:
        """Print how much of something each goes over in a second."""
        for name in self.taken:
            clock, processor = amount / self.seconds(name), amount / self.computed(name)
            print(f"  {name:<46}{clock:11,.0f} {unit}, by the processor {processor:9,.0f}")


async def nothing() -> None:
    """Do nothing between rounds."""


async def in_turns(
    works: Mapping[str, Work], rounds: int, calls: int, before: Work = nothing
) -> Turns:
    """Measure operations in turns: in each round every one `calls` times, one after another.

    `before` is done ahead of each round and not measured.
    """
    turns = Turns({name: [] for name in works}, {name: [] for name in works})
    for _ in range(rounds):
        await before()
        for name in works:
            turns.taken[name].append([])
            turns.processor[name].append(0.0)
        for _ in range(calls):
            for name, work in works.items():
                began, spent = perf_counter(), process_time()
                await work()
                turns.taken[name][-1].append(perf_counter() - began)
                turns.processor[name][-1] += process_time() - spent
    return turns
