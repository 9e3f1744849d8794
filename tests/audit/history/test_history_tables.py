"""Rows survive a file; what is newer, foreign, damaged or too large is refused."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="could_not_run: pyarrow is not installed")

import pyarrow.parquet as pq  # noqa: E402

from audit.errors import Invalid  # noqa: E402
from audit.history import tables  # noqa: E402
from audit.history.columns import TABLES  # noqa: E402
from tests.audit.history import history_guide  # noqa: E402
from tests.audit.history.history_kit import made_up  # noqa: E402

INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "word": TEXT,
    "instant": INSTANTS,
    "number": st.integers(-(2**63), 2**63 - 1),
    "flag": st.booleans(),
    "texts": st.lists(TEXT, max_size=3),
}


def rows_of(table: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Any rows of a table."""
    values = {
        column.name: st.none() | VALUES[column.kind] if column.optional else VALUES[column.kind]
        for column in TABLES[table]
    }
    return st.lists(st.fixed_dictionaries(values), max_size=4)


@pytest.mark.parametrize("table", TABLES)
@given(data=st.data())
def test_rows_survive_a_file(
    table: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = data.draw(rows_of(table))
    path = tmp_path_factory.mktemp("one") / "file.parquet"
    path.write_bytes(tables.encode(table, tables.table_of(table, rows)))
    assert tables.read(table, path).to_pylist() == rows


def test_columns_have_the_types_that_the_guide_tells() -> None:
    for table, columns in TABLES.items():
        schema = tables.stored_schema(table)
        types = {field.name: field.type for field in schema}
        for column in columns:
            found = types[column.name]
            assert {
                "text": found == pa.string(),
                "word": pa.types.is_dictionary(found),
                "instant": found == pa.timestamp("us", tz="UTC"),
                "number": found == pa.int64(),
                "flag": found == pa.bool_(),
                "texts": pa.types.is_list(found),
            }[column.kind], (table, column)
            assert schema.field(column.name).nullable == column.optional


def test_the_guide_tells_every_column() -> None:
    text = history_guide.PAGE.read_text("utf-8")
    assert history_guide.page(text) == text, "python tests/audit/history/history_guide.py"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("duration_ms", 2**63),
        ("reason", "\ud800"),
        ("reason", 7),
        ("exit_code", "0"),
        ("ended", "2026-12-01"),
    ],
)
def test_what_fits_no_column_is_refused_with_its_place(column: str, value: object) -> None:
    row = {**made_up(1).rows["cells"][0], column: value}
    with pytest.raises(Invalid, match="folder-1"):
        tables.table_of("cells", [row], place="folder-1")


def foreign(schema: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(schema.empty_table(), stream)
    return stream.getvalue()


def damaged_files() -> dict[str, bytes]:
    whole = tables.encode("gates", tables.table_of("gates", made_up(1).rows["gates"]))
    schema = tables.stored_schema("gates")
    return {
        "empty": b"",
        "no parquet": b"PAR1 but nothing else PAR1",
        "cut in half": whole[: len(whole) // 2],
        "without its end": whole[:-1],
        "another table": tables.encode("cells", tables.table_of("cells", made_up(1).rows["cells"])),
        "no version": foreign(schema.remove_metadata()),
        "a column more": foreign(schema.append(pa.field("more", pa.int64()))),
        "a column less": foreign(schema.remove(3)),
        "another type": foreign(schema.set(3, pa.field("gate", pa.int32(), nullable=False))),
        "foreign": foreign(pa.schema([("x", pa.int64())])),
    }


@pytest.mark.parametrize("name", damaged_files())
def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file.parquet"
    path.write_bytes(damaged_files()[name])
    with pytest.raises(Invalid, match="damaged or foreign") as refusal:
        tables.read("gates", path)
    assert refusal.value.place == str(path)
    assert "history add" in refusal.value.next_step


def test_a_file_of_a_newer_version_is_refused_as_newer(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    schema = tables.stored_schema("gates").append(pa.field("more", pa.int64()))
    path.write_bytes(foreign(schema.with_metadata({tables.VERSION_KEY: b"2"})))
    with pytest.raises(Invalid, match="newer"):
        tables.read("gates", path)
