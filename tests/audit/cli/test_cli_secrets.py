"""Canary secrets through a whole run: every spelling, any size of write, all that is written."""

from __future__ import annotations

import base64
import json
import random
import shlex
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from audit.cli import failure
from evidence import layout
from tests.audit.cli.bad_input_kit import AUDIT, Make, Patch, cell, folder_of, gate

# --- secrets --------------------------------------------------------------------------------------

SECRETS = {
    "DEPLOY_TOKEN": "c4nary/+plain\"q\\uote's&<tag>",
    "DB_PASSWORD": "ünïcödé-c4nary-pässwort",
    "SIGNING_KEY": "-----BEGIN KEY-----\nc4naryLineOne/AAAA\nc4naryLineTwo+BBBB\n-----END KEY-----",
    "API_SECRET": "c4nary" * 200,
    "DECLARED": "c4nary-declared-only",
}


def spellings(value: str) -> dict[str, bytes]:
    """Every form of a secret that must not be seen, written without the redactor's help."""
    data = value.encode()
    forms = {
        "plain": data,
        "hex": data.hex().encode(),
        "HEX": data.hex().upper().encode(),
        "url": urllib.parse.quote(data, safe="").encode(),
        "json": json.dumps(value)[1:-1].encode(),
    }
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data + b"\0" * 3)
        inner = whole[-(-8 * before // 6) : 8 * (before + len(data)) // 6]
        forms[f"base64 {before}"] = inner
        forms[f"urlsafe {before}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return forms


LEAK = """
import json, os, pathlib, random, sys, time
seed, folder = sys.argv[1:]
chance = random.Random(seed)
data = pathlib.Path(folder, "forms").read_bytes()
at = 0
while at < len(data):
    size = chance.choice((1, 2, 7, 63, 64, 65, 1000, 4096, 70000))
    os.write(chance.choice((1, 2)), data[at : at + size])
    at += size
pathlib.Path("build").mkdir(exist_ok=True)
pathlib.Path(f"build/{seed}.bin").write_bytes(data)
token = os.environ["DEPLOY_TOKEN"]
quoted = token.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
pathlib.Path(f"build/{seed}.xml").write_text(
    f'<testsuite><testcase classname="t" name="n {quoted}"><failure message="{quoted}">'
    f"{quoted}</failure></testcase>"
    f'<testcase classname="{"".join(f"&#{ord(char)};" for char in token)}" name="spelled out"/>'
    "</testsuite>")
pathlib.Path(f"build/{seed}.json").write_text(json.dumps({"totals": {token: 1, "ok": 1}}))
print("\\nlast line with", token, flush=True)
sys.exit(int(seed) % 3 and 75)
"""


def test_canary_secrets_leak_nowhere(
    call: Any, make_toy: Make, tmp_path: Path, monkeypatch: Patch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    canaries = {
        f"{name} {kind}": form
        for name, value in SECRETS.items()
        for kind, form in spellings(value).items()
    }
    filler = [b"word ", b"\n", b"x" * 300, b"=", b"\xff", b""]
    chance = random.Random(1)
    forms = [chance.choice(filler) + form + chance.choice(filler) for form in canaries.values()]
    (tmp_path / "forms").write_bytes(b"".join(forms * 4))
    (tmp_path / "leak.py").write_text(LEAK)
    quoted = json.dumps(SECRETS["DEPLOY_TOKEN"], ensure_ascii=True)
    cells = "".join(
        f'[[command]]\nid = "leak-{seed}"\n'
        f"run = [{json.dumps(sys.executable)}, {json.dumps(str(tmp_path / 'leak.py'))}, "
        f'"{seed}", {json.dumps(str(tmp_path))}]\n'
        f'results = [{{ junit = "build/{seed}.xml" }}, {{ metrics = "build/{seed}.json" }}]\n'
        f'produces = ["build/{seed}.bin"]\nenv = {{ SESSION_TOKEN = {quoted} }}\n'
        for seed in range(6)
    )
    argv = f'[[command]]\nid = "argv"\nrun = ["echo", {quoted}]\n'
    typed = json.dumps(shlex.join(["echo", SECRETS["DEPLOY_TOKEN"]]))
    argv += f'[[command]]\nid = "typed"\nrun = {typed}\n'
    text = (
        AUDIT
        + 'jobs = 2\n[secrets]\nenv = ["DECLARED"]\n[environment]\nrecord = ["*"]\n'
        + (argv + cells + gate("{ test = 't*' }, { metric = 'totals.ok', at_least = 1 }"))
    )
    toy = make_toy(text).path
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    said = call("run", "--repo", toy, "--label", "a")
    assert said.code == 1, said.err
    seen = {"screen": (said.out + said.err).encode()}
    for words in (["status"], ["status", "--json"], ["decide"], ["plan"], ["plan", "--json"]):
        shown = call(*words, "--repo", toy)
        seen[" ".join(words)] = (shown.out + shown.err).encode()
    folder = folder_of(toy)
    for path in [*folder.rglob("*"), tmp_path / "summary", tmp_path / "output"]:
        if path.is_file() and layout.OBJECTS not in path.parts:
            seen[str(path)] = path.read_bytes()
    leaks = [
        (where, name) for where, data in seen.items() for name in canaries if canaries[name] in data
    ]
    assert leaks == []
    assert b"c4nary" not in b"".join(seen.values())
    assert seen[str(folder / "command-logs/leak-0.log")].count(b"[redacted:") >= 4 * len(canaries)
    assert call("verify", "a", "--repo", toy).code == 0


def test_exit_codes_are_what_they_are_said_to_be() -> None:
    codes = (failure.READY, failure.NOT_READY, failure.USAGE, failure.UNVERIFIED)
    assert codes == (0, 1, 2, 3)
    assert (failure.INTERNAL, failure.INTERRUPTED) == (70, 130)


def test_a_secret_too_short_to_be_found_is_not_recorded_either(
    call: Any, make_toy: Make, monkeypatch: Patch
) -> None:
    monkeypatch.setenv("TINY_TOKEN", "q7z")
    toy = make_toy(AUDIT + '[environment]\nrecord = ["*"]\n' + cell("a", "true")).path
    call("run", "--repo", toy)
    record = (folder_of(toy) / layout.RUN).read_text()
    assert '"[redacted:TINY_TOKEN]"' in record
    assert '"q7z"' not in record
