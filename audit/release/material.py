"""What a release is judged by, read at its tag: the only place of this room that asks git.

Everything comes from the commit that the tag leads to, never from the working tree, so that the
answer is the same in every clone. The rules that judge it live in `tags`, `changelog` and `sbom`.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import Invalid
from audit.release import changelog, sbom, tags
from audit.release.checks import Check
from audit.release.tags import Tag
from evidence.words import count

if TYPE_CHECKING:
    from audit.repo import Repository

LOCKS = (
    *("requirements/*.txt", "requirements*.txt", "uv.lock", "poetry.lock", "pdm.lock"),
    *("pylock.toml", "Cargo.lock"),
)
"""Lock files that are read where nobody names any: patterns over paths at the tag."""
CHANGELOG = "CHANGELOG.md"
"""Where the changelog lies at the tag, unless somebody says otherwise."""
NOTES = "docs/releases/{tag}.md"
"""Where the release notes of a tag lie, unless somebody says otherwise."""
FILE_BYTES_MAX = 32 << 20
"""Bytes of a text file of a release; a larger one is refused."""

_PROGRAMS = {"ssh": "ssh-keygen", "openpgp": "gpg", "x509": "gpgsm"}
_ASSIGNED = re.compile(
    r"""^(?:__version__|VERSION|version)(?: *: *\w+)? *= *["']([^"']+)["']""", re.M
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks about a release.

    `tag_objects` are ids that the tag's object must have, by who recorded them; `bills` are bytes
    of bills of materials to hold against the locks, by file name; without any they are made.
    """

    tag: str
    changelog: str = CHANGELOG
    notes: str = NOTES
    locks: tuple[str, ...] = LOCKS
    bills: Mapping[str, bytes] = field(default_factory=dict)
    tag_objects: Mapping[str, str] = field(default_factory=dict)
    allowed_signers: Path | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A release as it stands at its tag.

    `texts` are files by path; `declared` is the package's name, its version and the file that says
    so, each empty where none does; `bills` are the bills of materials by file name.
    """

    wanted: Wanted
    version: str
    tag: Tag
    commit: str
    committed_s: int
    declared: tuple[str, str, str]
    texts: Mapping[str, str]
    pins: Mapping[sbom.Pin, tuple[str, ...]]
    bills: Mapping[str, bytes]

    @property
    def notes_path(self) -> str:
        """Where the release notes lie at the tag."""
        return notes_path(self.wanted)


def notes_path(wanted: Wanted) -> str:
    """Return where the release notes of a tag lie."""
    return wanted.notes.replace("{tag}", wanted.tag)


def read(repository: Repository, wanted: Wanted) -> Release:
    """Return what there is of a release. Costs no process of its own.

    Raises:
        Invalid: no such tag, a name that is no version, or a file that cannot be read.
        Unavailable: git cannot read an object.
    """
    version = tags.version_of(wanted.tag)
    named = repository.tag(wanted.tag)
    commit = repository.commit(f"refs/tags/{wanted.tag}")
    if named is None or commit is None:
        raise Invalid(
            f"there is no such tag tag=`{wanted.tag}`",
            place=str(repository.root),
            next_step="git fetch --tags; or make it with git tag -s",
        )
    files = _Files(repository, commit)
    declared = _declared(files)
    pins = sbom.pins({path: files.need(path) for path in files.like(wanted.locks)})
    seconds = _committed(repository, commit)
    texts = {path: files.text(path) for path in (wanted.changelog, notes_path(wanted))}
    return Release(
        wanted,
        version,
        tags.parse(wanted.tag, *named),
        commit,
        seconds,
        declared,
        {path: text for path, text in texts.items() if text is not None},
        pins,
        wanted.bills or _bills(declared, version, commit, seconds, pins),
    )


class _Files:
    """Text files of a commit, by path."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self._tree = repository.tree(commit)

    def like(self, patterns: tuple[str, ...]) -> list[str]:
        """Return the paths that fit one of the patterns."""
        return [path for path in self._tree if any(fnmatchcase(path, one) for one in patterns)]

    def text(self, path: str) -> str | None:
        """Return a file's text; None when there is no such file. Raises `Invalid`."""
        entry = self._tree.get(path)
        if entry is None or not entry.is_file:
            return None
        if self._repository.size(entry.blob) > FILE_BYTES_MAX:
            raise Invalid(f"is too large to be read limit=`{FILE_BYTES_MAX}`", place=path)
        try:
            return self._repository.read(entry.blob).decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise Invalid(
                f"is not UTF-8 at byte=`{error.start}`",
                place=path,
                next_step="save it as UTF-8, then tag that commit",
            ) from error

    def need(self, path: str) -> str:
        """Return a file's text, or nothing where it is a link."""
        return self.text(path) or ""


def _committed(repository: Repository, commit: str) -> int:
    """Return the committer's instant in seconds, by which every entry of a pack is dated."""
    _, raw = next(iter(repository.tree_objects(commit)))
    found = re.search(rb"^committer .*> (\d{1,11}) [+-]\d{4}$", raw, re.MULTILINE)
    if found is None:
        raise Invalid(f"the commit has no time commit=`{commit}`", place=str(repository.root))
    return int(found[1])


# --- what the package says ------------------------------------------------------------------------


def _declared(files: _Files) -> tuple[str, str, str]:
    """Return name, version and file of the first manifest that declares a version."""
    readers: dict[str, Callable[[_Files, str], tuple[str, str, str]]] = {
        "pyproject.toml": _pyproject,
        "Cargo.toml": _cargo,
        "package.json": _npm,
    }
    name = ""
    for path, reader in readers.items():
        text = files.text(path)
        if text is None:
            continue
        try:
            found = reader(files, text)
        except (ValueError, AttributeError, RecursionError) as error:
            raise Invalid(f"cannot be read: {str(error).lower()[:200]}", place=path) from error
        name = name or found[0]
        if found[1]:
            return found
    return name, "", ""


def _pyproject(files: _Files, text: str) -> tuple[str, str, str]:
    value: dict[str, Any] = tomllib.loads(text)
    project, tool = value.get("project", {}), value.get("tool", {})
    poetry = tool.get("poetry", {})
    name = str(project.get("name", poetry.get("name", "")))
    version = project.get("version", poetry.get("version"))
    if version is not None:
        return name, str(version), "pyproject.toml"
    path = str(tool.get("hatch", {}).get("version", {}).get("path", ""))
    found = _ASSIGNED.search(files.text(path) or "") if path else None
    return (name, found[1], path) if found else (name, "", "")


def _cargo(_: _Files, text: str) -> tuple[str, str, str]:
    value: dict[str, Any] = tomllib.loads(text)
    package, shared = value.get("package", {}), value.get("workspace", {}).get("package", {})
    version = package.get("version", shared.get("version"))
    if isinstance(version, dict):  # `version.workspace = true`
        version = shared.get("version")
    return str(package.get("name", "")), str(version or ""), "Cargo.toml" if version else ""


def _npm(_: _Files, text: str) -> tuple[str, str, str]:
    value: dict[str, Any] = json.loads(text)
    version = str(value.get("version", ""))
    return str(value.get("name", "")), version, "package.json" if version else ""


def _bills(
    declared: tuple[str, str, str],
    version: str,
    commit: str,
    seconds: int,
    pins: Mapping[sbom.Pin, tuple[str, ...]],
) -> dict[str, bytes]:
    """Make both bills of materials; a project without a name is called after nothing local."""
    utc = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    subject = sbom.Subject(declared[0] or "release", version, commit, utc)
    return {sbom.CYCLONEDX: sbom.cyclonedx(subject, pins), sbom.SPDX: sbom.spdx(subject, pins)}


# --- the checks -----------------------------------------------------------------------------------


def examine(repository: Repository, release: Release) -> list[Check]:
    """Return every check of a release, in order. Costs the processes that verify a signature."""
    wanted, tag = release.wanted, release.tag
    log = release.texts.get(wanted.changelog)
    notes = release.texts.get(release.notes_path)
    return [
        tags.check_annotated(tag, release.commit),
        signature(repository, tag, wanted.allowed_signers),
        tags.check_unmoved(tag, wanted.tag_objects),
        tags.check_version(tag, release.declared[1], release.declared[2]),
        changelog.check_changelog(log, wanted.changelog, release.version),
        changelog.check_notes(notes, release.notes_path, release.version),
        _locks(release),
        sbom.check("cyclonedx", release.bills.get(sbom.CYCLONEDX), release.pins, release.version),
        sbom.check("spdx", release.bills.get(sbom.SPDX), release.pins, release.version),
    ]


def _locks(release: Release) -> Check:
    if release.pins:
        locks = {lock for named in release.pins.values() for lock in named}
        said = f"{count(len(locks), 'lock file')} with {count(len(release.pins), 'pinned package')}"
        return Check("locks", "passed", said)
    patterns = ", ".join(release.wanted.locks)
    step = "commit a lock file, or name where it lies with --lock"
    return Check("locks", "failed", f"no lock file pins a package patterns=`{patterns}`", step)


def signature(repository: Repository, tag: Tag, allowed_signers: Path | None) -> Check:
    """Ask git whether somebody who may has signed a tag; unknown keys are refused.

    An SSH signature needs `allowed_signers`; for OpenPGP and X.509 the keys that this user's
    keyring holds valid count.
    """
    name, step = "signature", f"sign it with git tag -s {tag.ref}, by a key that is allowed"
    if not tag.signature:
        return Check(name, "failed", "the tag is not signed", step)
    program = _PROGRAMS[tag.signature]
    if shutil.which(program) is None:
        reason = f"what checks such a signature is not installed program=`{program}`"
        return Check(name, "could_not_run", reason, f"install {program}, then try again")
    if tag.signature == "ssh" and allowed_signers is None:
        reason = "the tag is signed by an SSH key, and nobody said which keys are allowed"
        return Check(name, "could_not_run", reason, "name them with --allowed-signers FILE")
    signers = str(allowed_signers.resolve()) if allowed_signers else ""
    code, words = repository.verify_tag(tag.object, signers)
    signer = _signer(words)
    if code == 0 and signer:
        return Check(name, "passed", f"a good signature of signer=`{signer}`")
    return Check(name, "failed", f"no signature that counts: {_why(words)}", step)


def _signer(words: str) -> str:
    """Return who signed, as the program that checked it says; empty when it does not say good."""
    ssh = re.search(r'^Good "git" signature for (.+) with \S+ key \S+$', words, re.MULTILINE)
    gpg = re.search(r"^\[GNUPG:\] GOODSIG [0-9A-F]+ (.+)$", words, re.MULTILINE)
    bad = re.search(r"^\[GNUPG:\] (?:BADSIG|ERRSIG|REVKEYSIG|EXPKEYSIG|EXPSIG) ", words, re.M)
    found = None if bad else ssh or gpg
    return found[1] if found else ""


_REASONS = (
    (r"NO_PUBKEY", "the key is not in the keyring"),
    (r"REVKEYSIG", "the key was revoked"),
    (r"EXPKEYSIG|key has expired", "the key has expired"),
    (r"EXPSIG", "the signature has expired"),
    (r"BADSIG|incorrect signature", "it does not fit what was signed"),
    (r"TRUST_(?:UNDEFINED|NEVER|MARGINAL)", "nobody here vouches for the key"),
    (r"No principal matched", "the key is not among the allowed signers"),
)


def _why(words: str) -> str:
    for pattern, reason in _REASONS:
        if re.search(pattern, words):
            return reason
    last = words.strip().splitlines()[-1:] or ["without saying why"]
    return last[0].lower()[:200]
