"""Everything that the judge may know of a run, gathered from the bundle and the subject.

Result files are read as they were kept in the bundle, files of the subject as git has them at its
commit; the working tree is never looked at. What cannot be read is said to be broken, so that the
judge hears of it. Nothing is judged here.
"""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit import results
from audit.errors import Unavailable
from audit.repo import Entry, Repository
from evidence import chain
from evidence.globs import matcher
from evidence.model import (
    AbsentFact,
    Artifact,
    Attempt,
    AttemptFact,
    Cell,
    EngineFact,
    Facts,
    FileFact,
    FilePresent,
    MetricFact,
    MetricWithin,
    Outcome,
    PatternAbsent,
    Plan,
    ResultFact,
    ResultFile,
    TestFact,
)

FILE_BYTES_MAX = 16 * 2**20
"""Bytes of a tracked file that are searched; of a larger one absence cannot be said."""
LINE_LETTERS_MAX = 10_000
"""Letters of a line that are searched at once; longer lines are searched in pieces."""
OVERLAP_LETTERS = 1_000
"""What two pieces of a long line share: a longer match across their border can be missed."""
HITS_MAX = 20
"""Places of a pattern that are told."""
SEARCH_SECONDS_MAX = 30.0
"""Time for one pattern over all its files, looked at between lines."""
LINKS_MAX = 8


def gather(
    plan: Plan,
    attempts: Sequence[Attempt],
    run_folder: Path,
    repository: Repository,
    *,
    as_of: str,
    subject_after: str,
    engine: Iterable[EngineFact],
    clean: Callable[[str], str] | None = None,
) -> Facts:
    """Return the facts of a run that ended at `as_of`.

    `run_folder` holds the artifacts of the attempts; `subject_after` is the digest of the subject
    at the end; `engine` is what the engine observed of itself. `clean` takes secrets out of what
    parsing brings to light.
    """
    read = _Results(plan, run_folder, clean)
    for cell in plan.cells:
        read.cell(cell, [attempt for attempt in attempts if attempt.cell == cell.id])
    files, absent = look_up(plan, repository)
    return Facts(
        format_version=1,
        as_of=as_of,
        subject_after=subject_after,
        attempts=tuple(map(_attempt_fact, attempts)),
        results=tuple(read.results),
        tests=tuple(read.tests),
        metrics=tuple(read.metrics),
        files=files,
        absent=absent,
        engine=tuple(engine),
    )


def _attempt_fact(attempt: Attempt) -> AttemptFact:
    return AttemptFact(
        cell=attempt.cell,
        number=attempt.number,
        result=attempt.result,
        reason=attempt.reason,
        exit_code=attempt.exit_code,
        end_utc=attempt.end_utc,
    )


# --- what cells left ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Results:
    """Reads the result files of the deciding attempt of each cell."""

    plan: Plan
    folder: Path
    clean: Callable[[str], str] | None = None
    results: list[ResultFact] = field(default_factory=list)
    tests: list[TestFact] = field(default_factory=list)
    metrics: list[MetricFact] = field(default_factory=list)
    wanted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        conditions = (item for signal in self.plan.signals for item in signal.conditions)
        self.wanted = frozenset(item.name for item in conditions if isinstance(item, MetricWithin))

    def cell(self, cell: Cell, attempts: Sequence[Attempt]) -> None:
        if not attempts:
            return
        last = max(attempts, key=lambda attempt: attempt.number)
        kept = {artifact.source: artifact for artifact in last.artifacts}
        tests: dict[str, TestFact] = {}
        for result in cell.results:
            found, problem = result.path in kept, ""
            if found:
                try:
                    self._read(cell, result, self._bytes(kept[result.path]), tests)
                except results.BrokenError as error:
                    problem = self.clean(str(error)) if self.clean else str(error)
            self.results.append(ResultFact(cell.id, result.path, found, problem))
        self.tests += tests.values()

    def _bytes(self, artifact: Artifact) -> bytes:
        if artifact.bytes > results.FILE_BYTES_MAX:
            raise results.BrokenError(f"it is larger than {results.FILE_BYTES_MAX} bytes")
        try:
            data = (self.folder / artifact.path).read_bytes()
        except OSError as error:
            raise results.BrokenError(f"it cannot be read, {error.strerror}") from error
        if chain.sha256(data) != artifact.sha256:
            raise results.BrokenError("it is not the file that the attempt left")
        return data

    def _read(
        self, cell: Cell, result: ResultFile, data: bytes, tests: dict[str, TestFact]
    ) -> None:
        if result.format == "junit":
            for test in results.junit(data, self.clean):
                outcome = _outcome(test, cell)
                if test.key in tests:
                    outcome = results.worse(outcome, tests[test.key].outcome)
                tests[test.key] = TestFact(cell.id, test.key, outcome)
        elif result.format == "metrics":
            numbers = results.metrics(data, self.wanted)
            self.metrics += [MetricFact(cell.id, name, text) for name, text in numbers.items()]
        else:
            results.nox_sessions(data)


def _outcome(test: results.Test, cell: Cell) -> Outcome:
    """A test that passed only when it ran again has failed, unless its cell may be flaky."""
    if test.outcome == "passed" and test.retried and not cell.flaky:
        return "failed"
    return test.outcome


# --- what the subject holds -----------------------------------------------------------------------


def look_up(
    plan: Plan, repository: Repository
) -> tuple[tuple[FileFact, ...], tuple[AbsentFact, ...]]:
    """Return the facts for each `file` and `absent` condition, in the order of the plan.

    Both look at the subject's commit, outside the output roots. Patterns are Python's `re`, line
    by line. Globs are those of `evidence.globs`; links and submodules are no inputs.
    """
    conditions = [item for signal in plan.signals for item in signal.conditions]
    files = dict.fromkeys(item for item in conditions if isinstance(item, FilePresent))
    absent = dict.fromkeys(item for item in conditions if isinstance(item, PatternAbsent))
    if not files and not absent:
        return (), ()
    roots = tuple(plan.rules.outputs)
    tree = {
        path: entry
        for path, entry in repository.tree(plan.subject.commit).items()
        if not path.startswith(roots)
    }
    subject = _Subject(tree, _folders(tree), repository)
    searches = [_Search(item) for item in absent]
    subject.search(searches)
    return tuple(map(subject.file, files)), tuple(search.fact() for search in searches)


def _folders(tree: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for path in tree:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(found)


@dataclass(slots=True)
class _Search:
    """One `absent` condition on its way through the files."""

    condition: PatternAbsent
    inputs: int = 0
    hits: list[str] = field(default_factory=list)
    spent_s: float = 0.0
    _meant: Callable[[str], bool] = field(init=False)
    _besides: Callable[[str], bool] = field(init=False)
    _regex: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        self._meant = matcher(self.condition.inside)
        self._besides = matcher(self.condition.besides)
        self._regex = re.compile(self.condition.pattern, re.MULTILINE)

    def means(self, path: str) -> bool:
        return self._meant(path) and not self._besides(path)

    def look(self, path: str, text: str | None, problem: str) -> None:
        """Note where the pattern stands; what could not be searched counts as a place, too."""
        self.inputs += 1
        if len(self.hits) >= HITS_MAX:
            return
        if text is None:
            self.hits.append(f"{path} ({problem})")
            return
        budget_s = SEARCH_SECONDS_MAX - self.spent_s
        started = time.monotonic()
        try:
            lines = matching_lines(self._regex, text, budget_s)
            room = HITS_MAX - len(self.hits)
            self.hits += [f"{path}:{line}" for line, _ in zip(lines, range(room), strict=False)]
        except TimeoutError:
            self.hits.append(f"{path} (the pattern takes too long)")
        self.spent_s += time.monotonic() - started

    def fact(self) -> AbsentFact:
        item = self.condition
        return AbsentFact(item.pattern, item.inside, item.besides, self.inputs, tuple(self.hits))


@dataclass(slots=True)
class _Subject:
    """The tracked files of the subject's commit."""

    tree: Mapping[str, Entry]
    folders: frozenset[str]
    repository: Repository

    def search(self, searches: Sequence[_Search]) -> None:
        """Read each file that some pattern is looked for in, once."""
        for path, entry in self.tree.items() if searches else ():
            asking = [item for item in searches if entry.is_file and item.means(path)]
            if asking:
                text, problem = self._text(entry)
                for item in asking:
                    item.look(path, text, problem)

    def file(self, condition: FilePresent) -> FileFact:
        path, contains = condition.path, condition.contains
        place = self._resolved(path.rstrip("/"))
        entry = self.tree.get(place)
        found = entry is not None or place in self.folders
        matches = None
        if contains is not None:
            matches = entry is not None and self._says(entry, contains)
        return FileFact(path, contains, found, matches)

    def _resolved(self, path: str) -> str:
        """Follow links that stay inside the tree; a link that leads out is not followed."""
        for _ in range(LINKS_MAX):
            entry = self.tree.get(path)
            if entry is None or entry.mode != "120000":
                return path
            target, _ = self._text(entry)
            path = _joined(path.rpartition("/")[0], target or "/")
        return ""

    def _says(self, entry: Entry, contains: str) -> bool:
        text, _ = self._text(entry) if entry.is_file else (None, "")
        if text is None:
            return False
        try:
            lines = matching_lines(re.compile(contains, re.MULTILINE), text, SEARCH_SECONDS_MAX)
            return next(lines, None) is not None
        except TimeoutError:
            return False

    def _text(self, entry: Entry) -> tuple[str | None, str]:
        """Return the text of a blob, or why there is none."""
        try:
            if self.repository.size(entry.blob) > FILE_BYTES_MAX:
                return None, f"larger than {FILE_BYTES_MAX} bytes, not searched"
            return decoded(self.repository.read(entry.blob)), ""
        except Unavailable:
            return None, "git cannot read it"


def _joined(folder: str, target: str) -> str:
    parts = folder.split("/") if folder else []
    for part in target.split("/") if not target.startswith("/") else [".."] * (len(parts) + 1):
        if part == ".." and not parts:
            return ""
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def decoded(data: bytes) -> str:
    """Return the text of a tracked file: UTF-16 where a mark says so, else UTF-8, never failing."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


def matching_lines(regex: re.Pattern[str], text: str, budget_s: float) -> Iterator[int]:
    """Yield the numbers, from 1, of the lines in which `regex` is found.

    Line by line, so that no pattern walks over a whole file. Definitions refuse nested repeats;
    with lines in pieces, what is left of a slow pattern is bounded.

    Raises:
        TimeoutError: the budget is spent; looked at between lines.
    """
    deadline = time.monotonic() + budget_s
    for number, line in enumerate(text.split("\n"), 1):
        if not number % 64 and time.monotonic() > deadline:
            raise TimeoutError
        if len(line) <= LINE_LETTERS_MAX:
            if regex.search(line.removesuffix("\r")):
                yield number
        elif _found_in_pieces(regex, line, deadline):
            yield number


def _found_in_pieces(regex: re.Pattern[str], line: str, deadline: float) -> bool:
    for start in range(0, len(line), LINE_LETTERS_MAX - OVERLAP_LETTERS):
        if time.monotonic() > deadline:
            raise TimeoutError
        if regex.search(line[start : start + LINE_LETTERS_MAX]):
            return True
    return False
