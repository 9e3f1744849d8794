"""What the kernel's tests share: any record of any type, and small plans and facts by hand."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Hashable
from typing import Any

from hypothesis import strategies as st

from evidence import judge, model

UTC = "2026-12-01T10:00:00Z"
LATER = "2026-12-01T10:00:05Z"

TEXT = st.lists(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from([*'\t\n\r\\"\u202e\x00\x1b\x7f\u2028\x85', "\udc80", "\udcff"]),
    ),
    max_size=6,
).map("".join)
"""Text with what breaks lines, and with bytes of names that are not UTF-8 (`st.text` leaves those
out, even where its alphabet has them)."""


@functools.cache
def any_of(key: Hashable, text: st.SearchStrategy[str] = TEXT) -> st.SearchStrategy[Any]:
    """Any value of a type of the records, from its own annotations, with such strings in it."""
    kind: Any = key
    origin, words = typing.get_origin(kind), typing.get_args(kind)
    if kind in (str, int, bool, type(None)):
        plain = {str: text, int: st.integers(), bool: st.booleans(), type(None): st.none()}
        return plain[kind]
    if origin is typing.Literal:
        return st.sampled_from(words)
    if origin is tuple:
        return st.lists(any_of(words[0], text), max_size=2).map(tuple)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(any_of(word, text) for word in words))
    hints = typing.get_type_hints(kind)
    return st.builds(
        kind, **{field.name: any_of(hints[field.name], text) for field in dataclasses.fields(kind)}
    )


def make_plan(
    *signals: model.Signal,
    cells: tuple[model.Cell, ...] = (),
    gates: tuple[model.Gate, ...] | None = None,
    **changes: object,
) -> model.Plan:
    """A plan over one gate that requires all signals, unless gates are given."""
    plain = model.Plan(
        format_version=1,
        tool=model.Tool("arco-audit", "0.0.0"),
        audit=model.Audit("a-1", "An audit", "2026-12-01", "all", "", "", judge.ALL_GATES_GO),
        label="head/1",
        subject=model.Subject("c" * 40, UTC, "d" * 40, "ab" * 32, "main", (), ()),
        rules=model.Rules(("release_evidence/",), None, (), (), 2, fail_fast=False),
        roles=(),
        cells=cells,
        gates=(model.Gate(0, "Base", tuple(s.id for s in signals)),) if gates is None else gates,
        signals=signals,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def make_facts(*attempts: model.AttemptFact, **changes: object) -> model.Facts:
    plain = model.Facts(
        format_version=1,
        as_of=LATER,
        subject_after="ab" * 32,
        attempts=attempts,
        results=(),
        tests=(),
        metrics=(),
        files=(),
        absent=(),
        engine=(),
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def ran(
    cell: str, result: model.Result = "passed", number: int = 1, end: str = UTC, reason: str = ""
) -> model.AttemptFact:
    code = {"passed": 0, "failed": 1, "could_not_run": 75}.get(result)
    return model.AttemptFact(cell, number, result, reason, code, end)
