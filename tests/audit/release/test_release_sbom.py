"""Bills of materials: valid by their standards, the same bytes each time, and held to the locks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import Invalid
from audit.release import sbom
from audit.release.sbom import Pin
from tests.audit.release.release_kit import LOCK

VERSION = "1.2.0"
SUBJECT = sbom.Subject("toy", VERSION, "a" * 40, "2026-12-01T09:00:00Z")
PINS = {
    Pin("cargo", "serde", "1.0.2"): ("Cargo.lock",),
    Pin("pypi", "click", "8.3.1"): ("requirements/base.txt", "requirements/tests.txt"),
    Pin("pypi", "local", "1.0+é"): ("requirements/base.txt",),
}
WRITERS = {"cyclonedx": sbom.cyclonedx, "spdx": sbom.spdx}


def test_pins_of_requirement_files() -> None:
    found = sbom.pins({"requirements/a.txt": LOCK, "requirements/b.txt": "Click==8.3.1\n"})
    assert found == {
        Pin("pypi", "click", "8.3.1"): ("requirements/a.txt", "requirements/b.txt"),
        Pin("pypi", "colorama", "0.4.6"): ("requirements/a.txt",),
    }


def test_pins_of_toml_locks() -> None:
    uv = """
version = 1
[[package]]
name = "Ruamel.Yaml"
version = "0.18"
source = { registry = "somewhere" }
[[package]]
name = "toy"
version = "1"
source = { editable = "." }
"""
    cargo = """
[[package]]
name = "toy"
version = "0.1.0"
[[package]]
name = "serde_json"
version = "1.0.2"
source = "registry+somewhere"
"""
    found = sbom.pins({"uv.lock": uv, "Cargo.lock": cargo})
    assert list(found) == [Pin("cargo", "serde_json", "1.0.2"), Pin("pypi", "ruamel-yaml", "0.18")]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements/a.txt", "click>=8\n"),
        ("requirements/a.txt", "click\n"),
        ("requirements/a.txt", "click==8.*\n"),
        ("requirements/a.txt", "-r other.txt\n"),
        ("requirements/a.txt", "--index-url somewhere\n"),
        ("requirements/a.txt", "click @ file:///click\n"),
        ("requirements/a.txt", "\x00\n"),
        ("uv.lock", "[[package]\n"),
        ("uv.lock", "package = 3\n"),
        ("uv.lock", "package = [1]\n"),
        ("uv.lock", '[[package]]\nname = "a"\n'),
        ("yarn.lock.json", "{}"),
    ],
)
def test_a_lock_that_does_not_fix_versions_is_refused(path: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        sbom.pins({path: text})
    assert refused.value.place == path


@pytest.mark.parametrize("format_", list(WRITERS))
def test_a_bill_that_was_made_lists_its_pins_and_no_other(format_: str) -> None:
    data = WRITERS[format_](SUBJECT, PINS)
    assert sbom.check(format_, data, PINS, VERSION).result == "passed"
    assert data == WRITERS[format_](SUBJECT, PINS)
    assert sorted(sbom.listed(data)[1]) == sorted(PINS)


names = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?", fullmatch=True)
versions = st.from_regex(
    r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}((a|rc)[0-9])?(\+[a-z]{1,3})?", fullmatch=True
)
pin_sets = st.sets(st.builds(Pin, st.sampled_from(["pypi", "cargo"]), names, versions), max_size=6)


@pytest.mark.parametrize("format_", list(WRITERS))
@given(pinned=pin_sets, told=pin_sets)
def test_a_bill_fits_exactly_its_own_pins(format_: str, pinned: set[Pin], told: set[Pin]) -> None:
    data = WRITERS[format_](SUBJECT, dict.fromkeys(sorted(told), ("a.txt",)))
    check = sbom.check(format_, data, dict.fromkeys(sorted(pinned), ("a.txt",)), VERSION)
    assert (check.result == "passed") is (pinned == told)


def changed(format_: str, change: Any) -> bytes:
    value = json.loads(WRITERS[format_](SUBJECT, PINS))
    change(value)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v["components"].pop(1), "does not list packages=`click 8.3.1`"),
        (lambda v: v["components"].append(v["components"][0]), "lists twice packages=`serde"),
        (
            lambda v: v["components"][1].update(purl="pkg:pypi/click@9", version="9"),
            "no lock pins",
        ),
        (lambda v: v["components"][1].update(version="9"), "two versions name=`click`"),
        (lambda v: v["components"][1].pop("purl"), "no purl"),
        (lambda v: v["components"][1].update(purl=7), "no purl"),
        (
            lambda v: v["metadata"]["component"].update(version="9"),
            "of another version version=`9`",
        ),
        (lambda v: v.update(components=3), "no list of objects"),
        (lambda v: v.update(components=[3]), "no list of objects"),
        (lambda v: v.update(bomFormat="Other"), "neither"),
    ],
)
def test_a_bill_that_does_not_fit_says_why(change: Any, said: str) -> None:
    check = sbom.check("cyclonedx", changed("cyclonedx", change), PINS, VERSION)
    assert check.result == "failed"
    assert said in check.reason
    assert check.next_step


def test_a_package_of_spdx_has_one_version() -> None:
    def contradict(value: dict[str, Any]) -> None:
        value["packages"][1]["versionInfo"] = "9"

    check = sbom.check("spdx", changed("spdx", contradict), PINS, VERSION)
    assert check.result == "failed"
    assert "a package has two versions name=`" in check.reason


def test_a_bill_of_another_version_of_the_product_fails() -> None:
    def age(value: dict[str, Any]) -> None:
        value["packages"][0]["versionInfo"] = "1.1.0"

    check = sbom.check("spdx", changed("spdx", age), PINS, VERSION)
    assert check.reason == "the bill is of another version version=`1.1.0`"


def test_a_bill_that_does_not_say_of_what_is_held_to_the_locks_alone() -> None:
    data = changed("cyclonedx", lambda value: value.pop("metadata"))
    assert sbom.check("cyclonedx", data, PINS, VERSION).result == "passed"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"spdxVersion": 2}']
)
def test_what_is_no_bill_is_refused(data: bytes) -> None:
    assert sbom.check("spdx", data, PINS, VERSION).result == "failed"


def test_nested_components_count() -> None:
    def nest(value: dict[str, Any]) -> None:
        value["components"][0]["components"] = [value["components"].pop(1)]

    assert sbom.check("cyclonedx", changed("cyclonedx", nest), PINS, VERSION).result == "passed"


def test_no_bill_and_a_bill_of_the_other_format_fail() -> None:
    assert sbom.check("spdx", None, PINS, VERSION).result == "failed"
    assert (
        "another format" in sbom.check("spdx", sbom.cyclonedx(SUBJECT, PINS), PINS, VERSION).reason
    )


def test_our_own_locks_make_bills(repository_root: Path) -> None:
    locks = sorted((repository_root / "requirements").glob("*.txt"))
    found = sbom.pins({path.name: path.read_text("utf-8") for path in locks})
    assert any(pin.name == "click" for pin in found)
    for format_, writer in WRITERS.items():
        assert sbom.check(format_, writer(SUBJECT, found), found, VERSION).result == "passed"
