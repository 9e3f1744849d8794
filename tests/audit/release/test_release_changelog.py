"""A release is written down, dated and finished, or refused with what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.release import changelog
from tests.audit.release.release_kit import LOG, NOTES

LINKED = LOG + (
    "\n[unreleased]: https://example.invalid/compare/v1.2.0...HEAD\n"
    "[1.2.0]: https://example.invalid/compare/v1.1.0...v1.2.0\n"
    "[1.1.0]: https://example.invalid/releases/v1.1.0\n"
)


def asked(text: str | None, version: str = "1.2.0") -> tuple[str, str]:
    check = changelog.check_changelog(text, "CHANGELOG.md", version)
    assert check.result == "passed" or check.next_step
    return check.result, check.reason


@pytest.mark.parametrize("text", [LOG, LINKED, LOG.replace("\n", "\r\n")])
def test_a_good_section_passes(text: str) -> None:
    assert asked(text)[0] == "passed"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[1.2.0]", "[1.2.1]", "sections for version=`1.2.0`: `0`"),
        ("[1.1.0]", "[1.2.0]", "sections for version=`1.2.0`: `2`"),
        (" - 2026-12-01", "", "no date"),
        ("2026-12-01", "2026-02-30", "no date"),
        ("2026-12-01", "YYYY-MM-DD", "no date"),
        ("2026-12-01", "20261201", "no date"),
        ("- A greeting.", "", "no entry"),
        ("### Added\n\n", "### Added\n\n### Fixed\n\n", "nothing stands under part=`Added`"),
        ("### Added", "### New", "no such part"),
        ("A greeting.", "TBD", "left to be filled in text=`TBD`"),
        ("A greeting.", "It is ??? faster.", "left to be filled in text=`???`"),
        ("A greeting.", "TODO: say what.", "text=`TODO`"),
        ("A greeting.", "closes #xxx", "text=`xxx`"),
        ("A greeting.", "version <version>", "text=`<version>`"),
        ("A greeting.", "See [the issue][42].", "not defined link=`42`"),
        ("A greeting.", "See [it][].", "not defined link=`it`"),
        ("- A silence.\n", "- A silence.\n\n[1.2.0]:\n", "no target"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str) -> None:
    result, reason = asked(LOG.replace(old, new, 1))
    assert result == "failed"
    assert said in reason


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[1.1.0]: https://example.invalid/releases/v1.1.0\n", "", "not linked link=`1.1.0`"),
        ("[1.1.0]: https", "[1.2.0]: https", "more than once"),
    ],
)
def test_links_are_whole(old: str, new: str, said: str) -> None:
    assert said in asked(LINKED.replace(old, new, 1))[1]


@pytest.mark.parametrize("text", [None, "", "   \n", "# Changelog\n", "x" * 1_000_001])
def test_no_changelog_is_no_release(text: str | None) -> None:
    assert asked(text)[0] == "failed"


def test_what_stands_in_code_is_no_placeholder_and_no_heading() -> None:
    text = LOG.replace(
        "A greeting.", "`check` finds ``TODO`` and `???`\n\n```\n## [9.9.9]\nTBD\n```"
    )
    assert asked(text)[0] == "passed"
    assert asked(text, "9.9.9")[0] == "failed"
    assert changelog.placeholders("a todo list, XXL and wipe") == []


def test_the_section_is_taken_as_it_was_written() -> None:
    section = changelog.section_text(LINKED, "1.2.0")
    assert section == "## [1.2.0] - 2026-12-01\n\n### Added\n\n- A greeting.\n"
    assert changelog.section_text(LINKED, "3.0.0") == ""
    assert "A silence" in changelog.section_text(LINKED, "1.1.0")


def test_a_pre_release_is_found_in_either_spelling() -> None:
    text = LOG.replace("[1.2.0]", "[1.2.0-rc.1]")
    assert asked(text, "1.2.0rc1")[0] == "passed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no"),
        (" \n", "is empty"),
        ("# Notes\n\nBetter.\n", "do not name version"),
        (NOTES + "\n## Known problems\n", "nothing stands under part=`Known problems`"),
        (NOTES + "\nTBD\n", "left to be filled in"),
        (NOTES + "\nSee [this][that].\n", "not defined"),
    ],
)
def test_notes_that_are_not_finished_are_named(text: str | None, said: str) -> None:
    check = changelog.check_notes(text, "notes.md", "1.2.0")
    assert check.result == "failed"
    assert said in check.reason


def test_good_notes_pass() -> None:
    text = NOTES + "\n## Changes\n\n### Small\n\nOne.\n"
    assert changelog.check_notes(text, "notes.md", "1.2.0").result == "passed"


@given(st.text(alphabet="#[]()-`~: \n\r1.20xT?<>", max_size=200))
def test_any_text_is_judged(text: str) -> None:
    check = changelog.check_changelog(text, "CHANGELOG.md", "1.2.0")
    assert check.result in ("passed", "failed")
    section = changelog.section_text(text, "1.2.0")
    assert all(line in text.replace("\r\n", "\n") for line in section.splitlines())


@pytest.mark.parametrize(
    "piece",
    ["`" * 200_000, "` " * 100_000, "### a" + " " * 200_000 + "b", "```\n" * 50_000, "[" * 200_000],
    ids=["one run", "many runs", "spaces", "fences", "brackets"],
)
def test_a_hostile_text_is_read_once(piece: str) -> None:
    """Each of these took minutes where a pattern went back over what it had read."""
    text = LOG.replace("- A greeting.", f"- A greeting.\n{piece}")
    assert asked(text)[0] in ("passed", "failed")


def test_our_own_changelog_can_be_read(repository_root: Path) -> None:
    text = (repository_root / "CHANGELOG.md").read_text("utf-8")
    assert changelog.sections(text)[0].name == "Unreleased"
    assert list(changelog.link_problems(text)) == []
    assert changelog.placeholders(text) == []
