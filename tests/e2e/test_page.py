"""The report page in headless Chromium: looks, keys, accessibility, size, hostile logs.

Needs Debian's `chromium`, the Python package `playwright` and, for the accessibility check, `npm`
(axe-core is installed by name into a temporary folder). What is not there makes a test
could_not_run, with the reason. Screenshots go to `$ARCO_SCREENSHOTS` where that is set.
"""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from audit.render import report, tracker

OPEN_MS_MAX = 2000
"""A page of 5,000 cells and 1,000 signals must be usable by then."""
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
LOG = (
    b"\x1b[1mcollected 3 items\x1b[0m\n"
    + b"".join(b"tests/test_core.py::test_%d PASSED\n" % n for n in range(900))
    + b"tests/test_core.py::test_close FAILED\nneedle <b>one</b>\nneedle two\n"
)


def _worlds() -> ModuleType:
    path = Path(__file__).parents[1] / "audit" / "render" / "worlds.py"
    spec = importlib.util.spec_from_file_location("page_worlds", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


worlds = _worlds()


def write(folder: Path, world: Any, log: Callable[[str], bytes] = lambda _: LOG) -> str:
    """Write the page of a world and return its address."""
    plan, run, facts, decision = world
    made = tracker.build(plan, facts, decision, folder=worlds.FOLDER, plan_root=run.plan_root)

    def logs(path: str) -> report.LogExcerpt:
        return report.LogExcerpt.of(log(path))

    path = folder / "report.html"
    path.write_bytes(report.page(report.ReportView(plan, run, facts, decision, made, logs)))
    return path.as_uri()


class Visit:
    """A page that was opened, with everything that it complained about or asked for."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**({"viewport": DESKTOP} | options))
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, address: str) -> Any:
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def sees(self, title: str) -> None:
        """Wait until the page that is shown has this title; moving between them takes a moment."""
        self.page.wait_for_function(
            "(title) => document.querySelector('#detail h1')?.textContent === title", arg=title
        )

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.textContent.trim()"))


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    opened: list[Visit] = []

    def start(**options: Any) -> Visit:
        opened.append(Visit(browser, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.context.close()


# --- looks ----------------------------------------------------------------------------------------

VIEWS = [
    ("overview", "", "light", DESKTOP),
    ("overview", "", "dark", DESKTOP),
    ("overview", "", "light", PHONE),
    ("signals", "#signals", "light", DESKTOP),
    ("commands", "#commands", "dark", PHONE),
    ("commands", "#commands", "light", DESKTOP),
    ("cell", "#cell/tests", "light", DESKTOP),
    ("cell", "#cell/tests", "dark", PHONE),
    ("signal", "#signal/G2-001", "dark", DESKTOP),
    ("gate", "#gate/4", "light", PHONE),
    ("evidence", "#evidence", "light", DESKTOP),
    ("search", "#find/core", "light", DESKTOP),
]
NAMES = [f"{name}-{theme}-{size['width']}" for name, _, theme, size in VIEWS]


@pytest.mark.parametrize(("name", "part", "theme", "size"), VIEWS, ids=NAMES)
def test_every_view_is_quiet_fits_and_asks_nobody(
    visit: Callable[..., Visit],
    tmp_path: Path,
    name: str,
    part: str,
    theme: str,
    size: dict[str, int],
) -> None:
    one = visit(viewport=size, color_scheme=theme)
    page = one.open(write(tmp_path, worlds.toy()) + part)
    target = Path(os.environ.get("ARCO_SCREENSHOTS") or tmp_path)
    target.mkdir(parents=True, exist_ok=True)
    picture = target / f"{name}-{theme}-{size['width']}.png"
    page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 10_000
    assert one.complaints == []
    assert [url for url in one.requests if not url.startswith("file:")] == []
    assert len(one.requests) == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("name", "part", "theme", "size"), VIEWS, ids=NAMES)
def test_axe_finds_nothing(
    visit: Callable[..., Visit],
    axe: str,
    tmp_path: Path,
    name: str,
    part: str,
    theme: str,
    size: dict[str, int],
) -> None:
    one = visit(viewport=size, color_scheme=theme, bypass_csp=True)
    page = one.open(write(tmp_path, worlds.toy()) + part)
    page.evaluate(axe)
    found = page.evaluate("axe.run().then((result) => result.violations)")
    told = [(item["id"], [node["html"] for node in item["nodes"]][:3]) for item in found]
    assert told == [], json.dumps(told, indent=1)


def test_print_holds_all_signals_and_failures(visit: Callable[..., Visit], tmp_path: Path) -> None:
    page = visit().open(write(tmp_path, worlds.toy()) + "#cell/tests")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("#print tbody tr").count() == 7 + 2
    assert page.locator("h1#verdict").is_visible()
    assert not page.locator("#detail").is_visible()
    assert not page.locator(".top").is_visible()
    assert len(page.pdf(format="A4")) > 20_000


def test_without_a_script_the_top_is_still_there(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    one = visit(java_script_enabled=False)
    one.page.goto(write(tmp_path, worlds.toy()))
    text = one.page.inner_text("main")
    for part in ("NO-GO", "G2-001", "Core Platform", "mend what", "Storage / manifest", "fefefe"):
        assert part in text
    assert "need JavaScript" in text
    assert one.complaints == []


def test_the_theme_can_be_chosen(visit: Callable[..., Visit], tmp_path: Path) -> None:
    page = visit(color_scheme="light").open(write(tmp_path, worlds.toy()))
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.click("#theme")
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: dark"
    assert page.get_attribute("#theme", "aria-label") == "Theme: dark, change to auto"
    assert page.evaluate(paper) == "rgb(18, 21, 26)"
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(paper) == "rgb(18, 21, 26)"


WIDTHS = (360, 400, 520, 640, 760, 761, 820, 900, 1024, 1152, 1280, 1440, 1600)
MISPLACED = """() => [...document.querySelectorAll(".badge, .claim")].filter((badge) => {
  const room = badge.closest("td, .tile, .step, .title, li");
  const own = badge.getBoundingClientRect();
  if (!own.width) return false;
  const outer = room.getBoundingClientRect();
  const look = getComputedStyle(room);
  const left = outer.left + parseFloat(look.paddingLeft) - 0.5;
  const right = outer.right - parseFloat(look.paddingRight) + 0.5;
  const meets = [...badge.parentElement.children].some((other) => {
    const box = other.getBoundingClientRect();
    return other !== badge && !other.contains(badge) && box.left < own.right - 0.5
      && own.left < box.right - 0.5 && box.top < own.bottom - 0.5 && own.top < box.bottom - 0.5;
  });
  return own.left < left || own.right > right || meets;
}).map((badge) => `${badge.textContent} in ${badge.parentElement.outerHTML.slice(0, 200)}`)"""


def test_no_badge_leaves_its_room(visit: Callable[..., Visit], tmp_path: Path) -> None:
    address = write(tmp_path, worlds.waiting())
    one = visit()
    for part in ("", "#signals", "#commands", "#gate/4", "#signal/G4-001", "#cell/bench"):
        one.page.goto("about:blank")
        page = one.open(address + part)
        assert page.locator(".badge:visible").count() > 0
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(MISPLACED) == [], (part, width)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


# --- keys -----------------------------------------------------------------------------------------


def test_keyboard_path(visit: Callable[..., Visit], tmp_path: Path) -> None:
    one = visit()
    page = one.open(write(tmp_path, worlds.toy()))
    one.press("Tab")
    assert one.focused() == "Skip to the report"
    one.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    one.press("j")
    assert one.focused() == "tests"
    one.press("j", "j", "k")
    assert one.focused() == "G2-001"
    one.press("Enter")
    one.sees("G2-001")
    one.press("j")
    one.sees("G2-002")
    one.press("k")
    one.sees("G2-001")
    one.press("k")
    one.sees("G0-002")
    one.press("Escape")
    one.sees("Signals")
    one.press("c")
    one.sees("Commands")
    one.press("e")
    page.wait_for_function("() => document.activeElement.textContent === 'Evidence'")
    one.press("?")
    page.wait_for_selector("dialog#help[open]")
    one.press("Escape")
    page.wait_for_selector("dialog#help[open]", state="detached")
    one.press("o")
    page.wait_for_selector("#verdict")
    assert one.complaints == []


def test_search_finds_signals_and_commands(visit: Callable[..., Visit], tmp_path: Path) -> None:
    one = visit()
    page = one.open(write(tmp_path, worlds.toy()))
    one.press("/")
    page.keyboard.type("sre")
    one.sees("Search: sre")
    assert page.locator("#detail a.go").all_inner_texts() == ["G4-001", "G4-002"]
    one.press("Escape")
    page.wait_for_selector("#verdict")
    assert page.input_value("#find") == ""


def test_blockers_by_owner_and_back(visit: Callable[..., Visit], tmp_path: Path) -> None:
    page = visit().open(write(tmp_path, worlds.toy()))
    groups = page.locator("#blockers .group th")
    assert groups.first.inner_text().startswith("Gate 2")
    page.click("text=By owner")
    assert groups.all_inner_texts() == ["Core Platform\n2 open", "SRE\n2 open"]
    page.click("text=By gate")
    assert groups.count() == 2
    assert page.locator("#blockers .owner").first.inner_text() == "Core Platform"


def test_filters(visit: Callable[..., Visit], tmp_path: Path) -> None:
    one = visit()
    page = one.open(write(tmp_path, worlds.toy()) + "#signals")
    rows = page.locator("#detail tbody tr")
    assert rows.count() == 7
    page.click("button:has-text('NO-GO 2')")
    assert rows.count() == 2
    page.select_option("select", "SRE")
    assert page.locator("#detail a.go").all_inner_texts() == ["G4-002"]
    one.press("Escape", "c")
    one.sees("Commands")
    page.select_option("select", "longest")
    assert page.locator("#detail tbody a.go").first.inner_text() == "tests"


# --- logs -----------------------------------------------------------------------------------------


def test_a_log_is_shown_and_searched(visit: Callable[..., Visit], tmp_path: Path) -> None:
    one = visit()
    page = one.open(write(tmp_path, worlds.toy()) + "#cell/tests")
    page.wait_for_selector(".l")
    assert page.text_content(".l >> nth=0") == "1collected 3 items"
    assert page.inner_text(".log-bar .n") == "904 lines"
    one.press("/")
    page.keyboard.type("needle")
    assert page.inner_text(".log-bar .n") == "2 matching lines"
    one.press("Enter")
    assert page.text_content(".l.at") == "903needle <b>one</b>"
    one.press("Enter")
    assert page.inner_text(".log-bar .n") == "2 of 2 matching lines"
    page.check(".log-bar input[type=checkbox]")
    assert page.locator(".l").count() == 2
    assert page.locator("mark").all_text_contents() == ["needle", "needle"]
    assert page.get_attribute(".log-bar a", "href") == "./command-logs/tests.log"


def test_a_long_log_shows_head_tail_and_the_cut(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    text = b"".join(b"line %d of a long log\n" % n for n in range(60_000))
    page = visit().open(write(tmp_path, worlds.toy(), lambda _: text) + "#cell/tests")
    page.wait_for_selector(".l")
    page.fill("#find-log", "line 59999")
    assert page.inner_text(".log-bar .n") == "1 matching line"
    page.fill("#find-log", "line 30000")
    assert page.inner_text(".log-bar .n") == "0 matching lines"
    page.fill("#find-log", "")
    assert "left out here; the file has them" in page.evaluate(
        "[...document.querySelectorAll('.chunk')].map((c) => (c.fill(), c.textContent)).join('')"
    )


def test_all_logs_are_searched(visit: Callable[..., Visit], tmp_path: Path) -> None:
    def log(path: str) -> bytes:
        return b"only here: needle\n" if "docs" in path else b"nothing\n"

    page = visit().open(write(tmp_path, worlds.toy(), log) + "#commands")
    page.fill("#find-all", "needle")
    page.press("#find-all", "Enter")
    page.wait_for_selector("text=1 log with")
    assert page.locator("#detail mark").all_text_contents() == ["needle"]


@pytest.mark.parametrize(
    ("lines", "line", "told"),
    [
        (
            [b"0 errors yet"] * 700 + [b"E   ValueError: gone"],
            "701",
            "first that speaks of an error",
        ),
        ([b"quiet"] * 600 + [b"the end"], "601", "no line speaks of an error"),
    ],
)
def test_its_log_leads_to_the_first_error_or_the_end(
    visit: Callable[..., Visit], tmp_path: Path, lines: list[bytes], line: str, told: str
) -> None:
    one = visit()
    text = b"\n".join([*lines, b""])
    page = one.open(write(tmp_path, worlds.toy(), lambda _: text))
    page.click(".causes a:has-text('its log')")
    one.sees("tests")
    page.wait_for_selector(".l.at")
    assert page.inner_text(".l.at i") == line
    assert told in page.inner_text(".log-bar .n")
    top = "document.querySelector('.l.at').getBoundingClientRect().top"
    page.wait_for_function(f"() => 0 < {top} && {top} < innerHeight")
    one.press("Escape")
    one.sees("Commands")
    assert one.complaints == []


def test_all_conditions_are_one_click_away(visit: Callable[..., Visit], tmp_path: Path) -> None:
    one = visit()
    page = one.open(write(tmp_path, worlds.waiting()))
    page.click("#blockers >> text=all 3 conditions")
    one.sees("G4-001")
    assert page.locator("h2:has-text('Conditions, 0 of 3 met')").is_visible()
    assert page.locator("#detail table:has(caption:text('Conditions')) tbody tr").count() == 3
    links = page.locator("#detail a[href='./command-logs/tests.log']")
    assert links.count() == 1


HOSTILE_PARTS = (
    "",
    "#signals",
    "#commands",
    "#cell/cell-0",
    "#signal/G8-001",
    "#gate/1",
    "#cell/%3Cscript%3Ealert(1)%3C/script%3E",
    "#find/%3Cimg src=x onerror=alert(1)%3E",
    "#cell/%E0%A4%A",
)


def test_hostile_content_does_nothing(visit: Callable[..., Visit], tmp_path: Path) -> None:
    evil = "\n".join((*worlds.HOSTILE, "<img src=x onerror=alert(1)>", "<svg onload=alert(2)>"))
    data = evil.encode("utf-8", "surrogateescape")
    one = visit()
    address = write(tmp_path, worlds.hostile(), lambda _: data)
    for part in HOSTILE_PARTS:
        one.page.goto("about:blank")
        page = one.open(address + part)
        page.wait_for_timeout(50)
        assert page.locator("main img, main script, main iframe, main [onerror]").count() == 0
        assert page.locator("main svg[onload]").count() == 0
    one.open(address + "#cell/cell-0").wait_for_selector(".l")
    assert "<img src=x onerror=alert(1)>" in one.page.text_content(".lines")
    assert one.complaints == []
    assert [url for url in one.requests if not url.startswith(("file:", "about:"))] == []


# --- size -----------------------------------------------------------------------------------------


def test_five_thousand_cells_open_in_time(
    visit: Callable[..., Visit], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = visit()
    address = write(tmp_path, worlds.large())
    for part in ("", "#commands", "#signals"):
        one.page.goto("about:blank")
        start = time.perf_counter()
        page = one.open(address + part)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        took_ms = 1000 * (time.perf_counter() - start)
        with capsys.disabled():
            print(f"\n5,000 cells, 1,000 signals, {part or 'overview'}: {took_ms:.0f} ms", end="")
        assert took_ms <= OPEN_MS_MAX
    page.goto(address + "#commands")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_selector("text=cell-4999")
    assert one.complaints == []
