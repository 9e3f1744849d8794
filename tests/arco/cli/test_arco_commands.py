"""The command line of Arco: what it says, and what it exits with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from arco.cli import commands, failure
from arco.core.errors import (
    ArcoError,
    Conflict,
    Corrupt,
    Denied,
    Fenced,
    Invalid,
    Unavailable,
)

ROOT = Path(__file__).parents[3]


def call(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Call `arco` in a folder as a user does, with nothing typed."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ARCO_")}
    return subprocess.run(
        [sys.executable, "-m", "arco.cli", *words],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_workspace_is_made_once_and_verified(tmp_path: Path) -> None:
    made = call(tmp_path, "init")
    assert made.returncode == 0, made.stderr
    assert "made, 14 objects created" in made.stdout
    assert "next: arco verify" in made.stdout
    assert "complete already" in call(tmp_path, "init").stdout
    verified = call(tmp_path, "verify")
    assert verified.returncode == 0
    assert "whole: 3 versions" in verified.stdout
    assert verified.stderr == ""
    only = json.loads(call(tmp_path, "verify", "--domain", "catalog", "--json").stdout)
    assert (only["whole"], only["domains"], only["findings"]) == (True, {"catalog": 0}, [])


def test_what_nothing_outlives_is_not_to_be_verified(tmp_path: Path) -> None:
    done = call(tmp_path, "init", "--url", "memory://")
    assert done.returncode == 0, done.stderr
    assert "arco verify" not in done.stdout


def test_what_is_lost_is_found_and_made_again(tmp_path: Path) -> None:
    call(tmp_path, "init", "--tenant", "acme")
    (tmp_path / ".arco/tenant=acme/workspace=main/locks/catalog.lock.json").unlink()
    found = call(tmp_path, "verify", "--tenant", "acme")
    assert found.returncode == failure.FOUND
    assert "error: lock: no lock record key=`locks/catalog.lock.json`" in found.stdout
    assert "next: run `arco init`" in found.stdout
    assert "not whole, 1 errors" in found.stdout
    assert "completed, 1 objects created" in call(tmp_path, "init", "--tenant", "acme").stdout
    assert call(tmp_path, "verify", ARCO_TENANT="acme").returncode == 0


def test_the_root_of_another_is_corrupt(tmp_path: Path) -> None:
    call(tmp_path, "init")
    tenant = tmp_path / ".arco" / "tenant=default"
    tenant.rename(tmp_path / ".arco" / "tenant=other")
    found = call(tmp_path, "init", "--tenant", "other", "--json")
    assert found.returncode == failure.CODES[Corrupt]
    said = json.loads(found.stdout)
    assert said["exit_code"] == found.returncode
    assert "root of another workspace" in said["error"]["problem"]


@pytest.mark.parametrize(
    ("words", "problem", "step"),
    [
        (("verify",), "no such folder", "arco init"),
        (("verify", "--tenant", "Évil"), "not allowed in a key", "lower-case"),
        (("init", "--tenant", "../x"), "not allowed in a key", "lower-case"),
        (("init", "--url", "ftp://x"), "not the address of a store", "s3://"),
        (("init", "--url", "s3://user:secret@x"), "not the address of a store", "s3://"),
        (("vrify",), "did you mean verify?", "--help"),
        (("xyz",), "no such command: xyz; see", "--help"),
        (("sim", "rn"), "did you mean run?", "sim --help"),
        (("verify", "--domain", "x"), "is not one of", "--help"),
        (("iam", "--cloud", "azure", "--env", "prod"), "account", "resource identifier"),
        (("iam", "--cloud", "aws", "--env", "Prod"), "environment", "lower-case"),
    ],
)
def test_bad_words_are_told_with_the_next_step(
    tmp_path: Path, words: tuple[str, ...], problem: str, step: str
) -> None:
    done = call(tmp_path, *words)
    assert done.returncode == failure.USAGE
    assert problem in done.stderr
    assert step in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert not (tmp_path / ".arco").exists()


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = CliRunner().invoke(commands.group, [name, "--help"])
    assert done.exit_code == 0
    assert f"arco {name}" in done.output


def test_no_words_are_usage_and_versions_are_said(tmp_path: Path) -> None:
    for words in ((), ("sim",)):
        bare = call(tmp_path, *words)
        assert bare.returncode == failure.USAGE
        assert "\nCommands:\n" in bare.stdout
        assert bare.stderr == ""
    assert call(tmp_path, "--version").stdout.startswith("arco, version ")


@pytest.mark.parametrize("cloud", ["aws", "gcs"])
def test_policies_are_printed_or_written(tmp_path: Path, cloud: str) -> None:
    words = ("iam", "--cloud", cloud, "--env", "prod")
    printed = json.loads(call(tmp_path, *words, "--json").stdout)["files"]
    assert printed
    written = call(tmp_path, *words, "--out", "iam")
    assert written.returncode == 0, written.stderr
    here = {path.name: path.read_text() for path in (tmp_path / "iam").iterdir()}
    assert here == printed
    for text in printed.values():
        json.loads(text)


def test_each_kind_of_error_has_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = (Invalid, Denied, Corrupt, Conflict, Fenced, Unavailable)
    assert set(kinds) == set(failure.CODES)
    for kind in kinds:
        assert _raise(kind("it broke")) == failure.CODES[kind]
        assert "error: it broke" in capsys.readouterr().err


def test_a_fault_of_ours_is_kept_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert _raise(RuntimeError("oh")) == failure.INTERNAL
    said = capsys.readouterr().err
    assert "internal error: RuntimeError: oh" in said
    assert "Traceback" not in said
    kept = Path(said.split("please report it with ")[1].strip())
    assert "Traceback" in kept.read_text()
    kept.unlink()


@pytest.mark.parametrize(
    "path", ["manifests/root", "manifests/catalog", "floors/catalog", "hints", "locks"]
)
def test_a_file_larger_than_memory_is_no_fault_of_ours(tmp_path: Path, path: str) -> None:
    call(tmp_path, "init")
    folder = tmp_path / ".arco/tenant=default/workspace=main" / path
    os.truncate(next(folder.glob("*")), 1 << 42)  # a hole, which takes no room on the disk
    done = call(tmp_path, "verify")
    said = done.stdout + done.stderr
    assert done.returncode in (failure.FOUND, failure.USAGE)
    assert "record too large" in said or (path == "locks" and "not enough memory" in said)


EVIL = "\x1b]0;owned\x07\x1b[2Jé\r\nwhole: 9 versions \u202e"


def test_what_is_stored_gives_a_terminal_no_orders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _raise(Corrupt(f"tenant=`{EVIL}`")) == failure.CODES[Corrupt]
    assert_harmless(capsys.readouterr().err)
    call(tmp_path, "init")
    genesis = tmp_path / ".arco/tenant=default/workspace=main/manifests/catalog"
    first = genesis / "00000000000000000000.manifest.json"
    manifest = json.loads(first.read_bytes())
    segment = {"digest": "0" * 64, "first": 1, "key": EVIL, "last": 1}
    manifest["segments"] = [segment]
    spelled = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    first.write_text(spelled, encoding="utf-8", newline="")
    found = call(tmp_path, "verify")
    assert found.returncode == failure.FOUND
    assert "error: segment" in found.stdout
    assert_harmless(found.stdout + found.stderr)


def assert_harmless(text: str) -> None:
    assert all(line.isprintable() for line in text.splitlines()), text
    assert not any(line.startswith("whole: 9") for line in text.splitlines())


def test_other_ends_have_their_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert _raise(KeyboardInterrupt()) == failure.INTERRUPTED
    assert _raise(OSError(28, "No space left on device", "/full")) == failure.USAGE
    said = capsys.readouterr().err
    assert "interrupted" in said
    assert "no space left on device: place=`/full`" in said
    assert "make room" in said


def _raise(error: BaseException) -> int:
    @click.command("fails")
    def fails() -> None:
        raise error

    before, sys.argv = sys.argv, ["arco"]
    try:
        return failure.run(fails)
    finally:
        sys.argv = before


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    words = f"{sys.executable} -m arco.cli iam --cloud aws --env prod"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    shell = f"{words} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, env=environ, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize(("client", "code"), [("obstore", 2), ("another_client", -signal.SIGABRT)])
def test_what_a_client_has_in_flight_does_not_change_the_exit_code(
    tmp_path: Path, client: str, code: int
) -> None:
    program = f"import atexit, os, sys\nsys.modules.setdefault({client!r}, sys)\n"
    program += "atexit.register(os.abort)\nsys.argv = ['arco', 'verify', '--url', 'none']\n"
    program += "from arco.cli import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "no such folder" in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("verify >&-", failure.DONE),
        ("verify <&- >&- 2>&-", failure.DONE),
        ("verify >/dev/full", failure.USAGE),
        ("verify --url none 2>&-", failure.USAGE),
        ("verify --url none 2>/dev/full", failure.USAGE),
        ("verify --url none --json >/dev/full", failure.USAGE),
        ("init --tenant other --json >/dev/full", failure.USAGE),
        ("--help >&-", failure.DONE),
    ],
)
def test_streams_that_are_closed_or_full_leave_the_exit_code(
    tmp_path: Path, words: str, code: int
) -> None:
    call(tmp_path, "init")
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    shell = f"exec {sys.executable} -m arco.cli {words}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, env=environ, capture_output=True, check=False
    )
    assert done.returncode == code, done
    assert b"Traceback" not in done.stdout + done.stderr


def test_an_interrupt_ends_in_one_line(tmp_path: Path) -> None:
    call(tmp_path, "init")
    program = "import asyncio, signal, sys, arco.verify\nfrom arco.cli import main\n"
    # A job in the background ignores it, and so do its children.
    program += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "async def slow(*a):\n    print('ready', flush=True)\n    await asyncio.sleep(60)\n"
    program += "arco.verify.Verifier.verify = slow\nsys.argv = ['arco', 'verify']\nmain()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == failure.INTERRUPTED
    assert said.strip() in ("error: interrupted", "interrupted")


def test_errors_are_only_those_that_have_codes() -> None:
    assert {*ArcoError.__subclasses__(), Denied} == set(failure.CODES)
