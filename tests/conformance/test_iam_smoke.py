"""Every operation of every role under its own key, against a server that enforces our policies.

What a role was granted works through the views; what it was not is tried past the views, with the
role's own credential, and must be refused by the server. `nox -s conformance` runs this against
seaweedfs; with `ARCO_SMOKE_BUCKET` and its like it runs against a deployed environment.
"""

from __future__ import annotations

import asyncio
import os
import urllib.error
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

import pytest

from arco.capabilities import Backend, Changed, Created, Exists, Stored, StoreVersion, Updated
from arco.core import keys
from arco.core.errors import Denied
from arco.core.ids import make_ulid
from arco.core.keys import FAMILIES, DomainName, Key, Role, Verb, Workspace
from arco.scoped import ScopedStorage
from tests.arco.keys_kit import sample
from tests.conformance.smoke_kit import Place, could_not_run, deployed, seaweedfs

HERE = b"here"
WRITES = (Verb.CREATE, Verb.UPDATE, Verb.REPLACE)
Act = Callable[[Backend, str], Awaitable[object]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Return the deployed environment that was named, or a server of our own."""
    named = deployed()
    if named is not None:
        yield named
        return
    if find_spec("obstore") is None:
        could_not_run("obstore is not installed")
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as own:
        yield own


@pytest.fixture(scope="module")
def world(place: Place) -> World:
    """Return a place in which a key of each family exists."""
    return World(place)


class World:
    """A place, and a key of each family that was made by a role that may make it."""

    def __init__(self, place: Place) -> None:
        self.place, self.workspace = place, place.workspace
        self.backends: dict[Role, Backend] = {role: place.backend(role) for role in Role}
        self.keys = {kind: asyncio.run(self.make(kind)) for kind in FAMILIES}

    def path(self, kind: type[Key]) -> str:
        """Return the whole path of the key of a family."""
        return self.workspace.locate(self.keys[kind])

    async def make(self, kind: type[Key]) -> Key:
        """Make a key of a family by whoever may, under a name of its own where it can have one."""
        key = fresh(kind)
        path = self.workspace.locate(key)
        for role in Role:
            if kind.FAMILY.may(role, Verb.CREATE):
                made = await self.backends[role].create(path, HERE)
                assert isinstance(made, Created | Exists)
                return key
        role = next(role for role in Role if kind.FAMILY.may(role, Verb.REPLACE))
        await self.backends[role].replace(path, HERE)
        return key

    def stores(self, role: Role) -> Any:
        """Return the views of a role over its own credential."""
        scoped = ScopedStorage(self.backends[role], self.workspace)
        return getattr(scoped, role.replace("-", "_"))()


def fresh(kind: type[Key]) -> Key:
    """Return a key of a family that no run used before, where the family has more than a few."""
    random = {
        "ulid": make_ulid(1_764_000_000_000, os.urandom(10)),
        "attempt": make_ulid(1_764_000_000_000, os.urandom(10)),
        "digest": os.urandom(32).hex(),
        "version": int.from_bytes(os.urandom(8)) + 1,
        "number": int.from_bytes(os.urandom(8)) + 1,
        "table_uuid": str(uuid.uuid4()),
    }
    return sample(kind, **{f.name: random[f.name] for f in fields(kind) if f.name in random})


def may_read(kind: type[Key], role: Role) -> bool:
    """Say whether a role may read, ask or sign, which are one right everywhere."""
    return any(kind.FAMILY.may(role, verb) for verb in (Verb.GET, Verb.HEAD, Verb.SIGN))


# --- what was granted works ---------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_every_operation_that_a_role_was_granted_works(world: World, role: Role) -> None:
    stores = world.stores(role)

    async def everything() -> None:
        for kind in FAMILIES:
            for verb in Verb:
                if kind.FAMILY.may(role, verb):
                    await _works(world, stores, kind, verb)

    asyncio.run(everything())


async def _works(world: World, stores: Any, kind: type[Key], verb: Verb) -> None:
    key = world.keys[kind]
    match verb:
        case Verb.GET:
            assert isinstance(await stores.read.get(key), Stored), kind
            assert await stores.read.get_range(key, 0, 1), kind
        case Verb.HEAD:
            assert (await stores.head.head(key)).size_bytes == len(HERE), kind
        case Verb.SIGN:
            assert _fetch(await stores.sign.sign(key, 60)) == (200, HERE), kind
        case Verb.LIST:
            known = {f.name: getattr(key, f.name) for f in fields(key) if f.name == "domain"}
            page = await stores.list.list_page(kind, **known)
            assert key in [listed.key for listed in page.items], kind
        case Verb.CREATE:
            assert isinstance(await stores.create.create(fresh(kind), HERE), Created | Exists), kind
            assert await stores.create.create(key, b"another") == Exists(), kind
        case Verb.UPDATE:
            found = await stores.read.get(key)
            swapped = await stores.update.update(key, HERE, found.version)
            assert isinstance(swapped, Updated), kind
            stale = await stores.update.update(key, b"x", StoreVersion('"0"'))
            assert isinstance(stale, Changed), kind
        case Verb.REPLACE:
            await stores.replace.replace(key, HERE)
        case Verb.DELETE:
            other = await world.make(kind)
            await stores.delete.delete(other)
            if may_read(kind, Role.COLLECTOR):
                assert await _is_gone(world.backends[Role.COLLECTOR], world.workspace.locate(other))


async def _is_gone(store: Backend, path: str) -> bool:
    try:
        return await store.get(path) is None
    except Denied:  # what S3 says of an absent object to who may not list the whole bucket
        return True


def _fetch(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, b""


# --- what was not is refused by the server ------------------------------------------------------

ACTS: dict[Verb, Act] = {
    Verb.GET: lambda store, path: store.get(path),
    Verb.HEAD: lambda store, path: store.head(path),
    Verb.LIST: lambda store, path: store.list_page(path, None, 10),
    Verb.CREATE: lambda store, path: store.create(path, b"not mine"),
    Verb.UPDATE: lambda store, path: store.update(path, b"not mine", StoreVersion('"0"')),
    Verb.REPLACE: lambda store, path: store.replace(path, b"not mine"),
    Verb.DELETE: lambda store, path: store.delete(path),
}
"""Each operation of the wire by itself, past every view."""


def refused_by_policy(place: Place, role: Role, verb: Verb, kind: type[Key]) -> bool:
    """Say whether the policy keeps a role from this, as far as the store can tell verbs apart."""
    may = kind.FAMILY.may
    if verb in (Verb.GET, Verb.HEAD):
        return not may_read(kind, role)
    if verb in WRITES and not place.preconditions:
        return not any(may(role, write) for write in WRITES)
    if verb in WRITES:
        return not (may(role, verb) or may(role, Verb.REPLACE))
    if verb is Verb.LIST:
        mine = [k.prefix() for k in FAMILIES if k.FAMILY.may(role, Verb.LIST)]
        return not any(kind.prefix().startswith(prefix) for prefix in mine)
    return not may(role, verb)


async def _is_refused(store: Backend, verb: Verb, path: str) -> bool:
    try:
        await ACTS[verb](store, path)
    except Denied:
        return True
    return False


@pytest.mark.parametrize("role", Role)
def test_every_operation_that_a_role_was_not_granted_is_refused(world: World, role: Role) -> None:
    async def everything() -> tuple[list[str], int]:
        passed, tried = [], 0
        for kind in FAMILIES:
            for verb in ACTS:
                if not refused_by_policy(world.place, role, verb, kind):
                    continue
                tried += 1
                path = world.path(kind)
                if verb is Verb.LIST:
                    path = world.workspace.prefix + kind.prefix()
                if not await _is_refused(world.backends[role], verb, path):
                    passed.append(f"{verb} {path}")
        return passed, tried

    passed, tried = asyncio.run(everything())
    assert passed == []
    assert tried > 40


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("verb", ACTS)
def test_every_operation_on_another_workspace_is_refused(
    world: World, role: Role, verb: Verb
) -> None:
    mine = world.workspace
    others = [
        Workspace(mine.tenant, mine.workspace + "2"),
        Workspace(mine.tenant, mine.workspace[:-1]),
        Workspace(mine.tenant + "2", mine.workspace),
    ]
    paths = [other.locate(key) for other in others for key in world.keys.values()]
    if verb is Verb.LIST:
        paths = [
            "",
            mine.prefix[:-1],
            *(p for o in others for p in (o.prefix, o.prefix + "ledger/")),
        ]

    async def everything() -> list[str]:
        store = world.backends[role]
        return [path for path in paths if not await _is_refused(store, verb, path)]

    assert asyncio.run(everything()) == []


@pytest.mark.parametrize("role", Role)
def test_an_address_signed_without_the_right_to_read_opens_nothing(
    world: World, role: Role
) -> None:
    unread = [kind for kind in FAMILIES if not may_read(kind, role)]
    for kind in unread:
        address = asyncio.run(world.backends[role].sign(world.path(kind), 60))
        assert _fetch(address)[0] == 403, kind


# --- by name ------------------------------------------------------------------------------------


def test_api_cannot_write_state(world: World) -> None:
    api = world.backends[Role.API]
    for kind in (keys.DeltaKey, keys.BaseKey):
        for verb in (*WRITES, Verb.DELETE):
            assert asyncio.run(_is_refused(api, verb, world.path(kind)))
            assert asyncio.run(_is_refused(api, verb, world.workspace.locate(fresh(kind))))
    bypass = f"{world.workspace.prefix}state/ledger/catalog/2016-07-30/x.segment.json"
    assert asyncio.run(_is_refused(api, Verb.CREATE, bypass))
    reader = world.backends[Role.READER]
    for kind in (keys.DeltaKey, keys.BaseKey):
        stored = asyncio.run(reader.get(world.path(kind)))
        assert stored is not None
        assert stored.body == HERE


def test_api_cannot_write_manifests(world: World) -> None:
    api = world.backends[Role.API]
    for kind in (keys.DomainManifestKey, keys.RootManifestKey, keys.GenesisKey):
        for verb in (*WRITES, Verb.DELETE):
            assert asyncio.run(_is_refused(api, verb, world.path(kind)))
            assert asyncio.run(_is_refused(api, verb, world.workspace.locate(fresh(kind))))


def test_compactor_fastpath_cannot_list(world: World) -> None:
    compactor = world.backends[Role.COMPACTOR]
    for prefix in ("", world.workspace.prefix, *(world.path(kind) for kind in FAMILIES)):
        assert asyncio.run(_is_refused(compactor, Verb.LIST, prefix))
    for kind in FAMILIES:
        below = world.workspace.prefix + kind.prefix()
        assert asyncio.run(_is_refused(compactor, Verb.LIST, below))


def test_a_reader_cannot_write_anywhere(world: World) -> None:
    reader = world.backends[Role.READER]
    for kind in FAMILIES:
        for verb in (*WRITES, Verb.DELETE):
            assert asyncio.run(_is_refused(reader, verb, world.path(kind)))


def test_only_the_initialiser_makes_version_0(world: World) -> None:
    for domain in DomainName:
        path = world.workspace.locate(keys.GenesisKey(domain))
        for role in set(Role) - {Role.INITIALISER}:
            for verb in (*WRITES, Verb.DELETE):
                assert asyncio.run(_is_refused(world.backends[role], verb, path)), role


@pytest.mark.parametrize("verb", ACTS)
def test_a_wrong_secret_or_an_unknown_key_opens_nothing(world: World, verb: Verb) -> None:
    key, _ = world.place.keys[Role.API]
    for wrong in (world.place.with_key(key, "wrong"), world.place.with_key("nobody", "wrong")):
        assert asyncio.run(_is_refused(wrong, verb, world.path(keys.LedgerKey)))


def test_in_a_release_what_could_not_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCO_RELEASE", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^could_not_run: no server$"):
        could_not_run("no server")
    monkeypatch.setenv("ARCO_RELEASE", "1")
    with pytest.raises(pytest.fail.Exception, match="a release needs this suite: no server"):
        could_not_run("no server")


def test_a_deployed_environment_is_named_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("ARCO_SMOKE_")]:
        monkeypatch.delenv(name)
    assert deployed() is None
    monkeypatch.setenv("ARCO_SMOKE_BUCKET", "lake")
    with pytest.raises(pytest.fail.Exception, match=r"ARCO_SMOKE_REGION.*ARCO_SMOKE_KEY_READER"):
        deployed()
    for name in ("REGION", "TENANT", "WORKSPACE"):
        monkeypatch.setenv(f"ARCO_SMOKE_{name}", name.lower())
    for role in Role:
        name = role.upper().replace("-", "_")
        monkeypatch.setenv(f"ARCO_SMOKE_KEY_{name}", f"{role}-id:a:secret")
    named = deployed()
    assert named is not None
    assert named.preconditions
    assert named.workspace == Workspace("tenant", "workspace")
    assert named.keys[Role.ANTI_ENTROPY] == ("anti-entropy-id", "a:secret")
    assert named.config == {"region": "region"}


def test_whether_this_store_holds_creates_and_blind_writes_apart(world: World) -> None:
    """What the suite believes of the server is looked at, so that it is never just believed."""
    api = world.backends[Role.API]
    blind = asyncio.run(_is_refused(api, Verb.REPLACE, world.path(keys.LedgerKey)))
    assert blind is world.place.preconditions
