"""What a family of keys is: its literal, its mutability, and who may do what to it.

One definition per family carries all three; views, policies and their tests are made from it. Here
stand the means only; the families themselves are in `families`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Self

from arco.core.errors import Invalid
from arco.core.keys.segments import SEGMENTS, Segment, respelled


class Role(StrEnum):
    """Who acts on a workspace; each has its own credential in a deployment."""

    API = "api"
    COMPACTOR = "compactor"
    ANTI_ENTROPY = "anti-entropy"
    COLLECTOR = "collector"
    INITIALISER = "initialiser"
    CONTROLLER = "controller"
    READER = "reader"


class Verb(StrEnum):
    """One effect on one object, or on the names below a prefix."""

    GET = "get"
    HEAD = "head"
    LIST = "list"
    SIGN = "sign"
    CREATE = "create"
    """Write what does not exist yet."""
    UPDATE = "update"
    """Compare and swap: write over the version that was read, and no other."""
    REPLACE = "replace"
    """Write whatever stands there: for hints and cursors, which nobody believes."""
    DELETE = "delete"


WRITES = frozenset({Verb.CREATE, Verb.UPDATE, Verb.REPLACE})


class Mutability(StrEnum):
    """How the bytes under one name may change while it exists."""

    IMMUTABLE = "immutable"
    SWAPPED = "swapped"
    """By compare-and-swap only."""
    ADVISORY = "advisory"
    """Written over without a look; never an authority."""


ALLOWED = {
    Mutability.IMMUTABLE: frozenset({Verb.CREATE}),
    Mutability.SWAPPED: frozenset({Verb.CREATE, Verb.UPDATE}),
    Mutability.ADVISORY: frozenset({Verb.CREATE, Verb.REPLACE}),
}
"""Which writes a mutability admits, whoever asks."""

Grants = frozenset[tuple[Role, Verb]]


def grants(table: Mapping[Role, str]) -> Grants:
    """Return the set of (role, verb) of a table like ``{Role.API: "get create"}``."""
    return frozenset((role, Verb(verb)) for role, words in table.items() for verb in words.split())


@dataclass(frozen=True)
class Family:
    """One family: the literal with its fields in braces, its mutability, its grants.

    Raises `Invalid` where a grant writes in a way that the mutability does not admit.
    """

    literal: str
    mutability: Mutability
    grants: Grants

    def __post_init__(self) -> None:
        refused = {v for _, v in self.grants if v in WRITES - ALLOWED[self.mutability]}
        if refused:
            raise Invalid(f"{self.mutability} keys admit no {sorted(refused)}: `{self.literal}`")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The fields of the literal, in order."""
        return tuple(re.findall(r"{(\w+)}", self.literal))

    @cached_property
    def segments(self) -> tuple[tuple[str, Segment], ...]:
        """Each field of the literal with what may stand in it."""
        return tuple((name, SEGMENTS[name]) for name in self.names)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the paths of the family look like, with a group for each field."""
        text = re.escape(self.literal).replace(r"\{", "{").replace(r"\}", "}")
        named = {name: f"(?P<{name}>{segment.pattern})" for name, segment in self.segments}
        return re.compile(re.sub(r"{(\w+)}", lambda found: named[found[1]], text), re.ASCII)

    def may(self, role: Role, verb: Verb) -> bool:
        """Say whether a role may do this to the keys of the family."""
        return (role, verb) in self.grants


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The name of one object within a workspace. A type per family; never a `str`.

    `path` spells it and `parse` reads it back. Raises `Invalid` for a field that is not allowed in
    a path: separators, dots, `%`, controls, foreign letters and wrong lengths have no spelling.
    """

    FAMILY: ClassVar[Family]

    def __post_init__(self) -> None:
        for name, segment in self.FAMILY.segments:
            segment.check(getattr(self, name), self.FAMILY.literal)

    @property
    def path(self) -> str:
        """The key below its workspace, without a leading slash."""
        words = {name: segment.spell(getattr(self, name)) for name, segment in self.FAMILY.segments}
        return self.FAMILY.literal.format(**words)

    @classmethod
    def parse(cls, path: str) -> Self:
        """Return the key that a path spells. Raises `Invalid` when it is not of this family."""
        found = cls.FAMILY.pattern.fullmatch(path)
        if found is None:
            raise Invalid(f"not a key of this family: literal=`{cls.FAMILY.literal}`")
        words = {f.name: found[f.name] for f in fields(cls)}
        key = cls(**{name: SEGMENTS[name].read(word) for name, word in words.items()})
        if key.path != path:  # such as a date that is not the one of its ULID
            raise Invalid(f"key does not agree with itself: key=`{respelled(path)}`")
        return key

    @classmethod
    def prefix(cls, **known: Any) -> str:
        """Return the path up to the first field that is not given: what a listing asks for."""
        words = {name: SEGMENTS[name].spell(value) for name, value in known.items()}
        end = next((n for n in cls.FAMILY.names if n not in words), None)
        literal = cls.FAMILY.literal.partition("{" + end + "}")[0] if end else cls.FAMILY.literal
        return literal.format(**words)
