"""Every effect, as a protocol: what a service may be handed, on one page. No effect happens here.

The store's capabilities are generic in the key type and have one operation each, so that a function
asks for exactly what it does, and a type checker refuses the rest. `Backend` is what an adapter
implements, below keys and workspaces; only `scoped` turns it into capabilities. An expected "no" is
a value (`None`, `Exists`, `Changed`); an unknown outcome is always `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Generic, NewType, Protocol, TypeAlias, TypeVar

from arco.core.keys import DomainManifestKey, HintKey, Key, LedgerKey, LockKey, StateKey

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K", bound=Key)
K_contra = TypeVar("K_contra", bound=Key, contravariant=True)

StoreVersion = NewType("StoreVersion", str)
"""What a store calls the bytes under a name: opaque, and on some stores a digest that repeats."""

LIST_LIMIT = 1_000
"""Names of one page of a listing: the most that the large clouds give."""


# --- what operations answer ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stored:
    """What was read: all bytes of an object, and their version."""

    body: bytes
    version: StoreVersion


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """What a store says of an object without its bytes."""

    size_bytes: int
    version: StoreVersion


@dataclass(frozen=True, slots=True)
class Created:
    """The name did not exist; now it does, with these bytes."""

    version: StoreVersion


@dataclass(frozen=True, slots=True)
class Exists:
    """The name was taken; nothing of ours landed by this request."""


@dataclass(frozen=True, slots=True)
class Updated:
    """The expected version stood there; now it is ours."""

    version: StoreVersion


@dataclass(frozen=True, slots=True)
class Changed:
    """Another version stands there, or nothing; nothing of ours landed by this request."""


@dataclass(frozen=True, slots=True)
class Named:
    """One name of a raw listing: the whole path."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Listed(Generic[K]):
    """One key of a listing."""

    key: K
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Page(Generic[K]):
    """One page of a listing, sorted by path.

    `strangers` are paths that no key spells; `after` goes on behind the last name, or is None at
    the end.
    """

    items: tuple[Listed[K], ...]
    strangers: tuple[str, ...]
    after: str | None


# --- one capability each ------------------------------------------------------------------------


class Read(Protocol[K_contra]):
    """Get an object, or a range of its bytes. One request each."""

    async def get(self, key: K_contra) -> Stored | None:
        """Return the object, or None when there is none.

        Raises `Denied` where the credential may not read it (or may not learn that it is absent),
        `Unavailable` when the store did not answer.
        """
        ...

    async def get_range(self, key: K_contra, start: int, end: int) -> bytes | None:
        """Return the bytes from `start` up to `end`, fewer at the end of the object."""
        ...


class Create(Protocol[K_contra]):
    """Write what does not exist yet. One request; durable before it answers."""

    async def create(self, key: K_contra, body: bytes) -> Created | Exists:
        """Create the object. Raises `Unavailable` when it is unknown whether it landed."""
        ...


class Update(Protocol[K_contra]):
    """Compare and swap. One request; durable before it answers."""

    async def update(self, key: K_contra, body: bytes, expected: StoreVersion) -> Updated | Changed:
        """Write over that version. Raises `Unavailable` when it is unknown whether it landed."""
        ...


class Replace(Protocol[K_contra]):
    """Write whatever stands there: only for keys that nobody believes. One request."""

    async def replace(self, key: K_contra, body: bytes) -> None:
        """Write the object. Raises `Unavailable` when it is unknown whether it landed."""
        ...


class Delete(Protocol[K_contra]):
    """Delete an object. One request."""

    async def delete(self, key: K_contra) -> None:
        """Delete the object; deleting what is absent is no error."""
        ...


class Lister(Protocol[K]):
    """List the keys of one family, a page at a time. One request a page."""

    async def list_page(
        self, kind: type[K], *, after: str | None = None, limit: int = LIST_LIMIT, **known: object
    ) -> Page[K]:
        """Return the keys of a family whose leading fields are `known`, sorted by path."""
        ...


class Meta(Protocol[K_contra]):
    """Ask about an object without its bytes. One request."""

    async def head(self, key: K_contra) -> ObjectMeta | None:
        """Return size and version, or None when there is no such object."""
        ...


class Sign(Protocol[K_contra]):
    """Make an address with which somebody else may read one object for a time. No request."""

    async def sign(self, key: K_contra, expires_s: int) -> str:
        """Return the address. Raises `Invalid` where the store has no such thing."""
        ...


class Clock(Protocol):
    """Two clocks: one that people read and that may jump, one that only goes forward."""

    def utc_ms(self) -> int:
        """Return Unix milliseconds; for records, never for safety."""
        ...

    def monotonic_ms(self) -> int:
        """Return milliseconds since some moment; goes on while the machine sleeps, if it can."""
        ...


class Chance(Protocol):
    """Where nonces come from."""

    def take(self, count: int) -> bytes:
        """Return that many random bytes, which nobody can guess."""
        ...


class Tasks(Protocol):
    """Waiting, and doing two things at once."""

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after that many milliseconds by the monotonic clock, or later."""
        ...

    async def both(
        self, first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]
    ) -> tuple[A, B]:
        """Return what both answer, awaited together; raise what either raised, after both ended."""
        ...


# --- the names that the rest of the code uses ---------------------------------------------------

ReadStore: TypeAlias = Read[Key]
LedgerPutStore: TypeAlias = Create[LedgerKey]
StatePutStore: TypeAlias = Create[StateKey]
CasStore: TypeAlias = Create[DomainManifestKey]
"""Creating the next number is the swap; there is no other way to move a domain."""
ListStore: TypeAlias = Lister[LedgerKey]
MetaStore: TypeAlias = Meta[StateKey]
LockStore: TypeAlias = Update[LockKey]
HintStore: TypeAlias = Replace[HintKey]


class Backend(Protocol):
    """An object store by path, as adapters implement it. Only `scoped` may hold one.

    Every operation is one request (a range read too); every write is durable when it answers.
    Raises `Denied` for a refused or wrong credential, `Unavailable` where the outcome is unknown,
    `Invalid` for what the store cannot do.
    """

    async def get(self, path: str, start: int = 0, end: int | None = None) -> Stored | None:
        """Return the bytes from `start` up to `end`, fewer at the end; None when absent.

        The version is that of the whole object; with a range it is empty where the store would
        have to read all of it to tell, and where there is nothing in the range.
        """
        ...

    async def head(self, path: str) -> ObjectMeta | None:
        """Return size and version; None when absent."""
        ...

    async def create(self, path: str, body: bytes) -> Created | Exists:
        """Write what does not exist."""
        ...

    async def update(self, path: str, body: bytes, expected: StoreVersion) -> Updated | Changed:
        """Write over the expected version."""
        ...

    async def replace(self, path: str, body: bytes) -> None:
        """Write whatever stands there."""
        ...

    async def delete(self, path: str) -> None:
        """Delete; absent is no error."""
        ...

    async def list_page(self, prefix: str, after: str | None, limit: int) -> tuple[Named, ...]:
        """Return up to `limit` names with this prefix behind `after`, sorted by code point."""
        ...

    async def sign(self, path: str, expires_s: int) -> str:
        """Return an address to read the object with; `Invalid` where there is none."""
        ...
