"""Bills of materials: what lock files pin, in CycloneDX 1.6 and SPDX 2.3 JSON; whether one fits.

Pure and deterministic: the same locks at the same commit give the same bytes, without chance or
clock. Sources: cyclonedx.org/docs/1.6, spdx.github.io/spdx-spec/v2.3, github.com/package-url.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from audit.errors import Invalid
from audit.release.checks import Check, judged
from evidence.words import count

CYCLONEDX = "sbom.cdx.json"
"""File name of the CycloneDX bill."""
SPDX = "sbom.spdx.json"
"""File name of the SPDX bill."""
SHOWN_MAX = 5
"""Packages of one kind of problem that a reason names."""

_REQUIREMENT = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[^\]]*\])? ?== ?([0-9A-Za-z!+._-]+)"
)
REQUIREMENT_CHARS_MAX = 500
"""Characters of one requirement without its marker and its hashes."""
_TOML_LOCKS = {"Cargo.lock": ("package", "cargo"), "pylock.toml": ("packages", "pypi")}


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """A package that a lock file fixes: `kind` is its purl type, such as `pypi` or `cargo`."""

    kind: str
    name: str
    version: str

    @property
    def purl(self) -> str:
        """The package as a URL, which is its identity in every bill."""
        return f"pkg:{self.kind}/{quote(self.name, safe='.-_~')}@{quote(self.version, safe='.-_~')}"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a bill is of: a package's name and version, at a commit, with the commit's instant."""

    name: str
    version: str
    commit: str
    utc: str


def pins(locks: Mapping[str, str]) -> dict[Pin, tuple[str, ...]]:
    """Return every package that lock files pin, with the locks that pin it; both in order.

    `locks` are texts by path. Read are pip's requirement files (`.txt`), `uv.lock`, `poetry.lock`,
    `pdm.lock`, `pylock.toml` and `Cargo.lock`.

    Raises:
        Invalid: a lock cannot be read, or names a package without fixing its version.
    """
    found: dict[Pin, set[str]] = defaultdict(set)
    for path, text in locks.items():
        for pin in _pins_of(path, text):
            found[pin].add(path)
    return {pin: tuple(sorted(found[pin])) for pin in sorted(found)}


def _pins_of(path: str, text: str) -> Iterator[Pin]:
    name = path.rpartition("/")[2]
    ending = name.rpartition(".")[2]
    if ending == "txt":
        yield from _from_requirements(path, text)
    elif ending in ("lock", "toml"):
        yield from _from_toml(path, text, *_TOML_LOCKS.get(name, ("package", "pypi")))
    else:
        raise Invalid(
            "is no lock file that can be read",
            place=path,
            next_step="name a requirements .txt, uv.lock, poetry.lock, pylock.toml or Cargo.lock",
        )


def _from_requirements(path: str, text: str) -> Iterator[Pin]:
    for line in re.sub(r"\\\r?\n\s*", " ", text).splitlines():
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        words = entry.partition(" #")[0].split()
        said = " ".join(word for word in words if not word.startswith("--hash="))
        wanted = said.partition(";")[0].strip()
        fits = len(wanted) <= REQUIREMENT_CHARS_MAX
        match = _REQUIREMENT.fullmatch(wanted) if fits else None
        if match is None:
            raise Invalid(
                f"does not fix one version entry=`{entry[:80]}`",
                place=path,
                next_step="pin every package with ==, or leave this file out with --lock",
            )
        yield Pin("pypi", _normal(match[1]), match[2])


def _from_toml(path: str, text: str, table: str, kind: str) -> Iterator[Pin]:
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"is no TOML: {str(error).lower()}", place=path) from error
    for row in _rows(value, table, path):
        if _is_own(row, kind):
            continue
        name, version = row.get("name"), row.get("version")
        if not isinstance(name, str) or not isinstance(version, str):
            raise Invalid(f"a package has no name or no version: {str(row)[:80]}", place=path)
        yield Pin(kind, _normal(name) if kind == "pypi" else name, version)


def _is_own(row: Mapping[str, Any], kind: str) -> bool:
    """Whether a row is the project itself: it comes from a folder of it, and is no dependency."""
    source = row.get("source")
    if kind == "cargo":
        return source is None
    return isinstance(source, dict) and bool({"editable", "virtual", "directory"} & source.keys())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def cyclonedx(subject: Subject, found: Mapping[Pin, tuple[str, ...]]) -> bytes:
    """Return the bill of materials in CycloneDX 1.6 JSON."""
    own = _own(subject)
    components = [
        {
            "type": "library",
            "bom-ref": pin.purl,
            "name": pin.name,
            "version": pin.version,
            "purl": pin.purl,
            "properties": [{"name": "arco:lock", "value": lock} for lock in locks],
        }
        for pin, locks in found.items()
    ]
    return _written(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{_uuid(subject, found)}",
            "version": 1,
            "metadata": {"timestamp": subject.utc, "component": own},
            "components": components,
            "dependencies": [{"ref": own["bom-ref"], "dependsOn": [pin.purl for pin in found]}],
        }
    )


def _own(subject: Subject) -> dict[str, Any]:
    reference = f"{subject.name}@{subject.version}"
    commit = {"name": "arco:commit", "value": subject.commit}
    return {
        "type": "application",
        "bom-ref": reference,
        "name": subject.name,
        "version": subject.version,
        "properties": [commit],
    }


def spdx(subject: Subject, found: Mapping[Pin, tuple[str, ...]]) -> bytes:
    """Return the bill of materials in SPDX 2.3 JSON."""
    own = "SPDXRef-Subject"
    numbered = [(f"SPDXRef-Package-{at}", pin) for at, pin in enumerate(found, 1)]
    packages = [
        _spdx_package(id_, pin.name, pin.version, f"pinned in {', '.join(found[pin])}")
        | {"externalRefs": [_spdx_purl(pin)]}
        for id_, pin in numbered
    ]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", own)]
    relations += [(own, "DEPENDS_ON", id_) for id_, _ in numbered]
    title = f"{subject.name}-{subject.version}"
    return _written(
        {
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": "SPDXRef-DOCUMENT",
            "name": title,
            "documentNamespace": f"urn:uuid:{_uuid(subject, found)}",
            "creationInfo": {"created": subject.utc, "creators": ["Tool: arco-audit"]},
            "packages": [
                _spdx_package(own, subject.name, subject.version, f"commit {subject.commit}"),
                *packages,
            ],
            "relationships": [
                {"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
                for a, kind, b in relations
            ],
        }
    )


def _spdx_package(id_: str, name: str, version: str, source: str) -> dict[str, Any]:
    return {
        "SPDXID": id_,
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "sourceInfo": source,
    }


def _spdx_purl(pin: Pin) -> dict[str, str]:
    return {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": pin.purl,
    }


def _uuid(subject: Subject, found: Mapping[Pin, tuple[str, ...]]) -> str:
    """A UUID of version 8 (RFC 9562: own contents) out of what the bill says."""
    text = "\0".join([subject.name, subject.version, subject.commit, *(pin.purl for pin in found)])
    digits = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    words = (digits[:8], digits[8:12], "8" + digits[13:16], "8" + digits[17:20], digits[20:32])
    return "-".join(words)


def _written(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=True) + "\n").encode("ascii")


# --- reading one ----------------------------------------------------------------------------------


class Bill(NamedTuple):
    """What a bill says: its format (`cyclonedx` or `spdx`), the packages that it lists, and which
    versions of the product it says to be of."""

    format: str
    packages: list[Pin]
    versions: list[str]


def listed(data: bytes) -> Bill:
    """Return what a bill says.

    Nested components of CycloneDX count as packages; the subject of an SPDX bill does not.

    Raises:
        Invalid: the bytes are no such bill, or a package in it has no purl with a version, or
            says another version beside it.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"is no JSON: {str(error).lower()[:200]}") from error
    if isinstance(value, dict) and value.get("bomFormat") == "CycloneDX":
        pins = [_pin(item, item.get("purl"), "version") for item in _components(value)]
        meta = value.get("metadata")
        product = meta.get("component") if isinstance(meta, dict) else None
        products = [product] if isinstance(product, dict) else []
        return Bill("cyclonedx", pins, _versions(products, "version"))
    if isinstance(value, dict) and str(value.get("spdxVersion", "")).startswith("SPDX-"):
        products, packages = _described(value)
        pins = [_pin(item, _purl_of(item), "versionInfo") for item in packages]
        return Bill("spdx", pins, _versions(products, "versionInfo"))
    raise Invalid("is neither a CycloneDX nor an SPDX document in JSON")


def _components(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = _rows(value, "components")
    for item in found:  # grows while it is walked
        found += _rows(item, "components")
    return found


def _versions(products: list[dict[str, Any]], key: str) -> list[str]:
    return [str(item[key]) for item in products if key in item]


def _described(
    value: Mapping[str, Any],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the packages that an SPDX bill is about, and the others."""
    described = {
        str(row.get("relatedSpdxElement"))
        for row in _rows(value, "relationships")
        if row.get("relationshipType") == "DESCRIBES"
    }
    named = value.get("documentDescribes")
    described |= set(map(str, named)) if isinstance(named, list) else set()
    packages = _rows(value, "packages")
    products = [item for item in packages if item.get("SPDXID") in described]
    return products, [item for item in packages if item.get("SPDXID") not in described]


def _rows(value: Mapping[str, Any], key: str, place: str = "") -> list[dict[str, Any]]:
    rows = value.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid(f"is no list of objects key=`{key}`", place=place)
    return list(rows)


def _purl_of(item: Mapping[str, Any]) -> object:
    for row in _rows(item, "externalRefs"):
        if row.get("referenceType") == "purl":
            return row.get("referenceLocator")
    return None


def _pin(item: Mapping[str, Any], purl: object, key: str) -> Pin:
    """A package by its purl; `key` holds its version once more where it says one."""
    match = re.fullmatch(r"pkg:([a-z0-9.+-]+)/([^@?#]+)@([^@?#]+)(?:[?#].*)?", str(purl or ""))
    called = str(item.get("name"))[:80]
    if match is None:
        raise Invalid(f"a package has no purl with a version name=`{called}`")
    kind, name, version = match[1], unquote(match[2]), unquote(match[3])
    if item.get(key, version) != version:
        raise Invalid(f"a package has two versions name=`{called}`")
    return Pin(kind, _normal(name) if kind == "pypi" else name, version)


def check(
    format_: str, data: bytes | None, found: Mapping[Pin, tuple[str, ...]], version: str
) -> Check:
    """Ask that a bill of a format is of this version, where it says of which, and lists exactly the
    pinned packages, each once."""
    name = f"sbom_{format_}"
    step = f"make the {format_} bill again from the lock files, or leave --sbom away"
    if data is None:
        both = f"name a bill in {format_} with --sbom, too; without --sbom both are made"
        return Check(name, "failed", "there is no such bill", both)
    try:
        bill = listed(data)
    except Invalid as error:
        return Check(name, "failed", error.problem, step)
    said = bill.format
    problems = [] if said == format_ else [f"the bill is of another format format=`{said}`"]
    others = [other for other in bill.versions if other != version]
    problems += [f"the bill is of another version version=`{other:.80}`" for other in others]
    problems += _difference(bill.packages, found)
    holds = f"lists what is pinned and no other: {count(len(found), 'package')}"
    return judged(name, problems, holds, step)


def _difference(packages: list[Pin], found: Mapping[Pin, tuple[str, ...]]) -> Iterator[str]:
    told = Counter(packages)
    yield from _named("does not list", sorted(found.keys() - told.keys()))
    yield from _named("lists what no lock pins:", sorted(told.keys() - found.keys()))
    yield from _named("lists twice", sorted(pin for pin in told if told[pin] > 1))


def _named(what: str, wrong: list[Pin]) -> Iterator[str]:
    if wrong:
        shown = ", ".join(f"{pin.name} {pin.version}" for pin in wrong[:SHOWN_MAX])
        more = f" and {len(wrong) - SHOWN_MAX} more" if len(wrong) > SHOWN_MAX else ""
        yield f"{what} packages=`{shown}{more}`"
