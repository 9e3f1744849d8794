"""Our predicates under their published schemas, and layouts that allow nothing else."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from audit.render import schema
from audit.trust import intoto, predicates
from evidence import codec
from tests.audit.trust import attest_kit as kit

REMAKE = (
    "from audit.trust import predicates; from pathlib import Path; "
    "[Path('schemas', n).write_bytes(d) for n, d in predicates.all_schemas().items()]"
)
KEY = {"keyid": "ab" * 32, "keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "00"}}


@pytest.mark.parametrize("name", sorted(predicates.all_schemas()))
def test_committed_schema_of_a_predicate_is_current(name: str) -> None:
    found = schema.schema_folder().joinpath(name).read_bytes()
    assert found == predicates.all_schemas()[name], f'stale; remake: python -c "{REMAKE}"'


@pytest.mark.parametrize("kind", list(intoto.PREDICATES))
def test_predicates_are_valid_and_may_grow(kind: str) -> None:
    name, _ = intoto.PREDICATES[kind]
    value: Any = intoto.statements(kit.sealed_run())[kind, ""].predicate
    check = jsonschema.Draft202012Validator(
        json.loads(predicates.all_schemas()[f"{name}.schema.json"])
    )
    check.validate(value)
    check.validate({**value, "later": 1, "of": {**value["of"], "later": 1}})
    for key in value:
        assert not check.is_valid({other: item for other, item in value.items() if other != key})
    assert not check.is_valid({**value, "of": None})


def test_a_verdict_is_one_of_two() -> None:
    value = intoto.statements(kit.sealed_run())[intoto.DECISION, ""].predicate
    data = predicates.all_schemas()["predicate-decision-v1.schema.json"]
    check = jsonschema.Draft202012Validator(json.loads(data))
    assert not check.is_valid({**value, "verdict": "MAYBE"})


def test_a_layout_asks_for_every_cell_and_allows_no_other_file() -> None:
    sealed = kit.sealed_run()
    layout = codec.parse(intoto.layout_of(sealed, KEY, "2030-01-01T00:00:00Z"))
    links = {name: codec.parse(data) for name, data in intoto.links(sealed).items()}
    assert [step["name"] for step in layout["steps"]] == list(links) == ["lint", "tests", "docs"]
    for step in layout["steps"]:
        link = links[step["name"]]
        assert step["pubkeys"] == [KEY["keyid"]]
        assert step["expected_command"] == link["command"]
        for rules, files in (("materials", link["materials"]), ("products", link["products"])):
            *asked, last = step[f"expected_{rules}"]
            assert last == ["DISALLOW", "*"]
            assert [name for word, name in asked if word == "REQUIRE"] == sorted(files)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("a[1]*?.log", "a[[]1][*][?].log"), ("plain.txt", "plain.txt"), ("!x", "!x")],
)
def test_a_rule_matches_its_own_file_alone(name: str, pattern: str) -> None:
    rules = list(intoto.rules({name: {}}))
    assert rules == [["REQUIRE", name], ["ALLOW", pattern], ["DISALLOW", "*"]]
