"""Records as bytes: one spelling, and whatever else is stored is `Corrupt`, never a traceback."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from arco.core.canonical import NUMBER_MAX, RECORD_BYTES_MAX, decode, encode
from arco.core.errors import Corrupt, Invalid
from arco.core.ids import digest
from arco.core.keys import (
    DomainHintKey,
    DomainManifestKey,
    DomainName,
    FloorKey,
    LedgerKey,
    LockKey,
    PinKey,
)
from arco.core.records import Hint, LeaseState, LockRecord, Pin
from arco.publish.initialise import ROOT_KEY, open_workspace
from arco.verify import Verifier
from tests.arco.collector.test_collect import collector, grow
from tests.arco.keys_kit import ULID
from tests.arco.storage_kit import CATALOG, WORKSPACE, Stage, run

HINT = Hint(domain=CATALOG, version=1, manifest_hash=digest(b""), floor_number=0)
RAW = encode(HINT)


def said(word: bytes) -> bytes:
    """Return the hint with other bytes in the place of its version."""
    return RAW.replace(b'"version":1', b'"version":' + word)


BAD = {
    "nothing": b"",
    "cut off": RAW[:-1],
    "two": RAW + RAW,
    "white space": RAW + b"\n",
    "no record": b"[]",
    "nul": RAW.replace(b"catalog", b"cata\x00og"),
    "not UTF-8": RAW.replace(b"catalog", b"\xff\xfe"),
    "half a surrogate pair": RAW.replace(b"catalog", b"\\ud800"),
    "escaped where it need not be": RAW.replace(b"catalog", b"\\u0063atalog"),
    "byte order mark": b"\xef\xbb\xbf" + RAW,
    "UTF-16": RAW.decode().encode("utf-16"),
    "twice the same key": RAW[:-1] + b',"version":1}',
    "unknown key": RAW[:-1] + b',"x":1}',
    "not a number": said(b"NaN"),
    "infinite": said(b"1e999"),
    "fraction": said(b"1.0"),
    "negative": said(b"-1"),
    "beyond exact numbers": said(str(NUMBER_MAX + 1).encode()),
    "beyond 64 bits": said(str(2**64).encode()),
    "thousands of digits": said(b"9" * 100_000),
    "deep": said(b"[" * 100_000),
    "deep and closed": said(b"[" * 100_000 + b"]" * 100_000),
    "deep under an unknown key": RAW[:-1] + b',"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "too large": RAW[:-1] + b" " * RECORD_BYTES_MAX + b"}",
    "later format": RAW.replace(b'"format_version":1', b'"format_version":2'),
    "format of many digits": RAW.replace(
        b'"format_version":1', b'"format_version":' + b"9" * 5_000
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bytes_that_are_no_record_are_corrupt_and_say_where(name: str) -> None:
    with pytest.raises(Corrupt, match="key=`here`"):
        decode(BAD[name], Hint, where="here")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (BAD["too large"], "record too large: key=`here`"),
        (BAD["later format"], "record of another format: key=`here` format_version=`2`"),
        (
            BAD["unknown key"].replace(b'"format_version":1', b'"format_version":2'),
            "record of another format: key=`here` format_version=`2`",
        ),
    ],
)
def test_what_is_too_large_or_of_a_later_format_is_called_so(raw: bytes, problem: str) -> None:
    with pytest.raises(Corrupt) as caught:
        decode(raw, Hint, where="here")
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize("name", BAD)
def test_whoever_reads_such_bytes_says_so(name: str) -> None:
    stage, bad = Stage(), BAD[name]
    lease = stage.acquire("a")
    seen = grow(stage, lease, 2)
    key = DomainManifestKey(CATALOG, 3)
    for other, act in (
        (key, lambda: stage.newest(seen)),
        (FloorKey(CATALOG, 1), lambda: stage.newest(seen)),
        (DomainHintKey(CATALOG), stage.newest),
        (LockKey(CATALOG), lambda: run(stage.leases.acquire(seen, "b"))),
        (LockKey(CATALOG), lambda: run(stage.leases.force_break(CATALOG, "operator"))),
        (PinKey(CATALOG, ULID), lambda: run(collector(stage).collect(CATALOG))),
        (ROOT_KEY, lambda: run(open_workspace(stage.stores.read, WORKSPACE))),
    ):
        before = run(stage.backend.inner.get(WORKSPACE.locate(other)))
        stage.put(other, bad)
        with pytest.raises(Corrupt) as caught:
            act()
        assert other.path in caught.value.problem
        assert caught.value.next_step
        verified = run(Verifier(stage.storage.reader().read, WORKSPACE).verify())
        assert not verified.whole or isinstance(other, PinKey)
        if before is None:
            stage.remove(other)
        else:
            stage.put(other, before.body)


@pytest.mark.parametrize("version", [0, NUMBER_MAX])
def test_numbers_at_the_limits_are_read(version: int) -> None:
    hint = msgspec.structs.replace(HINT, version=version)
    assert decode(encode(hint), Hint, where="") == hint


def lock(**changes: Any) -> LockRecord:
    fields = {"holder": "a", "fencing_token": 1, "nonce": "n", "written_at_ms": 0, **changes}
    return LockRecord(domain=CATALOG, state=LeaseState.HELD, **fields)


@pytest.mark.parametrize(
    "record",
    [
        lock(fencing_token=-1),
        lock(fencing_token=NUMBER_MAX + 1),
        lock(fencing_token=2**64),
        lock(holder="\ud800"),
        lock(holder="x" * RECORD_BYTES_MAX),
        msgspec.structs.replace(HINT, version=2**200),
    ],
)
def test_what_nobody_could_read_is_not_written(record: LockRecord | Hint) -> None:
    with pytest.raises(Invalid, match=r"record cannot be written|record too large"):
        encode(record)


def test_a_token_at_the_limit_is_told_and_the_lock_stays() -> None:
    stage = Stage()
    full = encode(lock(fencing_token=NUMBER_MAX, holder="b"))
    stage.put(LockKey(CATALOG), full)
    stage.clock.pass_ms(10**6)
    with pytest.raises(Invalid, match="cannot be written"):
        stage.acquire("a")
    assert stage.raw(LockKey(CATALOG)) == full


@pytest.mark.parametrize(
    "more",
    [
        {"positions": {f"{number:0100}": 1 for number in range(200_000)}},
        {"positions": {"p": -1}},
        {"positions": {"p": 2**64}},
        {"writer": "\ud800"},
    ],
    ids=["too large", "negative", "beyond 64 bits", "no text"],
)
def test_a_version_that_nobody_could_read_is_never_published(more: dict[str, Any]) -> None:
    stage = Stage()
    lease = stage.acquire("a")
    with pytest.raises(Invalid):
        stage.commit(lease, **more)
    assert stage.newest().head.version == 0
    stage.commit(lease)


def test_a_version_whose_ulid_is_none_is_corrupt() -> None:
    stage = Stage()
    first = stage.commit(stage.acquire("a"))
    for changes in ({"commit_ulid": "zzz"}, {"events_root": "zzz"}):
        bad = {"version": 2, "parent_hash": first.head.digest, **changes}
        stage.put(
            DomainManifestKey(CATALOG, 2),
            encode(msgspec.structs.replace(first.head.manifest, **bad)),
        )
        with pytest.raises(Corrupt, match="no ulid, or no digest"):
            stage.newest(first)


@pytest.mark.parametrize("ulid", ["bad", "", "7" + "Z" * 25, "8" + "0" * 25])
def test_a_ulid_without_a_date_is_in_no_key(ulid: Any) -> None:
    with pytest.raises(Invalid):
        LedgerKey(CATALOG, ulid)
    with pytest.raises(Invalid):
        LedgerKey.parse(f"ledger/catalog/9999-12-31/{ulid}.segment.json")
    with pytest.raises(Invalid):
        WORKSPACE.parse(f"{WORKSPACE.prefix}ledger/catalog/9999-12-31/{ulid}.segment.json")


def test_a_pin_of_a_negative_version_is_not_made() -> None:
    pin = Pin(
        domain=DomainName.CATALOG,
        version=-1,
        manifest_hash=digest(b""),
        reason="",
        pinned_at_ms=0,
        expires_at_ms=0,
    )
    with pytest.raises(Invalid, match="cannot be written"):
        encode(pin)
