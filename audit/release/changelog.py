"""Is a release written down? The section of a changelog, the release notes, and what is unfinished.

Pure, from text to problems. The form is that of keepachangelog.com 1.1.0.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from audit.release.checks import Check, judged
from audit.release.tags import same_version

KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""The parts that a section of a release may have."""
TEXT_CHARS_MAX = 1_000_000
"""Characters of a changelog or of release notes; more is not read."""

_HEADING = re.compile(r"^## \[?([^\]\s]+)\]?(?: +- +(.*))?$")
_DEFINITION = re.compile(r"^ {0,3}\[([^\]\n]+)\]:[ \t]*(\S*)", re.MULTILINE)
_REFERENCE = re.compile(r"\[([^\[\]\n]+)\]\[([^\[\]\n]*)\]")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_TICKS = re.compile(r"`+")
_PLACEHOLDER = re.compile(
    r"\b(?:TBA|TODO|FIXME|WIP|YYYY-MM-DD)\b|\?\?\?+"
    r"|(?i:\b(?:TBD|xxx+|lorem ipsum|coming soon)\b|<(?:version|date|name|description|text|url)>)"
)
"""What people write and mean to replace; `todo` in lower case may be a word of its own."""


@dataclass(frozen=True, slots=True)
class Section:
    """A release in a changelog: its name, its date as written, the text below its heading.

    `linked` says that the heading's name stands in brackets, which is a link by reference.
    """

    name: str
    date: str
    text: str
    linked: bool


def sections(text: str) -> list[Section]:
    """Return the sections of a changelog, in order; definitions of links belong to none."""
    found: list[tuple[re.Match[str], list[str]]] = []
    for line in _without_code(text.replace("\r\n", "\n")).splitlines():
        if heading := _HEADING.match(line):
            found.append((heading, []))
        elif found and not _DEFINITION.match(line):
            found[-1][1].append(line)
    return [
        Section(head[1], (head[2] or "").strip(), "\n".join(lines).strip("\n"), "[" in head[0])
        for head, lines in found
    ]


def section_text(text: str, version: str) -> str:
    """Return a release's section as it was written, heading included, with a newline at its end.

    Empty when the changelog has no such section.
    """
    kept: list[str] = []
    inside = False
    plain = _without_code(text.replace("\r\n", "\n"))
    for line, bare in zip(text.replace("\r\n", "\n").split("\n"), plain.split("\n"), strict=True):
        if heading := _HEADING.match(bare):
            inside = same_version(heading[1], version)
        if inside and not _DEFINITION.match(bare):
            kept.append(line)
    return "\n".join(kept).strip("\n") + "\n" if kept else ""


def placeholders(text: str) -> list[str]:
    """Return what somebody meant to fill in later, each once; code spans and blocks are not read.

    >>> placeholders("Faster by ???, see `TODO` and TBD.")
    ['???', 'TBD']
    """
    return list(dict.fromkeys(_PLACEHOLDER.findall(_without_code(text))))


def link_problems(text: str) -> Iterator[str]:
    """Yield links by reference without a definition, and definitions without a target or twice."""
    plain = _without_code(text)
    defined = [(_label(label), target) for label, target in _DEFINITION.findall(plain)]
    for label, target in defined:
        if not target or target in ("#", "<>"):
            yield f"a link has no target link=`{label}`"
    for label, times in Counter(label for label, _ in defined).items():
        if times > 1:
            yield f"a link is defined more than once link=`{label}`"
    known = {label for label, _ in defined}
    used = {_label(ref or shown) for shown, ref in _REFERENCE.findall(plain)}
    for label in sorted(used - known):
        yield f"a link is not defined link=`{label}`"
    yield from _heading_links(plain, known)


def _heading_links(plain: str, known: set[str]) -> Iterator[str]:
    """A changelog that links one of its releases links all of them."""
    named = [_label(item.name) for item in sections(plain) if item.linked]
    if known & set(named):
        yield from (f"a release is not linked link=`{name}`" for name in named if name not in known)


def empty_parts(text: str) -> list[str]:
    """Return the headings below which nothing stands, not even another heading."""
    found: list[str] = []
    title, level = "", 0
    for line in [*_without_code(text).splitlines(), "# "]:
        heading = re.match(r"^(#{1,6}) ?(.*)$", line)
        if heading is None:
            title = title if not line.strip() or _DEFINITION.match(line) else ""
            continue
        if title and len(heading[1]) <= level:
            found.append(title)
        title, level = heading[2].strip(), len(heading[1])
    return found


def form_problems(section: Section, *, dated: bool = True) -> Iterator[str]:
    """Yield what is wrong with the form of a section: its date where it is `dated`, its parts."""
    if dated and not _is_date(section.date):
        yield f"the section has no date date=`{section.date}`"
    lines = section.text.splitlines()
    kinds = [line[4:].strip() for line in lines if line.startswith("### ")]
    yield from (f"no such part part=`{kind}`" for kind in kinds if kind not in KINDS)


def check_changelog(text: str | None, place: str, version: str) -> Check:
    """Ask that a changelog has a dated, finished section for a version."""
    problems = _missing(text, place) or list(_release_problems(text or "", version))
    return judged(
        "changelog",
        problems,
        f"{place} has a section for version=`{version}`",
        f"write or finish the section `## [{version}] - DATE` in {place}, then tag that commit",
    )


def check_notes(text: str | None, place: str, version: str) -> Check:
    """Ask that the release notes of a version are there and finished."""
    problems = _missing(text, place) or list(_text_problems(text or ""))
    if text and version not in text:
        problems.append(f"they do not name version=`{version}`")
    return judged(
        "release_notes",
        problems,
        f"{place} is finished",
        f"write {place}, then tag that commit; --notes names another file",
    )


def _missing(text: str | None, place: str) -> list[str]:
    if text is None:
        return [f"there is no {place} at the tag"]
    if len(text) > TEXT_CHARS_MAX:
        return [f"{place} is too long to be read chars=`{len(text)}` limit=`{TEXT_CHARS_MAX}`"]
    return [] if text.strip() else [f"{place} is empty"]


def _release_problems(text: str, version: str) -> Iterator[str]:
    found = [item for item in sections(text) if same_version(item.name, version)]
    if len(found) != 1:
        yield f"sections for version=`{version}`: `{len(found)}`, where it should be one"
        return
    section = found[0]
    yield from form_problems(section)
    if not re.search(r"^[-*] +\S", section.text, re.MULTILINE):
        yield "the section has no entry"
    yield from _unfinished(section.text)
    yield from link_problems(text)


def _text_problems(text: str) -> Iterator[str]:
    yield from _unfinished(text)
    yield from link_problems(text)


def _unfinished(text: str) -> Iterator[str]:
    yield from (f"nothing stands under part=`{title}`" for title in empty_parts(text))
    yield from (
        f"a placeholder is left to be filled in text=`{word}`" for word in placeholders(text)
    )


def _without_code(text: str) -> str:
    """Blank out code, line by line, so that what stands in it is not read as prose."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence:
            closes = mark and mark[1].startswith(fence) and not mark[2].strip()
            fence = "" if closes else fence
            lines.append("")
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
            lines.append("")
        else:
            lines.append(_without_spans(line))
    return "\n".join(lines)


def _without_spans(line: str) -> str:
    """Blank out code spans: from a run of backticks to the next one of its length.

    Each run is looked at once, because a pattern would take quadratic time on a hostile line.
    """
    runs = [found.span() for found in _TICKS.finditer(line)]
    closing: dict[int, int] = {}
    later: dict[int, int] = {}
    for at in range(len(runs) - 1, -1, -1):
        length = runs[at][1] - runs[at][0]
        if length in later:
            closing[at] = later[length]
        later[length] = at
    kept: list[str] = []
    done = at = 0
    while at < len(runs):
        if at in closing:
            kept += (line[done : runs[at][0]], "``")
            at = closing[at]
            done = runs[at][1]
        at += 1
    return "".join([*kept, line[done:]])


def _label(text: str) -> str:
    return " ".join(text.split()).casefold()


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
