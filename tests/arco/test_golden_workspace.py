"""Workspaces written by every version that had another format are read for ever."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from arco.adapters.local import LocalBackend
from arco.core.canonical import decode
from arco.core.ids import digest
from arco.core.keys import DomainManifestKey, DomainName
from arco.core.manifest import Kind
from arco.core.receipt import Receipt, disproof
from arco.publish.sight import Sight
from arco.scoped import ReaderStores, ScopedStorage
from arco.verify import Verifier
from tests.arco.storage_kit import WORKSPACE, ClockTasks, HandClock, run
from tests.golden import make_workspace

GOLDEN = Path(__file__).parents[1] / "golden" / "workspaces"
HEADS = {
    "workspace-1": "c776012b8004f89c492ff22b519b20391d38e2871a3c59eb0f56d1f6f5daff48",
}
"""The digest of the newest version of each."""


def reader(name: str, folder: Path) -> ReaderStores:
    """Return the stores of a copy: opening a store leaves a folder in it."""
    shutil.copytree(GOLDEN / name / "store", folder / "store")
    return ScopedStorage(LocalBackend(folder / "store"), WORKSPACE).reader()


def test_every_golden_workspace_is_known() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(HEADS)


@pytest.mark.parametrize("name", HEADS)
def test_a_golden_workspace_is_whole(name: str, tmp_path: Path) -> None:
    stores = reader(name, tmp_path)
    verified = run(Verifier(stores.read, WORKSPACE).verify())
    assert verified.findings == ()
    assert verified.domains == {"catalog": 6, "executions": 0, "orchestration": 0}
    seen = run(Sight(stores.read, ClockTasks(HandClock())).newest(DomainName.CATALOG))
    assert seen.head.digest == HEADS[name]
    assert seen.head.manifest.kind is Kind.ROLLBACK


@pytest.mark.parametrize("name", HEADS)
def test_a_golden_receipt_still_proves_its_event(name: str, tmp_path: Path) -> None:
    stores = reader(name, tmp_path)
    raw = (GOLDEN / name / make_workspace.RECEIPT).read_bytes()
    receipt = decode(raw, Receipt, where=make_workspace.RECEIPT)
    found = run(stores.read.get(DomainManifestKey(receipt.domain, receipt.version)))
    assert found is not None
    event = make_workspace.EVENTS[receipt.event_index]
    assert disproof(receipt, event, found.body) == ""
    assert disproof(receipt, event + b" ", found.body) != ""


def test_the_newest_format_is_what_this_code_writes(tmp_path: Path) -> None:
    newest = max(HEADS)
    make_workspace.write(tmp_path)
    here = {p.relative_to(tmp_path): digest(p.read_bytes()) for p in _files(tmp_path)}
    golden = GOLDEN / newest
    assert here == {p.relative_to(golden): digest(p.read_bytes()) for p in _files(golden)}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
