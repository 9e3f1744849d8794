"""`arco-audit ingest`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit import results
from audit.cli import options, screen
from audit.cli.failure import NOT_READY, READY
from audit.errors import Invalid
from evidence import archive, codec

if TYPE_CHECKING:
    from audit.exchange.ingested import Expected, Ingested, Verify

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("ingest")
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@options.repo
@options.json
@click.option("--as", "form", type=click.Choice(("junit", "metrics")), help="Convert for a cell.")
@click.option("--out", type=_FILE, help="Where the converted file goes (default: stdout).")
@click.option("--commit", default="", metavar="REV", help="It must be about this commit.")
@click.option(
    "--artifact", "artifacts", type=_FILE, multiple=True, help="It must be about this file, too."
)
@click.option("--producer", default="", metavar="NAME", help="This builder or tool must make it.")
@click.option("--trust", type=_FILE, help="Check signatures against this trust file.")
@click.option("--role", default="", metavar="NAME", help="With --trust: whose keys count.")
def command(
    files: tuple[Path, ...],
    repo: Path,
    as_json: bool,
    form: str | None,
    out: Path | None,
    commit: str,
    artifacts: tuple[Path, ...],
    producer: str,
    trust: Path | None,
    role: str,
) -> int:
    """Read evidence that others made, and say or convert what it amounts to.

    Reads JUnit, SARIF, CTRF, in-toto links, DSSE envelopes and Sigstore bundles, SLSA provenance,
    VSA, PEP 740 and arco-audit's own attestations. What rests on a signature is at most unknown
    until --trust and --role say whose counts. With --as it becomes a result file of a cell, and the
    judge decides. Exit codes: 0 everything passed, or was converted; 1 something did not pass; 2
    not readable.

    \b
    Examples:
      arco-audit ingest scan.sarif build/ctrf.json
      arco-audit ingest scan.sarif --as metrics --out build/scan.json
      arco-audit ingest dist.intoto.jsonl --commit HEAD --artifact dist/a.whl
    """
    if out is not None and form is None:
        raise click.UsageError("--out needs --as junit or --as metrics")
    if (trust is None) == bool(role):
        raise click.UsageError("--trust FILE and --role NAME belong together")
    expected = _expected(repo, commit, artifacts, producer)
    verify = _verify(trust, role) if trust is not None else None
    found = [item for path in files for item in _ingested(path, expected, verify)]
    if form is not None:
        return _convert(found, form, out, as_json)
    if as_json:
        screen.as_json({"documents": [codec.to_value(item) for item in found]})
    else:
        _show(found)
    return READY if all(item.outcome == "passed" for item in found) else NOT_READY


def _verify(trust: Path, role: str) -> Verify:
    from audit.exchange import signers
    from audit.runner import SystemClock
    from audit.trust import book

    return signers.verifier(book.roster_of(trust), role, SystemClock().utc())


def _ingested(path: Path, expected: Expected, verify: Verify | None) -> tuple[Ingested, ...]:
    from audit.exchange import ingest

    with path.open("rb") as stream:
        data = stream.read(results.FILE_BYTES_MAX + 1)
    return ingest.ingest(data, str(path), expected, verify)


def _expected(repo: Path, commit: str, artifacts: Sequence[Path], producer: str) -> Expected:
    from audit.exchange.ingested import Expected

    return Expected(_resolved(repo, commit), tuple(map(_sha256, artifacts)), producer)


def _resolved(repo: Path, commit: str) -> str:
    """Return a commit by its whole id as it is; any other name is looked up in the repository."""
    if not commit or _COMMIT.fullmatch(commit):
        return commit
    from audit.repo import Repository

    with Repository.open(repo) as repository:
        return repository.require(commit)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _convert(found: Sequence[Ingested], form: str, out: Path | None, as_json: bool) -> int:
    from audit.exchange import ingest

    data = ingest.as_junit(found) if form == "junit" else ingest.as_metrics(found)
    if out is None and as_json and form == "junit":
        raise Invalid("a converted file is no JSON", place="--json", next_step="add --out FILE")
    if out is None:
        screen.say(data.decode("ascii").rstrip("\n"), lines=True)
        return READY
    archive.put(out.parent, out.name, data)
    if as_json:
        screen.as_json({"written": str(out), "format": form, "documents": len(found)})
    else:
        screen.say(f"written: {out}")
    return READY


def _show(found: Sequence[Ingested]) -> None:
    header = ("file", "kind", "outcome", "signature", "made by", "tests", "what is wrong")
    rows = [
        [
            item.place,
            item.kind,
            item.outcome,
            item.signature,
            item.producer,
            str(len(item.tests)),
            "; ".join(item.problems),
        ]
        for item in found
    ]
    for line in screen.table(header, rows):
        screen.say(line)
