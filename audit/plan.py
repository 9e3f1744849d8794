"""From the definition and the subject to the plan: every cell, condition and rule, spelled out.

Pure: the same inputs give the same plan. Nothing is run, read or guessed here; what the machine is
like comes in as values.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from audit.definition import matrix, models, words
from audit.definition.claims import load_claims
from audit.definition.matrix import Variant
from audit.definition.models import CommandTable, Definition, SignalTable
from audit.definition.names import label as label_rule
from audit.definition.units import WrongError
from audit.errors import Invalid
from evidence import model
from evidence import words as words_of
from evidence.model import Cell, Plan, ResultFile, Status, Subject, Tool

__all__ = ["check_label", "compile_plan", "load_claims", "order", "redacted", "tree_lines"]

NOX_FILE = "noxfile.py"
NOX_REPORT = "nox-{cell}.json"
"""Where nox writes what happened to its sessions, below the first output root: that folder exists
when commands run, and what lies there never makes the tree dirty."""

_WORDS_FORMATS = {"test": "junit", "metric": "metrics"}


def compile_plan(
    definition: Definition,
    subject: Subject,
    *,
    label: str,
    baseline_commit: str,
    tool: Tool,
    claims: Mapping[str, Status] | None = None,
    interpreter: str = "python",
) -> Plan:
    """Return the plan of one run.

    `claims` maps signal ids to statuses that somebody wrote down. `interpreter` is the program that
    nox cells start. `rules.jobs` is 0 where the definition leaves it to the machine.
    """
    make = _Maker(interpreter, definition.audit.outputs[0])
    cells = {command.id: tuple(make.cells(command)) for command in definition.commands}
    ids = {command: tuple(cell.id for cell in group) for command, group in cells.items()}
    resolved = tuple(
        replace(cell, needs=tuple(need for name in cell.needs for need in ids[name]))
        for group in cells.values()
        for cell in group
    )
    gates = tuple(
        model.Gate(gate.id, gate.name, tuple(signal.id for signal in gate.signals))
        for gate in definition.gates
    )
    places = _Places(cells, definition)
    signals = tuple(
        _signal(signal, gate.id, places, (claims or {}).get(signal.id))
        for gate in definition.gates
        for signal in gate.signals
    )
    return Plan(
        format_version=1,
        tool=tool,
        audit=_audit(definition, subject, baseline_commit),
        label=label,
        subject=subject,
        rules=_rules(definition),
        roles=tuple(model.Role(role.id, role.title) for role in definition.roles),
        cells=resolved,
        gates=gates,
        signals=signals,
    )


def order(plan: Plan) -> tuple[Cell, ...]:
    """Return the cells so that each comes after all that it needs, else as in the definition.

    Raises:
        Invalid: cells need each other in a circle, or one that does not exist.
    """
    by_id = {cell.id: cell for cell in plan.cells}
    done: dict[str, Cell] = {}
    trail: dict[str, Cell] = {}
    branches: list[Iterator[Cell]] = [iter(plan.cells)]
    while branches:
        cell = next(branches[-1], None)
        if cell is None:
            branches.pop()
            done.update([trail.popitem()] if trail else ())
        elif cell.id not in done:
            if cell.id in trail or not by_id.keys() >= set(cell.needs):
                raise Invalid(f"the needs of a cell lead nowhere cell=`{cell.id}`", place="plan")
            trail[cell.id] = cell
            branches.append(iter([by_id[need] for need in cell.needs]))
    return tuple(done.values())


def check_label(label: str) -> None:
    """Refuse a run label that is no safe relative path; `/` may stand in it. Raises `Invalid`."""
    try:
        label_rule(label)
    except WrongError as error:
        raise Invalid(error.problem, place="label", next_step=error.next_step) from error


def redacted(plan: Plan, text: Callable[[str], str]) -> Plan:
    """Return the plan as it is written down: `text` takes secrets out of argv, cmd and env."""
    cells = tuple(
        replace(
            cell,
            argv=tuple(text(word) for word in cell.argv),
            cmd=_redacted_line(cell, text),
            env=tuple(text(pair) for pair in cell.env),
        )
        for cell in plan.cells
    )
    return replace(plan, cells=cells)


def _redacted_line(cell: Cell, text: Callable[[str], str]) -> str:
    """The line of a cell, made of its redacted words: a shell's quotes can hide a secret."""
    if cell.cmd in cell.argv:
        return text(cell.cmd)
    words = shlex.split(cell.cmd)
    clean = [text(word) for word in words]
    return text(cell.cmd if clean == words else shlex.join(clean))


# --- the audit and its rules ----------------------------------------------------------------------


def _audit(definition: Definition, subject: Subject, baseline_commit: str) -> model.Audit:
    table = definition.audit
    leading = re.match(r"\d{4}-\d\d-\d\d(?![0-9])", table.id)
    return model.Audit(
        id=table.id,
        title=table.title,
        date=table.date or (leading[0] if leading else subject.committed_utc[:10]),
        scope=table.scope,
        baseline=table.baseline,
        baseline_commit=baseline_commit,
        definition_of_done=table.definition_of_done,
    )


def _rules(definition: Definition) -> model.Rules:
    table = definition.audit
    return model.Rules(
        outputs=table.outputs,
        max_age_ms=table.evidence_max_age,
        record_env=tuple(sorted(set(definition.environment.record))),
        secret_env=tuple(sorted(set(definition.secrets.env))),
        jobs=table.jobs or 0,
        fail_fast=table.fail_fast,
    )


# --- cells ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes cells; knows what nox needs: who starts it, and where its report may lie."""

    interpreter: str
    output: str

    def cells(self, command: CommandTable) -> Iterator[Cell]:
        for variant in matrix.variants(command):
            try:
                yield self._cell(command, variant)
            except WrongError as error:
                raise Invalid(
                    error.problem, place=f"command {command.id}", next_step=error.next_step
                ) from error

    def _cell(self, command: CommandTable, variant: Variant) -> Cell:
        def fill(text: str) -> str:
            return words.fill(text, variant.values)

        argv, cmd = self._line(command, variant, fill)
        return Cell(
            id=variant.id,
            command=command.id,
            argv=argv,
            cmd=cmd,
            cwd=posixpath.normpath(fill(command.cwd)),
            timeout_ms=command.timeout,
            output_bytes_max=command.output_limit,
            needs=command.needs,
            accept_exit_codes=command.accept_exit_codes,
            could_not_run_exit_codes=command.could_not_run,
            skipped_exit_codes=command.skipped_exit_codes,
            required=command.required,
            flaky=command.flaky,
            env=tuple(f"{key}={fill(value)}" for key, value in sorted(command.env.items())),
            env_only=None if command.env_only is None else tuple(sorted(command.env_only)),
            results=tuple(self._results(command, variant, fill)),
            produces=tuple(fill(item) for item in command.produces),
            reads=command.reads,
        )

    def _results(
        self, command: CommandTable, variant: Variant, fill: Callable[[str], str]
    ) -> Iterator[ResultFile]:
        for result in command.results:
            if result.junit is not None:
                yield ResultFile("junit", fill(result.junit))
            else:
                yield ResultFile("metrics", fill(result.metrics or ""))
        if command.nox is not None:
            yield ResultFile("nox", self._report(variant))

    def _line(
        self, command: CommandTable, variant: Variant, fill: Callable[[str], str]
    ) -> tuple[tuple[str, ...], str]:
        """Return the words that are executed, and the line as a person would type it."""
        if command.shell is not None:
            line = fill(command.shell)
            return ("sh", "-c", line), line
        if command.nox is not None:
            # nox goes to the folder of its file before it writes: the report's path stays as it is.
            noxfile = posixpath.relpath(NOX_FILE, fill(command.cwd))
            chosen = () if noxfile == NOX_FILE else ("-f", noxfile)
            typed = ("-m", "nox", *chosen, "-s", fill(command.nox))
            told = ("--report", self._report(variant))
            return (self.interpreter, *typed, *told), shlex.join(("python", *typed))
        if isinstance(command.run, str):
            return tuple(map(fill, words.split(command.run))), fill(command.run)
        argv = tuple(map(fill, command.run or ()))
        return argv, shlex.join(argv)

    def _report(self, variant: Variant) -> str:
        return self.output + NOX_REPORT.format(cell=variant.id)


# --- signals --------------------------------------------------------------------------------------


class _Places:
    """Which cells a condition looks at."""

    def __init__(self, cells: Mapping[str, Sequence[Cell]], definition: Definition) -> None:
        self.of_command = {name: tuple(c.id for c in group) for name, group in cells.items()}
        self.with_results = {
            wanted: tuple(
                cell.id
                for group in cells.values()
                for cell in group
                if any(result.format == wanted for result in cell.results)
            )
            for wanted in _WORDS_FORMATS.values()
        }
        self.max_age_ms = definition.audit.evidence_max_age

    def age_ms(self, own: int | None) -> int | None:
        """Return the age limit of a condition: its own, which may be 0, or that of the audit."""
        return self.max_age_ms if own is None else own

    def look_in(self, command: str | None, kind: str) -> tuple[str, ...]:
        """Return the cells of `command`, or all that leave results of the right format."""
        if command is not None:
            return self.of_command[command]
        return self.with_results[_WORDS_FORMATS[kind]]


def _signal(table: SignalTable, gate: int, places: _Places, claim: Status | None) -> model.Signal:
    return model.Signal(
        id=table.id,
        gate=gate,
        title=table.title,
        owner=table.owner,
        code=table.code,
        tests=table.tests,
        runbook=table.runbook,
        evidence=table.evidence,
        exit_test=table.exit_test,
        conditions=tuple(_condition(item, places) for item in table.conditions),
        claim=claim,
    )


def _condition(table: models.Table, places: _Places) -> model.Condition:
    match table:
        case models.CommandCondition(command=name, max_age=age):
            cells = places.of_command[name]
            return model.CommandPassed("command", name, cells, places.age_ms(age))
        case models.TestCondition(test=pattern, command=name, max_age=age):
            cells = places.look_in(name, "test")
            every = name is not None
            return model.TestPassed("test", pattern, cells, every, places.age_ms(age))
        case models.MetricCondition(metric=metric, command=name, max_age=age):
            return model.MetricWithin(
                kind="metric",
                name=metric,
                cells=places.look_in(name, "metric"),
                every=name is not None,
                at_least=table.at_least,
                at_most=table.at_most,
                max_age_ms=places.age_ms(age),
            )
        case models.FileCondition(file=path, contains=contains):
            return model.FilePresent("file", path, contains)
        case models.AbsentCondition(absent=pattern, inside=inside, besides=besides):
            return model.PatternAbsent("absent", pattern, inside, besides)
        case models.EngineCondition(engine=fact):
            return model.EngineFactHolds("engine", fact)
        case models.ApprovalCondition(approval=role, count=count):
            return model.ApprovalGiven("approval", role, count)
        case models.ExternalCondition(external=artifact, role=role):
            return model.ExternalAttached("external", artifact, role)
        case models.CarryCondition(carry=name, run=run):
            return model.CarriedOver("carry", name, run)
    raise TypeError(f"no condition: {type(table).__name__}")


# --- for people -----------------------------------------------------------------------------------


def tree_lines(plan: Plan) -> list[str]:
    """Return the plan as a tree for `--dry-run`, one line an item, without colour."""
    subject, audit = plan.subject, plan.audit
    state = f", {len(subject.dirty)} paths not committed" if subject.dirty else ""
    jobs = f", {plan.rules.jobs} at a time" if plan.rules.jobs else ""
    lines = [
        f"{audit.id}: {audit.title}",
        f"subject {subject.commit[:12]} on {subject.branch or 'no branch'}{state}",
        f"cells ({len(plan.cells)}{jobs})",
    ]
    lines += _branches([[_cell_line(cell)] for cell in order(plan)])
    signals = {signal.id: signal for signal in plan.signals}
    lines.append(f"gates ({len(plan.gates)})")
    below = [_branches([_signal_lines(signals[name]) for name in g.signals]) for g in plan.gates]
    heads = [f"{gate.id}  {gate.name}" for gate in plan.gates]
    lines += _branches([[head, *rest] for head, rest in zip(heads, below, strict=True)])
    return [_one_line(line) for line in lines]


def _cell_line(cell: Cell) -> str:
    needs = f"  after {', '.join(cell.needs)}" if cell.needs else ""
    return f"{cell.id}  {cell.cmd}{needs}{'' if cell.required else '  (not required)'}"


def _signal_lines(signal: model.Signal) -> list[str]:
    told = [[words_of.describe(item)] for item in signal.conditions] or [["nothing closes it"]]
    return [f"{signal.id}  {signal.title} ({signal.owner})", *_branches(told)]


def _branches(blocks: Sequence[Sequence[str]]) -> list[str]:
    """Join blocks of lines below one stem."""
    lines = []
    for n, block in enumerate(blocks):
        first, rest = ("└─ ", "   ") if n == len(blocks) - 1 else ("├─ ", "│  ")
        lines += [f"{rest if i else first}{line}" for i, line in enumerate(block)]
    return lines


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
