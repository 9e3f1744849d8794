"""The marker survives every name, and is found exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import errors
from audit.runner.marker import (
    MARKER,
    attempt_prefix,
    carries,
    enclosing_roots,
    mark,
    refuse_enclosed,
    run_prefix,
)

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(names, names, st.integers(1, 99), names, names)
def test_roots_come_back_and_prefixes_are_found(
    run: str, cell: str, number: int, root: str, outer: str
) -> None:
    first = mark({}, outer, "x", 1, outer)
    value = mark({MARKER: first}, run, cell, number, root)
    environ = f"A=b\0{MARKER}={value}\0C=d\0".encode()
    assert enclosing_roots({MARKER: value}) == (outer, root)
    assert carries(environ, attempt_prefix(run, cell, number))
    assert carries(environ, attempt_prefix(outer, "x", 1))
    assert carries(environ, run_prefix(run))
    assert not carries(environ, attempt_prefix(run, cell, number + 100))
    assert not carries(environ, run_prefix(run + "!"))


@pytest.mark.parametrize(
    "environ",
    [
        b"OTHER=run/a/1@/r\0",
        b"X_ARCO_AUDIT_RUNS=run/a/1@/r\0",
        b"ARCO_AUDIT_RUNS=x@/run/a/1@/r\0",
        b"ARCO_AUDIT_RUNS=\0run/a/1@\0",
        b"",
    ],
)
def test_what_only_looks_like_a_marker_is_none(environ: bytes) -> None:
    assert not carries(environ, attempt_prefix("run", "a", 1))


def test_no_enclosing_run_no_roots() -> None:
    assert enclosing_roots({}) == ()
    assert enclosing_roots({MARKER: ""}) == ()


def test_a_repository_that_an_enclosing_run_audits_is_refused(tmp_path: Path) -> None:
    repo, link = tmp_path / "a:b @c", tmp_path / "link"
    repo.mkdir()
    link.symlink_to(repo)
    environ = {MARKER: mark({}, "r", "c", 1, str(repo))}
    with pytest.raises(errors.Invalid, match="enclosing run"):
        refuse_enclosed(link, environ)
    refuse_enclosed(tmp_path, environ)
    refuse_enclosed(repo, {})
