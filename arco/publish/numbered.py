"""Numbered objects, created one after another: finding the last one without a listing.

Numbers are contiguous from wherever one may start, so that steps that double find a number that is
absent, and bisecting finds the last that is there: about 2 log2(distance) + 1 requests, one when
nothing is newer. *Absent* is 404, or 403 where the same credential can read number 0 afterwards,
which is always there: real stores answer 403 to those who may not list, and to a credential that
has expired a moment ago. A refusal that says by itself that it is none of absence (a file that may
not be read, an expired token) is passed on: what it is about may be there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from arco.capabilities import K, Read, Stored
from arco.core.errors import Denied


class Numbered(Generic[K]):
    """The objects of one numbered sequence, as one credential sees them."""

    def __init__(self, read: Read[K], key_of: Callable[[int], K]) -> None:
        self._read, self._key_of = read, key_of
        self.refuses = False
        """Whether the store was seen to refuse what is absent, to a credential that may read."""
        self._doubt: Denied | None = None
        """A refusal that was taken for absence, while nothing was read after it."""

    async def ask(self, number: int) -> Stored | None:
        """Return the object, or None when it is absent or refused. One request.

        Whoever relies on an absence calls `confirm` before it acts. Raises `Denied` for a refusal
        that cannot mean absence.
        """
        try:
            found = await self._read.get(self._key_of(number))
        except Denied as refused:
            if not refused.hides_absence:
                raise
            self._doubt = refused
            return None
        self._doubt = None
        return found

    async def confirm(self) -> None:
        """Make sure that what was taken for absent was not refused. One request for a refusal.

        Raises `Denied` when number 0 cannot be read either.
        """
        doubt = self._doubt
        if doubt is None:
            return
        if await self.ask(0) is None:
            raise doubt
        self.refuses = True

    async def at(self, number: int) -> Stored | None:
        """Return the object of a number, or None when it is absent."""
        found = await self.ask(number)
        await self.confirm()
        return found

    async def last_after(self, start: int) -> tuple[int, Stored] | None:
        """Return the last number behind `start`, which exists, with its object; None if none is."""
        found, low, step = None, start, 1
        while (stored := await self.ask(low + step)) is not None:
            low, found, step = low + step, stored, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            stored = await self.ask(middle)
            if stored is None:
                high = middle
            else:
                low, found = middle, stored
        await self.confirm()
        return None if found is None else (low, found)
