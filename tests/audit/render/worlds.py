"""Invented audits for the tests of what people read: small, large and hostile."""

from __future__ import annotations

import dataclasses

from evidence import judge, model
from tests.records import make_cell, make_signal

COMMIT = "3f2c9a1de4b56789aabbccddeeff001122334455"
DIGEST = "ab" * 32
FOLDER = "release_evidence/2026-12-01-toy/first"
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><!-- ",
    "a | b\n| c `d",
    "\u202etxt.exe\u202c",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "[link](javascript:alert(1))",
    "::error::forged %0A",
    "caf\udce9",
    '" onmouseover="alert(1)" x="',
    "{{ 7 * 7 }}",
    "``` # heading",
    "&lt;b&gt; \u2028",
)


def cell(name: str, *, required: bool = True, cmd: str = "") -> model.Cell:
    """One cell that runs nothing in particular."""
    line = cmd or f"python -m nox -s {name}"
    return make_cell(name, line.split(), cmd=line, required=required)


def signal(
    name: str,
    gate: int,
    *conditions: model.Condition,
    title: str = "",
    owner: str = "Release Engineering",
    exit_test: str = "",
    claim: model.Status | None = None,
) -> model.Signal:
    """One signal of `gate` with its conditions."""
    return make_signal(
        name,
        *conditions,
        gate=gate,
        title=title or f"What {name} is about",
        owner=owner,
        code=("src/core.py", "src/keys/"),
        tests=("tests/test_core.py",),
        runbook="docs/runbooks/storage.md",
        evidence=("docs/audits/toy/note.md",),
        exit_test=exit_test or f"{name} is shown to work",
        claim=claim,
    )


def passed(name: str, *more: str) -> model.CommandPassed:
    """The condition that cells of one command passed."""
    return model.CommandPassed("command", name, (name, *more))


def attempt(
    name: str,
    number: int = 1,
    result: model.Result = "passed",
    *,
    code: int | None = 0,
    reason: str = "",
    second: int = 0,
    duration_ms: int = 1200,
) -> model.Attempt:
    """One attempt, `second` seconds after the run began; it has a log where it had an exit code."""
    minute, rest = divmod(second, 60)
    stamp = f"2026-12-01T09:{minute % 60:02d}:{rest:02d}Z"
    path = f"command-logs/{name}.log"
    log = None if code is None else model.Log(path, 64, "cd" * 32, ("ef" * 32,), False)
    artifacts: tuple[model.Artifact, ...] = ()
    if name == "tests":
        kept = f"artifacts/tests/{number}/build/junit.xml"
        artifacts = (model.Artifact("build/junit.xml", kept, 900, "12" * 32),)
    return model.Attempt(
        name, number, result, reason, code, stamp, stamp, duration_ms, log, artifacts, 0
    )


def plan(
    cells: tuple[model.Cell, ...],
    gates: tuple[model.Gate, ...],
    signals: tuple[model.Signal, ...],
    *,
    title: str = "Toy production readiness",
    dirty: tuple[str, ...] = (),
) -> model.Plan:
    """A plan over a fixed subject."""
    return model.Plan(
        format_version=1,
        tool=model.Tool("arco-readiness", "0.1.0"),
        audit=model.Audit(
            id="2026-12-01-toy",
            title=title,
            date="2026-12-01",
            scope="every closure signal of the toy plan",
            baseline="v0.9.0",
            baseline_commit="e8" * 20,
            definition_of_done="ALL_GATES_GO",
        ),
        label="first",
        subject=model.Subject(
            COMMIT, "2026-12-01T08:00:00Z", "aa" * 20, DIGEST, "main", ("v1.0.0",), dirty
        ),
        rules=model.Rules(("release_evidence/", "docs/audits/"), None, ("CI",), (), 2, False),
        roles=(model.Role("SRE", "Site reliability engineering"),),
        cells=cells,
        gates=gates,
        signals=signals,
    )


def facts(attempts: tuple[model.Attempt, ...]) -> model.Facts:
    """What the judge may know of these attempts."""
    return model.Facts(
        format_version=1,
        as_of="2026-12-01T10:00:00Z",
        subject_after=DIGEST,
        attempts=tuple(
            model.AttemptFact(a.cell, a.number, a.result, a.reason, a.exit_code, a.end_utc)
            for a in attempts
        ),
        results=(),
        tests=(),
        metrics=(),
        files=(),
        absent=(),
        engine=(),
    )


def run(attempts: tuple[model.Attempt, ...]) -> model.Run:
    """What happened, as `run.json` says it."""
    return model.Run(
        format_version=1,
        id="run-1",
        label="first",
        plan_root="fe" * 32,
        start_utc="2026-12-01T09:00:00Z",
        end_utc="2026-12-01T10:00:00Z",
        clock="system clock, UTC",
        host=(model.Variable("system", "Linux"), model.Variable("python", "3.11.2")),
        environment=(model.Variable("CI", "true"),),
        uncovered=(),
        resumed=0,
        attempts=attempts,
    )


World = tuple[model.Plan, model.Run, model.Facts, model.Decision]


def world(
    attempts: tuple[model.Attempt, ...],
    cells: tuple[model.Cell, ...],
    gates: tuple[model.Gate, ...],
    signals: tuple[model.Signal, ...],
    **more: object,
) -> World:
    """The four records of one audit, judged."""
    made = plan(cells, gates, signals, **more)  # type: ignore[arg-type]
    known = facts(attempts)
    return made, run(attempts), known, judge.decide(made, known)


def toy() -> World:
    """Three gates (GO, PARTIAL, NO-GO), five cells of which two did not pass, and two claims."""
    cells = (
        cell("fmt_check", cmd="ruff format --check ."),
        cell("tests"),
        cell("docs"),
        cell("advisories", required=False),
        cell("lint"),
    )
    attempts = (
        attempt("fmt_check"),
        attempt("tests", 1, "failed", code=1, reason="exit code 1", second=2, duration_ms=61_000),
        attempt("docs", second=3, duration_ms=4_400),
        attempt("advisories", 1, "could_not_run", code=75, reason="no database", second=8),
        attempt("lint", 1, "interrupted", code=None, second=9),
        attempt("lint", 2, second=64, duration_ms=3_000),
    )
    external = model.ExternalAttached(
        "external", "release_evidence/2026-12-01-toy/gate-4/drill.md", "SRE"
    )
    signals = (
        signal("G0-001", 0, passed("fmt_check")),
        signal("G0-002", 0, passed("docs"), claim="GO"),
        signal("G2-001", 2, passed("tests"), owner="Core Platform", claim="GO"),
        signal("G2-002", 2, passed("docs"), passed("tests"), owner="Core Platform"),
        signal("G2-003", 2, passed("lint"), owner="Core Platform"),
        signal("G4-001", 4, external, owner="SRE", claim="BLOCKED-EXTERNAL"),
        signal("G4-002", 4, owner="SRE"),
    )
    gates = (
        model.Gate(0, "Re-baseline / tracker integrity", ("G0-001", "G0-002")),
        model.Gate(2, "Storage / manifest / schema / invariants", ("G2-001", "G2-002", "G2-003")),
        model.Gate(4, "Deployment / observability / operations", ("G4-001", "G4-002")),
    )
    return world(attempts, cells, gates, signals)


def waiting() -> World:
    """Every way not to pass, the longest statuses and claims, and commands nobody asks for."""
    ends: tuple[tuple[str, model.Result, int | None, str], ...] = (
        ("tests", "failed", 1, "exit code 1"),
        ("bench", "timed_out", None, "it ran longer than 60 s"),
        ("drift", "could_not_run", 75, "no account"),
        ("notes", "skipped", 77, "nothing to say"),
        ("pack", "interrupted", None, ""),
    )
    attempts = tuple(
        attempt(name, 1, result, code=code, reason=reason, second=n)
        for n, (name, result, code, reason) in enumerate(ends)
    )
    external = model.ExternalAttached("external", "release_evidence/toy/drill.md", "SRE")
    signals = (
        dataclasses.replace(
            signal("G4-001", 4, external, passed("tests"), passed("bench"), owner="Platform + SRE"),
            evidence=("command-logs/tests.log", "command-matrix-status.tsv", "docs/note.md"),
        ),
        signal("G4-002", 4, external, owner="Platform + SRE", claim="GO"),
        signal("G7-001", 7, passed("tests"), owner="SRE", claim="BLOCKED-EXTERNAL"),
    )
    gates = (
        model.Gate(4, "Deployment / observability / operations", ("G4-001", "G4-002")),
        model.Gate(7, "Promotion", ("G7-001",)),
    )
    return world(attempts, tuple(cell(name) for name, *_ in ends), gates, signals)


def green() -> World:
    """One gate, one signal, one cell, all good."""
    gates = (model.Gate(0, "Only gate", ("G0-001",)),)
    return world(
        (attempt("tests"),), (cell("tests"),), gates, (signal("G0-001", 0, passed("tests")),)
    )


def hostile() -> World:
    """Every free text of an audit says something that would like to be markup."""
    cells = tuple(cell(f"cell-{n}", cmd=text) for n, text in enumerate(HOSTILE))
    attempts = tuple(
        attempt(f"cell-{n}", 1, "failed", code=1, reason=text, second=n)
        for n, text in enumerate(HOSTILE)
    )
    signals = tuple(
        signal(f"G{n}-001", n, passed(f"cell-{n}"), title=text, owner=text, exit_test=text)
        for n, text in enumerate(HOSTILE)
    )
    gates = tuple(model.Gate(n, text, (f"G{n}-001",)) for n, text in enumerate(HOSTILE))
    return world(attempts, cells, gates, signals, title=HOSTILE[0], dirty=HOSTILE)


def large(cells: int = 5000, signals: int = 1000, gates: int = 20) -> World:
    """As many cells and signals as the page must carry; one cell in forty fails."""
    made = tuple(
        cell(f"cell-{n:04d}", cmd=f"python -m pytest tests/part_{n}.py") for n in range(cells)
    )
    attempts = tuple(
        attempt(item.id, second=n // 2, duration_ms=900 + n % 700)
        if n % 40 != 7
        else attempt(item.id, 1, "failed", code=1, reason="exit code 1", second=n // 2)
        for n, item in enumerate(made)
    )
    each = cells // signals
    listed = tuple(
        signal(
            f"G{n % gates}-{n:03d}",
            n % gates,
            *(passed(made[n * each + k].id) for k in range(each)),
            owner=f"Team {n % 9}",
        )
        for n in range(signals)
    )
    grouped = tuple(
        model.Gate(g, f"Area number {g}", tuple(s.id for s in listed if s.gate == g))
        for g in range(gates)
    )
    return world(attempts, made, grouped, listed)
