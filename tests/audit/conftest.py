"""Real git repositories in `tmp_path`, cut off from the settings of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

WHO = ["-c", "user.name=Tester", "-c", "user.email=tester@example.invalid"]


class Folder:
    """A folder under git: `git(...)` runs git in it, `write` and `commit` do what they say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def git(self, *words: str, data: bytes | None = None) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        clean |= {"GIT_AUTHOR_DATE": "1796115600 +0100", "GIT_COMMITTER_DATE": "1796115600 +0100"}
        done = subprocess.run(
            ["git", *WHO, *words],
            cwd=self.path,
            input=data,
            env=clean,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(done.stderr.decode(errors="replace"))
        return os.fsdecode(done.stdout).strip()

    def write(self, path: str, text: str | bytes = "x\n") -> Path:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        return target

    def commit(self, **files: str) -> str:
        """Commit `files` (`__` stands for `/`, `_dot_` for `.`) and everything else; the id."""
        for name, text in files.items():
            self.write(name.replace("__", "/").replace("_dot_", "."), text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def make_repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Folder]:
    """Return a maker of empty repositories below `tmp_path`."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)

    def make(name: str = "repo", *options: str) -> Folder:
        folder = Folder(tmp_path / name)
        folder.git("init", "--quiet", "--initial-branch=main", *options)
        return folder

    return make
