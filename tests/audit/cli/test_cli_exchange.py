"""`export` and `ingest` as commands: files, exit codes, refusals, and evidence in a sealed run."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.exchange import EXPORTS
from audit.trust import book
from evidence import dsse, layout, signoff, trusted
from evidence.folder import Folder
from evidence.roster import Roster
from tests.audit.cli.bad_input_kit import AUDIT, Make, cell, gate, refused
from tests.audit.exchange.exchange_kit import envelope, golden, statement
from tests.evidence.sign_kit import ADA, BOB, EVE

GOLDEN = Path(__file__).parents[2] / "golden" / "bundles" / "bundle-1"
CLEAN = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "s"}}, "results": []}]}
FOUND = [{"level": "error", "message": {"text": "here"}}]
DIRTY = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "s"}}, "results": FOUND}]}
PREDICATE = {"result": "PASSED", "configuration": []}
TESTED = "https://in-toto.io/attestation/test-result/v0.1"


# --- export ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["junit", "sarif", "ctrf", "cyclonedx"])
def test_what_is_printed_is_what_is_written(call: Any, tmp_path: Path, form: str) -> None:
    printed = call("export", GOLDEN, "--format", form)
    assert (printed.code, printed.err) == (0, "")
    written = call("export", GOLDEN, "--format", form, "--out", tmp_path / "deep" / "x")
    assert written.code == 0
    (data,) = EXPORTS[form](golden()).values()
    assert (tmp_path / "deep" / "x").read_bytes() == data == printed.out.encode()


def test_a_folder_gets_the_usual_names(call: Any, tmp_path: Path) -> None:
    said = call("export", GOLDEN, "--format", "oscal", "--out", f"{tmp_path}/o/", "--json")
    assert [item["name"] for item in said.value["files"]] == [
        "assessment-results.json",
        "poam.json",
    ]
    for item in said.value["files"]:
        assert json.loads(Path(item["path"]).read_text())
    assert call("export", GOLDEN, "--format", "sarif", "--out", tmp_path).code == 0
    assert (tmp_path / "results.sarif").is_file()


def test_two_files_want_a_folder(call: Any, tmp_path: Path) -> None:
    assert "folder" in refused(call("export", GOLDEN, "--format", "oscal"))
    assert "folder" in refused(call("export", GOLDEN, "--format", "oscal", "--out", tmp_path / "f"))
    assert not (tmp_path / "f").exists()


def test_json_holds_the_text_where_no_file_is_named(call: Any) -> None:
    (file,) = call("export", GOLDEN, "--format", "ctrf", "--json").value["files"]
    assert json.loads(file["text"])["reportFormat"] == "CTRF"


def test_a_bundle_that_was_edited_is_not_exported(call: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "bundle"))
    log = next(iter(sorted(folder.glob("command-logs/loud.log"))))
    log.write_bytes(log.read_bytes().replace(b"line 7 ", b"line 8 "))
    said = call("export", folder, "--format", "junit", "--out", tmp_path / "x.xml")
    assert "does not verify" in refused(said, code=3)
    assert not (tmp_path / "x.xml").exists()


def test_a_plan_of_action_of_another_run_is_not_left_standing(
    call: Any, make_toy: Make, tmp_path: Path
) -> None:
    text = AUDIT + cell("ok", "true") + gate('{ command = "ok" }')
    toy = make_toy(text).path
    assert call("run", "--repo", toy).code == 0
    (tmp_path / "poam.json").write_text("{}")
    words = ("export", "--repo", toy, "--format", "oscal", "--out", tmp_path)
    assert "another one lies there" in refused(call(*words))
    (tmp_path / "poam.json").unlink()
    assert call(*words).code == 0
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["assessment-results.json"]


def test_check_says_when_nothing_can_check(call: Any) -> None:
    said = call("export", GOLDEN, "--format", "sarif", "--check")
    assert (said.code, "not checked" in said.err) == (0, True)
    said = call("export", GOLDEN, "--format", "junit", "--check")
    assert (said.code, said.err.strip()) == (0, "checked: valid junit")


@pytest.mark.parametrize(("form", "package"), [("oscal", "trestle"), ("cyclonedx", "cyclonedx")])
def test_a_missing_package_names_its_extra(
    call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str, package: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    said = call("export", GOLDEN, "--format", form, "--check", "--out", f"{tmp_path}/o/")
    assert f"pip install '.[{form}]'" in refused(said)


@pytest.mark.parametrize(
    "words", [("export",), ("export", "--format", "pdf"), ("export", "no/run", "--format", "ctrf")]
)
def test_usage_of_export(call: Any, toy: Path, words: tuple[str, ...]) -> None:
    refused(call(*words, "--repo", toy))


def trust_file(folder: Path, *keys: Any) -> Path:
    tables = "".join(
        f'[[key]]\nid = "{key.id}"\nperson = "{key.person}"\nroles = {json.dumps(key.roles)}\n'
        f'scheme = "ed25519"\npublic = "{key.public}"\nvalid_from = "{key.valid_from}"\n'
        for key in keys
    )
    path = folder / "audit-trust.toml"
    path.write_text(f'format_version = 1\nwaive = ["Manager"]\n{tables}')
    return path


def waive(run: Path, roster: Roster) -> Path:
    """Sign a run as Eve, and waive its only signal as Bob; return the log."""
    opened = book.open_book(run)
    text = (run / layout.CHECKPOINT).read_bytes()
    signature = (EVE.keyid, dsse.note_key(EVE.keyid, EVE.public), EVE.sign(text))
    opened.folder.mkdir(parents=True)
    (opened.folder / layout.CHECKPOINT).write_bytes(dsse.write_note(text, (signature,)))
    sealed = opened.sealed
    bundle = Folder(str(run))
    case = trusted.case_of(sealed, bundle, opened.layer, roster, sealed.run.end_utc)
    record = signoff.Waiver(
        *(opened.at(), "Bob", "Manager", sealed.run.end_utc, 0, "G0-001"),
        *(case.fingerprint("G0-001"), sealed.plan.subject.digest),
        *(sealed.run.end_utc, "2999-01-01T00:00:00Z", "known until the next release"),
    )
    return book.append(opened, record, [BOB]).folder / layout.SIGN_OFF_LOG


def test_waivers_in_force_are_named_and_nothing_turns_green(
    call: Any, make_toy: Make, tmp_path: Path
) -> None:
    text = AUDIT + cell("red", "exit 1", required="false") + gate('{ command = "red" }')
    toy = make_toy(text).path
    assert call("run", "--repo", toy).code == 1
    run = next(toy.glob("release_evidence/toy-1/*"))
    runner = EVE.key("runner")
    trust = trust_file(tmp_path, runner, BOB.key("Manager"))
    log = waive(run, book.roster_of(trust))
    words = ("export", run, "--format", "sarif")
    plain = json.loads(call(*words).out)["runs"][0]["results"]
    assert not any("suppressions" in item for item in plain)
    at = ("--trust", trust, "--as-of", "2998-01-01T00:00:00Z")
    told = json.loads(call(*words, *at).out)["runs"][0]["results"]
    named = {item["ruleId"]: item["suppressions"] for item in told}
    assert named["G0-001"][0]["justification"] == "known until the next release (Bob)"
    assert (named["verdict"], told[0]["level"]) == ([], "error")
    verdicts = json.loads(call(*words, *at).out)["runs"][0]["properties"]
    assert (verdicts["verdict"], verdicts["verdictWithSignOff"]) == ("NO-GO", "GO-WITH-WAIVERS")
    late = json.loads(call(*words, "--trust", trust, "--as-of", "2999-01-01T00:00:00Z").out)
    assert not any(item["suppressions"] for item in late["runs"][0]["results"])
    # A key that nobody trusts, a run that nobody signed, a forged log: nothing is exported.
    for keys in ((runner, ADA.key("Manager")), (BOB.key("Manager"),)):
        other = trust_file(tmp_path, *keys)
        said = refused(call(*words, "--trust", other), code=3)
        assert "sign-off does not verify: " in said
        assert f" --trust {other}" in said  # without it the run verifies
    trust = trust_file(tmp_path, runner, BOB.key("Manager"))
    log.write_bytes(log.read_bytes().replace(b'"sig":"', b'"sig":"AAAA'))
    assert "sign-off does not verify" in refused(call(*words, *at), code=3)
    refused(call(*words, "--as-of", "2998-01-01T00:00:00Z"))


# --- ingest ---------------------------------------------------------------------------------------


def put(folder: Path, name: str, value: Any) -> Path:
    path = folder / name
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return path


def test_exit_codes_say_whether_everything_passed(call: Any, tmp_path: Path) -> None:
    clean, dirty = put(tmp_path, "c.sarif", CLEAN), put(tmp_path, "d.sarif", DIRTY)
    assert call("ingest", clean).code == 0
    assert call("ingest", clean, dirty).code == 1
    said = call("ingest", clean, dirty, "--json")
    assert [item["outcome"] for item in said.value["documents"]] == ["passed", "failed"]


def test_what_nobody_checked_is_never_0(call: Any, tmp_path: Path) -> None:
    signed = put(tmp_path, "t.json", envelope(statement(TESTED, PREDICATE), "k"))
    said = call("ingest", signed)
    assert (said.code, "not checked" in said.out, "unknown" in said.out) == (1, True, True)


def test_a_trust_file_says_whose_signature_counts(call: Any, tmp_path: Path) -> None:
    payload = json.dumps(statement(TESTED, PREDICATE)).encode()
    signed = dsse.Envelope(dsse.PAYLOAD_TYPE, payload, ADA.envelope(payload))
    file = put(tmp_path, "t.json", dsse.write(signed))
    trust = trust_file(tmp_path, ADA.key("SRE", valid_from="2020-01-01T00:00:00Z"))
    assert call("ingest", file, "--trust", trust, "--role", "SRE").code == 0
    assert call("ingest", file, "--trust", trust, "--role", "Other").code == 1
    refused(call("ingest", file, "--trust", trust))
    refused(call("ingest", file, "--role", "SRE"))
    refused(call("ingest", file, "--trust", file, "--role", "SRE"))


def test_artifact_and_commit_have_to_match(call: Any, make_toy: Make, tmp_path: Path) -> None:
    toy = make_toy()
    wheel = put(tmp_path, "a.whl", b"wheel")
    digest = hashlib.sha256(b"wheel").hexdigest()
    told = statement(TESTED, PREDICATE, sha256=digest, gitCommit=toy.git("rev-parse", "HEAD"))
    file = put(tmp_path, "t.json", told)
    words = ("ingest", file, "--repo", toy.path, "--commit", "HEAD", "--artifact", wheel)
    (item,) = call(*words, "--json").value["documents"]
    assert item["flags"]["subject_matches"] is True
    wheel.write_bytes(b"another")
    (item,) = call(*words, "--json").value["documents"]
    assert (item["flags"]["subject_matches"], item["outcome"]) == (False, "failed")
    refused(call("ingest", file, "--repo", toy.path, "--commit", "no-such-rev"))


def test_conversion_writes_and_leaves_the_verdict_to_the_judge(call: Any, tmp_path: Path) -> None:
    dirty = put(tmp_path, "d.sarif", DIRTY)
    said = call("ingest", dirty, "--as", "metrics", "--out", tmp_path / "b" / "x.json")
    assert said.code == 0
    assert json.loads((tmp_path / "b" / "x.json").read_text())["sarif"]["error"] == 1
    assert call("ingest", dirty, "--as", "junit").out.startswith("<?xml")
    assert call("ingest", dirty, "--as", "metrics", "--json").value["sarif"]["error"] == 1
    refused(call("ingest", dirty, "--out", tmp_path / "y"))
    refused(call("ingest", dirty, "--as", "junit", "--json"))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 100_000, b"\xff", b'{"a":1,"a":2}', b"\x1b]0;x\x07"]
)
def test_what_is_no_evidence_is_refused(call: Any, tmp_path: Path, data: bytes) -> None:
    file = put(tmp_path, "x.json", data)
    text = refused(call("ingest", file, "--as", "metrics", "--out", tmp_path / "out.json"))
    assert "x.json" in text
    assert not (tmp_path / "out.json").exists()


def test_a_file_that_is_not_there_is_refused(call: Any, tmp_path: Path) -> None:
    refused(call("ingest", tmp_path / "none.sarif"))
    refused(call("ingest"))
    refused(call("ingest", tmp_path))


def test_hostile_names_do_not_steer_the_terminal(call: Any, tmp_path: Path) -> None:
    value = json.loads(json.dumps(CLEAN))
    value["runs"][0]["tool"]["driver"]["name"] = "\x1b]0;owned\x07\u202e\ud800"
    said = call("ingest", put(tmp_path, "x.sarif", value))
    assert said.code == 0
    assert not [char for char in said.out if not (char.isprintable() or char == "\n")]
    assert call("ingest", tmp_path / "x.sarif", "--json").code == 0


@pytest.mark.parametrize(("scan", "code", "status"), [(CLEAN, 0, "GO"), (DIRTY, 1, "NO-GO")])
def test_evidence_of_others_closes_a_signal(
    call: Any,
    make_toy: Make,
    monkeypatch: pytest.MonkeyPatch,
    repository_root: Path,
    scan: Any,
    code: int,
    status: str,
) -> None:
    """A cell converts a scan; the judge reads it; the sealed bundle holds it."""
    monkeypatch.setenv("PYTHONPATH", str(repository_root))
    line = (
        f"mkdir -p build; cp scan.sarif build/; {sys.executable} -m audit.cli ingest"
        " build/scan.sarif --as metrics --out build/scan.json"
    )
    conditions = (
        '{ metric = "sarif.error", at_most = 0, command = "scan" },'
        ' { metric = "sarif.passed", at_least = 1, command = "scan" }'
    )
    text = (
        AUDIT + cell("scan", line, results='[{ metrics = "build/scan.json" }]') + gate(conditions)
    )
    toy = make_toy(text)
    toy.write("scan.sarif", json.dumps(scan))
    toy.commit()
    said = call("run", "--repo", toy.path, "--json")
    assert said.code == code, said.out + said.err
    decided = call("decide", "--repo", toy.path, "--json").value
    assert decided["signals"][0]["status"] == status
    assert call("verify", next(toy.path.glob("release_evidence/toy-1/*"))).code == 0
