"""Runs attested by an identity: credential, certificate and log entry come from a real server.

The client is Sigstore's own; the instance is ours, on the loopback, with keys of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence import layout
from tests.e2e import process_kit as kit

MISSING = "could_not_run: the packages of the extra sigstore are not installed"
pytest.importorskip("sigstore", reason=MISSING)

from tests.e2e.sigstore_server import GITHUB, Services, serving  # noqa: E402

FLOW = "https://github.com/ours/ours/.github/workflows/audit.yml@refs/heads/main"
ADA = "ada+release@example.org"
LOGIN = "https://login.example.org"


class Desk:
    """A repository with a sealed run, a trust file, and an instance that vouches."""

    def __init__(self, services: Services, place: Path) -> None:
        self.services = services
        self.repo = kit.make_repository(place / "toy", kit.QUICK)
        kit.call(self.repo, "run", "--label", "one", check=(0, 1))
        self.trust = place / "trust.toml"
        self.config = place / "instance.json"
        self.config.write_text(json.dumps(services.instance.config(services.url)))
        self.environ = {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{services.url}/job-token?for=us",
            "XDG_CACHE_HOME": str(place / "cache"),
        }
        self.layer = self.repo / layout.sign_off_folder("release_evidence", "toy", "one")

    def call(self, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
        return kit.call(self.repo, *words, check=(), **{**self.environ, **more})

    def trusted(self, person: str, identity: str, issuer: str) -> str:
        """Enter an identity as a runner; returns the id of its entry."""
        uri = f"sigstore:{self.config}?identity={identity}&issuer={issuer}"
        words = ("keygen", "--person", person, "--role", "runner", "--public", uri)
        since = ("--valid-from", "2020-01-01T00:00:00Z")
        done = self.call(*words, *since, "--trust", self.trust, "--json")
        assert done.returncode == 0, done.stderr
        found: str = json.loads(done.stdout)["entry"]["id"]
        return found

    def attest(
        self, keyid: str, uri: str = "sigstore:", **more: str
    ) -> subprocess.CompletedProcess[str]:
        words = ("attest", "one", "--signer", uri, "--keyid", keyid, "--trust", self.trust)
        return self.call(*words, **more)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving() as services:
        yield Desk(services, tmp_path)


def test_a_job_signs_as_its_workflow_and_everybody_else_is_refused(desk: Desk) -> None:
    keyid = desk.trusted("The audit of main", FLOW, GITHUB)
    desk.services.act_as(FLOW, iss=GITHUB, sub="repo:ours/ours:ref:refs/heads/main")
    done = desk.attest(keyid)
    assert (done.returncode, done.stderr) == (0, "")
    bundle = (desk.layer / layout.ATTESTATIONS).read_bytes()
    told = len(desk.services.asked)
    said = desk.call("verify", "one", "--trust", desk.trust)
    assert (said.returncode, said.stderr) == (0, ""), said.stdout
    assert "signed by The audit of main\n" in said.stdout
    assert len(desk.services.asked) == told  # verifying asks nobody
    assert desk.attest(keyid).returncode == 0
    assert (desk.layer / layout.ATTESTATIONS).read_bytes() == bundle  # and nothing is signed twice
    assert len(desk.services.asked) == told

    other = FLOW.replace("main", "other")
    mallory = desk.trusted("Mallory", other, GITHUB)
    forged = desk.attest(mallory)  # the job is still that of main, which only its answer shows
    assert forged.returncode == 3
    assert "the signer has another key than the trust file says" in forged.stderr
    assert (desk.layer / layout.ATTESTATIONS).read_bytes() == bundle


def test_the_verifier_in_the_bundle_does_not_say_ok(desk: Desk) -> None:
    keyid = desk.trusted("The audit of main", FLOW, GITHUB)
    desk.services.act_as(FLOW, iss=GITHUB, sub="repo:ours/ours:ref:refs/heads/main")
    assert desk.attest(keyid).returncode == 0
    run = desk.repo / "release_evidence/toy/one"
    done = subprocess.run(
        [sys.executable, "-I", run / "verify.py", run, "--trust", desk.trust],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "12  not checked" in done.stdout) == (3, True)
    assert "The audit of main signed by Fulcio, which is not checked here" in done.stdout


def test_a_person_signs_by_a_browser(desk: Desk, tmp_path: Path) -> None:
    """The browser is curl: it is sent to the login, and from there back to the program."""
    if shutil.which("curl") is None:
        pytest.skip("could_not_run: no curl on PATH")
    keyid = desk.trusted("Ada", ADA, LOGIN)
    desk.services.act_as(
        ADA,
        iss=desk.services.url,
        sub=ADA,
        email=ADA,
        federated_claims={"connector_id": LOGIN, "user_id": "1"},
    )
    browser = {"BROWSER": "curl -s -o /dev/null -L %s &"}
    done = desk.attest(keyid, "sigstore:?ambient=false", **browser)
    assert done.returncode == 0, done.stderr
    assert "signed by Ada\n" in desk.call("verify", "one", "--trust", desk.trust).stdout

    eve = desk.trusted("Eve", "eve@example.org", LOGIN)
    asked = len(desk.services.asked)
    done = desk.attest(eve, "sigstore:?ambient=false", **browser)
    assert (done.returncode, "has another identity than the trust file" in done.stderr) == (2, True)
    assert not [path for path in desk.services.asked[asked:] if path.startswith("/api/")]


def test_a_credential_that_is_not_there_or_of_another_issuer(desk: Desk) -> None:
    keyid = desk.trusted("The audit of main", FLOW, GITHUB)
    none = desk.attest(keyid, GITHUB_ACTIONS="")
    assert (none.returncode, "there is no credential of a CI job here" in none.stderr) == (2, True)
    assert "ambient=false" in none.stderr
    desk.services.act_as(FLOW, iss=LOGIN, sub="somebody")
    other = desk.attest(keyid)
    assert (other.returncode, "has another issuer than the trust file" in other.stderr) == (2, True)
    assert not [path for path in desk.services.asked if path.startswith("/api/")]
    assert not (desk.layer / layout.ATTESTATIONS).exists()


def test_services_that_cannot_be_reached(desk: Desk) -> None:
    keyid = desk.trusted("The audit of main", FLOW, GITHUB)
    desk.services.act_as(FLOW, iss=GITHUB, sub="repo:ours/ours:ref:refs/heads/main")
    gone = desk.services.instance.config("http://127.0.0.1:9")
    desk.trust.write_text(
        desk.trust.read_text().replace(desk.services.url, gone["signingConfig"]["caUrls"][0]["url"])
    )
    done = desk.attest(keyid)
    assert (done.returncode, "the signer refused" in done.stderr) == (2, True)
    assert "look whether its services can be reached from here" in done.stderr
    assert not (desk.layer / layout.ATTESTATIONS).exists()
