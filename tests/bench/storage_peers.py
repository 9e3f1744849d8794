"""Peers of storage: one durable step of each, on a disk or at an S3 server, and how each opens.

PyIceberg syncs only its SQLite catalog, and neither deltalake nor SlateDB syncs anything on a disk,
so on a local store all three are measured at less than what ours promises.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType
from slatedb.uniffi import Db, DbBuilder, Error, ObjectStore, Settings

from tests.bench.figures import Work

ROWS = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"]})
SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=False),
    NestedField(2, "name", StringType(), required=False),
)
VALUE = bytes(1_024)


@dataclass(frozen=True)
class Place:
    """Where peers keep things: a folder of a disk or a prefix of a bucket, as each is told of it.

    `catalog` is a folder of a disk, for the catalog that PyIceberg needs beside.
    """

    url: str
    catalog: Path
    iceberg: Mapping[str, str]
    delta: Mapping[str, str] | None
    slate_store: str
    slate_path: str


def on_disk(folder: Path) -> Place:
    """Return a place below a folder."""
    return Place(folder.as_uri(), folder, {}, None, "file:///", f"{folder}/slate".lstrip("/"))


def on_s3(bucket: str, folder: Path, *, url: str, key: str, secret: str) -> Place:
    """Return a place in a bucket; SlateDB takes its credential from the environment."""
    iceberg = {
        "s3.endpoint": url,
        "s3.access-key-id": key,
        "s3.secret-access-key": secret,
        "s3.region": "us-east-1",
    }
    delta = slate_environment(url=url, key=key, secret=secret)
    return Place(f"s3://{bucket}/peers", folder, iceberg, delta, f"s3://{bucket}", "peers/slate")


def slate_environment(*, url: str, key: str, secret: str) -> dict[str, str]:
    """Return what names an S3 server and its credential, in the words of the AWS tools."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
    }


def _catalog(place: Place) -> SqlCatalog:
    uri = f"sqlite:///{place.catalog}/iceberg.db"
    return SqlCatalog("bench", uri=uri, warehouse=f"{place.url}/iceberg", **place.iceberg)


def iceberg_create(place: Place) -> Work:
    """Return a step that creates a table in a catalog of PyIceberg's own."""
    catalog, numbers = _catalog(place), count()
    catalog.create_namespace("bench")

    async def create() -> None:
        catalog.create_table(f"bench.t{next(numbers)}", SCHEMA)

    return create


def iceberg_open(place: Place) -> Work:
    """Return a step that opens the catalog and loads the first table."""

    async def load() -> None:
        _catalog(place).load_table("bench.t0")

    return load


def delta_append(place: Place) -> Work:
    """Return a step that appends three rows to a table by its path."""
    path = f"{place.url}/delta"
    options: Any = place.delta and dict(place.delta)

    async def append() -> None:
        deltalake.write_deltalake(path, ROWS, mode="append", storage_options=options)

    return append


def delta_open(place: Place) -> Work:
    """Return a step that opens the table."""
    options: Any = place.delta and dict(place.delta)

    async def load() -> None:
        deltalake.DeltaTable(f"{place.url}/delta", storage_options=options).version()

    return load


async def slate_open(place: Place) -> Db:
    """Open a database that flushes every millisecond, and fence whoever has it open."""
    settings = Settings.default()
    settings.set("flush_interval", '"1ms"')
    builder = DbBuilder(place.slate_path, ObjectStore.resolve(place.slate_store))
    builder.with_settings(settings)
    return await builder.build()


@asynccontextmanager
async def slate_put(place: Place) -> AsyncIterator[Work]:
    """Yield a step that puts a value of 1 KiB and waits until it is as durable as it gets."""
    database, numbers = await slate_open(place), count()

    async def put() -> None:
        handle = await database.put(str(next(numbers)).encode(), VALUE)
        await handle.await_durable()

    yield put
    await database.shutdown()


def slate_take_over(place: Place) -> tuple[Work, Callable[[], Awaitable[None]]]:
    """Return a step that opens the database and so fences the one before; and one that ends all."""
    held: list[Db] = []

    async def take_over() -> None:
        held.append(await slate_open(place))

    async def close() -> None:
        while held:
            with suppress(Error.Closed):  # fenced by the next
                await held.pop().shutdown()

    return take_over, close
