"""Every record survives its bytes, and nothing but a record gets in."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import codec, journal, model
from tests.evidence.kernel_kit import TEXT, any_of
from tests.examples import share

FILES = (model.Plan, model.Run, model.Facts, model.Decision, model.Seal)
RECORDS = tuple(
    kind
    for module in (model, journal)
    for kind in vars(module).values()
    if dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
    if kind is not journal.Journal
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_record_survives_its_bytes(kind: type) -> None:
    @share(25)
    @given(any_of(kind))
    def survives(record: Any) -> None:
        data = codec.write(record)
        again: Any = codec.read(kind, data)
        assert again == record
        assert codec.write(again) == data
        assert json.loads(data) == json.loads(codec.compact(codec.to_value(record)))

    survives()


@given(JSON)
def test_canonical_bytes_are_a_fixed_point(value: Any) -> None:
    data = codec.encode(value)
    assert codec.parse(data) == value
    assert codec.encode(codec.parse(data)) == data
    assert codec.parse(codec.compact(value)) == value
    assert data.endswith(b"\n")
    assert b"\n" not in codec.compact(value)


@given(JSON)
def test_the_order_of_members_changes_no_byte(value: Any) -> None:
    def turned(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: turned(item[key]) for key in reversed(item)}
        return [turned(one) for one in item] if isinstance(item, list) else item

    assert codec.encode(turned(value)) == codec.encode(value)


def test_each_element_of_a_list_has_a_line_of_its_own() -> None:
    text = codec.encode({"b": [{"x": 1, "a": 2}, 3], "a": []}).decode()
    assert text == '{\n "a": [],\n "b": [\n  {"a":2,"x":1},\n  3\n ]\n}\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{"a": 1, "b": 2, "a": 1}', "key 'a' stands there twice"),
        (b'{"x": {"a": 1, "a": 2}}', "key 'a' stands there twice"),
        (b"1.5", "1.5 is not an integer"),
        (b"1e3", "1e3 is not an integer"),
        (b"NaN", "NaN is not an integer"),
        (b"-Infinity", "-Infinity is not an integer"),
        (b"0." + b"1" * 90_000, "is not an integer"),
        (b"9" * 5_000, "digits"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b'"\xff"', "byte 1 is not UTF-8"),
        (b'"\xed\xa0\x80"', "is not UTF-8"),
        (b"\xef\xbb\xbf{}", "bom"),
        (b"", "line 1, column 1"),
        (b"{}{}", "line 1, column 3: extra data"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": 1,}', "line 1, column"),
        (b'"\x01"', "line 1, column 2: invalid control character"),
        (b"01", "extra data"),
    ],
)
def test_what_is_not_strict_json_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(codec.Malformed) as caught:
        codec.parse(text, "plan.json")
    assert caught.value.place == "plan.json"
    assert problem in caught.value.problem
    assert len(str(caught.value)) < 200


def test_many_members_are_read_in_linear_time() -> None:
    """The second spelling of a key was looked for with one count per key."""
    members = ",".join(f'"{n}":0' for n in range(60_000))
    with pytest.raises(codec.Malformed, match="key '59999' stands there twice"):
        codec.parse(f'{{{members},"59999":0}}'.encode())


CELL = {
    **{"id": "a", "command": "a", "argv": [], "cmd": "", "cwd": ".", "timeout_ms": 1},
    **{"output_bytes_max": 1, "needs": [], "accept_exit_codes": [0]},
    **{"could_not_run_exit_codes": [], "skipped_exit_codes": [], "required": True},
    **{"flaky": False, "env": [], "env_only": None, "results": [], "produces": [], "reads": []},
}
DEEP: Any = []
for _ in range(400):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("change", "place", "problem"),
    [
        ({"zz": 1}, "cells[1].zz", "unknown key"),
        ({"id": None}, "cells[1].id", "wants str, holds NoneType"),
        ({"timeout_ms": "1"}, "cells[1].timeout_ms", "wants int, holds str"),
        ({"timeout_ms": True}, "cells[1].timeout_ms", "wants int, holds bool"),
        ({"required": 1}, "cells[1].required", "wants bool, holds int"),
        ({"argv": "ls -l"}, "cells[1].argv", "wants a list, holds str"),
        ({"argv": {"0": "ls"}}, "cells[1].argv", "wants a list, holds dict"),
        ({"argv": ["ls", 1]}, "cells[1].argv[1]", "wants str, holds int"),
        ({"env_only": ["A", None]}, "cells[1].env_only[1]", "wants str, holds NoneType"),
        ({"results": [[]]}, "cells[1].results[0]", "wants an object, holds list"),
        ({"results": [{"format": "junit"}]}, "cells[1].results[0].path", "is missing"),
        (
            {"results": [{"format": "xml", "path": ""}]},
            "cells[1].results[0].format",
            "wants one of junit, metrics, nox, holds 'xml'",
        ),
        ({"results": [{"format": DEEP, "path": ""}]}, "cells[1].results[0].format", "holds list"),
        ({"results": [{"format": "x" * 999, "path": ""}]}, "cells[1].results[0].format", "'xxx"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(change: Any, place: str, problem: str) -> None:
    @dataclasses.dataclass(frozen=True)
    class Cells:
        cells: tuple[model.Cell, ...]

    Cells.__annotations__["cells"] = tuple[model.Cell, ...]
    with pytest.raises(codec.Malformed) as caught:
        codec.from_value(Cells, {"cells": [CELL, {**CELL, **change}]})
    assert caught.value.place == place
    assert problem in caught.value.problem
    assert len(caught.value.problem) < 200


@pytest.mark.parametrize("tag", [None, "", "commands", 1, ["command"], {"command": 1}, DEEP])
def test_a_condition_of_no_known_kind_names_those_that_are(tag: Any) -> None:
    signal = {
        **{"id": "s", "gate": 0, "title": "", "owner": "", "code": [], "tests": []},
        **{"runbook": "", "evidence": [], "exit_test": "", "conditions": [{"kind": tag}]},
    }
    with pytest.raises(codec.Malformed, match="wants kind one of command, test, metric") as caught:
        codec.from_value(model.Signal, signal, "signals[3]")
    assert caught.value.place == "signals[3].conditions[0]"


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inside: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    return [path] + [one for key, item in inside for one in paths_of(item, (*path, key))]


def spelled(path: tuple[Any, ...]) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.__name__)
def test_a_foreign_value_anywhere_is_named_there(kind: type) -> None:
    """No place of any record takes a float in place of what it holds, or an unknown member."""

    @share(25)
    @given(any_of(kind), st.data())
    def named(record: Any, data: st.DataObject) -> None:
        value = codec.to_value(record)
        path = data.draw(st.sampled_from(paths_of(value)))
        inner = value
        for key in path[:-1]:
            inner = inner[key]
        here = inner[path[-1]] if path else value
        if isinstance(here, dict):
            here["no such key"] = 1
            wanted = spelled((*path, "no such key"))
        else:
            inner[path[-1]] = 0.5
            wanted = spelled(path)
        with pytest.raises(codec.Malformed) as caught:
            codec.from_value(kind, value)
        # The kind of a condition says which record it is, so its list is where it is missed.
        assert caught.value.place in (wanted, wanted.removesuffix(".kind"))

    named()


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.__name__)
def test_garbage_is_malformed_and_nothing_else(kind: type) -> None:
    @share(60)
    @given(st.binary(max_size=40) | JSON.map(codec.encode))
    def refused(data: bytes) -> None:
        with pytest.raises(codec.Malformed):
            codec.read(kind, data, "x.json")

    refused()


def test_a_missing_key_is_the_default_only_where_there_is_one() -> None:
    assert codec.read(model.FilePresent, b'{"kind":"file","path":"a"}').contains is None
    with pytest.raises(codec.Malformed, match="path: is missing"):
        codec.read(model.FilePresent, b'{"kind":"file"}')


def test_a_float_has_no_bytes() -> None:
    with pytest.raises(TypeError):
        codec.to_value(model.Gate(1.5, "", ()))  # type: ignore[arg-type]
