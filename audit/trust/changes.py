"""What a comparison of two audits finds, as values: the kinds of change and their order.

Shapes and words only; nothing is compared here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from evidence.model import Verdict

Kind = Literal[
    "vanished",
    "newly failing",
    "weakened",
    "altered",
    "flipped",
    "fixed",
    "added",
    "strengthened",
    "noted",
]
"""From worst to harmless. `vanished` is worse than failing, because nobody looks at it any more;
`altered` may be weaker, and nobody can say; `flipped` is a fact of the environment."""
KINDS: tuple[Kind, ...] = get_args(Kind)
MIRROR: Mapping[Kind, Kind] = {
    "vanished": "added",
    "added": "vanished",
    "newly failing": "fixed",
    "fixed": "newly failing",
    "weakened": "strengthened",
    "strengthened": "weakened",
    "altered": "altered",
    "flipped": "flipped",
    "noted": "noted",
}
"""What each kind is when the two audits are compared the other way round."""
REGRESSIONS: tuple[Kind, ...] = ("vanished", "newly failing", "weakened", "altered")
"""Kinds that somebody must look at before the newer audit is believed as much as the older."""

MATCHED = "tests matched"
"""The part of a condition that is the number of tests behind it."""

Noun = Literal[
    "cell",
    "test",
    "metric",
    "condition",
    "signal",
    "gate",
    "verdict",
    "rule",
    "audit",
    "environment",
]
NOUNS: tuple[Noun, ...] = get_args(Noun)
"""What a change is about, in the order of cause and effect."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `place` names the thing, `what` its part; empty where it is the whole thing.

    `because` says in one line each what likely brought it about.
    """

    kind: Kind
    noun: Noun
    place: str
    what: str
    before: str
    after: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diff:
    """What is different in the newer of two audits, worst first, and how much is the same.

    `unchanged` counts cells, tests, signals, conditions and gates. `closed` names the signals that
    closed since. `files` are the tracked paths that differ; None where they are not known.
    """

    old: str
    new: str
    verdicts: tuple[Verdict, Verdict]
    changes: tuple[Change, ...]
    unchanged: int
    closed: tuple[str, ...]
    files: tuple[str, ...] | None

    @property
    def regressed(self) -> bool:
        """Whether something vanished, newly fails, became weaker or may have."""
        return any(change.kind in REGRESSIONS for change in self.changes)
