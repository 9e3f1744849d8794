"""What a definition is refused for: each problem with its line, its key and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.definition import load, parse, schema
from audit.definition.load import FILE_BYTES_MAX
from audit.errors import Invalid, Unavailable

HEAD = '[audit]\nid = "a"\ntitle = "t"\n'
GATE = '[[gate]]\nid = 0\nname = "g"\n'
SIGNAL = GATE + '[[gate.signal]]\nid = "S"\ntitle = "t"\nowner = "o"\nexit_test = "e"\n'


def refused(text: str) -> list[tuple[str, str, str]]:
    """Every problem of a text, as (place, problem, next step)."""
    with pytest.raises(Invalid) as caught:
        parse(text.encode())
    return [(e.place, e.problem, e.next_step) for e in (caught.value, *caught.value.others)]


def only(text: str) -> tuple[str, str, str]:
    (problem,) = refused(text)
    return problem


def command(*lines: str) -> str:
    return HEAD + '[[command]]\nid = "c"\n' + "\n".join(lines) + "\n"


def closes(*conditions: str) -> str:
    return HEAD + SIGNAL + f"closes_when = [{', '.join(conditions)}]\n"


def test_smallest_definition_and_its_defaults() -> None:
    definition = parse(HEAD.encode())
    assert definition.audit.outputs == ("release_evidence/", "docs/audits/")
    assert definition.audit.definition_of_done == "ALL_GATES_GO"
    assert (definition.commands, definition.gates, definition.roles) == ((), (), ())
    plain = parse(command('run = "x"').encode()).commands[0]
    assert (plain.timeout, plain.output_limit) == (1_800_000, 10**9)
    assert (plain.accept_exit_codes, plain.could_not_run) == ((0,), (75,))
    assert plain.required
    assert not plain.flaky


def test_values_are_read_as_meant() -> None:
    text = (
        HEAD + 'date = 2026-12-01\nevidence_max_age = "1.5h"\noutputs = ["./out", "docs//"]\n'
        '[evidence]\nbudget = "1 GiB"\n'
        '[[command]]\nid = "c"\nrun = "x"\ntimeout = "250ms"\noutput_limit = "64 MB"\n'
        + SIGNAL
        + 'closes_when = [{ metric = "m", at_least = 90.50, at_most = 1e3 },'
        ' { absent = "x", in = "a/**", except = ["b"] }]\n'
    )
    definition = parse(text.encode())
    assert definition.audit.date == "2026-12-01"
    assert definition.audit.evidence_max_age == 5_400_000
    assert definition.audit.outputs == ("out/", "docs/")
    assert definition.evidence.budget == 2**30
    assert (definition.commands[0].timeout, definition.commands[0].output_limit) == (
        250,
        64 * 10**6,
    )
    metric, absent = definition.gates[0].signals[0].closes_when
    assert metric.model_dump()["at_least"] == "90.50"
    assert metric.model_dump()["at_most"] == "1E+3"
    assert absent.model_dump() == {"absent": "x", "inside": ("a/**",), "besides": ("b",)}


def test_text_may_come_from_anywhere() -> None:
    assert parse(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode()).audit.id == "a"


@pytest.mark.parametrize(
    ("text", "place", "problem", "step"),
    [
        ("[audit]\nid = 1\ntitle = 't'\n", "2: audit.id", "wants text, holds a number", "quotes"),
        ("[audit]\nid = 'a'\n", "1: audit.title", "required key is missing", "title = "),
        ("", "1: audit", "required table is missing", "the table `[audit]` with `id` and `title`"),
        ("audit = 3\n", "1: audit", "wants a table, holds a number", ""),
        (HEAD + "titel = 1\n", "4: audit.titel", "unknown key", "`title`"),
        (HEAD + "[audits]\n", "4: audits", "unknown key", "`[audit]`"),
        (HEAD + "[gate]\nid = 0\n", "4: gate", "wants a list, holds a table", "`[[gate]]`"),
        (HEAD + "[[gates]]\nid = 0\n", "4: gates", "unknown key", "mean `[[gate]]`?"),
        (HEAD + GATE + "[[gate.signals]]\n", "7: gate[0].signals", "unknown", "`[[gate.signal]]`"),
        (HEAD + "date = '2026-02-30'\n", "4: audit.date", "no such day", "exists"),
        (HEAD + "date = 2026-02-01T10:00:00Z\n", "4: audit.date", "wants a date", ""),
        (HEAD + "jobs = 0\n", "4: audit.jobs", "too small", "at least 1"),
        (HEAD + "jobs = true\n", "4: audit.jobs", "wants a whole number", ""),
        (HEAD + "outputs = []\n", "4: audit.outputs", "must not be empty", ""),
        (HEAD + "outputs = ['.']\n", "4: audit.outputs[0]", "folder of its own", ""),
        (HEAD + "outputs = ['../x']\n", "4: audit.outputs[0]", "lead out", ""),
        (HEAD + "evidence_max_age = '3 fortnights'\n", "4", "unknown unit", "`ms`"),
        (HEAD + "evidence_max_age = '0d'\n", "4", "impossible duration", "30d"),
        (HEAD + "evidence_max_age = 30\n", "4", "wants text with a unit", "30d"),
        (HEAD + "definition_of_done = 'SOME'\n", "4", "unknown value", "ALL_GATES_GO"),
        (HEAD + "[evidence]\nbudget = '1 GiBi'\n", "5", "unknown unit", "GiB"),
        (HEAD + "[evidence]\nbudget = '9999 TiB'\n", "5", "impossible size", ""),
        (HEAD + "[secrets]\nenv = ['A B']\n", "5: secrets.env[0]", "no name of a variable", ""),
        (command(), "4: command[0]", "exactly one of run, shell and nox", "`run`"),
        (command("run='x'", "nox='y'"), "4: command[0]", "`run` and `nox`", ""),
        (command("run = 'a | b'"), "6: command[0].run", "needs a shell letter=`|`", "shell ="),
        (command("run = 'A=1 b'"), "6: command[0].run", "before the program", "env ="),
        (command('run = "a \'b"'), "6: command[0].run", "no closing quotation", "close"),
        (command("run = []"), "6: command[0].run", "nothing to run", ""),
        (command("run = '  '"), "6: command[0].run", "nothing to run", ""),
        (command("shell = ''"), "6: command[0].shell", "nothing to run", ""),
        (command("run = 'x {y}'"), "6: command[0].run", "placeholder=`{y}`", "{{y}}"),
        (command("run = 'x'", "timout = '1s'"), "7: command[0].timout", "unknown key", "`timeout`"),
        (command("run = 'x'", "timeout = '-1s'"), "7", "no duration", ""),
        (command("run = 'x'", "accept_exit_codes = [256]"), "7", "too large", "at most 255"),
        (command("run = 'x'", "accept_exit_codes = []"), "7", "must not be empty", ""),
        (command("run = 'x'", "skipped_exit_codes = [0]"), "4", "two meanings code=`0`", ""),
        (command("run = 'x'", "matrix = { v = [3.10] }"), "7", "holds a number", "quotes"),
        (command("run = 'x'", "matrix = { v = [] }"), "4", "no values key=`v`", ""),
        (command("run = 'x'", "matrix = { v = ['a/b'] }"), "7", "path separator", ""),
        (command("run = 'x'", "results = [{ junit='a', metrics='b' }]"), "7", "exactly one", ""),
        (command("run = 'x'", "results = [{ junit='/a' }]"), "7", "depends on the machine", ""),
        (command("run = 'x'", "needs = ['d']"), "7: command[0].needs[0]", "unknown command", "`c`"),
        (command("run = 'x'", "needs = ['c']"), "7", "circle needs=`c -> c`", ""),
        (command("run = 'x'", "[[command]]", "id='C'", "run='y'"), "8", "tells it from `c`", ""),
        (HEAD + GATE + GATE, "8: gate[1].id", "two gates have this id", "rename"),
        (HEAD + GATE + "sginal = []\n", "7: gate[0].sginal", "unknown key", "`signal`"),
        (closes("'x'"), "12", "wants a table such as", ""),
        (closes("{ }"), "12", "no known kind", "`command`"),
        (closes("{ tset = 'x' }"), "12", "no known kind", "`test`"),
        (closes("{ file = 'x', engine = 'plan_sealed' }"), "12", "several kinds", "one table"),
        (closes("{ command = 'x' }"), "12", "unknown command", "no command yet"),
        (closes("{ test = 't', command = 'x' }"), "12", "unknown command", ""),
        (closes("{ engine = 'plan_seald' }"), "12", "unknown engine fact", "`plan_sealed`"),
        (closes("{ approval = 'SRE' }"), "12", "unknown role", "no role yet"),
        (closes("{ metric = 'm' }"), "12", "needs a bound", "at_least"),
        (closes("{ metric = 'm', at_least = nan }"), "12", "not a finite number", ""),
        (closes("{ metric = 'm', at_least = 2, at_most = 1 }"), "12", "no number is", ""),
        (closes("{ file = '../x' }"), "12", "lead out", ""),
        (closes("{ file = 'docs/audits/x.md' }"), "12", "no part of the subject", "external"),
        (closes("{ file = 'x', contains = '(' }"), "12", "not a regular expression", "backslash"),
        (closes("{ absent = 'x' }"), "12", "missing key=`in`", ""),
        (closes("{ absent = '', in = 'x' }"), "12", "occurs everywhere", ""),
        (closes("{ carry = 'c', run = '../x' }"), "12", "", ""),
    ],
)
def test_refusals(text: str, place: str, problem: str, step: str) -> None:
    problems = refused(text)
    assert any(
        item[0].startswith(f"audit.toml:{place}") and problem in item[1] and step in item[2]
        for item in problems
    ), problems
    for told_place, told, _ in problems:
        assert told_place.startswith("audit.toml:")
        assert told[0].islower() or told[0] == "`"
        assert "\n" not in told


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../x", "path separator"),
        ("a\\\\b", "path separator"),
        ("con", "kept by file systems"),
        ("COM1.txt", "kept by file systems"),
        ("x.", "kept by file systems"),
        ("x.attempt-2", "kept by file systems"),
        ("x" * 300, "this one has 300"),
        ("a\\nb", "control character"),
        ("a\\tb", "control character"),
        ("a\\u202Eb", "direction mark"),
        ("a\\u200Bb", "invisible"),
        ("", "must not be empty"),
        (".hidden", "no safe file name"),
        ("-rf", "no safe file name"),
        ("naïve", "no safe file name"),
    ],
)
@pytest.mark.parametrize("where", ["audit", "command", "role", "signal"])
def test_hostile_names_are_refused_with_the_reason(name: str, reason: str, where: str) -> None:
    texts = {
        "audit": f'[audit]\nid = "{name}"\ntitle = "t"\n',
        "command": HEAD + f'[[command]]\nid = "{name}"\nrun = "x"\n',
        "role": HEAD + f'[[role]]\nid = "{name}"\ntitle = "x"\n',
        "signal": HEAD + SIGNAL.replace('id = "S"', f'id = "{name}"'),
    }
    _, problem, _ = only(texts[where])
    assert reason in problem
    assert all(letter.isprintable() for letter in problem)
    assert len(problem) < 200


def test_loop_is_told_once_as_a_path() -> None:
    text = HEAD + "".join(
        f'[[command]]\nid = "{name}"\nrun = "x"\nneeds = ["{need}"]\n'
        for name, need in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"))
    )
    place, problem, _ = only(text)
    assert place == "audit.toml:15: command[2].needs[0]"
    assert "`a -> b -> c -> a`" in problem


def test_two_commands_may_not_make_the_same_cell() -> None:
    text = command("run='x'", "matrix = { v = ['1'] }", "[[command]]", "id = 'C-1'", "run = 'y'")
    assert "same cell cell=`C-1`" in only(text)[1]


def test_matrix_may_not_explode() -> None:
    many = ", ".join(f"'{n}'" for n in range(200))
    text = command("run='x'", f"matrix = {{ a = [{many}], b = [{many}] }}")
    assert "too many cells cells=`40000`" in only(text)[1]


def test_condition_names_a_command_that_leaves_no_such_results() -> None:
    text = command("run='x'", "results = [{ metrics = 'm' }]") + SIGNAL
    assert "writes no junit results" in only(text + "closes_when = [{ test='t', command='c' }]")[1]
    parse((text + "closes_when = [{ metric='t', command='c', at_most=1 }]").encode())


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        "[audit]\nid = '../x'\ntitle = 't'\n"
        "[[command]]\nid = 'broken'\nrum = 'x'\n"
        "[[command]]\nid = 'fine'\nrun = 'x'\nneeds = ['broken', 'fnie']\n"
        "[[command]]\nid = 'fine'\nrun = 'y'\n"
        + SIGNAL
        + "closes_when = [{ command = 'broken' }, { command = 'no' }]\n"
        + "[[gate.signal]]\nid = 'T'\ntitle = 3\n"
        + "[[gate.signal]]\nid = 's'\ntitle = 't'\nowner = 'o'\nexit_test = 'e'\n"
        + "closes_when = [{ command = 'gone' }]\n"
    )
    problems = refused(text)
    lines = [int(place.split(":")[1]) for place, _, _ in problems]
    assert lines == sorted(lines)
    told = {(place.removeprefix("audit.toml:"), problem) for place, problem, _ in problems}
    expected = {
        ("2: audit.id", "path separator"),
        ("6: command[0].rum", "unknown key"),
        ("10: command[1].needs[1]", "`fnie`"),
        ("12: command[2].id", "two commands"),
        ("22: gate[0].signal[0].closes_when[1].command", "`no`"),
        ("25: gate[0].signal[1].title", "wants text"),
        ("27: gate[0].signal[2].id", "two signals"),
        ("31: gate[0].signal[2].closes_when[0].command", "`gone`"),
    }
    for place, part in expected:
        assert any(place == at and part in problem for at, problem in told), (place, told)
    assert not any("`broken`" in problem and "unknown command" in problem for _, problem in told)


def test_a_flood_of_problems_is_cut_and_says_so() -> None:
    problems = refused(HEAD + "".join(f"k{n} = 1\n" for n in range(150)))
    assert len(problems) == 101
    assert problems[-1][1] == "50 more problems are not shown"


def test_numbers_that_no_machine_holds_are_refused() -> None:
    assert refused(HEAD + "jobs = " + "9" * 5_000 + "\n")
    assert refused(HEAD + "jobs = 99999999999999999999\n")


def test_notes_say_what_is_probably_not_meant() -> None:
    text = HEAD + SIGNAL + "closes_when = [{ test = 't' }]\n[[gate]]\nid = 1\nname = 'empty'\n"
    first, second = parse(text.encode()).notes
    assert "gate 1 has no signals" in first
    assert "no command writes junit results" in second
    assert "no gates" in parse(HEAD.encode()).notes[0]
    assert "no closes_when" in parse((HEAD + SIGNAL).encode()).notes[0]


@pytest.mark.parametrize(
    ("data", "place", "problem"),
    [
        (b"[audit\nid = 1\n", "audit.toml:1:7", "expected ']'"),
        (b"[audit]\nid = \n", "audit.toml:2:6", "invalid value"),
        (b"a = 1\na = 2\n", "audit.toml:2", "stands twice"),
        (b"a = 2026-02-30\n", "audit.toml:1:", ""),
        (b"a = '''x\n", "audit.toml:2", "expected"),
        (b"a = " + b"[" * 100_000, "audit.toml", ""),
        (b"a = 1\nb = '\xff'\n", "audit.toml:2", "not UTF-8 byte=`0xff`"),
    ],
)
def test_what_is_no_toml(data: bytes, place: str, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(data)
    assert caught.value.place.startswith(place)
    assert problem in caught.value.problem
    assert caught.value.next_step


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no definition") as caught:
        load(tmp_path / "audit.toml")
    assert "arco-audit init" in caught.value.next_step
    with pytest.raises(Invalid, match="folder"):
        load(tmp_path)
    big = tmp_path / "big.toml"
    big.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(Invalid, match="too large"):
        load(big)
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    with pytest.raises(Unavailable, match="cannot be read"):
        load(loop)


def test_definition_knows_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text(HEAD)
    assert load(tmp_path / "audit.toml").folder == tmp_path


def test_schema_names_every_key() -> None:
    made = schema()
    assert set(made["properties"]) == {
        *("audit", "environment", "secrets", "evidence", "role", "command", "gate"),
    }
    kinds = made["$defs"]["SignalTable"]["properties"]["closes_when"]["items"]["oneOf"]
    assert len(kinds) == 10
