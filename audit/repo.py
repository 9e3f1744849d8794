"""The only door to git: what is committed, what differs from it, and what history says.

GitPython is imported here and nowhere else, and only when a repository is opened. Git runs without
hooks, file monitor, external programs, prompts or network, because the tree may be a stranger's.
Judging what was found has no place here. Each call says how many processes it costs; all objects
are read through one `git cat-file --batch`, and sizes through a second one, that live as long as
the `Repository`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import Invalid, Unavailable
from evidence.model import Subject

if TYPE_CHECKING:
    from git.cmd import Git

ENTRIES_MAX = 2_000_000
"""Entries of one tree: above it, a few small objects are pretending to be a huge tree."""
DEPTH_MAX = 512
"""Folders inside folders of one tree."""

_OPTIONS = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.quotePath": "false",
    "core.untrackedCache": "false",
    "diff.external": "",
    "protocol.allow": "never",
    "status.relativePaths": "false",
    "submodule.recurse": "false",
}
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
}
_KEPT = {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_EXEC_PATH"}
"""Variables of the caller that say where git and the user's settings lie, not which repository."""
_SIGNATURES = (
    *("gpg.program=gpg", "gpg.openpgp.program=gpg", "gpg.x509.program=gpgsm"),
    *("gpg.ssh.program=ssh-keygen", "gpg.ssh.revocationFile=/dev/null", "gpg.minTrustLevel=fully"),
)
"""What checks a signature: the repository's own settings could name any program."""
_FILTERS = r"^filter\..*\.(clean|smudge|process)$"
_HARMLESS_FILTER = "git-lfs"
_PIPE = -1
"""`subprocess.PIPE`, which this room may not import."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tracked file: `mode` as git spells it (`100644`, `120000`, `160000`), `blob` in hex."""

    mode: str
    blob: str

    @property
    def is_file(self) -> bool:
        """Whether it has text of its own: neither a link nor a submodule."""
        return self.mode not in ("120000", "160000")


@dataclass(frozen=True, slots=True)
class _Status:
    branch: str
    commit: str | None
    tracked: tuple[str, ...]
    untracked: tuple[str, ...]


@dataclass(slots=True)
class Repository:
    """An opened repository. `root` is the folder of the working tree, or the bare repository.

    `shallow` says that history is cut off; `bare` that there is no working tree; `object_format` is
    `sha1` or `sha256`. Use it as a context manager, or `close` it, to end its git process.
    """

    root: Path
    shallow: bool
    bare: bool
    object_format: str
    _git: Git = field(repr=False)
    _options: tuple[str, ...] = field(repr=False)
    _readers: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _trees: dict[str, dict[str, Entry]] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: Path) -> Repository:
        """Return the repository that holds `path`, which may be any folder in it.

        Costs two git processes.

        Raises:
            Invalid: no git, no such folder, no repository, or one that belongs to somebody else.
            Unavailable: git refuses for a reason of its own.
        """
        if not (path.is_dir() and os.access(path, os.R_OK | os.X_OK)):
            raise Invalid(
                f"there is no folder to look into path=`{path}`",
                place=str(path),
                next_step="name a folder inside a git repository",
            )
        git = _hardened(path)
        options = tuple(word for item in _OPTIONS.items() for word in ("-c", "=".join(item)))
        questions = ("is-bare-repository", "is-shallow-repository", "show-object-format")
        words = [f"--{question}" for question in questions]
        status, out, problem = _run(git, options, ["rev-parse", *words, "--absolute-git-dir"])
        if status:
            raise _refusal(path, problem)
        bare, shallow, object_format, folder = os.fsdecode(out).rstrip("\n").split("\n", 3)
        root = Path(folder) if bare == "true" else _top(git, options, path)
        options += _without_filters(git, options)
        return cls(root, shallow == "true", bare == "true", object_format, git, options)

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the git process that reads objects; the next read starts another."""
        with self._lock:
            self._stop_readers()

    def subject(self, outputs: tuple[str, ...]) -> Subject:
        """Return what an audit of the present commit is about.

        `outputs` are path prefixes that belong neither to the subject nor to what makes it dirty.
        The digest is that of `digest_of`; `dirty` lists tracked files that differ from the commit
        and untracked files that no ignore rule names, sorted. Costs two processes.

        Raises:
            Invalid: bare, or without any commit.
            Unavailable: an object cannot be read.
        """
        state = self._status()
        if state.commit is None:
            raise Invalid(
                f"the repository has no commit yet root=`{self.root}`",
                place=str(self.root),
                next_step="commit what is to be audited, then try again",
            )
        header = self._object(state.commit, "commit").decode("utf-8", "replace")
        tree, committed = _commit_fields(header)
        dirty = {path for path in state.tracked + state.untracked if not _below(path, outputs)}
        return Subject(
            commit=state.commit,
            committed_utc=committed,
            tree=tree,
            digest=digest_of(self.tree(state.commit), outputs),
            branch=state.branch,
            tags=self._tags(state.commit),
            dirty=tuple(sorted(dirty)),
        )

    def subject_after(self, before: Subject, outputs: tuple[str, ...]) -> str:
        """Return the subject's digest as it is now, to be held against `before.digest`.

        It is another one when another tree is checked out, and when a tracked file that was clean
        in `before` no longer is. New untracked files, such as build results, do not count. Costs
        one process.
        """
        state = self._status()
        now = digest_of(self.tree(state.commit), outputs) if state.commit else ""
        known = set(before.dirty)
        changed = [
            path for path in state.tracked if path not in known and not _below(path, outputs)
        ]
        if not changed:
            return now
        lines = "\0".join([now, *sorted(changed)])
        return hashlib.sha256(b"changed\0" + os.fsencode(lines)).hexdigest()

    def tree(self, rev: str = "HEAD") -> dict[str, Entry]:
        """Return every tracked file at `rev` by its path, in bytewise order of the paths.

        Paths that are not UTF-8 hold surrogate escapes. Costs no process of its own.

        Raises:
            Invalid: `rev` cannot be looked up.
            Unavailable: an object is missing, or is not what its name says.
        """
        commit = self.require(rev)
        if commit not in self._trees:
            found: dict[bytes, Entry] = {}
            for path, mode, sha in self._walk(self._tree_of(commit)):
                found[path] = Entry(mode.decode(), sha)
                if len(found) > ENTRIES_MAX:
                    raise Invalid(
                        f"the tree has too many entries rev=`{rev}` limit=`{ENTRIES_MAX}`",
                        place=str(self.root),
                        next_step="audit a part of it that is a repository of its own",
                    )
            self._trees[commit] = {os.fsdecode(path): found[path] for path in sorted(found)}
        return self._trees[commit]

    def read(self, blob: str) -> bytes:
        """Return the bytes of a blob. Raises `Unavailable`. Costs no process of its own."""
        return self._object(blob, "blob")

    def size(self, blob: str) -> int:
        """Return the bytes that a blob has, without reading it. Raises `Unavailable`."""
        with self._lock:
            return int(self._ask("--batch-check", blob)[2])

    def commit(self, rev: str) -> str | None:
        """Return the full id of the commit that `rev` names; None when it cannot be looked up."""
        if not rev or rev.startswith("-") or any(ord(letter) < 32 for letter in rev):
            return None
        with self._lock, contextlib.suppress(Unavailable):
            return self._ask("--batch-check", f"{rev}^{{commit}}")[0]
        return None

    def require(self, rev: str) -> str:
        """Return the full id of the commit that `rev` names.

        Raises:
            Invalid: it cannot be looked up; says how when history is cut off.
        """
        commit = self.commit(rev)
        if commit is None:
            step = "name a branch, tag or commit that `git log` shows"
            if self.shallow:
                step = "this clone is shallow: run `git fetch --unshallow --tags`, then try again"
            problem = f"the revision cannot be looked up rev=`{rev}`"
            raise Invalid(problem, place=str(self.root), next_step=step)
        return commit

    def is_ancestor(self, a: str, b: str) -> bool | None:
        """Return whether `a` is `b` or came before it; None when that cannot be looked up.

        In a shallow clone only a yes is certain. Costs one process.
        """
        older, newer = self.commit(a), self.commit(b)
        if older is None or newer is None:
            return None
        status, _, _ = self.execute("merge-base", "--is-ancestor", older, newer)
        if status == 0:
            return True
        return False if status == 1 and not self.shallow else None

    def root_commit(self) -> str | None:
        """Return the oldest root commit of HEAD; None in a shallow clone. Costs one process."""
        if self.shallow or self.commit("HEAD") is None:
            return None
        status, out, _ = self.execute("rev-list", "--max-parents=0", "HEAD")
        roots = out.decode().split()
        return roots[-1] if status == 0 and roots else None

    def tree_objects(self, rev: str = "HEAD") -> Iterator[tuple[str, bytes]]:
        """Yield the commit and every distinct tree below it, as (id, raw object with its header).

        The id is the hash of the raw bytes in the repository's object format, so that a stranger
        can hash them again and walk from the commit to each (mode, blob, path).

        Raises:
            Invalid: `rev` cannot be looked up.
            Unavailable: an object is missing, or is not what its name says.
        """
        commit = self.require(rev)
        data = self._object(commit, "commit")
        yield commit, _raw("commit", data)
        seen: set[str] = set()
        waiting = [_commit_fields(data.decode("utf-8", "replace"))[0]]
        while waiting:
            sha = waiting.pop()
            if sha in seen:
                continue
            seen.add(sha)
            data = self._object(sha, "tree")
            yield sha, _raw("tree", data)
            waiting.extend(
                child for mode, _, child in tree_entries(data, len(sha) // 2) if mode == b"40000"
            )

    def tag(self, name: str) -> tuple[str, str, bytes] | None:
        """Return id, type and bytes of what a tag names; None when it leads to no commit.

        The type is `tag` when the tag is annotated. Costs no process of its own.
        """
        if self.commit(f"refs/tags/{name}") is None:
            return None
        with self._lock:
            found, kind, _ = self._ask("--batch-check", f"refs/tags/{name}")
        return found, kind, self._object(found, kind)

    def verify_tag(self, tag: str, allowed_signers: str) -> tuple[int, str]:
        """Return git's exit code and words on the signature of a tag object, named by its id.

        `allowed_signers` is the path of a file as `ssh-keygen` reads it. Costs some processes.
        """
        settings = (*_SIGNATURES, f"gpg.ssh.allowedSignersFile={allowed_signers}")
        options = (*self._options, *(word for item in settings for word in ("-c", item)))
        status, _, problem = _run(self._git, options, ["verify-tag", "--raw", tag])
        return status, problem

    def _tree_of(self, commit: str) -> str:
        return _commit_fields(self._object(commit, "commit").decode("utf-8", "replace"))[0]

    def _walk(self, tree: str) -> Iterator[tuple[bytes, bytes, str]]:
        known: dict[str, list[tuple[bytes, bytes, str]]] = {}
        waiting = [(b"", tree, 0)]
        while waiting:
            prefix, sha, depth = waiting.pop()
            if depth > DEPTH_MAX or len(waiting) > ENTRIES_MAX:
                raise Invalid(f"folders are nested too deeply tree=`{tree}`", place=str(self.root))
            if sha not in known:
                known[sha] = list(tree_entries(self._object(sha, "tree"), len(sha) // 2))
            for mode, name, child in known[sha]:
                if mode == b"40000":
                    waiting.append((prefix + name + b"/", child, depth + 1))
                else:
                    yield prefix + name, mode, child

    def _object(self, sha: str, kind: str) -> bytes:
        with self._lock:
            _, found, size = self._ask("--batch", sha)
            data = bytes(self._readers["--batch"].stdout.read(int(size) + 1))[:-1]
        if found != kind:
            raise self._unreadable(sha, f"it is a {found}, not a {kind}")
        named = hashlib.new(self.object_format, _raw(kind, data), usedforsecurity=False)
        if named.hexdigest() != sha:
            raise self._unreadable(sha, "its bytes do not hash to its name")
        return data

    def _ask(self, mode: str, name: str) -> tuple[str, str, str]:
        """Return (id, type, size) of an object from a `git cat-file` in `mode`; holds the lock."""
        if mode not in self._readers:
            command = _command(self._git, self._options, ["cat-file", mode])
            self._readers[mode] = self._git.execute(command, as_process=True, istream=_PIPE)
        try:
            self._readers[mode].stdin.write(os.fsencode(name) + b"\n")
            self._readers[mode].stdin.flush()
            answer = self._readers[mode].stdout.readline().decode("utf-8", "replace").split()
        except OSError:
            answer = []
        if not answer:
            # The reader died on a damaged object; the next question starts a fresh one.
            self._stop_readers()
            raise self._unreadable(name, "it is damaged or cannot be fetched")
        if len(answer) != 3 or not answer[2].isdecimal():
            raise self._unreadable(name, "it is not there")
        return answer[0], answer[1], answer[2]

    def _stop_readers(self) -> None:
        for reader in self._readers.values():
            # End of input is the polite end; GitPython would send a signal and wait.
            with contextlib.suppress(OSError):
                reader.stdin.close()
            with contextlib.suppress(Exception):
                reader.wait()
        self._readers.clear()

    def _unreadable(self, sha: str, why: str) -> Unavailable:
        step = "run `git fsck` there; a partial clone needs its objects fetched first"
        problem = f"git cannot read an object, {why} object=`{sha}`"
        return Unavailable(problem, place=str(self.root), next_step=step)

    def _status(self) -> _Status:
        if self.bare:
            raise Invalid(
                f"a bare repository has no working tree to audit root=`{self.root}`",
                place=str(self.root),
                next_step="clone it, and run the audit in the clone",
            )
        words = ("--porcelain=v2", "--branch", "-z", "--untracked-files=all")
        status, out, problem = self.execute(
            "status", *words, "--no-renames", "--ignore-submodules=none"
        )
        if status:
            raise Unavailable(
                f"git status failed, {_short(problem)}",
                place=str(self.root),
                next_step="run `git status` there and repair what it complains of",
            )
        return _read_status(out)

    def _tags(self, commit: str) -> tuple[str, ...]:
        words = ("refs/tags", f"--points-at={commit}", "--format=%(refname:strip=2)")
        status, out, _ = self.execute("for-each-ref", *words)
        return tuple(sorted(os.fsdecode(out).splitlines())) if status == 0 else ()

    def execute(self, *words: str) -> tuple[int, bytes, str]:
        """Run git with these words; return its exit code, output and complaint. One process."""
        return _run(self._git, self._options, words)


def digest_of(tree: Mapping[str, Entry], outputs: Iterable[str]) -> str:
    """Return the subject digest: SHA-256 over one line per tracked file outside `outputs`.

    A line is `mode SP blob SP path NUL`: the mode in the digits of the tree object (no leading
    zeros), the object id in lowercase hex, the whole path as raw bytes; lines follow one another in
    bytewise order of the paths. Symbolic links (120000) and submodules (160000, by commit id) count
    like files.
    """
    roots = tuple(outputs)
    rows = [(os.fsencode(path), entry) for path, entry in tree.items() if not _below(path, roots)]
    hasher = hashlib.sha256()
    for path, entry in sorted(rows, key=lambda row: row[0]):
        hasher.update(b"%s %s %s\0" % (entry.mode.encode(), entry.blob.encode(), path))
    return hasher.hexdigest()


def tree_entries(data: bytes, id_bytes: int) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield (mode, name, hex id) of a raw tree object without its header.

    Source of the format: git's tree objects, `mode SP name NUL id` with the id as raw bytes.

    Raises:
        ValueError: the bytes are not a tree.
    """
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        mode, name = data[at:space].lstrip(b"0"), data[space + 1 : end]
        at = end + 1 + id_bytes
        if at > len(data) or not name or b"/" in name:
            raise ValueError("not a tree object")
        yield mode, name, data[end + 1 : at].hex()


def _raw(kind: str, data: bytes) -> bytes:
    return b"%s %d\0" % (kind.encode(), len(data)) + data


def _below(path: str, roots: tuple[str, ...]) -> bool:
    return any(
        path == root.rstrip("/") or path.startswith(root.rstrip("/") + "/") for root in roots
    )


def _commit_fields(text: str) -> tuple[str, str]:
    """Return the tree and the committer's instant that a commit object names."""
    head = text.split("\n\n", 1)[0].splitlines()
    fields = dict(line.split(" ", 1) for line in head if " " in line and line[0] != " ")
    seconds = int(fields["committer"].rsplit(" ", 2)[1])
    return fields["tree"], datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_status(out: bytes) -> _Status:
    """Read `git status --porcelain=v2 --branch -z --no-renames`."""
    branch, commit = "", None
    tracked: list[str] = []
    untracked: list[str] = []
    # Words before the path: `1` changed, `u` unmerged; a moved file is one gone and one new.
    before_path = {"1": 8, "u": 10}
    for record in os.fsdecode(out).split("\0"):
        kind = record[:1]
        if record.startswith("# branch.oid ") and not record.endswith("(initial)"):
            commit = record.removeprefix("# branch.oid ")
        elif record.startswith("# branch.head ") and not record.endswith("(detached)"):
            branch = record.removeprefix("# branch.head ")
        elif kind == "?":
            untracked.append(record[2:])
        elif kind in before_path:
            tracked.append(record.split(" ", before_path[kind])[-1])
    return _Status(branch, commit, tuple(tracked), tuple(untracked))


def _hardened(path: Path) -> Git:
    """Return GitPython's command runner for a folder, cut off from the caller's git variables."""
    name = os.environ.get("GIT_PYTHON_GIT_EXECUTABLE", "git")
    if shutil.which(name) is None:
        raise Invalid(
            f"git is not installed program=`{name}`",
            next_step="install it: Debian `apt-get install git`, macOS `xcode-select --install`",
        )
    git = _hardened_class()(str(path))
    git.update_environment(**_ENVIRONMENT)
    return git


def _hardened_class() -> type[Git]:
    # GitPython refuses to be imported without git unless told so; children must not inherit that.
    given = os.environ.get("GIT_PYTHON_REFRESH")
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    try:
        from git.cmd import Git
    finally:
        del os.environ["GIT_PYTHON_REFRESH"]
        if given is not None:
            os.environ["GIT_PYTHON_REFRESH"] = given

    class Hardened(Git):
        """GitPython copies the whole environment into git; `env -u` takes the caller's out."""

        def execute(self, command: list[str], **named: object) -> object:  # type: ignore[override] # pyright: ignore
            strange = [name for name in os.environ if name.startswith("GIT_") and name not in _KEPT]
            unset = [word for name in strange if name not in _ENVIRONMENT for word in ("-u", name)]
            words = ["env", *unset, *command] if unset else command
            return super().execute(words, **named)  # type: ignore[call-overload] # pyright: ignore

    return Hardened


def _command(git: Git, options: Iterable[str], words: Iterable[str]) -> list[str]:
    return [str(git.GIT_PYTHON_GIT_EXECUTABLE or "git"), *options, *words]


def _run(git: Git, options: Iterable[str], words: Iterable[str]) -> tuple[int, bytes, str]:
    from git.exc import GitCommandNotFound

    try:
        status, out, problem = git.execute(
            _command(git, options, words),
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            strip_newline_in_stdout=False,
        )
    except (GitCommandNotFound, OSError) as error:
        raise Unavailable(f"git could not be started, {error}") from error
    return int(status), bytes(out), str(problem)


def _top(git: Git, options: tuple[str, ...], path: Path) -> Path:
    status, out, problem = _run(git, options, ["rev-parse", "--show-toplevel"])
    root = Path(os.fsdecode(out).removesuffix("\n"))
    if status:
        raise _refusal(path, problem)
    if not path.resolve().is_relative_to(root.resolve()):
        raise Invalid(
            f"the repository keeps its working tree elsewhere root=`{root}`",
            place=str(path),
            next_step="name a folder inside the working tree; see `git config core.worktree`",
        )
    return root


def _without_filters(git: Git, options: tuple[str, ...]) -> tuple[str, ...]:
    """Return options that disarm content filters which the repository's own settings define.

    Such a filter is a program that `git status` would run. Those of the user's and the system's
    settings stay, and so does git-lfs, because CI sets it up per repository.
    """
    words = ["config", "--null", "--show-scope", "--get-regexp", _FILTERS]
    _, out, _ = _run(git, options, words)
    fields = os.fsdecode(out).split("\0")
    disarmed: list[str] = []
    for scope, pair in zip(fields[::2], fields[1::2], strict=False):
        key, _, program = pair.partition("\n")
        if scope in ("local", "worktree") and not _is_lfs(program):
            driver = key.rsplit(".", 1)[0]
            disarmed += ["-c", f"{key}=", "-c", f"{driver}.required=false"]
    return tuple(disarmed)


def _is_lfs(program: str) -> bool:
    words = program.replace(" lfs ", "-lfs ", 1).split()
    return words[:1] == [_HARMLESS_FILTER] and not set(program) & set(";&|<>$`\n()")


def _refusal(path: Path, problem: str) -> Invalid | Unavailable:
    """Return the error for a repository that git would not open."""
    if "dubious ownership" in problem:
        named = re.search(r"repository at '(.+)'", problem)
        owned = named[1] if named else path.resolve()
        return Invalid(
            f"the repository belongs to another user path=`{path}`",
            place=str(path),
            next_step="git reads it only when told that it is trusted: "
            f"`git config --global --add safe.directory {owned}`",
        )
    if "not a git repository" in problem.lower():
        return Invalid(
            f"there is no git repository path=`{path}`",
            place=str(path),
            next_step="go into a clone, or run `git init` and commit",
        )
    return Unavailable(
        f"git cannot open the repository, {_short(problem)}",
        place=str(path),
        next_step="run `git status` there and repair what it complains of",
    )


def _short(problem: str) -> str:
    line = next(iter(problem.strip().splitlines()), "without saying why")
    return "".join(letter if letter.isprintable() else "?" for letter in line).lower()[:300]
