"""The schemas of the tree are sound, and a break of compatibility is noticed."""

from __future__ import annotations

from typing import Any

import pytest
import schema_rules
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^[a-z]+$"},
        "kind": {"enum": ["a", "b"]},
        "many": {"type": "array", "items": {"type": ["integer", "null"]}, "maxItems": 3},
        "inner": {"$ref": "#/$defs/inner"},
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["id"],
    "additionalProperties": False,
    "$defs": {"inner": {"type": "object", "properties": {"again": {"$ref": "#/$defs/inner"}}}},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """Return a copy of `CLOSED` with one value replaced, or removed when `value` is None."""
    copy: dict[str, Any] = _copy(CLOSED)
    *way, last = path.split("/")
    place = copy
    for word in way:
        place = place[word]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return copy


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value


def test_the_schemas_of_the_tree_are_sound() -> None:
    code, lines = schema_rules.run_lint()
    assert code == 0, "\n".join(lines)


def test_a_schema_does_not_break_itself() -> None:
    assert schema_rules.breaking(CLOSED, CLOSED) == []
    for name, schema in schema_rules.committed().items():
        assert schema_rules.breaking(schema, schema) == [], name


BREAKS = [
    ("required", ["id", "kind"]),
    ("properties/kind", None),
    ("properties/kind/enum", ["a"]),
    ("properties/kind", {"const": "a"}),
    ("properties/id/type", "integer"),
    ("properties/id/minLength", 2),
    ("properties/id/maxLength", 8),
    ("properties/id/pattern", "^[a-y]+$"),
    ("properties/id/format", "date"),
    ("properties/many/items/type", "integer"),
    ("properties/many/maxItems", 2),
    ("properties/many/uniqueItems", True),
    ("properties/inner", {"type": "string"}),
    ("$defs/inner/additionalProperties", False),
    ("$defs/inner/required", ["again"]),
    ("properties/either/anyOf", [{"type": "string"}]),
    ("properties/either", {"type": "string"}),
]


@pytest.mark.parametrize(("path", "value"), BREAKS)
def test_a_break_is_noticed(path: str, value: object) -> None:
    assert schema_rules.breaking(CLOSED, changed(path, value))


HARMLESS = [
    ("required", []),
    ("additionalProperties", True),
    ("properties/new", {"type": "string"}),
    ("properties/kind/enum", ["a", "b", "c"]),
    ("properties/kind", {"type": "string"}),
    ("properties/id/maxLength", 10),
    ("properties/id/pattern", None),
    ("properties/id/description", "words"),
    ("properties/many/items/type", ["integer", "null", "string"]),
    ("properties/either/anyOf", [{"type": "null"}, {"type": "integer"}, {"type": "string"}]),
    ("properties/inner", {}),
]


@pytest.mark.parametrize(("path", "value"), HARMLESS)
def test_what_accepts_more_is_no_break(path: str, value: object) -> None:
    assert schema_rules.breaking(CLOSED, changed(path, value)) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "bb"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner),
    max_leaves=4,
)
SIMPLE = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "null", ["string", "null"], "number"]),
        "enum": st.lists(st.sampled_from(["", "a", "bb", 1, True, None]), min_size=1, max_size=3),
        "minLength": st.integers(0, 2),
        "maximum": st.integers(0, 3),
    },
)
OBJECTS = st.fixed_dictionaries(
    {"properties": st.dictionaries(st.sampled_from("xy"), SIMPLE)},
    optional={
        "type": st.just("object"),
        "required": st.lists(st.sampled_from("xy"), unique=True),
        "additionalProperties": st.booleans(),
    },
)


@example(old={}, new={"properties": {"x": {"type": "string"}}}, value={"x": None})
@given(old=SIMPLE | OBJECTS, new=SIMPLE | OBJECTS, value=VALUES)
def test_no_break_means_that_every_accepted_value_stays_accepted(
    old: dict[str, Any], new: dict[str, Any], value: object
) -> None:
    if schema_rules.breaking(old, new) == [] and Draft202012Validator(old).is_valid(value):
        assert Draft202012Validator(new).is_valid(value)


def test_a_schema_that_went_away_is_a_break() -> None:
    assert schema_rules.compare_all({"a": {}}, {}) == ["a: removed"]
    assert schema_rules.compare_all({}, {"a": {}}) == []


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ([], "not an object"),
        ({"type": "strin"}, "not a schema"),
        ({"properties": {}}, "unknown keys"),
        ({"$ref": "#/$defs/none"}, "dangling"),
        ({}, "missing key=`$id`"),
        ({"$schema": "draft-07"}, "dialect"),
    ],
)
def test_lint_says_what_is_wrong(schema: object, said: str) -> None:
    assert said in " ".join(schema_rules.lint("planted", schema))
