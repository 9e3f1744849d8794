"""The tables of the history as Arrow: their schemas, rows into them, and Parquet files of them.

What a column means is in `columns`; where the files lie is the store's question.
Format: Apache Parquet 2.6, zstd; one file holds rows of one table. The version of the tables lies
in the metadata of each file's schema.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import Invalid
from audit.history.columns import SCHEMA_VERSION, TABLES, Kind
from audit.history.gather import Row

VERSION_KEY = b"arco-audit.schema-version"
"""Key of the metadata under which the version of a file's tables stands, in decimal."""
TEXTS = pa.list_(pa.field("element", pa.string(), nullable=False))
PLAIN: Mapping[Kind, pa.DataType] = {
    "text": pa.string(),
    "word": pa.string(),
    "instant": pa.timestamp("us", tz="UTC"),
    "number": pa.int64(),
    "flag": pa.bool_(),
    "texts": TEXTS,
}
"""The type of each kind outside a file: words are plain strings there."""
STORED: Mapping[Kind, pa.DataType] = {**PLAIN, "word": pa.dictionary(pa.int32(), pa.string())}
"""The type of each kind in a file."""


def schema(table: str) -> pa.Schema:
    """Return the schema of a table in memory: words are plain strings."""
    return _schema(table, stored=False)


def stored_schema(table: str) -> pa.Schema:
    """Return the schema of a table in a file: words are dictionaries, and it has its version."""
    return _schema(table, stored=True)


@functools.cache
def _schema(table: str, *, stored: bool) -> pa.Schema:
    kinds = STORED if stored else PLAIN
    fields = [
        pa.field(column.name, kinds[column.kind], nullable=column.optional)
        for column in TABLES[table]
    ]
    return pa.schema(fields, {VERSION_KEY: str(SCHEMA_VERSION).encode()} if stored else None)


def table_of(table: str, rows: Iterable[Row], *, place: str = "") -> pa.Table:
    """Return rows as a table in memory.

    Raises:
        Invalid: a value has no place in its column: a number beyond 64 bits, a text that is no
            Unicode, an instant that no timestamp holds.
    """
    rows = list(rows)
    wanted = schema(table)
    try:
        made = [
            pa.array([row[field.name] for row in rows], field.type, from_pandas=False)
            for field in wanted
        ]
        built = pa.Table.from_arrays(made, schema=wanted)
        built.validate(full=True)
    except (ValueError, OverflowError, TypeError, pa.ArrowException) as error:
        raise Invalid(
            f"holds what no table can: {str(error).splitlines()[0].lower()} table=`{table}`",
            place=place,
            next_step="look at its records; arco-audit verify says whether they were edited",
        ) from error
    return built


def encode(table: str, rows: pa.Table) -> bytes:
    """Return rows as the bytes of a Parquet file; row groups of at most 1,048,576 rows."""
    stream = io.BytesIO()
    pq.write_table(rows.cast(stored_schema(table)), stream, compression="zstd", version="2.6")
    return stream.getvalue()


def read(table: str, path: Path, columns: list[str] | None = None) -> pa.Table:
    """Return the rows of a file in memory, or some of their columns.

    Raises:
        Invalid: it cannot be read, or is not a file of this table.
    """
    check(table, path)
    try:
        rows = pq.ParquetFile(path).read(columns=columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise damaged(path, str(error)) from error
    wanted = schema(table)
    return rows.cast(pa.schema([wanted.field(name) for name in columns]) if columns else wanted)


def check(table: str, path: Path) -> None:
    """Look at a file's footer only. Raises `Invalid` where it is not a file of this table."""
    try:
        found = pq.read_schema(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise damaged(path, str(error)) from error
    version = (found.metadata or {}).get(VERSION_KEY)
    if version is not None and version.isdigit() and int(version) > SCHEMA_VERSION:
        raise newer(str(path), int(version))
    if version is None or not found.equals(stored_schema(table)):
        raise damaged(path, f"its columns are not those of table=`{table}`")


def newer(place: str, version: int) -> Invalid:
    """Return the error for a store that a later program wrote."""
    return Invalid(
        f"a newer arco-audit wrote this version=`{version}` known=`{SCHEMA_VERSION}`",
        place=place,
        next_step="upgrade arco-audit, or name another folder with --store",
    )


def damaged(path: Path, why: str) -> Invalid:
    """Return the error for a file that is not what the store says it is."""
    first = (why.splitlines() or [""])[0]
    return Invalid(
        f"this file of the history is damaged or foreign: {first[:200].lower()}",
        place=str(path),
        next_step="make the history again from the bundles: move its folder away, then "
        "arco-audit history add",
    )
