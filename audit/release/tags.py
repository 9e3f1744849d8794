"""A tag of a release: its name as a version, its object, and what must hold of both.

Pure: git's bytes come in as values, and who signed is told by `material`. Sources: git's tag
objects (`git help mktag`), Semantic Versioning 2.0.0, and PEP 440 in its canonical spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from audit.errors import Invalid
from audit.release.checks import Check, judged
from evidence.model import Subject

NAME_CHARS_MAX = 128
"""Characters of a tag's name."""

_NUMBER = r"(?:0|[1-9][0-9]*)"
_WORD = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-{_WORD}(?:\.{_WORD})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
"""A version as semver.org spells it."""
PEP440 = re.compile(
    rf"(?:{_NUMBER}!)?{_NUMBER}(?:\.{_NUMBER})*(?:(?:a|b|rc){_NUMBER})?"
    rf"(?:\.post{_NUMBER})?(?:\.dev{_NUMBER})?(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?"
)
"""A version as PEP 440 spells it when it is canonical."""

_PRE_RELEASE = re.compile(r"-(alpha|a|beta|b|rc)\.?([0-9]+)(?=\+|$)")
_SHORT = {"alpha": "a", "beta": "b"}

Signature = Literal["", "ssh", "openpgp", "x509"]
_SIGNATURES: dict[bytes, Signature] = {
    b"-----BEGIN SSH SIGNATURE-----": "ssh",
    b"-----BEGIN PGP SIGNATURE-----": "openpgp",
    b"-----BEGIN PGP MESSAGE-----": "openpgp",
    b"-----BEGIN SIGNED MESSAGE-----": "x509",
}


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as git keeps it.

    `ref` is the name it was found by and `object` the id that the name leads to. An annotated tag
    also has its own object: the `name` in it, the `target` and `target_type` it leads to, which
    kind of `signature` it carries, and its `raw` bytes without git's header. Of a light tag these
    are empty, and `target` is the commit itself.
    """

    ref: str
    object: str
    annotated: bool
    name: str
    target: str
    target_type: str
    signature: Signature
    raw: bytes


def version_of(name: str) -> str:
    """Return the version that a tag's name spells, without a leading `v`.

    >>> version_of("v1.2.0-rc.1")
    '1.2.0-rc.1'

    Raises:
        Invalid: the name is no version, of Semantic Versioning or of PEP 440.
    """
    version = name.removeprefix("v")
    fits = SEMVER.fullmatch(version) or PEP440.fullmatch(version)
    if fits and len(name) <= NAME_CHARS_MAX:
        return version
    raise Invalid(
        f"is no tag of a release tag=`{name[:NAME_CHARS_MAX]}`",
        next_step="name a tag that is `v` and a version, such as v1.2.0 or v1.2.0-rc.1",
    )


def same_version(one: str, other: str) -> bool:
    """Whether two versions are one, spelled for Semantic Versioning or for PEP 440.

    >>> same_version("1.2.0-rc.1", "1.2.0rc1"), same_version("1.2.0", "1.20")
    (True, False)
    """
    return _canonical(one) == _canonical(other)


def _canonical(version: str) -> str:
    return _PRE_RELEASE.sub(lambda found: _SHORT.get(found[1], found[1]) + found[2], version)


def parse(ref: str, object_: str, kind: str, raw: bytes) -> Tag:
    """Return the tag that git's answer describes. Raises `Invalid` when its object is malformed."""
    if kind != "tag":
        return Tag(ref, object_, False, "", object_, kind, "", b"")
    head, _, message = raw.partition(b"\n\n")
    # In this order and nothing between: git writes it so, and a signature covers it.
    names = [b"object", b"type", b"tag", b"tagger"]
    rows = [line.partition(b" ") for line in head.split(b"\n")]
    if [row[0] for row in rows] not in (names, names[:3]):
        raise Invalid(
            f"the tag object is malformed object=`{object_}`",
            place=ref,
            next_step="make the tag again with git tag -s",
        )
    target, target_type, name = (row[2].decode("utf-8", "replace") for row in rows[:3])
    lines = message.split(b"\n")
    signed: Signature = ""
    for line in lines:
        signed = _SIGNATURES.get(line.rstrip(), signed)
    return Tag(ref, object_, True, name, target, target_type, signed, raw)


def check_annotated(tag: Tag, commit: str) -> Check:
    """Ask that a tag is annotated, bears its own name, and leads straight to its commit."""
    step = f"make it with git tag -s {tag.ref} {commit[:12]}"
    holds = f"annotated, and leads to commit=`{commit}`"
    return judged("annotated", _shape(tag, commit), holds, step)


def _shape(tag: Tag, commit: str) -> Iterator[str]:
    if not tag.annotated:
        yield "the tag is a light one: it has no object, so nothing can be signed"
        return
    if tag.name != tag.ref:
        yield f"the tag's object was made for another name name=`{tag.name}`"
    if (tag.target_type, tag.target) != ("commit", commit):
        yield f"the tag leads to a {tag.target_type} and not straight to the commit"


def check_subject(commit: str, subject: Subject) -> Check:
    """Ask that the commit that was audited is the one that the tag leads to, and nothing else."""
    problems = []
    if subject.commit != commit:
        problems.append(f"another commit was audited commit=`{subject.commit}`")
    if subject.dirty:
        problems.append(f"the tree was dirty files=`{len(subject.dirty)}`, as `{subject.dirty[0]}`")
    step = "audit the tag's commit: git switch --detach TAG, then arco-audit run"
    return judged("subject", problems, f"this commit was audited commit=`{commit}`", step)


def check_unmoved(tag: Tag, recorded: Mapping[str, str]) -> Check:
    """Ask that a tag leads to the object that was `recorded` for it; keys say by whom."""
    if not recorded:
        return Check(
            "unmoved",
            "could_not_run",
            "nobody recorded the id of the tag's object",
            f"name it with --tag-object; it is {tag.object} here and now",
        )
    problems = [
        f"the tag moved: {who} has object=`{known}`, now it is object=`{tag.object}`"
        for who, known in sorted(recorded.items())
        if known != tag.object
    ]
    return judged(
        "unmoved",
        problems,
        f"the tag is what {' and '.join(sorted(recorded))} recorded object=`{tag.object}`",
        "never move a release tag: find out who did, and release under the next version",
    )


def check_version(tag: Tag, declared: str, place: str) -> Check:
    """Ask that the package declares the version of the tag; `place` is the file that says so."""
    if not place:
        return Check(
            "version",
            "could_not_run",
            "no file at the tag declares a version",
            "declare one in pyproject.toml, Cargo.toml or package.json",
        )
    version = version_of(tag.ref)
    problems = []
    if not same_version(version, declared):
        problems = [f"the tag and {place} differ tag=`{version}` declared=`{declared}`"]
    holds = f"{place} declares version=`{declared}`"
    return judged("version", problems, holds, f"set the version in {place}, then tag that commit")
