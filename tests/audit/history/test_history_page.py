"""The page: no script, nothing from outside, and every word of others is only a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("duckdb", reason="could_not_run: duckdb is not installed")
pytest.importorskip("pyarrow", reason="could_not_run: pyarrow is not installed")

import itertools

from audit.history import page, query, store
from audit.history.gather import Gathered
from audit.history.query import Owner
from tests.audit.history.history_kit import made_up
from tests.audit.render import page_kit
from tests.audit.render.page_kit import HOSTILE, Tags


def drawn(folder: Path, runs: list[Gathered]) -> str:
    store.add(folder, runs)
    with query.opened(folder) as history:
        return page.page(page.ask(history)).decode()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    runs = [
        made_up(
            n,
            audit=f"{HOSTILE}{n % 2}",
            label=HOSTILE,
            signals={HOSTILE: "GO" if n % 3 else "NO-GO"},
            owners={HOSTILE: HOSTILE},
            cells={HOSTILE: ["failed", "passed"]},
        )
        for n in range(12)
    ]
    return drawn(tmp_path_factory.mktemp("store"), runs)


def test_the_page_is_whole_and_has_no_script(text: str) -> None:
    page_kit.check_still(text)


def test_every_plot_has_a_title_and_a_text(text: str) -> None:
    tags = Tags(text).seen
    ids = {attrs["id"] for _, attrs in tags if "id" in attrs}
    plots = [attrs for tag, attrs in tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(plots) == 4
    for attrs in plots:
        assert set((attrs["aria-labelledby"] or "").split()) <= ids
    assert all(attrs.get("aria-hidden") or attrs in plots for tag, attrs in tags if tag == "svg")


def test_one_run_and_many_runs_are_drawn(tmp_path: Path) -> None:
    one = drawn(tmp_path / "one", [made_up(1)])
    assert "1 run of 1 audit, 1 of them GO" in one
    assert Tags(one).open == []
    runs = [made_up(n, signals={"A": "NO-GO"} if n == 700 else None) for n in range(1000)]
    many = drawn(tmp_path / "many", runs)
    assert many.count('class="mark ') <= page.POINTS_MAX
    assert many.count("mark s-nogo") == 1, "the one red run shows, however many share a point"
    assert "the worst of 5 runs at each point" in many
    assert len(many) < 200_000


def test_the_same_history_is_the_same_page(tmp_path: Path) -> None:
    runs = [made_up(n) for n in range(5)]
    assert drawn(tmp_path / "a", runs) == drawn(tmp_path / "b", runs[::-1])


@given(most=st.integers(0, 10**6))
def test_ticks_are_few_even_and_reach_the_top(most: int) -> None:
    found = page.ticks(most)
    assert found[0] == 0
    assert found[-1] >= max(most, 1) > found[-2]
    assert len({b - a for a, b in itertools.pairwise(found)}) == 1
    assert 2 <= len(found) <= page.TICKS + 1


@given(counts=st.tuples(*[st.integers(0, 50)] * 4))
def test_the_bar_of_an_owner_is_whole(counts: tuple[int, int, int, int]) -> None:
    made = page.bars(Owner("x", sum(counts), *counts, 0, 0, None))
    assert len(made) == sum(map(bool, counts))
    assert sum(float(bar["width"]) for bar in made) == pytest.approx(
        100 if sum(counts) else 0, abs=0.05
    )
