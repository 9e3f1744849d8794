"""Which paths of a workspace a role may touch, in the form that every cloud can express.

All clouds compare a path with what it begins and ends with, so that is what grants become here. A
field of a closed set is spelled out where leaving it open would take in keys of another family.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from arco.core.keys import FAMILIES, DomainName, Key, Role, Verb

CLOSED = {"domain": tuple(DomainName)}
"""Fields whose values are known, so that a path can name them."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The paths that begin with `start` and end with `end`; without an end, `start` alone."""

    start: str
    end: str = ""

    @property
    def glob(self) -> str:
        """The span with a star in the middle."""
        return f"{self.start}*{self.end}" if self.end else self.start

    def covers(self, path: str) -> bool:
        """Say whether a path is in the span."""
        if not self.end:
            return path == self.start
        long = len(path) >= len(self.start) + len(self.end)
        return long and path.startswith(self.start) and path.endswith(self.end)

    def meets(self, other: Span) -> bool:
        """Say whether some path could be in both spans."""
        if not (self.end and other.end):
            return self.covers(other.start) or other.covers(self.start)
        starts = self.start.startswith(other.start) or other.start.startswith(self.start)
        return starts and (self.end.endswith(other.end) or other.end.endswith(self.end))


@dataclass(frozen=True, slots=True)
class Reach:
    """What a role may touch in one way: the paths in `spans`, but not those that `but` names."""

    spans: tuple[Span, ...]
    but: tuple[str, ...]

    def part(self, spans: tuple[Span, ...]) -> Reach:
        """Return the same reach over some of its spans."""
        return Reach(spans, tuple(p for p in self.but if any(s.covers(p) for s in spans)))


def reach(role: Role, *verbs: Verb) -> Reach:
    """Return the whole paths below a workspace to which the role was granted any of the verbs."""
    mine = [kind for kind in FAMILIES if any(kind.FAMILY.may(role, verb) for verb in verbs)]
    spans = tuple(sorted({span for kind in mine for span in spans_of(kind)}))
    others = (span for kind in FAMILIES if kind not in mine for span in spans_of(kind))
    named = {span.start for span in others if not span.end}
    but = sorted(path for path in named if any(span.covers(path) for span in spans))
    return Reach(spans, tuple(but))


def listed(role: Role) -> tuple[str, ...]:
    """Return the prefixes below which a role may list: those that its families ask for."""
    asked = {kind.prefix() for kind in FAMILIES if kind.FAMILY.may(role, Verb.LIST)}
    return tuple(sorted(p for p in asked if not any(p != q and p.startswith(q) for q in asked)))


def spans_of(kind: type[Key]) -> tuple[Span, ...]:
    """Return the spans of a family, as few as keep it apart from families with other grants."""
    open_span = _span(kind.FAMILY.literal)
    others = (k for k in FAMILIES if k.FAMILY.grants != kind.FAMILY.grants)
    if not any(open_span.meets(_span(other.FAMILY.literal)) for other in others):
        return (open_span,)
    return tuple(_span(literal) for literal in _spelled_out(kind))


def _span(literal: str) -> Span:
    start, brace, _ = literal.partition("{")
    return Span(start, literal.rpartition("}")[2]) if brace else Span(literal)


def _spelled_out(kind: type[Key]) -> Iterator[str]:
    names = [name for name in kind.FAMILY.names if name in CLOSED]
    for values in product(*(CLOSED[name] for name in names)):
        literal = kind.FAMILY.literal
        for name, value in zip(names, values, strict=True):
            literal = literal.replace("{" + name + "}", value)
        yield literal
