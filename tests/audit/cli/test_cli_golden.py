"""What people signed with a past version counts for ever, with the extra and without."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence import chain, codec, judge, layout
from evidence.model import Decision

SIGNED = Path(__file__).parents[2] / "golden" / "signed"
NAMES = sorted(path.name for path in SIGNED.iterdir())
KINDS = {"approval", "attachment", "waiver", "withdrawal", "withholding"}


@pytest.fixture(params=NAMES)
def audit(request: pytest.FixtureRequest) -> Path:
    """The folder of an audit that some version ran, signed and took something out of."""
    return SIGNED / str(request.param) / "golden"


def stored(audit: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((audit / "sign-off/head/1" / layout.DECISION).read_text())
    return told


def same(one: Any, other: Any) -> None:
    """Both weigh every line alike and decide alike, whatever words they use."""
    for told in (one, other):
        assert told["ok"] is True
    for key in ("verdict", "as_of"):
        assert one[key] == other[key]
    short = [
        [(item["line"], item["kind"], item["standing"], item["digest"]) for item in told["entries"]]
        for told in (one, other)
    ]
    assert short[0] == short[1]
    first, second = (codec.from_value(Decision, told["decision"]) for told in (one, other))
    assert judge.without_words(first) == judge.without_words(second)


def test_every_kind_of_entry_is_there(audit: Path) -> None:
    told = stored(audit)["entries"]
    assert {item["kind"] for item in told} == KINDS
    assert {item["standing"] for item in told} == {"counts", "withdrawn"}


def test_this_version_weighs_it_as_the_one_that_signed(
    call: Callable[..., Any], audit: Path
) -> None:
    told = stored(audit)
    words = ("--trust", audit / "audit-trust.toml", "--as-of", told["as_of"], "--json")
    said = call("verify", audit / "head/1", *words)
    assert said.code == 0, said.err
    assert len(said.value["withheld"]) == 2
    same(said.value["sign_off"], told)


def test_its_own_verifier_still_weighs_it(audit: Path) -> None:
    told = stored(audit)
    program = (sys.executable, "-I", str(audit / "head/1/verify.py"))
    words = ("--trust", str(audit / "audit-trust.toml"), "--as-of", told["as_of"], "--json")
    done = subprocess.run((*program, *words), capture_output=True, check=False, env={})
    assert done.returncode == 0, done.stderr.decode()
    same(json.loads(done.stdout)["sign_off"], told)


def test_a_line_that_was_changed_is_named(
    call: Callable[..., Any], audit: Path, tmp_path: Path
) -> None:
    shutil.copytree(audit, tmp_path / audit.name)
    log = tmp_path / audit.name / "sign-off/head/1/log.jsonl"
    lines = log.read_bytes().split(b"\n")
    log.write_bytes(b"\n".join([*lines[:2], *lines[3:]]))
    said = call("verify", tmp_path / "golden/head/1", "--trust", audit / "audit-trust.toml")
    assert said.code == 3
    assert "NOT VERIFIED" in said.out


def test_what_was_withheld_is_not_there(audit: Path) -> None:
    log = (audit / "head/1/command-logs/loud.log").read_bytes()
    assert b"line 3500 of" not in log
    assert not (audit / "head/1" / layout.REPORT).exists()
    attached = next((audit / "sign-off/head/1/attached").iterdir())
    assert chain.sha256(attached.read_bytes()) == attached.name
