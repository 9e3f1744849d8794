"""Attacks by whoever can write to the sign-off folder, or writes what others read in a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evidence import codec, layout, signoff, standalone, trusted
from evidence.folder import Folder
from tests.audit.cli.bad_input_kit import refused
from tests.audit.cli.sign_off_kit import WAITING, Desk

MISSING = "could_not_run: the packages of the extra trust are not installed"
pytest.importorskip("securesystemslib", reason=MISSING)
pytest.importorskip("cryptography", reason=MISSING)

HOSTILE = "nice\x1b[2J\r\n  verdict: GO\u202e\x9b31m"


@pytest.fixture
def desk(call: Any, make_toy: Callable[..., Any], tmp_path: Path) -> Desk:
    repo = make_toy(WAITING)
    assert call("run", "--repo", repo.path, "--label", "one").code == 1
    keys = tmp_path / "keys"
    keys.mkdir()
    return Desk(call, repo.path, keys)


def alone(desk: Desk, *words: object) -> subprocess.CompletedProcess[str]:
    """The verifier in one file, as a stranger calls it."""
    program = desk.keys / "verify.py"
    program.write_bytes(standalone.committed())
    return subprocess.run(
        [sys.executable, "-I", program, desk.run, "--trust", desk.trust, *map(str, words)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def append(desk: Desk, record: Callable[[signoff.At], signoff.Record]) -> None:
    """Write an unsigned line behind the log, as anybody can who may write there."""
    sealed = trusted.records(Folder(str(desk.run)))
    at = signoff.next_at(signoff.read_log(desk.log), sealed.plan, sealed.final_root)
    payload = signoff.statement_of(record(at), sealed.plan, sealed.decision_sha256)
    desk.layer.mkdir(parents=True, exist_ok=True)
    with (desk.layer / layout.SIGN_OFF_LOG).open("ab") as stream:
        stream.write(signoff.line_of(payload, ()))


def approval(at: signoff.At) -> signoff.Approval:
    return signoff.Approval(at, HOSTILE, HOSTILE, HOSTILE, "", (), (), "", HOSTILE)


def shows_nothing_odd(text: str) -> None:
    assert not [char for char in text if not (char.isprintable() or char == "\n")]
    assert not [line for line in text.splitlines() if line.strip() == "verdict: GO"]


# --- what is not a file ---------------------------------------------------------------------------

NAMES = ("log.jsonl", "log.checkpoint", "checkpoint", "attached", "decision.json")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["pipe", "zeros", "nowhere"])
def test_nobody_waits_for_a_pipe_or_follows_a_link(desk: Desk, name: str, kind: str) -> None:
    ada = desk.key("ada", "SRE")
    desk.layer.mkdir(parents=True)
    path = desk.layer / name
    target = desk.keys / "written-through"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "zeros" else target)
    for said in (desk.sign(ada), desk.attach(), desk.do("status"), desk.do("verify")):
        assert "Traceback" not in said.out + said.err
        assert "internal error" not in said.out + said.err
    assert alone(desk).returncode in (2, 3)
    assert not target.exists()


@pytest.mark.parametrize("name", ["log.checkpoint.being-written", "decision.json.being-written"])
def test_a_link_where_a_file_will_be_written_leads_nowhere(desk: Desk, name: str) -> None:
    victim = desk.keys / "authorized_keys"
    victim.write_text("precious\n")
    ada = desk.key("ada", "SRE")
    desk.layer.mkdir(parents=True)
    (desk.layer / name).symlink_to(victim)
    assert desk.sign(ada).code == 0
    assert victim.read_text() == "precious\n"


def test_a_link_where_an_artifact_will_be_copied_leads_nowhere(desk: Desk) -> None:
    victim = desk.keys / "authorized_keys"
    victim.write_text("precious\n")
    desk.key("ada", "SRE")
    folder = desk.layer / layout.ATTACHED
    folder.mkdir(parents=True)
    (folder / f"{os.getpid()}.being-written").symlink_to(victim)
    assert desk.attach().code == 0
    assert victim.read_text() == "precious\n"


def test_a_lock_that_is_a_link_creates_nothing(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    desk.layer.mkdir(parents=True)
    target = desk.keys / "made"
    (desk.layer / layout.LOCK).symlink_to(target)
    refused(desk.sign(ada), code=desk.sign(ada).code)
    assert not target.exists()


@pytest.mark.parametrize("digest", ["../../../keys/secret", "/etc/passwd", "", ".", "a/../b"])
def test_an_artifact_lies_below_its_folder(desk: Desk, digest: str) -> None:
    desk.key("ada", "SRE")
    when, name = "2098-01-01T00:00:00Z", "release_evidence/drill.md"
    append(
        desk,
        lambda at: signoff.Attachment(
            at, "ada", "SRE", when, "G1-001", name, "../../x", digest, bytes=1
        ),
    )
    value = desk.do("status", "--as-of", "2099-01-01T00:00:00Z", "--json").value
    (entry,) = value["sign_off"]["entries"]
    assert entry["standing"] == "refused"


def test_a_file_that_nobody_could_have_attached_is_not_read_for_ever(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    value = desk.attach("--json").value
    assert desk.sign(ada).code == 0
    with (desk.layer / "attached" / value["sha256"]).open("wb") as stream:
        stream.truncate(1 << 42)
    assert desk.statuses()["G1-001"] == "BLOCKED-EXTERNAL"


# --- what is printed ------------------------------------------------------------------------------


def test_what_anybody_writes_steers_no_terminal(desk: Desk) -> None:
    desk.key("ada", "SRE")
    append(desk, approval)
    append(
        desk,
        lambda at: signoff.Waiver(
            *(at, HOSTILE, HOSTILE, "2020-01-01T00:00:00Z", 2, HOSTILE, HOSTILE, HOSTILE),
            *(HOSTILE, HOSTILE, HOSTILE),
        ),
    )
    append(desk, lambda at: signoff.Withdrawal(at, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE))
    for command in ("status", "decide", "verify", "waive --lint", "forecast"):
        said = desk.do(*command.split())
        shows_nothing_odd(said.out + said.err)
    done = alone(desk)
    assert done.returncode == 3
    shows_nothing_odd(done.stdout + done.stderr)


def test_what_a_signer_writes_steers_no_terminal(desk: Desk) -> None:
    ada, bob = desk.key("ada", "SRE"), desk.key("bob", "Manager")
    desk.let_waive("Manager")
    assert desk.attach("--note", HOSTILE).code == 0
    assert desk.waive(bob, "--reason", HOSTILE).code == 0
    for said in (desk.sign(ada, "SRE", "--note", HOSTILE), desk.do("status"), desk.do("decide")):
        shows_nothing_odd(said.out + said.err)
    assert "GO-WITH-WAIVERS" in desk.do("status").out


# --- what does not fit together -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("facts.json", {"as_of": "yesterday"}),
        ("facts.json", {"attempts": []}),
        ("decision.json", {"signals": []}),
        ("decision.json", {"cells": []}),
        ("decision.json", {"gates": []}),
        ("plan.json", {"gates": []}),
        ("plan.json", {"signals": []}),
    ],
)
def test_a_bundle_that_was_edited_is_weighed_without_a_traceback(
    desk: Desk, name: str, change: dict[str, Any]
) -> None:
    ada, bob = desk.key("ada", "SRE"), desk.key("bob", "Manager")
    desk.let_waive("Manager")
    assert desk.sign(ada).code == 0
    assert desk.waive(bob).code == 0
    path = desk.run / name
    path.write_bytes(codec.encode({**json.loads(path.read_bytes()), **change}))
    said = desk.do("verify")
    assert said.code == 3, said.err
    assert "NOT VERIFIED" in said.out
    assert "Traceback" not in said.out + said.err
    done = alone(desk)
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    for command in ("status", "decide"):
        said = desk.do(command)
        assert said.code != 0
        assert "internal error" not in said.out + said.err


def test_the_sign_off_of_another_run_verifies_for_nobody(desk: Desk) -> None:
    ada = desk.key("ada", "SRE", "runner")
    desk.call("attest", "--repo", desk.toy, "--key", ada)
    assert desk.sign(ada).code == 0
    desk.call("run", "--repo", desk.toy, "--label", "two")
    other = replace(desk)
    words = ("verify", desk.run.parent / "two", "--trust", desk.trust, "--sign-off", desk.layer)
    said = desk.call(*words)
    assert said.code == 3
    assert "is not the one of this bundle" in said.out
    assert "it is about toy-1/one" in said.out
    assert alone(other, "--sign-off", desk.layer.parent).returncode == 3


def test_lines_taken_off_the_log_are_missed(desk: Desk) -> None:
    """Somebody takes the withdrawal away, and the approval would count again."""
    ada = desk.key("ada", "SRE", "runner")
    desk.call("attest", "--repo", desk.toy, "--key", ada)
    assert desk.sign(ada).code == 0
    first = desk.log
    words = ("--role", "SRE", "--key", ada, "--reason", "too early")
    assert desk.do("withdraw", "1", *words).code == 0
    assert desk.do("verify").code == 0
    (desk.layer / layout.SIGN_OFF_LOG).write_bytes(first)
    assert desk.do("verify").code == 3
    assert alone(desk).returncode == 3


def test_a_checkpoint_that_was_kept_elsewhere_shows_what_is_missing(desk: Desk) -> None:
    """Whoever takes lines off the log can write the checkpoint beside it again, and not yours."""
    ada = desk.key("ada", "SRE", "runner")
    desk.call("attest", "--repo", desk.toy, "--key", ada)
    assert desk.sign(ada).code == 0
    note = desk.layer / layout.SIGN_OFF_CHECKPOINT
    first, first_note = desk.log, note.read_bytes()
    words = ("--role", "SRE", "--key", ada, "--reason", "too early")
    assert desk.do("withdraw", "1", *words).code == 0
    kept = desk.keys / "log.checkpoint"
    kept.write_bytes(note.read_bytes())
    assert desk.do("verify", "--expect-log", kept).code == 0
    assert alone(desk, "--expect-log", kept).returncode == 0
    (desk.layer / layout.SIGN_OFF_LOG).write_bytes(first)
    note.write_bytes(first_note)
    assert desk.do("verify").code == 0
    said = desk.do("verify", "--expect-log", kept)
    assert said.code == 3
    assert "says that the log had 2 lines; 1 of them are there" in said.out
    assert alone(desk, "--expect-log", kept).returncode == 3
    assert desk.sign(ada).code == 0  # as many lines, and another one
    said = desk.do("verify", "--expect-log", kept)
    assert said.code == 3
    assert "is over other lines" in said.out
    for text in (b"", b"x", desk.log):
        kept.write_bytes(text)
        assert desk.do("verify", "--expect-log", kept).code == 3
        assert alone(desk, "--expect-log", kept).returncode == 3
    refused(desk.do("verify", "--expect-log", desk.keys / "none"))
    refused(desk.call("verify", desk.run, "--expect-log", kept))


@pytest.mark.parametrize("as_of", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_ends_of_time(desk: Desk, as_of: str) -> None:
    ada = desk.key("ada", "SRE")
    assert desk.sign(ada).code == 0
    for command in ("status", "decide", "verify"):
        said = desk.do(command, "--as-of", as_of)
        assert "internal error" not in said.out + said.err
    said = desk.do("forecast", "--until", "9999-12-31T23:59:59Z")
    assert "internal error" not in said.out + said.err


def test_a_log_of_newlines_and_one_that_is_too_large(desk: Desk) -> None:
    desk.key("ada", "SRE")
    desk.layer.mkdir(parents=True)
    path = desk.layer / layout.SIGN_OFF_LOG
    with path.open("wb") as stream:
        stream.truncate(signoff.LOG_BYTES_MAX + 1)
    assert "is larger than" in desk.do("verify").out
    refused(desk.do("status"), code=3)
    assert "is larger than" in alone(desk).stdout
