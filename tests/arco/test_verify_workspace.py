"""Verifying a workspace: nothing found where all is whole, and each damage found by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from arco.capabilities import Created
from arco.core.canonical import encode
from arco.core.errors import Denied, Invalid, Unavailable
from arco.core.ids import digest, make_ulid, ulid_after
from arco.core.keys import (
    DomainHintKey,
    DomainManifestKey,
    FloorKey,
    GenesisKey,
    Key,
    LedgerKey,
    LockKey,
    Workspace,
)
from arco.core.manifest import FoldedSegment, Manifest, state_key
from arco.core.records import Floor, Hint
from arco.publish.initialise import ROOT_KEY
from arco.verify import NEXT_STEPS, Severity, Verified, Verifier
from tests.arco.collector.test_collect import collector, grow, put_delta
from tests.arco.storage_kit import CATALOG, WORKSPACE, Stage, run

SEGMENT = LedgerKey(CATALOG, make_ulid(1, b"0" * 10))


@pytest.fixture
def stage() -> Stage:
    """Return a workspace with a floor at 4, versions 4 to 6, artifacts, a segment and a hint."""
    stage = Stage()
    lease = stage.acquire("a")
    grow(stage, lease, 5)
    answer = run(stage.storage.api().create.create(SEGMENT, b"events"))
    assert isinstance(answer, Created)
    segment = FoldedSegment(key=SEGMENT.path, digest=digest(b"events"), first=1, last=1)
    stage.clock.pass_ms(1_000)
    stage.commit(lease, segments=(segment,), **put_delta(stage, 6))
    run(collector(stage).collect(CATALOG, keep_versions=3))
    return stage


def verify(stage: Stage) -> Verified:
    return run(Verifier(stage.storage.reader().read, WORKSPACE).verify())


def test_a_whole_workspace_has_no_findings(stage: Stage) -> None:
    verified = verify(stage)
    assert verified.whole
    assert verified.findings == ()
    assert verified.domains == {"catalog": 6, "executions": 0, "orchestration": 0}
    assert (verified.manifests, verified.artifacts, verified.segments) == (5, 3, 1)
    assert verified.artifact_bytes == 3 * len(b"rows of 6")


def test_what_verifying_costs(stage: Stage) -> None:
    stage.backend.requests.clear()
    verify(stage)
    root, ends, guides = 1, 2, 2  # a lock and a hint for each domain
    floors, manifests, artifacts, segments = 2 + 1 + 1, 3 + 1 + 1, 3, 1
    read = root + floors + manifests + artifacts + segments + 3 * (ends + guides)
    assert dict(stage.backend.requests) == {"get": read}


def artifact_of(stage: Stage, version: int) -> Any:
    manifest = run(stage.sight.newest(CATALOG)).head.manifest
    assert manifest.version == version
    return state_key(str(manifest.deltas[0].key))


Damage = Callable[[Stage], None]
V5, V6 = DomainManifestKey(CATALOG, 5), DomainManifestKey(CATALOG, 6)
DAMAGES: dict[str, tuple[str, Damage]] = {
    "root gone wrong": ("root", lambda s: s.put(ROOT_KEY, b"{}")),
    "root of another": (
        "root",
        lambda s: s.put(ROOT_KEY, s.raw(ROOT_KEY).replace(b"acme", b"evil")),
    ),
    "root changed": (
        "chain",
        lambda s: s.put(
            ROOT_KEY, s.raw(ROOT_KEY).replace(b'"created_at_ms":1', b'"created_at_ms":2')
        ),
    ),
    "genesis gone": ("manifest", lambda s: s.remove(GenesisKey(s.opened.root.domains[1]))),
    "floor gone": ("floor", lambda s: s.remove(FloorKey(CATALOG, 0))),
    "floor wrong": ("floor", lambda s: s.put(FloorKey(CATALOG, 1), b"{}")),
    "floor swapped": ("floor", lambda s: s.put(FloorKey(CATALOG, 1), s.raw(FloorKey(CATALOG, 0)))),
    "version at the floor gone": ("manifest", lambda s: s.remove(DomainManifestKey(CATALOG, 4))),
    "version in the middle gone": ("hint", lambda s: s.remove(V5)),
    "newest version gone": ("hint", lambda s: s.remove(V6)),
    "version cut off": ("manifest", lambda s: s.put(V5, s.raw(V5)[:-1])),
    "version of later format": (
        "manifest",
        lambda s: s.put(V5, s.raw(V5).replace(b'"format_version":1', b'"format_version":2')),
    ),
    "version changed": (
        "chain",
        lambda s: s.put(V5, s.raw(V5).replace(b'"writer":"test"', b'"writer":"evil"')),
    ),
    "version swapped for an older": ("manifest", lambda s: s.put(V6, s.raw(V5))),
    "artifact gone": ("artifact", lambda s: s.remove(artifact_of(s, 6))),
    "artifact changed": ("artifact", lambda s: s.put(artifact_of(s, 6), b"rows of 7")),
    "artifact longer": ("artifact", lambda s: s.put(artifact_of(s, 6), b"rows of 66")),
    "segment gone": ("segment", lambda s: s.remove(SEGMENT)),
    "segment changed": ("segment", lambda s: s.put(SEGMENT, b"other")),
    "lock gone": ("lock", lambda s: s.remove(LockKey(CATALOG))),
    "lock wrong": ("lock", lambda s: s.put(LockKey(CATALOG), b"\x00")),
    "hint gone": ("hint", lambda s: s.remove(DomainHintKey(CATALOG))),
    "hint wrong": ("hint", lambda s: s.put(DomainHintKey(CATALOG), b"[]")),
    "hint lies": ("hint", lambda s: s.put(DomainHintKey(CATALOG), lie(s, 5))),
    "hint of what never was": ("hint", lambda s: s.put(DomainHintKey(CATALOG), lie(s, 99))),
}


def lie(stage: Stage, version: int) -> bytes:
    hint = Hint(domain=CATALOG, version=version, manifest_hash=digest(b"lie"), floor_number=1)
    return encode(hint)


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_found(stage: Stage, name: str) -> None:
    code, damage = DAMAGES[name]
    damage(stage)
    verified = verify(stage)
    assert not verified.whole
    assert code in {finding.code for finding in verified.findings}, verified.findings
    later = name == "version of later format"
    assert all(f.key and f.text for f in verified.findings)
    assert all(later or f.next_step == NEXT_STEPS[f.code] for f in verified.findings)


@pytest.mark.parametrize(
    "key", [ROOT_KEY, FloorKey(CATALOG, 1), V5, LockKey(CATALOG), DomainHintKey(CATALOG)]
)
def test_what_a_later_release_wrote_is_not_to_be_restored(stage: Stage, key: Key) -> None:
    raw = stage.raw(key).replace(b'"format_version":1', b'"format_version":2')
    stage.put(key, raw)
    (finding,) = verify(stage).findings
    assert finding.key == key.path
    assert finding.next_step == "use the release of arco that wrote this, or a later one"


def test_a_version_that_cannot_be_read_does_not_make_the_hint_wrong(stage: Stage) -> None:
    stage.put(V6, stage.raw(V6)[:-1])
    stage.put(DomainHintKey(CATALOG), lie(stage, 6))
    assert [finding.code for finding in verify(stage).findings] == ["manifest"]


def test_every_kind_of_finding_is_shown_by_a_damage() -> None:
    assert {code for code, _ in DAMAGES.values()} == set(NEXT_STEPS)


def test_an_artifact_is_read_in_blocks(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arco.verify.BLOCK_BYTES", 4)
    stage.backend.paths.clear()
    assert verify(stage).findings == ()
    path = WORKSPACE.locate(artifact_of(stage, 6))
    assert stage.backend.paths.count(path) == 3  # 4 + 4 + 1 bytes
    stage.put(artifact_of(stage, 6), b"rows of 7")
    assert [finding.code for finding in verify(stage).findings] == ["artifact"]


def test_a_lock_restored_from_before_is_a_note(stage: Stage) -> None:
    old = Stage()
    stage.put(LockKey(CATALOG), old.raw(LockKey(CATALOG)))
    verified = verify(stage)
    assert verified.whole
    assert [(f.code, f.severity) for f in verified.findings] == [("lock", Severity.NOTE)]


def test_a_collector_that_works_meanwhile_is_no_damage(stage: Stage) -> None:
    done: list[object] = []

    def fault(op: str, path: str) -> str:
        if path.endswith(V5.path) and not done:
            done.append(None)
            done.append(run(collector(stage).collect(CATALOG, keep_versions=1)))
        return ""

    stage.backend.fault = fault
    verified = verify(stage)
    assert done
    assert verified.findings == ()


@pytest.mark.parametrize("name", ["artifact changed", "artifact gone", "segment gone", "hint lies"])
def test_a_collector_that_works_meanwhile_hides_no_damage(stage: Stage, name: str) -> None:
    code, damage = DAMAGES[name]
    damage(stage)
    done: list[object] = []

    def fault(op: str, path: str) -> str:
        if path.endswith(LockKey(CATALOG).path) and not done:
            done.append(None)
            raise_floor(stage, 2, 5)
        return ""

    stage.backend.fault = fault
    verified = verify(stage)
    assert code in {finding.code for finding in verified.findings}
    assert verified.manifests == 4  # versions 5 and 6, and two domains that are empty


def raise_floor(stage: Stage, number: int, version: int) -> None:
    """Raise a floor by hand, where a collector would see the damage and stop."""
    floor = Floor(
        domain=CATALOG,
        number=number,
        version=version,
        manifest_hash=digest(stage.raw(DomainManifestKey(CATALOG, version))),
        removed_root=digest(b""),
        raised_at_ms=0,
    )
    stage.put(FloorKey(CATALOG, number), encode(floor))


def test_who_is_slower_than_collectors_does_not_call_it_damage(stage: Stage) -> None:
    stage.remove(LockKey(CATALOG))  # so that there is something to find in every walk
    number = 1

    def fault(op: str, path: str) -> str:
        nonlocal number
        if path.endswith(LockKey(CATALOG).path):
            number += 1
            raise_floor(stage, number, 6)
        return ""

    stage.backend.fault = fault
    with pytest.raises(Unavailable, match="faster than the domain was read"):
        verify(stage)


def test_two_versions_that_say_different_things_of_an_artifact_are_told(stage: Stage) -> None:
    manifest = msgspec.json.decode(stage.raw(V6), type=Manifest)
    other = msgspec.structs.replace(manifest.deltas[0], digest=digest(b"lie"))
    head = digest(stage.raw(V6))
    ulid = ulid_after(manifest.commit_ulid, 0, b"0" * 10)
    changes = {"version": 7, "parent_hash": head, "deltas": (other,), "commit_ulid": ulid}
    stage.put(DomainManifestKey(CATALOG, 7), encode(msgspec.structs.replace(manifest, **changes)))
    assert {finding.code for finding in verify(stage).findings} == {"artifact"}


def test_a_writer_that_works_meanwhile_is_no_damage(stage: Stage) -> None:
    lease = stage.acquire("b", patience_ms=120_000)
    done: list[object] = []

    def fault(op: str, path: str) -> str:
        if path.endswith(V6.path) and op == "get" and not done:
            done.append(None)
            stage.clock.pass_ms(1_000)
            done.append(stage.commit(lease))
        return ""

    stage.backend.fault = fault
    assert verify(stage).findings == ()


def test_progress_is_told() -> None:
    stage, told = Stage(), list[tuple[str, int]]()
    grow(stage, stage.acquire("a"), 2)
    verifier = Verifier(
        stage.storage.reader().read, WORKSPACE, lambda what, count: told.append((what, count))
    )
    run(verifier.verify([CATALOG]))
    assert told == [("catalog", 1), ("catalog", 2), ("catalog", 3)]


def test_no_workspace_and_no_answer_are_errors_and_not_findings(stage: Stage) -> None:
    other = Workspace("acme", "none")
    reader = type(stage.storage)(stage.backend, other).reader()
    with pytest.raises(Invalid, match="no such workspace"):
        run(Verifier(reader.read, other).verify())
    for word, kind in (("before", Unavailable), ("denied", Denied)):
        stage.backend.fault = lambda op, path, word=word: word if "state" in path else ""  # type: ignore[misc]
        with pytest.raises(kind):
            verify(stage)


def test_what_may_not_be_read_is_no_finding_where_absence_is_told_by_a_refusal(
    stage: Stage,
) -> None:
    stage.backend.forbidden = True
    stage.backend.fault = lambda op, path: "unreadable" if "state" in path else ""
    with pytest.raises(Denied):
        verify(stage)


def test_what_is_lost_is_found_where_absence_is_told_by_a_refusal(stage: Stage) -> None:
    lost = (artifact_of(stage, 6), LockKey(CATALOG), DomainHintKey(CATALOG))
    for key in lost:
        stage.remove(key)
    stage.backend.forbidden = True
    found = verify(stage).findings
    assert [(f.code, f.key) for f in found] == [
        ("hint", lost[2].path),
        ("artifact", lost[0].path),
        ("lock", lost[1].path),
    ]
    assert all("or a right is missing" in f.text for f in found)
