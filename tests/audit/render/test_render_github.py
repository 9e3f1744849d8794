"""GitHub's surfaces: escaped, bounded, and deaf to commands inside logs."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.render import github, tracker


def built(worlds: ModuleType, name: str = "toy") -> dict[str, Any]:
    plan, run, facts, decision = getattr(worlds, name)()
    return tracker.build(plan, facts, decision, folder=worlds.FOLDER, plan_root=run.plan_root)


def test_a_step_fits_how_the_command_ended(worlds: ModuleType) -> None:
    plan, _, facts, decision = worlds.waiting()
    made = github.annotate(tracker.build(plan, facts, decision, folder="x"))
    steps = {line.split("title=")[1].split()[0]: line.split("next: ")[1] for line in made[:5]}
    assert steps["drift"] == "make it able to run here: no account"
    assert steps["bench"] == (
        "read x/command-logs/bench.log, then raise its timeout or make it faster"
    )
    assert steps["notes"].startswith("see in x/command-logs/notes.log why")
    assert steps["pack"] == "run again, since it was cut short"


def test_annotation_escapes() -> None:
    made = github.annotation("error", "50% of\na: b, c\r", title="x:y,z%", file="a,b.py", line=3)
    assert made == ("::error title=x%3Ay%2Cz%25,file=a%2Cb.py,line=3::50%25 of%0Aa: b, c␍")
    assert github.annotation("notice", "plain") == "::notice::plain"


ANY = st.text(st.characters(codec=None, categories=None), max_size=60)


@given(ANY, ANY)
def test_an_annotation_is_one_command(message: str, title: str) -> None:
    made = github.annotation("error", message, title=title)
    assert len(made.splitlines()) == 1
    properties = made[len("::error") :].split("::")[0]
    assert properties.count(",") == 0


def test_annotations_name_cells_gates_and_steps(worlds: ModuleType) -> None:
    made = github.annotate(built(worlds))
    assert made[0].startswith("::error title=tests did not pass::exit code 1%0Anext: mend what")
    assert "Gate 2 PARTIAL%3A Storage" in made[1]
    assert "next, Core Platform: mend what" in made[1]
    assert len(made) == 3
    assert github.annotate(built(worlds, "green")) == []


def test_annotations_are_bounded_and_say_so(worlds: ModuleType) -> None:
    made = github.annotate(built(worlds, "hostile"))
    assert len(made) == github.ANNOTATIONS_MAX
    assert made[-1].startswith("::error::16 more")
    assert all(len(line.splitlines()) == 1 for line in made)


def test_group_stops_commands_inside() -> None:
    text = "::error::forged\n##[error]old\n::endgroup::\n"
    lines = github.group("log of a: 5%", text).split("\n")
    word = lines[1].removeprefix("::stop-commands::")
    assert lines[0] == "::group::log of a: 5%25"
    assert lines[-2:] == [f"::{word}::", "::endgroup::"]
    assert lines[2:-2] == text.split("\n")[:-1]
    assert word not in text


@given(ANY)
def test_group_cannot_be_ended_from_inside(text: str) -> None:
    made = github.group("t", text)
    word = re.findall("^::stop-commands::(.*)$", made, re.MULTILINE)[0]
    assert made.split("\n").count(f"::{word}::") == 1
    assert made.endswith(f"\n::{word}::\n::endgroup::")


def read_outputs(data: bytes) -> dict[str, str]:
    """Read the file as the runner does."""
    found: dict[str, str] = {}
    lines = iter(data.decode("utf-8", "surrogateescape").split("\n"))
    for line in lines:
        if "<<" in line and ("=" not in line or line.index("<<") < line.index("=")):
            name, word = line.split("<<", 1)
            body = []
            for inner in lines:
                if inner == word:
                    break
                body.append(inner)
            found[name] = "\n".join(body)
        elif line:
            name, _, value = line.partition("=")
            found[name] = value
    return found


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,9}", fullmatch=True), ANY))
def test_outputs_read_back(values: dict[str, str]) -> None:
    values = {name: text.encode("utf-8", "replace").decode() for name, text in values.items()}
    assert read_outputs(github.outputs(values)) == values


@pytest.mark.parametrize("value", ["1\nEOF\nother=2", "a<<b", "x\ny<<EOF\nz\nEOF", "\n"])
def test_a_value_cannot_forge_another_output(value: str) -> None:
    assert read_outputs(github.outputs({"a": value})) == {"a": value}


def test_output_with_a_hostile_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no name of an output"):
        github.outputs({"a\nb": "x"})


def test_output_values(worlds: ModuleType) -> None:
    made = github.output_values(built(worlds), final_root="aa")
    assert made["verdict"] == "NO-GO"
    assert made["report"] == f"{worlds.FOLDER}/report.html"
    assert made["blockers"].count("\n") == 2


def test_summary_of_a_small_run(worlds: ModuleType) -> None:
    page = github.step_summary(built(worlds)).decode()
    assert page.startswith("## NO-GO - Toy production readiness\n")
    assert "| 2 | Storage / manifest / schema / invariants | PARTIAL | 1 | 2 |" in page
    assert "Core Platform" in page
    assert " more" not in page


@pytest.mark.parametrize("bytes_max", [900 * 1024, 16_000, 6_000, 2_000])
def test_summary_fits(worlds: ModuleType, bytes_max: int) -> None:
    plan, _, facts, decision = worlds.large(cells=4000, signals=1000, gates=20)
    made = tracker.build(plan, facts, decision, folder=worlds.FOLDER)
    page = github.step_summary(made, bytes_max=bytes_max)
    assert len(page) <= bytes_max
    assert b"| 19 | Area number 19 |" in page
    cut = b" more in `" in page or page.endswith(b"has the rest.\n")
    assert cut == (bytes_max < 20_000)
    page.decode("utf-8")
