"""Numbered objects, created one after another: finding the last one without a listing.

Numbers are contiguous from wherever one may start, so that steps that double find a number that is
absent, and bisecting finds the last that is there: about 2 log2(distance) + 1 requests, one when
nothing is newer. *Absent* is 404, or 403 where the same credential has just read an earlier number:
real stores answer 403 to those who may not list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from arco.capabilities import K, Read, Stored
from arco.core.errors import Denied


class Numbered(Generic[K]):
    """The objects of one numbered sequence, as one credential sees them."""

    def __init__(
        self, read: Read[K], key_of: Callable[[int], K], proven: int | None = None
    ) -> None:
        self._read, self._key_of = read, key_of
        self._proven = proven
        """A number that this credential has read: what makes a 403 elsewhere mean absent."""

    async def ask(self, number: int) -> Stored | Denied | None:
        """Return the object, None, or the refusal as a value. One request."""
        try:
            found = await self._read.get(self._key_of(number))
        except Denied as refused:
            return refused
        if found is not None:
            self._proven = number
        return found

    async def settle(self, asked: Stored | Denied | None, proof: int) -> Stored | None:
        """Return what an answer means; a refusal means absent when number `proof` can be read.

        Costs a request only for a refusal before anything was read. Raises `Denied` otherwise.
        """
        if not isinstance(asked, Denied):
            return asked
        if self._proven is None and await self._read.get(self._key_of(proof)) is None:
            raise asked
        self._proven = proof if self._proven is None else self._proven
        return None

    async def at(self, number: int, proof: int) -> Stored | None:
        """Return the object of a number, or None when it is absent."""
        return await self.settle(await self.ask(number), proof)

    async def last_after(self, start: int) -> tuple[int, Stored] | None:
        """Return the last number behind `start`, which exists, with its object; None if none is."""
        found, low, step = None, start, 1
        while (stored := await self.at(low + step, start)) is not None:
            low, found, step = low + step, stored, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            stored = await self.at(middle, start)
            if stored is None:
                high = middle
            else:
                low, found = middle, stored
        return None if found is None else (low, found)
