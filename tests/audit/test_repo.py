"""What `audit.repo` says of real repositories, ordinary and odd."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from audit import repo
from audit.errors import Invalid, Unavailable
from audit.repo import Entry, Repository, digest_of, tree_entries
from evidence import subject as kernel

OUT = ("release_evidence/",)


def fields(raw: bytes) -> tuple[bytes, bytes]:
    header, _, data = raw.partition(b"\0")
    kind, size = header.split(b" ")
    assert int(size) == len(data)
    return kind, data


def digest_from_objects(objects: Mapping[str, bytes], commit: str, name: str = "sha1") -> str:
    """The subject digest as a stranger computes it: raw objects, and nothing else."""
    for sha, raw in objects.items():
        assert hashlib.new(name, raw).hexdigest() == sha
    rows: list[tuple[bytes, bytes]] = []

    def walk(sha: str, prefix: bytes) -> None:
        for mode, entry, child in tree_entries(fields(objects[sha])[1], len(sha) // 2):
            if mode == b"40000":
                walk(child, prefix + entry + b"/")
            elif not (prefix + entry).startswith(b"release_evidence/"):
                rows.append(
                    (prefix + entry, b"%s %s %s\0" % (mode, child.encode(), prefix + entry))
                )

    walk(fields(objects[commit])[1].split()[1].decode(), b"")
    return hashlib.sha256(b"".join(line for _, line in sorted(rows))).hexdigest()


def test_subject_of_a_clean_checkout(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    commit = folder.commit(a_dot_txt="1", src__b_dot_py="2")
    folder.git("tag", "v1")
    folder.git("tag", "-a", "v1.0", "-m", "release")
    (folder.path / "src" / "deep").mkdir()
    with Repository.open(folder.path / "src" / "deep") as opened:
        subject = opened.subject(OUT)
        objects = dict(opened.tree_objects())
        assert opened.root == folder.path
    assert subject.commit == commit
    assert subject.committed_utc == "2026-12-01T09:00:00Z"
    assert (subject.branch, subject.tags, subject.dirty) == ("main", ("v1", "v1.0"), ())
    assert subject.tree == folder.git("rev-parse", "HEAD^{tree}")
    assert subject.digest == digest_from_objects(objects, commit)


def test_outputs_are_neither_subject_nor_dirty(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    folder.commit(a="1")
    with Repository.open(folder.path) as opened:
        before = opened.subject(OUT)
        folder.write("release_evidence/run/plan.json")
        assert opened.subject(OUT) == before
        folder.commit()
        after = opened.subject(OUT)
        assert (after.digest, after.dirty) == (before.digest, ())
        assert after.commit != before.commit
        folder.write("release_evidence_of_mine")
        assert opened.subject(OUT).dirty == ("release_evidence_of_mine",)


def test_everything_uncommitted_is_dirty(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    folder.write(".gitignore", "ignored\n")
    folder.commit(changed="1", staged="1", moved="long enough to be seen as moved\n" * 9, gone="1")
    folder.write("changed", "2")
    folder.write("staged", "2")
    folder.git("add", "staged")
    folder.git("mv", "moved", "moved there")
    (folder.path / "gone").unlink()
    folder.write("new/untracked\nfile")
    folder.write("ignored")
    with Repository.open(folder.path) as opened:
        dirty = opened.subject(OUT).dirty
    assert dirty == ("changed", "gone", "moved", "moved there", "new/untracked\nfile", "staged")


def test_unmerged_files_are_dirty(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    folder.commit(a="1")
    folder.git("checkout", "--quiet", "-b", "side")
    folder.commit(a="2")
    folder.git("checkout", "--quiet", "main")
    folder.commit(a="3")
    with pytest.raises(AssertionError):
        folder.git("merge", "side")
    with Repository.open(folder.path) as opened:
        assert opened.subject(OUT).dirty == ("a",)


def test_subject_after_sees_changed_files_but_not_build_results(
    make_repo: Callable[..., Any],
) -> None:
    folder = make_repo()
    folder.commit(a="1", b="1")
    folder.write("b", "dirty before")
    with Repository.open(folder.path) as opened:
        before = opened.subject(OUT)
        folder.write("build/junit.xml")
        folder.write("b", "dirty still")
        assert opened.subject_after(before, OUT) == before.digest
        folder.write("a", "changed by a command")
        assert opened.subject_after(before, OUT) != before.digest
        folder.write("a", "1")
        assert opened.subject_after(before, OUT) == before.digest
        folder.git("commit", "--quiet", "-am", "another tree")
        assert opened.subject_after(before, OUT) != before.digest


def test_odd_entries_are_covered(make_repo: Callable[..., Any], tmp_path: Path) -> None:
    folder = make_repo()
    inner = make_repo("inner")
    pinned = inner.commit(x="1")
    folder.write("tool.sh").chmod(0o755)
    (folder.path / "link").symlink_to("tool.sh")
    folder.git("update-index", "--add", "--cacheinfo", f"160000,{pinned},sub")
    (folder.path / "sub").mkdir()
    if sys.platform == "linux":
        folder.write(os.fsdecode(b"caf\xe9"))
    folder.write("a b\t\n\u202e.txt")
    # A name that sorts between a folder and what lies in it, in git's own order.
    folder.commit(**{"d__x": "1", "d_dot_c": "1", "d0": "1"})
    with Repository.open(folder.path) as opened:
        tree = opened.tree()
        subject = opened.subject(OUT)
        objects = dict(opened.tree_objects())
        assert list(tree) == sorted(tree, key=os.fsencode)
        assert opened.read(tree["link"].blob) == b"tool.sh"
        assert opened.size(tree["tool.sh"].blob) == 2
    assert {tree[name].mode for name in ("tool.sh", "link", "sub")} == {
        "100755",
        "120000",
        "160000",
    }
    assert [tree[name].is_file for name in ("tool.sh", "link", "sub")] == [True, False, False]
    assert "a b\t\n\u202e.txt" in tree
    assert subject.digest == digest_from_objects(objects, subject.commit)
    assert subject.dirty == ()
    split = kernel.split_objects(b"".join(objects.values()), "objects", "sha1")
    files = kernel.files_of(split, subject.commit)[1]
    assert kernel.digest_of(files, OUT) == subject.digest


def test_digest_bytes_are_fixed_for_ever() -> None:
    tree = {
        "b": Entry("100644", "b" * 40),
        "a/c": Entry("120000", "a" * 40),
        "out/x": Entry("100644", "c" * 40),
    }
    lines = b"120000 " + b"a" * 40 + b" a/c\x00" + b"100644 " + b"b" * 40 + b" b\x00"
    assert digest_of(tree, ("out",)) == hashlib.sha256(lines).hexdigest()


def test_sha256_repository(make_repo: Callable[..., Any]) -> None:
    folder = make_repo("long", "--object-format=sha256")
    commit = folder.commit(a="1", d__b="2")
    with Repository.open(folder.path) as opened:
        subject = opened.subject(OUT)
        assert len(subject.commit) == 64
        assert digest_from_objects(dict(opened.tree_objects()), commit, "sha256") == subject.digest


def test_detached_head_has_no_branch(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    folder.commit(a="1")
    folder.git("checkout", "--quiet", "--detach")
    with Repository.open(folder.path) as opened:
        assert opened.subject(OUT).branch == ""


def test_worktree_is_a_repository_of_its_own(make_repo: Callable[..., Any], tmp_path: Path) -> None:
    folder = make_repo()
    folder.commit(a="1")
    folder.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    with Repository.open(tmp_path / "side") as opened:
        assert opened.root == tmp_path / "side"
        assert opened.subject(OUT).branch == "side"


def test_bare_repository_can_be_read_but_not_audited(
    make_repo: Callable[..., Any], tmp_path: Path
) -> None:
    folder = make_repo()
    folder.commit(a="1")
    folder.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    with Repository.open(tmp_path / "bare.git") as opened:
        assert opened.bare
        assert list(opened.tree("main")) == ["a"]
        with pytest.raises(Invalid, match="bare repository"):
            opened.subject(OUT)


def test_no_commit_yet(make_repo: Callable[..., Any]) -> None:
    with Repository.open(make_repo().path) as opened:
        assert opened.commit("HEAD") is None
        assert opened.root_commit() is None
        with pytest.raises(Invalid, match="no commit yet") as caught:
            opened.subject(OUT)
        assert "commit what is to be audited" in caught.value.next_step


def test_history(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    first, second = folder.commit(a="1"), folder.commit(a="2")
    folder.git("checkout", "--quiet", "-b", "side", first)
    third = folder.commit(a="3")
    with Repository.open(folder.path) as opened:
        assert opened.commit("main") == second
        assert opened.commit(second[:9]) == second
        assert opened.is_ancestor(first, second) is True
        assert opened.is_ancestor(second, third) is False
        assert opened.is_ancestor("0" * 40, third) is None
        assert opened.root_commit() == first
        for bad in ("", "nope", "--all", "HEAD\nHEAD", f"{first}:a", "é" * 300):
            assert opened.commit(bad) is None
        assert opened.commit("HEAD") == third


def test_shallow_clone_says_unknown(make_repo: Callable[..., Any], tmp_path: Path) -> None:
    folder = make_repo()
    first, second = folder.commit(a="1"), folder.commit(a="2")
    url = f"file://{folder.path}"
    folder.git("clone", "--quiet", "--depth=1", url, str(tmp_path / "thin"))
    with Repository.open(tmp_path / "thin") as opened:
        assert opened.shallow
        assert opened.subject(OUT).commit == second
        assert opened.is_ancestor(first, second) is None
        assert opened.root_commit() is None
        with pytest.raises(Invalid, match="cannot be looked up") as caught:
            opened.require(first)
        assert "--unshallow" in caught.value.next_step


def test_shallow_clone_does_not_deny_what_it_cannot_see(
    make_repo: Callable[..., Any], tmp_path: Path
) -> None:
    folder = make_repo()
    first = folder.commit(a="1")
    folder.git("branch", "old")
    second = folder.commit(a="2")
    url = f"file://{folder.path}"
    folder.git("clone", "--quiet", "--depth=1", "--no-single-branch", url, str(tmp_path / "thin"))
    with Repository.open(tmp_path / "thin") as opened:
        assert opened.commit(first) == first
        assert opened.is_ancestor(first, second) is None
        assert opened.is_ancestor(second, second) is True


def test_no_repository_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no git repository") as caught:
        Repository.open(tmp_path)
    assert "git init" in caught.value.next_step
    with pytest.raises(Invalid, match="no folder"):
        Repository.open(tmp_path / "absent")


def test_git_missing_says_what_to_install(
    make_repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = make_repo()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Invalid, match="git is not installed") as caught:
        Repository.open(folder.path)
    assert "apt-get install git" in caught.value.next_step


def test_repository_of_somebody_else(
    make_repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repo()
    folder.commit(a="1")
    # Git's own switch for its tests: every repository looks foreign.
    monkeypatch.setattr(repo, "_KEPT", repo._KEPT | {"GIT_TEST_ASSUME_DIFFERENT_OWNER"})
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(Invalid, match="another user") as caught:
        Repository.open(folder.write("deep/down/x").parent)
    assert f"safe.directory {folder.path}`" in caught.value.next_step


def test_callers_git_variables_do_not_leak_in(
    make_repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = make_repo(), make_repo("other")
    commit = folder.commit(a="1")
    other.commit(b="1")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / "no-index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.bare")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    with Repository.open(folder.path) as opened:
        subject = opened.subject(OUT)
    assert (subject.commit, subject.dirty) == (commit, ())
    assert "GIT_PYTHON_REFRESH" not in os.environ


def test_nothing_of_a_strangers_settings_runs(
    make_repo: Callable[..., Any], tmp_path: Path
) -> None:
    folder = make_repo()
    folder.write(".gitattributes", "*.x filter=evil diff=evil\n")
    folder.commit(a_dot_x="1", b="1")
    trap = folder.write(".git/trap.sh", f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for name in ("post-index-change", "post-checkout", "fsmonitor-watchman"):
        (folder.path / ".git" / "hooks" / name).symlink_to(trap)
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.process", "diff.external"):
        folder.git("config", key, str(trap))
    folder.git("config", "filter.evil.required", "true")
    folder.git("config", "diff.evil.textconv", str(trap))
    folder.git("config", "core.pager", str(trap))
    folder.write("a.x", "1")
    with Repository.open(folder.path) as opened:
        assert opened.subject(OUT).dirty == ()
        folder.write("a.x", "2")
        assert opened.subject(OUT).dirty == ("a.x",)
        opened.tree()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("program", "harmless"),
    [
        ("git-lfs clean -- %f", True),
        ("git lfs filter-process", True),
        ("git-lfs clean; touch x", False),
        ("git-lfs $(touch x)", False),
        ("evil git-lfs ", False),
    ],
)
def test_only_git_lfs_is_trusted_per_repository(program: str, harmless: bool) -> None:
    assert repo._is_lfs(program) is harmless


def test_working_tree_elsewhere_is_refused(make_repo: Callable[..., Any], tmp_path: Path) -> None:
    folder = make_repo()
    folder.commit(a="1")
    (tmp_path / "away").mkdir()
    folder.git("config", "core.worktree", str(tmp_path / "away"))
    with pytest.raises(Invalid, match="elsewhere"):
        Repository.open(folder.path)


def test_corrupted_object_is_named_and_reading_goes_on(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    folder.commit(a="one", b="two")
    with Repository.open(folder.path) as opened:
        tree = opened.tree()
        blob = tree["a"].blob
        loose = folder.path / ".git" / "objects" / blob[:2] / blob[2:]
        loose.chmod(0o644)
        loose.write_bytes(b"not zlib")
        with pytest.raises(Unavailable, match=blob) as caught:
            opened.read(blob)
        assert "git fsck" in caught.value.next_step
        assert opened.read(tree["b"].blob) == b"two"
        with pytest.raises(Unavailable, match="not there"):
            opened.read("0" * 40)
        with pytest.raises(Unavailable, match="not a blob"):
            opened.read(opened.require("HEAD"))


def test_broken_repository_is_refused_with_what_git_says(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    folder.commit(a="1")
    index = folder.path / ".git" / "index"
    index.write_bytes(b"DIRC" + b"\xff" * 40)
    with Repository.open(folder.path) as opened, pytest.raises(Unavailable, match="git status"):
        opened.subject(OUT)
    (folder.path / ".git" / "config").write_text("[core\n")
    with pytest.raises(Unavailable, match="bad config"):
        Repository.open(folder.path)
    (folder.path / ".git" / "config").unlink()
    (folder.path / ".git" / "HEAD").unlink()
    with pytest.raises(Invalid, match="no git repository"):
        Repository.open(folder.path)


def test_missing_tree_is_named(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    folder.commit(d__a="1")
    sha = folder.git("rev-parse", "HEAD:d")
    (folder.path / ".git" / "objects" / sha[:2] / sha[2:]).unlink()
    with Repository.open(folder.path) as opened:
        with pytest.raises(Unavailable, match=sha):
            opened.tree()
        with pytest.raises(Unavailable, match=sha):
            list(opened.tree_objects())


def test_swapped_object_does_not_pass_for_another(make_repo: Callable[..., Any]) -> None:
    folder = make_repo()
    folder.commit(a="one", b="two")
    with Repository.open(folder.path) as opened:
        tree = opened.tree()
        paths = [
            folder.path / ".git" / "objects" / tree[name].blob[:2] / tree[name].blob[2:]
            for name in ("a", "b")
        ]
        paths[0].chmod(0o644)
        paths[0].write_bytes(paths[1].read_bytes())
        with pytest.raises(Unavailable, match=tree["a"].blob):
            opened.read(tree["a"].blob)


def test_tree_bomb_is_refused(
    make_repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repo()
    folder.commit(a="1")
    sha = folder.git("rev-parse", "HEAD:a")
    line = f"100644 blob {sha}\tf"
    for _ in range(6):
        lines = "\n".join(f"{line}{n}" for n in range(10))
        line = "040000 tree " + folder.git("mktree", data=(lines + "\n").encode()) + "\td"
    bomb = folder.git("commit-tree", line.split()[2].split("\t")[0], "-m", "bomb")
    monkeypatch.setattr(repo, "ENTRIES_MAX", 5_000)
    with Repository.open(folder.path) as opened, pytest.raises(Invalid, match="too many entries"):
        opened.tree(bomb)


@pytest.mark.parametrize(
    "data", [b"100644", b"100644 a", b"100644 a\0short", b"100644 \0" + b"x" * 20]
)
def test_torn_tree_is_no_tree(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(tree_entries(data, 20))
