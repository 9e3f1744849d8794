"""What the command line asks of the simulator: run seeds, replay one, shrink it, plant bugs.

Values in, values out: nothing here prints, reads a clock, or starts a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pprint import pformat

from arco.sim.choices import Taken
from arco.sim.planted import BUGS, Bug, play_planted
from arco.sim.shrink import ATTEMPTS_MAX, shrink
from arco.sim.workloads import BROKE, Outcome, play

FAILURES_MAX = 10
"""Failures of one run that are kept; the run ends with the last of them."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed whose run violated something, and the command that shows it again."""

    seed: int
    violation: str
    command: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What seeds from `first_seed` on came to; sums are over all of them."""

    first_seed: int
    seeds: int
    steps: int
    requests: int
    versions: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The fewest departures from the plain run that were found to fail, and a test of them."""

    seed: int
    violation: str
    taken: Taken
    test: str


@dataclass(frozen=True, slots=True)
class Caught:
    """What became of a planted bug: the first seed that shows it, or None when none does.

    `passes` says whether the seeds up to there pass without the bug.
    """

    bug: Bug
    seed: int | None
    violation: str
    passes: bool

    @property
    def good(self) -> bool:
        """Whether the simulator told the bug from its absence within the stated seeds."""
        return self.seed is not None and self.passes


def run(first_seed: int, seeds: int, *, progress: Callable[[int], None] = lambda done: None) -> Ran:
    """Run that many seeds and judge them; ends early after `FAILURES_MAX` failures."""
    steps = requests = versions = done = 0
    failures: list[Failure] = []
    for seed in range(first_seed, first_seed + seeds):
        outcome = play(seed)
        done += 1
        steps += outcome.steps
        requests += outcome.requests
        versions += outcome.versions
        if outcome.violation:
            failures.append(Failure(seed, outcome.violation, command(seed)))
        if len(failures) == FAILURES_MAX:
            break
        progress(done)
    return Ran(first_seed, done, steps, requests, versions, tuple(failures))


def joined(runs: Iterable[Ran]) -> Ran:
    """Return what several runs of neighbouring seeds came to together."""
    parts = sorted(runs, key=lambda ran: ran.first_seed)
    failures = tuple(failure for part in parts for failure in part.failures)
    return Ran(
        parts[0].first_seed,
        sum(part.seeds for part in parts),
        sum(part.steps for part in parts),
        sum(part.requests for part in parts),
        sum(part.versions for part in parts),
        failures,
    )


def replay(seed: int, taken: Mapping[str, int] | None = None) -> Outcome:
    """Run one seed, or a list of its choices, and keep what happened as `trace`."""
    return play(seed, taken, traced=True)


def command(seed: int) -> str:
    """Return the command that shows a seed again."""
    return f"arco sim replay {seed}"


def shrunk(seed: int, attempts: int = ATTEMPTS_MAX) -> Shrunk | None:
    """Return the smallest failing list of choices that was found for a seed; None if it passes.

    A shorter list counts when what it violates begins with the same words, up to the colon.
    """
    outcome = play(seed)
    if not outcome.violation:
        return None
    kind = outcome.violation.partition(":")[0]

    def fails(taken: Taken) -> bool:
        return play(seed, taken).violation.partition(":")[0] == kind

    taken = shrink(outcome.taken, fails, attempts)
    return Shrunk(seed, play(seed, taken).violation, taken, test_of(seed, taken))


def test_of(seed: int, taken: Mapping[str, int]) -> str:
    """Return a test file that replays a list of choices, and passes once the run does."""
    choices = pformat(dict(taken), width=96)
    return f'''"""A run that failed, shrunk to what it needs. Made by `{command(seed)} --shrink`."""

from __future__ import annotations

from arco.sim.runs import replay

TAKEN = {choices}


def test_seed_{seed}() -> None:
    outcome = replay({seed}, TAKEN)
    assert not outcome.violation, outcome.violation
'''


def planted(names: Iterable[str] = ()) -> tuple[Caught, ...]:
    """Plant every bug, or those named, and say which were caught within their stated seeds."""
    wanted = set(names)
    return tuple(catch(bug) for bug in BUGS if not wanted or bug.name in wanted)


def catch(bug: Bug) -> Caught:
    """Run seeds with a bug in place until one shows it; that seed must pass without it.

    A bug that no longer fits the code it is planted in, and breaks it, is not caught.
    """
    for seed in range(bug.seeds):
        outcome = play_planted(bug, seed)
        if outcome.violation.startswith(BROKE):
            return Caught(bug, None, outcome.violation, False)
        if outcome.violation:
            passes = not play(seed, forced=bug.forced).violation
            return Caught(bug, seed, outcome.violation, passes)
    return Caught(bug, None, "", not run(0, bug.seeds).failures)
