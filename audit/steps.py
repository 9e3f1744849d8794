"""The program as a list: define, plan, seal, run, judge, render, verify.

Each step takes the value of the one before and hands on its own; a shell calls them in order and
shows what they hand on. Here lives the order, and the wiring of the rooms that do the work; no rule
of any room is here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit import __version__, runner
from audit import plan as planning
from audit.errors import Conflict, Corrupt, Invalid, Unavailable
from audit.runs import Records, below, is_run
from evidence import archive, codec, journal, judge, layout, seal, standalone, subject, verify
from evidence.chain import Checkpoint
from evidence.folder import Folder, in_threads
from evidence.model import (
    Attempt,
    Decision,
    EngineFact,
    Facts,
    Plan,
    Run,
    Tool,
    Variable,
)
from evidence.redact import Redactor, find_secrets

if TYPE_CHECKING:
    from audit.definition import Definition
    from audit.render.pagelogs import LogExcerpt
    from audit.repo import Repository

DEFINITION = "audit.toml"
TOOL = "arco-audit"
RECORDED = (
    *("CI", "GITHUB_ACTIONS", "GITHUB_REF", "GITHUB_REPOSITORY", "GITHUB_RUN_ATTEMPT"),
    *("GITHUB_RUN_ID", "GITHUB_SHA", "GITHUB_WORKFLOW", "GITLAB_CI", "CI_COMMIT_SHA"),
    *("CI_JOB_ID", "CI_PIPELINE_ID", "LANG", "LC_ALL", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "TZ"),
)
"""Variables that every run records; the definition adds to them, and everything is redacted."""
JOBS_MAX = 4
"""Cells at a time when the definition names no number: more rarely helps on one machine."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks of a run; None leaves a choice to the definition."""

    repo: Path
    definition: Path | None = None
    label: str = ""
    jobs: int | None = None
    fail_fast: bool | None = None
    allow_dirty: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run before its first command. `real` has the words that are executed, `plan` those that
    are written: redacted. `folder` is relative to the repository's root."""

    repository: Repository
    definition: Definition
    real: Plan
    plan: Plan
    plan_root: str
    folder: str
    redactor: Redactor

    @property
    def path(self) -> Path:
        """Where the run's folder lies."""
        return self.repository.root / self.folder


@dataclass(frozen=True, slots=True)
class Begun:
    """A run whose plan root is on the disk. `past` holds attempts of earlier processes."""

    prepared: Prepared
    writer: runner.JournalWriter
    opened: journal.Opened
    past: tuple[Attempt, ...]
    resumed: int
    closed: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """A sealed run."""

    records: Records
    tracker: Mapping[str, Any]
    point: Checkpoint


# --- define and plan ------------------------------------------------------------------------------


def define(wish: Wish) -> tuple[Repository, Definition]:
    """Return the repository and the definition that a wish names.

    Raises:
        Invalid: no repository, no definition, or one with problems; an enclosing run audits it.
    """
    from audit.definition import load
    from audit.repo import Repository

    repository = Repository.open(wish.repo)
    runner.refuse_enclosed(repository.root, os.environ)
    path = wish.definition or repository.root / DEFINITION
    if wish.definition is None and not path.exists():
        raise Invalid(
            "there is no definition", place=str(path), next_step="write a starter: arco-audit init"
        )
    return repository, load(path)


def prepare(
    wish: Wish, repository: Repository, definition: Definition, *, utc: str, label: str = ""
) -> Prepared:
    """Return the plan of a run, with everything decided that can be before the first command.

    `label` is that of a run to be resumed. Raises `Invalid` for a dirty tree, an unknown baseline,
    a matrix that does not compile or a label that is no path.
    """
    about = repository.subject(definition.audit.outputs)
    if about.dirty and not wish.allow_dirty:
        raise Invalid(
            f"the working tree differs from its commit paths=`{', '.join(about.dirty[:5])}`",
            place=str(repository.root),
            next_step="commit or stash, or run with --allow-dirty, which can never be GO",
        )
    label = label or wish.label or f"{utc.replace('-', '').replace(':', '')}-{about.commit[:7]}"
    planning.check_label(label)
    compiled = planning.compile_plan(
        definition,
        about,
        label=label,
        baseline_commit=_baseline(repository, definition.audit.baseline),
        tool=Tool(TOOL, __version__),
        claims=planning.load_claims(definition),
        interpreter=sys.executable,
    )
    rules = dataclasses.replace(
        compiled.rules,
        jobs=wish.jobs or compiled.rules.jobs or min(JOBS_MAX, os.cpu_count() or 1),
        fail_fast=compiled.rules.fail_fast if wish.fail_fast is None else wish.fail_fast,
    )
    real = dataclasses.replace(compiled, rules=rules)
    redactor = Redactor(_secrets(real))

    def written_word(word: str) -> str:
        # Where this machine keeps its Python is nobody's business, and would change the plan root.
        return "python" if word == sys.executable else redactor.text(word)

    written = planning.redacted(real, written_word)
    return Prepared(
        repository=repository,
        definition=definition,
        real=real,
        plan=written,
        plan_root=seal.root_of(seal.plan_leaves(written)),
        folder=layout.run_folder(real.rules.outputs[0], real.audit.id, label),
        redactor=redactor,
    )


def _baseline(repository: Repository, revision: str) -> str:
    if not revision:
        return repository.root_commit() or ""
    return repository.require(revision)


def _secrets(plan: Plan) -> dict[str, str]:
    """All secrets that any child can see: in our environment, and in what cells set."""
    declared = plan.rules.secret_env
    secrets = find_secrets(dict(os.environ), declared)
    for cell in plan.cells:
        split = (line.partition("=") for line in cell.env)
        own = find_secrets({name: value for name, _, value in split}, declared)
        for name, value in own.items():
            if secrets.setdefault(name, value) != value:
                secrets[f"{cell.id}.{name}"] = value
    return secrets


# --- seal -----------------------------------------------------------------------------------------


@contextmanager
def begin(prepared: Prepared, clock: runner.Clock) -> Iterator[Begun]:
    """Create the run's folder, write the plan, and put the plan root into the journal.

    Raises:
        Conflict: a run of that label exists.
        Unavailable: the folder cannot be written.
    """
    path = prepared.path
    _stands_alone(prepared)
    with _on_disk(path, "make room or give access there, then run again"):
        path.mkdir(parents=True, exist_ok=True)
    with _results_held(prepared), _held(path):
        _unused(prepared)
        with _on_disk(path, "make room or give access there, then run again"):
            archive.put_all(path, dict(_promised(prepared)))
        writer = runner.JournalWriter.create(path)
        run_id = f"{prepared.plan.audit.id}-{os.urandom(8).hex()}"
        opened = journal.Opened(
            "opened", run_id, prepared.plan.label, prepared.plan_root, clock.utc()
        )
        writer.append(opened)
        yield Begun(prepared, writer, opened, (), 0, closed=False)


def _stands_alone(prepared: Prepared) -> None:
    """Refuse a run inside or around another one: the seal of the outer one would not hold."""
    path = prepared.path
    base = path.parents[len(Path(prepared.plan.label).parts) - 1]
    around = [folder for folder in path.parents if folder.is_relative_to(base) and is_run(folder)]
    inside = [folder for folder in below(path) if folder != path]
    for other in (*around, *inside):
        raise Conflict(
            f"another run lies {'around' if other in around else 'inside'} the folder of this one"
            f" label=`{prepared.plan.label}`",
            place=str(other),
            next_step="choose a --label that is no part of another one",
        )


def _unused(prepared: Prepared) -> None:
    """Refuse a label that was used; what crashed before its plan root was recorded does not count.

    The caller holds the folder, or two runs that start at once would both find it unused.
    """
    path = prepared.path / layout.JOURNAL
    told = journal.read(path.read_bytes()) if path.exists() else None
    if archive.is_sealed(prepared.path) or (told and told.records):
        resume = f", or continue it: arco-audit resume {prepared.folder}"
        raise Conflict(
            f"a run of this label exists label=`{prepared.plan.label}`",
            place=str(prepared.path),
            next_step="choose another --label"
            + ("" if archive.is_sealed(prepared.path) else resume),
        )
    path.unlink(missing_ok=True)


@contextmanager
def _on_disk(path: Path, next_step: str) -> Iterator[None]:
    """Turn what a disk refuses into an error that names the place."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        place = str(error.filename or path)
        raise Unavailable(f"the disk refuses: {why}", place=place, next_step=next_step) from error


def _promised(prepared: Prepared) -> Iterator[tuple[str, bytes]]:
    raw = (data for _, data in prepared.repository.tree_objects(prepared.plan.subject.commit))
    yield f"{layout.OBJECTS}/{subject.OBJECTS_FILE}", b"".join(raw)
    yield layout.VERIFIER, standalone.committed()
    yield layout.PLAN, codec.write(prepared.plan)


@contextmanager
def _held(path: Path, held: str = "this run") -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            with _on_disk(path, "give access there, then try again"):
                stack.enter_context(archive.hold(path))
        except archive.Busy as error:
            raise Conflict(
                f"another process works on {held}",
                place=str(path),
                next_step="wait for it, or end it, then arco-audit resume",
            ) from error
        yield


def _results_held(prepared: Prepared) -> AbstractContextManager[None]:
    """Keep other audits of this working tree out where cells leave result files in it.

    Each would remove the other's before its cells run, or take them for its own.
    """
    if not any(cell.results or cell.produces for cell in prepared.real.cells):
        return contextlib.nullcontext()
    root = prepared.repository.root / prepared.plan.rules.outputs[0]
    return _held(root, "the result files of this repository")


@contextmanager
def take_up(prepared: Prepared, clock: runner.Clock) -> Iterator[Begun]:
    """Continue a run that was interrupted or killed, exactly as it was planned.

    Raises:
        Invalid: it was finished; or subject, definition or tool are not those of its plan.
        Conflict: another process works on it.
    """
    path = prepared.path
    with _results_held(prepared), _held(path):
        if archive.is_sealed(path):
            raise Invalid(
                "this run is finished and sealed", place=str(path), next_step="arco-audit status"
            )
        _same_plan(prepared)
        found = runner.recover(path, clock=clock)
        yield Begun(
            prepared, found.writer, found.opened, found.past, found.resumed, closed=found.closed
        )


def same_folder(prepared: Prepared, folder: Path) -> None:
    """Raise `Invalid` when a plan does not belong to the folder that is to be resumed."""
    if prepared.path.resolve() != folder.resolve():
        raise Invalid(
            "this run belongs to another audit or repository",
            place=str(folder),
            next_step=f"resume it there; here it would lie at {prepared.folder}",
        )


def _same_plan(prepared: Prepared) -> None:
    """Refuse to continue under another plan, and say which part of it differs."""
    path = prepared.path / layout.PLAN
    try:
        written = codec.read(Plan, path.read_bytes())
    except codec.Malformed as error:
        raise Corrupt(str(error), place=str(path), next_step="start a new run") from error
    if written == prepared.plan:
        return
    leaves = {leaf.name: leaf.hash for leaf in seal.plan_leaves(written)}
    now = {leaf.name: leaf.hash for leaf in seal.plan_leaves(prepared.plan)}
    names = [name for name in {**leaves, **now} if leaves.get(name) != now.get(name)]
    parts = ", ".join(name.removeprefix("plan/") for name in names[:5])
    raise Invalid(
        f"the run was planned otherwise differs=`{parts}`",
        place=str(path),
        next_step="check out the commit and the definition of that run, or start a new one",
    )


# --- run ------------------------------------------------------------------------------------------


def execute(
    begun: Begun, events: runner.Events, stop: threading.Event, clock: runner.Clock
) -> tuple[Attempt, ...]:
    """Run what has no verdict yet; return all attempts of the run, with their logs as they lie.

    When `stop` is set, what ran is interrupted and recorded, and the run can be resumed.
    """
    if begun.closed:
        return seal.final_paths(begun.past)
    prepared = begun.prepared
    options = runner.RunOptions(
        jobs=prepared.real.rules.jobs,
        fail_fast=prepared.real.rules.fail_fast,
        run_id=begun.opened.run,
        root=prepared.repository.root,
        folder=prepared.path,
    )
    attempts = runner.run_cells(
        planning.order(prepared.real),
        options=options,
        redactor=prepared.redactor,
        journal=begun.writer,
        past=begun.past,
        clock=clock,
        events=events,
        stop=stop,
    )
    return seal.final_paths(attempts)


# --- judge, render, verify ------------------------------------------------------------------------


def finish(begun: Begun, attempts: tuple[Attempt, ...], clock: runner.Clock) -> Finished:
    """Close the journal, judge the facts, render the documents, and seal it all."""
    prepared = begun.prepared
    resume = f"make room or give access there, then arco-audit resume {prepared.folder}"
    with _on_disk(prepared.path, resume):
        closed_utc = _close(begun, attempts, clock)
        run = _run_record(begun, attempts, closed_utc)
        records, tracker = _judge(prepared, run)
        return Finished(records, tracker, _seal(prepared, records, tracker))


def prove(finished: Finished) -> None:
    """Verify a sealed run as a stranger would, once nobody holds its folder any more.

    Raises:
        Corrupt: something changed while it was sealed.
    """
    folder = finished.records.folder
    report = verify.verify(
        Folder(str(folder)), expect_root=finished.point.final_root, each=in_threads
    )
    if not report.ok:
        found = next(step.findings[0] for step in report.steps if step.findings)
        raise Corrupt(
            f"the evidence changed while it was sealed: {found.place}: {found.problem}",
            place=str(folder),
            next_step="end whatever writes there, then run again",
        )


def _close(begun: Begun, attempts: tuple[Attempt, ...], clock: runner.Clock) -> str:
    """Write the journal's last record, or find it where a crash came after it."""
    path = begun.prepared.path / layout.JOURNAL
    if begun.closed:
        last = journal.read(path.read_bytes()).records[-1]
        assert isinstance(last, journal.Closed)
        return last.utc
    # A wall clock that was set back must not make the evidence younger than the decision.
    utc = max([clock.utc(), *(attempt.end_utc for attempt in attempts)])
    begun.writer.append(journal.Closed("closed", utc, len(attempts)))
    return utc


def _run_record(begun: Begun, attempts: tuple[Attempt, ...], closed_utc: str) -> Run:
    prepared = begun.prepared
    text, short = prepared.redactor.text, prepared.redactor.uncovered
    wanted = (*RECORDED, *prepared.plan.rules.record_env)
    names = [
        name
        for name in sorted(os.environ)
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)
    ]
    return Run(
        format_version=1,
        id=begun.opened.run,
        label=prepared.plan.label,
        plan_root=prepared.plan_root,
        start_utc=begun.opened.utc,
        end_utc=closed_utc,
        clock="system wall clock in UTC; durations from its monotonic clock",
        host=(
            Variable("machine", platform.machine()),
            Variable("processors", str(os.cpu_count() or 1)),
            Variable("python", platform.python_version()),
            Variable("system", f"{platform.system()} {platform.release()}"),
        ),
        environment=tuple(
            Variable(name, f"[redacted:{name}]" if name in short else text(os.environ[name]))
            for name in names
        ),
        uncovered=prepared.redactor.uncovered,
        resumed=begun.resumed,
        attempts=attempts,
    )


def _judge(prepared: Prepared, run: Run) -> tuple[Records, Mapping[str, Any]]:
    """Gather the facts and decide; the tracker's own validity is one of the facts."""
    from audit.facts import gather
    from audit.render import schema

    outputs = prepared.plan.rules.outputs

    def facts_with(tracker_problem: str) -> Facts:
        return gather(
            prepared.plan,
            run.attempts,
            prepared.path,
            prepared.repository,
            as_of=run.end_utc,
            subject_after=after,
            engine=(_plan_sealed(prepared), _tracker_valid(tracker_problem)),
            clean=prepared.redactor.text if prepared.redactor.active else None,
        )

    after = prepared.repository.subject_after(prepared.plan.subject, outputs)
    facts = facts_with("")
    decision = judge.decide(prepared.plan, facts)
    problems = schema.validate(_tracker(prepared, run, facts, decision))
    if problems:
        facts = facts_with(f"{problems[0].place}: {problems[0].problem}")
        decision = judge.decide(prepared.plan, facts)
    records = Records(prepared.path, prepared.plan, run, facts, decision)
    return records, _tracker(prepared, run, facts, decision)


def _tracker(prepared: Prepared, run: Run, facts: Facts, decision: Decision) -> dict[str, Any]:
    return tracker_of(Records(prepared.path, prepared.plan, run, facts, decision))


def tracker_of(records: Records) -> dict[str, Any]:
    """Return the gate tracker that the records of a run imply."""
    from audit.render import tracker

    plan = records.plan
    return tracker.build(
        plan,
        records.facts,
        records.decision,
        folder=layout.run_folder(plan.rules.outputs[0], plan.audit.id, plan.label),
        generated_at_utc=records.run.end_utc,
        plan_root=records.run.plan_root,
    )


def _plan_sealed(prepared: Prepared) -> EngineFact:
    """Whether the journal has the plan root before anything started."""
    told = journal.read((prepared.path / layout.JOURNAL).read_bytes())
    first = told.records[0] if told.records else None
    holds = isinstance(first, journal.Opened) and first.plan_root == prepared.plan_root
    reason = "the plan root was recorded before the first command" if holds else "no plan root"
    return EngineFact("plan_sealed", holds, reason)


def _tracker_valid(problem: str) -> EngineFact:
    reason = problem or "the gate tracker is valid against its schema"
    return EngineFact("tracker_valid", not problem, reason)


def _seal(prepared: Prepared, records: Records, tracker: Mapping[str, Any]) -> Checkpoint:
    path = prepared.path
    pages = pages_of(tracker)
    files = {
        layout.RUN: codec.write(records.run),
        layout.FACTS: codec.write(records.facts),
        layout.DECISION: codec.write(records.decision),
        layout.STATUS_TSV: seal.status_tsv(records.plan, records.run),
        **{f"{layout.DOCUMENTS}/{name}": data for name, data in pages.items()},
        layout.REPORT: report_page(records, tracker),
    }
    archive.put_all(path, files)
    return archive.close(path, records.plan, records.run)


def pages_of(tracker: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the gate tracker and every document that follows from it, by path."""
    from audit.render import documents

    return {layout.TRACKER: codec.encode(tracker), **documents.render(tracker)}


def report_page(records: Records, tracker: Mapping[str, Any]) -> bytes:
    """Return the report page of a run."""
    from audit.render import report

    return report.page(
        report.ReportView(
            plan=records.plan,
            run=records.run,
            facts=records.facts,
            decision=records.decision,
            tracker=tracker,
            logs=_log_reader(records.folder),
        )
    )


def _log_reader(folder: Path) -> Callable[[str], LogExcerpt | None]:
    """A reader of the head and tail of a log; None where the folder has it no more."""
    from audit.render.pagelogs import HEAD_BYTES, TAIL_BYTES, LogExcerpt

    def read(path: str) -> LogExcerpt | None:
        try:
            with (folder / path).open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                if size <= HEAD_BYTES + TAIL_BYTES:
                    return LogExcerpt(size, stream.read())
                head = stream.read(HEAD_BYTES)
                stream.seek(size - TAIL_BYTES)
                return LogExcerpt(size, head, stream.read(TAIL_BYTES))
        except FileNotFoundError:
            return None

    return read
