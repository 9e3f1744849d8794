"""OpenPGP signatures of tags: they count where the user's own keyring vouches for the key."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from audit.release import material
from audit.release.checks import Check
from audit.release.material import Wanted
from audit.repo import Repository
from tests.audit.release.release_kit import TAG, Project


def signature(project: Project) -> Check:
    """Return what is said of the signature of the toy's tag."""
    with Repository.open(project.path) as repository:
        tag = material.read(repository, Wanted(TAG)).tag
        return material.signature(repository, tag, None)


@pytest.fixture
def gpg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A keyring of its own with one key that may sign."""
    if shutil.which("gpg") is None:
        pytest.skip("could_not_run: no gpg")
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    if len(os.fsencode(home)) > 80:
        pytest.skip("could_not_run: the path is too long for the socket of gpg-agent")
    monkeypatch.setenv("GNUPGHOME", str(home))
    who = "A Tester <tester@example.invalid>"
    words = ("--batch", "--quiet", "--passphrase", "", "--quick-gen-key", who, "ed25519", "sign")
    subprocess.run(["gpg", *words, "never"], check=True, capture_output=True)
    return home


def test_openpgp_signatures_count_where_the_keyring_vouches(
    project: Project, gpg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.commit()
    project.repo.git("tag", "-s", TAG, "-m", "m")
    assert "A Tester" in signature(project).reason
    public = subprocess.run(["gpg", "--export"], check=True, capture_output=True).stdout
    subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)
    other = tmp_path / "o"
    other.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(other))
    assert "not in the keyring" in signature(project).reason
    subprocess.run(["gpg", "--batch", "--import"], input=public, check=True, capture_output=True)
    unknown = signature(project)
    assert unknown.result == "failed"
    assert "nobody here vouches" in unknown.reason
    subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)
