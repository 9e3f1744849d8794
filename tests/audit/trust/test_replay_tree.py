"""A fresh repository is what the commit says, reaches nothing of the original, and goes away."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.errors import Unavailable
from audit.repo import Repository
from audit.trust.replay_tree import fresh

Make = Callable[..., Any]
WHO = ("-c", "user.name=T", "-c", "user.email=t@example.invalid")


@pytest.fixture(autouse=True)
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def repo(make_repo: Make) -> Any:
    """A repository with a tag, a hook and a dirty tree, whose HEAD has moved on."""
    repo = make_repo("original")
    repo.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    (repo.path / "link").symlink_to("run.sh")
    repo.commit(README_dot_md="one\n")
    repo.git("tag", "--annotate", "v1", "--message", "one")
    repo.commit(README_dot_md="two\n")
    repo.write("README.md", "dirty")
    repo.write("untracked", "here")
    hook = repo.write(".git/hooks/post-checkout", '#!/bin/sh\necho ran > "$HOME/hook-ran"\n')
    hook.chmod(0o755)
    return repo


def git(tree: Path, *words: str) -> str:
    done = subprocess.run(["git", *WHO, *words], cwd=tree, capture_output=True, check=True)
    return os.fsdecode(done.stdout).strip()


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_tree_is_the_commit(repo: Any, temp: Path) -> None:
    first = repo.git("rev-parse", "v1^{commit}")
    with Repository.open(repo.path) as opened, fresh(opened, first) as (tree, beside):
        assert tree.name == "original"
        assert sorted(path.name for path in tree.iterdir()) == [
            ".git",
            "README.md",
            "link",
            "run.sh",
        ]
        assert (tree / "README.md").read_text() == "one\n"
        assert os.access(tree / "run.sh", os.X_OK)
        assert (tree / "link").readlink() == Path("run.sh")
        assert git(tree, "rev-parse", "HEAD") == first
        assert git(tree, "status", "--porcelain") == ""
        assert git(tree, "describe", "--tags") == "v1"
        assert git(tree, "branch", "--list", "main") == ""
        assert list(beside.iterdir()) == []
    assert not any(temp.iterdir())


def test_nothing_that_is_done_there_reaches_the_original(
    repo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    before = files(repo.path)
    with Repository.open(repo.path) as opened, fresh(opened, opened.require("HEAD")) as (tree, _):
        (tree / "README.md").write_text("three\n")
        git(tree, "checkout", "--quiet", "-b", "work")
        git(tree, "commit", "--quiet", "--all", "--message", "three")
        git(tree, "tag", "v3")
        git(tree, "gc", "--quiet")
    assert files(repo.path) == before
    assert not (tmp_path / "hook-ran").exists()


def test_it_goes_away_when_something_fails(repo: Any, temp: Path) -> None:
    def interrupted() -> None:
        with (
            Repository.open(repo.path) as opened,
            fresh(opened, opened.require("HEAD")) as (tree, _),
        ):
            (tree / "closed").mkdir(mode=0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not any(temp.iterdir())


def test_a_commit_that_is_not_there(repo: Any, temp: Path) -> None:
    with (
        Repository.open(repo.path) as opened,
        pytest.raises(Unavailable, match="git checkout failed"),
        fresh(opened, "ab" * 20),
    ):
        pass
    assert not any(temp.iterdir())


def test_other_kinds_of_repositories(repo: Any, make_repo: Make, tmp_path: Path) -> None:
    linked, shallow = tmp_path / "linked", tmp_path / "shallow"
    repo.git("worktree", "add", "--quiet", "--detach", str(linked))
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo.path}", str(shallow))
    newer = make_repo("newer", "--object-format=sha256")
    newer.commit(README_dot_md="two\n")
    for path in (linked, shallow, newer.path):
        with (
            Repository.open(path) as opened,
            fresh(opened, opened.require("HEAD")) as (tree, _),
        ):
            assert (tree / "README.md").read_text() == "two\n"
            assert git(tree, "log", "--format=%H").split("\n")[0] == opened.require("HEAD")
            assert git(tree, "status", "--porcelain") == ""
