"""Verifying a workspace: root, floors, chains, artifacts, segments, locks and hints, read only.

What is wrong comes back as findings with a code, a place and what to do; only a store that does not
answer, or refuses, is an exception. Where a store was seen to refuse what is absent, a refusal is a
finding, which says so. Digests are taken of the stored bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from arco.capabilities import Read
from arco.core.canonical import decode
from arco.core.errors import Corrupt, Denied, Invalid, Unavailable
from arco.core.ids import Digest
from arco.core.keys import (
    DomainHintKey,
    DomainName,
    FloorKey,
    Key,
    LedgerKey,
    LockKey,
    Workspace,
    manifest_key,
)
from arco.core.manifest import Artifact, Head, may_follow, read_head, state_key
from arco.core.records import Floor, Hint, LockRecord
from arco.publish.initialise import ROOT_KEY, Opened, open_workspace
from arco.publish.numbered import Numbered
from arco.publish.sight import read_floor

T = TypeVar("T")

BLOCK_BYTES = 2 * 1024 * 1024
"""How much of an artifact is read at once: each is a request, and a larger one leaves the
processor's cache before it is hashed."""

WALKS_MAX = 3
"""How often a domain is walked when collectors raise its floor meanwhile."""


class Severity(StrEnum):
    """Whether a finding contradicts what was promised."""

    ERROR = "error"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: a stable code, the key, what happened, what to do."""

    code: str
    severity: Severity
    key: str
    text: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what was found."""

    domains: dict[str, int]
    """The newest version of each domain."""
    manifests: int
    artifacts: int
    artifact_bytes: int
    segments: int
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing contradicts what was promised."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)


NEXT_STEPS = {
    "root": "restore the root manifest from a backup; without it the workspace has no identity",
    "floor": "restore the floor marker; no collector may run before",
    "manifest": "stop all writers; restore the version from a backup or from the store's history",
    "chain": "stop all writers; the version was written by hand or the store lost a write",
    "artifact": "restore the object, or roll back to a version that does not refer to it",
    "segment": "restore the segment; receipts of its events cannot be checked without it",
    "lock": "run `arco init` to make a missing lock, or one that could not be read and was "
    "deleted; a lower token is raised by the next holder",
    "hint": "run `arco init` to make a missing hint; delete a wrong one first, once no version is "
    "missing",
}
"""What to do about each kind of finding."""


@dataclass(slots=True)
class _Walk:
    """What was looked at in one walk, and what was found; the last walk of a domain counts."""

    manifests: int = 0
    segments: int = 0
    artifacts: dict[tuple[str, int, Digest], int] = field(default_factory=dict)
    """What versions say of an artifact (key, size, digest), and how many bytes are there."""
    findings: list[Finding] = field(default_factory=list)
    floor_known: bool = True
    """Whether the newest floor marker, if any, could be read."""


@dataclass(slots=True)
class _Chain:
    """The versions of a domain as far as they were walked."""

    first: int
    digests: list[Digest] = field(default_factory=list)
    last: Head | None = None
    readable: bool = True
    """Whether it began at the newest floor and ended where nothing follows; all could be read."""


class Verifier:
    """Walks a workspace with a reader's credential.

    Each root, floor, manifest, segment, lock and hint costs one read, each artifact one per
    `BLOCK_BYTES`; objects that several versions refer to are read once. Each domain costs two more
    that find its end: the next floor and the next version.
    """

    def __init__(
        self,
        read: Read[Key],
        workspace: Workspace,
        progress: Callable[[str, int], None] = lambda what, count: None,
    ) -> None:
        self._read, self._workspace, self._progress = read, workspace, progress
        self._walk = _Walk()
        self._refuses = False
        """Whether the store was seen to refuse what is absent."""
        self._refused: set[str] = set()
        """What is missing by a refusal, which may be a right that is missing."""
        self._digests: dict[str, tuple[int, Digest]] = {}
        """What artifacts were found to be, so that a second walk does not read them again."""

    async def verify(self, domains: Iterable[DomainName] | None = None) -> Verified:
        """Return what is true of the workspace.

        Raises `Invalid` when there is no workspace, `Denied` and `Unavailable` as reads do, and
        `Unavailable` where collectors were faster than `WALKS_MAX` walks of a domain.
        """
        newest: dict[str, int] = {}
        walks = [self._walk]
        try:
            opened = await open_workspace(self._read, self._workspace)
        except Corrupt as error:
            self._unreadable("root", ROOT_KEY, error)
        else:
            for domain in opened.root.domains if domains is None else domains:
                newest[domain] = await self._domain(opened, domain)
                walks.append(self._walk)
        sizes = {path: size for walk in walks for (path, *_), size in walk.artifacts.items()}
        return Verified(
            domains=newest,
            manifests=sum(walk.manifests for walk in walks),
            artifacts=len(sizes),
            artifact_bytes=sum(sizes.values()),
            segments=sum(walk.segments for walk in walks),
            findings=tuple(finding for walk in walks for finding in walk.findings),
        )

    async def _domain(self, opened: Opened, domain: DomainName) -> int:
        """Walk a domain; once more where a collector raised its floor meanwhile."""
        for _ in range(WALKS_MAX):
            self._walk = _Walk()
            floor, count = await self._floors(domain)
            hint = await self._hint(domain)  # before the chain, which may grow under us
            chain = await self._chain(opened, domain, floor)
            if hint is not None:
                self._check_hint(hint, chain)
            await self._lock(domain, chain.last)
            if not self._walk.findings or not await self._floor_rose(domain, count):
                return chain.last.version if chain.last else chain.first
        raise Unavailable(
            f"floors were raised faster than the domain was read: domain=`{domain}`",
            next_step="verify while no collector runs, or pin a version first",
        )

    async def _floor_rose(self, domain: DomainName, count: int) -> bool:
        floors = Numbered(self._read, lambda n: FloorKey(domain, n))
        return count > 0 and await floors.at(count) is not None

    # --- floors ---------------------------------------------------------------------------------

    async def _floors(self, domain: DomainName) -> tuple[Floor | None, int]:
        """Return the newest floor and the number of markers, after reading all from 0 on."""
        floors = Numbered(self._read, lambda n: FloorKey(domain, n))
        newest: Floor | None = None
        number = 0
        while (found := await floors.at(number)) is not None:
            key = FloorKey(domain, number)
            try:
                floor = read_floor(domain, number, found.body)
            except Corrupt as error:
                self._unreadable("floor", key, error)
                self._walk.floor_known = False
            else:
                self._walk.floor_known = True
                if newest is not None and floor.version < newest.version:
                    self._find("floor", key, f"floor went back: version=`{floor.version}`")
                newest = floor
            number += 1
        if number == 0:
            self._find("floor", FloorKey(domain, 0), "no floor marker")
        self._refuses = floors.refuses
        return newest, number

    # --- the chain ------------------------------------------------------------------------------

    async def _chain(self, opened: Opened, domain: DomainName, floor: Floor | None) -> _Chain:
        """Walk the versions from the floor on, as far as they are whole."""
        chain = _Chain(floor.version if floor else 0, readable=self._walk.floor_known)
        manifests = Numbered(self._read, lambda n: manifest_key(domain, n))
        version = chain.first
        while (found := await manifests.at(version)) is not None:
            key = manifest_key(domain, version)
            try:
                head = read_head(domain, version, found.body)
            except Corrupt as error:
                self._unreadable("manifest", key, error)
                chain.readable = False
                return chain
            self._walk.manifests += 1
            self._progress(domain, self._walk.manifests)
            if chain.last is None:
                self._check_start(opened, head, floor.manifest_hash if floor else None)
            elif refused := may_follow(chain.last, head.manifest):
                self._find("chain", key, f"does not follow the version before: {refused}")
            await self._contents(head)
            chain.digests.append(head.digest)
            chain.last = head
            version += 1
        if chain.last is None and chain.readable:
            self._find(
                "manifest", manifest_key(domain, version), "the version at the floor is gone"
            )
        return chain

    def _check_start(self, opened: Opened, head: Head, expected: Digest | None) -> None:
        key = manifest_key(head.domain, head.version)
        if expected is not None and head.digest != expected:
            self._find("chain", key, f"not the manifest that the floor names: digest=`{expected}`")
        if head.version == 0 and head.manifest.parent_hash != opened.digest:
            self._find("chain", key, "the first version does not name this workspace's root")

    async def _contents(self, head: Head) -> None:
        """Check what a version refers to, once for each object."""
        for segment in head.manifest.segments:
            await self._segment(segment.key, segment.digest)
        for artifact in (*head.manifest.bases, *head.manifest.deltas):
            if artifact.key is None:
                continue
            said = (artifact.key, artifact.size_bytes, artifact.digest)
            if said not in self._walk.artifacts:
                size = await self._artifact(artifact.key, artifact, head.version)
                self._walk.artifacts[said] = size

    async def _segment(self, path: str, expected: Digest) -> None:
        self._walk.segments += 1
        try:
            key = LedgerKey.parse(path)
        except Invalid as error:
            self._walk.findings.append(_finding("segment", path, error.problem))
            return
        size, found = await self._digest(key)
        if size is None:
            self._find("segment", key, "the segment is gone")
        elif found != expected:
            self._find("segment", key, f"other bytes than were folded: digest=`{expected}`")

    async def _artifact(self, path: str, artifact: Artifact, version: int) -> int:
        """Check an artifact, and return how many bytes it has."""
        try:
            key = state_key(path)
        except Invalid as error:
            self._walk.findings.append(_finding("artifact", path, error.problem))
            return 0
        where = f"version=`{version}`"
        if path not in self._digests:
            size, found = await self._digest(key)
            if size is None:
                self._find("artifact", key, f"the artifact is gone: {where}")
                return 0
            self._digests[path] = size, found
        if self._digests[path] != (artifact.size_bytes, artifact.digest):
            self._find("artifact", key, f"other bytes than were published: {where}")
        return self._digests[path][0]

    async def _digest(self, key: Key) -> tuple[int | None, Digest]:
        """Return the size of an object (None when there is none) and the digest of its bytes."""
        size, hashed = 0, hashlib.sha256()
        while True:
            block = await self._unless_absent(
                key, self._read.get_range(key, size, size + BLOCK_BYTES)
            )
            if block is None:
                return None, Digest("")
            hashed.update(block)
            read_bytes = len(block)
            del block  # its memory is used again for the next one, and need not be cleared
            size += read_bytes
            if read_bytes < BLOCK_BYTES:
                return size, Digest(hashed.hexdigest())

    async def _unless_absent(self, key: Key, reading: Awaitable[T | None]) -> T | None:
        """Return what is read, or None when it is absent, which some stores tell by a refusal."""
        try:
            return await reading
        except Denied as refused:
            if not (self._refuses and refused.hides_absence):
                raise
            self._refused.add(key.path)
            return None

    # --- what guides ----------------------------------------------------------------------------

    async def _lock(self, domain: DomainName, newest: Head | None) -> None:
        key = LockKey(domain)
        stored = await self._unless_absent(key, self._read.get(key))
        if stored is None:
            self._find("lock", key, "no lock record")
            return
        try:
            lock = decode(stored.body, LockRecord, where=key.path)
        except Corrupt as error:
            self._unreadable("lock", key, error)
            return
        token = newest.manifest.fencing_token if newest else 0
        if lock.domain != domain:
            self._find("lock", key, f"lock of another domain: domain=`{lock.domain}`")
        elif lock.fencing_token < token:
            text = f"token below the newest version's: lock=`{lock.fencing_token}` head=`{token}`"
            self._find("lock", key, text, Severity.NOTE)

    async def _hint(self, domain: DomainName) -> Hint | None:
        key = DomainHintKey(domain)
        stored = await self._unless_absent(key, self._read.get(key))
        if stored is None:
            self._find("hint", key, "no hint")
            return None
        try:
            hint = decode(stored.body, Hint, where=key.path)
        except Corrupt as error:
            self._unreadable("hint", key, error)
            return None
        if hint.domain != domain:
            self._find("hint", key, f"hint of another domain: domain=`{hint.domain}`")
            return None
        return hint

    def _check_hint(self, hint: Hint, chain: _Chain) -> None:
        index = hint.version - chain.first
        key = DomainHintKey(hint.domain)
        if index >= len(chain.digests):
            if not chain.readable:
                return  # nobody can tell, and what is wrong has been found
            self._find("hint", key, f"names a version that is not there: version=`{hint.version}`")
        elif index >= 0 and chain.digests[index] != hint.manifest_hash:
            self._find("hint", key, f"names other bytes: version=`{hint.version}`")

    def _unreadable(self, code: str, key: Key, error: Corrupt) -> None:
        """Find what could not be read; of a later format, its own next step says more."""
        step = NEXT_STEPS[code]
        if error.next_step != Corrupt.next_step_default:
            step = error.next_step
        self._walk.findings.append(Finding(code, Severity.ERROR, key.path, error.problem, step))

    def _find(self, code: str, key: Key, text: str, severity: Severity = Severity.ERROR) -> None:
        if key.path in self._refused:
            text += " (refused, as this store answers for what is absent; or a right is missing)"
        self._walk.findings.append(_finding(code, key.path, text, severity))


def _finding(code: str, path: str, text: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code, severity, path, text, NEXT_STEPS[code])
