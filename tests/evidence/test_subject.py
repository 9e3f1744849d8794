"""The subject's digest from raw objects is what git itself says of the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import subject
from evidence.codec import Malformed

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
OUTPUTS = ("release_evidence/", "docs/audits")


def git(root: Path, *words: str | bytes, data: bytes | None = None) -> bytes:
    return subprocess.run(
        ["git", *words], cwd=root, check=True, capture_output=True, input=data
    ).stdout


def commit(root: Path, algorithm: str) -> str:
    """A tree with every kind of entry and names that are hard to carry."""
    git(root, "init", "-q", f"--object-format={algorithm}", ".")
    names = [b"README", b"a b", b"tab\there", b"new\nline", b"\xff\xfe", b"\xe2\x80\xae", b"a.b/c"]
    names += [b"a/b/c/d", b"a-b", b"release_evidence/x/run.json", b"docs/audits/x.md", b"docs/a.md"]
    names += [b"release_evidence.md", b"docs/audits.md", b"docs/audits-2/x"]
    for name in names:
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(name)
    (root / "README").chmod(0o755)
    (root / "link").symlink_to("nowhere\n")
    (root / "folder-link").symlink_to("a")
    git(root, "add", "-A")
    module = "1" * (40 if algorithm == "sha1" else 64)
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{module},vendor/module")
    git(root, "commit", "-q", "-m", "a subject\n\ntree of words")
    return git(root, "rev-parse", "HEAD").decode().strip()


def objects_of(root: Path, head: str) -> bytes:
    trees = git(root, "rev-parse", f"{head}^{{tree}}").split()
    trees += (
        git(root, "ls-tree", "-r", "-d", "--format=%(objectname) %(objecttype)", head)
        .replace(b" tree", b"")
        .split()
    )
    raw = b""
    for name in [head.encode(), *dict.fromkeys(trees)]:
        if name in (b"commit",) or set(name) == {ord("1")}:
            continue
        kind = git(root, "cat-file", "-t", name).strip()
        body = git(root, "cat-file", kind, name)
        raw += kind + b" %d\0" % len(body) + body
    return raw


@needs_git
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_the_digest_is_that_of_git_ls_tree(algorithm: str, tmp_path: Path) -> None:
    head = commit(tmp_path, algorithm)
    objects = subject.split_objects(objects_of(tmp_path, head), "objects", algorithm)
    tree, files = subject.files_of(objects, head)
    assert tree == git(tmp_path, "rev-parse", "HEAD^{tree}").decode().strip()
    rows = []
    for line in git(tmp_path, "ls-tree", "-r", "-z", "--full-tree", head).split(b"\0")[:-1]:
        entry, _, path = line.partition(b"\t")
        mode, _, blob = entry.split(b" ")
        rows.append((path, mode, blob))
    assert [(f.path, f.mode, f.blob.encode()) for f in files] == sorted(rows)
    assert {mode for _, mode, _ in rows} == {b"100644", b"100755", b"120000", b"160000"}
    kept = [
        row
        for row in sorted(rows)
        if not row[0].startswith((b"release_evidence/", b"docs/audits/"))
    ]
    assert len(kept) == len(rows) - 2
    wanted = hashlib.sha256(b"".join(b"%s %s %s\0" % (m, b, p) for p, m, b in kept)).hexdigest()
    assert subject.digest_of(files, OUTPUTS) == wanted
    there = subject.paths_of(files)
    assert {"a", "a/b", "a/b/c/d", "vendor/module", "\udcff\udcfe", "new\nline"} <= there
    assert "" not in there


@needs_git
def test_both_readers_of_a_tree_agree(tmp_path: Path) -> None:
    """What the audit computes from the repository, the verifier computes from the bundle."""
    from audit.repo import Repository

    head = commit(tmp_path, "sha1")
    repository = Repository.open(tmp_path)
    raw = b"".join(data for _, data in repository.tree_objects(head))
    objects = subject.split_objects(raw, "objects", "sha1")
    for outputs in (OUTPUTS, (), ("vendor/module",), ("a", "link/"), ("docs",)):
        found = subject.digest_of(subject.files_of(objects, head)[1], outputs)
        assert found == repository.subject(outputs).digest, outputs


def obj(kind: bytes, body: bytes) -> tuple[str, bytes]:
    raw = kind + b" %d\0" % len(body) + body
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest(), raw


BLOB = bytes(20)


def listed(body: bytes, *more: bytes) -> list[subject.Listed]:
    tree, raw = obj(b"tree", body)
    head, commit_raw = obj(b"commit", b"tree %s\n\nx\n" % tree.encode())
    data = b"".join((raw, commit_raw, *more))
    return subject.files_of(subject.split_objects(data, "objects", "sha1"), head)[1]


def test_old_spellings_of_a_mode_are_the_same_mode() -> None:
    inner, raw = obj(b"tree", b"100644 x\0" + BLOB)
    files = listed(b"040000 d\0" + bytes.fromhex(inner) + b"0100644 y\0" + BLOB, raw)
    assert [(f.mode, f.path) for f in files] == [(b"100644", b"d/x"), (b"100644", b"y")]


@pytest.mark.parametrize(
    "body",
    [
        *(b"100644", b"100644 x", b"100644 x\0", b"100644 x\0" + BLOB[:-1], b"x\0" + BLOB),
        *(b" x\0" + BLOB, b"100644 \0" + BLOB, b"100644 a/b\0" + BLOB, b"100644 x\0" + BLOB + b"1"),
    ],
)
def test_what_is_no_tree_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed, match=r"tree .*: no entry at byte"):
        listed(body)


def test_a_missing_tree_or_commit_is_refused() -> None:
    with pytest.raises(Malformed, match="is not among the objects"):
        listed(b"40000 d\0" + BLOB)
    with pytest.raises(Malformed, match="commit abc: is not among the objects"):
        subject.files_of({}, "abc")
    with pytest.raises(Malformed, match="is not among the objects"):
        subject.files_of({"abc": ("commit", b"tree ")}, "abc")


@pytest.mark.parametrize(
    ("width", "depth"),
    [pytest.param(8, 12, id="8 to the 12th files"), pytest.param(1, 600, id="600 deep")],
)
def test_a_tree_bomb_is_refused(width: int, depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "ENTRIES_MAX", 10_000)
    name, raw = obj(b"tree", b"100644 x\0" + BLOB)
    more = [raw]
    for _ in range(depth - 1):
        body = b"".join(b"40000 %d\0" % n + bytes.fromhex(name) for n in range(width))
        name, raw = obj(b"tree", body)
        more.append(raw)
    with pytest.raises(Malformed, match="too many files, or folders too deep"):
        listed(b"40000 d\0" + bytes.fromhex(name), *more)


def test_500_folders_deep_is_followed() -> None:
    name, raw = obj(b"tree", b"100644 x\0" + BLOB)
    more = [raw]
    for _ in range(500):
        name, raw = obj(b"tree", b"40000 d\0" + bytes.fromhex(name))
        more.append(raw)
    assert listed(b"40000 d\0" + bytes.fromhex(name), *more)[0].path == b"d/" * 501 + b"x"


def test_an_output_root_that_is_no_path_is_refused() -> None:
    with pytest.raises(Malformed, match="outputs"):
        subject.digest_of([], ("\ud800",))


@given(st.binary(max_size=80))
def test_garbage_is_refused_as_objects(data: bytes) -> None:
    try:
        objects = subject.split_objects(data, "objects", "sha1")
    except Malformed:
        return
    raw = b"".join(k.encode() + b" %d\0" % len(body) + body for k, body in objects.values())
    assert len(raw) <= len(data)


@pytest.mark.parametrize(
    "data",
    [b"x", b"tree 5\0abc", b"tree -1\0", b"tree 1_0\0" + b"a" * 10, b"tree\0", b"tree 9" * 20],
)
def test_what_is_no_object_is_named_by_its_byte(data: bytes) -> None:
    _, whole = obj(b"blob", b"abc")
    with pytest.raises(Malformed) as caught:
        subject.split_objects(whole + data, "objects", "sha1")
    assert caught.value.problem == f"no git object at byte {len(whole)}"
