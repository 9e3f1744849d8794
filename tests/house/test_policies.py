"""Policies are true and looked after: an owner, a cadence, a review, and paths that exist."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "policies"
POLICIES = sorted(FOLDER.glob("*.md"))
AUDIT = tomllib.loads((ROOT / "audit.toml").read_text("utf-8"))
HEAD = re.compile(
    r"^\| Owner \| Cadence \| Last review \|\n\|---\|---\|---\|\n"
    r"\| (?P<owner>[^|]+) \| (?P<cadence>[^|]+) \| (?P<review>\d{4}-\d{2}-\d{2}) \|$",
    re.MULTILINE,
)
MADE = ("release_evidence/", "gate-N/", "final-go/", "sign-off/", ".history/")
"""Places that an audit makes, so a clone need not have them."""


def problems(text: str) -> list[str]:
    """Return what a policy lacks."""
    head = HEAD.search(text)
    if head is None:
        return ["no table of owner, cadence and last review"]
    found = []
    roles = {role["id"] for role in AUDIT["role"]}
    owner = set(re.findall(r"[A-Z]\w+", head["owner"]))
    if not owner or owner - roles:
        found.append(f"the owner is no role of the audit: owner=`{head['owner']}`")
    months = re.search(r"every (\d+) months", head["cadence"])
    if months is None:
        found.append(f"no cadence in months: cadence=`{head['cadence']}`")
    try:
        datetime.date.fromisoformat(head["review"])
    except ValueError:
        found.append(f"no date: review=`{head['review']}`")
    return found + [f"no such path: path=`{path}`" for path in paths(text) if not exists(path)]


def paths(text: str) -> list[str]:
    """Return what stands in code and looks like a path of this repository."""
    words = re.findall(r"`([^`\s]+)`", text)
    return [w for w in words if w not in MADE and ("/" in w or w.endswith((".md", ".toml")))]


def exists(path: str) -> bool:
    """Whether a path, or a pattern, is in the tree."""
    return any(ROOT.glob(path.rstrip("/")))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_a_policy_is_looked_after(policy: Path) -> None:
    assert problems(policy.read_text("utf-8")) == []


GOOD = """\
| Owner | Cadence | Last review |
|---|---|---|
| SRE, with Product | every 6 months | 2026-11-22 |

See `audit.toml`.
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("SRE, with", "Nobody, with", "no role"),
        ("every 6 months", "now and then", "no cadence"),
        ("2026-11-22", "2026-02-30", "no date"),
        ("2026-11-22", "soon", "no table"),
        ("audit.toml", "docs/nowhere.md", "no such path"),
    ],
)
def test_what_a_policy_lacks_is_named(old: str, new: str, said: str) -> None:
    assert problems(GOOD) == []
    assert said in " ".join(problems(GOOD.replace(old, new)))


def test_the_audit_asks_for_the_policies_that_are_there() -> None:
    texts = (ROOT / "audit.toml").read_text("utf-8")
    asked = set(re.findall(r"docs/policies/[\w.-]+", texts))
    assert asked == {path.relative_to(ROOT).as_posix() for path in POLICIES}


def test_what_the_release_workflow_keeps_is_what_the_policy_says() -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    policy = (FOLDER / "retention-and-cost.md").read_text("utf-8")
    assert set(re.findall(r"retention-days: (\d+)", workflow)) == {"90"}
    assert re.search(r"\.github/workflows/release\.yml` \| 90 days \|", policy)
