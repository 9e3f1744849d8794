"""`arco-audit history`: add runs, ask about them, draw them, send them to a catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from audit import extras, runs
from audit.cli import options, screen, signing
from audit.cli.failure import READY, UNVERIFIED
from audit.errors import Corrupt, Invalid
from audit.render import words
from evidence import archive, chain, codec, layout
from evidence import verify as verifier
from evidence.codec import Malformed
from evidence.folder import Folder, in_threads, withheld

if TYPE_CHECKING:
    from audit.history.gather import Approval, Gathered
    from audit.history.query import History
    from evidence.roster import Roster

F = TypeVar("F", bound=Callable[..., Any])

STORE = ".history"
"""Folder below the output root: never part of the subject, and hidden from `git status` wherever
runs are."""
WHAT = ("trends", "flaky", "time-to-green", "owners", "gates", "cells")
TRENDS_SHOWN = 30
"""Newest runs that `trends` shows when nobody says how many."""
BATCH_RUNS = 200
"""Runs that are added at a time: a Ctrl-C loses no more than that."""


class _Shows(click.Group):
    """A group that shows when no subcommand is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group("history", cls=_Shows)
def command() -> None:
    """Ask about many runs at once: trends, flaky cells, time to green.

    Runs are kept as typed Parquet tables, without their logs. Without a subcommand: show.
    Needs the extra `history` (pyarrow, duckdb); `push` needs the extra `iceberg`.

    \b
    Examples:
      arco-audit history add
      arco-audit history --what flaky
      arco-audit history page --out build/history.html
      arco-audit history push --catalog http://127.0.0.1:8181 --namespace release
    """


def _places(function: F) -> F:
    """Add the options that say which history is meant."""
    stored = click.option(
        "--store",
        type=click.Path(path_type=Path, file_okay=False),
        default=None,
        metavar="DIR",
        help=f"The folder of the history (default: {STORE} below the evidence root).",
    )
    return options.repo(options.definition(stored(function)))


def _chosen(function: F) -> F:
    """Add the options that say which runs are meant."""
    last = click.option(
        "--last",
        type=click.IntRange(1, 10**9),
        default=None,
        metavar="N",
        help="Only the newest N runs.",
    )
    audit = click.option("--audit", default="", metavar="ID", help="Only runs of this audit.")
    return last(audit(function))


def _store(repo: Path, definition: Path | None, store: Path | None) -> Path:
    if store is not None:
        return store
    root = options.root_of(repo)
    return root / options.outputs(root, definition)[0] / STORE


# --- add ------------------------------------------------------------------------------------------


@command.command("add", short_help="add runs; one that is there is not added twice")
@click.argument("names", nargs=-1, metavar="[RUN...]")
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Add the approvals that count by this trust file, too.",
)
@_places
@options.json
def add(
    names: tuple[str, ...],
    trust: Path | None,
    repo: Path,
    definition: Path | None,
    store: Path | None,
    as_json: bool,
) -> int:
    """Add runs to the history; a run that is there already is not added twice.

    RUN is a folder or a label; by default every finished run below the evidence root. Each bundle
    is verified, and the history says whether it did. With --trust the sign-off beside each run is
    weighed as of now, and approvals that count are added; unsigned words never are. Exit codes: 0
    whatever the verdicts; 3 a bundle does not verify (it is added, and marked) or it, or its
    sign-off, cannot be read (it is not).

    \b
    Examples:
      arco-audit history add
      arco-audit history add release_evidence/1.0/head
      arco-audit history add --trust audit-trust.toml
    """
    with extras.needed("history"):
        from audit.history import store as stores
    folder = _store(repo, definition, store)
    weighing = None if trust is None else _Weighing.by(trust)
    told = _Told(_folders(repo, definition, names))
    known = stores.known(folder)
    for batch in _batches(told, known):
        done = stores.add(folder, batch)
        told.added += done.added
        told.known += done.known
        told.replaced += done.replaced
        told.unverified += [run.place for run in batch if not run.verified]
    if weighing is not None:
        told.approvals = stores.add(folder, [], list(_approvals(told, weighing))).approvals
    if as_json:
        screen.as_json({**told.value(), "store": str(folder)})
    else:
        screen.say(f"history: {folder}")
        for line in told.lines():
            screen.say(line)
    return UNVERIFIED if told.unverified or told.unreadable else READY


@dataclass
class _Told:
    """What an addition did, told to people and machines."""

    folders: Sequence[Path]
    added: int = 0
    known: int = 0
    replaced: int = 0
    approvals: int | None = None
    unverified: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def value(self) -> dict[str, Any]:
        return {"runs": len(self.folders), **asdict(self), "folders": list(map(str, self.folders))}

    def lines(self) -> Iterator[str]:
        yield f"added: {self.added}  there already: {self.known}"
        if self.replaced:
            yield f"did not verify before and does now: {self.replaced}"
        if self.approvals is not None:
            yield f"approvals added: {self.approvals}"
        for place in self.unverified:
            yield f"added, and does not verify: {place}; next: arco-audit verify {place}"
        for problem in self.unreadable:
            yield f"not added: {problem}"


def _folders(repo: Path, definition: Path | None, names: Sequence[str]) -> list[Path]:
    """The folders of the named runs, or of every finished one."""
    if names:
        return [options.run_folder(repo, definition, name) for name in names]
    root = options.root_of(repo)
    roots = [root / output for output in options.outputs(root, definition)]
    found = sorted(path for folder in roots for path in runs.below(folder))
    finished = [path for path in found if archive.is_sealed(path)]
    if not finished:
        raise Invalid(
            f"no finished run lies below roots=`{', '.join(map(str, roots))}`",
            next_step="arco-audit run",
        )
    return finished


def _batches(told: _Told, known: Mapping[str, bool]) -> Iterator[list[Gathered]]:
    """Yield the runs that are not there yet, some at a time; what cannot be read is told."""
    batch = []
    for folder in told.folders:
        try:
            run = _gathered(folder, known)
        except Corrupt as error:
            told.unreadable.append(str(error))
            continue
        if run is None:
            told.known += 1
        else:
            batch.append(run)
        if len(batch) == BATCH_RUNS:
            yield batch
            batch = []
    if batch:
        yield batch


def _gathered(folder: Path, known: Mapping[str, bool]) -> Gathered | None:
    """Return a run as rows, or nothing when it is there and verified.

    Raises:
        Invalid: the run was not finished.
        Corrupt: a record or the checkpoint cannot be read.
    """
    from audit.history.gather import gather

    if not archive.is_sealed(folder):
        runs.load(folder)
    final_root = _final_root(folder)
    if known.get(final_root):
        return None
    report = verifier.verify(Folder(str(folder)), each=in_threads, withheld=withheld(str(folder)))
    return gather(runs.load(folder), final_root=final_root, verified=report.ok)


@dataclass(frozen=True)
class _Weighing:
    """Whom to trust, and as of when."""

    roster: Roster
    as_of: str

    @classmethod
    def by(cls, trust: Path) -> _Weighing:
        """Read a trust file, for now. Raises `Invalid`."""
        from audit.trust import book

        return cls(book.roster_of(trust), signing.now())


def _approvals(told: _Told, weighing: _Weighing) -> Iterator[Approval]:
    """Yield the approvals that count of every run that verifies; what cannot be read is told."""
    from audit.history.gather import approvals_of
    from audit.trust import book, keys

    failed = {Path(place) for place in told.unverified}
    for folder in told.folders:
        if folder in failed:
            continue
        try:
            where = book.beside(folder, runs.load(folder).plan)
            if where is None or not (where / layout.SIGN_OFF_LOG).is_file():
                continue
            opened, _ = book.verified(folder, where)
            found = book.weighed(opened, weighing.roster, weighing.as_of, keys.check_any)
        except Corrupt as error:
            if str(error) not in told.unreadable:
                told.unreadable.append(str(error))
            continue
        yield from approvals_of(found.weighed, weighing.roster, keys.check_any)


def _final_root(folder: Path) -> str:
    """The final root that a checkpoint names. Raises `Corrupt`."""
    try:
        return chain.checkpoint_of(Folder(str(folder)).read(layout.CHECKPOINT)).final_root
    except Malformed as error:
        raise Corrupt(
            str(error), place=str(folder), next_step=f"arco-audit verify {folder}"
        ) from error


# --- show -----------------------------------------------------------------------------------------


@command.command("show", short_help="answer a question about the runs: --what, --last, --audit")
@click.option(
    "--what",
    type=click.Choice(WHAT),
    default="trends",
    show_default=True,
    help="The question.",
)
@_chosen
@_places
@options.json
def show(
    what: str,
    last: int | None,
    audit: str,
    repo: Path,
    definition: Path | None,
    store: Path | None,
    as_json: bool,
) -> int:
    """Answer a question about the runs in the history.

    trends: verdict and open signals of each run. flaky: cells that passed after a failure, or say
    this and that of the same subject. time-to-green: from the first run in red to the first GO
    afterwards. owners: who has signals open. gates: how each stands, and since when. cells: the
    slowest, and how they grew. Without --last, trends shows the newest 30 runs and every other
    question is about all of them. Exit code 0, whatever the verdicts.

    \b
    Examples:
      arco-audit history
      arco-audit history --what flaky --last 100
      arco-audit history show --what cells --json
    """
    with extras.needed("history"):
        from audit.history import query
    folder = _store(repo, definition, store)
    if what == "trends" and last is None:
        last = TRENDS_SHOWN
    with query.opened(folder, last=last, audit=audit) as history:
        rows = query.ANSWERS[what](history)
        if as_json:
            screen.as_json({"what": what, "runs": history.runs, "rows": codec.to_value(rows)})
        else:
            _show(what, rows, history)
    return READY


def _show(what: str, rows: Sequence[Any], history: History) -> None:
    if not rows:
        screen.say(NOTHING[what])
    else:
        header, row = LAYOUTS[what]
        for line in screen.table(header, [row(item) for item in rows]):
            screen.say(line)
    screen.say()
    screen.say(f"over {history.runs} {'run' if history.runs == 1 else 'runs'}")


NOTHING = {
    "trends": "no run",
    "flaky": "no cell passed after a failure, and none flipped on the same subject",
    "time-to-green": "every signal and every gate was GO in every run",
    "owners": "no signal has an owner",
    "gates": "no gate",
    "cells": "no cell ever passed",
}


def _trend(item: Any) -> list[str]:
    change = f"{item.change:+d}" if item.change else ""
    return [
        words.minute(item.ended),
        item.verdict,
        f"{item.signals_open}/{item.signals}",
        change,
        f"{item.gates_go}/{item.gates}",
        f"{item.cells_passed}/{item.cells}",
        words.seconds(item.duration_ms),
        item.commit[:12],
        f"{item.audit}/{item.label}" + ("" if item.verified else "  (does not verify)"),
    ]


def _flaky(item: Any) -> list[str]:
    return [
        item.cell,
        str(item.runs),
        str(item.retried),
        str(item.flips),
        str(item.subjects),
        words.minute(item.last),
        "yes" if item.allowed else "no",
    ]


def _green(item: Any) -> list[str]:
    spans = [words.span(item.median_ms), words.span(item.longest_ms), words.span(item.last_ms)]
    since = words.minute(item.open_since) if item.open_since else ""
    return [item.kind, item.id, str(item.times), *spans, since, item.audit]


def _owner(item: Any) -> list[str]:
    counts = (item.signals, item.go, item.partial, item.blocked, item.no_go)
    moves = (item.opened, item.closed)
    return [*map(str, (*counts, *moves)), words.span(item.median_ms), item.owner]


def _gate(item: Any) -> list[str]:
    return [
        str(item.gate),
        item.status,
        words.minute(item.since),
        f"{item.go_percent}%",
        str(item.reopened),
        str(item.open),
        item.audit,
        item.name,
    ]


def _cell(item: Any) -> list[str]:
    growth = "" if item.growth_percent is None else f"{item.growth_percent:+d}%"
    spans = [words.span(item.median_ms), words.span(item.p95_ms), words.span(item.last_ms)]
    return [*spans, growth, words.span(item.timeout_ms), str(item.runs), item.cell]


LAYOUTS: dict[str, tuple[tuple[str, ...], Callable[[Any], list[str]]]] = {
    "trends": (
        ("ended", "verdict", "open", "change", "gates", "cells", "took", "commit", "run"),
        _trend,
    ),
    "flaky": (("cell", "runs", "retried", "flips", "subjects", "last", "allowed"), _flaky),
    "time-to-green": (
        ("kind", "id", "times", "median", "longest", "last", "open since", "audit"),
        _green,
    ),
    "owners": (
        ("signals", "GO", "PARTIAL", "BLOCKED", "NO-GO", "opened", "closed", "median", "owner"),
        _owner,
    ),
    "gates": (("gate", "status", "since", "GO", "reopened", "open", "audit", "area"), _gate),
    "cells": (("median", "p95", "last", "growth", "limit", "runs", "cell"), _cell),
}


# --- page -----------------------------------------------------------------------------------------


@command.command("page", short_help="write it as one HTML page with plots")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write.",
)
@_chosen
@_places
@options.json
def page(
    out: Path,
    last: int | None,
    audit: str,
    repo: Path,
    definition: Path | None,
    store: Path | None,
    as_json: bool,
) -> int:
    """Write the history as one HTML page with plots, which needs no network and no script.

    \b
    Examples:
      arco-audit history page --out build/history.html
      arco-audit history page --out build/history.html --last 200
    """
    with extras.needed("history"):
        from audit.history import page as pages
        from audit.history import query
    with query.opened(_store(repo, definition, store), last=last, audit=audit) as history:
        data = pages.page(pages.ask(history))
    out.parent.mkdir(parents=True, exist_ok=True)
    archive.put(out.parent, out.name, data)
    if as_json:
        screen.as_json({"page": str(out), "runs": history.runs})
    else:
        screen.say(f"page: {out}")
    return READY


# --- push -----------------------------------------------------------------------------------------


@command.command("push", short_help="append it to the tables of an Iceberg catalog")
@click.option("--catalog", required=True, metavar="URI", help="Where the catalog listens.")
@click.option("--namespace", required=True, metavar="NAME", help="Where the tables lie in it.")
@click.option("--warehouse", default="", metavar="NAME", help="The warehouse, if it asks for one.")
@_places
@options.json
def push(
    catalog: str,
    namespace: str,
    warehouse: str,
    repo: Path,
    definition: Path | None,
    store: Path | None,
    as_json: bool,
) -> int:
    """Append the history to the tables of an Iceberg catalog, each run once.

    Tables that are absent are made. Only runs that verified are sent. Any REST catalog will do, and
    whatever else PyIceberg finds behind a URI; tokens and keys come from PyIceberg's configuration
    of the catalog `arco-audit` (~/.pyiceberg.yaml, or PYICEBERG_CATALOG__ARCO_AUDIT__TOKEN).

    \b
    Examples:
      arco-audit history push --catalog http://127.0.0.1:8181 --namespace release
    """
    with extras.needed("iceberg"):
        from audit.history import iceberg
    folder = _store(repo, definition, store)
    with iceberg.connect(catalog, warehouse) as remote:
        done = iceberg.push(remote, namespace, folder, place=catalog)
    if as_json:
        screen.as_json({"namespace": namespace, "tables": codec.to_value(done)})
        return READY
    rows = [[item.table, str(item.rows), "yes" if item.made else "no"] for item in done]
    for line in screen.table(("table", "rows appended", "made"), rows):
        screen.say(line)
    return READY
