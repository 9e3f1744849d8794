"""An Iceberg REST catalog on the loopback: the paths that a push needs, over a SqlCatalog.

No package offers a small one that can stand in a test, so this speaks the protocol itself (Apache
Iceberg REST catalog, OpenAPI v1), with PyIceberg's own models of its requests and answers.
It asks for a token, as real ones do.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pyiceberg.catalog.rest import CreateTableRequest, TableResponse
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.table import CommitTableRequest, Table

TOKEN = "a-token"
OPTIONAL = {"location": None, "partition-spec": None, "write-order": None}
"""What a client may leave out of a request for a table."""
REFUSALS: dict[type[Exception], int] = {
    NoSuchNamespaceError: 404,
    NoSuchTableError: 404,
    NamespaceAlreadyExistsError: 409,
    TableAlreadyExistsError: 409,
    CommitFailedException: 409,
}


class Handler(BaseHTTPRequestHandler):
    """One request. `server.catalog` is what answers; one at a time, as SQLite likes it."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.one_at_a_time:
            code, value = self._routed(body)
        data = b"" if self.command == "HEAD" else value.encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _routed(self, body: bytes) -> tuple[int, str]:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _problem(401, "NotAuthorizedException", "no token")
        path = self.path.partition("?")[0].strip("/").split("/")[1:]
        self.server.seen.append((self.command, "/".join(path)))
        try:
            return 200, self._value(path, body)
        except tuple(REFUSALS) as error:
            return _problem(REFUSALS[type(error)], type(error).__name__, str(error))

    def _value(self, path: list[str], body: bytes) -> str:
        catalog = self.server.catalog
        match [self.command, *path]:
            case ["GET", "config"]:
                return json.dumps({"defaults": {}, "overrides": {}})
            case ["POST", "namespaces"]:
                name = tuple(json.loads(body)["namespace"])
                catalog.create_namespace(name)
                return json.dumps({"namespace": name, "properties": {}})
            case ["GET" | "HEAD", "namespaces", name]:
                catalog.load_namespace_properties(name)
                return json.dumps({"namespace": [name], "properties": {}})
            case ["POST", "namespaces", name, "tables"]:
                wish = CreateTableRequest.model_validate({**OPTIONAL, **json.loads(body)})
                return _told(
                    catalog.create_table(
                        (name, wish.name), wish.table_schema, properties=wish.properties
                    )
                )
            case ["GET" | "HEAD", "namespaces", name, "tables", table]:
                return _told(catalog.load_table((name, table)))
            case ["POST", "namespaces", name, "tables", table]:
                change = CommitTableRequest.model_validate_json(body)
                loaded = catalog.load_table((name, table))
                done = catalog.commit_table(loaded, change.requirements, change.updates)
                return done.model_dump_json(by_alias=True, exclude_none=True)
        raise NoSuchTableError("/".join(path))


class Server(ThreadingHTTPServer):
    """The catalog as a server; `seen` holds the requests that had the token."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        (folder / "warehouse").mkdir()
        self.catalog = SqlCatalog(
            "behind",
            uri=f"sqlite:///{folder}/catalog.db",
            warehouse=f"file://{folder}/warehouse",
        )
        self.one_at_a_time = threading.Lock()
        self.seen: list[tuple[str, str]] = []

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def rows(self, table: str) -> list[Any]:
        """The rows of a table, as anybody else would read them."""
        found: list[Any] = self.catalog.load_table(("rel", table)).scan().to_arrow().to_pylist()
        return found


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a new catalog below a folder."""
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.catalog.close()


def _told(table: Table) -> str:
    answer: dict[str, Any] = {
        "metadata-location": table.metadata_location,
        "metadata": table.metadata,
    }
    return TableResponse(**answer).model_dump_json(by_alias=True, exclude_none=True)


def _problem(code: int, kind: str, message: str) -> tuple[int, str]:
    return code, json.dumps({"error": {"message": message, "type": kind, "code": code}})
