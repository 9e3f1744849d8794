"""Pages without a script in headless Chromium: nothing refused, nothing fetched, nothing cut off.

Needs Debian's `chromium`, the Python package `playwright` and, for the accessibility check, `npm`;
what is not there makes a test could_not_run, with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb", reason="could_not_run: duckdb is not installed")
pytest.importorskip("pyarrow", reason="could_not_run: pyarrow is not installed")

from audit.history import page, query, store
from audit.trust import diff_pages, unblock_pages
from audit.trust.diff import diff
from audit.trust.fragile import fragile
from audit.trust.mending import World
from audit.trust.unblock import unblock
from tests.audit.history.history_kit import made_up
from tests.audit.trust import trust_kit as kit

STATUSES = ("GO", "PARTIAL", "NO-GO", "BLOCKED-EXTERNAL")


def _history(folder: Path) -> bytes:
    runs = [
        made_up(
            n,
            subject=f"s{n // 2}",
            signals={f"G0-{k:03d}": STATUSES[(n + k) % 4] for k in range(30)},
            owners={f"G0-{k:03d}": f"role {k % 3}" for k in range(30)},
            cells={
                f"cell-{k}": ["failed", "passed"] if n % 5 == k else ["passed"] for k in range(5)
            },
        )
        for n in range(90)
    ]
    store.add(folder / "store", runs)
    with query.opened(folder / "store") as history:
        return page.page(page.ask(history))


def _red() -> Any:
    return kit.ended("lint", "failed")(kit.tested("tests.test_a.test_1", "failed")(kit.green()))


def _unblock(bundle: Any) -> bytes:
    world = World(bundle.plan, bundle.facts)
    found = unblock(world)
    gates = fragile(world) if found.verdict == "GO" else ()
    return unblock_pages.as_html(found, gates, run=bundle.name)


PAGES: dict[str, Callable[[Path], bytes]] = {
    "history": _history,
    "diff": lambda _: diff_pages.as_html(diff(kit.green(), _red())),
    "unblock-red": lambda _: _unblock(_red()),
    "unblock-green": lambda _: _unblock(kit.green()),
}


@pytest.fixture(scope="module", params=PAGES)
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    path = folder / f"{request.param}.html"
    path.write_bytes(PAGES[request.param](folder))
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_shown_whole(browser: Any, address: str, scheme: str, width: int) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True
    )
    shown = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(address)
    assert said == [], "the policy refused something"
    assert asked == [address]
    name = Path(address).stem
    if name == "history":
        assert shown.locator("svg[role=img]").count() == 2
        assert shown.locator("svg .mark").count() == 90
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert shown.locator("thead").first.is_visible(), "numbers keep their headings"
    paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light"), "the style was taken"
    folder = os.environ.get("ARCO_SCREENSHOTS")
    if folder:
        shown.screenshot(path=Path(folder) / f"{name}-{scheme}-{width}.png", full_page=True)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(browser: Any, address: str, axe: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, offline=True)
    shown = context.new_page()
    shown.goto(address)
    shown.evaluate(axe)
    assert shown.evaluate("axe.run().then((result) => result.violations)") == []
    context.close()
