"""Where every decision of a simulated run comes from: a seed, or a list of what was chosen before.

A decision takes one item of a `Table`, whose first item is the plain one: no fault, no delay. Only
decisions that are not plain are remembered, each under the name of its stream and its place in it,
so that a run is a short list of departures from the plain run, and shrinking is leaving some out.
Nothing here knows what is decided.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
Taken: TypeAlias = dict[str, int]
"""Decisions that were not plain: the item taken, by `stream/place`; places count from 1."""


class Table(Generic[T]):
    """What may be decided: items with weights; the first item is the plain one."""

    __slots__ = ("bounds", "items")

    def __init__(self, weighed: Sequence[tuple[T, float]]) -> None:
        total = sum(weight for _, weight in weighed)
        self.items = tuple(item for item, _ in weighed)
        sums = accumulate(weight / total for _, weight in weighed)
        self.bounds = tuple(sums)[:-1]  # the last item takes what rounding leaves


def evenly(items: Sequence[T]) -> Table[T]:
    """Return a table of items that are all as likely."""
    return Table([(item, 1.0) for item in items])


class Choices:
    """The decisions of one run. With `replayed`, nothing is left to the seed but its nonces.

    What is `forced` is taken in any case: a part of the circumstances, for what is rare otherwise.
    """

    def __init__(
        self,
        seed: int,
        replayed: Mapping[str, int] | None = None,
        forced: Mapping[str, int] | None = None,
    ) -> None:
        self.seed = seed
        self.replayed = replayed
        self.forced = forced or {}
        self.taken: Taken = {}
        self.random = Random(seed).random

    def stream(self, name: str) -> Stream:
        """Return a stream of decisions; a name is used once in a run."""
        return Stream(self, name)

    def nonces(self, name: str) -> Random:
        """Return a source of random bytes that the seed alone determines, replayed or not."""
        return Random(f"{self.seed}/{name}")


class Stream:
    """The decisions of one subject, counted, so that leaving one out moves no other."""

    __slots__ = ("_choices", "_name", "_place")

    def __init__(self, choices: Choices, name: str) -> None:
        self._choices, self._name, self._place = choices, name, 0

    def pick(self, table: Table[T]) -> T:
        """Return one item of the table."""
        choices = self._choices
        self._place += 1
        if choices.replayed is None:
            at = bisect_right(table.bounds, choices.random())
        else:
            at = choices.replayed.get(f"{self._name}/{self._place}", 0)
            at = min(at, len(table.items) - 1)
        if choices.forced:
            at = choices.forced.get(f"{self._name}/{self._place}", at)
        if at:
            choices.taken[f"{self._name}/{self._place}"] = at
        return table.items[at]
