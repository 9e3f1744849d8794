"""A toy repository with a sealed run that waits for people, and people with keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

EARLY = "2020-01-01T00:00:00Z"
DRILL = "release_evidence/drill.md"

WAITING = f"""\
[audit]
id = "toy-1"
title = "A toy"
date = "2026-12-01"

[[role]]
id = "SRE"
title = "Site reliability"
[[role]]
id = "Ops"
title = "Operations"
[[role]]
id = "Core"
title = "Core"

[[command]]
id = "hello"
run = "echo hello"

[[command]]
id = "fails"
shell = "echo 'error: broken'; exit 3"
required = false

[[gate]]
id = 0
name = "Base"
[[gate.signal]]
id = "G0-001"
title = "Approved"
owner = "SRE"
exit_test = "it is approved"
closes_when = [{{ command = "hello" }}, {{ approval = "SRE" }}]

[[gate]]
id = 1
name = "Outside"
[[gate.signal]]
id = "G1-001"
title = "A drill"
owner = "Ops"
exit_test = "minutes are attached"
closes_when = [{{ external = "{DRILL}", role = "SRE" }}]

[[gate]]
id = 2
name = "Red"
[[gate.signal]]
id = "G2-001"
title = "It does not fail"
owner = "Core"
exit_test = "it passes"
closes_when = [{{ command = "fails" }}]
"""


def need_trust() -> None:
    """End a test that makes keys, with its reason, where nothing can make them."""
    for package in ("securesystemslib", "cryptography"):
        reason = "could_not_run: the packages of the extra trust are not installed"
        pytest.importorskip(package, reason=reason)


@dataclass
class Desk:
    """A toy with a sealed run `one`, and what people do there."""

    call: Callable[..., Any]
    toy: Path
    keys: Path

    @property
    def run(self) -> Path:
        return self.toy / "release_evidence/toy-1/one"

    @property
    def layer(self) -> Path:
        return self.toy / "release_evidence/toy-1/sign-off/one"

    @property
    def trust(self) -> Path:
        return self.keys / "trust.toml"

    @property
    def log(self) -> bytes:
        path = self.layer / "log.jsonl"
        return path.read_bytes() if path.exists() else b""

    def key(self, name: str, *roles: str, trusted: bool = True) -> Path:
        """Make a key; with its roles in the trust file, or unknown to it. Needs the extra."""
        need_trust()
        path = self.keys / f"{name}.pem"
        words = [word for role in roles for word in ("--role", role)]
        file = self.trust if trusted else self.keys / "other.toml"
        said = self.call(
            *("keygen", "--person", name, *words, "--out", path, "--no-passphrase"),
            *("--trust", file, "--valid-from", EARLY),
        )
        assert said.code == 0, said.err
        return path

    def let_waive(self, *roles: str) -> None:
        text = self.trust.read_text()
        line = f"format_version = 1\nwaive = {json.dumps(list(roles))}"
        self.trust.write_text(text.replace("format_version = 1", line, 1))

    def do(self, command: str, *words: object, trust: Path | None = None) -> Any:
        return self.call(command, *words, "--repo", self.toy, "--trust", trust or self.trust)

    def sign(self, key: Path, role: str = "SRE", *words: object) -> Any:
        return self.do("sign", "--role", role, "--key", key, "--yes", *words)

    def waive(self, key: Path, *words: object, signal: str = "G2-001") -> Any:
        given = list(map(str, words))
        if "--until" not in given:
            given += ["--until", "2099-01-01T00:00:00Z"]
        if "--reason" not in given:
            given += ["--reason", "known"]
        return self.do("waive", signal, "--role", "Manager", "--key", key, *given)

    def attach(self, *words: object, signal: str = "G1-001", text: str = "minutes\n") -> Any:
        file = self.keys / "drill.md"
        file.write_text(text)
        return self.do("attach", signal, file, "--person", "ada", *words)

    def statuses(self, *words: object) -> dict[str, str]:
        value = self.do("status", "--json", *words).value
        return {**{item["id"]: item["status"] for item in value["signals"]}, "": value["verdict"]}

    def standings(self) -> list[str]:
        return [
            item["standing"] for item in self.do("status", "--json").value["sign_off"]["entries"]
        ]


def elliptic(tmp_path: Path, curve: str = "SECP256R1") -> tuple[Path, str]:
    """A private key that is no Ed25519 key, and its public part."""
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(getattr(ec, curve)())
    path = tmp_path / "ec.pem"
    path.write_bytes(
        private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    )
    public = private.public_key().public_bytes(
        pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo
    )
    return path, public.decode()


def trust_elliptic(trust: Path, public: str, *, people: int) -> None:
    """Add Ben, a runner with such a key, and how many runners are asked for, to a trust file."""
    trust.write_text(
        trust.read_text()
        + f'[[key]]\nid = "of-ben"\nperson = "Ben"\nroles = ["runner"]\nvalid_from = "{EARLY}"\n'
        + f'scheme = "ecdsa-sha2-nistp256"\npublic = {json.dumps(public)}\n'
        + f'[[threshold]]\nrole = "runner"\npeople = {people}\n'
    )
