"""A changelog that has lost its form is refused."""

from __future__ import annotations

from pathlib import Path

import changelog
import pytest

ROOT = Path(__file__).parents[2]
GOOD = """# Changelog

## [Unreleased]

## [1.1.0] - 2026-03-02

### Added

- Something.

## [1.0.0] - 2026-02-28

### Fixed

- Something else.
"""


def test_the_changelog_has_the_form() -> None:
    assert changelog.form_problems((ROOT / "CHANGELOG.md").read_text("utf-8")) == []


def test_a_good_release_passes() -> None:
    assert changelog.form_problems(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## [Unreleased]\n", "", "first section"),
        ("## [1.1.0] - 2026-03-02", "## 1.1.0", "not a section heading"),
        ("2026-03-02", "2026-02-30", "no date"),
        (" - 2026-03-02", "", "no date"),
        ("[1.1.0]", "[1.1]", "not a version"),
        ("[1.1.0]", "[0.9.0]", "not in order"),
        ("[1.1.0]", "[1.0.0]", "not in order"),
        ("### Added", "### New", "no such part"),
        ("- Something.", "", "nothing stands"),
    ],
)
def test_a_wrong_form_is_named(old: str, new: str, said: str) -> None:
    assert said in " ".join(changelog.form_problems(GOOD.replace(old, new, 1)))


def test_the_workflow_asks_before_it_audits_a_release() -> None:
    """`pack --check` refuses a tag whose release is not written down."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    assert workflow.index('pack "$TAG" --check') < workflow.index("nox -s release_gate\n")
