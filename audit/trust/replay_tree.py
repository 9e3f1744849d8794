"""A fresh repository with one commit checked out, which goes away whatever happens.

It borrows the objects of the one it is made from, so it costs one checkout, and nothing that is
done in it reaches that one: no branch, no setting, no hook, no file. What runs in it is decided
elsewhere.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.errors import Unavailable
from audit.repo import Repository

PREFIX = "arco-replay-"
"""How the temporary folder is called; nothing else begins so."""
_NEXT = "run `git fsck` in the repository, and look whether there is room for temporary files"


@contextmanager
def fresh(repository: Repository, commit: str) -> Iterator[tuple[Path, Path]]:
    """Yield (working tree, an empty folder beside it) and remove both at the end.

    The tree is called as the original's is, so that its path looks the same in a log. It has the
    tags and no branch, as in CI. Costs seven git processes and the files of the commit.

    Raises:
        Unavailable: git or the disk refuses.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX) as base:
        tree = Path(base).resolve() / "tree" / (repository.root.name or "repository")
        beside = Path(base).resolve() / "evidence"
        beside.mkdir()
        tree.mkdir(parents=True)
        _check_out(repository, commit, tree)
        yield tree, beside


def _check_out(repository: Repository, commit: str, tree: Path) -> None:
    words = ("--quiet", "--template=", f"--object-format={repository.object_format}")
    _git(repository, "init", *words, str(tree))
    git = tree / ".git"
    objects = _git(repository, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    (git / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (git / "objects" / "info" / "alternates").write_bytes(objects)
    if repository.shallow:
        path = _git(repository, "rev-parse", "--path-format=absolute", "--git-path", "shallow")
        (git / "shallow").write_bytes(Path(os.fsdecode(path.rstrip(b"\n"))).read_bytes())
    tags = _git(repository, "for-each-ref", "refs/tags", "--format=%(objectname) %(refname)")
    (git / "packed-refs").write_bytes(tags)
    with Repository.open(tree) as made:
        _git(made, "checkout", "--quiet", "--force", "--detach", commit)


def _git(repository: Repository, *words: str) -> bytes:
    status, out, problem = repository.execute(*words)
    if status:
        said = next(iter(problem.strip().splitlines()), "without saying why").lower()
        raise Unavailable(
            f"git {words[0]} failed, {said}", place=str(repository.root), next_step=_NEXT
        )
    return out
