"""Bad input at the command line: each a clear refusal with its place, or a faithful record.

Whatever is thrown at it, no exit code 70, no traceback, and one JSON value where JSON was asked.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import json
import lzma
import os
import random
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from audit import runner, steps
from evidence import archive, codec, layout, model
from tests.audit.cli.bad_input_kit import AUDIT, Make, Patch, cell, folder_of, gate, refused

# --- refusals -------------------------------------------------------------------------------------

REFUSALS = (
    ["nope"],
    ["--nope"],
    ["run", "--nope"],
    ["run", "--jobs", "0"],
    ["run", "--jobs", "many"],
    ["run", "--label", "../../x"],
    ["run", "--label", "con"],
    ["run", "--label", "a\nb"],
    ["run", "--label", "a\u202eb"],
    ["run", "--label", "a\x1b[31m"],
    ["run", "--label", "x" * 300],
    ["run", "--label", "/absolute"],
    ["run", "--label", "a//b"],
    ["run", "--repo", "/nowhere"],
    ["run", "--definition", "nowhere.toml"],
    ["plan", "--definition", "x" * 300],
    ["status", "nowhere"],
    ["status", "x" * 300],
    ["status", "x" * 5_000],
    ["decide", "--as-of", "yesterday"],
    ["decide", "--as-of", "2026-01-01T00:00:00"],
    ["verify", "--expect-root", "abc"],
    ["verify", "x" * 300],
    ["verify", "audit.toml"],
    ["verify", "/dev/null"],
    ["verify", "/dev/zero"],
    ["check"],
    ["check", "nowhere.json"],
    ["check", "audit.toml"],
    ["check", "x" * 300],
    ["check", "/dev/zero"],
    ["import", "nowhere.json", "--repo", ".", "--out", "out"],
    ["init"],
    ["publish"],
    ["report"],
    ["render", "--as-claimed"],
    ["render", "--check"],
    ["resume"],
    ["resume", "\udcff\udcfe"],
)


@pytest.mark.parametrize("words", REFUSALS, ids=range(len(REFUSALS)))
def test_a_refusal_says_what_and_what_next(
    call: Any, toy: Path, monkeypatch: Patch, words: list[str]
) -> None:
    monkeypatch.chdir(toy)
    said = call(*words)
    text = refused(said)
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "next: " in text
    as_json = call(*words, "--json")
    refused(as_json)
    assert as_json.err == ""
    assert as_json.value["error"] == as_json.value["errors"][0]
    assert set(as_json.value["error"]) == {"problem", "place", "next_step"}
    assert all(as_json.value["error"][key] for key in ("problem", "next_step"))
    assert not list(toy.glob("release_evidence/*/*"))


def test_a_folder_that_is_gone(call: Any, tmp_path: Path, monkeypatch: Patch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for words in (["status"], ["plan"], ["doctor"], ["verify"]):
        refused(call(*words))


# --- exit codes -----------------------------------------------------------------------------------


def boom(*_: object, **__: object) -> Any:
    raise RuntimeError("boom\x1b[2J of a s3cr3t-c4nary-v4lue")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_fault_of_ours_is_70_and_keeps_its_traceback_in_a_file(
    call: Any, toy: Path, monkeypatch: Patch, tmp_path: Path, as_json: bool
) -> None:
    monkeypatch.setattr(steps, "prepare", boom)
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cr3t-c4nary-v4lue")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "faults"))
    (tmp_path / "faults").mkdir()
    said = call("run", "--repo", toy, *(["--json"] if as_json else []))
    assert said.code == 70
    assert "Traceback" not in said.out + said.err
    assert "\x1b" not in said.out + said.err
    (fault,) = (tmp_path / "faults").iterdir()
    assert str(fault) in said.out + said.err
    assert "boom" in fault.read_text()
    assert "Traceback" in fault.read_text()
    assert "s3cr3t" not in fault.read_text() + said.out + said.err
    if as_json:
        assert said.value["error"]["place"] == str(fault)


def test_a_fault_that_cannot_be_kept_is_told_all_the_same(
    call: Any, toy: Path, monkeypatch: Patch
) -> None:
    def full(*_: object, **__: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(steps, "prepare", boom)
    monkeypatch.setattr("tempfile.mkstemp", full)
    said = call("run", "--repo", toy)
    assert said.code == 70
    assert "could not be written" in said.err


def test_an_interrupt_between_the_steps_is_130(call: Any, toy: Path, monkeypatch: Patch) -> None:
    def asked(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "finish", asked)
    said = call("run", "--repo", toy, "--label", "a")
    assert said.code == 130
    assert "resume" in said.err
    as_json = call("resume", "a", "--repo", toy, "--json")
    assert as_json.code == 130
    assert "resume" in as_json.value["error"]["next_step"]
    monkeypatch.undo()
    assert call("resume", "a", "--repo", toy).code == 0


def test_a_bundle_that_does_not_verify_is_3(call: Any, toy: Path) -> None:
    assert call("run", "--repo", toy).code == 0
    (folder_of(toy) / "command-logs/hello.log").write_text("hullo\n")
    said = call("verify", "--repo", toy, "--json")
    assert said.code == 3
    assert said.value


# --- bundles of others ----------------------------------------------------------------------------

JUNK: dict[str, bytes] = {
    "empty": b"",
    "object": b"{}",
    "list": b"[]",
    "null": b"null",
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "number": b'{"format_version": 1e999}',
    "digits": b"9" * 10_000,
    "version": b'{"format_version": 2}',
    "truncated": b'{"format_version": 1, "id',
}
RECORDS = (layout.PLAN, layout.RUN, layout.FACTS, layout.DECISION, layout.JOURNAL)
READERS = (["status"], ["decide"], ["report"], ["render"], ["publish"], ["verify"], ["resume"])


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A place for the one sealed run that the tests below copy."""
    return {"kept": tmp_path_factory.mktemp("sealed") / "run"}


def copy_of(call: Any, toy: Path, sealed: dict[str, Path]) -> Path:
    kept, folder = sealed["kept"], toy / "release_evidence/toy-1/a"
    if not kept.exists():
        assert call("run", "--repo", toy, "--label", "a").code == 0
        shutil.copytree(folder, kept)
    else:
        shutil.copytree(kept, folder)
    return folder


@pytest.mark.parametrize("name", [*RECORDS, layout.SEAL, layout.CHECKPOINT])
def test_junk_for_a_record_is_refused_by_everyone_who_reads_it(
    call: Any, toy: Path, sealed: dict[str, Path], name: str
) -> None:
    folder = copy_of(call, toy, sealed)
    for junk in JUNK.values():
        (folder / name).write_bytes(junk)
        assert refused(call("verify", folder), code=3)
        if name == layout.PLAN:
            refused(call("status", folder, "--repo", toy), code=3)
    for words in READERS:
        assert call(*words, folder, "--repo", toy).code in (0, 2, 3), words


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "gone"])
@pytest.mark.parametrize("name", RECORDS)
def test_what_is_no_file_is_no_record(
    call: Any, toy: Path, sealed: dict[str, Path], name: str, kind: str
) -> None:
    folder = copy_of(call, toy, sealed)
    path = folder / name
    path.unlink()
    if kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    for words in READERS:
        said = call(*words, folder, "--repo", toy)
        assert said.code in (0, 2, 3), (words, said.err)
        assert "internal" not in said.err
        assert words != ["verify"] or said.code == 3


VALUES: tuple[Any, ...] = (None, -1, 10**30, "", "\x1b[31m", "GO", [], {}, "../x", "9999-99-99")


def edited(value: Any, chance: random.Random) -> Any:
    """The value with one of its leaves or branches taken out, doubled or replaced."""
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        parent = waiting.pop()
        keys = list(parent) if isinstance(parent, dict) else range(len(parent))
        places += [(parent, key) for key in keys]
        waiting += [parent[key] for key in keys if isinstance(parent[key], dict | list)]
    parent, key = chance.choice(places)
    match chance.randrange(4):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.append(parent[key])
        case 2 if isinstance(parent[key], str):
            parent[key] += "x"
        case _:
            parent[key] = chance.choice(VALUES)
    return value


@pytest.mark.parametrize("seed", range(25))
def test_records_that_somebody_edited_are_no_fault_of_ours(
    call: Any, toy: Path, sealed: dict[str, Path], seed: int
) -> None:
    folder = copy_of(call, toy, sealed)
    chance = random.Random(seed)
    path = folder / chance.choice([name for name in RECORDS if name.endswith(".json")])
    path.write_bytes(codec.encode(edited(json.loads(path.read_bytes()), chance)))
    for words in READERS:
        said = call(*words, folder, "--repo", toy)
        assert said.code in (0, 1, 2, 3), (words, said.err)
    assert call("verify", folder).code == 3
    out = toy.parent / "out"
    for words in (["report", "--out", str(out / "page.html")], ["render", "--out", str(out)]):
        assert call(*words, "--repo", toy, folder).code in (0, 2, 3)


def test_a_damaged_package_is_refused(call: Any, toy: Path, tmp_path: Path) -> None:
    call("run", "--repo", toy)
    plain = tmp_path / "bundle.tar"
    with tarfile.open(plain, "w") as pack:
        pack.add(folder_of(toy), "bundle")
    for packer in (gzip, lzma, bz2):
        packed = tmp_path / f"bundle.tar.{packer.__name__}"
        whole = packer.compress(plain.read_bytes())
        chance = random.Random(packer.__name__)
        for _ in range(12):
            data = bytearray(whole)
            data[chance.randrange(40, len(data))] ^= 1 << chance.randrange(8)
            packed.write_bytes(data if chance.random() < 0.7 else data[: len(data) // 2])
            said = call("verify", packed)
            assert said.code in (0, 2, 3), said.err


def test_a_package_with_links_writes_nothing_outside(call: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    packed = tmp_path / "bundle.tar"
    with tarfile.open(packed, "w") as pack:
        _lead_out(pack, outside / "written")
    text = refused(call("verify", packed))
    assert "no plain file" in text
    assert list(outside.iterdir()) == []


def _lead_out(pack: tarfile.TarFile, target: Path) -> None:
    """Links so long that many versions of Python no longer see where they lead (CVE-2025-4517)."""
    folder, links, path = "d" * 247, "abcdefghijklmnop", ""
    for name in links:
        _add(pack, f"{path}{folder}", tarfile.DIRTYPE)
        _add(pack, f"{path}{name}", tarfile.SYMTYPE, folder)
        path += f"{folder}/"
    last = "/".join(links) + "/" + "l" * 254
    _add(pack, last, tarfile.SYMTYPE, "../" * len(links))
    _add(pack, "out", tarfile.SYMTYPE, f"{last}{'/..' * 8}{target.parent}")
    _add(pack, f"out/{target.name}")


def _add(pack: tarfile.TarFile, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, link, 0o755
    pack.addfile(entry)


def test_a_package_with_a_link_of_any_kind_is_refused(call: Any, toy: Path, tmp_path: Path) -> None:
    call("run", "--repo", toy)
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        packed = tmp_path / "bundle.tar"
        with tarfile.open(packed, "w") as pack:
            pack.add(folder_of(toy), "bundle")
            _add(pack, "bundle/more", kind, "plan.json")
        assert "no plain file entry=`bundle/more`" in refused(call("verify", packed))


def test_a_good_run_in_a_package_does_not_vouch_for_another(
    call: Any, toy: Path, tmp_path: Path
) -> None:
    call("run", "--repo", toy)
    packed = tmp_path / "v1.2.3.evidence.tar"
    with tarfile.open(packed, "w") as pack:
        pack.add(folder_of(toy), "a")
        (folder_of(toy) / layout.REPORT).write_text("all is well\n")
        pack.add(folder_of(toy), "v1.2.3/bundle")
    assert "holds more than one run" in refused(call("verify", packed))


@pytest.mark.parametrize("words", [["verify"], ["replay", "--nonce", "x"]])
def test_a_root_that_was_left_empty_is_not_one_that_nobody_asked_for(
    call: Any, toy: Path, words: list[str]
) -> None:
    call("run", "--repo", toy)
    said = call(*words, folder_of(toy), "--repo", toy, "--expect-root", "")
    assert "64 hex digits" in refused(said)


# --- runs beside, around and inside each other ----------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [("a/b", "a"), ("a", "a/b"), ("a/b/c", "a")])
def test_a_run_lies_neither_inside_nor_around_another(
    call: Any, toy: Path, first: str, second: str
) -> None:
    assert call("run", "--repo", toy, "--label", first).code == 0
    text = refused(call("run", "--repo", toy, "--label", second))
    assert "--label" in text
    assert call("verify", first, "--repo", toy).code == 0


def test_labels_may_share_a_folder(call: Any, toy: Path) -> None:
    for label in ("head/one", "head/two"):
        assert call("run", "--repo", toy, "--label", label).code == 0
    for label in ("head/one", "head/two"):
        assert call("verify", label, "--repo", toy).code == 0


def test_a_run_that_another_process_holds_is_left_alone(call: Any, toy: Path) -> None:
    folder = toy / "release_evidence/toy-1/a"
    folder.mkdir(parents=True)
    with archive.hold(folder):
        assert "another process" in refused(call("run", "--repo", toy, "--label", "a"))
    assert not (folder / layout.PLAN).exists()


def test_two_audits_never_share_result_files(call: Any, make_toy: Make) -> None:
    toy = make_toy(AUDIT + cell("a", "true", produces='["build/*"]')).path
    (toy / "release_evidence").mkdir()
    with archive.hold(toy / "release_evidence"):
        text = refused(call("run", "--repo", toy, "--label", "a"))
    assert "the result files of this repository" in text
    assert call("run", "--repo", toy, "--label", "a").code == 1


def test_what_crashed_before_it_began_does_not_keep_its_label(call: Any, toy: Path) -> None:
    assert call("run", "--repo", toy, "--label", "a").code == 0
    folder = toy / "release_evidence/toy-1/a"
    torn = (folder / layout.JOURNAL).read_bytes()[:30]
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.name != layout.PLAN:
            path.rmdir() if path.is_dir() else path.unlink()
    (folder / layout.JOURNAL).write_bytes(torn)
    assert call("status", "a", "--repo", toy).code == 1
    refused(call("resume", "a", "--repo", toy))
    assert call("run", "--repo", toy, "--label", "a").code == 0
    assert call("verify", "a", "--repo", toy).code == 0


# --- clocks ---------------------------------------------------------------------------------------


class JumpingClock(runner.SystemClock):
    """A wall clock that somebody sets, to any time, whenever it is looked at."""

    def __init__(self) -> None:
        self.chance = random.Random(7)

    def utc(self) -> str:
        """Return any instant of two centuries."""
        year, month = self.chance.randrange(1970, 2170), self.chance.randrange(1, 13)
        return f"{year}-{month:02}-28T23:59:59Z"


def test_clock_jumps_change_no_verdict(call: Any, make_toy: Make, monkeypatch: Patch) -> None:
    monkeypatch.setattr(runner, "SystemClock", JumpingClock)
    cells = "".join(cell(f"c{n}", "true") for n in range(6))
    conditions = ", ".join(f'{{ command = "c{n}", max_age = "1s" }}' for n in range(6))
    toy = make_toy(AUDIT + "jobs = 1\n" + cells + gate(conditions)).path
    said = call("run", "--repo", toy, "--label", "a", "--json")
    assert said.code in (0, 1), said.err
    assert call("verify", "a", "--repo", toy).code == 0
    run = codec.read(model.Run, (folder_of(toy) / layout.RUN).read_bytes())
    assert all(attempt.result == "passed" for attempt in run.attempts)
    assert all(0 <= attempt.duration_ms < 10_000 for attempt in run.attempts)
    assert said.value["as_of"] >= max(attempt.end_utc for attempt in run.attempts)
