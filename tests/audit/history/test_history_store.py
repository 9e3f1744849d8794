"""The store: each run once, whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyarrow", reason="could_not_run: pyarrow is not installed")

from audit.errors import Invalid
from audit.history import store, tables
from audit.history.columns import TABLES
from audit.history.gather import Gathered
from evidence import archive
from tests.audit.history.history_kit import approval, made_up, root_of


def rows_in(folder: Path) -> dict[str, list[Any]]:
    """All rows of a store, in an order of their own."""
    with store.opened(folder) as files:
        found = {
            name: [row for path in paths for row in tables.read(name, path).to_pylist()]
            for name, paths in files.items()
        }
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def rows_of(runs: Sequence[Gathered]) -> dict[str, list[Any]]:
    """The rows that runs have."""
    made = {
        name: [
            row for run in runs for row in tables.table_of(name, run.rows.get(name, ())).to_pylist()
        ]
        for name in TABLES
    }
    return {name: sorted(rows, key=repr) for name, rows in made.items()}


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_added_twice_is_there_once(tmp_path: Path) -> None:
    runs = [made_up(1), made_up(2), made_up(1)]
    assert store.add(tmp_path, runs) == store.Added(2, 1, 0, 0, 0)
    assert store.add(tmp_path, runs) == store.Added(0, 3, 0, 0, 0)
    assert rows_in(tmp_path) == rows_of(runs[:2])
    assert store.known(tmp_path) == {root_of(1): True, root_of(2): True}


def test_a_run_that_verifies_at_last_replaces_itself(tmp_path: Path) -> None:
    forged = made_up(1, verified=False, signals={"G0-001": "GO", "X": "GO"})
    store.add(tmp_path, [forged, made_up(2)])
    store.add(tmp_path, [made_up(3)], [approval(1)])
    done = store.add(tmp_path, [made_up(1, signals={"G0-001": "NO-GO"})])
    assert (done.added, done.replaced) == (0, 1)
    wanted = [made_up(1, signals={"G0-001": "NO-GO"}), made_up(2), made_up(3)]
    found = rows_in(tmp_path)
    assert len(found.pop("approvals")) == 1
    assert found == {k: v for k, v in rows_of(wanted).items() if k != "approvals"}


def test_a_run_that_verified_is_never_replaced(tmp_path: Path) -> None:
    store.add(tmp_path, [made_up(1)])
    store.add(tmp_path, [made_up(1, verified=False, signals={"X": "GO"})])
    assert rows_in(tmp_path) == rows_of([made_up(1)])


def test_the_one_that_verifies_wins_within_an_addition(tmp_path: Path) -> None:
    store.add(tmp_path, [made_up(1, verified=False, signals={"X": "GO"}), made_up(1)])
    assert rows_in(tmp_path) == rows_of([made_up(1)])


def test_an_approval_added_twice_is_there_once(tmp_path: Path) -> None:
    given_ = [approval(1), approval(1, role="Security"), approval(1)]
    assert store.add(tmp_path, [made_up(1)], given_).approvals == 2
    assert store.add(tmp_path, [], [*given_, approval(1, expires="2027-01-01T00:00:00Z")]) == (
        store.Added(0, 0, 0, 1, 0)
    )
    assert len(rows_in(tmp_path)["approvals"]) == 3
    assert len(rows_in(tmp_path)["runs"]) == 1


def test_an_approval_without_an_instant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no instant"):
        store.add(tmp_path, [], [approval(1, signed="2026-12-01T10:00:00")])


@settings(max_examples=25)
@given(batches=st.lists(st.lists(st.integers(0, 12), max_size=5), max_size=10))
def test_any_additions_leave_each_run_once(
    batches: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "SMALL_CHUNKS_MAX", 2)
        patch.setattr(store, "CHUNK_RUNS", 6)
        for batch in batches:
            store.add(folder, [made_up(number) for number in batch])
    numbers = sorted({number for batch in batches for number in batch})
    if not numbers:
        assert store.known(folder) == {}
        return
    assert rows_in(folder) == rows_of([made_up(number) for number in numbers])
    manifest = json.loads((folder / store.MANIFEST).read_bytes())
    named = {store.file_name(c["number"], t) for c in manifest["chunks"] for t in TABLES}
    assert files_in(folder) == named | {store.MANIFEST}


def test_many_additions_make_few_files(tmp_path: Path) -> None:
    for number in range(40):
        store.add(tmp_path, [made_up(number)])
    assert len(files_in(tmp_path)) <= 1 + len(TABLES) * (store.SMALL_CHUNKS_MAX + 1)
    assert len(store.known(tmp_path)) == 40


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", range(7))
@pytest.mark.parametrize("whole", [True, False], ids=["before the rename", "half written"])
def test_a_crash_at_any_write_loses_only_what_was_being_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, whole: bool
) -> None:
    monkeypatch.setattr(store, "SMALL_CHUNKS_MAX", 1)  # so that the addition merges as well
    store.add(tmp_path, [made_up(1)])
    before = rows_in(tmp_path)
    real, calls = archive.put, iter(range(100))

    def put(folder: Path, name: str, data: bytes) -> None:
        if next(calls) == after:
            half = name + archive.PARTIAL_SUFFIX
            (folder / half).write_bytes(data if whole else data[: len(data) // 2])
            raise Killed
        real(folder, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(archive, "put", put)
        if after < len(TABLES) + 1:
            with pytest.raises(Killed):
                store.add(tmp_path, [made_up(2)])
            assert rows_in(tmp_path) == before
    store.add(tmp_path, [made_up(2)])
    assert rows_in(tmp_path) == rows_of([made_up(1), made_up(2)])
    assert len(files_in(tmp_path)) == len(TABLES) + 1


def test_a_first_addition_that_crashed_leaves_a_folder_that_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_manifest", refuse)
        with pytest.raises(Killed):
            store.add(tmp_path, [made_up(1)])
    with pytest.raises(Invalid, match="no history yet"), store.opened(tmp_path):
        pass
    assert store.known(tmp_path) == {}
    store.add(tmp_path, [made_up(2)])
    assert rows_in(tmp_path) == rows_of([made_up(2)])


def test_what_a_crash_after_the_rename_left_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(store, "SMALL_CHUNKS_MAX", 1)
    store.add(tmp_path, [made_up(1)])
    with monkeypatch.context() as patch:
        patch.setattr(store, "_remove", killed)
        with pytest.raises(Killed):
            store.add(tmp_path, [made_up(2)])
    assert len(files_in(tmp_path)) > len(TABLES) + 1
    assert rows_in(tmp_path) == rows_of([made_up(1), made_up(2)])
    store.add(tmp_path, [])
    assert len(files_in(tmp_path)) == len(TABLES) + 1


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    problems: list[BaseException] = []

    def write(start: int) -> None:
        try:
            for number in range(start, start + 6):
                store.add(tmp_path / "store", [made_up(number), made_up(99)])
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=write, args=(10 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    wanted = [made_up(10 * n + k) for n in range(4) for k in range(6)]
    assert rows_in(tmp_path / "store") == rows_of([*wanted, made_up(99)])


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "00000001-runs.parquet").write_bytes(b"whose?")
    with pytest.raises(Invalid, match=r"notes\.txt"):
        store.add(tmp_path, [made_up(1)])
    assert files_in(tmp_path) == {"notes.txt", "00000001-runs.parquet"}


def test_nothing_of_others_is_removed_from_a_store(tmp_path: Path) -> None:
    store.add(tmp_path, [made_up(1)])
    (tmp_path / "notes.parquet").write_text("mine")
    store.add(tmp_path, [made_up(2)])
    assert (tmp_path / "notes.parquet").read_text() == "mine"


def test_a_store_that_nobody_may_write_can_be_read(tmp_path: Path) -> None:
    store.add(tmp_path, [made_up(1)])
    tmp_path.chmod(0o555)
    try:
        assert store.known(tmp_path) == {root_of(1): True}
    finally:
        tmp_path.chmod(0o755)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return json.dumps(value).encode()

    return edit


MANIFESTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "damaged"),
    "no JSON": (lambda _: b"\xff{", "damaged"),
    "a list": (lambda _: b"[]", "damaged"),
    "cut": (lambda data: data[: len(data) // 2], "damaged"),
    "a key more": (edited(lambda v: v.update(more=1)), "damaged"),
    "a key less": (edited(lambda v: v.pop("next")), "damaged"),
    "a number twice": (edited(lambda v: v["chunks"].append(v["chunks"][0])), "do not fit"),
    "a number to come": (edited(lambda v: v.update(next=1)), "do not fit"),
    "a negative number": (edited(lambda v: v["chunks"][0].update(number=-1)), "do not fit"),
    "a huge number": (
        edited(lambda v: (v.update(next=10**30), v["chunks"][0].update(number=10**29))),
        "do not fit",
    ),
    "a file less": (edited(lambda v: v["chunks"][0]["files"].pop()), "do not fit"),
    "a file elsewhere": (
        edited(lambda v: v["chunks"][0]["files"][0].update(table="../../x")),
        "do not fit",
    ),
    "newer": (edited(lambda v: v.update(format_version=2, more="x")), "newer arco-audit"),
    "of no version": (edited(lambda v: v.update(format_version="1")), "damaged"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_damaged_manifest_is_refused(tmp_path: Path, name: str) -> None:
    store.add(tmp_path, [made_up(1)])
    edit, why = MANIFESTS[name]
    path = tmp_path / store.MANIFEST
    path.write_bytes(edit(path.read_bytes()))
    left = files_in(tmp_path)
    for work in (
        lambda: store.add(tmp_path, [made_up(2)]),
        lambda: store.known(tmp_path),
        lambda: rows_in(tmp_path),
    ):
        with pytest.raises(Invalid, match=why):
            work()
    assert files_in(tmp_path) == left


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("how", ["missing", "truncated", "one bit", "swapped"])
def test_a_damaged_file_is_named(tmp_path: Path, table: str, how: str) -> None:
    store.add(tmp_path, [made_up(1)], [approval(1)])
    path = tmp_path / store.file_name(1, table)
    data = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(data[:-7])
    elif how == "one bit":
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
    else:
        other = "gates" if table != "gates" else "runs"
        path.write_bytes((tmp_path / store.file_name(1, other)).read_bytes())
    with pytest.raises(Invalid, match="damaged or foreign") as refusal:
        rows_in(tmp_path)
    assert refusal.value.place == str(path)
