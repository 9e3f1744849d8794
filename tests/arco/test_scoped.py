"""Views per role: they grant exactly what the keys grant, and nothing can be said to them but keys.

What the type checkers refuse is in `negative/`; here is what is refused while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from arco.adapters.memory import MemoryBackend
from arco.capabilities import Changed, Created, Listed, ObjectMeta, Stored, StoreVersion, Updated
from arco.core import keys
from arco.core.errors import Denied, Invalid
from arco.core.keys import FAMILIES, DomainName, Key, Mutability, Role, Verb
from arco.scoped import ScopedStorage
from tests.arco.keys_kit import SAMPLES, ULID, sample
from tests.arco.storage_kit import CATALOG, WORKSPACE, run

HERE = b"here before"

VIEWS: dict[Role, Callable[[ScopedStorage], Any]] = {
    Role.READER: ScopedStorage.reader,
    Role.API: ScopedStorage.api,
    Role.COMPACTOR: ScopedStorage.compactor,
    Role.ANTI_ENTROPY: ScopedStorage.anti_entropy,
    Role.COLLECTOR: ScopedStorage.collector,
    Role.INITIALISER: ScopedStorage.initialiser,
    Role.CONTROLLER: ScopedStorage.controller,
}
ATTRIBUTES: dict[Verb, str] = {
    Verb.GET: "read",
    Verb.HEAD: "head",
    Verb.LIST: "list",
    Verb.SIGN: "sign",
    Verb.CREATE: "create",
    Verb.UPDATE: "update",
    Verb.REPLACE: "replace",
    Verb.DELETE: "delete",
}


class SigningBackend(MemoryBackend):
    """A memory store that signs, so that a granted signature can be seen to work."""

    async def sign(self, path: str, expires_s: int) -> str:
        """Return an address that nobody serves."""
        return f"https://store.invalid/{path}?expires_s={expires_s}"


class World:
    """A store in which every key of `SAMPLES` exists, and the stores of one role."""

    def __init__(self, role: Role) -> None:
        self.backend = SigningBackend()
        self.stores = VIEWS[role](ScopedStorage(self.backend, WORKSPACE))
        self.versions = {kind: self._put(key) for kind, key in SAMPLES.items()}

    def _put(self, key: Key) -> StoreVersion:
        made = run(self.backend.create(WORKSPACE.locate(key), HERE))
        assert isinstance(made, Created)
        return made.version

    def do(self, verb: Verb, kind: type[Key]) -> object:
        """Do one thing to the key of a family, through the view that is for it."""
        key, view = SAMPLES[kind], getattr(self.stores, ATTRIBUTES[verb])
        if verb is Verb.CREATE:  # of what is not there yet
            run(self.backend.delete(WORKSPACE.locate(key)))
        acts: dict[Verb, Callable[[], Coroutine[Any, Any, object]]] = {
            Verb.GET: lambda: view.get(key),
            Verb.HEAD: lambda: view.head(key),
            Verb.LIST: lambda: view.list_page(kind),
            Verb.SIGN: lambda: view.sign(key, 60),
            Verb.CREATE: lambda: view.create(key, b"new"),
            Verb.UPDATE: lambda: view.update(key, b"new", self.versions[kind]),
            Verb.REPLACE: lambda: view.replace(key, b"new"),
            Verb.DELETE: lambda: view.delete(key),
        }
        return run(acts[verb]())

    def stored(self, kind: type[Key]) -> bytes | None:
        """Return what now stands under the key of a family."""
        found = run(self.backend.get(WORKSPACE.locate(SAMPLES[kind])))
        return found.body if found else None


def granted(role: Role, verb: Verb) -> set[type[Key]]:
    """Return the families to which the keys grant this."""
    return {kind for kind in FAMILIES if kind.FAMILY.may(role, verb)}


VIEWED = [(role, verb) for role in Role for verb in Verb if granted(role, verb)]
"""Every view there is; that there is no other is the first test."""


@pytest.mark.parametrize("role", Role)
def test_a_role_has_a_view_for_each_verb_it_was_granted_and_no_other(role: Role) -> None:
    stores = World(role).stores
    expected = {ATTRIBUTES[verb] for verb in Verb if granted(role, verb)}
    assert {f.name for f in fields(stores)} == expected
    shown = {name for name in dir(stores) if not name.startswith("_")}
    assert shown == expected
    for name in expected:
        public = {word for word in dir(getattr(stores, name)) if not word.startswith("_")}
        assert public == OPERATIONS[name]


OPERATIONS = {
    "read": {"get", "get_range"},
    "head": {"head"},
    "list": {"list_page"},
    "sign": {"sign"},
    "create": {"create"},
    "update": {"update"},
    "replace": {"replace"},
    "delete": {"delete"},
}
"""What each view can be told to do: one thing."""


@pytest.mark.parametrize("role", Role)
def test_a_view_takes_no_new_attribute(role: Role) -> None:
    stores = World(role).stores
    with pytest.raises((AttributeError, TypeError)):
        stores.read = None
    with pytest.raises(AttributeError):
        stores.read.create = None


@pytest.mark.parametrize(("role", "verb"), VIEWED)
def test_what_is_granted_works_and_everything_else_is_refused(role: Role, verb: Verb) -> None:
    for kind in FAMILIES:
        world = World(role)
        if kind.FAMILY.may(role, verb):
            assert _worked(world, verb, kind), kind
        else:
            with pytest.raises(Invalid, match=r"not granted|does not list"):
                world.do(verb, kind)
            assert world.stored(kind) == (None if verb is Verb.CREATE else HERE)


def _worked(world: World, verb: Verb, kind: type[Key]) -> bool:
    found = world.do(verb, kind)
    key = SAMPLES[kind]
    match verb:
        case Verb.GET:
            return isinstance(found, Stored) and found.body == HERE
        case Verb.HEAD:
            return found == ObjectMeta(len(HERE), world.versions[kind])
        case Verb.LIST:
            return Listed(key, len(HERE)) in found.items  # type: ignore[attr-defined]  # a page
        case Verb.SIGN:
            return WORKSPACE.locate(key) in str(found)
        case Verb.CREATE:
            return isinstance(found, Created) and world.stored(kind) == b"new"
        case Verb.UPDATE:
            return isinstance(found, Updated) and world.stored(kind) == b"new"
        case Verb.REPLACE:
            return found is None and world.stored(kind) == b"new"
        case Verb.DELETE:
            return found is None and world.stored(kind) is None


@pytest.mark.parametrize(("role", "verb"), [pair for pair in VIEWED if pair[1] is not Verb.GET])
def test_the_type_of_a_view_names_exactly_the_families_that_are_granted(
    role: Role, verb: Verb
) -> None:
    hint = get_type_hints(type(World(role).stores))[ATTRIBUTES[verb]]
    (said,) = get_args(hint)
    named = get_args(said) if get_origin(said) is UnionType else (said,)
    assert {kind for kind in FAMILIES if issubclass(kind, named)} == granted(role, verb)


def test_a_refusal_names_role_verb_and_key_and_says_what_to_do() -> None:
    key = SAMPLES[keys.DeltaKey]
    with pytest.raises(Denied) as refused:
        World(Role.API).do(Verb.CREATE, keys.DeltaKey)
    assert f"role=`api` verb=`create` key=`{key.path}`" in refused.value.problem
    assert refused.value.next_step


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("word", ["locks/catalog.lock.json", b"locks/catalog.lock.json", None, 7])
def test_a_path_in_words_is_no_key(role: Role, word: object) -> None:
    stores = World(role).stores
    acts: dict[str, Callable[[Any], Coroutine[Any, Any, object]]] = {
        "read": lambda view: view.get(word),
        "head": lambda view: view.head(word),
        "sign": lambda view: view.sign(word, 60),
        "create": lambda view: view.create(word, b""),
        "update": lambda view: view.update(word, b"", StoreVersion("m1")),
        "replace": lambda view: view.replace(word, b""),
        "delete": lambda view: view.delete(word),
    }
    for name, act in acts.items():
        if hasattr(stores, name):
            with pytest.raises(Invalid, match="a path is a key"):
                run(act(getattr(stores, name)))
    with pytest.raises(Invalid, match="a path is a key"):
        run(stores.read.get_range(word, 0, 1))


@pytest.mark.parametrize("role", [role for role, verb in VIEWED if verb is Verb.REPLACE])
def test_nothing_is_written_over_without_a_look_but_hints_and_cursors(role: Role) -> None:
    stores = World(role).stores
    for kind in FAMILIES:
        if kind.FAMILY.mutability is not Mutability.ADVISORY:
            with pytest.raises(Denied):
                run(stores.replace.replace(SAMPLES[kind], b"blind"))


def test_a_key_leads_into_its_own_workspace_only() -> None:
    backend = MemoryBackend()
    for name in ("prod", "prod2"):
        stores = ScopedStorage(backend, keys.Workspace("acme", name)).initialiser()
        run(stores.create.create(keys.LockKey(CATALOG), name.encode()))
    reader = ScopedStorage(backend, keys.Workspace("acme", "prod")).reader()
    found = run(reader.read.get(keys.LockKey(CATALOG)))
    assert found is not None
    assert found.body == b"prod"
    other = ScopedStorage(backend, keys.Workspace("acme2", "prod")).reader()
    assert run(other.read.get(keys.LockKey(CATALOG))) is None


def test_a_range_is_the_bytes_from_start_up_to_end() -> None:
    reader = World(Role.READER).stores.read
    lock = SAMPLES[keys.LockKey]
    assert run(reader.get_range(lock, 5, 8)) == HERE[5:8]
    assert run(reader.get_range(lock, 5, 99)) == HERE[5:]
    assert run(reader.get_range(keys.LockKey(DomainName.EXECUTIONS), 0, 1)) is None


def test_the_wrong_version_changes_nothing() -> None:
    world = World(Role.API)
    lock = SAMPLES[keys.LockKey]
    assert run(world.stores.update.update(lock, b"new", StoreVersion("x"))) == Changed()
    assert world.stored(keys.LockKey) == HERE


# --- listing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*FAMILIES, Key, keys.StateKey, keys.ManifestKey])
def test_a_listing_of_what_was_not_granted_is_refused(kind: type[Key]) -> None:
    scan = World(Role.ANTI_ENTROPY).stores.list
    if kind is keys.LedgerKey:
        assert run(scan.list_page(kind))
    else:
        with pytest.raises(Invalid, match=f"kind=`{kind.__name__}`"):
            run(scan.list_page(kind))


def test_strangers_in_a_listing_are_shown_and_hide_nothing() -> None:
    world = World(Role.COLLECTOR)
    inside = ["ledger/catalog/2016-07-30/notes.txt", "ledger/catalog/zzz.segment.json"]
    for path in (*inside, "state/catalog/l0/elsewhere.parquet"):
        run(world.backend.replace(WORKSPACE.prefix + path, b"?"))
    page: Any = run(world.stores.list.list_page(keys.LedgerKey))
    assert page.strangers == tuple(inside)
    assert page.items == (Listed(SAMPLES[keys.LedgerKey], len(HERE)),)
    assert page.after is None


def test_the_key_of_another_family_is_no_stranger() -> None:
    world = World(Role.COLLECTOR)
    for kind in (keys.BaseKey, keys.DeltaKey, keys.DeploymentKey, keys.DomainManifestKey):
        page: Any = run(world.stores.list.list_page(kind))
        assert page.items == (Listed(SAMPLES[kind], len(HERE)),)
        assert page.strangers == ()


def test_pages_go_on_where_the_last_one_stopped_and_show_everything_once() -> None:
    world = World(Role.COLLECTOR)
    for version in range(1, 7):
        path = WORKSPACE.locate(sample(keys.DomainManifestKey, version=version))
        run(world.backend.create(path, b"m"))
    run(world.backend.create(WORKSPACE.prefix + "manifests/catalog/note", b"?"))
    seen: list[object] = []
    after: str | None = None
    while True:
        page: Any = run(
            world.stores.list.list_page(
                keys.DomainManifestKey, after=after, limit=3, domain=CATALOG
            )
        )
        seen += [*(listed.key.version for listed in page.items), *page.strangers]
        after = page.after
        if after is None:
            break
    assert seen == [1, 2, 3, 4, 5, 6, 7, "manifests/catalog/note"]


def test_a_listing_asks_for_the_known_fields_only() -> None:
    world = World(Role.ANTI_ENTROPY)
    page: Any = run(world.stores.list.list_page(keys.LedgerKey, domain=CATALOG, date="2016-07-30"))
    assert [listed.key.ulid for listed in page.items] == [ULID]
    for known in ({"domain": CATALOG, "date": "2016-07-31"}, {"domain": DomainName.EXECUTIONS}):
        empty: Any = run(world.stores.list.list_page(keys.LedgerKey, **known))
        assert empty.items == ()
