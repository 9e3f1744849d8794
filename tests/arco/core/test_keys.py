"""Typed keys: each literal as it stands on a store, round trips, and everything that is refused."""

from __future__ import annotations

import ast
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arco.core import keys
from arco.core.errors import Invalid
from arco.core.ids import Digest, Ulid
from arco.core.keys import FAMILIES, DomainName, Key, Mutability, ReceiptPhase, Role, Verb
from tests.arco.keys_kit import any_key

ROOT = Path(__file__).parents[3]
ULID = Ulid("01ARZ3NDEKTSV4RRFFQ69G5FAV")
DIGEST = Digest("ab" * 32)
UUID = "0191e4a0-0000-7000-8000-000000000001"
CATALOG = DomainName.CATALOG
WORKSPACE = keys.Workspace("acme", "prod")

LITERALS: dict[Key, str] = {
    keys.LedgerKey(CATALOG, ULID): f"ledger/catalog/2016-07-30/{ULID}.segment.json",
    keys.BaseKey(
        CATALOG, 7, ULID, "tables"
    ): f"state/catalog/base/00000000000000000007-{ULID}/tables.parquet",
    keys.DeltaKey(CATALOG, 7, ULID): f"state/catalog/l0/00000000000000000007-{ULID}.parquet",
    keys.RootManifestKey(0): "manifests/root/00000000000000000000.manifest.json",
    keys.GenesisKey(CATALOG): "manifests/catalog/00000000000000000000.manifest.json",
    keys.DomainManifestKey(
        DomainName.EXECUTIONS, 12
    ): "manifests/executions/00000000000000000012.manifest.json",
    keys.LockKey(DomainName.ORCHESTRATION): "locks/orchestration.lock.json",
    keys.FloorKey(CATALOG, 3): "floors/catalog/00000000000000000003.floor.json",
    keys.PinKey(CATALOG, ULID): f"pins/catalog/{ULID}.pin.json",
    keys.DomainHintKey(CATALOG): "hints/catalog.hint.json",
    keys.PointerHintKey(UUID): f"hints/iceberg/{UUID}.hint.json",
    keys.CursorKey(CATALOG): "cursors/catalog.cursor.json",
    keys.QuarantineKey(CATALOG, ULID): f"quarantine/catalog/{ULID}.segment.json",
    keys.ProbeKey(ULID): f"probes/{ULID}.probe",
    keys.DeploymentKey(ULID): f"deployments/{ULID}.deployment.json",
    keys.DeploymentIndexKey(): "deployments/index.json",
    keys.DeploymentIdempotencyKey(DIGEST): f"deployments/idempotency/{DIGEST}.json",
    keys.PointerKey(UUID, 1): f"iceberg/pointers/{UUID}/00000000000000000001.pointer.json",
    keys.IcebergIdempotencyKey(DIGEST): f"iceberg/idempotency/{DIGEST}.json",
    keys.TransactionKey(ULID): f"iceberg/transactions/{ULID}.json",
    keys.ReceiptKey(
        "2026-11-27", ReceiptPhase.PENDING, DIGEST
    ): f"iceberg/receipts/2026-11-27/pending/{DIGEST}.json",
}
"""One key of each family, and its path below the workspace: a contract with what is stored."""


def test_every_family_has_its_literal_pinned() -> None:
    assert {type(key) for key in LITERALS} == set(FAMILIES)
    assert len({kind.FAMILY.literal for kind in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize(("key", "path"), LITERALS.items(), ids=lambda value: str(value)[:60])
def test_the_literal_of_a_family(key: Key, path: str) -> None:
    assert key.path == path
    assert WORKSPACE.locate(key) == f"tenant=acme/workspace=prod/{path}"
    assert WORKSPACE.parse(WORKSPACE.locate(key)) == key


@given(any_key())
def test_keys_round_trip_and_no_family_takes_the_key_of_another(key: Key) -> None:
    path = key.path
    assert type(key).parse(path) == key
    parsed = [kind.parse(path) for kind in FAMILIES if _parses(kind, path)]
    assert parsed == [key]
    assert set(path) <= set(string.ascii_letters + string.digits + "-_./")
    assert ".." not in path
    assert "//" not in path


@given(any_key(), st.data())
def test_a_path_with_anything_changed_is_another_key_or_none(key: Key, data: st.DataObject) -> None:
    path = key.path
    at = data.draw(st.integers(0, len(path)))
    junk = data.draw(st.text(min_size=1, max_size=3))
    changed = path[:at] + junk + path[at:]
    for kind in FAMILIES:
        if _parses(kind, changed):
            assert kind.parse(changed).path == changed
            assert kind.parse(changed) != key


def _parses(kind: type[Key], path: str) -> bool:
    try:
        kind.parse(path)
    except Invalid:
        return False
    return True


HOSTILE = [
    *("", ".", "..", "../x", "a/b", "a\\b", "/a", "a%2fb", "a%", "a\x00", "a\n", "a\r", "a ", " a"),
    *(
        "A",
        "Prod",
        "é",
        "\u0430cme",
        "\uff41",
        "a\u202e",
        "a" * 65,
        "a:b",
        "a?b",
        "a#b",
        "a*",
        "a=b",
        "~",
    ),
]


@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_words_have_no_place_in_a_key(word: str) -> None:
    with pytest.raises(Invalid):
        keys.Workspace(word, "prod")
    with pytest.raises(Invalid):
        keys.Workspace("acme", word)
    with pytest.raises(Invalid):
        keys.BaseKey(CATALOG, 1, ULID, word)
    with pytest.raises(Invalid):
        keys.PointerKey(word, 1)
    with pytest.raises(Invalid):
        keys.PinKey(CATALOG, Ulid(word))
    with pytest.raises(Invalid):
        keys.LockKey(word)  # type: ignore[arg-type]  # what somebody without a checker passes


@pytest.mark.parametrize("value", [-1, 0, 10**20, True, 1.0, "1", None])
def test_a_version_is_a_number_of_at_most_twenty_digits(value: Any) -> None:
    with pytest.raises(Invalid):
        keys.DomainManifestKey(CATALOG, value)


@pytest.mark.parametrize(
    "path",
    [
        "tenant=acme/workspace=prod2/locks/catalog.lock.json",
        "tenant=acme2/workspace=prod/locks/catalog.lock.json",
        "tenant=acme/workspace=prodlocks/catalog.lock.json",
        "locks/catalog.lock.json",
        "tenant=acme/workspace=prod/../prod/locks/catalog.lock.json",
        "tenant=acme/workspace=prod/locks/catalog.lock.json/",
        "tenant=acme/workspace=prod/locks/catalog.lock.json\n",
        "tenant=acme/workspace=prod/ledger/catalog/2016-07-31/01ARZ3NDEKTSV4RRFFQ69G5FAV.segment.json",
        "tenant=acme/workspace=prod/manifests/root2/00000000000000000000.manifest.json",
        "tenant=acme/workspace=prod/manifests/catalog/1.manifest.json",
    ],
)
def test_foreign_and_misspelled_paths_are_refused(path: str) -> None:
    with pytest.raises(Invalid):
        WORKSPACE.parse(path)


def test_a_prefix_stops_before_the_first_unknown_field() -> None:
    assert keys.LedgerKey.prefix(domain=CATALOG) == "ledger/catalog/"
    assert keys.LedgerKey.prefix(domain=CATALOG, date="2026-11-27") == "ledger/catalog/2026-11-27/"
    assert keys.DomainManifestKey.prefix() == "manifests/"
    assert keys.DeploymentIndexKey.prefix() == "deployments/index.json"


def test_nothing_but_hints_and_cursors_is_written_over_without_a_look() -> None:
    replaced = {k for k in FAMILIES for role in Role if k.FAMILY.may(role, Verb.REPLACE)}
    assert replaced == {keys.DomainHintKey, keys.PointerHintKey, keys.CursorKey}
    assert all(k.FAMILY.mutability is Mutability.ADVISORY for k in replaced)


def test_who_may_do_what_is_what_the_roles_are_for() -> None:
    def who(verb: Verb, *kinds: type[Key]) -> set[Role]:
        return {role for role in Role for kind in kinds if kind.FAMILY.may(role, verb)}

    state = (keys.BaseKey, keys.DeltaKey)
    assert who(Verb.CREATE, *state, keys.DomainManifestKey) == {Role.COMPACTOR}
    assert who(Verb.CREATE, keys.RootManifestKey, keys.GenesisKey) == {Role.INITIALISER}
    assert who(Verb.CREATE, keys.LedgerKey) == {Role.API, Role.CONTROLLER}
    assert who(Verb.LIST, *FAMILIES) == {Role.ANTI_ENTROPY, Role.COLLECTOR}
    assert who(Verb.DELETE, *FAMILIES) == {Role.COLLECTOR}
    assert (
        who(Verb.DELETE, keys.FloorKey, keys.LockKey, keys.RootManifestKey, keys.GenesisKey)
        == set()
    )
    reader = {verb for kind in FAMILIES for role, verb in kind.FAMILY.grants if role is Role.READER}
    assert reader == {Verb.GET}


def test_a_grant_that_the_mutability_does_not_admit_is_refused() -> None:
    with pytest.raises(Invalid, match="admit no"):
        keys.Family("x/{ulid}", Mutability.IMMUTABLE, frozenset({(Role.API, Verb.UPDATE)}))


# --- no other module spells a path --------------------------------------------------------------

FIRST_WORDS = {kind.FAMILY.literal.partition("/")[0] + "/" for kind in FAMILIES}
LAST_WORDS = {
    "." + kind.FAMILY.literal.rpartition("/")[2].partition(".")[2] for kind in FAMILIES
} - {".json", ".parquet"}


def spelled(text: str) -> list[str]:
    """Return the strings of a module, f-strings and docstrings' code apart, that spell a path."""
    tree = ast.parse(text)
    prose = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) in prose or " " in node.value:
            continue
        starts = any(node.value.startswith(word) for word in FIRST_WORDS)
        if starts or any(word in node.value for word in (*LAST_WORDS, "tenant=", "workspace=")):
            found.append(node.value)
    return found


def test_no_other_module_spells_a_path() -> None:
    modules = [p for p in (ROOT / "arco").rglob("*.py") if p.parent.name != "keys"]
    assert modules
    found = {p.name: words for p in modules if (words := spelled(p.read_text("utf-8")))}
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "x = 'locks/catalog.lock.json'",
        "x = f'manifests/{d}/1'",
        "x = f'{p}.manifest.json'",
        "x = 'tenant=a'",
    ],
)
def test_a_spelled_path_is_found(text: str) -> None:
    assert spelled(text)
