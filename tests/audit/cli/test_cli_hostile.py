"""Names, definitions, repositories and output that attack whoever reads or shows them."""

from __future__ import annotations

import html.parser
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evidence import codec, layout, model
from tests.audit.cli.bad_input_kit import AUDIT, Make, Patch, cell, folder_of, gate, refused

# --- hostile names --------------------------------------------------------------------------------

EVIL = "evil\n| x |\t\x1b[31m\u202egpj.exe`<b>::error::%0A"


def test_hostile_names_in_the_repository(call: Any, make_toy: Make) -> None:
    repo = make_toy(AUDIT + cell("one", "true", produces='["build/*"]') + gate('{ file = "x*" }'))
    os.makedirs(os.fsencode(repo.path) + b"/d\xff\xfe")
    Path(os.fsdecode(os.fsencode(repo.path) + b"/d\xff\xfe/f\xc3\x28")).write_text("x")
    repo.write(f"{EVIL.replace('/', '')}.txt", "x")
    repo.commit()
    said = call("run", "--repo", repo.path, "--label", "a")
    assert said.code == 1
    assert call("verify", "a", "--repo", repo.path).code == 0
    repo.write(f"{EVIL.replace('/', '')}.txt", "changed")
    text = refused(call("run", "--repo", repo.path, "--label", "b"))
    assert r"evil\n| x |" in text
    refused(call("run", "--repo", repo.path, "--label", "b", "--json"))
    plan = call("plan", "--repo", repo.path)
    assert plan.code == 0
    assert "\x1b" not in plan.out
    assert "\u202e" not in plan.out
    assert call("plan", "--repo", repo.path, "--json").value
    assert call("run", "--repo", repo.path, "--label", "c", "--allow-dirty").code == 1
    assert call("verify", "c", "--repo", repo.path).code == 0


def test_a_folder_with_a_hostile_name(call: Any, make_toy: Make, tmp_path: Path) -> None:
    repo = make_toy(AUDIT + cell("one", "true"), name="plain")
    for name in (
        "a\nverdict: GO",
        "b\x1b]0;x\x07",
        "c\u202e",
        "d e'f\"g",
        os.fsdecode(b"e\xff"),
    ):
        path = tmp_path / name
        shutil.copytree(repo.path, path)
        for words in (["run", "--label", "a"], ["status"], ["verify"], ["report"], ["publish"]):
            said = call(*words, "--repo", path)
            assert said.code in (0, 1), (name, said.err)
            assert not {"\x1b", "\x07", "\u202e"} & set(said.out + said.err)
            assert "\nverdict: GO" not in said.out


def test_hostile_artifacts_are_refused_with_a_reason(call: Any, make_toy: Make) -> None:
    program = (
        "import os; os.makedirs('build', exist_ok=True)\n"
        "for name in (b'a\\nb', b'\\x1b[31m', b'\\xe2\\x80\\xae', b'\\xff', b'ok', b'n' * 255):\n"
        "    open(b'build/' + name, 'wb').write(b'x')\n"
        "os.symlink('/etc/passwd', 'build/link'); os.mkfifo('build/pipe')\n"
    )
    text = AUDIT + (
        f'[[command]]\nid = "make"\nrun = [{json.dumps(sys.executable)}, "-c", '
        f'{json.dumps(program)}]\nproduces = ["build/*"]\n'
    )
    toy = make_toy(text + gate('{ command = "make" }')).path
    said = call("run", "--repo", toy, "--label", "a")
    assert said.code == 0, said.out + said.err
    run = codec.read(model.Run, (folder_of(toy) / layout.RUN).read_bytes())
    kept = {artifact.source for artifact in run.attempts[0].artifacts}
    assert "build/ok" in kept
    assert not {"build/link", "build/pipe", "build/a\nb"} & kept
    assert "control characters" in run.attempts[0].reason
    assert call("verify", "a", "--repo", toy).code == 0


@pytest.mark.parametrize("name", ["../x", "con", "x" * 300, "a\nb", "a\tb", "\u202ea", "a/b", ""])
@pytest.mark.parametrize("where", ["audit", "command"])
def test_hostile_ids_in_the_definition(call: Any, make_toy: Make, name: str, where: str) -> None:
    quoted = json.dumps(name)
    text = f'[audit]\nid = {quoted}\ntitle = "x"\n' if where == "audit" else AUDIT
    toy = make_toy(text + (cell(name, "true") if where == "command" else "")).path
    said = call("run", "--repo", toy)
    text = refused(said)
    assert "audit.toml:" in text
    assert "next: " in text


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 20_000,
        "a = " + "{b=" * 20_000,
        "[" + "a." * 20_000 + "a]",
        "a = " + "9" * 10_000,
        "a = 1e999999",
        "[audit]\n" * 3,
        AUDIT + "date = 9999-12-31T23:59:60Z",
        AUDIT + "jobs = nan",
        AUDIT + "jobs = -1",
        AUDIT + 'evidence_max_age = "99999999999999999999999d"',
        AUDIT + cell("a", "true", timeout='"1e400s"'),
        AUDIT + cell("a", "true", timeout='"0s"'),
        AUDIT + cell("a", "true", cwd='"../.."'),
        AUDIT + cell("a", "true", cwd='"/"'),
        AUDIT + cell("a", "true", env='{ "A=B" = "x" }'),
        AUDIT + cell("a", "true", needs='["a"]'),
        AUDIT + cell("a", "true", needs='["b"]') + cell("b", "true", needs='["a"]'),
        AUDIT + cell("a", "true") + cell("A", "true"),
        AUDIT + cell("a", "true", matrix="{ x = [] }"),
        AUDIT + cell("a", "true", accept_exit_codes="[256]"),
        AUDIT + cell("a", "true") + gate('{ command = "gone" }'),
        AUDIT + gate('{ file = "x", contains = "(" }'),
        AUDIT + gate('{ file = "../../etc/passwd" }'),
        AUDIT + 'outputs = ["../x"]',
        AUDIT + 'outputs = ["/"]',
        AUDIT + 'outputs = [".git/"]',
        AUDIT + 'outputs = ["."]',
        AUDIT + 'outputs = [""]',
        AUDIT + "outputs = []",
    ],
    ids=itertools.count(),
)
def test_hostile_definitions(call: Any, toy: Path, text: str) -> None:
    (toy / "audit.toml").write_text(text)
    said = call("run", "--repo", toy, "--allow-dirty")
    assert "audit.toml" in refused(said)
    assert not (toy / "release_evidence").exists()


# --- hostile repositories -------------------------------------------------------------------------


def test_nothing_that_a_repository_plants_runs(
    call: Any, make_toy: Make, tmp_path: Path, monkeypatch: Patch
) -> None:
    repo = make_toy()
    canary = tmp_path / "canary"
    evil = repo.write(".evil", f'#!/bin/sh\necho "$0 $@" >> {canary}\ncat\n')
    evil.chmod(0o755)
    repo.write(".gitattributes", "* filter=evil diff=evil merge=evil\n")
    repo.commit()
    canary.unlink(missing_ok=True)
    keys = (
        *("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass"),
        *("diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.clean"),
        *("filter.evil.smudge", "filter.evil.process", "gpg.program", "credential.helper"),
        *("merge.evil.driver", "alias.status", "alias.rev-parse", "sequence.editor"),
        *("uploadpack.packObjectsHook", "core.alternateRefsCommand", "gc.recentObjectsHook"),
    )
    for key in keys:
        repo.git("config", key, ("!" if key.startswith("alias") else "") + str(evil))
    repo.git("config", "core.hooksPath", ".hooks")
    repo.git("config", "log.showSignature", "true")
    hooks = repo.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for folder in (hooks, repo.path / ".hooks"):
        folder.mkdir(exist_ok=True)
        for hook in ("post-index-change", "post-checkout", "fsmonitor-watchman", "pre-commit"):
            shutil.copy(evil, folder / hook)
    (repo.path / ".git/info/exclude").write_text(".hooks/\n")
    (repo.path / "README.md").touch()
    assert call("run", "--repo", repo.path, "--label", "a").code in (0, 1)
    repo.write("README.md", "changed, so that filters and diffs are asked\n")
    for words in (["plan"], ["doctor"], ["status"], ["verify"], ["publish"], ["run"], ["init"]):
        call(*words, "--repo", repo.path)
    assert not canary.exists(), canary.read_text()


def test_shallow_clones_are_explained(call: Any, make_toy: Make, tmp_path: Path) -> None:
    repo = make_toy(AUDIT + 'baseline = "v1"\n' + cell("a", "true") + gate('{ command = "a" }'))
    repo.git("tag", "v1")
    repo.commit(more="x")
    assert call("run", "--repo", repo.path).code == 0
    source, clone = f"file://{repo.path}", tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", source, str(clone)], check=True)
    text = refused(call("run", "--repo", clone))
    assert "git fetch --unshallow" in text
    assert "shallow" in call("doctor", "--repo", clone).out


@pytest.mark.parametrize("words", [["run"], ["plan"], ["doctor"], ["init"]])
def test_without_git(call: Any, toy: Path, monkeypatch: Patch, words: list[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    said = call(*words, "--repo", toy)
    text = refused(said)
    if words != ["init"]:
        assert "git is not installed" in text
        assert "apt-get install git" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="could_not_run: only root can give a folder away")
def test_a_repository_of_somebody_else_is_explained(call: Any, toy: Path) -> None:
    for path in (toy, toy / ".git"):
        os.chown(path, 12345, 12345)
    for words in (["run"], ["plan"], ["doctor"]):
        text = refused(call(*words, "--repo", toy))
        assert "safe.directory" in text


def test_no_repository_and_no_commit(call: Any, tmp_path: Path, make_repo: Make) -> None:
    (tmp_path / "empty").mkdir()
    assert "git" in refused(call("run", "--repo", tmp_path / "empty"))
    repo = make_repo("young")
    repo.write("audit.toml", AUDIT)
    assert "commit" in refused(call("run", "--repo", repo.path))


# --- hostile output -------------------------------------------------------------------------------

ATTACK = (
    b"\x1b]0;owned\x07\x1b[2J\x9b31m\xff\xfe\x00 <script>alert(1)</script> </script><img src=x>\n"
    b"| a | b |\n```\n# heading\n::error::owned\n::set-output name=x::y\n::endgroup::\n"
    b"\r::stop-commands::x\r\n##[error]owned\n<!-- --> ]]> &lt; \xe2\x80\xae\xf3\xa0\x81\x81 \x7f\n"
    b"a\tb\tc\n" + b"long " * 5_000 + b"\n::error::last \x1b[8m| x | `y` <b>\xff"
)


class Tags(html.parser.HTMLParser):
    """Every tag of a page, and its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.seen.append((tag, attrs))


def test_output_that_attacks_whoever_shows_it(
    call: Any, make_toy: Make, tmp_path: Path, monkeypatch: Patch
) -> None:
    attack = tmp_path / "attack"
    attack.write_bytes(ATTACK)
    cells = cell("failing", f"cat {attack}; exit 3") + cell("lacking", f"cat {attack}; exit 75")
    toy = make_toy(AUDIT + cells + gate('{ command = "failing" }, { command = "lacking" }')).path
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    said = call("run", "--repo", toy, "--label", "a")
    assert said.code == 1
    assert not [char for char in said.out if not (char.isprintable() or char in "\n\t")]
    commands = _commands(said.out)
    assert commands
    assert {line.split("::")[1].split()[0] for line in commands} <= {"error", "group", "endgroup"}
    folder = folder_of(toy)
    for name in ("failing", "lacking"):
        assert (folder / f"command-logs/{name}.log").read_bytes() == ATTACK
    rows = (folder / layout.STATUS_TSV).read_text().splitlines()
    assert [len(row.split("\t")) for row in rows] == [5, 5, 5]
    for path in [
        *(folder / layout.DOCUMENTS).rglob("*"),
        tmp_path / "summary",
        tmp_path / "output",
    ]:
        if path.is_file():
            text = path.read_text("utf-8")
            assert not {"\x1b", "\x9b", "\x07", "\u202e", "\x7f"} & set(text), path
            assert "<script>" not in text or path.suffix == ".json"
    tags = Tags()
    tags.feed((folder / layout.REPORT).read_text())
    assert not [tag for tag in tags.seen if tag[0] == "img" or ("src", "x") in tag[1]]
    for words in (["status"], ["decide"], ["verify"], ["status", "--json"]):
        shown = call(*words, "--repo", toy).out
        assert not [char for char in shown if not (char.isprintable() or char == "\n")], words


def _commands(out: str) -> list[str]:
    """The lines that a CI service would obey: workflow commands that are not stopped."""
    obeyed: list[str] = []
    stopped = ""
    for line in out.splitlines():
        word = line.lstrip()
        if stopped:
            stopped = "" if word == f"::{stopped}::" else stopped
        elif word.startswith("::stop-commands::"):
            stopped = word.removeprefix("::stop-commands::")
        elif word.startswith(("::", "##[")):
            obeyed.append(word)
    return obeyed


def test_a_gibibyte_is_cut_at_the_limit(call: Any, make_toy: Make) -> None:
    shell = "exec head -c 1073741824 /dev/zero"
    toy = make_toy(AUDIT + cell("flood", shell, output_limit='"1 MB"')).path
    said = call("run", "--repo", toy, "--label", "a", "--json")
    assert said.code == 1
    assert "the output limit was reached" in said.value["cells"][0]["reason"]
    log = folder_of(toy) / "command-logs/flood.log"
    assert log.stat().st_size == 1_000_000
    assert (folder_of(toy) / layout.REPORT).stat().st_size < 2_000_000
    assert call("verify", "a", "--repo", toy).code == 0
