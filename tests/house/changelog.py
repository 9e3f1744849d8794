"""Is a release written down? The form of CHANGELOG.md, and the section that a tag must have.

The form is that of keepachangelog.com 1.1.0. Run as a program with a tag, or without for the form
alone. Standard library only. Exit codes: 0 as it should be, 1 not, with one line per problem.
"""

from __future__ import annotations

import datetime
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?$")
DECLARED = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """One release: its name, its date as written (empty where none), entries by kind."""

    name: str
    date: str
    entries: dict[str, list[str]]


def sections(text: str) -> list[Section]:
    """Return the sections of a changelog, in order."""
    found: list[Section] = []
    kind = ""
    for line in text.splitlines():
        if heading := HEADING.match(line):
            found.append(Section(heading[1], heading[2] or "", {}))
            kind = ""
        elif found and line.startswith("### "):
            kind = line[4:].strip()
            found[-1].entries.setdefault(kind, [])
        elif found and kind and line.startswith("- ") and line[2:].strip():
            found[-1].entries[kind].append(line[2:].strip())
    return found


def form_problems(text: str) -> list[str]:
    """Return what is wrong with the form: order, names, dates, kinds, empty parts."""
    found = sections(text)
    problems = [
        f"not a section heading: line=`{line}`"
        for line in text.splitlines()
        if line.startswith("## ") and not HEADING.match(line)
    ]
    if not found or found[0].name != "Unreleased":
        problems.append("the first section is not `## [Unreleased]`")
    for section in found[1:]:
        problems += _release_problems(section)
    for section in found:
        for kind, entries in section.entries.items():
            if kind not in KINDS:
                problems.append(f"{section.name}: no such kind: kind=`{kind}`")
            if not entries:
                problems.append(f"{section.name}: nothing stands under kind=`{kind}`")
    return problems + _order_problems([section.name for section in found[1:]])


def _release_problems(section: Section) -> list[str]:
    problems = []
    if not VERSION.fullmatch(section.name):
        problems.append(f"not a version: section=`{section.name}`")
    try:
        if datetime.date.fromisoformat(section.date).isoformat() != section.date:
            raise ValueError
    except ValueError:
        problems.append(f"{section.name}: not a date: date=`{section.date}`")
    return problems


def _order_problems(names: list[str]) -> list[str]:
    numbers = [tuple(map(int, name.split("."))) for name in names if VERSION.fullmatch(name)]
    if numbers != sorted(set(numbers), reverse=True):
        return ["releases are not in order, newest first, each once"]
    return []


def tag_problems(text: str, tag: str, declared: str) -> list[str]:
    """Return why a tag may not be released: no version, another one, no section, no entries."""
    version = tag.removeprefix("v")
    if not tag.startswith("v") or not VERSION.fullmatch(version):
        return [f"a release tag is v and a version: tag=`{tag}`"]
    problems = []
    if version != declared:
        problems.append(f"the package says another version: tag=`{tag}` declared=`{declared}`")
    section = next((one for one in sections(text) if one.name == version), None)
    if section is None:
        problems.append(f"CHANGELOG.md has no section for the release: version=`{version}`")
    elif not any(section.entries.values()):
        problems.append(f"the section of the release is empty: version=`{version}`")
    return problems


def main(words: list[str]) -> int:
    """Check the form, and the tag where one is given; return the exit code."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    declared = DECLARED.search((ROOT / "audit" / "__init__.py").read_text("utf-8"))
    problems = form_problems(text)
    if words:
        problems += tag_problems(text, words[0], declared[1] if declared else "")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
