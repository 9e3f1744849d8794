"""What can go wrong, by what the caller does next. An expected "no" is a value and not in here.

`cli` turns each into one message with its next step and an exit code; anything else is our fault.
"""

from __future__ import annotations


class ArcoError(Exception):
    """A refusal. `problem` is lowercase and ends with its values as ``key=`value` ``."""

    next_step_default = ""

    def __init__(self, problem: str, *, next_step: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.next_step = next_step or self.next_step_default


class Conflict(ArcoError):  # noqa: N818
    """Somebody else was first, and nothing of ours landed: refresh, then try again."""

    next_step_default = "read the newest version and try again"


class Fenced(ArcoError):  # noqa: N818
    """The caller is not the writer any more, and nothing of its landed: stop."""

    next_step_default = "stop this writer; acquire the lease again before writing"


class Unavailable(ArcoError):  # noqa: N818
    """The store did not answer: the outcome is unknown, so look before acting."""

    next_step_default = "look whether it landed before trying again"


class Invalid(ArcoError):  # noqa: N818
    """The caller must change something: a name, an option, a configuration."""


class Denied(Invalid):
    """The credential in use may not do this, or is wrong or expired; nothing happened.

    `hides_absence` says whether a store may have answered so because nothing is there; where it
    cannot, the refusal must never be taken for absence.
    """

    next_step_default = "check the credential and its policy (`arco iam` prints what a role needs)"

    def __init__(self, problem: str, *, next_step: str = "", hides_absence: bool = True) -> None:
        super().__init__(problem, next_step=next_step)
        self.hides_absence = hides_absence


class Corrupt(ArcoError):  # noqa: N818
    """Stored bytes contradict each other or are not what they have to be: stop and repair."""

    next_step_default = "stop all writers and run `arco verify`"
