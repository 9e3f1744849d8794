"""What must hold between the tables of a definition: unique ids, live references, no loops.

Each rule yields `Trouble` with the key path at which it stands; none stops at its first finding.
Shapes and limits of single values belong to `models`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from audit.definition import matrix, words
from audit.definition.lines import Path
from audit.definition.models import (
    ApprovalCondition,
    CarryCondition,
    CelCondition,
    CommandCondition,
    CommandTable,
    Definition,
    ExternalCondition,
    FileCondition,
    MetricCondition,
    Table,
    TestCondition,
)
from audit.definition.names import hint, safe_id
from audit.definition.units import WrongError, shown


@dataclass(frozen=True, slots=True)
class Trouble:
    """One problem: the key path at which it stands, what it is, and what to do."""

    path: Path
    problem: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """Ids that stand in the file, even in tables that are wrong otherwise."""

    commands: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


def troubles(definition: Definition, known: Known | None = None) -> Iterator[Trouble]:
    """Yield every problem between tables, in no particular order.

    `known` holds ids beyond those of the definition that may be referred to.
    """
    known = known or Known()
    yield from _duplicates(definition)
    yield from _needs(definition, known)
    yield from _loops(definition)
    yield from _cells(definition)
    yield from _placeholders(definition)
    yield from _conditions(definition, known)


def notes(definition: Definition) -> Iterator[str]:
    """Yield what is allowed and probably not meant."""
    if not definition.gates:
        yield "the audit has no gates, so it can never be GO"
    for gate in definition.gates:
        if not gate.signals:
            yield f"gate {gate.id} has no signals, so it is NO-GO: emptiness is not success"
        for signal in gate.signals:
            if not signal.closes_when:
                yield f"signal {signal.id} has no closes_when, so it is NO-GO"
    offered = {name for command in definition.commands for name in _formats(command)}
    used = {type(condition) for _, condition in _all_conditions(definition)}
    for kind, model, wanted in (
        ("test", TestCondition, "junit"),
        ("metric", MetricCondition, "metrics"),
    ):
        if model in used and wanted not in offered:
            yield f"no command writes {wanted} results, so no `{kind}` condition can be met"


def _formats(command: CommandTable) -> Iterator[str]:
    for result in command.results:
        yield "junit" if result.junit is not None else "metrics"


def _duplicates(definition: Definition) -> Iterator[Trouble]:
    numbered = list(enumerate(definition.gates))
    yield from _twice("role", [(("role", n, "id"), r.id) for n, r in enumerate(definition.roles)])
    yield from _twice("gate", [(("gate", n, "id"), str(gate.id)) for n, gate in numbered])
    signals: list[tuple[Path, str]] = [
        (("gate", g, "signal", s, "id"), signal.id)
        for g, gate in numbered
        for s, signal in enumerate(gate.signals)
    ]
    yield from _twice("signal", signals)
    commands = [(("command", n, "id"), c.id) for n, c in enumerate(definition.commands)]
    yield from _twice("command", commands)


def _twice(noun: str, items: Sequence[tuple[Path, str]]) -> Iterator[Trouble]:
    """Yield the ids that stand there again; case is ignored, as some file systems do."""
    seen: dict[str, str] = {}
    for path, name in items:
        first = seen.setdefault(name.casefold(), name)
        if first is not name:
            like = "" if first == name else f", only case tells it from `{first}`"
            yield Trouble(path, f"two {noun}s have this id{like} id=`{name}`", "rename one of them")


def _needs(definition: Definition, known: Known) -> Iterator[Trouble]:
    names = {command.id for command in definition.commands} | set(known.commands)
    for n, command in enumerate(definition.commands):
        for i, need in enumerate(command.needs):
            if need not in names:
                path = ("command", n, "needs", i)
                yield _unknown(path, "command", need, names)


def _unknown(path: Path, noun: str, name: str, known: Iterable[str]) -> Trouble:
    return Trouble(path, f"unknown {noun} {noun}=`{shown(name)}`", hint(name, sorted(known), noun))


def _loops(definition: Definition) -> Iterator[Trouble]:
    """Yield each loop in `needs` once, where it closes; without recursion, for long chains."""
    needs = {command.id: command.needs for command in definition.commands}
    place = {command.id: n for n, command in enumerate(definition.commands)}
    done: set[str] = set()
    for start in needs:
        trail: list[str] = []
        branches = [iter((start,))]
        while branches:
            name = next(branches[-1], None)
            if name is None:
                branches.pop()
                done.update(trail[-1:])
                del trail[-1:]
            elif name in trail:
                loop = [*trail[trail.index(name) :], name]
                yield Trouble(
                    ("command", place[loop[-2]], "needs", needs[loop[-2]].index(name)),
                    f"commands need each other in a circle needs=`{' -> '.join(loop)}`",
                    "take one of these needs out",
                )
            elif name in needs and name not in done:
                trail.append(name)
                branches.append(iter(needs[name]))


def _cells(definition: Definition) -> Iterator[Trouble]:
    """Yield matrices that explode, and cells whose id is no file name or is another cell's."""
    total = sum(matrix.count(command) for command in definition.commands)
    if total > matrix.CELLS_MAX:
        problem = f"the commands make too many cells cells=`{total}` limit=`{matrix.CELLS_MAX}`"
        yield Trouble(("command",), problem, "take values out of a matrix")
        return
    seen: dict[str, str] = {}
    for n, command in enumerate(definition.commands):
        for variant in matrix.variants(command):
            try:
                safe_id(variant.id)
            except WrongError as error:
                yield Trouble(
                    ("command", n, "matrix"), f"its cell: {error.problem}", error.next_step
                )
            owner = seen.setdefault(variant.id.casefold(), command.id)
            if owner != command.id:
                yield Trouble(
                    ("command", n),
                    f"two commands make the same cell cell=`{variant.id}` other=`{owner}`",
                    "rename one of them",
                )


def _placeholders(definition: Definition) -> Iterator[Trouble]:
    for n, command in enumerate(definition.commands):
        for path, text in _filled_texts(command):
            try:
                words.fill(text, dict.fromkeys(command.matrix, ""))
            except WrongError as error:
                yield Trouble(("command", n, *path), error.problem, error.next_step)


def _filled_texts(command: CommandTable) -> Iterator[tuple[Path, str]]:
    """Yield every text of a command in which placeholders count."""
    run = command.run
    if run is not None:
        for text in (run,) if isinstance(run, str) else run:
            yield ("run",), text
    yield ("shell",), command.shell or ""
    yield ("nox",), command.nox or ""
    yield ("cwd",), command.cwd
    for key, value in command.env.items():
        yield ("env", key), value
    for i, result in enumerate(command.results):
        yield ("results", i), result.junit or result.metrics or ""
    for i, produced in enumerate(command.produces):
        yield ("produces", i), produced


def _conditions(definition: Definition, known: Known) -> Iterator[Trouble]:
    commands = {command.id: command for command in definition.commands}
    names = set(commands) | set(known.commands)
    roles = {role.id for role in definition.roles} | set(known.roles)
    for path, condition in _all_conditions(definition):
        match condition:
            case CommandCondition(command=name) | CarryCondition(carry=name):
                key = "command" if isinstance(condition, CommandCondition) else "carry"
                if name not in names:
                    yield _unknown((*path, key), "command", name, names)
            case TestCondition(command=str(name)) | MetricCondition(command=str(name)):
                wanted = "junit" if isinstance(condition, TestCondition) else "metrics"
                if name not in names:
                    yield _unknown((*path, "command"), "command", name, names)
                elif name in commands and wanted not in _formats(commands[name]):
                    yield Trouble(
                        (*path, "command"),
                        f"this command writes no {wanted} results command=`{name}`",
                        f'add `results = [{{ {wanted} = "…" }}]` to it',
                    )
            case ApprovalCondition(approval=role) | ExternalCondition(role=role):
                key = "approval" if isinstance(condition, ApprovalCondition) else "role"
                if role not in roles:
                    yield _unknown((*path, key), "role", role, roles)
            case FileCondition(file=file):
                yield from _outside(path, file, definition.audit.outputs)
            case _:
                pass


def _outside(path: Path, file: str, outputs: Sequence[str]) -> Iterator[Trouble]:
    for output in outputs:
        if f"{file}/".startswith(output):
            yield Trouble(
                (*path, "file"),
                f"an output root is no part of the subject file=`{file}` output=`{output}`",
                "use `external` for what people attach there, or move the file elsewhere",
            )


def _all_conditions(definition: Definition) -> Iterator[tuple[Path, Table]]:
    for g, gate in enumerate(definition.gates):
        for s, signal in enumerate(gate.signals):
            for c, condition in enumerate(signal.closes_when):
                place = ("gate", g, "signal", s, "closes_when", c)
                if isinstance(condition, CelCondition):
                    yield from (((*place, "cel"), part) for part in condition.conditions)
                else:
                    yield place, condition
