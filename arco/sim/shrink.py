"""From a run that fails to a short list of decisions that fails in the same way, and a test of it.

Delta debugging (Zeller and Hildebrandt, 2002) over the decisions that were not plain: leave chunks
out, then single ones, then take plainer items. Whether a list still fails is asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable

from arco.sim.choices import Taken

ATTEMPTS_MAX = 3_000
"""Runs that shrinking may cost; the shortest list so far is the answer when they are spent."""


def shrink(taken: Taken, fails: Callable[[Taken], bool], attempts: int = ATTEMPTS_MAX) -> Taken:
    """Return a list with as few departures from the plain run as was found, which still fails."""
    search = _Search(fails, attempts)
    kept = search.fewer(dict(taken))
    return search.plainer(kept)


class _Search:
    def __init__(self, fails: Callable[[Taken], bool], attempts: int) -> None:
        self._fails, self._left = fails, attempts

    def _still(self, tried: Taken) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        return self._fails(tried)

    def fewer(self, kept: Taken) -> Taken:
        """Leave out what is not needed, in chunks that get smaller."""
        size = max(1, len(kept) // 2)
        while kept:
            names, shorter = list(kept), False
            for start in range(0, len(names), size):
                without = set(names[start : start + size])
                tried = {name: at for name, at in kept.items() if name not in without}
                if len(tried) < len(kept) and self._still(tried):
                    kept, shorter = tried, True
            if size == 1 and not shorter:
                break
            size = max(1, size // 2)
        return kept

    def plainer(self, kept: Taken) -> Taken:
        """Take the first item that still fails, for each decision that is left."""
        for name in list(kept):
            for at in range(1, kept[name]):
                tried = {**kept, name: at}
                if self._still(tried):
                    kept = tried
                    break
        return kept
