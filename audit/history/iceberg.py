"""The same tables in an Iceberg catalog: made where they are absent, appended run by run.

The only place that speaks PyIceberg; the catalog is an argument, so any that PyIceberg knows will
do. Only runs that verified are sent. `runs` is appended last, so that a run that it names is whole
in every table, and what an interrupted push left is completed by the next one. One commit per
table; a table that somebody else changed meanwhile refuses it, because a second try could double
what they appended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, In
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import (
    BooleanType,
    IcebergType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from audit.errors import AuditError, Conflict, Invalid, Unavailable
from audit.history import store, tables
from audit.history.columns import KEY, SCHEMA_VERSION, TABLES, Column, Kind

NAME = "arco-audit"
"""Name of the catalog in PyIceberg's own configuration, where credentials belong."""
VERSION_PROPERTY = "arco-audit.schema-version"
PROPERTIES = {
    VERSION_PROPERTY: str(SCHEMA_VERSION),
    "commit.retry.num-retries": "0",
}
"""Properties of our tables. No retries: a retried append does not look again what is there."""
ROOTS_FILTERED_MAX = 200
"""Runs that a scan is filtered by; for more, the column of keys is read whole."""
_TYPES: Mapping[Kind, IcebergType] = {
    "text": StringType(),
    "word": StringType(),
    "instant": TimestamptzType(),
    "number": LongType(),
    "flag": BooleanType(),
}


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did to one table, in rows; `made` says whether the table was absent."""

    table: str
    made: bool
    rows: int


def connect(uri: str, warehouse: str = "") -> Catalog:
    """Return the catalog at a URI; credentials come from PyIceberg's configuration.

    Raises:
        Unavailable: it cannot be reached, or refuses us.
    """
    properties = {"uri": uri} | ({"warehouse": warehouse} if warehouse else {})
    with _said(uri):
        return load_catalog(NAME, **properties)


def push(catalog: Catalog, namespace: str, folder: Path, *, place: str = "") -> list[Pushed]:
    """Append every verified run of a store that is not in the catalog yet, and every approval.

    Raises:
        Invalid: a table of that name has other columns, or is of a newer version; no store.
        Conflict: somebody else appended meanwhile; what was appended stays, and counts.
        Unavailable: the catalog cannot be reached, or refuses us.
    """
    with store.opened(folder) as files:
        ours = {name: _read(name, paths) for name, paths in files.items()}
    with _said(place):
        catalog.create_namespace_if_not_exists(namespace)
        remote = {name: _table(catalog, f"{namespace}.{name}", name) for name in TABLES}
        verified = ours["runs"].filter(ours["runs"]["verified"])[KEY].to_pylist()
        wanted = set(verified) - _roots(remote["runs"][0], None)
        return [
            Pushed(name, made, _append(name, table, ours[name], wanted))
            for name, (table, made) in remote.items()
        ]


def iceberg_schema(table: str) -> Schema:
    """Return the Iceberg schema of a table, with the meaning of each column beside it."""
    columns = TABLES[table]
    return Schema(
        *(
            NestedField(
                field_id=number,
                name=column.name,
                field_type=_type(column, len(columns) + number),
                required=not column.optional,
                doc=column.meaning,
            )
            for number, column in enumerate(columns, 1)
        )
    )


def _type(column: Column, element_id: int) -> IcebergType:
    if column.kind == "texts":
        return ListType(element_id=element_id, element_type=StringType(), element_required=True)
    return _TYPES[column.kind]


def _read(table: str, paths: list[Path]) -> pa.Table:
    empty = tables.schema(table).empty_table()
    return pa.concat_tables([empty, *(tables.read(table, path) for path in paths)])


def _table(catalog: Catalog, identifier: str, name: str) -> tuple[Table, bool]:
    """Return a table of the catalog, made where it is absent, and whether it was made."""
    try:
        table = catalog.load_table(identifier)
    except NoSuchTableError:
        try:
            return catalog.create_table(
                identifier, iceberg_schema(name), properties=PROPERTIES
            ), True
        except TableAlreadyExistsError:
            table = catalog.load_table(identifier)
    _refuse_other(table, identifier, name)
    if any(table.properties.get(key) != value for key, value in PROPERTIES.items()):
        with table.transaction() as change:
            change.set_properties(PROPERTIES)
    return table, False


def _refuse_other(table: Table, identifier: str, name: str) -> None:
    version = table.properties.get(VERSION_PROPERTY, "")
    if version.isdigit() and int(version) > SCHEMA_VERSION:
        raise tables.newer(identifier, int(version))
    found = {field.name: str(field.field_type) for field in table.schema().fields}
    wanted = {field.name: str(field.field_type) for field in iceberg_schema(name).fields}
    other = sorted(key for key, kind in wanted.items() if found.get(key) != kind)
    if other:
        raise Invalid(
            f"this table has other columns than a history columns=`{', '.join(other[:5])}`",
            place=identifier,
            next_step="name another namespace with --namespace",
        )


def _append(name: str, remote: Table, ours: pa.Table, wanted: Set[str]) -> int:
    """Append what is not there, in one commit; return the rows."""
    if name == "approvals":
        there = remote.scan().to_arrow().to_pylist() if remote.current_snapshot() else []
        chosen = [row not in there for row in ours.to_pylist()]
    else:
        missing = wanted - _roots(remote, wanted)
        chosen = [root in missing for root in ours[KEY].to_pylist()]
    rows: pa.Table = ours.filter(pa.array(chosen, pa.bool_()))
    if rows.num_rows:
        remote.append(rows)
    return len(rows)


def _roots(remote: Table, among: Set[str] | None) -> set[str]:
    """The runs that a table holds rows of; `among` are the only ones that matter."""
    if remote.current_snapshot() is None or (among is not None and not among):
        return set()
    where: BooleanExpression = AlwaysTrue()
    if among is not None and len(among) <= ROOTS_FILTERED_MAX:
        # PyIceberg makes a predicate of its arguments in a way that its types do not show.
        where = In(KEY, among)  # type: ignore[call-arg, arg-type] # pyright: ignore
    found = remote.scan(row_filter=where, selected_fields=(KEY,)).to_arrow()
    return set(found[KEY].unique().to_pylist())


@contextmanager
def _said(uri: str) -> Iterator[None]:
    """Turn what a catalog says into our errors."""
    place = _without_secrets(uri)
    try:
        yield
    except AuditError:
        raise
    except CommitFailedException as error:
        raise Conflict(
            "somebody else changed a table meanwhile, so that nothing was appended to it",
            place=place,
            next_step="push again: what is there already is not appended twice",
        ) from error
    except Exception as error:  # each catalog and each file system has errors of its own:
        first = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise Unavailable(
            f"the catalog cannot be used: {_plain(first, uri)[:300]}",
            place=place,
            next_step=f"look at the URI, and at the catalog `{NAME}` in PyIceberg's configuration",
        ) from error


def _without_secrets(uri: str) -> str:
    """A URI without the name and the password that it may hold."""
    try:
        host = urlsplit(uri).netloc.rpartition("@")[2]
        return urlsplit(uri)._replace(netloc=host, query="").geturl()
    except ValueError:
        return ""


def _plain(message: str, uri: str) -> str:
    """A message without what a URI may hold of secrets."""
    try:
        parts = urlsplit(uri)
        secrets = [parts.query, parts.password, parts.username]
    except ValueError:
        return message
    for secret in filter(None, secrets):
        message = message.replace(secret, "…")
    return message
