"""What may be installed: licences from an allow list, no banned package, everything pinned by hash.

Run as a program in an environment that holds what is shipped; exits 1 with one line per problem.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]

ALLOWED = frozenset(
    (
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0"),
        *("MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
    )
)
"""SPDX identifiers that go with an Apache-2.0 distribution that does not modify them."""

NAMES = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd, public domain": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
"""How packages without an SPDX expression spell a licence, lowercase."""

BANNED = {
    "requests": "nothing that an audit needs speaks HTTP",
    "setuptools": "the build backend is hatchling; nothing may fall back to another",
    "six": "every supported Python is a Python 3",
    "toml": "the standard library reads TOML",
    "pytz": "the standard library knows time zones",
}
"""Packages that may not be in what is shipped, with the reason."""

SHIPPED = ("base", "audit", "board", "nox")
"""Locks of what users install; the bans apply to these."""

REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(\[[a-z,]+\])?==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
DIRECT = re.compile(r"([A-Za-z0-9._-]+)(\[[a-z,]+\])?>=[0-9][0-9a-z.]*")


@dataclass(frozen=True)
class Pin:
    """One locked package: its normalised name, its version and how many hashes may match."""

    name: str
    version: str
    hashes: int


def normal(name: str) -> str:
    """Return the normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_problems(text: str) -> tuple[list[Pin], list[str]]:
    """Return the pins of a lock file, and everything in it that is not a pin with its hashes."""
    pins: list[Pin] = []
    problems: list[str] = []
    for entry in _entries(text):
        match = REQUIREMENT.match(entry)
        if match is None:
            problems.append(f"not pinned to one version: entry=`{entry[:60]}`")
            continue
        pin = Pin(normal(match[1]), match[3], len(HASH.findall(entry)))
        pins.append(pin)
        if not pin.hashes:
            problems.append(f"no hash: package=`{pin.name}`")
    if re.search(r"https?:|file:|ssh:|--(index|extra-index|find-links|trusted)", text):
        problems.append("names a place to download from")
    return pins, problems


def _entries(text: str) -> Iterable[str]:
    joined = re.sub(r"\\\n\s*", " ", text)
    return (line.strip() for line in joined.splitlines() if line.strip() and line[:1] not in "# ")


def ban_problems(names: Iterable[str], banned: Mapping[str, str] = BANNED) -> list[str]:
    """Return one problem per name that is banned, with the reason."""
    return [f"banned: package=`{n}` ({banned[n]})" for n in sorted(names) if n in banned]


def bound_problems(requirements: Iterable[str]) -> list[str]:
    """Return one problem per declared dependency without a real lower bound."""
    bad = (word for word in requirements if not DIRECT.fullmatch(word.split(";")[0].strip()))
    return [f"no lower bound: requirement=`{word}`" for word in bad]


def licence(package: Mapping[str, str], classifiers: Iterable[str]) -> tuple[str, ...]:
    """Return the SPDX identifiers of which every one must be allowed; empty when unknown.

    An `OR` is a choice: when one side is allowed, that side is returned.
    """
    expression = package.get("License-Expression", "")
    if expression:
        return _choose(expression)
    declared = [c.rsplit(" :: ", 1)[-1] for c in classifiers if c.startswith("License :: ")]
    declared = [word for word in declared if word != "OSI Approved"]
    text = package.get("License", "").strip()
    words = declared or ([text] if text and "\n" not in text else [])
    return tuple(NAMES.get(word.lower(), word) for word in words)


def _choose(expression: str) -> tuple[str, ...]:
    flat = expression.replace("(", " ").replace(")", " ")
    sides = [tuple(re.split(r"\s+AND\s+", side.strip())) for side in re.split(r"\s+OR\s+", flat)]
    return next((side for side in sides if set(side) <= ALLOWED), sides[0])


def licence_problems(packages: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return one problem per package whose licence is unknown or not on the list."""
    problems = []
    for name, licences in sorted(packages.items()):
        refused = [word for word in licences if word not in ALLOWED]
        if refused or not licences:
            said = ", ".join(refused) or "none declared"
            problems.append(f"licence not allowed: package=`{name}` licence=`{said}`")
    return problems


def installed() -> dict[str, tuple[str, ...]]:
    """Return the licences of every installed package but the project itself."""
    found = {}
    for distribution in metadata.distributions():
        facts = distribution.metadata
        name = normal(facts["Name"])
        if name != "arco-readiness":
            values = {key: facts[key] for key in ("License-Expression", "License") if key in facts}
            found[name] = licence(values, facts.get_all("Classifier") or [])
    return found


def problems(root: Path) -> list[str]:
    """Return everything that is wrong with the locks, the bounds and what is installed."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    groups = project.get("optional-dependencies", {}).values()
    found = bound_problems(
        [*project["dependencies"], *(word for group in groups for word in group)]
    )
    for source in sorted((root / "requirements").glob("*.in")):
        lock = source.with_suffix(".txt")
        if source.stem != "build" and not lock.exists():
            found.append(f"{source.name}: no lock beside it")
    for lock in sorted((root / "requirements").glob("*.txt")):
        pins, wrong = lock_problems(lock.read_text("utf-8"))
        if lock.stem in SHIPPED:
            wrong += ban_problems(pin.name for pin in pins)
        found += [f"{lock.name}: {problem}" for problem in wrong]
    return found + licence_problems(installed())


def main() -> int:
    """Print every problem, or how much was looked at; return the exit code."""
    found = problems(ROOT)
    for problem in found:
        print(problem)
    if not found:
        locks = len(list((ROOT / "requirements").glob("*.txt")))
        print(f"licences of {len(installed())} packages and {locks} locks are as allowed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
