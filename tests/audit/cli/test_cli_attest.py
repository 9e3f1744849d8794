"""`keygen` and `attest` on a toy repository with a real run, good input and bad."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.cli import passphrase
from audit.errors import Corrupt
from evidence import chain, dsse, layout, roster
from tests.audit.cli.bad_input_kit import refused
from tests.audit.cli.sign_off_kit import EARLY, elliptic, trust_elliptic

MISSING = "could_not_run: the packages of the extra trust are not installed"
pytest.importorskip("securesystemslib", reason=MISSING)
pytest.importorskip("cryptography", reason=MISSING)

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def keygen(call: Call, tmp_path: Path) -> Call:
    """`keygen("ada")` makes a key of a runner, trusted in `trust.toml`; returns its file."""

    def made(name: str, *words: object, role: str = "runner", since: str = EARLY) -> Path:
        path = tmp_path / f"{name}.pem"
        said = call(
            *("keygen", "--person", name, "--role", role, "--out", path, "--no-passphrase"),
            *("--trust", tmp_path / "trust.toml", "--valid-from", since, *words),
        )
        assert said.code == 0, said.err
        return path

    return made


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the toy lies once it ran, for every test to start from a copy."""
    return tmp_path_factory.mktemp("shelf") / "toy"


@pytest.fixture
def ran(request: pytest.FixtureRequest, shelf: Path, call: Call, tmp_path: Path) -> Path:
    """A toy repository with a sealed run `head/1`."""
    if shelf.exists():
        return Path(shutil.copytree(shelf, tmp_path / "toy", symlinks=True))
    toy: Path = request.getfixturevalue("toy")
    assert call("run", "--repo", toy, "--label", "head/1").code in (0, 1)
    shutil.copytree(toy, shelf, symlinks=True)
    return toy


def layer(toy: Path, label: str = "head/1") -> Path:
    return toy / "release_evidence" / "toy-1" / "sign-off" / label


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- keygen ---------------------------------------------------------------------------------------


def test_keygen_prints_what_a_trust_file_says(call: Call, tmp_path: Path) -> None:
    said = call("keygen", "--person", "Ada <ada@x.org>", "--role", "SRE", "--no-passphrase")
    assert said.code == 0
    path = tmp_path / "config" / "arco-audit" / "ada.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    table = said.out[said.out.index("[[key]]") :]
    (key,) = roster.read(b"format_version = 1\n" + table.encode()).key
    assert (key.person, key.roles, key.valid_until) == ("Ada <ada@x.org>", ("SRE",), None)
    assert f"key id: {key.id}" in said.out


def test_keygen_for_machines(call: Call, tmp_path: Path) -> None:
    trust = tmp_path / "trust.toml"
    said = call(
        *("keygen", "--person", "CI", "--role", "runner", "--role", "SRE", "--no-passphrase"),
        *("--valid-from", "2026-01-01T01:00:00+01:00", "--valid-until", "2027-01-01T00:00:00Z"),
        *("--trust", trust, "--json"),
    )
    (key,) = roster.read(trust.read_bytes()).key
    assert said.value["entry"]["id"] == key.id
    assert key.roles == ("runner", "SRE")
    assert (key.valid_from, key.valid_until) == ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")


@pytest.mark.parametrize("option", ["valid-from", "valid-until"])
def test_a_time_that_is_none_is_told_by_its_option(call: Call, tmp_path: Path, option: str) -> None:
    words = ("keygen", "--person", "a", "--role", "r", "--no-passphrase", "--out", tmp_path / "k")
    assert f"{option}=`soon`" in refused(call(*words, f"--{option}", "soon"))


def test_a_key_inside_a_repository_is_warned_of(toy: Path, call: Call) -> None:
    words = ("keygen", "--person", "a", "--role", "r", "--no-passphrase", "--out")
    assert "never committed" in call(*words, toy / "k.pem").err
    assert call(*words, toy.parent / "k.pem").err == ""


def test_a_key_is_made_with_the_passphrase_of_a_file(call: Call, tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("secret words\n")
    path = tmp_path / "k.pem"
    words = ("--person", "a", "--role", "r", "--out", path, "--passphrase-file", tmp_path / "pass")
    assert call("keygen", *words).code == 0
    assert b"ENCRYPTED" in path.read_bytes()
    signer = passphrase.signer_of(path, tmp_path / "pass")
    assert signer.sign(b"x")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, *typed: str) -> list[str]:
    """Somebody sits there and types these lines, unseen; returns what was asked."""
    asked: list[str] = []
    lines = iter(typed)

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return next(lines)

    monkeypatch.setattr("click.termui.hidden_prompt_func", answer)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    return asked


def test_a_passphrase_is_asked_for_twice_and_then_once(
    ran: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "k.pem"
    asked = on_a_terminal(monkeypatch, "one", "another", "secret", "secret", "wrong", "secret")
    said = call("keygen", "--person", "a", "--role", "runner", "--out", path)
    assert said.code == 0
    assert len(asked) == 4
    assert b"ENCRYPTED" in path.read_bytes()
    attest = ("attest", "--repo", ran, "--key", path)
    assert "not that of this key" in refused(call(*attest))
    said = call(*attest)
    assert said.code == 0
    assert str(path) in asked[-1] + said.out + said.err  # a prompt is handed over, or printed
    assert "secret" not in said.out + said.err


def test_somebody_who_gives_up_at_the_passphrase_leaves_no_key(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(prompt: str) -> str:
        raise KeyboardInterrupt

    on_a_terminal(monkeypatch)
    monkeypatch.setattr("click.termui.hidden_prompt_func", interrupt)
    words = ("--person", "a", "--role", "r", "--out", tmp_path / "k.pem")
    said = call("keygen", *words, "--trust", tmp_path / "trust.toml")
    assert said.code == 130
    assert not list(tmp_path.glob("*.pem"))
    assert not (tmp_path / "trust.toml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--role", "r"], "--person"),
        (["--person", "a"], "--role"),
        (["--person", "a\nb", "--role", "r"], "no name on one line"),
        (["--person", " ", "--role", "r"], "no name on one line"),
        (["--person", "a", "--role", "\x1b[31m"], "no name on one line"),
        (["--person", "a", "--role", "r", "--valid-until", "tomorrow"], "no instant"),
        (["--person", "a", "--role", "r", "--valid-until", "2020-01-01T00:00:00Z"], "not after"),
        (["--person", "a", "--role", "r", "--passphrase-file", "/no/such"], "cannot be read"),
        (["--person", "a", "--role", "r", "--trust", "/no/such/folder/t"], "cannot be written"),
    ],
)
def test_keygen_refuses_and_leaves_no_key(
    call: Call, tmp_path: Path, words: list[str], said: str
) -> None:
    path = tmp_path / "k.pem"
    none = [] if "--passphrase-file" in words else ["--no-passphrase"]
    assert said in refused(call("keygen", "--out", path, *none, *words))
    assert not path.exists()


def test_keygen_asks_nobody_where_nobody_is(call: Call, tmp_path: Path) -> None:
    said = refused(call("keygen", "--person", "a", "--role", "r", "--out", tmp_path / "k.pem"))
    assert "nobody is there to ask" in said
    assert "--no-passphrase" in said


def test_keygen_takes_one_of_two(call: Call, tmp_path: Path) -> None:
    words = ("--no-passphrase", "--passphrase-file", tmp_path / "x")
    said = call("keygen", "--person", "a", "--role", "r", "--out", tmp_path / "k.pem", *words)
    assert "both given and refused" in refused(said)


def test_a_public_key_from_elsewhere_is_described(call: Call, tmp_path: Path) -> None:
    _, public = elliptic(tmp_path)
    (tmp_path / "ec.pub").write_text(public)
    words = ("keygen", "--person", "Ben", "--role", "runner", "--public", tmp_path / "ec.pub")
    trust = tmp_path / "trust.toml"
    assert call(*words, "--trust", trust).code == 0
    (key,) = roster.read(trust.read_bytes()).key
    assert (key.scheme, key.public, len(key.id)) == ("ecdsa-sha2-nistp256", public, 64)
    assert "listed twice" in refused(call(*words, "--trust", trust))
    assert "no key is made" in refused(call(*words, "--no-passphrase"))
    assert call(*words, "--json").value["key"] is None


@pytest.mark.parametrize("data", [b"", b"no key", b"\xff", b"-----BEGIN PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_not_described(call: Call, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "k.pub").write_bytes(data)
    for name in ("k.pub", "missing"):
        said = call("keygen", "--person", "a", "--role", "r", "--public", tmp_path / name)
        assert "the public key cannot be read" in refused(said)


def test_a_kind_that_nobody_checks_is_not_described(call: Call, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import ec

    public = ec.generate_private_key(ec.SECP521R1()).public_key()
    data = public.public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "k.pub").write_bytes(data)
    said = call("keygen", "--person", "a", "--role", "r", "--public", tmp_path / "k.pub")
    assert "signatures of this scheme are not checked" in refused(said)


@pytest.mark.parametrize("text", ["", "\n", "x" * 2000])
def test_a_passphrase_file_holds_one(call: Call, tmp_path: Path, text: str) -> None:
    (tmp_path / "pass").write_text(text)
    words = ("--out", tmp_path / "k.pem", "--passphrase-file", tmp_path / "pass")
    assert "is no passphrase" in refused(call("keygen", "--person", "a", "--role", "r", *words))


# --- attest ---------------------------------------------------------------------------------------


def test_attest_writes_beside_the_run_and_check_agrees(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    key = keygen("ada")
    before = everything(ran / "release_evidence" / "toy-1" / "head")
    said = call("attest", "--repo", ran, "--key", key, "--json")
    assert said.code == 0
    folder = layer(ran)
    names = [str(folder / name) for name in (layout.ATTESTATIONS, layout.CHECKPOINT)]
    assert said.value == {"attested": names}
    assert sorted(everything(folder)) == sorted(names)
    assert everything(ran / "release_evidence" / "toy-1" / "head") == before
    trust = ("--trust", tmp_path / "trust.toml")
    assert call("attest", "--repo", ran, "--check", *trust).code == 0
    told = call("attest", "--repo", ran, "--check", "--json", *trust).value
    assert told == {"ok": True, "folder": str(folder), "findings": []}


def test_the_same_key_again_changes_nothing(ran: Path, call: Call, keygen: Call) -> None:
    key = keygen("ada")
    call("attest", "--repo", ran, "--key", key)
    files = {path: path.stat().st_mtime_ns for path in layer(ran).iterdir()}
    before = everything(layer(ran))
    assert call("attest", "--repo", ran, "--key", key).code == 0
    assert everything(layer(ran)) == before
    assert {path: path.stat().st_mtime_ns for path in layer(ran).iterdir()} == files


def test_a_second_key_adds_its_signatures(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    for name in ("ada", "ben"):
        assert call("attest", "--repo", ran, "--key", keygen(name)).code == 0
    trust = tmp_path / "trust.toml"
    trust.write_text(trust.read_text() + '[[threshold]]\nrole = "runner"\npeople = 2\n')
    assert call("attest", "--repo", ran, "--check", "--trust", trust).code == 0
    for line in (layer(ran) / layout.ATTESTATIONS).read_bytes().splitlines():
        assert len(dsse.read(line).signatures) == 2


def test_a_key_of_another_role_does_not_count(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    trust = ("--trust", tmp_path / "trust.toml")
    signed = call("attest", "--repo", ran, "--key", keygen("ada", role="SRE"), *trust)
    assert "ada does not hold the role runner" in signed.err
    assert f"next: to leave it out, remove {layer(ran) / layout.CHECKPOINT} and " in signed.err
    said = call("attest", "--repo", ran, "--check", *trust)
    assert said.code == 3
    assert "ada does not hold the role runner" in said.out
    assert "next: to leave it out, remove " in said.out
    assert said.out.rstrip().endswith("NOT VERIFIED")


def test_a_key_made_after_the_run_did_not_hold_then(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    trust = ("--trust", tmp_path / "trust.toml")
    words = ("--key", keygen("ada", since="2999-01-01T00:00:00Z"))
    warned = call("attest", "--repo", ran, *words, *trust)
    assert "this does not count: the key of ada is valid only from 2999" in warned.err
    said = call("attest", "--repo", ran, "--check", *trust)
    assert (said.code, "is valid only from 2999" in said.out) == (3, True)


def test_nothing_is_said_of_a_bundle_that_does_not_verify(
    ran: Path, call: Call, keygen: Call
) -> None:
    log = ran / "release_evidence/toy-1/head/1/command-logs/hello.log"
    log.write_text("edited\n")
    said = refused(call("attest", "--repo", ran, "--key", keygen("ada")), code=3)
    assert "does not verify" in said
    assert "hello.log" in said
    assert not layer(ran).exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:-10], "is cut off"),
        (lambda data: data.split(b"\n", 1)[1], "has no line about the run of cell hello"),
        (lambda data: data.split(b"\n", 1)[0] + b"\n" + data, "says again what line 1 says"),
        (lambda data: b"\n".join(reversed(data.strip().split(b"\n"))) + b"\n", "is out of order"),
        (lambda data: data.replace(b'"sig":"', b'"sig":"AAAA'), "is not over these bytes"),
        (lambda data: b"", "has no line about the decision"),
        (lambda data: b"{}\n", "is no envelope"),
    ],
)
def test_damaged_attestations_are_named(
    ran: Path, call: Call, keygen: Call, tmp_path: Path, damage: Any, said: str
) -> None:
    call("attest", "--repo", ran, "--key", keygen("ada"))
    path = layer(ran) / layout.ATTESTATIONS
    path.write_bytes(damage(path.read_bytes()))
    told = call("attest", "--repo", ran, "--check", "--trust", tmp_path / "trust.toml")
    assert told.code == 3
    assert said in told.out


def test_attestations_of_another_run_are_neither_checked_nor_written_over(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    key = keygen("ada")
    call("run", "--repo", ran, "--label", "head/2")
    call("attest", "head/2", "--repo", ran, "--key", key)
    shutil.copytree(layer(ran, "head/2"), layer(ran))
    trust = ("--trust", tmp_path / "trust.toml")
    told = call("attest", "head/1", "--repo", ran, "--check", *trust)
    assert told.code == 3
    assert "is about another run: audit=`toy-1` label=`head/2`" in told.out
    assert "checkpoint: the signed checkpoint is not the one of this bundle" in told.out
    before = everything(layer(ran))
    said = refused(call("attest", "head/1", "--repo", ran, "--key", key))
    assert "attests something else" in said
    assert everything(layer(ran)) == before


def test_a_run_in_the_place_of_the_sign_off_is_not_written_to(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    named = ran / "release_evidence/toy-1/head/1"
    shutil.copytree(named, layer(ran))
    before = everything(layer(ran))
    words = ("attest", named, "--repo", ran, "--key", keygen("ada"))
    assert "runs are never written to" in refused(call(*words))
    assert everything(layer(ran)) == before
    assert call(*words, "--sign-off", tmp_path / "elsewhere").code == 0
    assert (tmp_path / "elsewhere" / layout.CHECKPOINT).is_file()


@pytest.mark.parametrize("name", [layout.ATTESTATIONS, layout.CHECKPOINT])
def test_rubbish_in_the_sign_off_is_not_written_over(
    ran: Path, call: Call, keygen: Call, name: str
) -> None:
    layer(ran).mkdir(parents=True)
    (layer(ran) / name).write_text("rubbish\n")
    code = 3 if name == layout.ATTESTATIONS else 2
    assert name in refused(call("attest", "--repo", ran, "--key", keygen("ada")), code=code)
    assert (layer(ran) / name).read_text() == "rubbish\n"


@pytest.mark.parametrize("name", [layout.ATTESTATIONS, layout.CHECKPOINT])
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_in_the_sign_off_is_neither_read_nor_waited_for(
    ran: Path, call: Call, keygen: Call, tmp_path: Path, name: str, kind: str
) -> None:
    layer(ran).mkdir(parents=True)
    path = layer(ran) / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    key = keygen("ada")
    said = call("attest", "--repo", ran, "--key", key)
    assert "is not a regular file" in refused(said, code=3 if name == layout.ATTESTATIONS else 2)
    said = call("attest", "--repo", ran, "--check", "--trust", tmp_path / "trust.toml")
    assert (said.code, f"{name}: is not a regular file" in said.out) == (3, True)


def test_nothing_attested_yet(ran: Path, call: Call, keygen: Call, tmp_path: Path) -> None:
    keygen("ada")
    said = call("attest", "--repo", ran, "--check", "--trust", tmp_path / "trust.toml")
    assert (said.code, "attestations.intoto.jsonl: is not there" in said.out) == (3, True)
    assert "next: arco-audit attest " in said.out
    assert said.out.endswith("NOT VERIFIED\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of --key, --signer and --check"),
        (["--key", "k", "--check"], "one of --key, --signer and --check"),
        (["--check", "--layout", "x"], "a layout is signed by a key in a file"),
        (["--check", "--trust", "/no/such"], "the trust file cannot be read"),
        (["--key", "/no/such"], "the key cannot be read"),
        (["--signer", "hsm:", "--trust", "/no/such"], "the trust file cannot be read"),
        (["no-such-run", "--check"], "no run is called"),
    ],
)
def test_attest_refuses_with_a_next_step(
    ran: Path, call: Call, words: list[str], said: str
) -> None:
    told = refused(call("attest", *words, "--repo", ran))
    assert said in told
    assert "next:" in told


def test_a_key_with_a_passphrase_is_not_guessed(ran: Path, call: Call, tmp_path: Path) -> None:
    for name, text in (("right", "right\n"), ("wrong", "wrong\n")):
        (tmp_path / name).write_text(text)
    key = tmp_path / "k.pem"
    made = ("keygen", "--person", "a", "--role", "runner", "--out", key)
    assert call(*made, "--passphrase-file", tmp_path / "right").code == 0
    attest = ("attest", "--repo", ran, "--key", key)
    assert "nobody is there to ask" in refused(call(*attest))
    assert "not that of this key" in refused(call(*attest, "--passphrase-file", tmp_path / "wrong"))
    assert call(*attest, "--passphrase-file", tmp_path / "right").code == 0


def test_a_signer_elsewhere_signs_the_checkpoint_once(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    call("attest", "--repo", ran, "--key", keygen("ada"))
    path, public = elliptic(tmp_path)
    trust = tmp_path / "trust.toml"
    trust_elliptic(trust, public, people=2)
    words = ("attest", "--repo", ran, "--trust", trust)
    lacking = call(*words, "--check")
    assert (lacking.code, "1 of 2 trusted runners" in lacking.out) == (3, True)
    by_signer = (*words, "--signer", f"file2:{path}", "--keyid", "of-ben")
    assert call(*by_signer).code == 0
    once = everything(layer(ran))
    assert call(*by_signer).code == 0
    assert everything(layer(ran)) == once
    assert call(*words, "--check").code == 0


def test_a_signer_with_another_key_than_said_is_not_believed(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    path, _ = elliptic(tmp_path)
    keygen("ada")
    keyid = roster.read((tmp_path / "trust.toml").read_bytes()).key[0].id
    words = ("--trust", tmp_path / "trust.toml", "--signer", f"file2:{path}", "--keyid", keyid[:9])
    said = refused(call("attest", "--repo", ran, *words))
    assert "the signer refused" in said
    nowhere = tmp_path / "Not There.pem"
    by_nowhere = ("--trust", words[1], "--signer", f"file2:{nowhere}", "--keyid", keyid[:9])
    assert f"'{nowhere}'" in refused(call("attest", "--repo", ran, *by_nowhere))
    assert not (layer(ran) / layout.ATTESTATIONS).exists()
    assert "no key of the trust file" in refused(call("attest", "--repo", ran, *words[:-1], "ff"))
    assert "no key of the trust file" in refused(call("attest", "--repo", ran, *words[:-1], ""))


def test_a_signature_that_does_not_hold_is_not_written(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    from audit.trust import attested, keys

    keygen("ada")
    (key,) = roster.read((tmp_path / "trust.toml").read_bytes()).key
    opened, sealed = attested.verified(ran / "release_evidence/toy-1/head/1")
    public = keys.Public(key.id, key.scheme, key.public)
    with pytest.raises(Corrupt, match="has another key than the trust file says"):
        attested.attest_checkpoint(opened, sealed, keys.Signer(public, lambda _: bytes(64)), key)
    assert not (layer(ran) / layout.ATTESTATIONS).exists()


def test_another_process_at_the_sign_off_is_waited_for(ran: Path, call: Call, keygen: Call) -> None:
    from evidence import archive

    key = keygen("ada")
    layer(ran).mkdir(parents=True)
    with archive.hold(layer(ran)):
        assert "another process" in refused(call("attest", "--repo", ran, "--key", key))
    assert call("attest", "--repo", ran, "--key", key).code == 0


def test_the_note_is_the_checkpoint_of_the_bundle(ran: Path, call: Call, keygen: Call) -> None:
    call("attest", "--repo", ran, "--key", keygen("ada"))
    text, signatures = dsse.read_note((layer(ran) / layout.CHECKPOINT).read_bytes())
    assert text == (ran / "release_evidence/toy-1/head/1/checkpoint").read_bytes()
    assert chain.checkpoint_of(text).label == "head/1"
    assert len(signatures) == 1


def test_securesystemslib_verifies_every_line(
    ran: Path, call: Call, keygen: Call, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.dsse import Envelope

    library: Any = pytest.importorskip("securesystemslib.signer")
    files = [keygen("ada"), keygen("ben")]
    for path in files:
        call("attest", "--repo", ran, "--key", path)
    found = [load_pem_private_key(path.read_bytes(), None) for path in files]
    public = [library.CryptoSigner(private).public_key for private in found]
    lines = (layer(ran) / layout.ATTESTATIONS).read_bytes().splitlines()
    assert len(lines) == 4
    for line in lines:
        assert len(Envelope.from_dict(json.loads(line)).verify(public, 2)) == 2


# --- in-toto's own programs -----------------------------------------------------------------------


def in_toto_verify(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("in_toto", reason="could_not_run: in-toto is not installed")
    (public,) = folder.glob("*.pub")
    start = "import sys; from in_toto.in_toto_verify import main; sys.exit(main())"
    call = [sys.executable, "-W", "ignore", "-c", start, "--layout", str(folder / "root.layout")]
    keys = ["--verification-keys", str(public), "--link-dir", str(folder), *words]
    return subprocess.run(
        [*call, *keys], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def exported(ran: Path, call: Call, keygen: Call, tmp_path: Path) -> Path:
    folder = tmp_path / "in-toto"
    words = ("--layout", folder, "--layout-expires", "2999-01-01T00:00:00Z")
    said = call("attest", "--repo", ran, "--key", keygen("ada"), *words)
    assert said.code == 0, said.err
    return folder


def test_in_toto_verify_passes_what_is_exported(exported: Path) -> None:
    done = in_toto_verify(exported, "--verbose")
    assert done.returncode == 0, done.stderr
    assert "passed all verification" in done.stderr
    assert len(list(exported.glob("*.link"))) == 2


def edited(path: Path, old: str, new: str) -> None:
    """Change the payload of an envelope and leave its signature as it was."""
    envelope = dsse.read(path.read_bytes())
    payload = envelope.payload.decode().replace(old, new)
    assert payload != envelope.payload.decode()
    value = dsse.Envelope(envelope.payload_type, payload.encode(), envelope.signatures)
    path.write_bytes(dsse.write(value))


@pytest.mark.parametrize("damage", ["link edited", "link gone", "layout edited", "expired"])
def test_in_toto_verify_refuses_what_was_changed(
    exported: Path, damage: str, ran: Path, call: Call, tmp_path: Path
) -> None:
    (link, *_) = sorted(exported.glob("*.link"))
    if damage == "link edited":
        edited(link, '"return-value":', '"return_value":')
    elif damage == "link gone":
        link.unlink()
    elif damage == "layout edited":
        edited(exported / "root.layout", '"threshold":1', '"threshold":0')
    else:
        words = ("--layout", exported, "--layout-expires", "2021-01-01T00:00:00Z")
        call("attest", "--repo", ran, "--key", tmp_path / "ada.pem", *words)
    done = in_toto_verify(exported)
    assert done.returncode == 1, done.stderr
