"""What callers asked and were told, as it happened: the input of `linearizable`."""

from __future__ import annotations

from typing import Any

from arco.sim.linearizable import NEVER, Call


class History:
    """The calls of one object. A moment is a count, so that no two happen at once."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._open: dict[int, tuple[str, Any, int]] = {}
        self._moment = 0

    def begin(self, who: str, *asked: Any) -> int:
        """Note that a caller asks; return the handle for `end`."""
        self._moment += 1
        self._open[self._moment] = (who, asked, self._moment)
        return self._moment

    def end(self, handle: int, answer: Any) -> None:
        """Note what the caller was told; for an unknown outcome nothing is noted."""
        self._moment += 1
        who, asked, began = self._open.pop(handle)
        self.calls.append(Call(who, asked, answer, began, self._moment))

    def all(self) -> list[Call]:
        """Return every call; those without an answer last."""
        left = [Call(who, asked, None, began, NEVER) for who, asked, began in self._open.values()]
        return [*self.calls, *left]
