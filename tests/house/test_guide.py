"""The guide says what the code says: every key, every code, every command, every exit code."""

from __future__ import annotations

import re
from pathlib import Path

import guide_tables
import pytest
from click.testing import CliRunner

from arco.cli import commands as arco_commands
from arco.cli import failure as arco_failure
from audit.cli import commands, failure
from audit.definition import models

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"
DEFINITION = (GUIDE / "definition.md").read_text("utf-8")
COMMANDS = (GUIDE / "commands.md").read_text("utf-8")
ATTACKS = (GUIDE / "attacks.md").read_text("utf-8")
TABLES = (
    models.AuditTable,
    models.CommandTable,
    models.SignalTable,
    models.GateTable,
    models.EnvironmentTable,
    models.SecretsTable,
    models.EvidenceTable,
    models.RoleTable,
)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_of_the_definition_is_explained(table: type[models.Table]) -> None:
    keys = {field.alias or name for name, field in table.model_fields.items()}
    missing = {key for key in keys if f"`{key}`" not in DEFINITION and f".{key}" not in DEFINITION}
    assert not missing


@pytest.mark.parametrize("kind", list(models.CONDITIONS))
def test_every_kind_of_condition_is_explained(kind: str) -> None:
    assert f"| `{{ {kind} = " in DEFINITION


def test_every_engine_fact_is_named() -> None:
    assert all(f"`{fact}`" in DEFINITION for fact in models.ENGINE_FACTS)


def test_the_example_of_the_definition_loads(tmp_path: Path) -> None:
    from audit.definition import load

    example = re.search(r"```toml\n(.*?)```", DEFINITION, re.DOTALL)
    assert example
    (tmp_path / "audit.toml").write_text(example[1])
    assert load(tmp_path / "audit.toml").gates[0].signals[0].id == "G1-001"


@pytest.mark.parametrize("name", guide_tables.PAGES)
def test_what_follows_from_code_is_as_the_code_has_it(name: str) -> None:
    text = (GUIDE / name).read_text("utf-8")
    wanted = guide_tables.page(name, text)
    assert wanted == text, "python tests/house/guide_tables.py writes it again"


@pytest.mark.parametrize("name", list(commands.COMMANDS))
def test_every_command_has_help_with_an_example_and_a_row(name: str) -> None:
    shown = CliRunner().invoke(commands.group, [name, "--help"])
    assert shown.exit_code == 0
    assert f"arco-audit {name}" in shown.output.split("Example", 1)[1]
    assert f"| `{name}` |" in COMMANDS


def test_the_help_shows_every_command_once_in_its_section() -> None:
    shown = CliRunner().invoke(commands.group, ["--help"]).output
    places = [shown.index(f"\n{title}:\n") for title in commands.SECTIONS]
    assert places == sorted(places)
    assert sum(map(len, commands.SECTIONS.values())) == len(commands.COMMANDS)
    named = re.findall(r"^  ([a-z]+) {2,}\S", shown, re.MULTILINE)
    assert [name for name in named if name in commands.COMMANDS] == list(commands.COMMANDS)
    files = {path.stem for path in (ROOT / "audit" / "cli").glob("*_command.py")}
    assert {f"{name}_command" for name in commands.COMMANDS} == files


def test_every_exit_code_is_explained() -> None:
    rows = set(re.findall(r"^\| (\d+) \|", COMMANDS.partition("\n## arco\n")[0], re.MULTILINE))
    codes = {failure.READY, failure.NOT_READY, failure.USAGE, failure.UNVERIFIED, failure.WAIVED}
    assert rows == {str(code) for code in codes | {failure.INTERNAL, failure.INTERRUPTED}}


def test_each_test_that_a_page_of_faults_names_exists() -> None:
    text = (GUIDE / "storage-faults.md").read_text("utf-8")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", text)
    assert len(named) > 20
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / "tests" / path).is_file()
        or f"def {name}(" not in (ROOT / "tests" / path).read_text("utf-8")
    ]
    assert not missing


def test_every_attack_names_a_test_that_is_there() -> None:
    rows = [row for row in ATTACKS.splitlines() if row.startswith("| ") and "| Test |" not in row]
    bare = [row for row in rows if "`test_" not in row.rpartition(" | ")[2]]
    assert rows
    assert not bare
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", ATTACKS))
    assert not [name for name in sorted(named) if f"def {name}(" not in sources]


@pytest.mark.parametrize("room", ["board", "withhold", "carry"])
def test_attacks_on_every_part_of_the_sign_off_are_listed(room: str) -> None:
    files = (ROOT / "tests").rglob(f"test_*{room}*.py")
    held = {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert held & set(re.findall(r"`(test_\w+)`", ATTACKS))


def test_every_command_and_exit_code_of_arco_is_in_the_guide() -> None:
    part = COMMANDS.partition("\n## arco\n")[2]
    for name, text in arco_commands.COMMANDS.items():
        assert f"| `{name}` | {text} |" in part
    named = {int(code) for code in re.findall(r"^\| (\d+) \|", part, re.MULTILINE)}
    others = {
        arco_failure.DONE,
        arco_failure.FOUND,
        arco_failure.INTERNAL,
        arco_failure.INTERRUPTED,
    }
    assert named == {*arco_failure.CODES.values(), *others}
