"""Runs whose checkpoint was signed by keys that are elsewhere: how they count when verified."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence import layout
from tests.audit.cli.bad_input_kit import refused
from tests.audit.cli.sign_off_kit import (
    WAITING,
    Desk,
    elliptic,
    need_trust,
    trust_elliptic,
)


@pytest.fixture
def desk(call: Any, make_toy: Callable[..., Any], tmp_path: Path) -> Desk:
    need_trust()
    repo = make_toy(WAITING)
    keys = tmp_path / "keys"
    keys.mkdir()
    made = Desk(call, repo.path, keys)
    assert made.call("run", "--repo", made.toy, "--label", "one").code == 1
    made.key("ada", "runner")
    return made


def attest(desk: Desk, key: Path, label: str = "one") -> None:
    """Ben signs the checkpoint of a run by a key that securesystemslib finds."""
    said = desk.do("attest", label, "--signer", f"file2:{key}", "--keyid", "of-ben")
    assert said.code == 0, said.err


def by_one_file(desk: Desk) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", desk.run / "verify.py", desk.run, "--trust", desk.trust],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("people", [1, 2])
def test_who_signed_the_checkpoint_elsewhere_signed_the_run(desk: Desk, people: int) -> None:
    """With a note of somebody else beside it, or without one. `verify.py` cannot check it."""
    key, public = elliptic(desk.keys)
    trust_elliptic(desk.trust, public, people=people)
    if people == 2:
        assert desk.do("attest", "one", "--key", desk.keys / "ada.pem").code == 0
        lacking = desk.do("verify", "one")
        assert (lacking.code, "1 of 2 trusted runners signed" in lacking.out) == (3, True)
    attest(desk, key)
    said = desk.do("verify", "one")
    assert said.code == 0, said.out
    assert f"signed by {'ada, Ben' if people == 2 else 'Ben'}\n" in said.out
    assert desk.do("verify", "one", "--json").value["sign_off"]["runners"][-1] == "Ben"
    code, told = by_one_file(desk)
    assert (code, "12  not checked" in told) == (3, True)
    assert "Ben signed by ecdsa-sha2-nistp256, which is not checked here" in told


def test_a_checkpoint_statement_that_is_not_of_this_run_counts_for_nobody(desk: Desk) -> None:
    key, public = elliptic(desk.keys)
    trust_elliptic(desk.trust, public, people=1)
    assert desk.call("run", "--repo", desk.toy, "--label", "two").code == 1
    for label in ("one", "two"):
        attest(desk, key, label)
    mine = desk.layer / layout.ATTESTATIONS
    good = mine.read_bytes()
    assert desk.do("verify", "one").code == 0
    mine.write_bytes((desk.layer.parent / "two" / layout.ATTESTATIONS).read_bytes())
    said = desk.do("verify", "one")
    assert (said.code, "0 of 1 trusted runners signed it" in said.out) == (3, True)
    assert "does not end with the checkpoint of this bundle" in said.out
    mine.write_bytes(good.replace(b'"sig":"', b'"sig":"AAAA'))
    assert "the signature of Ben is not over these bytes" in desk.do("verify", "one").out
    mine.write_bytes(good[:-9])
    said = desk.do("verify", "one")
    assert (said.code, "0 of 1 trusted runners signed it" in said.out) == (3, True)
    mine.write_bytes(good)
    assert desk.do("verify", "one").code == 0


def test_who_signed_elsewhere_is_kept_apart_as_a_runner(desk: Desk) -> None:
    key, public = elliptic(desk.keys)
    ben = desk.key("Ben", "SRE")
    trust_elliptic(desk.trust, public, people=1)
    desk.trust.write_text(desk.trust.read_text() + '[[separate]]\nroles = ["SRE", "runner"]\n')
    attest(desk, key)
    assert "already acts as runner, which is kept apart" in refused(desk.sign(ben))
