"""The page of the history in headless Chromium: nothing refused, nothing fetched, nothing cut off.

Needs Debian's `chromium` and the Python package `playwright`; what is not there makes a test
could_not_run, with the reason.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb", reason="could_not_run: duckdb is not installed")
pytest.importorskip("pyarrow", reason="could_not_run: pyarrow is not installed")

from audit.history import page, query, store
from tests.audit.history.history_kit import made_up

STATUSES = ("GO", "PARTIAL", "NO-GO", "BLOCKED-EXTERNAL")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip(
        "playwright.sync_api", reason="could_not_run: playwright is not installed"
    )
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    if not program:
        pytest.skip("could_not_run: no chromium on PATH; Debian: apt-get install chromium")
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--headless=new"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("history")
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
        (folder / "history.html").write_bytes(page.page(page.ask(history)))
    return (folder / "history.html").as_uri()


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
    assert shown.locator("svg[role=img]").count() == 2
    assert shown.locator("svg .mark").count() == 90
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert shown.locator("thead").first.is_visible(), "numbers keep their headings"
    paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light"), "the style was taken"
    folder = os.environ.get("ARCO_SCREENSHOTS")
    if folder:
        shown.screenshot(path=Path(folder) / f"history-{scheme}-{width}.png", full_page=True)
    context.close()
