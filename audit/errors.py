"""What can go wrong, by what the caller does next; each with its place and the next step.

`cli` turns these into one clear message and an exit code. Anything else that escapes is our fault
and exits 70.
"""

from __future__ import annotations


class AuditError(Exception):
    """An expected refusal. `problem` is lowercase and ends with its values as ``key=`value` ``."""

    exit_code = 2

    def __init__(self, problem: str, *, place: str = "", next_step: str = "") -> None:
        super().__init__(f"{place}: {problem}" if place else problem)
        self.problem = problem
        self.place = place
        self.next_step = next_step


class Invalid(AuditError):  # noqa: N818
    """The caller must change something: usage, definition, tracker, environment (exit 2)."""

    def __init__(
        self,
        problem: str,
        *,
        place: str = "",
        next_step: str = "",
        others: tuple[Invalid, ...] = (),
    ) -> None:
        super().__init__(problem, place=place, next_step=next_step)
        self.others = others
        """Further problems of the same file, so that one look shows them all."""


class Conflict(AuditError):  # noqa: N818
    """Somebody else holds it, or it exists already: wait, or choose another name (exit 2)."""


class Unavailable(AuditError):  # noqa: N818
    """The disk, git or another program failed: outcome as said in the message (exit 2)."""


class Corrupt(AuditError):  # noqa: N818
    """Evidence that does not verify: stop and look (exit 3)."""

    exit_code = 3
