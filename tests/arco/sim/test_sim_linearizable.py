"""The checker, on histories made by hand, and against trying every order."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arco.sim.histories import History
from arco.sim.linearizable import NEVER, Call, ChainModel, Model, RegisterModel, explain
from tests.arco.sim.sim_toys import Toy, fails_without_reading_back

GOOD = {
    "nothing": [],
    "one after another": [
        Call("a", ("append", "x"), 1, 1, 2),
        Call("b", ("append", "y"), 2, 3, 4),
        Call("c", ("read",), (2, "y"), 5, 6),
    ],
    "a read beside a write may see it or not": [
        Call("a", ("append", "x"), 1, 1, 10),
        Call("b", ("read",), (0, None), 2, 3),
        Call("b", ("read",), (1, "x"), 4, 5),
    ],
    "an unknown outcome that took effect": [
        Call("a", ("append", "x"), None, 1, NEVER),
        Call("b", ("read",), (0, None), 2, 3),
        Call("b", ("read",), (1, "x"), 4, 5),
    ],
    "an unknown outcome that never did": [
        Call("a", ("append", "x"), None, 1, NEVER),
        Call("b", ("append", "y"), 1, 2, 3),
        Call("b", ("read",), (1, "y"), 4, 5),
    ],
    "a refusal has no effect": [
        Call("a", ("append", "x"), 1, 1, 2),
        Call("b", ("append", "y"), None, 1, 3),
        Call("b", ("read",), (1, "x"), 4, 5),
    ],
}
BAD = {
    "two winners of one version": [
        Call("a", ("append", "x"), 1, 1, 4),
        Call("b", ("append", "y"), 1, 2, 3),
    ],
    "a stale read": [
        Call("a", ("append", "x"), 1, 1, 2),
        Call("b", ("read",), (0, None), 3, 4),
    ],
    "a read that goes back": [
        Call("a", ("append", "x"), 1, 1, 10),
        Call("b", ("read",), (1, "x"), 2, 3),
        Call("b", ("read",), (0, None), 4, 5),
    ],
    "an acknowledged write is lost": [
        Call("a", ("append", "x"), 1, 1, 2),
        Call("b", ("append", "y"), 1, 3, 4),
    ],
    "told as failed, and seen": [
        Call("a", ("append", "x"), None, 1, 2),
        Call("b", ("read",), (1, "x"), 3, 4),
    ],
    "read before it was asked for": [
        Call("b", ("read",), (1, "x"), 1, 2),
        Call("a", ("append", "x"), None, 3, NEVER),
    ],
    "a number left out": [Call("a", ("append", "x"), 2, 1, 2)],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_history_that_makes_sense_is_explained(name: str) -> None:
    found = explain(GOOD[name], ChainModel())
    assert found is not None
    assert {c for c in GOOD[name] if c.ended != NEVER} <= set(found)


@pytest.mark.parametrize("name", BAD)
def test_a_history_that_makes_no_sense_is_found(name: str) -> None:
    assert explain(BAD[name], ChainModel()) is None


def test_a_register_swaps_what_it_expects() -> None:
    calls = [
        Call("a", ("swap", None, 1), True, 1, 5),
        Call("b", ("swap", None, 2), False, 2, 4),
        Call("c", ("read",), 1, 6, 7),
    ]
    assert explain(calls, RegisterModel())
    assert explain([*calls, Call("c", ("swap", 1, 3), False, 8, 9)], RegisterModel()) is None


def every_order(calls: list[Call], model: Model) -> bool:
    """Say by trying every order, and every choice of unknown calls, whether one makes sense."""
    told = [call for call in calls if call.ended != NEVER]
    unknown = [call for call in calls if call.ended == NEVER]
    chosen = (c for size in range(len(unknown) + 1) for c in combinations(unknown, size))
    return any(_fits(order, model) for some in chosen for order in permutations([*told, *some]))


def _fits(order: tuple[Call, ...], model: Model) -> bool:
    for at, call in enumerate(order):
        if any(later.ended < call.began for later in order[at + 1 :]):
            return False
    states: set[Hashable] = {model.start()}
    for call in order:
        states = {after for state in states for after in model.take(state, call)}
    return bool(states)


@st.composite
def histories(draw: st.DrawFn, *, chain: bool) -> list[Call]:
    """Return up to five calls with moments and answers that may be nonsense."""
    count = draw(st.integers(0, 5))
    moments = draw(st.permutations(range(2 * count)))
    calls = []
    for at in range(count):
        began, ended = sorted(moments[2 * at : 2 * at + 2])
        ended = NEVER if draw(st.integers(0, 4)) == 0 else ended
        small = st.integers(0, 2)
        asked: tuple[object, ...]
        answer: object
        if chain and draw(st.booleans()):
            asked, answer = ("append", at), draw(st.sampled_from([None, 1, 2, 3]))
        elif chain:
            version = draw(small)
            asked = ("read",)
            answer = (version, draw(st.sampled_from(range(count)))) if version else (0, None)
        else:
            asked, answer = draw(
                st.one_of(
                    st.tuples(st.tuples(st.just("write"), small), st.none()),
                    st.tuples(st.just(("read",)), st.none() | small),
                    st.tuples(st.tuples(st.just("swap"), small, small), st.booleans()),
                )
            )
        calls.append(Call("x", asked, answer, began, ended))
    return calls


@settings(max_examples=300, deadline=None)
@given(histories(chain=True))
def test_chains_are_judged_as_by_trying_every_order(calls: list[Call]) -> None:
    assert (explain(calls, ChainModel()) is not None) == every_order(calls, ChainModel())


@settings(max_examples=300, deadline=None)
@given(histories(chain=False))
def test_registers_are_judged_as_by_trying_every_order(calls: list[Call]) -> None:
    assert (explain(calls, RegisterModel()) is not None) == every_order(calls, RegisterModel())


def test_a_history_keeps_the_calls_that_were_never_answered() -> None:
    history = History()
    first, second = history.begin("a", "append", "x"), history.begin("b", "read")
    history.end(second, (0, None))
    assert [(call.who, call.ended) for call in history.all()] == [("b", 3), ("a", NEVER)]
    history.end(first, 1)
    assert [call.answer for call in history.all()] == [(0, None), 1]


def test_a_log_that_reads_back_makes_sense_whatever_goes_wrong() -> None:
    assert all(Toy(seed).run() for seed in range(150))


def test_a_log_that_does_not_read_back_is_caught() -> None:
    assert any(fails_without_reading_back(seed) for seed in range(100))
