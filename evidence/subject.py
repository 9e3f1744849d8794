"""The subject of an audit, recomputed from raw git objects.

`tree-objects/` holds the commit and every tree below it as git stores them (`type SP size NUL
body`, one after another), so that a stranger can hash the proof again without git. Pure functions.
Source of the formats: git-scm.com, "Git Internals - Git Objects".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evidence.codec import Malformed

OBJECTS_FILE = "commit-and-trees"
TREE_MODE = b"40000"
DEPTH_MAX = 512
"""Nested folders that are followed; a deeper tree is refused."""
ENTRIES_MAX = 2_000_000
"""Files and folders that are listed: a few small trees can name each other billions of times."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One tracked file: mode as in its tree (`100644`), hex blob id, full path as bytes."""

    mode: bytes
    blob: str
    path: bytes


def split_objects(data: bytes, place: str, algorithm: str) -> dict[str, tuple[str, bytes]]:
    """Return the objects of a concatenation: id to (type, body).

    Raises:
        Malformed: a header that is none, or a body that is cut off.
    """
    objects: dict[str, tuple[str, bytes]] = {}
    at = 0
    while at < len(data):
        end = data.find(b"\0", at, at + 64)
        kind, _, size = data[at : max(end, at)].partition(b" ")
        if end < 0 or not size.isdigit() or end + 1 + int(size) > len(data):
            raise Malformed(place, f"no git object at byte {at}")
        stop = end + 1 + int(size)
        name = hashlib.new(algorithm, data[at:stop], usedforsecurity=False).hexdigest()
        objects[name] = (kind.decode("ascii", "replace"), data[end + 1 : stop])
        at = stop
    return objects


def files_of(objects: Mapping[str, tuple[str, bytes]], commit: str) -> tuple[str, list[Listed]]:
    """Return the tree id of a commit and all files below it, sorted by path bytes.

    Raises:
        Malformed: an object is missing or is not what it should be.
    """
    kind, body = objects.get(commit, ("", b""))
    if kind != "commit" or not body.startswith(b"tree "):
        raise Malformed(f"commit {commit}", "is not among the objects")
    tree = body[5:].partition(b"\n")[0].decode("ascii", "replace")
    return tree, sorted(_walk(objects, tree), key=lambda listed: listed.path)


def _walk(objects: Mapping[str, tuple[str, bytes]], root: str) -> Iterator[Listed]:
    waiting, entries = [(root, b"")], 0
    while waiting:
        tree, prefix = waiting.pop()
        kind, body = objects.get(tree, ("", b""))
        if kind != "tree":
            raise Malformed(f"tree {tree}", "is not among the objects")
        for mode, name, child in _entries(tree, body):
            entries += 1
            if entries > ENTRIES_MAX or prefix.count(b"/") > DEPTH_MAX:
                raise Malformed(f"tree {root}", "has too many files, or folders too deep")
            if mode == TREE_MODE:
                waiting.append((child, prefix + name + b"/"))
            else:
                yield Listed(mode, child, prefix + name)


def _entries(tree: str, body: bytes) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield (mode without leading zeros, name, hex id) of a tree's body."""
    at, width = 0, len(tree) // 2
    while at < len(body):
        space, end = body.find(b" ", at), body.find(b"\0", at)
        name, stop = body[space + 1 : end], end + 1 + width
        if not at < space < end < stop <= len(body) or not name or b"/" in name:
            raise Malformed(f"tree {tree}", f"no entry at byte {at}")
        yield body[at:space].lstrip(b"0"), name, body[end + 1 : stop].hex()
        at = stop


def paths_of(files: Sequence[Listed]) -> set[str]:
    """Return the paths of files and of the folders that they lie in."""
    paths: set[bytes] = set()
    for listed in files:
        path = listed.path
        while path and path not in paths:
            paths.add(path)
            path = path.rpartition(b"/")[0]
    return {path.decode("utf-8", "surrogateescape") for path in paths}


def digest_of(files: Sequence[Listed], outputs: Sequence[str]) -> str:
    """Return the subject digest: SHA-256 over `mode SP blob SP path NUL` of each file, by path.

    The output roots and files below them are left out, so that committing evidence keeps the
    subject.

    Raises:
        Malformed: an output root that no file can have as its name.
    """
    try:
        bare = [output.rstrip("/").encode("utf-8", "surrogateescape") for output in outputs]
    except UnicodeEncodeError as error:
        raise Malformed("outputs", "is no path in UTF-8") from error
    roots = tuple(root + b"/" for root in bare)
    hasher = hashlib.sha256()
    for listed in files:
        if not (listed.path + b"/").startswith(roots):
            hasher.update(b"%s %s %s\0" % (listed.mode, listed.blob.encode(), listed.path))
    return hasher.hexdigest()
