"""What somebody sees who types a command for the first time, or two options that do not fit."""

from __future__ import annotations

import io
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from audit.cli import output
from tests.audit.cli.bad_input_kit import refused

Call = Callable[..., Any]


def test_a_bare_call_prints_its_help_as_it_is(call: Call) -> None:
    said = call()
    assert (said.code, said.err) == (2, "")
    assert said.out == call("--help").out
    assert "\\n" not in said.out
    assert said.out.count("\n") > 20


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("asked", "said"), [("", "\x1b[31mred\x1b[0m\n"), ("1", "red\n")])
def test_a_terminal_shows_no_colours_where_none_are_wanted(
    monkeypatch: pytest.MonkeyPatch, asked: str, said: str
) -> None:
    monkeypatch.setenv("NO_COLOR", asked)
    monkeypatch.setattr("sys.stdout", Terminal())
    output.say(click.style("red", fg="red"))
    assert isinstance(sys.stdout, Terminal)
    assert sys.stdout.getvalue() == said


def test_init_prints_json_where_json_is_asked_for(call: Call, make_repo: Call) -> None:
    path: Path = make_repo("bare").path
    said = call("init", "--stdout", "--json", "--repo", path)
    assert said.code == 0, said.err
    assert said.value["path"] == str(path.resolve() / "audit.toml")
    assert tomllib.loads(said.value["text"])["audit"]["id"]
    assert said.value["text"] == call("init", "--stdout", "--repo", path).out
    assert not (path / "audit.toml").exists()


def test_render_check_is_of_no_run(call: Call, toy: Path) -> None:
    assert call("run", "--repo", toy, "--label", "one").code == 0
    assert call("publish", "--repo", toy).code == 0
    text = refused(call("render", "one", "--check", "--repo", toy))
    assert "published documents" in text
    assert "leave RUN out" in text
    said = call("render", "--check", "--repo", toy)
    assert said.code == 0, said.err
    assert said.out.startswith("the documents are what the tracker says: ")
    assert call("render", "--check", "--repo", toy, "--json").value["as_implied"]


def test_report_tells_that_the_page_is_gone(call: Call, toy: Path, tmp_path: Path) -> None:
    assert call("run", "--repo", toy, "--label", "one").code == 0
    page = Path(call("report", "--repo", toy, "--json").value["report"])
    page.unlink()
    text = refused(call("report", "--repo", toy))
    assert "the page is gone" in text
    assert "--out FILE" in text
    assert call("report", "--repo", toy, "--out", tmp_path / "page.html").code == 0
    assert (tmp_path / "page.html").is_file()


def test_doctor_misses_what_python_is_to_run(call: Call, make_toy: Call) -> None:
    run = f'run = ["{sys.executable}", "-m", "no_such_package", "-q"]'
    gate = '[[gate]]\nid = 0\nname = "A"\n'
    text = f'[audit]\nid = "toy-1"\ntitle = "A"\n[[command]]\nid = "tests"\n{run}\n{gate}'
    path = make_toy(text).path
    said = call("doctor", "--repo", path)
    assert said.code == 0, said.out
    assert "has no package=`no_such_package` cells=`tests`" in said.out
    assert f"next: {sys.executable} -m pip install no_such_package" in said.out


INTERRUPTED = """\
import sys

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
from audit.cli import main
main()
"""


def test_a_ctrl_c_while_the_program_loads_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "--help"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert (
        done.stderr
        == "error: interrupted\n  next: a run that had begun goes on with arco-audit resume\n"
    )
