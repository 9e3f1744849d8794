"""What evidence of others says, in one shape, whatever format it came in.

Records and words only. A document whose worth rests on its signature is never `passed` before that
signature was verified; `says` keeps what it says of itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from evidence.dsse import Envelope
from evidence.model import Outcome

Kind = Literal[
    "junit",
    "sarif",
    "ctrf",
    "in-toto link",
    "in-toto statement",
    "test result",
    "slsa provenance",
    "vsa",
    "pep740",
    "audit decision",
    "audit checkpoint",
]
Verdict = Literal["passed", "failed", "unknown"]
Signature = Literal["none", "missing", "not checked", "verified", "refused"]
"""`none` belongs to formats that know no signatures; `missing` to those that want one."""

PREFIXES: Mapping[Kind, str] = {
    "junit": "junit",
    "sarif": "sarif",
    "ctrf": "ctrf",
    "in-toto link": "intoto",
    "in-toto statement": "intoto",
    "test result": "intoto",
    "slsa provenance": "slsa",
    "vsa": "vsa",
    "pep740": "pep740",
    "audit decision": "audit",
    "audit checkpoint": "audit",
}
"""What the metrics of each kind begin with."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
NAME_CHARS_MAX = 2_000
"""Characters of a name that are kept."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a document speaks of: a name, and a digest as `algorithm:hex`."""

    name: str
    digest: str


def commit_of(name: str, commit: str) -> tuple[Subject, ...]:
    """Return the commit that a report names as what it was made from; an id cut short is none."""
    whole = _COMMIT.fullmatch(commit.lower())
    return (Subject(name[:NAME_CHARS_MAX], f"gitCommit:{commit.lower()}"),) if whole else ()


@dataclass(frozen=True, slots=True)
class Check:
    """One test, rule or step inside a document, and why it did not pass.

    `retried` says that it passed only when it was run again.
    """

    name: str
    outcome: Outcome
    message: str = ""
    retried: bool = False


@dataclass(frozen=True, slots=True)
class Instant:
    """A time that a document names: `started`, `finished` or `verified`, RFC 3339."""

    what: str
    utc: str


@dataclass(frozen=True, slots=True)
class Ingested:
    """One document of others. `says` is its own word, `outcome` what we make of it.

    `subjects` are what it was made about, `sources` what that was made from. `counts` are numbers
    that add up over several documents.
    """

    kind: Kind
    place: str
    producer: str
    says: Verdict
    outcome: Verdict
    signature: Signature
    signer: str = ""
    subjects: tuple[Subject, ...] = ()
    sources: tuple[Subject, ...] = ()
    tests: tuple[Check, ...] = ()
    times: tuple[Instant, ...] = ()
    problems: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)


Verify = Callable[[Envelope], str]
"""Returns who signed an envelope, or nothing where that cannot be checked here; raises an
`AuditError` when it was checked and nobody who is trusted signed."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What evidence must be about: a commit, the digests of files, and who made it.

    An empty field expects nothing.
    """

    commit: str = ""
    digests: tuple[str, ...] = ()
    producer: str = ""
