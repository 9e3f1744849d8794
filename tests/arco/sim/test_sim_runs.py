"""Whole runs: the services pass, planted bugs do not, and what fails is told, shrunk and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arco.publish.publisher import Publisher
from arco.sim import runs, tampering
from arco.sim.planted import BUGS, BY_NAME, Bug, planted, play_planted
from arco.sim.scenes import Habits
from arco.sim.workloads import MIXES, play

ROOT = Path(__file__).parents[3]
SEEDS = 120
QUICK = 60
"""Bugs that need no more seeds are planted in every test run; all of them at night."""


def test_the_services_keep_every_rule() -> None:
    seen: list[int] = []
    ran = runs.run(0, SEEDS, progress=seen.append)
    assert ran.failures == ()
    assert (ran.seeds, seen) == (SEEDS, list(range(1, SEEDS + 1)))
    assert ran.versions > 4 * SEEDS
    assert ran.requests > 100 * SEEDS


@pytest.mark.parametrize("seed", [731955290, 731987822])
def test_seeds_that_failed_once_pass(seed: int) -> None:
    """A pin of a void version said what lives; a lease was broken, and the reply was lost."""
    assert not runs.replay(seed).violation


@pytest.mark.nightly
def test_the_services_keep_every_rule_at_night() -> None:
    assert runs.run(1_000_000, 5_000).failures == ()


@pytest.mark.parametrize("bug", [b for b in BUGS if b.seeds <= QUICK], ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    caught = runs.catch(bug)
    assert caught.good, caught


@pytest.mark.nightly
@pytest.mark.parametrize("bug", [b for b in BUGS if b.seeds > QUICK], ids=lambda bug: bug.name)
def test_a_planted_bug_that_hides_is_caught(bug: Bug) -> None:
    caught = runs.catch(bug)
    assert caught.good, caught


def test_bugs_are_at_least_fifteen_and_have_names_of_their_own() -> None:
    assert len(BY_NAME) == len(BUGS) >= 15
    assert sum(bug.seeds <= QUICK for bug in BUGS) >= 15


def test_nothing_of_a_bug_is_left() -> None:
    bug = BY_NAME["no-floor-check"]
    right = Publisher._check_floor
    with planted(bug):
        assert Publisher._check_floor is not right
    assert Publisher._check_floor is right
    with pytest.raises(ZeroDivisionError), planted(bug):
        raise ZeroDivisionError
    assert Publisher._check_floor is right


def test_a_bug_that_is_none_is_not_caught() -> None:
    caught = runs.catch(Bug("none", "nothing is wrong", 5))
    assert (caught.seed, caught.passes, caught.good) == (None, True, False)


def test_a_bug_that_does_not_fit_the_code_is_not_caught() -> None:
    caught = runs.catch(Bug("misfit", "breaks", 5, ((Publisher, "_check_floor", None),)))
    assert caught.violation.startswith("the code broke: TypeError")
    assert not caught.good


def test_planted_takes_names() -> None:
    (caught,) = runs.planted(["token-reset"])
    assert caught.bug is BY_NAME["token-reset"]
    assert caught.good


def test_a_store_that_overwrites_is_refused_when_the_workspace_is_made() -> None:
    outcome = play(0, {}, habits=Habits(store_overwrites=True))
    assert outcome.violation.startswith("the store does not honour create-if-absent")


def test_a_failing_seed_is_told_shrunk_and_kept_as_a_test(tmp_path: Path) -> None:
    with planted(BY_NAME["unknown-is-failed"]):
        ran = runs.run(0, 60)
        failure = ran.failures[0]
        assert failure.command == f"arco sim replay {failure.seed}"
        small = runs.shrunk(failure.seed, attempts=400)
        assert small is not None
        assert small.violation.partition(":")[0] == failure.violation.partition(":")[0]
        assert len(small.taken) < len(play(failure.seed).taken) // 3
        assert runs.replay(failure.seed, small.taken).violation == small.violation
    assert not runs.replay(failure.seed, small.taken).violation
    kept = tmp_path / "test_kept.py"
    kept.write_text(small.test, encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(kept)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_run_ends_after_enough_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "FAILURES_MAX", 2)
    with planted(BY_NAME["token-reset"]):
        ran = runs.run(0, 60)
    assert len(ran.failures) == 2
    assert ran.seeds < 60


def test_a_seed_that_passes_shrinks_to_nothing() -> None:
    assert runs.shrunk(0) is None


def test_runs_of_neighbours_are_told_as_one() -> None:
    first, second = runs.run(0, 3), runs.run(3, 4)
    assert runs.joined([second, first]) == runs.run(0, 7)


def test_a_replay_tells_what_happened_and_is_the_same_run() -> None:
    outcome, again = runs.replay(7), runs.replay(7)
    assert outcome == again
    assert outcome.trace[0][1:3] == ("init", "get")
    assert runs.replay(7, outcome.taken).trace == outcome.trace


TRACES = """
import hashlib
from arco.sim.runs import replay
print(hashlib.sha256(repr([replay(seed) for seed in range(25)]).encode()).hexdigest())
"""


def test_a_run_of_the_services_means_the_same_in_every_process() -> None:
    said = set()
    for hash_seed in ("0", "77"):
        environ = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-c", TRACES]
        done = subprocess.run(
            words, cwd=ROOT, env=environ, capture_output=True, text=True, check=True
        )
        said.add(done.stdout)
    assert len(said) == 1


@pytest.mark.parametrize("at", range(len(tampering.ACTS)), ids=lambda at: tampering.ACTS[at].name)
@pytest.mark.parametrize("mix", range(len(MIXES)))
def test_what_a_hand_does_is_refused_or_harmless(mix: int, at: int) -> None:
    taken = {"tamper/1": at, "cast/1": mix, "cast/3": 2, "writer-0/9": 1}
    outcome = runs.replay(0, taken)
    assert not outcome.violation
    name = tampering.ACTS[at].name
    assert name in [line[2] for line in outcome.trace] or name.startswith("artifact")


def test_a_verifier_that_sees_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(*_: object) -> None:
        return None

    monkeypatch.setattr(tampering, "_verifies", blind)
    ends = [play_planted(Bug("blind", "", 1), seed).violation for seed in range(20)]
    assert any(end.startswith("verify ended in error=``") for end in ends)
