"""`arco-audit verify` of an evidence pack: all of it has to be what its manifest says."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.release import pack
from tests.audit.release.release_kit import TAG, Released


def test_a_pack_verifies_as_what_its_manifest_says(released: Released) -> None:
    path = Path(released.pack("--json").value["paths"][0])
    said = released.call("verify", path)
    assert said.code == 0
    with tarfile.open(path) as tar:
        files = len(tar.getmembers()) - 1
    assert f"pack: {TAG}, {files} files as its manifest says" in said.out.splitlines()
    value = released.call("verify", path, "--json").value
    assert value["pack"] == {"tag": TAG, "files": files}
    assert "pack" not in released.call("verify", released.run, "--json").value


Damage = Callable[[Path], object]


def manifest_with(**other: str) -> Damage:
    """Give the manifest of a pack other facts of its run, or another commit of its tag."""

    def damage(top: Path) -> None:
        value = json.loads((top / pack.MANIFEST).read_text("utf-8"))
        for key, told in other.items():
            value["tag" if key == "commit" else "run"][key] = told
        (top / pack.MANIFEST).write_text(json.dumps(value), "utf-8")

    return damage


def without_tag(top: Path) -> None:
    value = json.loads((top / pack.MANIFEST).read_text("utf-8"))
    value["files"] = [file for file in value["files"] if file["path"] != pack.TAG]
    (top / pack.MANIFEST).write_text(json.dumps(value), "utf-8")
    (top / pack.TAG).unlink()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda top: (top / pack.NOTES).write_text("all is well\n"), f"{pack.NOTES} is another"),
        (lambda top: (top / "sbom.cdx.json").unlink(), "sbom.cdx.json is missing"),
        (lambda top: (top / "more.md").write_text("more"), "more.md is not listed"),
        (lambda top: (top / pack.MANIFEST).write_text("{}"), pack.MANIFEST),
        (without_tag, pack.TAG),
        (manifest_with(final_root="0" * 64), "its run is another"),
        (manifest_with(label="other"), "its run is another"),
        (manifest_with(commit="0" * 40), "another commit"),
    ],
)
def test_a_pack_that_is_not_what_it_says_is_refused(
    released: Released, tmp_path: Path, damage: Damage, problem: str
) -> None:
    path = Path(released.pack("--json").value["paths"][0])
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path, filter="data")
    damage(tmp_path / TAG)
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as tar:
        tar.add(tmp_path / TAG, TAG)
    said = released.call("verify", other)
    assert said.code == 3
    assert problem in said.err
    assert "this pack is not what it says" in said.err


def test_a_tag_object_that_was_exchanged_is_refused(released: Released, tmp_path: Path) -> None:
    path = Path(released.pack("--json").value["paths"][0])
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path, filter="data")
    top = tmp_path / TAG
    forged = (top / pack.TAG).read_bytes() + b"more\n"
    (top / pack.TAG).write_bytes(forged)
    value = json.loads((top / pack.MANIFEST).read_text("utf-8"))
    entry = next(file for file in value["files"] if file["path"] == pack.TAG)
    entry |= {"bytes": len(forged), "sha256": hashlib.sha256(forged).hexdigest()}
    (top / pack.MANIFEST).write_text(json.dumps(value), "utf-8")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(top, TAG)
    said = released.call("verify", tmp_path / "other.tar")
    assert (said.code, "is not the object that was tagged" in said.err) == (3, True)
