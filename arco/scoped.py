"""Views of a workspace, one set per role: narrow capabilities over a backend nobody else holds.

Which view a role gets follows from the grants in the keys: asking for one that the role has no
grant for is refused here, as it is by the type checker and by the cloud's policies. No object
carries all capabilities, and a view has no attribute for what it may not do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeAlias

from arco.capabilities import (
    LIST_LIMIT,
    Backend,
    Changed,
    Create,
    Created,
    Delete,
    Exists,
    K,
    Listed,
    Lister,
    Meta,
    ObjectMeta,
    Page,
    Read,
    Replace,
    Sign,
    Stored,
    StoreVersion,
    Update,
    Updated,
)
from arco.core.canonical import RECORD_BYTES_MAX
from arco.core.errors import Denied, Invalid
from arco.core.keys import (
    FAMILIES,
    CursorKey,
    DeploymentIndexKey,
    DeploymentKey,
    DomainHintKey,
    DomainManifestKey,
    FloorKey,
    GenesisKey,
    IdempotencyKey,
    Key,
    LedgerKey,
    LockKey,
    Mutability,
    PinKey,
    PointerHintKey,
    PointerKey,
    ProbeKey,
    QuarantineKey,
    ReceiptKey,
    Role,
    RootManifestKey,
    StateKey,
    TransactionKey,
    Verb,
    Workspace,
)

Locate = Callable[[Key], str]
"""Turns a key into a whole path, or refuses a key that the view is not for."""

UNBOUNDED = (LedgerKey, StateKey, QuarantineKey)
"""What may be as large as it likes; everything else is a record, and a small one."""


class _Read(Generic[K]):
    __slots__ = ("_get", "_locate")

    def __init__(self, backend: Backend, locate: Locate) -> None:
        self._get, self._locate = backend.get, locate

    async def get(self, key: K) -> Stored | None:
        return await self._get(self._locate(key), 0, _end(key))

    async def get_range(self, key: K, start: int, end: int) -> bytes | None:
        found = await self._get(self._locate(key), start, end)
        return None if found is None else found.body


def _end(key: Key) -> int | None:
    """Return where to stop: just behind the largest record, so that one too large is seen to be.

    What is swapped is read whole, because some stores know no version of a range.
    """
    if isinstance(key, UNBOUNDED) or key.FAMILY.mutability is Mutability.SWAPPED:
        return None
    return RECORD_BYTES_MAX + 1


class _Create(Generic[K]):
    __slots__ = ("_create", "_locate")

    def __init__(self, backend: Backend, locate: Locate) -> None:
        self._create, self._locate = backend.create, locate

    async def create(self, key: K, body: bytes) -> Created | Exists:
        return await self._create(self._locate(key), body)


class _Update(Generic[K]):
    __slots__ = ("_locate", "_update")

    def __init__(self, backend: Backend, locate: Locate) -> None:
        self._update, self._locate = backend.update, locate

    async def update(self, key: K, body: bytes, expected: StoreVersion) -> Updated | Changed:
        return await self._update(self._locate(key), body, expected)


class _Replace(Generic[K]):
    __slots__ = ("_locate", "_replace")

    def __init__(self, backend: Backend, locate: Locate) -> None:
        self._replace, self._locate = backend.replace, locate

    async def replace(self, key: K, body: bytes) -> None:
        await self._replace(self._locate(key), body)


class _Delete(Generic[K]):
    __slots__ = ("_delete", "_locate")

    def __init__(self, backend: Backend, locate: Locate) -> None:
        self._delete, self._locate = backend.delete, locate

    async def delete(self, key: K) -> None:
        await self._delete(self._locate(key))


class _Meta(Generic[K]):
    __slots__ = ("_head", "_locate")

    def __init__(self, backend: Backend, locate: Locate) -> None:
        self._head, self._locate = backend.head, locate

    async def head(self, key: K) -> ObjectMeta | None:
        return await self._head(self._locate(key))


class _Sign(Generic[K]):
    __slots__ = ("_locate", "_sign")

    def __init__(self, backend: Backend, locate: Locate) -> None:
        self._sign, self._locate = backend.sign, locate

    async def sign(self, key: K, expires_s: int) -> str:
        return await self._sign(self._locate(key), expires_s)


class _List(Generic[K]):
    __slots__ = ("_allowed", "_list_page", "_workspace")

    def __init__(
        self, backend: Backend, workspace: Workspace, allowed: tuple[type[Key], ...]
    ) -> None:
        self._list_page = backend.list_page
        self._workspace = workspace
        self._allowed = allowed

    async def list_page(
        self, kind: type[K], *, after: str | None = None, limit: int = LIST_LIMIT, **known: object
    ) -> Page[K]:
        if not issubclass(kind, self._allowed):
            raise Invalid(f"this view does not list these keys: kind=`{kind.__name__}`")
        below = self._workspace.prefix
        start = None if after is None else below + after
        names = await self._list_page(below + kind.prefix(**known), start, limit)
        items, strangers = [], []
        for name in names:
            inside = name.path.removeprefix(below)
            try:
                items.append(Listed(kind.parse(inside), name.size_bytes))
            except Invalid:
                if not self._is_key(name.path):
                    strangers.append(inside)
        last = names[-1].path.removeprefix(below) if len(names) == limit else None
        return Page(tuple(items), tuple(strangers), last)

    def _is_key(self, path: str) -> bool:
        """Say whether some family spells the path, as where two share a folder."""
        try:
            self._workspace.parse(path)
        except Invalid:
            return False
        return True


# --- what each role holds -----------------------------------------------------------------------

ApiCreates: TypeAlias = (
    LedgerKey
    | PinKey
    | ProbeKey
    | DeploymentKey
    | DeploymentIndexKey
    | IdempotencyKey
    | PointerKey
    | TransactionKey
    | ReceiptKey
)
ApiUpdates: TypeAlias = LockKey | DeploymentIndexKey | IdempotencyKey | TransactionKey
CompactorCreates: TypeAlias = (
    StateKey | DomainManifestKey | LockKey | PinKey | QuarantineKey | ProbeKey
)
InitialiserCreates: TypeAlias = (
    RootManifestKey | GenesisKey | LockKey | FloorKey | DomainHintKey | ProbeKey
)
Collected: TypeAlias = (
    LedgerKey
    | StateKey
    | DomainManifestKey
    | PinKey
    | PointerHintKey
    | QuarantineKey
    | DeploymentKey
    | IdempotencyKey
    | PointerKey
    | TransactionKey
    | ReceiptKey
)


@dataclass(frozen=True, slots=True)
class ReaderStores:
    """Get and get-range, of what readers read."""

    read: Read[Key]


@dataclass(frozen=True, slots=True)
class ApiStores:
    """What the API holds: the ledger, its own records, and the lease; never state or manifests."""

    read: Read[Key]
    create: Create[ApiCreates]
    update: Update[ApiUpdates]
    replace: Replace[PointerHintKey]
    sign: Sign[StateKey]


@dataclass(frozen=True, slots=True)
class CompactorStores:
    """What the compactor's fast path holds: it alone writes state and manifests; no list."""

    read: Read[Key]
    create: Create[CompactorCreates]
    update: Update[LockKey]
    replace: Replace[DomainHintKey]
    head: Meta[StateKey]


@dataclass(frozen=True, slots=True)
class AntiEntropyStores:
    """What the anti-entropy scan holds: it lists the ledger and keeps a cursor."""

    read: Read[Key]
    create: Create[CursorKey]
    replace: Replace[CursorKey]
    list: Lister[LedgerKey]


@dataclass(frozen=True, slots=True)
class CollectorStores:
    """What the collector holds: it lists and deletes, after it has raised the floor."""

    read: Read[Key]
    create: Create[FloorKey]
    list: Lister[Collected]
    delete: Delete[Collected]


@dataclass(frozen=True, slots=True)
class InitialiserStores:
    """What `arco init` holds: it creates what everybody else finds."""

    read: Read[Key]
    create: Create[InitialiserCreates]


@dataclass(frozen=True, slots=True)
class ControllerStores:
    """What the orchestration controllers hold: the ledger, and the lease."""

    read: Read[Key]
    create: Create[LedgerKey | ProbeKey]
    update: Update[LockKey]


class ScopedStorage:
    """A backend and a workspace, from which each role gets its stores and nothing else."""

    __slots__ = ("_backend", "_workspace")

    def __init__(self, backend: Backend, workspace: Workspace) -> None:
        self._backend, self._workspace = backend, workspace

    def reader(self) -> ReaderStores:
        """Return the stores of a reader."""
        return ReaderStores(_Read(self._backend, self._door(Role.READER, Verb.GET)))

    def api(self) -> ApiStores:
        """Return the stores of the API."""
        door = partial(self._door, Role.API)
        return ApiStores(
            read=_Read(self._backend, door(Verb.GET)),
            create=_Create(self._backend, door(Verb.CREATE)),
            update=_Update(self._backend, door(Verb.UPDATE)),
            replace=_Replace(self._backend, door(Verb.REPLACE)),
            sign=_Sign(self._backend, door(Verb.SIGN)),
        )

    def compactor(self) -> CompactorStores:
        """Return the stores of the compactor's fast path."""
        door = partial(self._door, Role.COMPACTOR)
        return CompactorStores(
            read=_Read(self._backend, door(Verb.GET)),
            create=_Create(self._backend, door(Verb.CREATE)),
            update=_Update(self._backend, door(Verb.UPDATE)),
            replace=_Replace(self._backend, door(Verb.REPLACE)),
            head=_Meta(self._backend, door(Verb.HEAD)),
        )

    def anti_entropy(self) -> AntiEntropyStores:
        """Return the stores of the anti-entropy scan."""
        door = partial(self._door, Role.ANTI_ENTROPY)
        return AntiEntropyStores(
            read=_Read(self._backend, door(Verb.GET)),
            create=_Create(self._backend, door(Verb.CREATE)),
            replace=_Replace(self._backend, door(Verb.REPLACE)),
            list=self._list(Role.ANTI_ENTROPY),
        )

    def collector(self) -> CollectorStores:
        """Return the stores of the collector."""
        door = partial(self._door, Role.COLLECTOR)
        return CollectorStores(
            read=_Read(self._backend, door(Verb.GET)),
            create=_Create(self._backend, door(Verb.CREATE)),
            list=self._list(Role.COLLECTOR),
            delete=_Delete(self._backend, door(Verb.DELETE)),
        )

    def initialiser(self) -> InitialiserStores:
        """Return the stores of `arco init`."""
        door = partial(self._door, Role.INITIALISER)
        return InitialiserStores(
            read=_Read(self._backend, door(Verb.GET)),
            create=_Create(self._backend, door(Verb.CREATE)),
        )

    def controller(self) -> ControllerStores:
        """Return the stores of the orchestration controllers."""
        door = partial(self._door, Role.CONTROLLER)
        return ControllerStores(
            read=_Read(self._backend, door(Verb.GET)),
            create=_Create(self._backend, door(Verb.CREATE)),
            update=_Update(self._backend, door(Verb.UPDATE)),
        )

    def _door(self, role: Role, verb: Verb) -> Locate:
        workspace = self._workspace

        def locate(key: Key) -> str:
            if not isinstance(key, Key):
                raise Invalid(f"a path is a key, not a {type(key).__name__}: role=`{role}`")
            if not key.FAMILY.may(role, verb):
                raise Denied(
                    f"not granted: role=`{role}` verb=`{verb}` key=`{key.path}`",
                    next_step="let the role that the key grants this to do it",
                )
            return workspace.locate(key)

        return locate

    def _list(self, role: Role) -> _List[Any]:
        allowed = tuple(kind for kind in FAMILIES if kind.FAMILY.may(role, Verb.LIST))
        return _List(self._backend, self._workspace, allowed)
