"""Making a workspace, and opening one as a writer: what everybody else finds is created here.

Every step creates what does not exist, so that two initialisers at once, or one after a crash,
complete each other; nothing that exists is ever written over.
"""

from __future__ import annotations

from dataclasses import dataclass

from arco.capabilities import Chance, Clock, Create, Exists, Read
from arco.core.canonical import decode, encode
from arco.core.errors import Corrupt, Denied, Invalid
from arco.core.ids import ULID_CHANCE_BYTES, Digest, Ulid, digest, is_ulid, make_ulid
from arco.core.keys import (
    DomainHintKey,
    DomainName,
    FloorKey,
    GenesisKey,
    Key,
    LockKey,
    ProbeKey,
    RootManifestKey,
    Workspace,
)
from arco.core.manifest import genesis
from arco.core.merkle import EMPTY_ROOT
from arco.core.records import Floor, Hint, LeaseState, LockRecord, Root
from arco.publish.lease import NONCE_BYTES
from arco.scoped import InitialiserStores

ROOT_KEY = RootManifestKey(0)
WRITER = "arco init"


@dataclass(frozen=True, slots=True)
class Opened:
    """A workspace that was found: its root manifest, and the digest of the root's bytes."""

    root: Root
    digest: Digest


@dataclass(frozen=True, slots=True)
class Initialised:
    """What `initialise` did: the workspace, and the names that it created."""

    opened: Opened
    created: tuple[Key, ...]


async def initialise(
    stores: InitialiserStores, workspace: Workspace, clock: Clock, chance: Chance
) -> Initialised:
    """Create what a workspace needs, or what is missing of it.

    A new one costs 3 requests for the probe, 1 for the root, 2 to look for it, before and after,
    and 1 to look for versions that have lost theirs; one that is there costs 1 for the probe and
    2 reads. Then 4 for each domain: genesis, floor, hint, lock. Raises `Invalid` for a store that
    does not honour create-if-absent, before anything that exists could be harmed, and `Corrupt`
    where a root stands that is of another workspace, or none where there are versions.
    """
    now_ms = clock.utc_ms()
    created: list[Key] = []
    if not await _is_there(stores.read, ROOT_KEY):
        await _check_unused(stores.read)
        probe = make_ulid(now_ms, chance.take(ULID_CHANCE_BYTES))
        await _probe_new(stores, ProbeKey(probe))
        root = Root(
            tenant=workspace.tenant,
            workspace=workspace.workspace,
            domains=tuple(DomainName),
            probe=probe,
            created_at_ms=now_ms,
        )
        if not isinstance(await stores.create.create(ROOT_KEY, encode(root)), Exists):
            created += [ProbeKey(probe), ROOT_KEY]
    opened = await open_workspace(stores.read, workspace)
    if not created:
        await check_creates(opened, stores.create)
    for domain in opened.root.domains:
        for key, raw in _first_records(opened, domain, clock, chance):
            if not isinstance(await stores.create.create(key, raw), Exists):
                created.append(key)
    return Initialised(opened, tuple(created))


async def open_workspace(read: Read[RootManifestKey], workspace: Workspace) -> Opened:
    """Return the root of a workspace. One read.

    Raises `Invalid` when there is none, `Denied` where that cannot be told from one that may not be
    read, `Corrupt` when it cannot be read or is another's.
    """
    try:
        found = await read.get(ROOT_KEY)
    except Denied as refused:
        raise Denied(
            f"no such workspace, or it may not be read: {refused.problem}",
            next_step="run `arco init` if there is none yet; otherwise check the credential and "
            "its policy (`arco iam`)",
        ) from refused
    if found is None:
        raise Invalid(
            f"no such workspace: tenant=`{workspace.tenant}` workspace=`{workspace.workspace}`",
            next_step="run `arco init`, or check the address and the names",
        )
    root = decode(found.body, Root, where=ROOT_KEY.path)
    if (root.tenant, root.workspace) != (workspace.tenant, workspace.workspace):
        raise Corrupt(
            f"root of another workspace: key=`{ROOT_KEY.path}` tenant=`{root.tenant}` "
            f"workspace=`{root.workspace}`"
        )
    if not is_ulid(root.probe):
        raise Corrupt(f"root names no probe: key=`{ROOT_KEY.path}` probe=`{root.probe}`")
    return Opened(root, digest(found.body))


async def check_creates(opened: Opened, create: Create[ProbeKey]) -> None:
    """Make sure that the store refuses to create what exists, as a writer does when it opens.

    One request, which leaves nothing behind: the probe stands there since `arco init`; a second
    where it was lost, and is made again. Raises `Invalid` for a store that would let two writers
    commit the same version.
    """
    key = ProbeKey(Ulid(opened.root.probe))
    for _ in range(2):
        if isinstance(await create.create(key, b"a writer was here"), Exists):
            return
    raise _weak_store(key)


async def _is_there(read: Read[Key], key: Key) -> bool:
    """Say whether there is a key, as far as this credential is told.

    Real stores answer 403 for what is absent to who may not list, so that a refusal says nothing
    yet: creating the root will.
    """
    try:
        return await read.get(key) is not None
    except Denied as refused:
        if not refused.hides_absence:
            raise
        return False


async def _check_unused(read: Read[Key]) -> None:
    """Raise `Corrupt` where a domain was begun and its root is gone; it was there before."""
    key = GenesisKey(next(iter(DomainName)))
    if await _is_there(read, key) and not await _is_there(read, ROOT_KEY):
        raise Corrupt(
            f"versions without a root: key=`{ROOT_KEY.path}` found=`{key.path}`",
            next_step="restore the root manifest from a backup; a new one would not be theirs",
        )


async def _probe_new(stores: InitialiserStores, key: ProbeKey) -> None:
    first, second = b"first", b"second"
    await stores.create.create(key, first)  # answered `Exists` where a library asked twice
    again = await stores.create.create(key, second)
    stored = await stores.read.get(key)
    if not isinstance(again, Exists) or stored is None or stored.body != first:
        raise _weak_store(key)


def _weak_store(key: ProbeKey) -> Invalid:
    return Invalid(
        f"the store does not honour create-if-absent: key=`{key.path}`",
        next_step="use a store with conditional writes; two writers would overwrite each other",
    )


def _first_records(
    opened: Opened, domain: DomainName, clock: Clock, chance: Chance
) -> list[tuple[GenesisKey | FloorKey | DomainHintKey | LockKey, bytes]]:
    """Return version 0, the first floor, hint and lock of a domain; equal for equal roots.

    Only the lock's nonce differs between two initialisers, and only one of theirs is created.
    """
    at_ms = opened.root.created_at_ms
    first = encode(genesis(domain, opened.digest, Ulid(opened.root.probe), at_ms, WRITER))
    floor = Floor(
        domain=domain,
        number=0,
        version=0,
        manifest_hash=digest(first),
        removed_root=Digest(EMPTY_ROOT.hex()),
        raised_at_ms=at_ms,
    )
    hint = Hint(domain=domain, version=0, manifest_hash=digest(first), floor_number=0)
    lock = LockRecord(
        domain=domain,
        state=LeaseState.RELEASED,
        holder=WRITER,
        fencing_token=0,
        nonce=chance.take(NONCE_BYTES).hex(),
        written_at_ms=clock.utc_ms(),
    )
    return [
        (GenesisKey(domain), first),
        (FloorKey(domain, 0), encode(floor)),
        (DomainHintKey(domain), encode(hint)),
        (LockKey(domain), encode(lock)),
    ]
