"""The tables in a catalog: each run once, whatever stops a push and whoever pushes beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="could_not_run: pyarrow is not installed")
pytest.importorskip("pyiceberg", reason="could_not_run: pyiceberg is not installed")
pytest.importorskip("sqlalchemy", reason="could_not_run: sqlalchemy is not installed")

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import LongType, NestedField, StringType

from audit.errors import Conflict, Invalid, Unavailable
from audit.history import iceberg, store, tables
from audit.history.columns import TABLES
from tests.audit.history.history_kit import approval, made_up, root_of

Patch = pytest.MonkeyPatch


@pytest.fixture
def make_catalog(tmp_path: Path) -> Iterator[Any]:
    """Catalogs over the same place, as two programs would have them."""
    opened: list[SqlCatalog] = []
    (tmp_path / "warehouse").mkdir()

    def make() -> SqlCatalog:
        where = {
            "uri": f"sqlite:///{tmp_path}/catalog.db",
            "warehouse": f"file://{tmp_path}/warehouse",
        }
        opened.append(SqlCatalog("test", **where))
        return opened[-1]

    yield make
    for catalog in opened:
        catalog.close()


@pytest.fixture
def catalog(make_catalog: Any) -> Catalog:
    made: Catalog = make_catalog()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    runs = [
        made_up(n, signals={"A": "GO", "B": "NO-GO"}, cells={"t": ["failed", "passed"]})
        for n in range(3)
    ]
    store.add(path, runs, [approval(1)])
    return path


def rows_in(catalog: Catalog, table: str) -> list[Any]:
    rows: list[Any] = catalog.load_table(f"rel.{table}").scan().to_arrow().to_pylist()
    return sorted(rows, key=repr)


def rows_of(folder: Path, table: str) -> list[Any]:
    with store.opened(folder) as files:
        rows = [row for path in files[table] for row in tables.read(table, path).to_pylist()]
    return sorted(rows, key=repr)


def same(catalog: Catalog, folder: Path) -> bool:
    return all(rows_in(catalog, table) == rows_of(folder, table) for table in TABLES)


def counts(done: list[iceberg.Pushed]) -> dict[str, int]:
    return {item.table: item.rows for item in done}


def test_a_push_makes_the_tables_and_sends_every_row(catalog: Catalog, folder: Path) -> None:
    done = iceberg.push(catalog, "rel", folder)
    assert all(item.made for item in done)
    assert counts(done) == {"cells": 6, "signals": 6, "gates": 3, "approvals": 1, "runs": 3}
    assert same(catalog, folder)
    for table in TABLES:
        assert len(catalog.load_table(f"rel.{table}").metadata.snapshots) == 1, "one commit"


def test_a_second_push_sends_only_what_is_new(catalog: Catalog, folder: Path) -> None:
    iceberg.push(catalog, "rel", folder)
    again = iceberg.push(catalog, "rel", folder)
    assert not any(item.rows or item.made for item in again)
    store.add(folder, [made_up(7)], [approval(1, role="Security")])
    done = iceberg.push(catalog, "rel", folder)
    assert counts(done) == {"cells": 1, "signals": 1, "gates": 1, "approvals": 1, "runs": 1}
    assert same(catalog, folder)


def test_runs_of_two_stores_meet_in_one_catalog(
    catalog: Catalog, folder: Path, tmp_path: Path
) -> None:
    iceberg.push(catalog, "rel", folder)
    other = tmp_path / "other"
    store.add(other, [made_up(2), made_up(8)])
    assert counts(iceberg.push(catalog, "rel", other))["runs"] == 1
    roots = [row["final_root"] for row in rows_in(catalog, "runs")]
    assert sorted(roots) == sorted(map(root_of, [0, 1, 2, 8]))


def test_many_runs_are_looked_up_as_well(
    catalog: Catalog, folder: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(iceberg, "ROOTS_FILTERED_MAX", 1)
    iceberg.push(catalog, "rel", folder)
    store.add(folder, [made_up(n) for n in range(10, 14)])
    iceberg.push(catalog, "rel", folder)
    assert same(catalog, folder)


def test_what_did_not_verify_is_not_sent(catalog: Catalog, folder: Path) -> None:
    store.add(folder, [made_up(9, verified=False)])
    assert counts(iceberg.push(catalog, "rel", folder))["runs"] == 3
    assert root_of(9) not in {row["final_root"] for row in rows_in(catalog, "cells")}
    store.add(folder, [made_up(9)])
    assert counts(iceberg.push(catalog, "rel", folder))["runs"] == 1
    assert same(catalog, folder)


@pytest.mark.parametrize("stops_at", range(5))
def test_an_interrupted_push_is_completed_by_the_next(
    catalog: Catalog, folder: Path, monkeypatch: Patch, stops_at: int
) -> None:
    real, calls = Table.append, iter(range(100))

    def append(self: Table, *args: Any, **named: Any) -> None:
        if next(calls) == stops_at:
            raise KeyboardInterrupt
        real(self, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "append", append)
        with pytest.raises(KeyboardInterrupt):
            iceberg.push(catalog, "rel", folder)
    assert rows_in(catalog, "runs") == []
    iceberg.push(catalog, "rel", folder)
    assert same(catalog, folder)


@pytest.mark.parametrize("meets_at", range(5))
def test_two_pushes_at_once_double_nothing(
    make_catalog: Any, folder: Path, monkeypatch: Patch, meets_at: int
) -> None:
    """The other push happens whole between our look at what is there and our commit."""
    first, second = make_catalog(), make_catalog()
    real, calls = Table.append, iter(range(100))

    def append(self: Table, *args: Any, **named: Any) -> None:
        if next(calls) == meets_at:
            with monkeypatch.context() as patch:
                patch.setattr(Table, "append", real)
                iceberg.push(second, "rel", folder)
        real(self, *args, **named)

    monkeypatch.setattr(Table, "append", append)
    with pytest.raises(Conflict) as refusal:
        iceberg.push(first, "rel", folder)
    assert "push again" in refusal.value.next_step
    assert same(first, folder)


def test_a_table_that_others_made_gives_up_retries_too(catalog: Catalog, folder: Path) -> None:
    catalog.create_namespace("rel")
    catalog.create_table("rel.runs", iceberg.iceberg_schema("runs"))
    done = iceberg.push(catalog, "rel", folder)
    assert [item.made for item in done] == [True] * 4 + [False]
    assert iceberg.PROPERTIES.items() <= catalog.load_table("rel.runs").properties.items()
    assert same(catalog, folder)


def test_a_table_with_other_columns_is_refused(catalog: Catalog, folder: Path) -> None:
    catalog.create_namespace("rel")
    other = Schema(
        NestedField(1, "final_root", StringType(), required=True),
        NestedField(2, "gate", StringType(), required=True),
        NestedField(3, "mine", LongType()),
    )
    catalog.create_table("rel.gates", other)
    with pytest.raises(Invalid, match="columns=`audit, closed, ended, gate, name`") as refusal:
        iceberg.push(catalog, "rel", folder)
    assert refusal.value.place == "rel.gates"


def test_a_column_more_does_no_harm(catalog: Catalog, folder: Path) -> None:
    iceberg.push(catalog, "rel", folder)
    with catalog.load_table("rel.gates").update_schema() as change:
        change.add_column("note", StringType())
    store.add(folder, [made_up(7)])
    iceberg.push(catalog, "rel", folder)
    assert len(rows_in(catalog, "gates")) == 4


def test_a_newer_table_is_refused(catalog: Catalog, folder: Path) -> None:
    iceberg.push(catalog, "rel", folder)
    with catalog.load_table("rel.cells").transaction() as change:
        change.set_properties({iceberg.VERSION_PROPERTY: "2"})
    with pytest.raises(Invalid, match="newer arco-audit"):
        iceberg.push(catalog, "rel", folder)


def test_a_store_that_is_not_there_sends_nothing(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no history yet"):
        iceberg.push(catalog, "rel", tmp_path / "none")
    assert catalog.list_namespaces() == []


def test_the_schema_has_the_columns_and_their_meaning() -> None:
    for table, columns in TABLES.items():
        fields = iceberg.iceberg_schema(table).fields
        assert [(f.name, f.doc, f.required) for f in fields] == [
            (c.name, c.meaning, not c.optional) for c in columns
        ]


@pytest.mark.parametrize("uri", ["nowhere", "", "http://[", "gopher://x", "sqlite:////no/such/x"])
def test_a_uri_without_a_catalog_is_refused(folder: Path, uri: str) -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        iceberg.push(iceberg.connect(uri), "rel", folder, place=uri)


def test_a_refusal_never_shows_a_password() -> None:
    with pytest.raises(Unavailable) as refusal:
        iceberg.connect("https://ann:hunter2@127.0.0.1:9/?key=hunter2")
    assert "hunter2" not in str(refusal.value)
    assert "127.0.0.1:9" in refusal.value.place
