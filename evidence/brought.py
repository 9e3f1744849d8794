"""What people brought after a run, as it stands at one instant: approvals, artifacts, waivers.

Shapes only: `weigh` makes these records out of the sign-off log, `judge` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from evidence.model import Answer


@dataclass(frozen=True, slots=True)
class ApprovalFact:
    """Who approved a gate in a role, and how many people the trust file asks for at least.

    Where some did not count, `answer` and `reason` say why; else the reason is empty.
    """

    gate: int
    role: str
    people: tuple[str, ...]
    needed: int
    answer: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class ExternalFact:
    """What an attached artifact and its approval say of an `external` condition of a signal."""

    signal: str
    artifact: str
    role: str
    answer: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class CarryFact:
    """Whether the evidence of an earlier run for a command still holds."""

    command: str
    run: str
    answer: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class Waived:
    """A red signal that a named person permits to pass until an instant. It stays red.

    `entry` is the digest of the waiver's line in the sign-off log.
    """

    signal: str
    entry: str
    person: str
    role: str
    until_utc: str
    reason: str


@dataclass(frozen=True, slots=True)
class Brought:
    """All that people brought after a run, as it stands at one instant."""

    approvals: tuple[ApprovalFact, ...] = ()
    externals: tuple[ExternalFact, ...] = ()
    carries: tuple[CarryFact, ...] = ()
    waived: tuple[Waived, ...] = ()


NOTHING = Brought()
"""What there is before anybody came."""
