"""What people bring to a sealed run by the command line: approvals, artifacts, waivers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.cli import signing
from evidence import standalone
from tests.audit.cli.bad_input_kit import refused
from tests.audit.cli.sign_off_kit import WAITING, Desk

MISSING = "could_not_run: the packages of the extra trust are not installed"
pytest.importorskip("securesystemslib", reason=MISSING)
pytest.importorskip("cryptography", reason=MISSING)


@pytest.fixture
def desk(call: Any, make_toy: Callable[..., Any], tmp_path: Path) -> Desk:
    repo = make_toy(WAITING)
    assert call("run", "--repo", repo.path, "--label", "one").code == 1
    keys = tmp_path / "keys"
    keys.mkdir()
    return Desk(call, repo.path, keys)


# --- the whole way --------------------------------------------------------------------------------


def test_a_release_is_signed_off(desk: Desk) -> None:
    """Attach, approve, waive: GO-WITH-WAIVERS, exit 4 when that is not enough, red stays red."""
    ada, bob = desk.key("ada", "SRE"), desk.key("bob", "Manager")
    desk.let_waive("Manager")
    said = desk.attach()
    assert said.code == 0, said.err
    assert "arco-audit sign --role SRE" in said.out
    said = desk.sign(ada)
    assert said.code == 0, said.err
    for part in (
        "G1-001",
        "drill.md",
        "documents/summary.md",
        "unsigned; says to be from ada",
        "verdict:",
    ):
        assert part in said.out
    assert desk.statuses() == {"G0-001": "GO", "G1-001": "GO", "G2-001": "NO-GO", "": "NO-GO"}
    assert desk.waive(bob).code == 0
    said = desk.do("status")
    assert said.code == 0
    assert "ready only thanks to waivers" in said.out
    assert "waived by bob as Manager until 2099-01-01T00:00:00Z: known" in said.out
    assert desk.statuses()["G2-001"] == "NO-GO"
    assert desk.statuses()[""] == "GO-WITH-WAIVERS"
    assert desk.do("status", "--strict-waivers").code == 4
    assert desk.do("decide", "--strict-waivers").code == 4
    assert desk.do("decide").code == 0
    noted = json.loads((desk.layer / "decision.json").read_text())
    assert noted["verdict"] == "GO-WITH-WAIVERS"


def test_a_sign_off_verifies_here_and_in_one_file(desk: Desk, tmp_path: Path) -> None:
    ada = desk.key("ada", "SRE", "runner")
    assert desk.sign(ada).code == 0
    said = desk.do("verify")
    assert said.code == 3  # nobody signed the checkpoint
    assert "0 of 1 trusted runners" in said.out
    assert desk.call("attest", "--repo", desk.toy, "--key", ada).code == 0
    now = signing.now()
    said = desk.do("verify", "--json", "--as-of", now)
    assert said.code == 0, said.out
    program = tmp_path / "verify.py"
    program.write_bytes(standalone.committed())
    done = subprocess.run(
        [
            *(sys.executable, "-I", program, desk.run, "--trust", desk.trust),
            *("--as-of", now, "--json"),
        ],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    theirs, ours = json.loads(done.stdout), said.value
    assert ours.pop("bundle")
    assert theirs == ours
    assert "is not weighed" in desk.call("verify", desk.run).out


def test_without_a_trust_file_it_is_said_and_not_weighed(desk: Desk) -> None:
    assert desk.sign(desk.key("ada", "SRE")).code == 0
    for command in ("status", "decide"):
        said = desk.call(command, "--repo", desk.toy)
        assert "is not weighed" in said.out
        assert said.code == 1
    desk.trust.rename(desk.toy / "audit-trust.toml")
    said = desk.call("status", "--repo", desk.toy, "--json")
    assert said.value["sign_off"]["entries"][0]["standing"] == "counts"


def test_what_changed_since_is_shown(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    assert desk.sign(ada).code == 0
    assert desk.attach().code == 0
    assert "gate 1 changed since" in desk.do("status").out
    said = desk.sign(ada)
    assert "since your approval" in said.out
    assert "line 2: attachment of release_evidence/drill.md for G1-001, unsigned" in said.out
    assert "changed" in said.out
    assert desk.statuses()["G1-001"] == "GO"
    desk.call("run", "--repo", desk.toy, "--label", "two")
    said = desk.sign(ada, "SRE", "--gate", 0)
    assert "you approved one at" in said.out
    assert "unchanged:" in said.out
    assert said.code == 0


def test_for_machines(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    said = desk.sign(ada, "SRE", "--json", "--gate", 0, "--note", "seen")
    assert said.value["gates"] == [0]
    assert said.value["line"] == 1
    assert said.value["verdict"] == "NO-GO"
    assert desk.statuses()["G0-001"] == "GO"
    lines = desk.log.count(b"\n")
    refused(desk.do("sign", "--role", "SRE", "--key", ada, "--json"))
    assert desk.log.count(b"\n") == lines


def test_an_approval_is_taken_back(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    eve = desk.key("eve", "Ops")
    assert desk.sign(ada).code == 0
    words = ("--role", "Ops", "--key", eve, "--reason", "no")
    text = refused(desk.do("withdraw", "1", *words))
    assert "neither made line 1 nor holds its role" in text
    refused(desk.do("withdraw", "7", "--role", "SRE", "--key", ada, "--reason", "no"))
    refused(desk.do("withdraw", "1", "--role", "SRE", "--key", ada))
    digest = desk.do("status", "--json").value["sign_off"]["entries"][0]["digest"]
    said = desk.do("withdraw", digest[:12], "--role", "SRE", "--key", ada, "--reason", "too early")
    assert said.code == 0, said.err
    assert desk.standings() == ["withdrawn", "counts"]
    assert desk.statuses()["G0-001"] == "PARTIAL"


# --- refused before anything is written -----------------------------------------------------------


def test_a_key_speaks_only_for_whom_the_trust_file_says(desk: Desk) -> None:
    ada, eve = desk.key("ada", "SRE"), desk.key("eve", "SRE", trusted=False)
    assert "is not in the trust file" in refused(desk.sign(eve))
    assert "does not hold the role Manager" in refused(desk.sign(ada, "Manager"))
    assert "is that of ada and not of Eve" in refused(desk.sign(ada, "SRE", "--person", "Eve"))
    assert "gate=`9`" in refused(desk.sign(ada, "SRE", "--gate", 9))
    assert "would have expired" in refused(
        desk.sign(ada, "SRE", "--expires", "2020-01-01T00:00:00Z")
    )
    assert "time zone" in refused(desk.sign(ada, "SRE", "--expires", "2099-01-01"))
    assert "--role" in refused(desk.do("sign", "--key", ada, "--yes"))
    assert "--key" in refused(desk.do("sign", "--role", "SRE", "--yes"))
    assert "--yes" in refused(desk.do("sign", "--role", "SRE", "--key", ada))
    nowhere = desk.keys / "none.toml"
    text = refused(desk.do("sign", "--role", "SRE", "--key", ada, "--yes", trust=nowhere))
    assert "trust file cannot be read" in text
    assert desk.log == b""


def test_an_expired_key_signs_nothing(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    with desk.trust.open("a") as stream:
        stream.write('valid_until = "2021-01-01T00:00:00Z"\n')
    said = refused(desk.sign(ada))
    assert "was valid until" in said
    assert "next: sign with a key that is valid now" in said
    assert desk.log == b""


def test_roles_that_are_kept_apart(desk: Desk) -> None:
    ada = desk.key("ada", "SRE", "Security")
    with desk.trust.open("a") as stream:
        stream.write('\n[[separate]]\nroles = ["SRE", "Security"]\n')
    assert desk.sign(ada).code == 0
    before = desk.log
    assert "kept apart" in refused(desk.sign(ada, "Security"))
    assert desk.log == before


def test_nothing_is_said_of_a_bundle_that_does_not_verify(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    (desk.run / "report.html").write_text("<p>all is well</p>")
    assert "does not verify" in refused(desk.sign(ada), code=3)
    assert "does not verify" in refused(desk.attach(), code=3)
    assert desk.log == b""


def test_nothing_is_appended_to_a_log_that_was_tampered_with(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    assert desk.sign(ada).code == 0
    assert desk.sign(ada).code == 0
    lines = desk.log.splitlines(keepends=True)
    (desk.layer / "log.jsonl").write_bytes(lines[1] + lines[0])
    refused(desk.sign(ada), code=3)
    (desk.layer / "log.jsonl").write_bytes(lines[0] + lines[1][:40])  # a crash while writing
    assert desk.sign(ada).code == 0
    assert desk.standings() == ["counts", "counts"]


def test_a_sign_off_of_another_run_is_not_heard(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    assert desk.sign(ada).code == 0
    desk.call("run", "--repo", desk.toy, "--label", "two")
    other = desk.layer.parent / "two"
    other.mkdir()
    (other / "log.jsonl").write_bytes(desk.log)
    value = desk.do("status", "two", "--json").value
    assert value["sign_off"]["entries"][0]["standing"] == "refused"
    assert "it is about toy-1/one" in value["sign_off"]["entries"][0]["reason"]
    assert next(item["status"] for item in value["signals"] if item["id"] == "G0-001") != "GO"


# --- artifacts ------------------------------------------------------------------------------------


def test_what_is_attached_has_a_place_that_waits_for_it(desk: Desk) -> None:
    desk.key("ada", "SRE")
    assert "did you mean G1-001?" in refused(desk.attach(signal="G1-01"))
    assert "waits for nothing from outside" in refused(desk.attach(signal="G2-001"))
    assert "drill.md?" in refused(desk.attach("--artifact", "release_evidence/dril.md"))
    assert "is past already" in refused(desk.attach("--expires", "2020-01-01T00:00:00Z"))
    assert "is past already" in refused(desk.attach("--review-by", "2020-01-01T00:00:00Z"))
    words = ("attach", "G1-001", desk.keys / "absent.md", "--person", "ada")
    assert "cannot be read" in refused(desk.do(*words))
    assert "who brings this" in refused(desk.do("attach", "G1-001", desk.trust))
    assert "is no regular file" in refused(desk.do("attach", "G1-001", desk.keys, "--person", "a"))
    assert desk.log == b""


def test_what_is_attached_is_kept_and_watched(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    said = desk.attach("--json", "--key", ada, "--review-by", "2099-01-01T00:00:00Z")
    kept = desk.layer / "attached" / said.value["sha256"]
    assert kept.read_text() == "minutes\n"
    assert desk.sign(ada).code == 0
    assert desk.statuses()["G1-001"] == "GO"
    assert "due for review" in desk.do("status", "--as-of", "2099-02-01T00:00:00Z").out
    kept.write_text("other minutes\n")
    assert desk.statuses()["G1-001"] == "BLOCKED-EXTERNAL"
    assert "the file was changed" in desk.do("verify").out


def test_an_artifact_behind_an_approval_makes_only_its_gate_suspect(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    desk.attach()
    desk.sign(ada)
    desk.attach(text="other minutes\n")
    assert desk.statuses()["G0-001"] == "GO"
    assert desk.statuses()["G1-001"] == "BLOCKED-EXTERNAL"


# --- waivers --------------------------------------------------------------------------------------


def test_waivers_that_are_refused(desk: Desk) -> None:
    bob = desk.key("bob", "Manager")
    assert "lets nobody waive" in refused(desk.waive(bob))
    desk.let_waive("Manager")
    assert "has an end" in refused(
        desk.do("waive", "G2-001", "--role", "Manager", "--key", bob, "--reason", "r")
    )
    assert "did you mean G2-001?" in refused(desk.waive(bob, signal="G2-01"))
    assert "ended already" in refused(
        desk.waive(bob, "--from", "2019-01-01T00:00:00Z", "--until", "2020-01-01T00:00:00Z")
    )
    assert "before it begins" in refused(desk.waive(bob, "--from", "2099-06-01T00:00:00Z"))
    assert "says nothing" in refused(desk.waive(bob, "--reason", " "))
    assert desk.log == b""
    assert desk.waive(bob).code == 0
    assert "waives it already" in refused(desk.waive(bob))
    assert (
        desk.waive(bob, "--from", "2099-01-01T00:00:00Z", "--until", "2099-02-01T00:00:00Z").code
        == 0
    )
    assert desk.standings() == ["counts", "not yet"]


def test_what_is_approved_is_not_waived(desk: Desk) -> None:
    ada, bob = desk.key("ada", "SRE"), desk.key("bob", "Manager")
    desk.let_waive("Manager")
    assert desk.waive(bob, signal="G0-001").code == 0
    desk.sign(ada)
    assert desk.standings() == ["unused", "counts"]
    assert desk.do("waive", "--lint").code == 1
    assert "does not fail" in refused(desk.waive(bob, signal="G0-001"))


def test_the_same_failure_is_waived_again(desk: Desk) -> None:
    """Times, durations and process ids of the second run differ; its failure is the same one."""
    bob = desk.key("bob", "Manager")
    desk.let_waive("Manager")
    words = ("--role", "Manager", "--key", bob, "--again")
    assert "no earlier run" in refused(desk.do("waive", "G2-001", *words))
    assert desk.waive(bob).code == 0
    desk.call("run", "--repo", desk.toy, "--label", "two")
    said = desk.do("waive", "G2-001", "two", *words, "--json")
    assert said.code == 0, said.err
    assert said.value["until"] == "2099-01-01T00:00:00Z"
    definition = desk.toy / "audit.toml"
    definition.write_text(definition.read_text().replace("error: broken", "error: worse"))
    subprocess.run(["git", "-C", desk.toy, "add", "-A"], check=True)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", *who, "-C", desk.toy, "commit", "-qm", "x"], check=True)
    desk.call("run", "--repo", desk.toy, "--label", "three")
    text = refused(desk.do("waive", "G2-001", "three", *words))
    assert "fails otherwise than when it was waived" in text


def test_an_instant_without_anybody(desk: Desk) -> None:
    said = desk.call("status", "--repo", desk.toy, "--as-of", "2000-01-01T00:00:00Z")
    assert "it ended after the instant of this decision" in said.out
    assert said.code == 1


def test_lint_of_waivers(desk: Desk) -> None:
    bob = desk.key("bob", "Manager")
    desk.let_waive("Manager")
    assert desk.do("waive", "--lint").code == 0
    long = desk.waive(bob, "--until", "2099-01-01T00:00:00Z")
    assert long.code == 0
    assert "warning: it lasts more than 90 days" in long.err
    said = desk.do("waive", "--lint", "one", "--json")
    assert said.code == 1
    assert [item["standing"] for item in said.value["waivers"]] == ["over-broad"]
    later = ("--from", "2099-01-01T00:00:00Z", "--until", "2100-01-01T00:00:00Z")
    assert "warning: it lasts more than 90 days, it begins at 2099" in desk.waive(bob, *later).err
    assert "over-broad" in desk.do("waive", "--lint").out


# --- in time --------------------------------------------------------------------------------------


def test_what_will_flip(desk: Desk) -> None:
    ada, bob = desk.key("ada", "SRE"), desk.key("bob", "Manager")
    desk.let_waive("Manager")
    desk.attach("--expires", "2098-01-01T00:00:00Z")
    desk.sign(ada, "SRE", "--expires", "2097-01-01T00:00:00Z")
    desk.waive(bob)
    said = desk.do("forecast", "--json")
    assert said.code == 0, said.err
    assert said.value["verdict"] == "GO-WITH-WAIVERS"
    flips = {(item["at_utc"][:4], item["noun"], item["name"]) for item in said.value["flips"]}
    assert ("2097", "verdict", "") in flips
    assert ("2097", "signal", "G0-001") in flips
    assert ("2097", "signal", "G1-001") in flips
    assert {at for at, _, _ in flips} == {"2097", "2098", "2099"}
    short = desk.do("forecast", "--until", "2097-06-01T00:00:00Z")
    assert "2097-01-01T00:00:00Z  verdict" in short.out
    entry = next(line for line in short.out.splitlines() if "Z  line 2 " in line)
    assert "approval by ada as SRE of gates 0, 1: it expired at" in entry
    assert "\n2098" not in short.out
    assert "clock: system wall clock" in short.out
    assert "GO-WITH-WAIVERS" in desk.do("decide", "--as-of", "2096-12-31T23:59:59.999Z").out
    assert desk.do("decide", "--as-of", "2097-01-01T00:00:00Z").code == 1
    refused(desk.do("forecast", "--until", "2000-01-01T00:00:00Z"))
    refused(desk.do("forecast", "--until", "tomorrow"))


def test_a_forecast_without_people(desk: Desk) -> None:
    said = desk.call("forecast", "--repo", desk.toy)
    assert said.code == 0
    assert "nothing will flip" in said.out
    # The commits of these tests lie in a time of their own.
    expected = "began before the commit" in said.out
    assert expected == (" before commit (" in said.out)
    assert desk.call("doctor", "--repo", desk.toy).out.count("clock") >= 1


def test_what_nobody_signed_is_told_as_a_claim(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    assert desk.sign(ada).code == 0
    said = desk.attach("--person", "Mallory")
    assert said.code == 0, said.err
    claim = "attachment of release_evidence/drill.md for G1-001, unsigned; says to be from Mallory"
    assert f"  {claim} for SRE\n" in said.out
    assert "attachment by Mallory" not in said.out
    assert "approvals of gate 1 need another look: ada\n" in said.out
    status = " ".join(desk.do("status").out.split())
    assert "unsigned; says to be from Mallory for SRE" in status
    assert "attachment by Mallory" not in status
    verified = desk.do("verify").out
    assert "unsigned; says to be from Mallory for SRE" in verified
    assert "attachment by Mallory" not in verified
    assert desk.sign(ada).code == 0
    again = desk.attach("--json", "--key", ada, "--person", "ada", text="other\n")
    assert again.code == 0, again.err
    assert (again.value["signed"], again.value["approvals_to_look_at"]) == (True, [3])
    assert "attachment by ada as SRE" in desk.do("status").out


def test_the_newest_artifact_is_the_one_that_is_approved(desk: Desk) -> None:
    """The one before it neither waits nor is shown to an approver as if it did."""
    ada = desk.key("ada", "SRE")
    assert desk.attach("--person", "Mallory", text="first\n").code == 0
    assert desk.attach("--person", "Mallory", text="second\n").code == 0
    assert desk.standings() == ["shadowed", "waits"]
    assert "a newer one was brought: line 2" in desk.do("verify").out
    assert desk.sign(ada).code == 0
    assert desk.standings() == ["shadowed", "counts", "counts"]
    assert "Mallory" not in desk.sign(ada).out


def test_a_first_attachment_unsettles_nobody(desk: Desk) -> None:
    desk.key("ada", "SRE")
    assert "another look" not in desk.attach().out


def test_what_is_attested_can_be_ingested(desk: Desk) -> None:
    ada = desk.key("ada", "runner")
    assert desk.call("attest", "--repo", desk.toy, "--key", ada).code == 0
    files = sorted(desk.layer.rglob("*.intoto.jsonl"))
    assert files
    words = ("--repo", desk.toy, "--commit", "HEAD", "--trust", desk.trust, "--role", "runner")
    said = desk.call("ingest", *files, *words, "--json")
    found = {item["kind"]: item for item in said.value["documents"]}
    decision = found["audit decision"]
    assert (decision["outcome"], decision["signature"]) == ("failed", "verified")  # it is NO-GO
    assert decision["producer"] == "arco-audit"
    assert decision["flags"]["subject_matches"]
    outcomes = {item["name"]: item["outcome"] for item in decision["tests"]}
    assert outcomes == dict.fromkeys(outcomes, "failed")
    assert len(outcomes) == 3
    assert {item["name"] for item in decision["subjects"]} >= {"decision.json", "checkpoint"}
    assert found["audit checkpoint"]["outcome"] == "unknown"
