"""Runs attested by a PKCS#11 token: SoftHSM holds the keys, python-pkcs11 speaks to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from evidence import layout
from tests.e2e import process_kit as kit

pytest.importorskip("pkcs11", reason="could_not_run: the package python-pkcs11 is not installed")

import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
"""Where Debian's softhsm2 puts it."""
LABEL, PIN = "arco", "5678"
KEYS = {2: "secp256r1", 3: "secp384r1"}
"""Keys by their number on the token; 2 is the one that is meant where none is named."""


@dataclass(frozen=True)
class Desk:
    """A repository with a sealed run, and a token with two keys of somebody who runs audits."""

    repo: Path
    place: Path

    @property
    def trust(self) -> Path:
        return self.place / "trust.toml"

    @property
    def layer(self) -> Path:
        return self.repo / layout.sign_off_folder("release_evidence", "toy", "one")

    def file(self, name: str, text: str) -> Path:
        path = self.place / name
        path.write_text(text)
        return path

    def call(self, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
        return kit.call(self.repo, *words, check=(), **{**environ(self.place), **more})

    def trusted(self, uri: str = "hsm:") -> subprocess.CompletedProcess[str]:
        words = ("keygen", "--person", "Ben", "--role", "runner", "--public", uri)
        return self.call(*words, "--valid-from", "2020-01-01T00:00:00Z", "--trust", self.trust)

    def attest(
        self, uri: str = "hsm:", pin: str = PIN, **more: str
    ) -> subprocess.CompletedProcess[str]:
        words = ("attest", "one", "--signer", uri, "--keyid", self.keyid, "--trust", self.trust)
        return self.call(*words, "--passphrase-file", self.file("pin", pin + "\n"), **more)

    @property
    def keyid(self) -> str:
        lines = self.trust.read_text().splitlines()
        return next(line.split('"')[1] for line in lines if line.startswith("id = "))


def environ(place: Path) -> dict[str, str]:
    return {"SOFTHSM2_CONF": str(place / "softhsm2.conf"), "PYKCS11LIB": str(LIBRARY)}


def make_token(place: Path) -> None:
    """Make a token with an ECDSA key on each curve, in a folder of its own."""
    (place / "tokens").mkdir()
    conf = place / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {place}/tokens\nlog.level = ERROR\n")
    words = ("--init-token", "--free", "--label", LABEL, "--so-pin", "12345678", "--pin", PIN)
    subprocess.run(
        ["softhsm2-util", *words],
        env={**os.environ, **environ(place)},
        check=True,
        capture_output=True,
    )
    made = "import sys; from tests.e2e import test_hsm; test_hsm.make_keys()"
    subprocess.run(
        [sys.executable, "-c", made], env=kit.environ(**environ(place)), cwd=kit.ROOT, check=True
    )


def make_keys() -> None:
    """Runs in a process of its own: the library reads where its tokens are once."""
    token = pkcs11.lib(str(LIBRARY)).get_token(token_label=LABEL)
    with token.open(user_pin=PIN, rw=True) as session:
        for number, curve in KEYS.items():
            value = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            domain = session.create_domain_parameters(pkcs11.KeyType.EC, value, local=True)
            domain.generate_keypair(store=True, id=bytes((number,)), label=curve)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    if shutil.which("softhsm2-util") is None or not LIBRARY.exists():
        pytest.skip("could_not_run: no SoftHSM here; Debian: apt-get install softhsm2")
    make_token(tmp_path)
    repo = kit.make_repository(tmp_path / "toy", kit.QUICK)
    kit.call(repo, "run", "--label", "one", check=(0, 1))
    return Desk(repo, tmp_path)


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("hsm:", "ecdsa-sha2-nistp256"),
        (f"hsm:2?label={LABEL}", "ecdsa-sha2-nistp256"),
        ("hsm:3", "ecdsa-sha2-nistp384"),
    ],
)
def test_a_run_signed_by_a_token_verifies(desk: Desk, uri: str, scheme: str) -> None:
    assert desk.trusted(uri).returncode == 0
    assert f'scheme = "{scheme}"' in desk.trust.read_text()
    done = desk.attest(uri)
    assert done.returncode == 0, done.stderr
    said = kit.call(desk.repo, "verify", "one", "--trust", desk.trust)  # without the token
    assert said.returncode == 0, said.stdout
    assert "signed by Ben\n" in said.stdout
    run = desk.repo / "release_evidence/toy/one"
    words = [sys.executable, "-I", f"{run}/verify.py", f"{run}", "--trust", f"{desk.trust}"]
    alone = subprocess.run(words, capture_output=True, text=True, check=False)
    assert f"Ben signed by {scheme}, which is not checked here" in alone.stdout
    assert alone.returncode == 3


def test_a_token_that_refuses_says_why_and_what_helps(desk: Desk) -> None:
    assert desk.trusted().returncode == 0
    for uri, pin, more, said, helps in (
        ("hsm:", "1111", {}, "the pin is not that of the token", "try again"),
        ("hsm:", "1", {}, "the pin is not that of the token", "try again"),
        ("hsm:2?label=other", PIN, {}, "no PKCS#11 token found for label other", "plug it in"),
        ("hsm:9", PIN, {}, "could not find ECDSA private key", "--list-objects"),
        ("hsm:two", PIN, {}, "is decimal", "hsm:KEY"),
        ("hsm:", PIN, {"PYKCS11LIB": ""}, "PYKCS11LIB environment", "export PYKCS11LIB=FILE"),
        ("hsm:", PIN, {"PYKCS11LIB": "/no.so"}, "while loading /no.so", "export PYKCS11LIB=FILE"),
    ):
        done = desk.attest(uri, pin, **more)
        assert (done.returncode, said in done.stderr) == (2, True), (uri, pin, done.stderr)
        assert helps in done.stderr.partition("next: ")[2], (uri, pin, done.stderr)
        assert PIN not in done.stderr
    assert not (desk.layer / layout.ATTESTATIONS).exists()


def test_another_key_of_the_token_signs_for_nobody(desk: Desk) -> None:
    assert desk.trusted("hsm:2").returncode == 0
    done = desk.attest("hsm:3")
    assert done.returncode == 3
    assert "the signer has another key than the trust file says" in done.stderr
    assert not (desk.layer / layout.ATTESTATIONS).exists()


def test_a_pin_comes_from_a_file_or_a_person_and_from_nowhere_else(desk: Desk) -> None:
    assert desk.trusted().returncode == 0
    words = ("attest", "one", "--signer", "hsm:", "--keyid", desk.keyid, "--trust", desk.trust)
    done = desk.call(*words)
    assert done.returncode == 2
    assert "a pin is needed, and nobody is there to ask" in done.stderr
    assert "--passphrase-file" in done.stderr


def test_a_key_that_the_token_does_not_have_is_not_described(desk: Desk) -> None:
    done = desk.trusted("hsm:9")
    assert (done.returncode, "next: " in done.stderr) == (2, True)
    assert not desk.trust.exists()
