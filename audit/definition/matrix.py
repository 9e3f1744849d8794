"""From a command to its cells: the product of its matrix, in the order of its keys."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from audit.definition.models import CommandTable

CELLS_MAX = 20_000
"""Cells of one audit; above it a matrix has exploded."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One cell to be: its id, and the value of each placeholder."""

    id: str
    values: dict[str, str]


def count(command: CommandTable) -> int:
    """Return how many cells a command makes."""
    return math.prod(len(values) for values in command.matrix.values())


def variants(command: CommandTable) -> Iterator[Variant]:
    """Yield the cells of a command: ids are `<command>-<value>…`, or the command's own."""
    keys = tuple(command.matrix)
    for values in itertools.product(*command.matrix.values()):
        name = "-".join((command.id, *values))
        yield Variant(name, dict(zip(keys, values, strict=True)))
