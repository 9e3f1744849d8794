"""The review board as a real process, in headless Chromium: look, refuse, sign, see what turns.

Needs Debian's `chromium`, the Python package `playwright`, the extras `board` and `trust`, and for
the accessibility check `npm`. What is not there makes a test could_not_run, with the reason.
Screenshots go to `$ARCO_SCREENSHOTS` where that is set.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="could_not_run: starlette is not installed")
pytest.importorskip("uvicorn", reason="could_not_run: uvicorn is not installed")
pytest.importorskip("securesystemslib", reason="could_not_run: securesystemslib is not installed")
pytest.importorskip("cryptography", reason="could_not_run: cryptography is not installed")

from tests.audit.cli.sign_off_kit import EARLY, WAITING
from tests.e2e import process_kit

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
FIRST_LINE_S = 60


@dataclass
class Served:
    """A board as a process of its own, over a toy's sealed run."""

    repo: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def call(self, *words: object, check: tuple[int, ...] = (0,)) -> str:
        return process_kit.call(self.repo, *words, check=check).stdout

    def key(self, person: str, role: str) -> Path:
        path = self.repo.parent / f"{person}.pem"
        self.call(
            *("keygen", "--person", person, "--role", role, "--out", path, "--no-passphrase"),
            *("--trust", self.repo / "audit-trust.toml", "--valid-from", EARLY),
        )
        return path

    def start(self, *words: object) -> str:
        """Start a board; return its address."""
        process = subprocess.Popen(
            process_kit.words("serve", "--json", *words),
            cwd=self.repo,
            env=process_kit.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, process.communicate(timeout=FIRST_LINE_S)
            text += line
        address: str = json.loads(text)["address"]
        return address

    def stop(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and all that it said afterwards."""
        process = self.started.pop()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=FIRST_LINE_S)
        return process.returncode, out + err


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    repo = process_kit.make_repository(tmp_path / "toy", WAITING)
    made = Served(repo)
    made.call("run", "--label", "one", check=(1,))
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


class Visit:
    """A page that was opened, with everything that it complained about or asked for."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**({"viewport": DESKTOP} | options))
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def enter(self, address: str) -> str:
        """Open the address; return the base of the board."""
        self.page.goto(address)
        self.page.wait_for_selector("#verdict")
        return str(self.page.url).rstrip("/")


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    opened: list[Visit] = []

    def start(**options: Any) -> Visit:
        opened.append(Visit(browser, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.context.close()


def picture(page: Any, tmp_path: Path, name: str) -> None:
    target = Path(os.environ.get("ARCO_SCREENSHOTS") or tmp_path)
    target.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=target / f"board-{name}.png", full_page=True)


def badges(page: Any, text: str) -> int:
    return int(page.locator("section[aria-labelledby=log] .badge", has_text=text).count())


def test_review_sign_refuse_and_one_approval_turns(
    served: Served, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    """Look, sign by keyboard without a script, be refused, change a gate: one turns suspect."""
    ada, bob = served.key("ada", "SRE"), served.key("bob", "Ops")
    served.call("sign", "--role", "Ops", "--key", bob, "--yes", "--note", "seen")
    address = served.start("--role", "SRE", "--key", ada)
    one = visit(java_script_enabled=False)
    base = one.enter(address)
    page = one.page
    assert "token" not in page.url
    assert "not approved by you" in page.inner_text("main")
    page.goto(f"{base}/gate/0")
    page.click("text=command-logs/hello.log")
    assert "hello" in page.inner_text("body")
    page.goto(f"{base}/sign")
    page.uncheck("#gate-1")
    page.focus("#expires")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("looked at all of it")
    page.focus("button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Signed: line 2 of the sign-off")
    assert badges(page, "counts") == 2
    page.goto(f"{base}/sign")
    drill = served.repo.parent / "drill.md"
    drill.write_text("minutes\n")
    served.call("attach", "G1-001", drill, "--person", "ada")
    page.click("button.do")
    page.wait_for_selector("[role=alert]")
    assert "unsigned; says to be from ada" in page.inner_text("[role=alert]")
    picture(page, tmp_path, "refused")
    page.goto(f"{base}/")
    assert badges(page, "counts") == 1
    assert badges(page, "suspect") == 1
    picture(page, tmp_path, "suspect")
    assert [text for text in one.complaints if "409" not in text] == []
    assert [url for url in one.requests if not url.startswith("http://127.0.0.1:")] == []
    code, said = served.stop()
    assert (code, said) == (130, "")


def test_only_the_first_browser_gets_in(served: Served, visit: Callable[..., Visit]) -> None:
    address = served.start()
    first, second = visit(), visit()
    base = first.enter(address)
    assert second.page.goto(address).status == 403
    assert second.page.goto(base + "/").status == 403
    assert first.page.goto(base + "/sign").status == 200
    assert first.page.goto(base.replace("127.0.0.1", "localhost") + "/").status == 403


def test_a_page_from_elsewhere_can_neither_look_nor_sign(
    served: Served, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    """The attacker even knows the path, and the form goes along with the user's own browser."""
    ada = served.key("ada", "SRE")
    one = visit()
    base = one.enter(served.start("--role", "SRE", "--key", ada))
    evil = tmp_path / "evil.html"
    evil.write_text(
        f'<form method="post" action="{base}/sign"><input name="gate" value="0">'
        f'<button>win</button></form><iframe src="{base}/"></iframe>'
    )
    page = one.context.new_page()
    page.goto(evil.as_uri())
    assert "toy" not in page.frames[-1].content()
    page.click("button")
    page.wait_for_load_state()
    assert page.inner_text("body").startswith("open the address")
    assert not (served.repo / "release_evidence/toy-1/sign-off").exists()


VIEWS = [
    ("overview", "/", "light", DESKTOP),
    ("overview", "/", "dark", PHONE),
    ("gate", "/gate/1", "light", DESKTOP),
    ("gate", "/gate/2", "dark", PHONE),
    ("changes", "/changes", "light", PHONE),
    ("pages", "/pages", "dark", DESKTOP),
    ("page", "/pages/documents/summary.md", "light", PHONE),
    ("report", "/pages/report.html", "light", DESKTOP),
    ("sign", "/sign", "light", DESKTOP),
    ("sign", "/sign", "dark", PHONE),
]


def test_every_view_is_quiet_fits_and_can_be_used_by_everybody(
    served: Served, visit: Callable[..., Visit], axe: str, tmp_path: Path
) -> None:
    ada = served.key("ada", "SRE")
    drill = served.repo.parent / "drill.md"
    drill.write_text("minutes\n")
    served.call("attach", "G1-001", drill, "--person", "ada")
    one = visit()
    base = one.enter(served.start("--role", "SRE", "--key", ada))
    page = one.page
    for name, path, theme, size in VIEWS:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=theme)
        page.goto(base + path)
        picture(page, tmp_path, f"{name}-{theme}-{size['width']}")
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert fits, (name, size)
        found = _violations(page, axe)
        assert found == [], (name, theme, json.dumps(found, indent=1))
    # The report brings a script of its own, which its frame does not let run.
    assert [text for text in one.complaints if "sandboxed" not in text] == []


def _violations(page: Any, axe: str) -> list[Any]:
    """What axe-core finds; evaluated by the driver, so that the page's own policy stays."""
    page.evaluate(axe)
    options = "{iframes: false}"
    found = page.evaluate(f"axe.run(document, {options}).then((result) => result.violations)")
    return [(item["id"], [node["html"] for node in item["nodes"]][:3]) for item in found]


def test_a_taken_port_is_said(served: Served) -> None:
    address = served.start()
    port = address.partition("/?")[0].rpartition(":")[2]
    done = process_kit.call(served.repo, "serve", "--no-open", "--port", port, check=(2,))
    assert f"port=`{port}`" in done.stderr
    assert "Traceback" not in done.stderr
