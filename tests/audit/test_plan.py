"""What a definition compiles to, and that it does so the same way every time."""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import plan as planning
from audit.definition import Definition, parse
from audit.errors import Invalid
from audit.plan import compile_plan, order, redacted, tree_lines
from evidence import codec, model
from evidence.model import CommandPassed, MetricWithin, Plan, ResultFile, Subject, Tool

TOOL = Tool("arco-audit", "0")
SUBJECT = Subject("c" * 40, "2026-11-30T10:00:00Z", "t" * 40, "d" * 64, "main", (), ())
HEAD = '[audit]\nid = "2026-12-01-ready"\ntitle = "Ready"\n'


def defined(text: str) -> Definition:
    return parse((HEAD + text).encode())


def plan_of(text: str, **named: Any) -> Plan:
    return compile_plan(defined(text), SUBJECT, label="one", baseline_commit="", tool=TOOL, **named)


def signal(*conditions: str) -> str:
    return (
        '[[gate]]\nid = 0\nname = "g"\n[[gate.signal]]\nid = "G0-001"\ntitle = "t"\nowner = "o"\n'
        f'exit_test = "e"\ncloses_when = [{", ".join(conditions)}]\n'
    )


def test_matrix_makes_cells_in_the_order_of_its_keys() -> None:
    plan = plan_of(
        '[[command]]\nid = "t"\nrun = "tool -v {python} --os={os} {{python}}"\n'
        'matrix = { python = ["3.11", "3.13"], os = ["a", "b"] }\n'
        'cwd = "in/{os}/."\nenv = { Z = "{python}", A = "${HOME}" }\n'
        'results = [{ junit = "build/{python}-{os}.xml" }]\nproduces = ["dist/{os}/*"]\n'
    )
    assert [cell.id for cell in plan.cells] == ["t-3.11-a", "t-3.11-b", "t-3.13-a", "t-3.13-b"]
    cell = plan.cells[1]
    assert cell.argv == ("tool", "-v", "3.11", "--os=b", "{python}")
    assert cell.cmd == "tool -v 3.11 --os=b {python}"
    assert cell.cwd == "in/b"
    assert cell.env == ("A=${HOME}", "Z=3.11")
    assert cell.results == (ResultFile("junit", "build/3.11-b.xml"),)
    assert cell.produces == ("dist/b/*",)
    assert {cell.command for cell in plan.cells} == {"t"}


def test_needs_and_conditions_on_a_command_mean_all_its_cells() -> None:
    plan = plan_of(
        '[[command]]\nid = "a"\nrun = "x {v}"\nmatrix = { v = ["1", "2"] }\n'
        'results = [{ junit = "{v}.xml" }]\n'
        '[[command]]\nid = "b"\nrun = "y"\nneeds = ["a"]\nresults = [{ metrics = "m.json" }]\n'
        '[[command]]\nid = "c"\nrun = "z"\nresults = [{ junit = "z.xml" }]\n'
        + signal(
            '{ command = "a" }',
            '{ test = "t" }',
            '{ test = "t", command = "a" }',
            '{ metric = "m", at_least = 1.50 }',
        )
    )
    assert plan.cells[2].needs == ("a-1", "a-2")
    assert plan.signals[0].conditions == (
        CommandPassed("command", "a", ("a-1", "a-2")),
        model.TestPassed("test", "t", ("a-1", "a-2", "c")),
        model.TestPassed("test", "t", ("a-1", "a-2"), every=True),
        MetricWithin("metric", "m", ("b",), at_least="1.50"),
    )


def test_age_limit_of_a_condition_comes_before_that_of_the_audit() -> None:
    plan = parse(
        (
            HEAD
            + 'evidence_max_age = "2d"\n[[command]]\nid = "a"\nrun = "x"\n'
            + signal('{ command = "a" }', '{ command = "a", max_age = "1h" }', '{ file = "x" }')
        ).encode()
    )
    compiled = compile_plan(plan, SUBJECT, label="l", baseline_commit="", tool=TOOL)
    first, second, _ = compiled.signals[0].conditions
    assert isinstance(first, CommandPassed)
    assert isinstance(second, CommandPassed)
    assert (first.max_age_ms, second.max_age_ms) == (172_800_000, 3_600_000)
    assert compiled.rules.max_age_ms == 172_800_000


@pytest.mark.parametrize(
    ("written", "argv", "cmd"),
    [
        ("run = \"a 'b c' d\"", ("a", "b c", "d"), "a 'b c' d"),
        ('run = ["a", "b c", "*"]', ("a", "b c", "*"), "a 'b c' '*'"),
        ('shell = "a | b > $C"', ("sh", "-c", "a | b > $C"), "a | b > $C"),
        (
            'nox = "lint"',
            ("/py", "-m", "nox", "-s", "lint", "--report", "release_evidence/nox-x.json"),
            "python -m nox -s lint",
        ),
        (
            'nox = "t(a=1)"\ncwd = "sub/dir"',
            (
                *("/py", "-m", "nox", "-f", "../../noxfile.py", "-s", "t(a=1)"),
                *("--report", "release_evidence/nox-x.json"),
            ),
            "python -m nox -f ../../noxfile.py -s 't(a=1)'",
        ),
    ],
)
def test_words_that_are_executed_and_the_line_that_is_shown(
    written: str, argv: tuple[str, ...], cmd: str
) -> None:
    plan = plan_of(f'[[command]]\nid = "x"\n{written}\n', interpreter="/py")
    assert (plan.cells[0].argv, plan.cells[0].cmd) == (argv, cmd)


def test_nox_cell_leaves_a_report() -> None:
    plan = plan_of('[[command]]\nid = "x"\nnox = "t-{v}"\nmatrix = { v = ["1"] }\n')
    assert plan.cells[0].results == (ResultFile("nox", "release_evidence/nox-x-1.json"),)


def test_a_value_with_spaces_stays_one_word() -> None:
    plan = plan_of('[[command]]\nid = "x"\nrun = ["echo", "{v} b"]\nmatrix = { v = ["a.c"] }\n')
    assert plan.cells[0].argv == ("echo", "a.c b")


@pytest.mark.parametrize(
    ("audit", "date"),
    [
        ('id = "2026-12-01-ready"', "2026-12-01"),
        ('id = "2026-12-01-ready"\ndate = 2027-01-02', "2027-01-02"),
        ('id = "ready"', "2026-11-30"),
        ('id = "2026-12-012"', "2026-11-30"),
    ],
)
def test_date_of_the_audit(audit: str, date: str) -> None:
    definition = parse(f'[audit]\n{audit}\ntitle = "t"\n'.encode())
    plan = compile_plan(definition, SUBJECT, label="l", baseline_commit="b", tool=TOOL)
    assert plan.audit.date == date
    assert plan.audit.baseline_commit == "b"


def test_exit_codes_that_are_accepted_are_not_taken_for_could_not_run() -> None:
    plan = plan_of('[[command]]\nid = "x"\nrun = "x"\naccept_exit_codes = [0, 75]\n')
    assert plan.cells[0].could_not_run_exit_codes == ()


def test_claims_are_carried_beside_the_conditions() -> None:
    assert plan_of(signal(), claims={"G0-001": "GO"}).signals[0].claim == "GO"
    assert plan_of(signal()).signals[0].claim is None


def test_claims_come_from_the_file_beside_the_definition(tmp_path: Path) -> None:
    from audit.definition import load

    path = tmp_path / "audit.toml"
    path.write_text(HEAD + 'claims = "claims.json"\n' + signal())
    with pytest.raises(Invalid, match="no file of claims"):
        planning.load_claims(load(path))
    claims = tmp_path / "claims.json"
    claims.write_text('{"signals": [{"id": "G0-001", "status": "PARTIAL"}, {"id": "X"}]}')
    assert planning.load_claims(load(path)) == {"G0-001": "PARTIAL"}
    claims.write_text('{"signals": [{"id": "G0-001", "status": "GREEN"}]}')
    assert planning.load_claims(load(path)) == {}
    for bad in ("[]", "{}", '{"signals": [1]}', "{", '{"a": 1.5}'):
        claims.write_text(bad)
        with pytest.raises(Invalid, match="claims"):
            planning.load_claims(load(path))


def test_order_puts_needs_first_and_else_keeps_the_order_of_the_file() -> None:
    plan = plan_of(
        "".join(
            f'[[command]]\nid = "{name}"\nrun = "x"\nneeds = {needs}\n'
            for name, needs in (("d", '["c"]'), ("b", '["a"]'), ("c", '["b", "a"]'), ("a", "[]"))
        )
    )
    assert [cell.id for cell in order(plan)] == ["a", "b", "c", "d"]


@given(st.integers(0, 40), st.randoms(use_true_random=False))
def test_order_is_topological_and_complete(size: int, luck: random.Random) -> None:
    names = [f"c{n}" for n in range(size)]
    blocks = []
    for n, name in enumerate(names):
        needs = luck.sample(names[:n], min(n, luck.randrange(4)))
        quoted = ", ".join(f'"{need}"' for need in needs)
        blocks.append(f'[[command]]\nid = "{name}"\nrun = "x"\nneeds = [{quoted}]\n')
    luck.shuffle(blocks)
    plan = plan_of("".join(blocks))
    seen: set[str] = set()
    for cell in order(plan):
        assert set(cell.needs) <= seen
        seen.add(cell.id)
    assert seen == set(names)


def test_order_is_not_bound_by_the_depth_of_a_chain() -> None:
    needs = [f'["c{n + 1}"]' for n in range(2_999)] + ["[]"]
    plan = plan_of(
        "".join(
            f'[[command]]\nid = "c{n}"\nrun = "x"\nneeds = {need}\n' for n, need in enumerate(needs)
        )
    )
    assert next(iter(order(plan))).id == "c2999"


FULL = (
    'jobs = 3\n[[role]]\nid = "SRE"\ntitle = "s"\n[secrets]\nenv = ["B", "A"]\n'
    '[[command]]\nid = "a"\nrun = "x"\nenv = { B = "1", A = "2" }\nmatrix = { v = ["1", "2"] }\n'
    '[[command]]\nid = "b"\nshell = "y"\nneeds = ["a"]\nresults = [{ junit = "j.xml" }]\n'
    + signal(
        '{ command = "a" }',
        '{ test = "t" }',
        '{ file = "f", contains = "x" }',
        '{ absent = "p", in = ["a", "b"], except = "c" }',
        '{ engine = "plan_sealed" }',
        '{ approval = "SRE" }',
        '{ external = "e", role = "SRE" }',
        '{ carry = "a", run = "r/1" }',
    )
)


@given(st.randoms(use_true_random=False))
def test_plan_does_not_depend_on_the_order_of_keys(luck: random.Random) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return [shuffled(item) for item in value]
        if isinstance(value, dict):
            keys = list(value)
            luck.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return value

    value = tomllib.loads(HEAD + FULL)
    again = parse(toml_of(shuffled(value)).encode())
    assert compile_plan(again, SUBJECT, label="one", baseline_commit="", tool=TOOL) == plan_of(FULL)


def toml_of(value: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {inline(item)}" for key, item in value.items())


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, bool | int):
        return str(value).lower()
    return json.dumps(value)


def test_plan_comes_back_from_its_bytes() -> None:
    plan = plan_of(FULL)
    assert codec.read(Plan, codec.write(plan)) == plan
    assert codec.write(plan_of(FULL)) == codec.write(plan)


def test_redacted_plan_keeps_its_shape() -> None:
    plan = plan_of('[[command]]\nid = "x"\nrun = "tool hunter2"\nenv = { P = "hunter2" }\n')
    written = redacted(plan, lambda text: text.replace("hunter2", "[redacted:P]"))
    assert "hunter2" not in codec.write(written).decode()
    assert written.cells[0].argv == ("tool", "[redacted:P]")
    assert plan.cells[0].argv == ("tool", "hunter2")


@pytest.mark.parametrize(
    "label", ["", "a//b", "../x", "a/..", "/a", "con", "a b", "é", "a/b.", "Sign-off/a"]
)
def test_bad_labels(label: str) -> None:
    with pytest.raises(Invalid):
        planning.check_label(label)
    planning.check_label("phase-3/batch-3-head")


def test_tree_for_people() -> None:
    lines = tree_lines(plan_of(FULL))
    assert lines[1] == "subject cccccccccccc on main"
    assert lines[2:6] == [
        "cells (3, 3 at a time)",
        "├─ a-1  x",
        "├─ a-2  x",
        "└─ b  y  after a-1, a-2",
    ]
    assert lines[6:9] == ["gates (1)", "└─ 0  g", "   └─ G0-001  t (o)"]
    assert lines[-1] == "      └─ evidence of a carried over from r/1"


def test_five_thousand_cells_compile_once_per_definition() -> None:
    values = ", ".join(f'"{n}"' for n in range(5_000))
    gates = "".join(
        f'[[gate]]\nid = {g}\nname = "g"\n'
        + "".join(
            f'[[gate.signal]]\nid = "G{g}-{s}"\ntitle = "t"\nowner = "o"\nexit_test = "e"\n'
            'closes_when = [{ command = "c0" }, { test = "t", command = "c0" }]\n'
            for s in range(100)
        )
        for g in range(10)
    )
    plan = plan_of(
        f'[[command]]\nid = "big"\nrun = "x {{v}}"\nmatrix = {{ v = [{values}] }}\n'
        '[[command]]\nid = "c0"\nrun = "y"\nneeds = ["big"]\nresults = [{ junit = "j" }]\n' + gates
    )
    assert len(plan.cells) == 5_001
    assert len(plan.signals) == 1_000
