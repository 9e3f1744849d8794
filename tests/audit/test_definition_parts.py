"""The parts under a definition: lines, words, placeholders, durations, sizes, names."""

from __future__ import annotations

import json
import shlex
import tomllib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.definition import names, units, words
from audit.definition.lines import Lines
from audit.definition.units import WrongError

TEXT = '''# a comment with [brackets] = "and" quotes
top = 1
"quoted key" . inner = [ # comment ]
  "a]", 'b#',

  { deep = [1,
     2], "x=y" = """
many
lines \\""" """ },
]
[table."with.dot"]
a.b.c = 2026-12-01
[[list]]
id = 1
[list.sub]
k = { l = [[], [3]] }
[[list.many]]
v = \'\'\'
x''\'\'\'
w = 1
[[list]]
id = 2
[[list.many]]
v = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("top",), 2),
        (("quoted key", "inner"), 3),
        (("quoted key", "inner", 0), 4),
        (("quoted key", "inner", 1), 4),
        (("quoted key", "inner", 2), 6),
        (("quoted key", "inner", 2, "deep", 1), 7),
        (("quoted key", "inner", 2, "x=y"), 7),
        (("table", "with.dot"), 11),
        (("table", "with.dot", "a", "b", "c"), 12),
        (("list",), 13),
        (("list", 0), 13),
        (("list", 0, "id"), 14),
        (("list", 0, "sub", "k", "l", 1, 0), 16),
        (("list", 0, "many", 0, "v"), 18),
        (("list", 0, "many", 0, "w"), 20),
        (("list", 1, "id"), 22),
        (("list", 1, "many", 0, "v"), 24),
        (("list", 1, "nothing", "here"), 21),
        (("nothing",), 1),
    ],
)
def test_lines_of_keys(path: tuple[Any, ...], line: int) -> None:
    tomllib.loads(TEXT)
    assert Lines(TEXT).of(path) == line


KEYS = st.text(min_size=1, max_size=6)
VALUES = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def toml_value(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{toml_text(key)} = {toml_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(toml_value, value)) + "\n]"
    return toml_text(value) if isinstance(value, str) else str(value).lower()


def toml_text(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode().replace("\x7f", "?")
    return json.dumps(clean, ensure_ascii=False)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_every_key_that_tomllib_knows_has_its_line(value: dict[str, Any]) -> None:
    lines, text, wanted = 1, "", {}
    for key, item in value.items():
        pair = f"{toml_text(key)} = {toml_value(item)}\n"
        (name,) = tomllib.loads(pair)
        if name not in wanted:
            wanted[name] = lines
            text += pair
            lines += pair.count("\n")
    tomllib.loads(text)
    found = Lines(text)
    assert {name: found.of((name,)) for name in wanted} == wanted


@given(st.text())
def test_lines_never_fail_on_what_is_no_toml(text: str) -> None:
    assert Lines(text).of(("a", 0)) >= 1


@pytest.mark.parametrize(
    "line",
    ["a b", "a 'b | c'", 'a "b;c"', "a \\| b", "pytest x.py::t[a-1]", "a --x={y}", "a ~b #c"],
)
def test_lines_that_need_no_shell(line: str) -> None:
    assert words.split(line) == tuple(shlex.split(line))


@pytest.mark.parametrize(
    ("line", "letter"),
    [
        *(("a | b", "|"), ("a && b", "&"), ("a; b", ";"), ("a < b", "<"), ("a > b", ">")),
        *(("a $B", "$"), ('a "$B"', "$"), ("a `b`", "`"), ('a "`b`"', "`"), ("a *.py", "*")),
        *(("a b?", "?"), ("(a)", "("), ("'a' | b", "|"), ("a \\\\| b", "|")),
    ],
)
def test_lines_that_need_a_shell(line: str, letter: str) -> None:
    with pytest.raises(WrongError) as caught:
        words.split(line)
    assert f"letter=`{letter}`" in caught.value.problem
    assert "shell =" in caught.value.next_step


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_quoted_words_come_back(given_words: list[str]) -> None:
    line = shlex.join(["program", *given_words])
    if "\0" not in line:
        assert words.split(line) == ("program", *given_words)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        *(("{v}", "1"), ("a{v}b{v}", "a1b1"), ("{{v}}", "{v}"), ("{{{v}}}", "{{v}}")),
        *(("${v}", "${v}"), ("{}", "{}"), ("{a,b}", "{a,b}"), ("{print $1}", "{print $1}")),
        *(("{{.Dir}}", "{{.Dir}}"), ("{w}", "{v}"), ("{'v': 1}", "{'v': 1}")),
    ],
)
def test_placeholders(text: str, filled: str) -> None:
    assert words.fill(text, {"v": "1", "w": "{v}"}) == filled


def test_unknown_placeholder_names_the_nearest() -> None:
    with pytest.raises(WrongError) as caught:
        words.fill("{pyhton}", {"python": "3"})
    assert "`python`" in caught.value.next_step
    assert words.placeholders("{a} {{b}} {c}") == ("a", "c")


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("1ms", 1), ("90s", 90_000), ("20 m", 1_200_000), ("1.5h", 5_400_000), ("2w", 1_209_600_000)],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert units.duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "20", "m", "1e3s", "-1s", "0s", "0.1ms", "99999w", "1M", "\u0661s"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(WrongError):
        units.duration_ms(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1 B", 1), ("64 MB", 64_000_000), ("1GiB", 2**30), ("1.5 kB", 1_500), ("2 KiB", 2_048)],
)
def test_sizes(text: str, size: int) -> None:
    assert units.size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "64", "64 mb", "1 KB", "0 B", "1.5 B", "9999 TiB", "-1 MB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(WrongError):
        units.size_bytes(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_bounds_keep_their_digits(number: Decimal) -> None:
    if len(str(number)) <= units.DIGITS_MAX and abs(number.adjusted()) <= units.DIGITS_MAX:
        assert units.bound(number) == str(number)
    assert units.bound(7) == "7"


@pytest.mark.parametrize(
    "value", [True, "x", "nan", Decimal("inf"), "1_000", "1e99999", [], "9" * 50]
)
def test_no_bounds(value: Any) -> None:
    with pytest.raises(WrongError):
        units.bound(value)


@pytest.mark.parametrize(
    "path",
    ["", "/a", "~/a", "C:/a", "a/../b", "..", "a\\..\\b", ".git/config", "a\nb", "x" * 1_001],
)
def test_paths_that_lead_elsewhere(path: str) -> None:
    with pytest.raises(WrongError):
        names.inside(path)


def test_hints() -> None:
    assert names.hint("tets", ["tests", "lint"], "command") == "did you mean `tests`?"
    assert names.hint("TESTS", ["tests"], "command") == "did you mean `tests`?"
    assert "known: `a`, `b`" in names.hint("zzz", ["a", "b"], "command")
    assert "declare" in names.hint("zzz", [], "role")
    assert "and 2 more" in names.hint("zzz", [f"n{n}" for n in range(10)], "role")
