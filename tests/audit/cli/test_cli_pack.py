"""`arco-audit pack`: the same bytes anywhere, one pack per tag, and nothing that does not fit."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.cli import pack_command
from audit.errors import Conflict, Unavailable
from audit.release import material, pack
from audit.repo import Repository
from audit.runs import load
from evidence import codec, layout
from tests.audit.cli.sign_off_kit import need_trust
from tests.audit.release.release_kit import DEFINITION, LOG, TAG, Project, Released

FILE = f"{TAG}.evidence.tar"


def test_a_release_is_checked_and_packed(released: Released, tmp_path: Path) -> None:
    said = released.pack("--check")
    assert (said.code, said.err) == (0, "")
    assert "may be released" in said.out
    said = released.pack("--json", "--gzip")
    assert said.code == 0
    path = Path(said.value["paths"][0])
    assert path == released.project.path / "release_evidence" / "toy-1" / "packs" / FILE
    assert said.value["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert gzip.decompress(Path(said.value["paths"][1]).read_bytes()) == path.read_bytes()
    assert Path(said.value["paths"][1]).read_bytes()[3:9] == bytes(5) + b"\x00"
    with tarfile.open(path) as tar:
        names = tar.getnames()
        tar.extractall(tmp_path / "there", filter="data")
    assert names == [*sorted(names[:-1], key=os.fsencode), f"{TAG}/{pack.MANIFEST}"]
    there = tmp_path / "there" / TAG
    done = subprocess.run(
        [sys.executable, "-I", str(there / "bundle" / layout.VERIFIER)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "VERIFIED" in done.stdout
    assert released.call("verify", path).code == 0


def test_the_manifest_tells_every_file_and_the_tag(released: Released, tmp_path: Path) -> None:
    path = Path(released.pack("--json").value["paths"][0])
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path, filter="data")
    there = tmp_path / TAG
    manifest = codec.read(pack.Manifest, (there / pack.MANIFEST).read_bytes())
    files = {p.relative_to(there).as_posix() for p in there.rglob("*") if p.is_file()}
    assert {item.path for item in manifest.files} == files - {pack.MANIFEST}
    for item in manifest.files:
        data = (there / item.path).read_bytes()
        assert (item.bytes, item.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    raw = (there / pack.TAG).read_bytes()
    header = b"tag %d\0" % len(raw)
    assert hashlib.sha1(header + raw, usedforsecurity=False).hexdigest() == released.object
    assert manifest.tag == pack.PackedTag(TAG, released.object, manifest.tag.commit)
    assert (there / pack.CHANGELOG).read_text("utf-8").startswith("## [1.2.0] - 2026-12-01\n")
    with tarfile.open(path) as tar:
        entries = tar.getmembers()
    for entry in entries:
        assert (entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, "", "")
        assert (entry.mode, entry.mtime) == (0o644, 1796115600)


def test_a_pack_says_nothing_of_who_made_it(
    released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "a-user-name-of-mine")
    said = released.pack("--json")
    data = Path(said.value["paths"][0]).read_bytes()
    assert b"a-user-name-of-mine" not in data
    assert b"allowed_signers" not in data
    assert str(released.project.keys).encode() not in data


def copied(source: Path, target: Path) -> Path:
    """Copy a run with its files made in another order and with other modes and times."""
    files = [path for path in source.rglob("*") if path.is_file()]
    for path in sorted(files, reverse=True):
        to = target / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
        to.chmod(0o600)
        os.utime(to, (1, 1))
    return target


def test_two_machines_make_the_same_bytes(
    released: Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Path(released.pack("--json", "--out", tmp_path / "one").value["paths"][0])
    other = tmp_path / "another place" / "toy-1"
    label = released.run.relative_to(released.project.path / "release_evidence" / "toy-1")
    run = copied(released.run, other / label)
    clone = tmp_path / "clone"
    released.project.repo.git("clone", "--quiet", str(released.project.path), str(clone))
    words = ["-c", "import sys; from audit.cli import main; main()", "pack", TAG]
    words += ["--repo", str(clone), "--run", str(run), "--out", str(tmp_path / "two")]
    words += ["--allowed-signers", str(released.project.signers), "--unchecked", "unmoved"]
    environ = {**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C", "USER": "x"}
    done = subprocess.run(
        [sys.executable, *words],
        env={**environ, "HOME": str(tmp_path), "PYTHONPATH": os.getcwd(), "PYTHONHASHSEED": "7"},
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert pack.first_difference(first, tmp_path / "two" / FILE) == ""
    assert first.read_bytes() == (tmp_path / "two" / FILE).read_bytes()


def test_the_same_pack_twice_is_no_change_and_another_is_refused(released: Released) -> None:
    said = released.pack("--json", "--gzip")
    path = Path(said.value["paths"][0])
    before = path.stat()
    again = released.pack("--json", "--gzip")
    assert (again.code, again.value["new"]) == (0, False)
    assert again.value["sha256"] == said.value["sha256"]
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    beside = Path(
        layout.sign_off_folder(
            str(released.project.path / "release_evidence"), "toy-1", load(released.run).plan.label
        )
    )
    beside.mkdir(parents=True)
    (beside / "approvals.log").write_text("approved\n", "utf-8")
    refused = released.pack()
    assert refused.code == 2
    assert f"first differing entry=`{TAG}/sign-off/approvals.log`" in refused.err
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert {item.name for item in path.parent.iterdir()} == {FILE, FILE + ".gz"}


def test_what_people_added_is_packed(released: Released) -> None:
    label = load(released.run).plan.label
    root = str(released.project.path / "release_evidence")
    beside = Path(layout.sign_off_folder(root, "toy-1", label))
    beside.mkdir(parents=True)
    (beside / "log").write_text("approved\n", "utf-8")
    path = Path(released.pack("--json").value["paths"][0])
    with tarfile.open(path) as tar:
        assert f"{TAG}/{layout.SIGN_OFF}/log" in tar.getnames()
    (beside / "link").symlink_to("/etc/hostname")
    refused = released.pack("--out", beside.parent / "elsewhere")
    assert refused.code == 2
    assert "no plain file" in refused.err


def test_a_go_is_said_without_a_warning(released: Released) -> None:
    said = released.pack()
    assert "verdict of the run: GO\n" in said.out
    assert said.err == ""
    assert released.pack("--json").value["verdict"] == "GO"


def test_a_run_that_is_no_go_is_packed_and_warned_of(
    project: Project, call: Callable[..., Any]
) -> None:
    project.commit({"audit.toml": DEFINITION.replace("echo hello", "false")})
    words = ("--repo", project.path, "--allowed-signers", project.signers)
    packed = ("pack", TAG, *words, "--tag-object", project.tag())
    assert call("run", "--repo", project.path).code == 1
    said = call(*packed)
    assert said.code == 0
    assert "verdict of the run: NO-GO\n" in said.out
    assert said.err.startswith("warning: what is packed is NO-GO")
    said = call(*packed, "--json")
    assert (said.code, said.value["verdict"]) == (0, "NO-GO")
    assert said.err.startswith("warning: what is packed is NO-GO")


def test_the_verdict_with_sign_off_is_said_where_a_trust_file_is(
    project: Project, call: Callable[..., Any], tmp_path: Path
) -> None:
    need_trust()
    waits = 'closes_when = [{ approval = "SRE" }]'
    changed = DEFINITION.replace('closes_when = [{ command = "hello" }]', waits)
    role = '[[role]]\nid = "SRE"\ntitle = "Site reliability"\n\n[[gate]]'
    project.commit({"audit.toml": changed.replace("[[gate]]", role, 1)})
    key, trust = tmp_path / "ada.pem", tmp_path / "trust.toml"
    made = ("keygen", "--person", "ada", "--role", "SRE", "--out", key, "--no-passphrase")
    early = ("--valid-from", "2020-01-01T00:00:00Z")
    assert call(*made, "--trust", trust, *early).code == 0
    words = ("--repo", project.path, "--allowed-signers", project.signers)
    packed = ("pack", TAG, *words, "--tag-object", project.tag())
    assert call("run", "--repo", project.path).code == 1
    sign = ("sign", "--role", "SRE", "--key", key, "--yes", "--trust", trust)
    assert call(*sign, "--repo", project.path).code == 0
    said = call(*packed)
    assert "is not weighed; --trust FILE weighs it" in said.out
    assert "warning: what is packed is NO-GO" in said.err
    said = call(*packed, "--trust", trust)
    assert (said.code, said.err) == (0, "")
    assert "verdict of the run: NO-GO\n" in said.out
    assert "verdict with sign-off: GO  as of " in said.out
    assert call(*packed, "--trust", trust, "--json").value["sign_off"]["verdict"] == "GO"


def test_the_sign_off_in_a_pack_is_found_beside_its_bundle(
    project: Project, call: Callable[..., Any], tmp_path: Path
) -> None:
    need_trust()
    key, trust = tmp_path / "ada.pem", tmp_path / "trust.toml"
    made = ("keygen", "--person", "ada", "--role", "SRE", "--role", "runner", "--no-passphrase")
    early = ("--valid-from", "2020-01-01T00:00:00Z")
    assert call(*made, "--out", key, "--trust", trust, *early).code == 0
    released = Released(project, call)
    where = ("--repo", project.path)
    assert call("attest", "--key", key, "--trust", trust, *where).code == 0
    signs = ("--role", "SRE", "--key", key, "--trust", trust, "--yes", "--reason", "a name")
    assert call("withhold", released.run, layout.REPORT, *signs, *where).code == 0
    path = Path(released.pack("--json").value["paths"][0])
    said = call("verify", path, "--trust", trust)
    assert said.code == 0, said.out + said.err
    assert f"note: {layout.REPORT} was withheld after the seal" in said.out
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path, filter="data")
    verifier = tmp_path / TAG / "bundle" / layout.VERIFIER
    alone = [sys.executable, "-I", str(verifier), "--trust", str(trust)]
    assert subprocess.run(alone, check=False, capture_output=True).returncode == 0


def test_a_pack_is_never_written_into_a_run(released: Released) -> None:
    refused = released.pack("--out", released.run / "packs")
    assert refused.code == 2
    assert "inside a run" in refused.err
    assert released.call("verify", released.run).code == 0


@pytest.mark.parametrize("damage", [b"", b"not a tar", b"\x1f\x8b broken"])
def test_a_file_in_the_way_is_not_replaced(
    released: Released, tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FILE).write_bytes(damage)
    refused = released.pack("--out", tmp_path / "out")
    assert refused.code == 2
    assert "another pack of this tag is there" in refused.err
    assert (tmp_path / "out" / FILE).read_bytes() == damage
    assert [item.name for item in (tmp_path / "out").iterdir()] == [FILE]


def test_the_first_entry_that_differs_is_named(released: Released, tmp_path: Path) -> None:
    path = Path(released.pack("--json", "--out", tmp_path / "out").value["paths"][0])
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"A greeting.", b"A meeting!.", 1))
    refused = released.pack("--out", tmp_path / "out")
    assert f"first differing entry=`{TAG}/changelog.md`" in refused.err
    path.write_bytes(whole[: len(whole) // 2])
    assert released.pack("--out", tmp_path / "out").code == 2
    path.write_bytes(whole + bytes(512))
    assert "the end of the archive" in released.pack("--out", tmp_path / "out").err


def test_a_moved_tag_is_seen_against_the_earlier_pack(released: Released) -> None:
    assert released.pack().code == 0
    released.project.tag(TAG, "--force", "-m", "again")
    moved = released.project.repo.git("rev-parse", TAG)
    assert moved != released.object
    said = released.call(
        *("pack", TAG, "--repo", released.project.path, "--json"),
        *("--allowed-signers", released.project.signers),
    )
    assert said.code == 1
    unmoved = next(item for item in said.value["checks"] if item["name"] == "unmoved")
    assert unmoved["result"] == "failed"
    assert "the earlier pack" in unmoved["reason"]


# --- what is refused ------------------------------------------------------------------------------


def test_a_release_that_fails_a_check_is_not_packed(released: Released, tmp_path: Path) -> None:
    said = released.pack("--notes", "missing.md", "--out", tmp_path / "out", "--json")
    assert said.code == 1
    assert not said.value["ready"]
    failed = [item["name"] for item in said.value["checks"] if item["result"] == "failed"]
    assert failed == ["release_notes"]
    words = ("--notes", "missing.md", "--unchecked", "release_notes", "--out", tmp_path / "out")
    assert released.pack(*words).code == 1, "what failed cannot be waved through"
    assert not (tmp_path / "out").exists()


def test_what_is_not_known_must_be_named(released: Released, tmp_path: Path) -> None:
    words = ("pack", TAG, "--repo", released.project.path, "--out", tmp_path / "out")
    signers = ("--allowed-signers", released.project.signers)
    said = released.call(*words, *signers)
    assert said.code == 1
    assert "could_not_run" in said.out
    assert "--tag-object" in said.out
    assert released.call(*words, "--check").code == 1
    assert not (tmp_path / "out").exists()
    assert released.call(*words, *signers, "--unchecked", "unmoved").code == 0


def test_a_run_of_another_commit_is_refused(released: Released) -> None:
    released.project.commit({"README.md": "more\n"})
    newer = released.project.tag("v1.2.0-rc.9")
    said = released.call(
        *("pack", "v1.2.0-rc.9", "--repo", released.project.path, "--check", "--json"),
        *("--run", released.run, "--tag-object", newer),
    )
    subject = next(item for item in said.value["checks"] if item["name"] == "subject")
    assert subject["result"] == "failed"
    released.project.commit(
        {
            "CHANGELOG.md": LOG.replace("1.2.0", "1.3.0"),
            "pyproject.toml": '[project]\nname = "toy"\nversion = "1.3.0"\n',
            "docs/releases/v1.3.0.md": "# Toy 1.3.0\n\nMore.\n",
        }
    )
    released.object = released.project.tag("v1.3.0")
    refused = released.pack(tag="v1.3.0")
    assert refused.code == 2
    assert "the run is of another commit" in refused.err


def test_a_dirty_run_is_refused(project: Project, call: Callable[..., Any]) -> None:
    project.commit()
    object_ = project.tag()
    project.repo.write("left over.txt")
    assert call("run", "--repo", project.path, "--allow-dirty").code == 1
    said = call(
        *("pack", TAG, "--repo", project.path, "--tag-object", object_),
        *("--allowed-signers", project.signers),
    )
    assert said.code == 2
    assert "dirty tree" in said.err
    assert "left over.txt" in said.err
    (run,) = (project.path / "release_evidence").glob("*/*/plan.json")
    said = call(
        *("pack", TAG, "--repo", project.path, "--tag-object", object_, "--check"),
        *("--allowed-signers", project.signers, "--run", run.parent),
    )
    assert said.code == 1
    assert "the tree was dirty" in said.out


def test_a_bundle_that_does_not_verify_is_refused(released: Released, tmp_path: Path) -> None:
    page = released.run / layout.REPORT
    page.write_bytes(page.read_bytes() + b"<!-- more -->")
    said = released.pack("--out", tmp_path / "out")
    assert said.code == 3
    assert "does not verify" in said.err
    assert not (tmp_path / "out").exists()
    assert released.pack("--check").code == 0, "no run is named, and none is looked at"
    assert released.pack("--check", "--run", released.run).code == 3


@pytest.mark.parametrize("tag", ["latest", "v1", "../v1.2.0", "-v1.2.0", "v1.2.0^{}", "x" * 5000])
def test_what_is_no_release_tag_is_usage(released: Released, tag: str) -> None:
    said = released.call("pack", "--repo", released.project.path, "--", tag)
    assert said.code == 2
    assert "next:" in said.err


def test_a_bill_that_is_brought_is_checked_and_packed(released: Released, tmp_path: Path) -> None:
    with Repository.open(released.project.path) as repository:
        bills = material.read(repository, material.Wanted(TAG)).bills
    paths = []
    for name, data in bills.items():
        (tmp_path / name).write_bytes(data)
        paths += ["--sbom", tmp_path / name]
    assert released.pack("--check", *paths).code == 0
    only = released.pack("--check", "--json", *paths[:2])
    assert only.code == 1
    assert only.value["checks"][-1]["reason"] == "there is no such bill"
    (tmp_path / "sbom.cdx.json").write_text(
        json.dumps({"bomFormat": "CycloneDX", "components": []}), "utf-8"
    )
    said = released.pack("--check", "--json", *paths)
    bill = next(item for item in said.value["checks"] if item["name"] == "sbom_cyclonedx")
    assert bill["result"] == "failed"
    assert "does not list packages=`click 8.3.1, colorama 0.4.6`" in bill["reason"]
    (tmp_path / "sbom.cdx.json").write_text("{", "utf-8")
    assert released.pack("--check", *paths).code == 2


@pytest.mark.parametrize("object_", ["HEAD", "abc", "A" * 40, "a" * 41, "x\n" * 20])
def test_an_id_that_is_not_whole_is_no_record(released: Released, object_: str) -> None:
    said = released.call("pack", TAG, "--repo", released.project.path, "--tag-object", object_)
    assert said.code == 2
    assert "is no whole id" in said.err


def test_the_checks_are_those_that_can_be_named_and_are_explained(
    released: Released, repository_root: Path
) -> None:
    said = released.pack("--check", "--json", "--run", released.run)
    names = [item["name"] for item in said.value["checks"]]
    assert names == [*pack_command.CHECKS, "subject"]
    guide = (repository_root / "docs" / "guide" / "release.md").read_text("utf-8")
    table = guide.split("| Check | Passes when |")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", table.replace("`failed`", ""))) >= set(names)


def test_a_compressed_pack_that_holds_something_else_is_refused(released: Released) -> None:
    path = Path(released.pack("--json").value["paths"][0])
    packed = path.with_name(FILE + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert released.pack("--gzip").code == 0, "another compressor, the same content"
    for data in (b"", gzip.compress(b"other"), gzip.compress(path.read_bytes())[:-9]):
        packed.write_bytes(data)
        refused = released.pack("--gzip")
        assert refused.code == 2
        assert "another pack of this tag is there" in refused.err
        assert packed.read_bytes() == data


# --- large ones, and golden ones ------------------------------------------------------------------


def content_of(files: dict[str, bytes | Path]) -> pack.Content:
    tag = pack.PackedTag("v1.0.0", "b" * 40, "a" * 40)
    run = pack.PackedRun("a-1", "head/1", "c" * 64, "d" * 64)
    return pack.Content("v1.0.0", files, 1796115600, tag, run)


def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(64 << 20)
    told: list[int] = []
    tracemalloc.start()
    try:
        outcome = pack.put(tmp_path / "out", content_of({"large": large}), told.append)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert sum(told) >= 64 << 20
    assert outcome.bytes > 64 << 20


def test_the_bytes_of_a_pack_are_golden(tmp_path: Path) -> None:
    files: dict[str, bytes | Path] = {
        "bundle/" + "long/" * 60 + "name": b"x",
        "bundle/é\udcff": b"",
        "changelog.md": b"## [1.0.0]\n" * 1000,
    }
    outcome = pack.put(tmp_path, content_of(files))
    assert outcome.sha256 == "e273ef4c5d8b723bd28435bc3e0500d62565845d676778fb4b227697b88221f4"


def test_a_file_that_shrinks_while_it_is_packed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(2 << 20))
    monkeypatch.setattr(os, "fstat", lambda _: os.stat_result((0,) * 6 + (3 << 20,) + (0,) * 3))
    with pytest.raises(Unavailable, match="became shorter"):
        pack.put(tmp_path / "out", content_of({"file": path}))
    assert list((tmp_path / "out").iterdir()) == []


def test_packing_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack.put(tmp_path, content_of({"changelog.md": b"one"}), stop)
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_hard_links_still_never_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    one = content_of({"changelog.md": b"one"})
    assert pack.put(tmp_path, one).new
    assert not pack.put(tmp_path, one).new
    with pytest.raises(Conflict, match=r"v1\.0\.0/changelog\.md"):
        pack.put(tmp_path, content_of({"changelog.md": b"two"}))
