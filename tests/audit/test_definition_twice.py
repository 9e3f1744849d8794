"""A key or table that stands twice is told with both lines, and with the right spelling."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit.definition import parse
from audit.definition.lines import Lines
from audit.errors import Invalid

HEAD = '[audit]\nid = "a"\ntitle = "t"\n'
SIGNAL = '[[gate.signal]]\nid = "S"\ntitle = "t"\nowner = "o"\nexit_test = "e"\n'


@pytest.mark.parametrize(
    ("text", "place", "key", "lines", "step"),
    [
        # The clash comes to light in line 12; what is wrong stands in line 4.
        (
            HEAD + "[[gates]]\nid = 0\nname = 'g'\n" + SIGNAL + "[[gate]]\nid = 1\n",
            "audit.toml:4",
            "gate",
            (7, 12),
            "line 4 says `[[gates]]`; did you mean `[[gate]]`?",
        ),
        (HEAD + "[gate]\nid = 0\n[gate]\n", "audit.toml:6", "gate", (4, 6), "`[[gate]]`, in"),
        (HEAD + "[[gate]]\nid = 0\n[gate]\n", "audit.toml:6", "gate", (4, 6), "`[[gate]]`, in"),
        (HEAD + "[gate]\nid = 0\n[[gate]]\n", "audit.toml:6", "gate", (4, 6), "`[[gate]]`, in"),
        (HEAD + "[audit]\n", "audit.toml:4", "audit", (1, 4), "keep one `[audit]`"),
        (HEAD + 'id = "b"\n', "audit.toml:4", "audit.id", (2, 4), "keep one of the two"),
        (HEAD + '"id" = "b"\n', "audit.toml:4", "audit.id", (2, 4), "keep one of the two"),
        ("x = { a = 1, a = 2 }\n", "audit.toml:1", "x.a", (1, 1), "keep one of the two"),
        ("a = 1\na.b = 2\n", "audit.toml:2", "a", (1, 2), "keep one of the two"),
        ("a.b = 1\na = 2\n", "audit.toml:2", "a", (1, 2), "keep one of the two"),
        ("a = 1\n[a.b]\n", "audit.toml:2", "a", (1, 2), "keep one of the two"),
        ("a = []\n[[a]]\n", "audit.toml:2", "a", (1, 2), "keep one of the two"),
        ("a.b = 1\n[a]\n", "audit.toml:2", "a", (1, 2), "keep one of the two"),
    ],
)
def test_both_lines_are_told(
    text: str, place: str, key: str, lines: tuple[int, int], step: str
) -> None:
    with pytest.raises(Invalid, match="stands twice") as caught:
        parse(text.encode())
    assert caught.value.place == place
    said = f"this key or table stands twice key=`{key}` first_line=`{lines[0]}` line=`{lines[1]}`"
    assert caught.value.problem == said
    assert step in caught.value.next_step


LINES = ("[a]", "[a.b]", "[[a]]", "[[a.b]]", "b = 1", "a.b = 1", "b.c = {a = 1}", "[b]", "c = [{}]")


@given(st.lists(st.sampled_from(LINES), max_size=6))
def test_what_toml_takes_has_nothing_twice(chosen: list[str]) -> None:
    text = "\n".join(chosen) + "\n"
    with contextlib.suppress(tomllib.TOMLDecodeError):
        tomllib.loads(text)
        assert Lines(text).twice is None


@example(["[a.b]", "[a]", "b.c = {a = 1}"])
@given(st.lists(st.sampled_from(LINES), max_size=6))
def test_what_toml_refuses_here_is_told_twice(chosen: list[str]) -> None:
    text = "\n".join(chosen) + "\n"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assert Lines(text).twice is not None


def test_nothing_stands_twice_in_the_definition_of_this_project(repository_root: Path) -> None:
    assert Lines((repository_root / "audit.toml").read_text("utf-8")).twice is None
