"""The readers by themselves: status files of every variant, Markdown, path entries, logs."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.check.claims import read_cell, read_claim, read_prose
from audit.check.documents import ledger_rows, plain, read_document
from audit.check.logs import read_log
from audit.check.matrix import looks_like_matrix, one_spelling, read_matrix, read_time

START = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
END = datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)
S, E = "2026-03-01T10:00:00Z", "2026-03-01T10:00:05Z"
LOG = "gate-1/command-logs/20260301T100000Z_unit.log"

VARIANTS = {
    "a": f"unit\t0\t{S}\t{E}\tpytest -q\n",
    "b": f"command\texit_code\tstart_utc\tend_utc\tcmd\nunit\t0\t{S}\t{E}\tpytest -q\n",
    "c": "timestamp_utc\tstep\tcommand\texit_code\tresult\tlog_path\n"
    f"{S}\tunit\tpytest -q\t0\tPASS\t{LOG}\n",
    "c, other time": "utc_timestamp\tstep\tcommand\texit_code\tresult\tlog_path\n"
    f"{S}\tunit\tpytest -q\t0\tPASS\t{LOG}\n",
    "d": "signal\tcommand\tstart_utc\tend_utc\texit_code\tlog_path\n"
    f"G5-001\tpytest -q\t{S}\t{E}\t0\t{LOG}\n",
    "d, stage": "stage\tcommand\tstart_utc\tend_utc\texit_code\tlog_path\n"
    f"canary\tpytest -q\t{S}\t{E}\t0\t{LOG}\n",
    "e": f"step\tcommand\texit_code\tutc\nunit\tpytest -q\t0\t{S}\n",
    "f": f"{LOG}\tpytest -q\t0\n",
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_becomes_the_same_kind_of_row(name: str) -> None:
    matrix = read_matrix(VARIANTS[name].encode())
    assert matrix.variant == name[0]
    assert matrix.problems == ()
    (row,) = matrix.rows
    assert (row.id, row.cmd, row.exit_code, row.passed) == ("unit", "pytest -q", 0, True)
    assert row.line == (1 if name[0] in "af" else 2)
    assert row.log_path == (LOG if name[0] in "cdf" else "")
    assert (row.first, row.last) == {
        "a": (START, END),
        "b": (START, END),
        "c": (START, START),
        "d": (START, END),
        "e": (START, START),
        "f": (None, None),
    }[name[0]]


@pytest.mark.parametrize("name", VARIANTS)
def test_windows_ends_a_mark_and_empty_lines_change_nothing(name: str) -> None:
    strange = "\ufeff" + VARIANTS[name].replace("\n", "\r\n") + "\r\n\r\n"
    assert read_matrix(strange.encode()).rows == read_matrix(VARIANTS[name].encode()).rows


def test_columns_may_stand_in_another_order() -> None:
    text = f"cmd\tcommand\tend_utc\tstart_utc\texit_code\npytest -q\tunit\t{E}\t{S}\t3\n"
    (row,) = read_matrix(text.encode()).rows
    assert (row.id, row.cmd, row.exit_code, row.start_utc, row.end_utc) == (
        *("unit", "pytest -q", 3),
        *(START, END),
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("command\tcode\tbegin\tend\tcmd\nx\t0\t1\t2\ty\n", 1),
        ("name,exit\nx,0\n", 1),
        ("", 1),
        ("\n\n", 1),
        ("just words\n", 1),
    ],
)
def test_unknown_columns_are_not_half_read(text: str, line: int) -> None:
    matrix = read_matrix(text.encode())
    assert (matrix.variant, matrix.rows) == ("", ())
    assert [problem.line for problem in matrix.problems] == [line]


def test_result_and_exit_code_are_two_facts() -> None:
    text = VARIANTS["c"].replace("\t0\tPASS", "\t1\tPASS")
    (row,) = read_matrix(text.encode()).rows
    assert (row.exit_code, row.passed) == (1, True)
    (row,) = read_matrix(text.replace("PASS", "FAIL").encode()).rows
    assert not row.passed


def test_no_exit_code_is_not_passed() -> None:
    (row,) = read_matrix(VARIANTS["b"].replace("\t0\t", "\t\t").encode()).rows
    assert (row.exit_code, row.passed) == (None, False)


@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_problems(data: bytes) -> None:
    matrix = read_matrix(data)
    assert matrix.rows or matrix.problems or matrix.variant


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
            st.one_of(st.none(), st.integers(-9, 255)),
            st.from_regex(r"[ -~]{1,20}", fullmatch=True).map(str.strip).filter(bool),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_written_as_variant_b_is_read_back(rows: list[tuple[str, int | None, str]]) -> None:
    lines = [f"{name}\t{'' if code is None else code}\t{S}\t{E}\t{cmd}" for name, code, cmd in rows]
    text = "command\texit_code\tstart_utc\tend_utc\tcmd\n" + "\n".join(lines) + "\n"
    read = read_matrix(text.encode())
    assert read.problems == ()
    assert [(row.id, row.exit_code, row.cmd) for row in read.rows] == rows


def test_which_tables_are_meant_as_status_files() -> None:
    assert looks_like_matrix("command-matrix-status.tsv", b"anything")
    assert looks_like_matrix("x.tsv", b"step\tcommand\texit_code\tutc\n")
    assert not looks_like_matrix("bench.tsv", b"size\tseconds\n")


def test_times_and_commands() -> None:
    assert read_time("2026-03-01T10:00:00.5+01:00") is not None
    for text in ("2026-03-01T10:00:00", "2026-02-30T10:00:00Z", "yesterday", ""):
        assert read_time(text) is None
    assert one_spelling("a  b\\tc") == one_spelling("a b c") == "a b c"
    assert one_spelling("pytest") != one_spelling("pytest -q")


# --- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("src/a.rs", "src/a.rs", None),
        ("src/a.rs:824", "src/a.rs", 824),
        ("src/a.rs:824:7", "src/a.rs", 824),
        ("src/a.rs#L10", "src/a.rs", 10),
        ("src/a.rs#L10-L20", "src/a.rs", 10),
        ("src/a.rs:10-20", "src/a.rs", 10),
        ("tests/test_a.py::test_b[x y]", "tests/test_a.py", None),
        ("docs/runbooks/", "docs/runbooks/", None),
        ("CHANGELOG.md", "CHANGELOG.md", None),
        (".github/workflows/ci.yml", ".github/workflows/ci.yml", None),
        ("../secret", "../secret", None),
        ("security policy docs", None, None),
        ("release docs", None, None),
        ("production deployment system", None, None),
        ("https://example.invalid/a.html", None, None),
        ("RunRequested -> RunTriggered/PlanCreated", None, None),
        ("none", None, None),
        ("--all-features", None, None),
        ("", None, None),
    ],
)
def test_entries_are_paths_or_prose(text: str, path: str | None, line: int | None) -> None:
    claim = read_claim(text)
    assert (claim.path, claim.line) == (path, line)


def test_cells_hold_code_spans_paths_and_prose() -> None:
    cell = "`a/b.md`, release docs + `c.log`; d/e.py and - "
    assert [claim.text for claim in read_cell(cell)] == [
        "a/b.md",
        "release docs",
        "c.log",
        "d/e.py and -",
    ]
    assert [claim.text for claim in read_cell("`a/b.md` and `c/d.md`")] == ["a/b.md", "c/d.md"]
    assert [claim.text for claim in read_cell("`` a`b/c.md `` & x/y.py")] == ["a`b/c.md", "x/y.py"]


def test_prose_names_only_what_has_a_folder() -> None:
    line = "- `read_domain_watermark` in `src/a.rs:436` (see `README.md`, `cargo test -p x/y`)"
    assert [claim.path for claim in read_prose(line)] == ["src/a.rs"]


# --- documents ------------------------------------------------------------------------------------

TABLE = """# Ledger

Text | with a pipe.

```
| Signal ID | Status |
|---|---|
| FENCED | GO |
```

| Extra | Status | Exit Test / Closure Condition | Signal ID | Gate | Signal | Owner | Evidence |
|---|:---|---|---|---:|---|---|---|
| x | `GO` | a \\| b | X-1 | 3 | **Bold** \\*kept\\* `a|b` &lt;i&gt; | Me | `p/q.log` |
| x | GO | cut | X-2 | 3 |
"""


def test_tables_are_read_by_the_titles_of_their_columns() -> None:
    document = read_document(TABLE)
    (table,) = document.tables
    assert table.line == 11
    (row,) = ledger_rows(document)
    assert (row.id, row.gate, row.status, row.owner) == ("X-1", 3, "GO", "Me")
    assert row.exit_test == "a | b"
    assert row.title == "Bold *kept* `a|b` <i>"
    assert [claim.path for claim in row.evidence] == ["p/q.log"]
    assert row.line == 13
    assert table.rows[1].ragged == 5


def test_plain_undoes_what_markdown_writes() -> None:
    assert plain("a \\| `c\\|d` \\[x\\] <br> &amp; __b__") == "a | c|d [x]   & b"


def test_what_is_escaped_is_no_markup() -> None:
    assert plain(r"\&quot; \&#35; \<br> \\&amp;") == r"&quot; &#35; <br> \&"


@given(st.text(max_size=200))
def test_any_text_is_a_document(text: str) -> None:
    read_document(text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1))
def test_titles_survive_our_own_quoting(title: str) -> None:
    from audit.render import markdown

    cell = str(markdown.text(title))
    row = f"| Signal ID | Status | Signal |\n|---|---|---|\n| A | GO | {cell} |\n"
    (read,) = ledger_rows(read_document(row))
    assert read.title.replace("`", "") == title.replace("`", "")


def test_the_header_list_is_read() -> None:
    document = read_document(
        "# T\n\n- Audit date: 2026-01-01\n- Done (locked): `A B`\n\n## S\n\n- x: y\n"
    )
    assert document.title == "T"
    assert document.header == {"audit date": ("2026-01-01", 3), "done": ("A B", 4)}


# --- logs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "test result: FAILED. 3 passed; 1 failed; 0 ignored",
        "error: could not compile `x` (lib) due to 1 previous error",
        "error: test failed, to rerun pass `-p x`",
        "=========== 1 failed, 3 passed, 2 warnings in 0.31s ===========",
        "=========== 2 errors in 0.31s ===========",
        "1 failed, 3 passed in 0.31s",
        "--- FAIL: TestX (0.00s)",
        "FAIL\texample.com/x\t0.005s",
        "FAIL",
        "Tests:       1 failed, 3 passed, 4 total",
        "Test Suites: 1 failed, 1 total",
        "FAILED (failures=1, skipped=2)",
        "Tests run: 4, Failures: 1, Errors: 0, Skipped: 0",
        "[ERROR] Tests run: 4, Failures: 0, Errors: 1, Skipped: 0",
        "BUILD FAILED in 3s",
        "  3 failing",
        "# fail 2",
        "     Summary [   0.1s] 4 tests run: 3 passed, 1 failed, 0 skipped",
        "advisories FAILED, bans ok, licenses ok, sources ok",
        "advisories ok, bans ok, licenses FAILED, sources ok",
        "make: *** [Makefile:3: test] Error 1",
        "\x1b[31m1 failed\x1b[0m, 3 passed in 0.31s",
    ],
)
def test_closing_lines_that_report_failures(text: str) -> None:
    hit = read_log(f"collecting\n{text}\nthe end\n".encode()).failure
    assert hit is not None
    assert hit.line == 2


@pytest.mark.parametrize(
    "text",
    [
        "test result: ok. 4 passed; 0 failed; 0 ignored",
        "test error::tests::a_failed_call ... ok",
        "warning: 3 errors in the old format were 1 failed before",
        "===== 4 passed, 1 warning in 0.31s =====",
        "Tests:       3 passed, 3 total",
        "Tests run: 4, Failures: 0, Errors: 0, Skipped: 1",
        "# fail 0",
        "advisories ok, bans ok, licenses ok, sources ok",
        "  captured: test result: FAILED is what it printed",
        "FAILURE is not an option",
        "0 failed, 3 passed in 0.31s",
    ],
)
def test_lines_that_only_speak_of_failure(text: str) -> None:
    assert read_log(f"{text}\n".encode()).failure is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured\n" * 2, 4),
        ("12 passed, 3 skipped in 0.31s", 3),
        ("===== 12 passed, 3 skipped, 1 xfailed in 0.31s =====", 3),
        ("Tests:       2 skipped, 3 passed, 5 total", 2),
        ("OK (skipped=3)", 3),
        ("Tests run: 4, Failures: 0, Errors: 0, Skipped: 1", 1),
        ("--- SKIP: TestX (0.00s)\n--- SKIP: TestY (0.00s)", 2),
        ("test result: ok. 1 passed; 0 failed; 0 ignored", 0),
    ],
)
def test_ignored_tests_are_counted(text: str, count: int) -> None:
    hit = read_log(text.encode()).ignored
    assert (hit.count if hit else 0) == count


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("at /Users/someone/arco/Cargo.lock:34:1", "/Users/someone/arco/Cargo.lock:34:1"),
        ("(/home/someone/x)", "/home/someone/x"),
        ("file:///home/someone/x", "file:///home/someone/x"),
        ("/root/x/y.py: no", "/root/x/y.py"),
        ("C:\\Users\\someone\\x", "C:\\Users\\someone"),
        ("https://example.invalid/home/someone/x", None),
        ("docs/Users/guide/x", None),
        ("/home/runner/work/x", None),
        ("/usr/lib/python3", None),
    ],
)
def test_local_paths(text: str, found: str | None) -> None:
    hit = read_log(text.encode()).local
    assert (hit.text.split(":34")[0] if hit else None) == (found.split(":34")[0] if found else None)


KINDS = {
    "-----BEGIN RSA PRIVATE " + "KEY-----": "private key",
    "AKIA" + "A1B2C3D4E5F6G7H8": "AWS access key",
    "ghp_" + "a" * 36: "GitHub token",
    "glpat-" + "a" * 20: "GitLab token",
    "xoxb-" + "1" * 12: "Slack token",
    "AIza" + "a" * 35: "Google API key",
    "npm_" + "a" * 36: "npm token",
    "postgres://user:" + "hunter22" + "@db.example.invalid": "password in a URL",
    "Authorization: Bearer " + "abcdef0123456789": "bearer token",
    "eyJ" + "hbGciOiJI" + ".eyJ" + "zdWIiOiIx" + "." + "c2lnbmF0dXJlc2ln": "signed JSON web token",
}


@pytest.mark.parametrize("text", KINDS, ids=KINDS.values())
def test_secrets_are_named_by_kind_only(text: str) -> None:
    hit = read_log(f"line\n{text}\n".encode()).secret
    assert hit is not None
    assert (hit.line, hit.text) == (2, KINDS[text])


@pytest.mark.parametrize(
    "text",
    [
        "https://user:[redacted:TOKEN]@example.invalid",
        "https://user:***@example.invalid",
        "Authorization: Bearer [redacted:TOKEN]",
        "ghp_short",
        "a@b.example.invalid",
        "test static_bearer_token_is_redacted ... ok",
    ],
)
def test_what_is_no_secret(text: str) -> None:
    assert read_log(text.encode()).secret is None


@given(st.binary(max_size=500))
def test_any_bytes_are_a_log(data: bytes) -> None:
    json.dumps([hit.text for hit in (read_log(data).local, read_log(data).failure) if hit])


@pytest.mark.parametrize(
    "data",
    [
        b"=" * 4_000_000 + b" failed",
        b"= " + b"1 failed " * 400_000,
        b"1, 1 skipped " * 300_000,
        b"-eyJ" * 20_000,
        b"https://a:" + b"b" * 3_000_000 + b"@",
        b"/Users/a" * 400_000,
    ],
    ids=lambda data: repr(data[:12]),
)
def test_endless_lines_are_bounded(data: bytes) -> None:
    began = time.process_time()
    read_log(data)
    assert time.process_time() - began < 5
