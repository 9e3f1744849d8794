"""Whether the evidence of an earlier run for a command still holds at another commit.

It holds when everything that the command's cells could read is the same at both commits: the
tracked files that their declared patterns match *at each commit* (so that a new file that matches
counts), files that decide what is installed and how a tree is checked out, the definition of the
cells and of all that they need, the tool, the host and the recorded environment. And when the old
evidence is a pass, by the judge, that is not too old. A cell that declares nothing read everything.

Pure functions over records and raw git objects: a stranger who has both bundles gets the same
answer. Nothing is believed for being declared: what a pattern leaves out is the author's claim, and
the proof shows the patterns.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evidence import chain, codec, judge, subject, words
from evidence.codec import Malformed
from evidence.globs import matcher
from evidence.instant import milliseconds
from evidence.model import (
    Answer,
    Cell,
    CommandPassed,
    Facts,
    Gate,
    Plan,
    Run,
    Signal,
    Variable,
)
from evidence.subject import Listed

ALWAYS_READ = (
    *("**/*.lock", "**/*.lockb", "**/*-lock.json", "**/*-lock.yaml", "**/npm-shrinkwrap.json"),
    *("**/requirements*.txt", "**/requirements/**/*.txt", "**/constraints*.txt", "**/pylock*.toml"),
    *("**/go.mod", "**/go.sum", "**/.python-version", "**/.tool-versions"),
    *("**/.gitattributes", ".gitmodules"),
)
"""Files that decide what is installed or how a tree is checked out, whatever a cell declares."""
NAMES_THE_RUN = frozenset(
    (
        *("GITHUB_REF", "GITHUB_RUN_ATTEMPT", "GITHUB_RUN_ID", "GITHUB_SHA"),
        *("CI_COMMIT_SHA", "CI_JOB_ID", "CI_PIPELINE_ID"),
    )
)
"""Recorded variables that are another in every run: they name it."""
DIFFERING_MAX = 1_000
"""Differing paths that a proof lists; their number is told in full."""
LINK_MODE = b"120000"
"""The mode of a symbolic link, whose blob says where it leads and is not among the objects."""
SUBMODULE_MODE = b"160000"
_NO_MATTER = ("command", "cmd", "required")
"""Fields of a cell that do not change what it does, or what its result means."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sealed run as the rule needs it. `files` are all tracked files of its commit."""

    plan: Plan
    run: Run
    facts: Facts
    final_root: str
    files: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs: which it is, and the digests of what its cells were given.

    `definition` covers the cells and what they need, `inputs` the files that they read (`files`
    counts them), `environment` the tool, the host and the recorded variables.
    """

    label: str
    run: str
    final_root: str
    commit: str
    subject: str
    definition: str
    inputs: str
    files: int
    environment: str


@dataclass(frozen=True, slots=True)
class Differing:
    """A path that one of the cells reads and that is not the same at both commits."""

    path: str
    how: Literal["changed", "added", "removed", "changed its mode"]


@dataclass(frozen=True, slots=True)
class Carried:
    """A proof, or why there is none. `run` is the label of the old run.

    `reads` are the patterns of the cells and of what they need; `everything` says why they do not
    count and all tracked files do, and is empty where they count. `ended_utc` is when the oldest
    deciding attempt ended; `max_age_ms` is the limit of the new run.
    """

    format_version: Literal[1]
    command: str
    run: str
    cells: tuple[str, ...]
    answer: Answer
    reason: str
    as_of: str
    ended_utc: str
    max_age_ms: int | None
    reads: tuple[str, ...]
    everything: str
    old: Side
    new: Side
    differing: tuple[Differing, ...]
    differing_count: int


def files_of(plan: Plan, data: bytes, place: str) -> tuple[Listed, ...]:
    """Return the tracked files of a plan's commit out of a bundle's raw git objects.

    Raises:
        Malformed: the objects are not whole, or are not of the subject that the plan names.
    """
    algorithm = "sha256" if len(plan.subject.commit) == 64 else "sha1"
    objects = subject.split_objects(data, place, algorithm)
    tree, files = subject.files_of(objects, plan.subject.commit)
    if tree != plan.subject.tree:
        raise Malformed(place, "is not the tree of the subject")
    if subject.digest_of(files, plan.rules.outputs) != plan.subject.digest:
        raise Malformed(place, "does not have the digest of the subject")
    return tuple(files)


def carry(old: Evidence, new: Evidence, command: str, as_of: str) -> Carried:
    """Return whether what `old` found for `command` holds for `new`, at the instant `as_of`.

    Both bundles must have been verified. Evidence is refused in the judge's order: not there, not
    whole, not of this subject, too old, says no.

    Raises:
        ValueError: `as_of` is no time.
    """
    milliseconds(as_of)
    ids = tuple(cell.id for cell in new.plan.cells if cell.command == command)
    read_old, read_new = _Read(old, ids), _Read(new, ids)
    differing = list(_differing(read_old, read_new))
    answer, reason = _answer(read_old, read_new, command, as_of, differing)
    return Carried(
        format_version=1,
        command=command,
        run=old.plan.label,
        cells=ids,
        answer=answer,
        reason=reason,
        as_of=as_of,
        ended_utc=_ended(old.facts, ids),
        max_age_ms=new.plan.rules.max_age_ms,
        reads=read_new.reads,
        everything=read_new.everything or read_old.everything,
        old=read_old.side(),
        new=read_new.side(),
        differing=tuple(differing[:DIFFERING_MAX]),
        differing_count=len(differing),
    )


def refused(
    new: Evidence, command: str, run: str, answer: Answer, reason: str, as_of: str
) -> Carried:
    """Return the answer where the old bundle is not there or not whole, and cannot be heard."""
    ids = tuple(cell.id for cell in new.plan.cells if cell.command == command)
    read = _Read(new, ids)
    nothing = Side(run, "", "", "", "", "", "", 0, "")
    return Carried(
        format_version=1,
        command=command,
        run=run,
        cells=ids,
        answer=answer,
        reason=reason,
        as_of=as_of,
        ended_utc="",
        max_age_ms=new.plan.rules.max_age_ms,
        reads=read.reads,
        everything=read.everything,
        old=nothing,
        new=read.side(),
        differing=(),
        differing_count=0,
    )


def holds(proof: Carried, new: Evidence, as_of: str) -> tuple[Answer, str]:
    """Return what a recorded proof says for a run at an instant, with only that run at hand.

    The new side is computed again; the old side is as the proof tells it, until somebody brings
    the old bundle and calls `carry`.

    Raises:
        ValueError: `as_of` is no time.
    """
    at_ms = milliseconds(as_of)
    if proof.answer != "met":
        return proof.answer, proof.reason
    ids = tuple(cell.id for cell in new.plan.cells if cell.command == proof.command)
    if not ids:
        return "missing", f"the plan has no command {proof.command}"
    read = _Read(new, ids)
    if proof.cells != ids or proof.new != read.side() or new.plan.subject.dirty:
        return "wrong_subject", f"the proof for {proof.command} is about another run"
    one, other = proof.old, proof.new
    if one.label != proof.run or one.final_root == new.final_root or proof.differing_count:
        return "broken", f"the proof for {proof.command} contradicts itself"
    same = ("subject",) if read.everything else ("inputs",)
    if any(
        getattr(one, name) != getattr(other, name) for name in ("definition", "environment", *same)
    ) or not (read.everything or read.declared):
        return "broken", f"the proof for {proof.command} contradicts itself"
    try:
        age_ms = at_ms - milliseconds(proof.ended_utc)
    except ValueError:
        return "broken", f"the proof for {proof.command} does not say when its evidence ended"
    limit = new.plan.rules.max_age_ms
    if age_ms < 0:
        return "missing", f"its evidence ended at {proof.ended_utc}, after this instant"
    if limit is not None and age_ms >= limit:
        return "stale", f"its evidence ended at {proof.ended_utc}, which is too old"
    return "met", proof.reason


# --- the rule -------------------------------------------------------------------------------------


def _answer(
    old: _Read, new: _Read, command: str, as_of: str, differing: Sequence[Differing]
) -> tuple[Answer, str]:
    label = old.evidence.plan.label
    if not new.ids:
        return "missing", f"the plan has no command {command}"
    for read in (old, new):
        if read.lacking:
            return "missing", f"{read.evidence.plan.label} has no cell {read.lacking[0]}"
    judged = _judged(old.evidence, new.evidence.plan.rules.max_age_ms, new.ids, as_of)
    if judged[0] in ("missing", "broken"):
        return judged
    foreign = next(_foreign(old, new, differing), "")
    if foreign:
        return "wrong_subject", foreign
    if judged[0] != "met":
        return judged
    if old.everything or new.everything:
        return "met", f"{command} passed in {label}, whose tree is the same"
    files = words.count(len(new.files), "file")
    return "met", f"{command} passed in {label}, and the {files} that it reads are the same"


def _foreign(old: _Read, new: _Read, differing: Sequence[Differing]) -> Iterator[str]:
    """Yield why the old evidence is not about this subject."""
    for read in (old, new):
        plan = read.evidence.plan
        if plan.subject.dirty:
            yield f"the tree of {plan.label} was dirty: {words.listed(plan.subject.dirty)}"
    if old.definition != new.definition:
        yield f"the definition of {_changed_cell(old, new)} is another"
    everything = new.everything or old.everything
    if differing:
        first = f"{differing[0].path} {_HOW[differing[0].how]}"
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        why = f", and {everything}" if everything else ""
        yield f"{first}{more}{why}"
    elif everything and old.evidence.plan.subject.digest != new.evidence.plan.subject.digest:
        yield f"the subject is another, and {everything}"
    elif not everything and not new.declared:
        yield f"no tracked file matches {words.listed(new.reads)}"
    one, other = old.environment, new.environment
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            yield f"{name} was {one.get(name, 'not set')}, is {other.get(name, 'not set')}"


_HOW = {
    "changed": "was changed",
    "added": "was added",
    "removed": "was removed",
    "changed its mode": "changed its mode",
}


def _changed_cell(old: _Read, new: _Read) -> str:
    one = {cell.id: cell for cell in old.cells}
    other = {cell.id: cell for cell in new.cells}
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other or _bare(one[name]) != _bare(other[name]):
            return name
    return words.listed(new.ids)


def _differing(old: _Read, new: _Read) -> Iterator[Differing]:
    """Yield what is not the same among the files that count, by path."""
    everything = old.everything or new.everything
    one, other = (read.tracked if everything else read.files for read in (old, new))
    for path in sorted(one.keys() | other.keys()):
        before, after = one.get(path), other.get(path)
        if before == after:
            continue
        shown = path.decode("utf-8", "surrogateescape")
        if before is None:
            yield Differing(shown, "added")
        elif after is None:
            yield Differing(shown, "removed")
        else:
            same_blob = before.blob == after.blob
            yield Differing(shown, "changed its mode" if same_blob else "changed")


def _judged(
    old: Evidence, max_age_ms: int | None, ids: tuple[str, ...], as_of: str
) -> tuple[Answer, str]:
    """What the judge says of the cells in the old run, asked as a condition of this age."""
    condition = CommandPassed("command", "", ids, max_age_ms)
    asked = Signal("asked", 0, "", "", (), (), "", (), "", (condition,))
    plan = dataclasses.replace(old.plan, signals=(asked,), gates=(Gate(0, "", ("asked",)),))
    found = judge.decide(plan, old.facts, as_of).signals[0].conditions[0]
    return found.answer, found.reason


def _ended(facts: Facts, ids: Iterable[str]) -> str:
    """When the oldest of the deciding attempts ended; empty where one is missing."""
    last = {fact.cell: fact for fact in sorted(facts.attempts, key=lambda attempt: attempt.number)}
    ends = [last[name].end_utc if name in last else "" for name in ids]
    return min(ends, key=lambda utc: milliseconds(utc) if utc else -1, default="")


# --- what a cell could read -----------------------------------------------------------------------


class _Read:
    """What some cells of a run could read: files, definitions, environment."""

    def __init__(self, evidence: Evidence, ids: Sequence[str]) -> None:
        self.evidence = evidence
        self.ids = tuple(ids)
        self.cells, self.lacking = _closure(evidence.plan, ids)
        self.reads = tuple(sorted({glob for cell in self.cells for glob in cell.reads}))
        outside = _outside(evidence.plan.rules.outputs)
        self.tracked = {file.path: file for file in evidence.files if outside(file.path)}
        declared = _matched(self.reads, self.tracked)
        always = _matched(ALWAYS_READ, self.tracked)
        on_the_way = self._on_the_way()
        self.declared = bool(declared)
        self.everything = self._everything(declared | always | on_the_way)
        self.files = self.tracked if self.everything else declared | always | on_the_way
        values = [_bare(cell) for cell in self.cells]
        self.definition = chain.sha256(codec.compact(values))
        self.environment = _environment(evidence.plan, evidence.run)

    def _on_the_way(self) -> _Files:
        """Links and submodules that stand where a pattern passes through a folder."""
        heads = [(head, matcher([head])) for head in sorted(set(_heads(self.reads)))]
        found: _Files = {}
        for path, file in self.tracked.items():
            if file.mode in (LINK_MODE, SUBMODULE_MODE):
                name = path.decode("utf-8", "surrogateescape")
                for head, meant in heads:
                    same_depth = "**" in head or head.count("/") == name.count("/")
                    if same_depth and meant(name):
                        found[path] = file
        return found

    def _everything(self, files: _Files) -> str:
        """Why patterns do not say what was read; empty where they do."""
        if not self.cells:
            return "nothing is known of its cells"
        for cell in self.cells:
            if not cell.reads:
                return f"{cell.id} declares no reads, so it read everything"
        if len({file.path for file in self.evidence.files}) != len(self.evidence.files):
            return "its tree has a path twice"
        for path, file in sorted(files.items()):
            if file.mode == LINK_MODE:
                name = path.decode("utf-8", "surrogateescape")
                return f"{name} is a link, so everything may have been read"
        return ""

    def side(self) -> Side:
        """The digests of what was read, with the run that it was read in."""
        plan, run = self.evidence.plan, self.evidence.run
        files = sorted(self.files.values(), key=lambda file: file.path)
        return Side(
            label=plan.label,
            run=run.id,
            final_root=self.evidence.final_root,
            commit=plan.subject.commit,
            subject=plan.subject.digest,
            definition=self.definition,
            inputs=subject.digest_of(files, ()),
            files=len(files),
            environment=chain.sha256(codec.compact(self.environment)),
        )


_Files = dict[bytes, Listed]


def _closure(plan: Plan, ids: Sequence[str]) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """The cells, with all that they need, by id; and the ids that the plan does not have.

    What a cell needs may leave files that it reads, so it counts as part of it.
    """
    by_id = {cell.id: cell for cell in plan.cells}
    found: dict[str, Cell] = {}
    waiting, lacking = list(ids), []
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in by_id:
            lacking.append(name)
            continue
        found[name] = by_id[name]
        waiting += by_id[name].needs
    return tuple(found[name] for name in sorted(found)), tuple(sorted(set(lacking)))


def _bare(cell: Cell) -> dict[str, object]:
    value: dict[str, object] = codec.to_value(cell)
    return {name: item for name, item in value.items() if name not in _NO_MATTER}


def _outside(outputs: Sequence[str]) -> Callable[[bytes], bool]:
    roots = tuple(
        output.rstrip("/").encode("utf-8", "surrogateescape") + b"/" for output in outputs
    )
    return lambda path: not (path + b"/").startswith(roots)


def _matched(globs: Sequence[str], tracked: Mapping[bytes, Listed]) -> _Files:
    meant = matcher(globs)
    return {
        path: file
        for path, file in tracked.items()
        if meant(path.decode("utf-8", "surrogateescape"))
    }


def _heads(globs: Iterable[str]) -> Iterator[str]:
    """Yield the folders that lead to what globs mean: a link among them could lead anywhere."""
    for glob in globs:
        parts = [part for part in glob.split("/") if part not in ("", ".")]
        yield from itertools.accumulate(parts[:-1], lambda head, part: f"{head}/{part}")


def _environment(plan: Plan, run: Run) -> dict[str, str]:
    """The tool, the host and the recorded variables, by what people call them."""

    def named(kind: str, variables: Iterable[Variable]) -> dict[str, str]:
        return {f"{kind} {item.name}": item.value for item in variables}

    kept = [item for item in run.environment if item.name not in NAMES_THE_RUN]
    tool = {"the tool": f"{plan.tool.name} {plan.tool.version}"}
    return tool | named("the host's", run.host) | named("the variable", kept)
