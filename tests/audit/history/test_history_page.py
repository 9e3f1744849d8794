"""The page: no script, nothing from outside, and every word of others is only a word."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
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

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>\u202e{{ 7*7 }}"


class Tags(HTMLParser):
    """Tags and attributes of a page, and whether all were closed."""

    VOID = ("meta", "link", "img", "br", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


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
    tags = Tags(text)
    assert tags.open == []
    names = {tag for tag, _ in tags.seen}
    assert not names & {"script", "img", "iframe", "object", "link", "form", "base", "embed"}
    for _, attrs in tags.seen:
        assert not {name for name in attrs if name.startswith("on") or name == "style"}
        assert not {"src", "srcset", "action"} & attrs.keys()
        assert (attrs.get("href") or "#").startswith("#")
    assert "\u202e" not in text
    assert "49" not in re.findall(r"\{\{|49", text.replace("{{ 7*7 }}", ""))


def test_the_policy_names_the_style_by_its_digest(text: str) -> None:
    policy = next(
        attrs["content"] or ""
        for tag, attrs in Tags(text).seen
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert not re.search(r"url\(|@import|https?://", style[1])


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
