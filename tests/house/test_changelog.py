"""A release that is not written down is refused."""

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
    assert changelog.main([]) == 0


def test_a_good_release_passes() -> None:
    assert changelog.form_problems(GOOD) == []
    assert changelog.tag_problems(GOOD, "v1.1.0", "1.1.0") == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## [Unreleased]\n", "", "first section"),
        ("## [1.1.0] - 2026-03-02", "## 1.1.0", "not a section heading"),
        ("2026-03-02", "2026-02-30", "not a date"),
        (" - 2026-03-02", "", "not a date"),
        ("[1.1.0]", "[1.1]", "not a version"),
        ("[1.1.0]", "[0.9.0]", "not in order"),
        ("[1.1.0]", "[1.0.0]", "not in order"),
        ("### Added", "### New", "no such kind"),
        ("- Something.", "", "nothing stands"),
    ],
)
def test_a_wrong_form_is_named(old: str, new: str, said: str) -> None:
    assert said in " ".join(changelog.form_problems(GOOD.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("tag", "declared", "text", "said"),
    [
        ("v1.2.0", "1.2.0", GOOD, "no section"),
        ("v1.1.0", "1.1.0", GOOD.replace("- Something.", ""), "is empty"),
        ("v1.1.0", "1.0.0", GOOD, "another version"),
        ("1.1.0", "1.1.0", GOOD, "a release tag is"),
        ("v1.1", "1.1", GOOD, "a release tag is"),
        ("v1.1.0-rc1", "1.1.0", GOOD, "a release tag is"),
    ],
)
def test_a_tag_that_is_not_written_down_is_refused(
    tag: str, declared: str, text: str, said: str
) -> None:
    assert said in " ".join(changelog.tag_problems(text, tag, declared))


def test_the_workflow_asks_before_it_releases() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    release = workflow.split("  release_gate:")[1]
    assert 'python3 tests/house/changelog.py "$GITHUB_REF_NAME"' in release
    assert release.index("changelog.py") < release.index("nox -s release_gate")
