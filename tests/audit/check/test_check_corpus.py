"""The real audit: what a check finds in it, what an import makes of it, and its 38 statuses.

The golden list was reviewed finding by finding against the corpus. Every name here holds the word
corpus, so that CI can demand that these tests ran where there is a corpus.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.check import (
    as_claimed_tracker,
    check,
    import_tracker,
    read_claims,
    read_tracker,
    render_as_claimed,
)
from audit.check.documents import LedgerRow, ledger_rows, read_document
from audit.check.matrix import read_matrix
from audit.definition import load, parse
from audit.plan import compile_plan
from evidence import judge, model
from evidence.model import (
    AttemptFact,
    EngineFact,
    Facts,
    FileFact,
    FilePresent,
    Plan,
    ResultFact,
    Subject,
    Tool,
)

GOLDEN = Path(__file__).parents[2] / "golden"
RUN = "release_evidence/2026-02-12-prod-readiness/phase-3/batch-3-head"
DIGEST = "ab" * 32
SUBJECT = Subject("c" * 40, "2026-02-13T00:00:00Z", "d" * 40, DIGEST, "main", (), ())


def golden_form(finding: Any) -> dict[str, str]:
    """Return what the golden list keeps: code, severity and place, no words of others."""
    return {"code": finding.code, "severity": finding.severity, "place": str(finding.place)}


# --- check ----------------------------------------------------------------------------------------


def test_corpus_findings_are_the_reviewed_ones(corpus_tracker: Path) -> None:
    report = check(corpus_tracker)
    found = [golden_form(item) for item in (*report.findings, *report.could_not_check)]
    assert found == json.loads((GOLDEN / "corpus-findings.json").read_text("utf-8"))
    assert report.exit_code == 0


def test_corpus_findings_are_the_same_at_a_revision_of_git(
    laid_out: Path, make_repo: Callable[..., Any]
) -> None:
    folder = make_repo("corpus")
    shutil.copytree(laid_out, folder.path, dirs_exist_ok=True)
    folder.git("add", "--all", "--force")
    folder.git("commit", "--quiet", "--message", "as audited")
    tracker = folder.path / "docs/audits/2026-02-12-prod-readiness/gate-tracker.json"
    report = check(tracker, folder.path, "HEAD")
    found = [golden_form(item) for item in (*report.findings, *report.could_not_check)]
    assert found == json.loads((GOLDEN / "corpus-findings.json").read_text("utf-8"))


def test_corpus_is_checked_in_well_under_a_second(corpus_tracker: Path, laid_out: Path) -> None:
    began = time.process_time()
    check(corpus_tracker, laid_out)
    assert time.process_time() - began < 2


def test_corpus_ten_paths_of_open_signals_do_not_exist(corpus_tracker: Path) -> None:
    report = check(corpus_tracker)
    missing = [item for item in report.findings if item.code == "AUD202"]
    assert len(missing) == 10
    assert {item.place.file.rpartition("/")[2] for item in missing} == {"signal-ledger.md"}
    assert not [item for item in report.findings if item.code == "AUD201"]


def test_corpus_commit_that_cannot_be_looked_up_is_no_finding(corpus_tracker: Path) -> None:
    report = check(corpus_tracker)
    (baseline,) = [item for item in report.could_not_check if item.code == "AUD902"]
    assert baseline.place.json_path == "baseline_commit"


@pytest.mark.parametrize(
    ("code", "file", "old", "new"),
    [
        ("AUD301", "signal-ledger.md", "| Platform + SRE | NO-GO |", "| Platform + SRE | GO |"),
        ("AUD305", "summary.md", "| PARTIAL | 5 | 2 |", "| PARTIAL | 6 | 1 |"),
        ("AUD306", "summary.md", "| PARTIAL | 5 | 2 |", "| GO | 5 | 2 |"),
        ("AUD308", "findings/gate-2-findings.md", "`GO` (all", "`PARTIAL` (all"),
        ("AUD314", "summary.md", "validation remains `NO-GO`", "validation is `GO`"),
        (
            "AUD109",
            "gate-tracker.json",
            '"status": "PARTIAL",\n      "status_r',
            '"status": "GO",\n      "status_r',
        ),
        ("AUD404", f"../../../{RUN}/command-matrix-status.tsv", "fmt_check\t0", "fmt_check\t1"),
        (
            "AUD501",
            f"../../../{RUN}/command-logs/test_arco_flow_default.log",
            "test result: ok",
            "test result: FAILED",
        ),
    ],
)
def test_corpus_with_one_planted_fault(
    code: str, file: str, old: str, new: str, laid_out: Path, tmp_path: Path
) -> None:
    for source in (laid_out / "docs/audits/2026-02-12-prod-readiness", laid_out / RUN):
        for path in source.rglob("*"):
            if path.is_file():
                target = tmp_path / path.relative_to(laid_out)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    folder = tmp_path / "docs/audits/2026-02-12-prod-readiness"
    planted = (folder / file).resolve()
    text = planted.read_text("utf-8")
    assert old in text
    planted.write_text(text.replace(old, new, 1), "utf-8")
    report = check(folder / "gate-tracker.json", tmp_path)
    assert code in {item.code for item in report.findings}


# --- import and render --as-claimed ---------------------------------------------------------------


@pytest.fixture(scope="module")
def imported(
    corpus_tracker: Path, laid_out: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the folder that the corpus was imported into."""
    out = tmp_path_factory.mktemp("imported")
    summary = import_tracker(corpus_tracker, laid_out, out)
    assert (summary.gates, summary.signals, summary.commands) == (7, 38, 16)
    return out


@pytest.fixture(scope="module")
def rendered(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the documents of the claims."""
    out = tmp_path_factory.mktemp("claimed")
    render_as_claimed(imported / "audit.toml", out)
    return out


def rows_by_id(path: Path) -> dict[str, LedgerRow]:
    rows = ledger_rows(read_document(path.read_text("utf-8")))
    return {row.id: dataclasses.replace(row, line=0) for row in rows}


def gate_table(path: Path) -> list[list[str]]:
    table = read_document(path.read_text("utf-8")).table("gate", "status", "closed")
    assert table is not None
    columns = ("gate", "name", "status", "closed", "open")
    return [[row.text(column) for column in columns] for row in table.rows]


def test_corpus_ledger_comes_back_the_same(rendered: Path, corpus: Path) -> None:
    ours = rows_by_id(rendered / "signal-ledger.md")
    theirs = rows_by_id(corpus / "docs/audits/2026-02-12-prod-readiness/signal-ledger.md")
    assert len(ours) == 38
    assert ours == theirs


def test_corpus_gate_table_comes_back_cell_by_cell(
    rendered: Path, corpus: Path, repository_root: Path
) -> None:
    ours = gate_table(rendered / "summary.md")
    assert ours == gate_table(corpus / "docs/audits/2026-02-12-prod-readiness/summary.md")
    seed = corpus.parents[1] / "seeds" / "production-readiness-summary.md"
    if seed.is_file():
        assert ours == gate_table(seed)
    assert [row[0] for row in ours] == ["0", "1", "2", "3", "4", "5", "7"]


def test_corpus_primary_evidence_is_the_trackers_own(rendered: Path, corpus_tracker: Path) -> None:
    table = read_document((rendered / "summary.md").read_text("utf-8")).table("gate", "closed")
    assert table is not None
    shown = [[claim.text for claim in row.paths("evidence")] for row in table.rows]
    assert shown == [list(gate.evidence) for gate in read_tracker(corpus_tracker).gates]


def test_corpus_claims_are_titled_as_claims(rendered: Path) -> None:
    for path in rendered.rglob("*.md"):
        assert "laim" in path.read_text("utf-8").splitlines()[0], path.name
    assert json.loads((rendered / "gate-tracker.json").read_text("utf-8"))["basis"] == "claimed"


def test_corpus_import_loses_nothing(imported: Path, corpus: Path, corpus_tracker: Path) -> None:
    claims = read_claims(imported / "claims.json")
    tracker = read_tracker(corpus_tracker)
    assert claims.value["tracker"] == tracker.value
    folder = "docs/audits/2026-02-12-prod-readiness"
    for name in ("signal-ledger.md", "summary.md", "findings/gate-2-findings.md"):
        text = (corpus / folder / name).read_text("utf-8")
        assert claims.value["documents"][f"{folder}/{name}"] == text
    assert claims.statuses == {signal.id: signal.status for signal in tracker.signals}
    assert claims.gates == {gate.id: gate.status for gate in tracker.gates}
    matrix = read_matrix((corpus / tracker.matrix.status_file).read_bytes())
    definition = load(imported / "audit.toml")
    runs = {command.id: command.run for command in definition.commands if command.required}
    assert runs == {row.id: row.cmd for row in matrix.rows}
    assert set(runs.values()) == set(tracker.matrix.required)
    rows = rows_by_id(corpus / "docs/audits/2026-02-12-prod-readiness/signal-ledger.md")
    signals = {signal.id: signal for gate in definition.gates for signal in gate.signals}
    for name, row in rows.items():
        signal = signals[name]
        assert (signal.title, signal.owner, signal.exit_test) == (
            row.title,
            row.owner,
            row.exit_test,
        )
        assert signal.code == tuple(claim.text for claim in row.code)
        assert signal.evidence == tuple(claim.text for claim in row.evidence)


def test_corpus_definition_is_toml_and_says_why(imported: Path) -> None:
    text = (imported / "audit.toml").read_text("utf-8")
    assert len(tomllib.loads(text)["command"]) == 16
    assert text.count("no exit condition could be told") == 16
    assert all(len(line) < 420 for line in text.splitlines())


def test_corpus_import_never_reads_greener_than_the_claims(imported: Path) -> None:
    plan = plan_of(load(imported / "audit.toml"))
    passed = tuple(AttemptFact(cell.id, 1, "passed", "", 0, AS_OF) for cell in plan.cells)
    decision = judge.decide(plan, facts_of(plan, passed, (), lambda path: True))
    claimed = read_claims(imported / "claims.json").statuses
    order = ("NO-GO", "BLOCKED-EXTERNAL", "PARTIAL", "GO")
    for signal in decision.signals:
        assert order.index(signal.status) <= order.index(claimed[signal.id]), signal.id
    derived = {signal.id for signal in decision.signals if signal.status == "GO"}
    assert derived == {
        *("G0-002", "G2-004", "G2-005", "G2-006", "G2-007"),
        *("G3-001", "G3-003", "G3-004", "G3-005", "G3-007"),
    }


def test_corpus_claims_make_a_valid_tracker(imported: Path) -> None:
    from audit.render.schema import validate

    definition = load(imported / "audit.toml")
    tracker = as_claimed_tracker(definition, read_claims(imported / "claims.json"))
    assert validate(tracker) == []


# --- the 38 statuses, derived ---------------------------------------------------------------------

AS_OF = "2026-02-13T01:25:48Z"
_TEST = re.compile(r"^test (\S+) \.\.\. (ok|FAILED|ignored)$", re.MULTILINE)


def plan_of(definition: Any) -> Plan:
    return compile_plan(
        definition, SUBJECT, label="x", baseline_commit="", tool=Tool("test", "0"), claims={}
    )


def facts_of(plan: Plan, attempts: Any, tests: Any, exists: Any) -> Facts:
    conditions = {item for signal in plan.signals for item in signal.conditions}
    files = [item for item in conditions if isinstance(item, FilePresent)]
    return Facts(
        format_version=1,
        as_of=AS_OF,
        subject_after=DIGEST,
        attempts=attempts,
        results=tuple(
            ResultFact(cell.id, result.path, True, "")
            for cell in plan.cells
            for result in cell.results
        ),
        tests=tests,
        metrics=(),
        files=tuple(FileFact(item.path, None, exists(item.path), None) for item in files),
        absent=(),
        engine=(
            EngineFact("plan_sealed", True, ""),
            EngineFact("tracker_valid", True, ""),
        ),
    )


def corpus_facts(plan: Plan, corpus: Path, *, without: str = "") -> Facts:
    """Return the facts of the last matrix: its rows, and the tests that its logs name."""
    rows = read_matrix((corpus / RUN / "command-matrix-status.tsv").read_bytes()).rows
    rows = tuple(row for row in rows if row.id != without)
    attempts = tuple(
        AttemptFact(
            *(row.id, 1, "passed" if row.exit_code == 0 else "failed", "", row.exit_code),
            row.end_utc.isoformat().replace("+00:00", "Z"),  # type: ignore[union-attr]
        )
        for row in rows
    )
    outcomes = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}
    tests = tuple(
        model.TestFact(row.id, judge.test_key(name), outcomes[word])  # type: ignore[arg-type]
        for row in rows
        for name, word in _TEST.findall(
            (corpus / RUN / "command-logs" / f"{row.id}.log").read_text("utf-8")
        )
    )
    paths = set((corpus / "tree.txt").read_text("utf-8").splitlines())
    return facts_of(plan, attempts, tests, paths.__contains__)


def modelled() -> Plan:
    return plan_of(parse((GOLDEN / "corpus-model.toml").read_bytes()))


def test_corpus_modelled_conditions_give_the_38_statuses(
    corpus: Path, corpus_tracker: Path
) -> None:
    plan = modelled()
    decision = judge.decide(plan, corpus_facts(plan, corpus))
    tracker = read_tracker(corpus_tracker)
    derived = {signal.id: signal.status for signal in decision.signals}
    assert derived == {signal.id: signal.status for signal in tracker.signals}
    assert len(derived) == 38
    gates = {gate.id: gate.status for gate in decision.gates}
    assert gates == {gate.id: gate.status for gate in tracker.gates}
    counts = [(gate.closed, gate.open) for gate in decision.gates]
    assert counts == [(4, 0), (0, 4), (7, 0), (5, 2), (0, 6), (0, 6), (0, 4)]
    assert decision.verdict == "NO-GO"


def test_corpus_model_loses_statuses_with_its_evidence(corpus: Path) -> None:
    plan = modelled()
    whole = judge.decide(plan, corpus_facts(plan, corpus))
    for name in ("test_arco_api_all_features", "test_arco_flow_default", "fmt_check"):
        cut = judge.decide(plan, corpus_facts(plan, corpus, without=name))
        closed = {signal.id for signal in cut.signals if signal.status == "GO"}
        assert closed < {signal.id for signal in whole.signals if signal.status == "GO"}
