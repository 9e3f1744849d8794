"""Making a workspace: whole or completed later, once, and never on a store that overwrites."""

from __future__ import annotations

import pytest

from arco.adapters.memory import MemoryBackend
from arco.capabilities import Created, Exists
from arco.core.canonical import encode
from arco.core.errors import Corrupt, Denied, Invalid, Unavailable
from arco.core.ids import Ulid
from arco.core.keys import DomainHintKey, DomainName, LockKey, ProbeKey, Workspace
from arco.core.records import Root
from arco.publish.initialise import ROOT_KEY, check_creates, initialise, open_workspace
from arco.scoped import ScopedStorage
from tests.arco.collector.test_collect import collector, grow, whole
from tests.arco.storage_kit import (
    WORKSPACE,
    FaultyBackend,
    HandClock,
    SeededChance,
    Stage,
    run,
)


def names(backend: FaultyBackend) -> list[str]:
    return [named.path for named in run(backend.inner.list_page("", None, 1_000))]


def test_everything_that_others_look_for_is_there() -> None:
    stage = Stage()
    families = {
        name.removeprefix(WORKSPACE.prefix).partition("/")[0] for name in names(stage.backend)
    }
    assert families == {"manifests", "floors", "hints", "locks", "probes"}
    for domain in DomainName:
        assert run(stage.sight.newest(domain)).head.manifest.parent_hash == stage.opened.digest


def test_a_new_workspace_costs_what_it_says() -> None:
    stage = Stage()
    domains = len(DomainName)
    # The root is asked for before and after, a version 0 before; each domain takes four.
    assert dict(stage.backend.requests) == {"get": 4, "create": 3 + 4 * domains}


def test_what_is_there_costs_what_it_says() -> None:
    stage = Stage()
    stage.backend.requests.clear()
    run(initialise(stage.storage.initialiser(), WORKSPACE, HandClock(9), SeededChance(9)))
    assert dict(stage.backend.requests) == {"get": 2, "create": 1 + 4 * len(DomainName)}


def test_who_may_not_list_can_make_a_workspace_and_complete_it() -> None:
    backend = FaultyBackend()
    backend.forbidden = True
    stage = Stage(backend)
    stage.remove(LockKey(DomainName.CATALOG))
    made = run(initialise(stage.storage.initialiser(), WORKSPACE, stage.clock, stage.chance))
    assert made.created == (LockKey(DomainName.CATALOG),)
    assert stage.commit(stage.acquire("a")).head.version == 1


def test_who_may_do_nothing_is_told_so_and_of_init() -> None:
    backend = FaultyBackend()
    backend.fault = lambda op, path: "denied"
    with pytest.raises(Denied):
        Stage(backend)
    assert names(backend) == []
    reader = ScopedStorage(backend, WORKSPACE).reader()
    with pytest.raises(Denied, match="no such workspace, or it may not be read") as caught:
        run(open_workspace(reader.read, WORKSPACE))
    assert "arco init" in caught.value.next_step


def test_again_changes_nothing() -> None:
    stage = Stage()
    before = {name: run(stage.backend.inner.get(name)) for name in names(stage.backend)}
    again = run(initialise(stage.storage.initialiser(), WORKSPACE, HandClock(9), SeededChance(9)))
    assert again.created == ()
    assert before == {name: run(stage.backend.inner.get(name)) for name in names(stage.backend)}


@pytest.mark.parametrize("dies_at", range(1, 18))
@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_crash_anywhere_is_completed_by_the_next(dies_at: int, fault: str) -> None:
    backend = FaultyBackend()
    storage = ScopedStorage(backend, WORKSPACE)
    backend.fault = lambda op, path: fault if sum(backend.requests.values()) == dies_at else ""
    with pytest.raises(Unavailable):
        run(initialise(storage.initialiser(), WORKSPACE, HandClock(), SeededChance(1)))
    backend.fault = lambda op, path: ""
    stage = Stage(backend, seed=2)
    lease = stage.acquire("a")
    assert stage.commit(lease).head.version == 1


def test_a_lost_lock_is_made_again_and_fences_nobody() -> None:
    stage = Stage()
    stage.commit(stage.acquire("a"))
    stage.remove(LockKey(DomainName.CATALOG))
    made = run(initialise(stage.storage.initialiser(), WORKSPACE, stage.clock, stage.chance))
    assert made.created == (LockKey(DomainName.CATALOG),)
    assert stage.acquire("b").token.value == 2


@pytest.mark.parametrize("forbidden", [False, True])
@pytest.mark.parametrize("kind", [DomainHintKey, LockKey])
def test_what_guides_and_is_broken_is_repaired_by_hand_and_init(
    kind: type[DomainHintKey] | type[LockKey], forbidden: bool
) -> None:
    """As `arco verify` says: deleted, and made again, whatever was collected meanwhile."""
    stage = Stage()
    lease = stage.acquire("a")
    seen = grow(stage, lease, 9)
    run(collector(stage).collect(DomainName.CATALOG, keep_versions=2))
    run(stage.leases.release(lease))
    key = kind(DomainName.CATALOG)
    stage.put(key, b"{")
    assert not whole(stage)
    stage.backend.forbidden = forbidden
    stage.remove(key)
    made = run(initialise(stage.storage.initialiser(), WORKSPACE, stage.clock, stage.chance))
    assert made.created == (key,)
    stage.wire()
    assert stage.newest().head == seen.head
    again = stage.acquire("b")
    assert again.token.value > seen.head.manifest.fencing_token
    assert stage.commit(again).head.version == 10
    assert whole(stage)


class Overwriting(MemoryBackend):
    """A store that ignores create-if-absent, as some do."""

    async def create(self, path: str, body: bytes) -> Created:
        await self.replace(path, body)
        return Created((await self.head(path)).version)  # type: ignore[union-attr]


def test_a_store_that_overwrites_is_refused_at_init_and_by_each_writer() -> None:
    weak = ScopedStorage(Overwriting(), WORKSPACE)
    with pytest.raises(Invalid, match="does not honour create-if-absent"):
        run(initialise(weak.initialiser(), WORKSPACE, HandClock(), SeededChance()))
    stage = Stage()
    run(check_creates(stage.opened, stage.stores.create))
    with pytest.raises(Invalid, match="does not honour create-if-absent"):
        run(check_creates(stage.opened, ScopedStorage(Overwriting(), WORKSPACE).api().create))


class Lying(FaultyBackend):
    """A store that says what exists, and writes it over all the same."""

    async def create(self, path: str, body: bytes) -> Created | Exists:
        answer = await super().create(path, body)
        await self.replace(path, body)
        return answer


def test_a_store_that_overwrites_and_denies_it_is_refused_at_init() -> None:
    lying = ScopedStorage(Lying(), WORKSPACE)
    with pytest.raises(Invalid, match="does not honour create-if-absent"):
        run(initialise(lying.initialiser(), WORKSPACE, HandClock(), SeededChance()))


def test_a_workspace_that_was_moved_to_a_store_that_overwrites_stays_whole() -> None:
    stage = Stage()
    stage.commit(stage.acquire("a"))
    weak = Overwriting()
    for name in names(stage.backend):
        found = run(stage.backend.inner.get(name))
        assert found is not None
        run(weak.replace(name, found.body))
    storage = ScopedStorage(weak, WORKSPACE)
    with pytest.raises(Invalid, match="does not honour create-if-absent"):
        run(initialise(storage.initialiser(), WORKSPACE, HandClock(9), SeededChance(9)))
    lock = run(storage.reader().read.get(LockKey(DomainName.CATALOG)))
    assert lock is not None
    assert lock.body == stage.raw(LockKey(DomainName.CATALOG))


def test_a_probe_that_was_lost_is_made_again_and_blames_no_store() -> None:
    stage = Stage()
    probe = ProbeKey(Ulid(stage.opened.root.probe))
    for _ in range(2):
        stage.remove(probe)
        run(check_creates(stage.opened, stage.stores.create))
        assert stage.raw(probe)
        stage.remove(probe)
        run(initialise(stage.storage.initialiser(), WORKSPACE, stage.clock, stage.chance))


def test_a_first_probe_that_was_sent_twice_blames_no_store() -> None:
    backend = FaultyBackend()
    backend.fault = lambda op, path: "twice" if op == "create" else ""
    stage = Stage(backend)
    backend.fault = lambda op, path: ""
    assert stage.acquire("a").token.value == 1


def test_a_root_that_is_gone_is_not_made_anew_over_what_it_began() -> None:
    stage = Stage()
    stage.remove(ROOT_KEY)
    before = names(stage.backend)
    with pytest.raises(Corrupt, match="versions without a root") as told:
        run(initialise(stage.storage.initialiser(), WORKSPACE, HandClock(9), SeededChance(9)))
    assert "restore the root manifest" in told.value.next_step
    assert names(stage.backend) == before


def test_a_root_that_may_not_be_read_is_not_made_anew() -> None:
    stage = Stage()
    stage.backend.requests.clear()
    stage.backend.fault = lambda op, path: "unreadable" if op == "get" else ""
    with pytest.raises(Denied):
        run(initialise(stage.storage.initialiser(), WORKSPACE, stage.clock, stage.chance))
    assert stage.backend.requests["create"] == 0


def test_a_root_that_another_makes_meanwhile_is_not_gone() -> None:
    backend = FaultyBackend()
    asked: list[str] = []

    def fault(operation: str, path: str) -> str:
        if operation == "get" and "manifests/catalog" in path and not asked:
            asked.append(path)  # after the root was looked for
            run(initialise(storage.initialiser(), WORKSPACE, HandClock(1), SeededChance(1)))
        return ""

    storage = ScopedStorage(backend, WORKSPACE)
    backend.fault = fault
    made = run(initialise(storage.initialiser(), WORKSPACE, HandClock(9), SeededChance(9)))
    assert made.opened.root.created_at_ms == 1


def test_a_root_that_names_no_probe_is_corrupt() -> None:
    stage = Stage()
    fields = {f: getattr(stage.opened.root, f) for f in stage.opened.root.__struct_fields__}
    stage.put(ROOT_KEY, encode(Root(**fields | {"probe": "../x"})))
    with pytest.raises(Corrupt, match="names no probe"):
        run(open_workspace(stage.storage.reader().read, WORKSPACE))


def test_a_writer_that_opens_asks_once_and_leaves_nothing() -> None:
    stage = Stage()
    before = names(stage.backend)
    stage.backend.requests.clear()
    run(check_creates(stage.opened, stage.stores.create))
    assert dict(stage.backend.requests) == {"create": 1}
    assert names(stage.backend) == before


def test_what_is_no_workspace_or_anothers_is_refused() -> None:
    stage = Stage()
    other = ScopedStorage(stage.backend, Workspace("acme", "other"))
    with pytest.raises(Invalid, match="no such workspace"):
        run(open_workspace(other.reader().read, Workspace("acme", "other")))
    root = stage.opened.root
    moved = Root(**{f: getattr(root, f) for f in root.__struct_fields__} | {"tenant": "evil"})
    for raw in (encode(moved), b"", stage.raw(ROOT_KEY)[:-1]):
        stage.put(ROOT_KEY, raw)
        with pytest.raises(Corrupt):
            run(open_workspace(stage.storage.reader().read, WORKSPACE))
