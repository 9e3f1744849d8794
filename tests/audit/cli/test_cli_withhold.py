"""Withholding: the secret's bytes are nowhere, everything verifies, and a forged one is found."""

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

from audit.errors import Corrupt
from audit.trust import book, keys, withholding
from evidence import chain, codec, contents, folder, layout, standalone
from evidence.model import Leaf, Seal
from evidence.signoff import Withholding
from tests.audit.cli.bad_input_kit import refused
from tests.audit.cli.sign_off_kit import WAITING, Desk

MISSING = "could_not_run: the packages of the extra trust are not installed"
pytest.importorskip("securesystemslib", reason=MISSING)
pytest.importorskip("cryptography", reason=MISSING)

SECRET = "tok-9f86d081884c7d65"
LOG = layout.log_path("leaks", 1, 1)
LEAKY = (
    WAITING
    + f"""
[[command]]
id = "leaks"
shell = "head -c 65530 /dev/zero | tr '\\\\0' x; echo {SECRET} | tee kept.txt; echo done"
required = false
produces = ["kept.txt"]
"""
)
GITIGNORE = "release_evidence/\nkept.txt\n"


@pytest.fixture
def desk(call: Any, make_toy: Callable[..., Any], tmp_path: Path) -> Desk:
    # The command line is in the plan as well, so the secret is put together by the shell.
    text = LEAKY.replace(SECRET, 'tok-""9f86d081884c7d65'.replace('"', '\\"'))
    repo = make_toy(text)
    repo.write(".gitignore", GITIGNORE)
    repo.commit()
    said = call("run", "--repo", repo.path, "--label", "one")
    assert said.code == 1, said.err
    keys = tmp_path / "keys"
    keys.mkdir()
    return Desk(call, repo.path, keys)


def withhold(desk: Desk, key: Path, *words: object, path: str = LOG) -> Any:
    given = ("--role", "SRE", "--key", key, "--yes", "--reason", "a token", *words)
    return desk.do("withhold", "one", path, *given)


def holders(folder: Path, text: str = SECRET) -> list[str]:
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and text.encode() in path.read_bytes()
    ]


def standalone_says(desk: Desk, *words: str | Path) -> tuple[int, str]:
    program = desk.keys / "verify.py"
    program.write_bytes(standalone.committed())
    done = subprocess.run(
        [sys.executable, "-I", program, desk.run, *words], capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def test_a_secret_is_taken_out_and_everything_verifies(desk: Desk) -> None:
    ada = desk.key("ada", "SRE", "runner")
    assert holders(desk.run) == ["artifacts/leaks/1/kept.txt", LOG]  # the page packs its logs
    root = chain.checkpoint_of((desk.run / "checkpoint").read_bytes()).final_root
    said = withhold(desk, ada, "--match", SECRET)
    assert said.code == 0, said.out + said.err
    assert holders(desk.run) == []
    assert not (desk.run / "report.html").exists()
    log = (desk.run / LOG).read_bytes()
    assert log.startswith(b"[withheld: a token]  ")
    assert len(log) == 65530 + len(SECRET) + 1 + len("done\n")
    assert "chunk 0 of command-logs/leaks.log was withheld" in said.out
    for code, text in (
        (desk.call("verify", desk.run, "--expect-root", root).code, said.out),
        standalone_says(desk, "--expect-root", root),
    ):
        assert code == 0, text
        assert "VERIFIED" in text
        assert "note: report.html was withheld after the seal" in text
        assert "chunk 1 of command-logs/leaks.log was withheld" in text
    assert desk.call("attest", "--repo", desk.toy, "--key", ada).code == 0
    assert desk.do("verify").code == 0
    assert standalone_says(desk, "--trust", desk.trust)[0] == 0
    assert desk.sign(ada).code == 0  # what is left can still be approved


def test_chunks_are_named(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    said = withhold(desk, ada, "--chunk", 1, "--json")
    assert said.code == 0, said.err
    assert said.value["verified"]
    assert {item["path"] for item in said.value["notes"]} == {LOG, "report.html"}
    log = (desk.run / LOG).read_bytes()
    assert log[: chain.CHUNK_BYTES].startswith(b"xxx")
    assert contents.is_marker(log[chain.CHUNK_BYTES :])


def test_what_cannot_be_withheld_is_refused(desk: Desk) -> None:
    ada, eve = desk.key("ada", "SRE"), desk.key("eve", "SRE", trusted=False)
    beyond = withhold(desk, ada, "--chunk", 9)
    assert "no such chunk" in refused(beyond)
    assert "next: chunks are numbered from 0 to " in beyond.err
    assert "which chunks" in refused(withhold(desk, ada))
    assert "nowhere in the bundle" in refused(withhold(desk, ada, "--match", "absent-text"))
    ours = withhold(desk, ada, "--match", "Offline: no network")  # words of the verifier
    assert "nowhere in the bundle" in refused(ours)
    assert "did you mean" in refused(withhold(desk, ada, path="command-logs/leak.log"))
    assert "would not verify" in refused(withhold(desk, ada, path="plan.json"))
    assert "is not in the trust file" in refused(withhold(desk, eve, "--chunk", 0))
    assert "nobody says why" in refused(withhold(desk, ada, "--chunk", 0, "--reason", " "))
    words = ("one", LOG, "--role", "SRE", "--key", ada, "--chunk", 0, "--reason", "r")
    assert "--yes" in refused(desk.do("withhold", *words))
    assert desk.log == b""
    assert desk.call("verify", desk.run).code == 0
    told = desk.do("withhold", *words[:-4], "--match", '"timeout_ms":', "--reason", "r")
    assert (told.code, "plan.json, which cannot be withheld" in told.out) == (1, True)
    assert "nobody is there to ask" not in told.err
    assert "sealed leaves, which stay" not in told.out
    assert desk.log == b""
    said = withhold(desk, ada, "--match", "error: broken")  # the command line is in the plan
    assert said.code == 1
    assert "plan.json, which cannot be withheld" in said.out


def forge(desk: Desk, chunk: int = 0) -> None:
    """Take a chunk out without saying so."""
    log, salts = desk.run / LOG, desk.run / layout.salts_path(LOG)
    data, salt = log.read_bytes(), salts.read_bytes()
    start, at = chunk * chain.CHUNK_BYTES, chunk * chain.SALT_BYTES
    size = len(data[start : start + chain.CHUNK_BYTES])
    log.write_bytes(data[:start] + contents.marker("fine", size) + data[start + size :])
    salts.write_bytes(salt[:at] + contents.NO_SALT + salt[at + chain.SALT_BYTES :])


def test_a_withholding_that_nobody_signed_is_found(desk: Desk) -> None:
    ada = desk.key("ada", "SRE", "runner")
    assert desk.call("attest", "--repo", desk.toy, "--key", ada).code == 0
    forge(desk)
    said = desk.call("verify", desk.run)
    assert said.code == 0
    assert "note: chunk 0" in said.out
    assert "nobody signed for that" in desk.do("verify").out
    assert desk.do("verify").code == 3
    code, text = standalone_says(desk, "--trust", desk.trust)
    assert code == 3
    assert "nobody signed for that" in text
    (desk.run / "report.html").unlink()
    assert desk.call("verify", desk.run).code == 3
    assert standalone_says(desk)[0] == 3


def test_a_signed_entry_covers_what_it_names_and_no_more(desk: Desk) -> None:
    ada = desk.key("ada", "SRE", "runner")
    assert desk.call("attest", "--repo", desk.toy, "--key", ada).code == 0
    assert withhold(desk, ada, "--chunk", 1).code == 0
    assert desk.do("verify").code == 0
    forge(desk)
    said = desk.do("verify")
    assert said.code == 3
    assert "chunk 0 was withheld, and nobody signed" in said.out
    assert "chunk 1 was withheld, and nobody" not in said.out


@pytest.mark.parametrize("fails_at", range(8))
def test_after_a_crash_the_same_command_finishes_the_job(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    """The disk says no at each write in turn; what is there then is never half believed."""
    ada = desk.key("ada", "SRE")
    write, calls = withholding._write, [0]

    def failing(handle: int, data: bytes, at: int) -> None:
        calls[0] += 1
        if calls[0] > fails_at:
            os.pwrite(handle, data[: len(data) // 2], at)
            raise OSError(5, "Input/output error")
        write(handle, data, at)

    monkeypatch.setattr(withholding, "_write", failing)
    said = withhold(desk, ada, "--match", SECRET)
    monkeypatch.setattr(withholding, "_write", write)
    assert said.code == (2 if calls[0] > fails_at else 0)
    entries = desk.log.count(b"\n")
    again = withhold(desk, ada, "--match", SECRET)
    if said.code:
        assert again.code == 0, again.err
        assert desk.log.count(b"\n") == entries == 3
    assert holders(desk.run) == []
    assert desk.call("verify", desk.run).code == 0


def test_a_text_is_found_across_blocks_and_chunks() -> None:
    size = chain.CHUNK_BYTES
    data = bytearray(3 * size)
    for at in (size - 3, 2 * size + 5):
        data[at : at + 6] = b"secret"
    for block in (4_099, size, size - 1, 5 * size):
        pieces = [bytes(data[at : at + block]) for at in range(0, len(data), block)]
        assert withholding.matching(pieces, b"secret") == [0, 1, 2]
    assert withholding.matching([bytes(data)], b"absent") == []
    assert withholding.matching([b"s" * 10], b"s") == [0]


def test_links_are_never_followed(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    target = desk.keys / "elsewhere"
    target.write_text("precious")
    assert withhold(desk, ada, path="report.html").code == 0
    opened = book.open_book(desk.run)
    report = book.weighed(opened, book.roster_of(desk.trust), "2099-01-01T00:00:00Z")
    (desk.run / "report.html").symlink_to(target)
    with pytest.raises(Corrupt, match="not a regular file"):
        withholding.finish(opened, report.weighed.weights)
    assert target.read_text() == "precious"
    assert json.loads((desk.layer / "decision.json").read_text())["verdict"] == "NO-GO"


def test_a_link_on_the_way_is_not_followed(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    assert withhold(desk, ada, path="artifacts/leaks/1/kept.txt").code == 0
    elsewhere = desk.keys / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept.txt").write_text("precious")
    folder = desk.run / "artifacts/leaks/1"
    folder.rmdir()
    folder.symlink_to(elsewhere)
    said = withhold(desk, ada, "--chunk", 0)
    assert (elsewhere / "kept.txt").read_text() == "precious"
    assert (said.code, "lies behind a link" in said.err) == (3, True)


@pytest.mark.parametrize("way", ["plan.json", "artifacts/../../../../../keys/precious"])
def test_a_signed_entry_takes_nothing_away_that_cannot_be_withheld(desk: Desk, way: str) -> None:
    """The seal and the entry are of somebody who may sign; the command is somebody else's."""
    ada, eve = desk.key("ada", "SRE"), desk.key("eve", "SRE")
    target = desk.run / way
    target.resolve().touch()
    before = target.read_bytes()
    seal_file = desk.run / layout.SEAL
    sealed = codec.read(Seal, seal_file.read_bytes())
    known = {leaf.name: leaf.hash for leaf in sealed.final}
    leaf = Leaf(f"file/{way}", known.get(f"file/{way}", "ab" * 32))
    if leaf.name not in known:
        seal_file.write_bytes(codec.write(replace(sealed, final=(*sealed.final, leaf))))
    opened = book.open_book(desk.run)
    utc = opened.sealed.run.end_utc
    entry = Withholding(opened.at(), "eve", "SRE", utc, way, (), (leaf.hash,), "gone")
    book.append(opened, entry, [keys.load(eve, None)])
    withhold(desk, ada, "--chunk", 0)
    assert target.exists()
    assert target.read_bytes() == before


def test_every_command_knows_what_was_withheld(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    assert withhold(desk, ada, "--match", SECRET).code == 0
    given = ("one", "--repo", desk.toy)
    for seed in range(3):
        said = desk.call("selftest", *given, "--mutants", 300, "--seed", seed, "--json")
        assert said.code == 0, said.out + said.err
        assert (said.value["mutants"], said.value["survivors"]) == (300, [])
    said = desk.call("export", *given, "--format", "junit")
    assert said.code == 0, said.err
    assert "<testsuites" in said.out
    text = refused(desk.call("report", *given))
    assert "the page was withheld" in text
    page = desk.keys / "page.html"
    assert desk.call("report", *given, "--out", page).code == 0
    assert SECRET.encode() not in page.read_bytes()
    (desk.run / "plan.json").write_bytes(b"{}")
    assert desk.call("export", *given, "--format", "junit").code == 3


def test_a_page_that_is_too_large_to_be_weighed_is_not_verified(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = desk.key("ada", "SRE", "runner")
    assert desk.call("attest", "--repo", desk.toy, "--key", ada).code == 0
    size = (desk.run / layout.REPORT).stat().st_size
    monkeypatch.setattr(folder, "RECORD_BYTES_MAX", size - 1)
    assert desk.call("verify", desk.run).code == 0
    said = desk.do("verify")
    assert said.code == 3
    assert "\nVERIFIED" not in said.out
    assert "report.html: is larger than" in said.err
