"""What globs mean, and which patterns a definition refuses."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit.definition import patterns
from audit.definition.units import WrongError
from evidence.globs import matcher


@pytest.mark.parametrize(
    ("glob", "meant", "not_meant"),
    [
        ("a.py", ["a.py", "a.py/b"], ["b/a.py", "a.pyc", "axpy"]),
        ("*.py", ["a.py", ".py"], ["b/a.py", "a.py2"]),
        ("**/*.py", ["a.py", "b/a.py", "b/c/a.py"], ["a.txt"]),
        ("src/**/*.py", ["src/a.py", "src/b/c/a.py"], ["a.py", "xsrc/a.py", "src"]),
        ("src/**", ["src/a", "src/b/c"], ["src", "a/src/b"]),
        ("src", ["src", "src/a", "src/b/c"], ["srcs", "a/src"]),
        ("src/", ["src/a"], ["srcs/a"]),
        ("**", ["a", "a/b"], []),
        (".", ["a", "a/b"], []),
        ("a/**/b/**/c", ["a/b/c", "a/x/b/y/z/c"], ["a/c", "b/c"]),
        ("t?st", ["test", "tast"], ["tst", "t/st"]),
        ("[ab]*.md", ["a1.md", "b.md"], ["c.md", "a/.md"]),
        ("[!a]x", ["bx"], ["ax", "/x"]),
        ("[a-c]x", ["bx"], ["dx", "-x"]),
        ("[]x", ["[]x"], ["x"]),
        ("a+(b)|c", ["a+(b)|c"], ["aab", "c"]),
        ("./a/*", ["a/b"], ["a"]),
        ("a\nb", ["a\nb"], ["a", "b"]),
    ],
)
def test_globs(glob: str, meant: list[str], not_meant: list[str]) -> None:
    means = matcher([glob])
    assert [path for path in meant if not means(path)] == []
    assert [path for path in not_meant if means(path)] == []


def test_several_globs_mean_any_of_them() -> None:
    assert matcher(["a", "b"])("b/c")
    assert not matcher([])("a")


@example("[-\\]", "")
@given(st.text(st.sampled_from("ab*?[]!-^/.\\"), max_size=12), st.text("ab/.-", max_size=12))
def test_any_glob_is_one(glob: str, path: str) -> None:
    assert matcher([glob])(path) in (True, False)


@given(st.lists(st.text("ab.-_ ", min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_plain_path_means_itself(parts: list[str]) -> None:
    path = "/".join(part for part in parts if part != ".") or "a"
    assert matcher([path])(path)


def test_many_stars_are_not_slow() -> None:
    started = time.perf_counter()
    assert not matcher(["*" * 50 + "b"])("a" * 500)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a*)*b",
        r"(\s*\w+)+",
        "(x(a|b+)y)*",
        "((a){1,})+",
        "(?:a+?)*",
        "(?=(a+)+)b",
        "(a{2,999})*",
    ],
)
def test_patterns_that_blow_up_are_refused(pattern: str) -> None:
    with pytest.raises(WrongError, match="endless repeat"):
        patterns.regex(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "a+b*",
        "(ab)+",
        "(a|b)*",
        "(a{1,3})+",
        "(?:[a-z]++,)*",
        "(?>a+)*",
        "^x$",
        r"\d+\.\d+",
        "(?i)a",
    ],
)
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    assert patterns.regex(pattern) == pattern
    re.compile(pattern)


@pytest.mark.parametrize("pattern", ["", "(", "[", "*a", "a" * 1_001, "(?P<1>a)", "a{99999999999}"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(WrongError):
        patterns.regex(pattern)
