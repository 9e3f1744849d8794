"""The documents: deterministic, parseable, and unimpressed by hostile text."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import publish
from audit.render import documents, markdown, tracker, visible


def built(worlds: ModuleType, name: str = "toy") -> dict[str, Any]:
    plan, run, facts, decision = getattr(worlds, name)()
    return tracker.build(plan, facts, decision, folder=worlds.FOLDER, plan_root=run.plan_root)


def rows(page: bytes, first_title: str) -> list[list[str]]:
    """The cells of the table that begins with a title, read back as GitHub reads them."""
    lines = page.decode().split("\n")
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_title} |"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def unquoted(cell: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", cell)


def test_pages_and_their_names(worlds: ModuleType) -> None:
    assert sorted(documents.render(built(worlds))) == [
        "findings/gate-0-findings.md", "findings/gate-2-findings.md",
        "findings/gate-4-findings.md", "signal-ledger.md", "summary.md",
    ]  # fmt: skip


def test_same_tracker_same_bytes(worlds: ModuleType) -> None:
    assert documents.render(built(worlds)) == documents.render(built(worlds))


def test_gate_table(worlds: ModuleType) -> None:
    table = rows(documents.render(built(worlds))["summary.md"], "Gate")
    assert [row[:5] for row in table] == [
        ["0", "Re-baseline / tracker integrity", "GO", "2", "0"],
        ["2", "Storage / manifest / schema / invariants", "PARTIAL", "1", "2"],
        ["4", "Deployment / observability / operations", "NO-GO", "0", "2"],
    ]


def test_open_signals_come_with_owner_and_next_step(worlds: ModuleType) -> None:
    made = built(worlds)
    table = rows(documents.render(made)["summary.md"], "Open Signal")
    assert [row[0] for row in table[:4]] == ["G2-001", "G2-002", "G4-001", "G4-002"]
    by_id = {signal["id"]: signal for signal in made["signals"]}
    for row in table[:4]:
        assert row[4] == by_id[row[0]]["owner"]
        assert unquoted(row[5]) == by_id[row[0]]["next_step"]


def test_ledger_parses_back(worlds: ModuleType) -> None:
    made = built(worlds)
    table = rows(documents.render(made)["signal-ledger.md"], "Signal ID")
    assert len(table) == len(made["signals"])
    for row, signal in zip(table, made["signals"], strict=True):
        assert row[:5] == [
            signal["id"], str(signal["gate"]), signal["title"], signal["owner"], signal["status"],
        ]  # fmt: skip
        assert re.findall(r"`([^`]+)`", row[5]) == signal["code"]
        assert re.findall(r"`([^`]+)`", row[6]) == signal["evidence"]
        assert row[7] == signal["exit_test"]
        assert row[8] == (signal["claim"] or "")


def test_ledger_has_no_claim_column_without_claims(worlds: ModuleType) -> None:
    page = documents.render(built(worlds, "green"))["signal-ledger.md"].decode()
    assert "Claimed" not in page
    assert page.count("\n|---|---:|---|---|---|---|---|---|\n") == 1


def test_contradicted_claims_are_shown(worlds: ModuleType) -> None:
    page = documents.render(built(worlds))["summary.md"].decode()
    assert "## Claims That The Evidence Does Not Carry" in page
    assert "| G2-001 | GO | NO-GO |" in page


def test_findings_name_condition_owner_and_step(worlds: ModuleType) -> None:
    page = documents.render(built(worlds))["findings/gate-2-findings.md"].decode()
    opened, closed = page.split("## Signals Closed")
    assert "`G2-001` `NO-GO`" in opened
    assert "   - Next step: mend what" in opened
    assert "   - Condition `no`: command tests passed (tests failed: exit code 1)" in opened
    assert "1. `G2-003`" in closed
    assert "Reason" not in closed


def test_claimed_documents_say_so(worlds: ModuleType) -> None:
    made = built(worlds) | {"basis": "claimed"}
    del made["subject"], made["decided_as_of_utc"]
    pages = documents.render(made)
    for page in pages.values():
        assert page.decode().split("\n")[0].count("Claims, not verified - Toy") == 1
    assert "No command ran" in pages["summary.md"].decode()
    assert "Result as claimed: not every" in pages["summary.md"].decode()


@pytest.mark.parametrize(
    ("status_file", "logs"),
    [
        ("docs/audits/toy/matrix/status.tsv", "docs/audits/toy/matrix/command-logs/"),
        ("status.tsv", "command-logs/"),
        ("", "release_evidence/2026-12-01-toy/first/command-logs/"),
    ],
)
def test_logs_lie_beside_the_status_file(worlds: ModuleType, status_file: str, logs: str) -> None:
    made: dict[str, Any] = built(worlds) | {"basis": "claimed"}
    made["command_matrix"] = made["command_matrix"] | {"status_file": status_file}
    assert f"\n- Logs: `{logs}`\n" in documents.render(made)["summary.md"].decode()


def test_only_failures_are_listed_of_a_large_matrix(worlds: ModuleType) -> None:
    plan, _, facts, decision = worlds.large(cells=400, signals=20, gates=2)
    page = documents.render(tracker.build(plan, facts, decision, folder="x"))["summary.md"]
    table = rows(page, "Command")
    assert len(table) == 10
    assert {row[1] for row in table} == {"failed"}
    assert b"\n390 more passed; the status file names them.\n" in page


@pytest.mark.parametrize("name", ["summary.md", "signal-ledger.md", "findings/gate-2-findings.md"])
def test_hostile_text_stays_text(worlds: ModuleType, name: str) -> None:
    page = documents.render(built(worlds, "hostile"))[name].decode()
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", page))
    assert "<" not in bare
    assert "](" not in bare
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e\ud800-\udfff]", page)
    tables = [line for line in page.split("\n") if line.startswith("|")]
    for line, before in zip(tables[1:], tables, strict=False):
        if "---" not in line + before and line[:6] == before[:6]:
            assert len(re.split(r"(?<!\\)\|", line)) == len(re.split(r"(?<!\\)\|", before))


ANY = st.text(st.characters(codec=None, categories=None), max_size=30)


@given(ANY)
def test_text_is_one_line_and_reads_back(value: str) -> None:
    shown = markdown.text(value)
    assert "\n" not in shown
    if "`" not in value:
        assert unquoted(shown) == visible.line(value.strip(" \t\r\n"))


@given(ANY)
def test_code_spans_cannot_be_left(value: str) -> None:
    shown = str(markdown.code(value)).replace("\\|", "|")
    if shown:
        fence = re.match("`+", shown)
        assert fence
        assert shown.endswith(fence[0])
        inside = shown[len(fence[0]) : -len(fence[0])]
        assert fence[0] not in re.findall("`+", inside)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("`a|b` | c", "`a\\|b` \\| c"),
        ("unbalanced ` tick", "unbalanced \\` tick"),
        ("- item", "\\- item"),
        ("# title", "\\# title"),
        ("12. item", "12\\. item"),
        ("snake_case_name stays", "snake_case_name stays"),
        ("_under_ *star*", "\\_under\\_ \\*star\\*"),
        ("5% -> 25%", "5% -> 25%"),
        ("two\nlines", "two␊lines"),
        ("&amp; & b", "\\&amp; & b"),
    ],
)
def test_prose(value: str, shown: str) -> None:
    assert markdown.text(value) == shown


def test_a_place_may_be_prose() -> None:
    assert (
        markdown.places(["a/b.py:3", "security policy docs"]) == "`a/b.py:3`, security policy docs"
    )


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"\x1b[1;31mred\x1b[0m\r\n", "red\n"),
        (b"\x1b]8;;https://x\x07link\x1b]8;;\x07", "link"),
        (b"10%\r20%", "10%␍20%"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u202eabc".encode(), "⟨U+202E⟩abc"),
        (b"\x00\ttab", "␀\ttab"),
    ],
)
def test_logs_are_made_visible(data: bytes, shown: str) -> None:
    assert visible.log(data) == shown


# --- differences ----------------------------------------------------------------------------------


def write(folder: Path, pages: dict[str, bytes]) -> None:
    for path, data in pages.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def test_check_accepts_what_render_wrote(worlds: ModuleType, tmp_path: Path) -> None:
    made = built(worlds)
    write(tmp_path, documents.render(made))
    assert documents.differences(made, publish.found_documents(tmp_path)) == []


def test_check_names_every_difference(worlds: ModuleType, tmp_path: Path) -> None:
    made = built(worlds)
    write(tmp_path, documents.render(made))
    summary = tmp_path / "summary.md"
    summary.write_text(summary.read_text("utf-8").replace("**NO-GO**", "**GO**"), "utf-8")
    findings = tmp_path / "findings/gate-2-findings.md"
    findings.write_bytes(findings.read_bytes().replace(b"`PARTIAL`", b"`PARTIEL`", 1))
    ledger = tmp_path / "signal-ledger.md"
    ledger.write_bytes(ledger.read_bytes() + b"| G9-001 |\n")
    (tmp_path / "findings/gate-0-findings.md").unlink()
    (tmp_path / "findings/gate-9-findings.md").write_text("old", "utf-8")
    found = documents.differences(made, publish.found_documents(tmp_path))
    assert found[0].startswith(
        "summary.md:3: it differs from what the tracker implies, line=`- Ver"
    )
    assert [line.split(":")[0] for line in found] == [
        "summary.md", "signal-ledger.md", "findings/gate-0-findings.md",
        "findings/gate-2-findings.md",
        "findings/gate-9-findings.md",
    ]  # fmt: skip
    assert "| G9-001 |" in found[1]
