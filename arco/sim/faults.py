"""What can go wrong with a request, and how often: plans, and tables of plans per seed.

A table holds a fixed list of plans and each seed weighs them in its own way, so that some seeds are
calm and slow, some lose replies, and some crash at every turn. Nothing here happens; the world does
what a plan says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from arco.sim.choices import Stream, Table, evenly


class Fault(Enum):
    """What becomes of a request."""

    NONE = "none"
    LOST = "lost"
    """The request never arrived; the caller hears that the outcome is unknown."""
    REPLY_LOST = "reply lost"
    """It took effect; the caller hears that the outcome is unknown."""
    LATE = "late"
    """The caller hears that the outcome is unknown, and it takes effect long after."""
    TWICE = "twice"
    """A library below asked again: it took effect twice, and the second answer is heard."""
    CRASH_BEFORE = "crash before"
    CRASH_IN_FLIGHT = "crash in flight"
    """The process dies; what it asked for takes effect later."""
    CRASH_TORN = "crash torn"
    """The process dies half-way through a local write."""
    CRASH_AFTER = "crash after"
    """It took effect; the process dies before it hears of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one request: the fault, and milliseconds before and after its effect."""

    fault: Fault = Fault.NONE
    before_ms: int = 1
    after_ms: int = 1


PLAIN = Plan()
SHORT_MS = (2, 3, 5, 9, 17)
NAP_MS = (120, 900, 4_000)
"""Past a retry."""
SLEEP_MS = (11_000, 26_000, 41_000, 95_000)
"""Past the skew, nearly a lease, past a lease, past a collection."""
LONG_MS = (*NAP_MS, *SLEEP_MS)


@dataclass(frozen=True, slots=True)
class Profile:
    """How often a seed does what, as weights against 1,000 for requests that are quick."""

    naps: float = 0
    sleeps: float = 0
    lost: float = 0
    crash: float = 0
    flights: float = 0
    """Requests that take effect long after, whether their process lives on or not."""


PROFILES = evenly(
    [
        Profile(),
        Profile(naps=8, sleeps=4, lost=4, crash=2),
        Profile(naps=70),
        Profile(sleeps=40),
        Profile(naps=20, sleeps=60, lost=10),
        Profile(naps=10, lost=70),
        Profile(sleeps=25, flights=45),
        Profile(naps=20, sleeps=5, lost=10, crash=35),
        Profile(naps=30, sleeps=30, lost=50, crash=15),
        Profile(naps=80, sleeps=80, lost=110, crash=20),
    ]
)

LOSSES = (Fault.LOST, Fault.REPLY_LOST, Fault.LATE, Fault.TWICE)
CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_IN_FLIGHT, Fault.CRASH_TORN, Fault.CRASH_AFTER)


def request_table(profile: Profile) -> Table[Plan]:
    """Return the plans for requests as a profile weighs them."""
    naps, sleeps = _waits(NAP_MS), _waits(SLEEP_MS)
    lost = [Plan(fault, 1, after) for fault in LOSSES for after in (1, 900, *LONG_MS)]
    crash = [Plan(fault, 1, after) for fault in CRASHES for after in (1, 4_000, 41_000)]
    weighed = [(PLAIN, 500.0), *_share(_waits(SHORT_MS), 500)]
    weighed += [*_share(naps, profile.naps), *_share(sleeps, profile.sleeps)]
    flights = [Plan(Fault.CRASH_IN_FLIGHT, 1, after) for after in SLEEP_MS]
    flights += [Plan(Fault.NONE, before, 1) for before in SLEEP_MS]
    weighed += [*_share(lost, profile.lost), *_share(crash, profile.crash)]
    return Table([*weighed, *_share(flights, profile.flights)])


def _waits(durations_ms: tuple[int, ...]) -> list[Plan]:
    """Return plans that wait before the effect, or after it."""
    before = [Plan(Fault.NONE, wait_ms, 1) for wait_ms in durations_ms]
    return before + [Plan(Fault.NONE, 1, wait_ms) for wait_ms in durations_ms]


def _share(plans: list[Plan], weight: float) -> Iterable[tuple[Plan, float]]:
    return ((plan, weight / len(plans)) for plan in plans)


_TABLES = {profile: request_table(profile) for profile in PROFILES.items}


def pick_table(stream: Stream) -> Table[Plan]:
    """Return the plans for requests of one seed."""
    return _TABLES[stream.pick(PROFILES)]


RESTART_MS = evenly([1, 50, 2_000, 36_000, 120_000])
"""How long a process that died stays down."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """How wrong the clocks of a seed are: offsets and jumps of wall clocks, monotonic rates."""

    sane: bool
    """Whether any two stay within the bounds that leases reckon with."""
    skew_ms: Table[int]
    rate: Table[float]
    jump_ms: Table[int]


SANE = Clocks(
    sane=True,
    skew_ms=evenly([0, -4_000, 4_000]),
    rate=evenly([1.0, 0.95, 1.05]),
    jump_ms=evenly([0]),
)
WILD = Clocks(
    sane=False,
    skew_ms=evenly([0, -9_000, 9_000, -70_000, 70_000, 1_000_000]),
    rate=evenly([1.0, 0.97, 1.03, 0.85, 1.15]),
    jump_ms=Table([(0, 6.0), (-40_000, 1.0), (40_000, 1.0), (-600_000, 1.0), (600_000, 1.0)]),
)
CLOCKS = evenly([SANE, WILD])
JUMP_AFTER_MS = evenly([20, 2_000, 20_000, 60_000])
EXPIRES_MS = Table([(None, 30.0), (300, 1.0), (9_000, 1.0), (50_000, 1.0)])
"""When, in a life of a process, its credential stops being good; None is never."""
