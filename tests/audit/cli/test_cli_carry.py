"""`carry` from the command line, over real runs of a toy repository with several commits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.trust import book, observe
from evidence import carry, chain, codec, layout, signoff
from tests.audit.cli.conftest import TOY

CARRYING = TOY.replace(
    'run = "echo hello"', 'run = "echo hello"\nreads = ["src/**", "tests/**/*.py"]'
)
ASKING = CARRYING.replace('{ command = "hello" }', '{ carry = "hello", run = "one" }')


@pytest.fixture
def audited(call: Any, make_toy: Callable[..., Any]) -> tuple[Any, Callable[..., Path]]:
    """A toy repository with one run, and how to commit something and run again."""
    repo = make_toy(CARRYING)

    def again(label: str, **files: str) -> Path:
        repo.commit(**files)
        call("run", "--repo", repo.path, "--label", label)
        return Path(repo.path / "release_evidence/toy-1" / label)

    again("one", src__a_py="1\n", tests__test_a_dot_py="1\n", docs__x_dot_md="1\n")
    return repo, again


def row(said: Any, name: str) -> str:
    lines: list[str] = said.out.splitlines()
    return next(line for line in lines if line.startswith(name))


def test_a_change_outside_the_reads_carries_over(call: Any, audited: Any) -> None:
    repo, again = audited
    again("two", docs__x_dot_md="2\n", docs__new_dot_md="2\n")
    said = call("carry", "--from", "one", "--repo", repo.path)
    assert said.code == 1
    assert "hello" in row(said, "hello")
    assert "met" in row(said, "hello")
    assert "wrong_subject" in row(said, "fails")
    assert "fails declares no reads" in row(said, "fails")
    assert "1 of 2 carry over" in said.out
    only = call("carry", "two", "--from", "one", "--command", "hello", "--repo", repo.path)
    assert only.code == 0


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"src__a_py": "2\n"}, "src/a_py was changed"),
        ({"tests__conftest_dot_py": "2\n"}, "tests/conftest.py was added"),
        ({"uv_dot_lock": "2\n"}, "uv.lock was added"),
    ],
)
def test_a_change_inside_the_reads_does_not(
    call: Any, audited: Any, files: dict[str, str], path: str
) -> None:
    repo, again = audited
    again("two", **files)
    said = call("carry", "--from", "one", "--command", "hello", "--repo", repo.path)
    assert said.code == 1
    assert path in row(said, "hello")


def test_a_mode_a_removal_and_a_new_name_do_not(call: Any, audited: Any) -> None:
    repo, again = audited
    repo.git("update-index", "--chmod=+x", "src/a_py")
    (repo.path / "src/a_py").chmod(0o755)
    again("two")
    asking = ("carry", "--from", "one", "--command", "hello", "--repo", repo.path)
    assert "src/a_py changed its mode" in call(*asking).out
    (repo.path / "src/a_py").rename(repo.path / "src/b_py")
    again("three")
    said = call("carry", "three", *asking[1:])
    assert "src/a_py was removed (and 1 more)" in row(said, "hello")
    assert "src/b_py added" in said.out


def test_what_the_conditions_ask_for_is_looked_for_beside_the_run(
    call: Any, audited: Any, tmp_path: Path
) -> None:
    repo, again = audited
    (repo.path / "audit.toml").write_text(ASKING)
    two = again("two")
    said = call("carry", "--repo", repo.path, "--json")
    assert said.code == 0
    (proof,) = said.value["carried"]
    assert (proof["command"], proof["run"], proof["answer"]) == ("hello", "one", "met")
    out = tmp_path / "carry-proof.json"
    assert call("carry", two, "--out", out, "--repo", repo.path).code == 0
    assert json.loads(out.read_bytes()) == proof
    assert codec.read(carry.Carried, out.read_bytes()).new.label == "two"
    (repo.path / "audit.toml").write_text(ASKING.replace('"one"', '"nowhere"'))
    again("three")
    said = call("carry", "three", "--repo", repo.path)
    assert said.code == 1
    assert "no finished run is called nowhere" in said.out


def test_evidence_that_is_too_old_is_stale(call: Any, audited: Any) -> None:
    repo, again = audited
    text = CARRYING.replace('date = "2026-12-01"', 'date = "2026-12-01"\nevidence_max_age = "2d"')
    (repo.path / "audit.toml").write_text(text)
    again("two")
    asking = ("carry", "--from", "one", "--command", "hello", "--repo", repo.path)
    assert call(*asking).code == 0
    said = call(*asking, "--as-of", "2100-01-01T00:00:00Z")
    assert said.code == 1
    assert "stale" in row(said, "hello")
    assert call(*asking, "--as-of", "soon").code == 2


def test_an_old_bundle_that_does_not_verify_is_broken(call: Any, audited: Any) -> None:
    repo, again = audited
    two = again("two")
    one = two.parent / "one"
    (one / layout.LOGS / "hello.log").write_bytes(b"hullo\n")
    said = call("carry", "--from", one, "--repo", repo.path)
    assert said.code == 1
    assert "broken" in row(said, "hello")
    (two / layout.PLAN).write_bytes(b"{}")
    assert call("carry", two, "--from", one, "--repo", repo.path).code == 3


def test_questions_without_an_answer_are_refused(call: Any, audited: Any, tmp_path: Path) -> None:
    repo, again = audited
    again("two")
    here = ("--repo", repo.path)
    assert "name the earlier run with --from" in call("carry", *here).err
    assert "no such command" in call("carry", "--from", "one", "--command", "x", *here).err
    assert "cannot carry its own" in call("carry", "two", "--from", "two", *here).err
    unknown = call("carry", "--from", "nothing", *here).err
    assert "no run is called name=`nothing` runs=`toy-1/two, toy-1/one`" in unknown
    assert call("status", "toy-1/two", *here).code in (0, 1)
    out = tmp_path / "proof.json"
    said = call("carry", "--from", "one", "--out", out, *here)
    assert said.code == 2
    assert "name one with --command" in said.err
    assert not out.exists()
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    said = call(
        "carry", "--from", "one", "--command", "hello", "--out", nowhere / "proof.json", *here
    )
    assert said.code == 2
    assert "cannot be written" in said.err


def test_what_carries_is_signed_into_the_sign_off(call: Any, audited: Any, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="could_not_run: the extra trust is not installed")
    repo, again = audited
    (repo.path / "audit.toml").write_text(ASKING)
    two = again("two", docs__x_dot_md="2\n")
    key, trust = tmp_path / "me.pem", tmp_path / "trust.toml"
    who = ("--person", "Ada", "--role", "sre", "--role", "qa", "--no-passphrase")
    words = ("--out", key, "--trust", trust, "--valid-from", "2026-01-01T00:00:00Z")
    assert call("keygen", *who, *words).code == 0
    asking = ("carry", two, "--key", key, "--trust", trust, "--repo", repo.path)
    assert "in which role" in call(*asking).err
    assert "does not hold the role boss" in call(*asking, "--role", "boss").err
    before = {path: path.read_bytes() for path in two.rglob("*") if path.is_file()}
    said = call(*asking, "--role", "sre")
    assert said.code == 0
    assert "signed into the sign-off: 1" in said.out
    assert {path: path.read_bytes() for path in two.rglob("*") if path.is_file()} == before
    opened = book.open_book(two)
    (entry,) = opened.log.entries
    assert not opened.log.problems
    assert isinstance(entry.record, signoff.Carry)
    data = (opened.folder / layout.CARRIED / entry.record.proof).read_bytes()
    assert chain.sha256(data) == entry.record.proof
    proof = codec.read(carry.Carried, data)
    assert (proof.command, proof.answer) == ("hello", "met")
    assert proof.old.final_root == entry.record.final_root
    report = book.weighed(opened, book.roster_of(trust), entry.record.signed_utc)
    (fact,) = report.weighed.brought.carries
    assert (fact.command, fact.run, fact.answer) == ("hello", "one", "met")
    signal = next(item for item in report.decision.signals if item.id == "G0-001")
    assert signal.status == "GO"
    (opened.folder / layout.CARRIED / entry.record.proof).write_bytes(data + b" ")
    report = book.weighed(opened, book.roster_of(trust), entry.record.signed_utc)
    assert report.weighed.brought.carries[0].answer == "broken"
    (weight,) = report.weighed.weights
    assert (weight.standing, weight.reason) == ("refused", "the proof for hello: was changed")
    (finding,) = report.steps[-1].findings
    assert finding.problem == weight.reason


def test_a_forged_proof_is_not_believed_for_its_signature(
    call: Any, audited: Any, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="could_not_run: the extra trust is not installed")
    from audit.trust import carry as carrying
    from audit.trust import keys

    repo, again = audited
    (repo.path / "audit.toml").write_text(ASKING)
    one, two = repo.path / "release_evidence/toy-1/one", again("two", src__a_py="2\n")
    key, trust = tmp_path / "me.pem", tmp_path / "trust.toml"
    who = ("--person", "Ada", "--role", "sre", "--no-passphrase", "--out", key, "--trust", trust)
    assert call("keygen", *who, "--valid-from", "2026-01-01T00:00:00Z").code == 0
    known, signer = book.roster_of(trust), keys.load(key, None)
    new = carrying.read(two)
    (proof,) = carrying.prove(new, one, ["hello"], new.facts.as_of)
    assert proof.answer == "wrong_subject"
    same = replace(proof, answer="met", old=replace(proof.old, inputs=proof.new.inputs))
    forged = {
        "contradicts itself": replace(proof, answer="met"),
        "about another run": replace(same, new=replace(same.new, inputs="0" * 64)),
    }
    opened = book.open_book(two)
    for reason, lie in forged.items():
        utc = new.facts.as_of
        entry = carrying.entry_of(opened, lie, "Ada", "sre", utc)
        opened = book.append(opened, entry, [signer])
        (fact,) = book.weighed(opened, known, utc).weighed.brought.carries
        assert fact.answer != "met"
        assert reason in fact.reason


def test_what_does_not_carry_is_not_signed(call: Any, audited: Any, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="could_not_run: the extra trust is not installed")
    repo, again = audited
    two = again("two", src__a_py="2\n")
    key, trust = tmp_path / "me.pem", tmp_path / "trust.toml"
    who = ("--person", "Ada", "--role", "sre", "--no-passphrase", "--out", key, "--trust", trust)
    assert call("keygen", *who).code == 0
    said = call(
        "carry",
        two,
        "--from",
        "one",
        "--key",
        key,
        "--role",
        "sre",
        "--trust",
        trust,
        "--repo",
        repo.path,
    )
    assert said.code == 1
    assert "signed into the sign-off: 0" in said.out
    assert not book.open_book(two).log.entries
    trust.write_text("format_version = 1\n")
    said = call(
        "carry",
        two,
        "--from",
        "one",
        "--key",
        key,
        "--role",
        "sre",
        "--trust",
        trust,
        "--repo",
        repo.path,
    )
    assert said.code == 2
    assert "not in the trust file" in said.err


WATCHED = CARRYING.replace(
    'run = "echo hello"', 'shell = "cat src/a_py docs/x.md; test -e conftest.py || true"'
)


def test_a_cell_is_observed(call: Any, audited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    repo, again = audited
    (repo.path / "audit.toml").write_text(WATCHED)
    two = again("two")
    asking = ("carry", two, "--observe", "hello", "--repo", repo.path, "--json")
    if shutil.which("strace") is None:
        pytest.skip("could_not_run: strace is not installed")
    said = call(*asking)
    if "ptrace" in said.out:
        pytest.skip("could_not_run: ptrace is not allowed here")
    assert said.code == 1
    assert said.value["result"] == "passed"
    assert said.value["undeclared"] == ["docs/x.md"]
    assert said.value["looked_for"] == ["conftest.py"]
    assert "no such cell" in call("carry", two, "--observe", "x", "--repo", repo.path).err
    monkeypatch.setattr(observe, "STRACE", ("no-program-is-called-so",))
    said = call(*asking)
    assert said.code == 2
    assert "could not run: strace is not installed here" in said.out
