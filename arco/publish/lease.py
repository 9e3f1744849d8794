"""The lease of a domain, and all that can only come from one: token, permit, what issues permits.

A lease is efficiency, not safety: creating the next version decides who commits. So nothing here
has to be right about time for a history to be right; it only has to keep writers out of each
other's way. The holder counts its own life on its own monotonic clock, from before it asked, and
stops earlier than anybody may take over.

Python hides nothing: what is minted here is known by identity and checked at every use, which
guards against mistakes. The policies of the cloud guard against malice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn, final
from weakref import WeakValueDictionary

from arco.capabilities import Chance, Clock, LockStore, Read, Stored, StoreVersion, Tasks, Updated
from arco.core.canonical import decode, encode
from arco.core.errors import ArcoError, Corrupt, Fenced, Unavailable
from arco.core.keys import DomainName, LockKey
from arco.core.records import DRIFT_MS, LEASE_MS, SKEW_MS, LeaseState, LockRecord
from arco.publish.sight import Seen

PERMIT_MS = 10_000
"""How long a permit may be used; never past its lease."""
NONCE_BYTES = 16
BACKOFF_FIRST_MS = 50
BACKOFF_MAX_MS = 2_000
LOOKS_MAX = 8
"""How often the outcome of an own swap is looked for before it is called unknown."""


@dataclass(frozen=True, slots=True)
class LeaseStep:
    """One thing that can happen to a lock record, and what it costs where all is answered."""

    name: str
    before: LeaseState
    after: LeaseState
    token: str
    requests: int


LEASE_STEPS = (
    LeaseStep("acquire", LeaseState.RELEASED, LeaseState.HELD, "+1", 2),
    LeaseStep("take over, expired", LeaseState.HELD, LeaseState.HELD, "+1", 2),
    LeaseStep("renew", LeaseState.HELD, LeaseState.HELD, "stays", 1),
    LeaseStep("adopt", LeaseState.HELD, LeaseState.HELD, "stays", 1),
    LeaseStep("release", LeaseState.HELD, LeaseState.RELEASED, "stays", 1),
    LeaseStep("force break", LeaseState.HELD, LeaseState.RELEASED, "stays", 2),
)
"""The life of a lease: a test takes each step, and the guide's diagram is drawn from it."""


@final
class _Mint:
    """What only this module can show, so that type checkers refuse a call from elsewhere."""

    __slots__ = ()


_MINT = _Mint()
_MINTED: WeakValueDictionary[int, Minted] = WeakValueDictionary()
"""What was minted and is alive, by identity: nothing is asked whether it equals something."""


class Minted:
    """The base of what only this module makes: not by calling, copying, pickling, subclassing."""

    __slots__ = ("__weakref__",)

    def __init__(self, mint: _Mint) -> None:
        if mint is not _MINT:
            raise TypeError(f"{type(self).__name__} comes from a lease: acquire or adopt one")
        _MINTED[id(self)] = self

    def __init_subclass__(cls) -> None:
        if cls.__module__ != __name__:
            raise TypeError(f"nobody else makes a {cls.__mro__[1].__name__}")

    def __copy__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be copied")

    def __deepcopy__(self, memo: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be copied")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot leave its process")


def check_minted(thing: Minted) -> None:
    """Raise `Fenced` unless this very object was made here."""
    if _MINTED.get(id(thing)) is not thing:
        raise Fenced(f"not made by a lease: kind=`{type(thing).__name__}`")


@final
class FencingToken(Minted):
    """A number that grows with every new holder of a domain's lease."""

    __slots__ = ("_domain", "_value")

    def __init__(self, mint: _Mint, domain: DomainName, value: int) -> None:
        super().__init__(mint)
        self._domain, self._value = domain, value

    @property
    def domain(self) -> DomainName:
        """Whose lease it comes from."""
        return self._domain

    @property
    def value(self) -> int:
        """The number, from 1 on."""
        return self._value


@final
class PublishPermit(Minted):
    """Permission to create one version of one domain, once, for a short time."""

    __slots__ = ("_lease", "_seen", "_spent", "_until_ms")

    def __init__(self, mint: _Mint, lease: Lease, seen: Seen, until_ms: int) -> None:
        super().__init__(mint)
        self._lease, self._seen, self._until_ms, self._spent = lease, seen, until_ms, False

    @property
    def seen(self) -> Seen:
        """The version that the permit expects to follow."""
        return self._seen

    @property
    def token(self) -> FencingToken:
        """The token under which it was issued."""
        return self._lease.token

    async def spend(self) -> None:
        """Use the permit up. Raises `Fenced` where it is not good any more.

        Costs a read of the lock where the lease was adopted, and nothing where it is held.
        """
        check_minted(self)
        if self._spent:
            raise Fenced(f"permit was used before: domain=`{self.seen.head.domain}`")
        self._spent = True
        await self._lease.confirm()
        if self._lease.now_ms() >= self._until_ms:
            raise Fenced(f"permit has expired: domain=`{self.seen.head.domain}`")


@final
class PermitIssuer(Minted):
    """Issues permits for as long as its lease is held."""

    __slots__ = ("_lease",)

    def __init__(self, mint: _Mint, lease: Lease) -> None:
        super().__init__(mint)
        self._lease = lease

    def issue(self, seen: Seen) -> PublishPermit:
        """Return a permit to create the version after the one that was seen. No request.

        Raises `Fenced` when the lease is over, is of another domain, or is older than what was
        seen.
        """
        check_minted(self)
        lease, manifest = self._lease, seen.head.manifest
        check_minted(lease.token)
        lease.check_alive()
        if manifest.domain != lease.token.domain:
            raise Fenced(
                f"lease of another domain: lease=`{lease.token.domain}` seen=`{manifest.domain}`"
            )
        if manifest.fencing_token > lease.token.value:
            raise Fenced(
                f"stale token: domain=`{manifest.domain}` token=`{lease.token.value}` "
                f"newest=`{manifest.fencing_token}`"
            )
        return PublishPermit(_MINT, lease, seen, min(lease.until_ms, lease.now_ms() + PERMIT_MS))


class Lease(Minted):
    """A lease that this process acquired, or adopted from the process that asked it to work."""

    __slots__ = ("_clock", "_over", "token", "until_ms")

    def __init__(self, mint: _Mint, clock: Clock, token: FencingToken, until_ms: int) -> None:
        super().__init__(mint)
        self._clock, self._over = clock, False
        self.token = token
        self.until_ms = until_ms
        """When it ends for this process, on its monotonic clock."""

    def now_ms(self) -> int:
        """Return the monotonic clock of the process that has the lease."""
        return self._clock.monotonic_ms()

    def check_alive(self) -> None:
        """Raise `Fenced` when the lease is over: released, lost or expired."""
        check_minted(self)
        if self._over or self.now_ms() >= self.until_ms:
            raise Fenced(f"lease is over: domain=`{self.token.domain}` token=`{self.token.value}`")

    async def confirm(self) -> None:
        """Make sure, as well as it goes, that the lease is still this process's."""
        self.check_alive()

    def permit_issuer(self) -> PermitIssuer:
        """Return what issues permits under this lease."""
        check_minted(self)
        self.check_alive()
        return PermitIssuer(_MINT, self)

    def end(self) -> None:
        """Let nothing be published under this lease any more; says nothing to the store."""
        self._over = True


@final
class HeldLease(Lease):
    """A lease that this process acquired, and renews or releases."""

    __slots__ = ("record", "version")

    def __init__(
        self,
        mint: _Mint,
        clock: Clock,
        record: LockRecord,
        version: StoreVersion,
        until_ms: int,
    ) -> None:
        super().__init__(
            mint, clock, FencingToken(mint, record.domain, record.fencing_token), until_ms
        )
        self.record, self.version = record, version


@final
class AdoptedLease(Lease):
    """A lease that another process holds and this one works under, by its token."""

    __slots__ = ("_leases",)

    def __init__(
        self, mint: _Mint, clock: Clock, leases: Leases, token: FencingToken, until_ms: int
    ) -> None:
        super().__init__(mint, clock, token, until_ms)
        self._leases = leases

    async def confirm(self) -> None:
        """Read the lock again. Raises `Fenced` when it is not held under this token. One read."""
        self.check_alive()
        await self._leases.check_held(self.token.domain, self.token.value)


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else held the lease, or was faster each time, until the caller's patience ended."""

    holder: str
    fencing_token: int


@dataclass(frozen=True, slots=True)
class _Look:
    """A lock record as it was read."""

    record: LockRecord
    version: StoreVersion


class Leases:
    """Acquires, renews, releases, breaks and adopts leases over the lock records of a workspace.

    Requests: `acquire` of a free lease 2 (read, swap), `renew` 1, `release` 1, `adopt` 1,
    `force_break` 2; one more read for each swap whose outcome was not answered.
    """

    def __init__(
        self,
        read: Read[LockKey],
        update: LockStore,
        clock: Clock,
        chance: Chance,
        tasks: Tasks,
    ) -> None:
        self._read, self._update = read, update
        self._clock, self._chance, self._tasks = clock, chance, tasks
        self._watched: dict[DomainName, tuple[str, int]] = {}
        """The nonce that was last seen in each lock, and since when."""

    async def acquire(self, seen: Seen, holder: str, patience_ms: int = 0) -> HeldLease | Busy:
        """Return the lease of the domain that was seen, or who has it when patience ended.

        The token is one more than the greater of the lock's and the newest manifest's, so that a
        lock lost or restored elsewhere fences nobody out. A lock is watched from call to call, so
        that one left behind by a clock that is ahead is taken over without patience too. Raises
        `Corrupt` for a lock that is missing or unreadable, `Unavailable` when the outcome of the
        swap is unknown.
        """
        domain = seen.head.domain
        deadline_ms = self._clock.monotonic_ms() + patience_ms
        pause_ms, lost = BACKOFF_FIRST_MS, 0
        while True:
            look = await self._look(domain)
            now_ms = self._clock.monotonic_ms()
            if self._may_take(look.record, self._unchanged_ms(look.record, now_ms)):
                token = max(look.record.fencing_token, seen.head.manifest.fencing_token) + 1
                lease = await self._take(look, holder, token)
                if lease is not None:
                    return lease
                lost += 1
                if lost < LOOKS_MAX:  # whoever was faster is there to be seen
                    continue
            if now_ms >= deadline_ms:
                return Busy(look.record.holder, look.record.fencing_token)
            await self._tasks.sleep_ms(min(pause_ms, deadline_ms - now_ms))
            pause_ms = min(pause_ms * 2, BACKOFF_MAX_MS)

    async def renew(self, lease: HeldLease) -> None:
        """Hold on for another `LEASE_MS`. Raises `Fenced` when somebody took it: stop."""
        lease.check_alive()
        asked_ms = self._clock.monotonic_ms()
        look = _Look(lease.record, lease.version)
        swapped = await self._swap(look, self._record(look.record, LeaseState.HELD))
        if swapped is None:  # or an earlier renewal landed, whose answer was lost
            look = await self._look(lease.token.domain)
            same_holder = look.record.holder == lease.record.holder
            if same_holder and _is_held(look.record, lease.token.value):
                swapped = await self._swap(look, self._record(look.record, LeaseState.HELD))
        if swapped is None:
            lease.end()
            raise Fenced(
                f"lease was taken over: domain=`{lease.token.domain}` token=`{lease.token.value}`"
            )
        lease.record, lease.version = swapped.record, swapped.version
        lease.until_ms = asked_ms + LEASE_MS - DRIFT_MS

    async def release(self, lease: HeldLease) -> None:
        """Give the lease back; the token stays in the record. Nothing to do where it was taken."""
        check_minted(lease)
        lease.end()
        look = _Look(lease.record, lease.version)
        await self._swap(look, self._record(look.record, LeaseState.RELEASED))

    async def force_break(self, domain: DomainName, operator: str) -> bool:
        """End whatever lease is held, for an operator; say whether the record was swapped.

        The token stays, so that the next holder's is greater than that of the one cut off.
        """
        look = await self._look(domain)
        record = self._record(look.record, LeaseState.RELEASED, holder=operator)
        return await self._swap(look, record) is not None

    async def adopt(self, domain: DomainName, token: int) -> AdoptedLease:
        """Return a lease to work under the one that another process holds. One read.

        Raises `Fenced` when the lock is not held under that token.
        """
        asked_ms = self._clock.monotonic_ms()
        await self.check_held(domain, token)
        until_ms = asked_ms + LEASE_MS - DRIFT_MS
        return AdoptedLease(_MINT, self._clock, self, FencingToken(_MINT, domain, token), until_ms)

    async def check_held(self, domain: DomainName, token: int) -> None:
        """Raise `Fenced` unless the lock is held under that very token. One read."""
        record = (await self._look(domain)).record
        if not _is_held(record, token):
            raise Fenced(
                f"lock is not held under this token: domain=`{domain}` token=`{token}` "
                f"lock=`{record.fencing_token}` state=`{record.state}`"
            )

    def _unchanged_ms(self, record: LockRecord, now_ms: int) -> int:
        """Return for how long the same bytes have been seen, by this process's own clock."""
        nonce, since_ms = self._watched.get(record.domain, ("", now_ms))
        if nonce != record.nonce:
            since_ms = now_ms
        self._watched[record.domain] = record.nonce, since_ms
        return now_ms - since_ms

    def _may_take(self, record: LockRecord, unchanged_ms: int) -> bool:
        """Say whether a lease is free, by its state, by wall clocks, or by having watched it."""
        if record.state is LeaseState.RELEASED:
            return True
        overdue_ms = self._clock.utc_ms() - (record.written_at_ms + record.lease_ms)
        return overdue_ms > SKEW_MS or unchanged_ms >= LEASE_MS + DRIFT_MS

    async def _take(self, look: _Look, holder: str, token: int) -> HeldLease | None:
        asked_ms = self._clock.monotonic_ms()
        record = self._record(look.record, LeaseState.HELD, holder=holder, token=token)
        swapped = await self._swap(look, record)
        if swapped is None:
            return None
        until_ms = asked_ms + LEASE_MS - DRIFT_MS
        return HeldLease(_MINT, self._clock, swapped.record, swapped.version, until_ms)

    async def _swap(self, look: _Look, record: LockRecord) -> _Look | None:
        """Swap a lock record; None when another stood there. Looks where no answer came.

        A swap that lands late finds another version and does nothing, so an outcome that was seen
        does not change any more.
        """
        key, raw = LockKey(record.domain), encode(record)
        for attempt in range(LOOKS_MAX):
            try:
                answer = await self._update.update(key, raw, look.version)
                if isinstance(answer, Updated):
                    return _Look(record, answer.version)
                if attempt == 0:
                    return None
                found = await self._look(record.domain)  # an earlier attempt may have landed
                return found if found.record.nonce == record.nonce else None
            except Unavailable:
                await self._tasks.sleep_ms(BACKOFF_FIRST_MS * (attempt + 1))
            except ArcoError as refused:
                if attempt == 0:
                    raise
                raise _unknown(key, "a later attempt was refused") from refused
        raise _unknown(key, f"not answered: attempts=`{LOOKS_MAX}`")

    async def _look(self, domain: DomainName) -> _Look:
        key = LockKey(domain)
        stored: Stored | None = await self._read.get(key)
        if stored is None:
            raise Corrupt(
                f"no lock: key=`{key.path}`", next_step="run `arco init` to complete the workspace"
            )
        record = decode(stored.body, LockRecord, where=key.path)
        if record.domain != domain:
            raise Corrupt(f"lock of another place: key=`{key.path}` domain=`{record.domain}`")
        return _Look(record, stored.version)

    def _record(
        self, before: LockRecord, state: LeaseState, *, holder: str = "", token: int = 0
    ) -> LockRecord:
        return LockRecord(
            domain=before.domain,
            state=state,
            holder=holder or before.holder,
            fencing_token=max(before.fencing_token, token),
            nonce=self._chance.take(NONCE_BYTES).hex(),
            written_at_ms=self._clock.utc_ms(),
        )


def _is_held(record: LockRecord, token: int) -> bool:
    return record.state is LeaseState.HELD and record.fencing_token == token


def _unknown(key: LockKey, why: str) -> Unavailable:
    return Unavailable(
        f"outcome of a lock's swap unknown: {why} key=`{key.path}`",
        next_step="acquire again later: a lease that was taken unnoticed expires by itself",
    )
