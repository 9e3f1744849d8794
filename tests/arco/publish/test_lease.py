"""Leases: one holder at a time as far as clocks allow, a token that never goes back, no forgery."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arco.capabilities import Changed, StoreVersion
from arco.core.canonical import decode, encode
from arco.core.errors import Corrupt, Denied, Fenced, Unavailable
from arco.core.keys import LockKey
from arco.core.records import DRIFT_MS, LEASE_MS, SKEW_MS, LeaseState, LockRecord
from arco.publish.lease import (
    LEASE_STEPS,
    LOOKS_MAX,
    AdoptedLease,
    Busy,
    FencingToken,
    HeldLease,
    Lease,
    LeaseStep,
    PermitIssuer,
    PublishPermit,
)
from tests.arco.storage_kit import CATALOG, Stage, run

KEY = LockKey(CATALOG)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def lock(stage: Stage) -> LockRecord:
    return decode(stage.raw(KEY), LockRecord, where=KEY.path)


def test_a_lease_is_held_renewed_released_and_taken_again(stage: Stage) -> None:
    first = stage.acquire("a")
    assert (first.token.value, lock(stage).holder) == (1, "a")
    assert run(stage.leases.acquire(stage.newest(), "b")) == Busy("a", 1)
    stage.clock.pass_ms(LEASE_MS - DRIFT_MS - 1)
    run(stage.leases.renew(first))
    stage.clock.pass_ms(LEASE_MS - DRIFT_MS - 1)
    first.check_alive()
    run(stage.leases.release(first))
    assert lock(stage).state is LeaseState.RELEASED
    with pytest.raises(Fenced, match="lease is over"):
        first.check_alive()
    assert stage.acquire("b").token.value == 2


def test_an_expired_lease_is_taken_over_and_its_holder_stopped_earlier(stage: Stage) -> None:
    first = stage.acquire("a")
    stage.clock.pass_ms(LEASE_MS - DRIFT_MS)
    with pytest.raises(Fenced, match="lease is over"):
        first.permit_issuer()
    assert isinstance(run(stage.leases.acquire(stage.newest(), "b")), Busy)
    stage.clock.pass_ms(DRIFT_MS + SKEW_MS + 1)
    assert stage.acquire("b").token.value == 2


def test_wall_clocks_that_differ_a_little_take_no_lease(stage: Stage) -> None:
    stage.acquire("a")
    stage.clock.utc += LEASE_MS + SKEW_MS  # and no time has passed
    assert run(stage.leases.acquire(stage.newest(), "b")) == Busy("a", 1)
    stage.clock.utc += 1
    assert stage.acquire("b").token.value == 2


def test_a_lease_counts_from_before_it_was_asked_for(stage: Stage) -> None:
    slow_ms = 4_000

    def slow(operation: str, path: str) -> str:
        if operation == "update":
            stage.clock.pass_ms(slow_ms)
        return ""

    stage.backend.fault = slow
    asked_ms = stage.clock.monotonic
    lease = stage.acquire("a")
    assert lease.until_ms == asked_ms + LEASE_MS - DRIFT_MS
    asked_ms = stage.clock.monotonic
    run(stage.leases.renew(lease))
    assert lease.until_ms == asked_ms + LEASE_MS - DRIFT_MS


def test_a_contender_whose_clock_is_years_behind_takes_over_by_watching(stage: Stage) -> None:
    stage.acquire("a")
    stage.clock.utc = 0
    lease = stage.acquire("b", patience_ms=LEASE_MS + DRIFT_MS + 1)
    assert lease.token.value == 2


def test_a_lease_that_is_renewed_is_not_taken_by_watching(stage: Stage) -> None:
    first = stage.acquire("a")
    stage.tasks.meanwhile = lambda: run(stage.leases.renew(first))
    assert run(stage.leases.acquire(stage.newest(), "b", 4 * LEASE_MS)) == Busy("a", 1)


def test_a_holder_that_was_taken_over_learns_it_when_it_renews(stage: Stage) -> None:
    first = stage.acquire("a")
    run(stage.leases.force_break(CATALOG, "operator"))
    second = stage.acquire("b")
    with pytest.raises(Fenced, match="taken over"):
        run(stage.leases.renew(first))
    with pytest.raises(Fenced):
        first.permit_issuer()
    run(stage.leases.release(first))  # says nothing about the other's lease
    run(stage.leases.renew(second))


steps = st.lists(st.sampled_from(["acquire", "release", "break", "expire", "commit"]), max_size=12)


@given(steps)
def test_the_token_never_goes_back(said: list[str]) -> None:
    stage, lease, tokens = Stage(), None, [0]
    for step in said:
        match step:
            case "acquire":
                got = run(stage.leases.acquire(stage.newest(), "a"))
                lease = got if isinstance(got, HeldLease) else lease
                if isinstance(got, HeldLease):
                    assert got.token.value > tokens[-1]
            case "release" if lease:
                run(stage.leases.release(lease))
            case "break":
                run(stage.leases.force_break(CATALOG, "operator"))
            case "expire":
                stage.clock.pass_ms(LEASE_MS + SKEW_MS + 1)
            case "commit" if lease:
                try:
                    stage.commit(lease)
                except Fenced:
                    lease = None
        tokens.append(lock(stage).fencing_token)
    assert tokens == sorted(tokens)


def test_a_lock_that_was_lost_or_restored_fences_nobody(stage: Stage) -> None:
    for _ in range(3):
        run(stage.leases.release(stage.acquire("a")))
    old = stage.raw(KEY)
    for _ in range(3):
        run(stage.leases.release(stage.acquire("a")))
    lease = stage.acquire("a")
    stage.commit(lease)
    stage.put(KEY, old)  # a restore brought an old lock
    again = stage.acquire("b")
    assert again.token.value == lease.token.value + 1
    stage.commit(again)


def test_a_missing_or_broken_lock_is_corrupt(stage: Stage) -> None:
    seen = stage.newest()
    good = stage.raw(KEY)
    for bad in (
        b"",
        b"{}",
        good[:-1],
        good + b"\n",
        good.replace(b"catalog", b"executions"),
        good.replace(b'"fencing_token":0', b'"fencing_token":-1'),
    ):
        stage.put(KEY, bad)
        with pytest.raises(Corrupt):
            run(stage.leases.acquire(seen, "a"))
    later = encode(LockRecord(**{**_fields(lock_of(good)), "format_version": 2}))
    stage.put(KEY, later)
    with pytest.raises(Corrupt, match="another format"):
        run(stage.leases.acquire(seen, "a"))
    stage.remove(KEY)
    with pytest.raises(Corrupt, match="no lock"):
        run(stage.leases.acquire(seen, "a"))


def lock_of(raw: bytes) -> LockRecord:
    return decode(raw, LockRecord, where=KEY.path)


def _fields(record: LockRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


# --- swaps whose answer was lost ----------------------------------------------------------------


def on_locks(*said: str) -> Any:
    words = iter(said)
    return lambda op, path: next(words, "") if op == "update" else ""


@pytest.mark.parametrize("fault", ["before", "after", "late"])
def test_a_swap_without_an_answer_is_looked_for(stage: Stage, fault: str) -> None:
    stage.backend.fault = on_locks(fault)
    stage.tasks.meanwhile = stage.backend.land
    lease = stage.acquire("a")
    stage.backend.land()
    assert lock(stage).fencing_token == lease.token.value == 1
    run(stage.leases.renew(lease))


def test_a_swap_that_lands_late_does_not_undo_the_one_that_won(stage: Stage) -> None:
    stage.backend.fault = on_locks("late")
    lease = stage.acquire("a")
    before = stage.raw(KEY)
    stage.backend.land()
    assert stage.raw(KEY) == before
    lease.check_alive()


def test_a_store_that_stays_away_is_told_as_unknown(stage: Stage) -> None:
    stage.backend.fault = lambda op, path: "before" if op == "update" else ""
    with pytest.raises(Unavailable, match="not answered"):
        stage.acquire("a")


def test_a_refusal_after_an_unanswered_swap_is_unknown(stage: Stage) -> None:
    stage.backend.fault = on_locks("late", "denied")
    with pytest.raises(Unavailable, match="a later attempt was refused"):
        stage.acquire("a")
    stage.backend.land()
    assert lock(stage).holder == "a"  # as it may be
    stage.backend.fault = on_locks("denied")
    with pytest.raises(Denied):  # nothing was sent before: this one is sure
        run(stage.leases.force_break(CATALOG, "operator"))


def test_a_lock_that_goes_while_a_swap_is_unanswered_is_unknown(stage: Stage) -> None:
    seen = stage.newest()
    stage.backend.fault = on_locks("before")
    stage.tasks.meanwhile = lambda: stage.remove(KEY)
    with pytest.raises(Unavailable, match="a later attempt was refused"):
        run(stage.leases.acquire(seen, "a"))


def test_a_renewal_that_landed_unanswered_is_no_loss_of_the_lease(stage: Stage) -> None:
    lease = stage.acquire("a")
    stage.backend.fault = on_locks(*["late"] * LOOKS_MAX)
    with pytest.raises(Unavailable):
        run(stage.leases.renew(lease))
    stage.backend.land()
    run(stage.leases.renew(lease))
    lease.check_alive()
    assert lock(stage) == lease.record


def test_a_lock_that_changes_under_every_swap_ends_with_patience(stage: Stage) -> None:
    seen = stage.newest()

    async def never(path: str, body: bytes, expected: StoreVersion) -> Changed:
        stage.backend.requests["update"] += 1
        return Changed()

    stage.backend.update = never  # type: ignore[method-assign]
    stage.wire()
    stage.backend.requests.clear()
    assert isinstance(run(stage.leases.acquire(seen, "a", 1_000)), Busy)
    assert stage.backend.requests["update"] < 2 * LOOKS_MAX


def test_a_lock_from_a_clock_years_ahead_is_taken_without_patience(stage: Stage) -> None:
    stage.clock.utc += 10**12
    stage.acquire("a")  # and dies
    stage.clock.utc -= 10**12
    asked = 0
    while isinstance(run(stage.leases.acquire(stage.newest(), "b")), Busy):
        asked += 1
        stage.clock.pass_ms(1_000)
    assert asked == (LEASE_MS + DRIFT_MS) // 1_000


@pytest.mark.parametrize("step", LEASE_STEPS, ids=lambda step: step.name)
def test_each_step_does_and_costs_what_the_table_says(stage: Stage, step: LeaseStep) -> None:
    seen = stage.newest()
    lease = stage.acquire("a") if step.before is LeaseState.HELD else None
    before = lock(stage)
    assert before.state is step.before
    if step.name == "take over, expired":
        stage.clock.pass_ms(LEASE_MS + SKEW_MS + 1)
    stage.backend.requests.clear()
    match step.name:
        case "acquire" | "take over, expired":
            assert isinstance(run(stage.leases.acquire(seen, "b")), HeldLease)
        case "adopt":
            run(stage.leases.adopt(CATALOG, before.fencing_token))
        case "force break":
            assert run(stage.leases.force_break(CATALOG, "operator"))
        case "renew" if lease:
            run(stage.leases.renew(lease))
        case "release" if lease:
            run(stage.leases.release(lease))
    after = lock(stage)
    assert after.state is step.after
    assert after.fencing_token == before.fencing_token + (step.token == "+1")
    assert stage.backend.requests.total() == step.requests


# --- what cannot be made ------------------------------------------------------------------------


def test_fencing_token_unforgeable(stage: Stage) -> None:
    lease = stage.acquire("a")
    issuer = lease.permit_issuer()
    permit = issuer.issue(stage.newest())
    for kind in (FencingToken, PublishPermit, PermitIssuer, Lease, HeldLease, AdoptedLease):
        with pytest.raises(TypeError):
            kind(object(), *[lock(stage)] * 4)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"nobody else makes|not an acceptable base"):
            type("Mine", (kind,), {})
    for thing in (lease, lease.token, issuer, permit):
        for steal in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                steal(thing)
    forged: Any = object.__new__(PublishPermit)
    for name in ("_lease", "_seen", "_until_ms", "_spent"):
        setattr(forged, name, getattr(permit, name))
    with pytest.raises(Fenced, match="not made by a lease"):
        run(stage.publisher.publish(forged, stage.draft()))
    forged_issuer: Any = object.__new__(PermitIssuer)
    forged_issuer._lease = lease
    with pytest.raises(Fenced, match="not made by a lease"):
        forged_issuer.issue(stage.newest())
    assert stage.newest().head.version == 0


def test_what_equals_a_lease_is_none(stage: Stage) -> None:
    lease = stage.acquire("a")

    class Double:
        """Claims to be equal to everything, and has all that a lease is asked for."""

        until_ms, token = 10**12, lease.token

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return hash(lease)

        def check_alive(self) -> None: ...
        def now_ms(self) -> int:
            return 0

    double: Any = Double()
    with pytest.raises(Fenced, match="not made by a lease"):
        Lease.permit_issuer(double)
    issuer = lease.permit_issuer()
    lease.token = double
    with pytest.raises(Fenced, match="not made by a lease"):
        issuer.issue(stage.newest())


def test_the_bytes_of_a_lock_never_repeat(stage: Stage) -> None:
    seen = set()
    for _ in range(5):
        lease = stage.acquire("a")
        seen.add(stage.raw(KEY))
        run(stage.leases.release(lease))
        seen.add(stage.raw(KEY))
    assert len(seen) == 10


def test_an_old_version_of_a_lock_swaps_nothing(stage: Stage) -> None:
    lease = stage.acquire("a")
    before, lease.version = stage.raw(KEY), StoreVersion("m0")
    run(stage.leases.release(lease))
    assert stage.raw(KEY) == before
