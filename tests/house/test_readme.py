"""The README tells the truth: its lines are what CI runs, its links exist, its status follows."""

from __future__ import annotations

import re
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import status_block

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BEGIN = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements/nox.txt && .venv/bin/nox"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^<!-- status: (GO|NO-GO) -->$", re.MULTILINE)


def test_the_two_lines_are_what_ci_runs() -> None:
    shown = subprocess.run(
        [ROOT / ".ci" / "run", "--lines"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines() == [f"{BEGIN} -s audit", f"{BEGIN} -s tests"]
    for line in shown.stdout.splitlines():
        assert line in README.splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_local_link_leads_somewhere(page: Path) -> None:
    targets = [t for t in LINK.findall(page.read_text("utf-8")) if "://" not in t]
    assert not [t for t in targets if not (page.parent / t).exists()]


def test_every_session_that_is_named_exists() -> None:
    noxfile = (ROOT / "noxfile.py").read_text("utf-8")
    defined = set(re.findall(r"^def (\w+)\(session", noxfile, re.MULTILINE))
    defined |= {f"pythons-{v}" for v in ("3.11", "3.12", "3.13")}
    texts = [page.read_text("utf-8") for page in PAGES]
    texts += [path.read_text("utf-8") for path in (ROOT / ".github").rglob("*.yml")]
    named = {name for text in texts for name in re.findall(r"nox -s ([\w.-]*\w)", text)}
    table = tomllib.loads((ROOT / "audit.toml").read_text("utf-8"))
    named |= {c["nox"].replace("{python}", "3.11") for c in table["command"] if "nox" in c}
    assert named <= defined


def test_the_claimed_pythons_are_those_that_ci_and_nox_run() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    prefix = "Programming Language :: Python :: 3."
    claimed = {
        "3." + c.removeprefix(prefix) for c in project["classifiers"] if c.startswith(prefix)
    }
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    table = tomllib.loads((ROOT / "audit.toml").read_text("utf-8"))
    rows = next(c for c in table["command"] if c["id"] == "tests_all_extras")
    assert claimed == set(rows["matrix"]["python"])
    assert claimed == set(re.findall(r"^\s+(3\.\d+)$", workflow, re.MULTILINE))
    assert f"VERSIONS = {tuple(sorted(claimed))}".replace("'", '"') in (
        ROOT / "noxfile.py"
    ).read_text("utf-8")


def test_the_status_is_what_the_published_tracker_says() -> None:
    tracker = status_block.published(ROOT)
    assert status_block.page(README, tracker) == README, "python tests/house/status_block.py"
    assert BLOCK.findall(README) == [tracker["verdict"] if tracker else "NO-GO"]


@pytest.mark.parametrize(("verdict", "said"), [("GO", "**Ready"), ("NO-GO", "**Not ready")])
def test_the_status_follows_the_tracker(verdict: str, said: str) -> None:
    tracker = {
        "verdict": verdict,
        "audit": {"id": "a"},
        "subject": {"commit": "0" * 40},
        "gates": [{"id": 0, "name": "First", "status": "PARTIAL", "closed": 1, "open": 2}],
    }
    text = status_block.block(tracker)
    assert BLOCK.findall(text) == [verdict]
    assert said in text
    assert "| 0 | First | PARTIAL | 1 | 2 |" in text


def test_the_picture_is_a_picture_for_light_and_dark() -> None:
    picture = (ROOT / "docs" / "img" / "evidence.svg").read_text("utf-8")
    assert ET.fromstring(picture).tag.endswith("svg")
    assert "prefers-color-scheme: dark" in picture
    assert "<title" in picture
    assert "<desc" in picture


def test_the_gates_are_those_of_the_real_audit() -> None:
    table = tomllib.loads((ROOT / "audit.toml").read_text("utf-8"))
    counts = {gate["id"]: len(gate["signal"]) for gate in table["gate"]}
    assert counts == {0: 4, 1: 4, 2: 7, 3: 7, 4: 6, 5: 6, 7: 4}


def test_the_retention_policy_is_what_ci_does() -> None:
    policy = (ROOT / "docs" / "policies" / "retention-and-cost.md").read_text("utf-8")
    folder = ROOT / ".github" / "workflows"
    workflow = "".join((folder / name).read_text("utf-8") for name in ("ci.yml", "release.yml"))
    days = re.findall(r"retention-days: (\d+)", workflow)
    assert days == re.findall(r"\| (\d+) days \|", policy)
    table = tomllib.loads((ROOT / "audit.toml").read_text("utf-8"))
    assert f"may have {table['evidence']['budget']} " in policy


def test_the_code_map_names_every_room() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
    for package in ("arco", "audit", "evidence"):
        here = {p.stem for p in (ROOT / package).iterdir() if p.suffix == ".py" or p.is_dir()}
        rooms = {name for name in here if not name.startswith("_")}
        missing = {r for r in rooms if f"| `{r}` |" not in text and f"| `{r}/` |" not in text}
        assert not missing
