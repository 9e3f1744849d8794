"""The history in a REST catalog: real processes, over HTTP, with a token."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="could_not_run: pyarrow is not installed")
pytest.importorskip("pyiceberg", reason="could_not_run: pyiceberg is not installed")
pytest.importorskip("sqlalchemy", reason="could_not_run: sqlalchemy is not installed")

from audit.history.columns import TABLES
from tests.e2e import catalog_kit
from tests.e2e import process_kit as kit

BUNDLE = kit.ROOT / "tests" / "golden" / "bundles" / "bundle-1"
SECRET = {"PYICEBERG_CATALOG__ARCO_AUDIT__TOKEN": catalog_kit.TOKEN}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[catalog_kit.Server]:
    with catalog_kit.serving(tmp_path) as served:
        yield served


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A store with the golden run."""
    folder = tmp_path / "store"
    kit.call(tmp_path, "history", "add", BUNDLE, "--store", folder, check=[0])
    return folder


def push(server: catalog_kit.Server, stored: Path) -> list[object]:
    """The words of a push."""
    where = ["--catalog", server.uri, "--namespace", "rel", "--store", stored]
    return ["history", "push", *where, "--json"]


def pushed(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    return {item["table"]: item["rows"] for item in json.loads(done.stdout)["tables"]}


def test_a_push_over_http_sends_every_row_once(
    server: catalog_kit.Server, stored: Path, tmp_path: Path
) -> None:
    rows = pushed(kit.call(tmp_path, *push(server, stored), check=[0], **SECRET))
    assert rows["runs"] == 1
    assert rows["signals"] > 0
    assert {table: len(server.rows(table)) for table in TABLES} == rows
    commits = [path for method, path in server.seen if method == "POST" and path.count("/") == 3]
    assert len(commits) == sum(map(bool, rows.values())), "one commit per table"
    again = pushed(kit.call(tmp_path, *push(server, stored), check=[0], **SECRET))
    assert not any(again.values())
    assert {table: len(server.rows(table)) for table in TABLES} == rows


def test_without_the_token_nothing_is_sent(
    server: catalog_kit.Server, stored: Path, tmp_path: Path
) -> None:
    done = kit.call(tmp_path, *push(server, stored), check=[2])
    error = json.loads(done.stdout)["error"]
    assert "cannot be used" in error["problem"]
    assert error["place"] == server.uri
    assert server.seen == []


def test_processes_that_push_at_once_double_nothing(
    server: catalog_kit.Server, stored: Path, tmp_path: Path
) -> None:
    started = [
        subprocess.Popen(
            kit.words(*push(server, stored)),
            cwd=tmp_path,
            env=kit.environ(**SECRET),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=kit.LONG_S) for process in started]
    for process, (out, err) in zip(started, said, strict=True):
        assert process.returncode in (0, 2), out + err
        if process.returncode:
            assert "push again" in out
    rows = pushed(kit.call(tmp_path, *push(server, stored), check=[0], **SECRET))
    assert rows.keys() == TABLES.keys()
    for table in ("runs", "signals", "gates", "cells"):
        found = [json.dumps(row, default=str) for row in server.rows(table)]
        assert found
        assert len(set(found)) == len(found), table
