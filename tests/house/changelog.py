"""Has CHANGELOG.md the form of keepachangelog.com 1.1.0, from its first section to its last?

Whether one release is written down is asked by `audit.release.changelog`, which also reads the
sections; here is only what all of them together must hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from audit.release.changelog import Section, empty_parts, sections
from audit.release.changelog import form_problems as problems_of_section

ROOT = Path(__file__).parents[2]
HEADING = re.compile(r"^## \[[^\]]+\](?: - \S+)?$")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


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
    problems += [problem for section in found for problem in _section_problems(section)]
    return problems + _order_problems([section.name for section in found[1:]])


def _section_problems(section: Section) -> Iterator[str]:
    if section.name != "Unreleased" and not VERSION.fullmatch(section.name):
        yield f"not a version: section=`{section.name}`"
    own = list(problems_of_section(section, dated=section.name != "Unreleased"))
    own += [f"nothing stands under part=`{title}`" for title in empty_parts(section.text)]
    yield from (f"{section.name}: {problem}" for problem in own)


def _order_problems(names: list[str]) -> list[str]:
    numbers = [tuple(map(int, name.split("."))) for name in names if VERSION.fullmatch(name)]
    if numbers != sorted(set(numbers), reverse=True):
        return ["releases are not in order, newest first, each once"]
    return []
