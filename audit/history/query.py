"""What the history answers: one query each, over DuckDB, with rows as records.

Every answer is about the runs that were chosen (the newest N, one audit, or all), in the order of
their end. Times are RFC 3339 UTC, `_ms` integer milliseconds, `_percent` whole percents.
DuckDB runs in this process, loads no extension and reads only the files that the store names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from audit.errors import Invalid
from audit.history import store, tables
from audit.history.columns import TABLES

T = TypeVar("T")
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}
INSTANTS = ("ended", "last", "since", "open_since")
"""Fields of answers that a query gives in microseconds since 1970."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Trend:
    """One run. `change` is the difference of its open signals to the run before."""

    ended: str
    audit: str
    label: str
    commit: str
    verdict: str
    verified: bool
    signals_open: int
    signals: int
    change: int
    gates_go: int
    gates: int
    cells_passed: int
    cells: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Flaky:
    """A cell that says this and that. `retried`: runs in which it passed after a failure; `flips`:
    times that two runs of the same subject, one after the other, differ; `subjects` have them."""

    cell: str
    runs: int
    retried: int
    flips: int
    subjects: int
    last: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class TimeToGreen:
    """How long a signal or a gate was not GO: from its first run in red to the first GO after.

    `times` counts those that ended; `open_since` is when the one began that did not.
    """

    kind: str
    audit: str
    id: str
    times: int
    median_ms: int | None
    longest_ms: int | None
    last_ms: int | None
    open_since: str | None


@dataclass(frozen=True, slots=True)
class Owner:
    """The signals of an owner in the newest run of each audit, and how they moved before.

    `opened` and `closed` count turns of a signal from and to GO.
    """

    owner: str
    signals: int
    go: int
    partial: int
    blocked: int
    no_go: int
    opened: int
    closed: int
    median_ms: int | None


@dataclass(frozen=True, slots=True)
class GateTrend:
    """A gate: how it stands, since which run, and in how many percent of the runs it was GO."""

    audit: str
    gate: int
    name: str
    status: str
    since: str
    go_percent: int
    reopened: int
    open: int
    runs: int


@dataclass(frozen=True, slots=True)
class SlowCell:
    """How long a cell takes where it passes. `growth_percent` compares the median of the newer half
    of its runs with that of the older half."""

    cell: str
    runs: int
    median_ms: int
    p95_ms: int
    last_ms: int
    timeout_ms: int
    growth_percent: int | None


class History:
    """A store that is open for questions."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.runs: int = self._all("SELECT count(*) FROM runs")[0][0]

    def trends(self) -> list[Trend]:
        """Return one row per run."""
        return self._records(Trend, TRENDS)

    def flaky(self) -> list[Flaky]:
        """Return the cells that passed after a failure or flipped, the worst first."""
        return self._records(Flaky, FLAKY)

    def time_to_green(self) -> list[TimeToGreen]:
        """Return every gate and signal that was ever not GO, open ones first."""
        return self._records(TimeToGreen, TIME_TO_GREEN)

    def owners(self) -> list[Owner]:
        """Return the owners, those with most open signals first."""
        return self._records(Owner, OWNERS)

    def gates(self) -> list[GateTrend]:
        """Return the gates of every audit."""
        return self._records(GateTrend, GATES)

    def cells(self) -> list[SlowCell]:
        """Return the cells that ever passed, the slowest first."""
        return self._records(SlowCell, CELLS)

    def gate_statuses(self, newest: int) -> list[tuple[str, str, int, str]]:
        """Return (end of the run, audit, gate, status) of the newest runs of each audit."""
        rows = self._all(GATE_STATUSES, [newest])
        return [(utc(row[0]), row[1], row[2], row[3]) for row in rows]

    def _records(self, cls: type[T], sql: str) -> list[T]:
        at = [n for n, name in enumerate(field_names(cls)) if name in INSTANTS]
        return [cls(*_with_instants(row, at)) for row in self._all(sql)]

    def _all(self, sql: str, values: list[Any] | None = None) -> list[Any]:
        try:
            return self._connection.execute(sql, values or []).fetchall()
        except duckdb.Error as error:
            raise unreadable(error) from error


ANSWERS: Mapping[str, Callable[[History], list[Any]]] = {
    "trends": History.trends,
    "flaky": History.flaky,
    "time-to-green": History.time_to_green,
    "owners": History.owners,
    "gates": History.gates,
    "cells": History.cells,
}
"""Every question by its name."""


@contextmanager
def opened(folder: Path, *, last: int | None = None, audit: str = "") -> Iterator[History]:
    """Open a store for questions about its newest `last` runs, of one audit or of all.

    Raises:
        Invalid: no store, nothing in it, no such audit, a newer or damaged store.
    """
    with store.opened(folder) as files, duckdb.connect(":memory:", config=SETTINGS) as connection:
        try:
            _views(connection, files, last, audit)
            history = History(connection)
        except duckdb.Error as error:
            raise unreadable(error) from error
        if not history.runs:
            step = "leave --audit out to see every audit" if audit else "arco-audit history add"
            what = f"of audit=`{audit[:80]}` " if audit else ""
            raise Invalid(f"no run {what}is in the history", place=str(folder), next_step=step)
        yield history


def unreadable(error: Exception) -> Invalid:
    """Return the error for what DuckDB says of a damaged file."""
    first = (str(error).splitlines() or [""])[0]
    return Invalid(
        f"the history cannot be read: {first[:200].lower()}",
        next_step="make it again from the bundles: move its folder away, then "
        "arco-audit history add",
    )


def utc(micros: int) -> str:
    """Return microseconds since 1970 as RFC 3339 UTC.

    >>> utc(0), utc(1_500_000)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:01.500000Z')
    """
    return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def literal_path(path: Path) -> str:
    """Return a path as a pattern of DuckDB that matches nothing else."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path.absolute()))


def _views(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, list[Path]],
    last: int | None,
    audit: str,
) -> None:
    chosen = last is not None or bool(audit)
    for table, paths in files.items():
        if paths:
            relation = connection.read_parquet(
                [literal_path(path) for path in paths], hive_partitioning=False
            )
        else:
            relation = connection.from_arrow(tables.schema(table).empty_table())
        relation.create_view(f"all_{table}")
    if chosen:
        connection.execute(
            "CREATE TABLE chosen AS SELECT final_root FROM all_runs WHERE $1 = '' OR audit = $1"
            " ORDER BY ended DESC, final_root DESC LIMIT $2",
            [audit, last],
        )
    where = " WHERE final_root IN (SELECT final_root FROM chosen)" if chosen else ""
    for table in TABLES:
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM all_{table}{where}")


def field_names(cls: Any) -> list[str]:
    """Return the names of a record's fields, in the order of the columns of its query."""
    return [field.name for field in fields(cls)]


def _with_instants(row: tuple[Any, ...], at: list[int]) -> list[Any]:
    values = list(row)
    for index in at:
        values[index] = None if values[index] is None else utc(values[index])
    return values


# --- the queries ----------------------------------------------------------------------------------

TRENDS = """
SELECT epoch_us(ended), audit, label, commit, verdict, verified, signals_open, signals,
       signals_open - coalesce(lag(signals_open) OVER before, signals_open),
       gates_go, gates, cells_passed, cells, duration_ms
FROM runs WINDOW before AS (PARTITION BY audit ORDER BY ended, final_root)
ORDER BY ended, final_root
"""
FLAKY = """
WITH said AS (
  SELECT cell, subject_digest, ended, flaky, result = 'passed' AS passed,
         result = 'passed' AND failed_before > 0 AS retried,
         (result = 'passed') IS DISTINCT FROM lag(result = 'passed', 1, result = 'passed') OVER (
           PARTITION BY audit, cell, subject_digest ORDER BY ended, final_root) AS flipped
  FROM cells WHERE deciding AND result IN ('passed', 'failed', 'timed_out')
)
SELECT cell, count(*), count(*) FILTER (retried) AS retries, count(*) FILTER (flipped) AS flips,
       count(DISTINCT subject_digest) FILTER (retried OR flipped),
       epoch_us(max(ended) FILTER (retried OR flipped)), arg_max(flaky, ended)
FROM said GROUP BY cell HAVING retries + flips > 0 ORDER BY retries + flips DESC, cell
"""
TURNS = """
WITH seen AS (
  SELECT 'signal' AS kind, audit, signal AS id, owner, ended, final_root, status = 'GO' AS go
  FROM signals
  UNION ALL
  SELECT 'gate', audit, CAST(gate AS VARCHAR), '', ended, final_root, status = 'GO' FROM gates
), marked AS (
  SELECT *, lag(go) OVER (PARTITION BY kind, audit, id ORDER BY ended, final_root) AS before
  FROM seen
), turns AS (
  SELECT *, lead(ended) OVER (PARTITION BY kind, audit, id ORDER BY ended, final_root) AS until
  FROM marked WHERE go IS DISTINCT FROM before
), took AS (
  SELECT *, epoch_ms(until) - epoch_ms(ended) AS ms FROM turns
)
"""
"""Turns: rows where a signal or a gate became GO or ceased to be; `until` is the next turn."""
TIME_TO_GREEN = f"""
{TURNS}
SELECT kind, audit, id, count(until), CAST(median(ms) AS BIGINT), max(ms), arg_max(ms, ended),
       epoch_us(max(ended) FILTER (until IS NULL))
FROM took WHERE NOT go GROUP BY kind, audit, id
ORDER BY kind, count(*) FILTER (until IS NULL) DESC, max(ms) DESC NULLS LAST, audit, id
"""
OWNERS = f"""
{TURNS}, newest AS (
  SELECT audit, arg_max(final_root, (ended, final_root)) AS final_root FROM runs GROUP BY audit
), now AS (
  SELECT owner, count(*) AS signals, count(*) FILTER (status = 'GO') AS go,
         count(*) FILTER (status = 'PARTIAL') AS partial,
         count(*) FILTER (status = 'BLOCKED-EXTERNAL') AS blocked,
         count(*) FILTER (status = 'NO-GO') AS no_go
  FROM signals SEMI JOIN newest USING (final_root) GROUP BY owner
), moved AS (
  SELECT owner, count(*) FILTER (NOT go AND before) AS opened,
         count(*) FILTER (go AND NOT before) AS closed,
         CAST(median(ms) FILTER (NOT go) AS BIGINT) AS median_ms
  FROM took WHERE kind = 'signal' GROUP BY owner
)
SELECT owner, signals, go, partial, blocked, no_go, coalesce(opened, 0), coalesce(closed, 0),
       median_ms
FROM now LEFT JOIN moved USING (owner) ORDER BY signals - go DESC, owner
"""
GATES = """
WITH marked AS (
  SELECT *, lag(status) OVER (PARTITION BY audit, gate ORDER BY ended, final_root) AS before
  FROM gates
)
SELECT audit, gate, arg_max(name, (ended, final_root)), arg_max(status, (ended, final_root)),
       epoch_us(max(ended) FILTER (status IS DISTINCT FROM before)),
       CAST(floor(100 * count(*) FILTER (status = 'GO') / count(*)) AS BIGINT),
       count(*) FILTER (before = 'GO' AND status <> 'GO'),
       arg_max(open, (ended, final_root)), count(*)
FROM marked GROUP BY audit, gate ORDER BY audit, gate
"""
CELLS = """
WITH took AS (
  SELECT cell, duration_ms, timeout_ms, ended,
         row_number() OVER (PARTITION BY cell ORDER BY ended, final_root) AS place,
         count(*) OVER (PARTITION BY cell) AS runs
  FROM cells WHERE deciding AND result = 'passed' AND duration_ms IS NOT NULL
)
SELECT cell, count(*), CAST(median(duration_ms) AS BIGINT) AS median_ms,
       CAST(quantile_disc(duration_ms, 0.95) AS BIGINT),
       arg_max(duration_ms, place), arg_max(timeout_ms, place),
       CAST(round(100 * median(duration_ms) FILTER (2 * place > runs)
         / nullif(median(duration_ms) FILTER (2 * place <= runs), 0) - 100) AS BIGINT)
FROM took GROUP BY cell ORDER BY median_ms DESC, cell
"""
GATE_STATUSES = """
WITH newest AS (
  SELECT final_root FROM runs
  QUALIFY row_number() OVER (PARTITION BY audit ORDER BY ended DESC, final_root DESC) <= $1
)
SELECT epoch_us(ended), audit, gate, status FROM gates SEMI JOIN newest USING (final_root)
ORDER BY ended, final_root, gate
"""
