"""Evidence of every past version verifies for ever: with this version, and with its own verifier.

`ROOTS` holds one line per bundle: its name, the final root in base64 as in its checkpoint, and the
plan root in hex. A line is added per format change and never altered.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from evidence import account, codec, folder, judge, model, verify

GOLDEN = Path(__file__).parents[1] / "golden"
LINES = [line.split() for line in (GOLDEN / "ROOTS").read_text().splitlines()]
ROOTS = {name: (base64.b64decode(final).hex(), plan) for name, final, plan in LINES}


@pytest.fixture(params=ROOTS)
def bundle(request: pytest.FixtureRequest) -> Path:
    """A bundle that some version made, in place."""
    return GOLDEN / "bundles" / str(request.param)


def test_every_bundle_is_listed_once() -> None:
    assert sorted(path.name for path in (GOLDEN / "bundles").iterdir()) == sorted(ROOTS)
    assert len(LINES) == len(ROOTS)
    assert ROOTS


@pytest.mark.parametrize("which", [0, 1], ids=["final", "plan"])
def test_this_version_verifies_it(bundle: Path, which: int) -> None:
    root = ROOTS[bundle.name][which]
    report = verify.verify(folder.Folder(str(bundle)), expect_root=root, each=folder.in_threads)
    assert report.ok, "\n".join(account.lines(report))
    assert report.expected == ("final", "plan")[which]


def test_its_own_verifier_still_verifies_it(bundle: Path) -> None:
    root = ROOTS[bundle.name][0]
    done = subprocess.run(
        [sys.executable, "-I", str(bundle / "verify.py"), "--expect-root", root, "--json"],
        capture_output=True,
        check=False,
        env={},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["ok"] is True


def test_this_version_judges_it_alike(bundle: Path) -> None:
    plan = codec.read(model.Plan, (bundle / "plan.json").read_bytes())
    facts = codec.read(model.Facts, (bundle / "facts.json").read_bytes())
    told = codec.read(model.Decision, (bundle / "decision.json").read_bytes())
    assert judge.without_words(judge.decide(plan, facts)) == judge.without_words(told)


def test_a_secret_of_its_making_is_not_in_it(bundle: Path) -> None:
    for path in bundle.rglob("*"):
        assert path.is_dir() or b"a-golden-secret" not in path.read_bytes()
    assert b"[redacted:GOLDEN_TOKEN]" in (bundle / "command-logs" / "bytes.log").read_bytes()
