"""`arco-audit pack`."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from audit import runs
from audit.cli import options, screen, signing
from audit.cli.failure import NOT_READY, READY
from audit.cli.status_command import not_weighed
from audit.errors import Invalid
from audit.release import material, pack, sbom, tags
from audit.release.checks import Check, failed
from audit.repo import Repository
from evidence import codec

BILL_BYTES_MAX = 64 << 20
"""Bytes of a bill of materials that is brought along."""
CHECKS = (
    *("annotated", "signature", "unmoved", "version", "changelog", "release_notes"),
    *("locks", "sbom_cyclonedx", "sbom_spdx"),
)
"""The checks of a release by name, in their order."""

OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""How git spells the whole id of an object."""

F = Callable[..., Any]


def _release_options(function: F) -> F:
    """Add the options that say what a release is judged by."""
    file = click.Path(path_type=Path, dir_okay=False, exists=True)
    added = (
        click.option(
            "--allowed-signers",
            type=file,
            metavar="FILE",
            help="Who may sign a release by an SSH key, as ssh-keygen(1) describes it.",
        ),
        click.option(
            "--tag-object",
            default="",
            metavar="HEX",
            help="The id of the tag's object as you know it, such as from a CI event.",
        ),
        click.option(
            "--unchecked",
            multiple=True,
            type=click.Choice(CHECKS),
            metavar="CHECK",
            help="Go on although this check could not be run; never one that failed. Repeatable.",
        ),
        click.option("--changelog", default=material.CHANGELOG, metavar="PATH",
                     help="The changelog at the tag (default: CHANGELOG.md)."),
        click.option("--notes", default=material.NOTES, metavar="PATH",
                     help="The release notes at the tag (default: docs/releases/{tag}.md)."),
        click.option("--lock", "locks", multiple=True, metavar="PATTERN",
                     help="Lock files at the tag; repeatable (default: the usual ones)."),
        click.option("--sbom", "bills", multiple=True, type=file, metavar="FILE",
                     help="A bill of materials to check and pack; repeatable (default: made)."),
    )  # fmt: skip
    for option in reversed(added):
        function = option(function)
    return function


@click.command("pack")
@click.argument("tag")
@options.repo
@options.definition
@options.json
@click.option("--run", default="", metavar="RUN", help="The run to pack (default: the newest).")
@click.option("--check", is_flag=True, help="Only check the release; pack nothing.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the pack is written (default: packs/ beside the runs of the audit).",
)
@click.option("--gzip", "compress", is_flag=True, help="Write a .tar.gz beside the .tar.")
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Whom to trust for the verdict with sign-off "
    f"(default: {signing.TRUST} at the root of the repository).",
)
@_release_options
def command(
    tag: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    run: str,
    check: bool,
    out: Path | None,
    compress: bool,
    trust: Path | None,
    unchecked: tuple[str, ...],
    **wishes: Any,
) -> int:
    """Make the evidence pack of a release tag, after checking the release.

    The pack holds the sealed run, its sign-off, the tag's object, the changelog's section, the
    release notes and the bills of materials: the same bytes on any machine. Every check must have
    passed. Sign first: there is one pack of a tag, and a sign-off that comes later makes another.
    The verdict is told, and warned of where it is not GO; it may be packed all the same. Exit
    codes: 0 packed (with --check: all checks passed), 1 a check failed or could not be run, 2 the
    run does not fit or another pack is there, 3 the run does not verify.

    \b
    Examples:
      arco-audit pack v1.2.3 --check --allowed-signers allowed_signers
      arco-audit pack v1.2.3 --run head/2 --out dist --gzip --unchecked unmoved
    """
    tags.version_of(tag)
    records = None if check and not run else _records(repo, definition, run)
    folder = out or (_packs(records) if records else None)
    wanted = _wanted(tag, folder, **wishes)
    with Repository.open(repo) as repository:
        release = material.read(repository, wanted)
        checks = material.examine(repository, release)
    if check and records:
        pack.verified(records.folder)
        checks.append(tags.check_subject(release.commit, records.plan.subject))
    if check or not _enough(checks, unchecked):
        return _tell(release, checks, unchecked, as_json)
    assert records is not None
    assert folder is not None
    content = pack.content(release, records)
    verdict = _verdict(records, signing.brought(records, repo, trust, None, ""))
    with _progress(content.sizes(), as_json) as told:
        outcome = pack.put(folder, content, told)
    more = [pack.put_gzip(outcome.path)] if compress else []
    _told(checks, content, outcome, more, verdict, as_json)
    return READY


def _records(repo: Path, definition: Path | None, run: str) -> runs.Records:
    return runs.load(options.run_folder(repo, definition, run))


def _packs(records: runs.Records) -> Path:
    """Return where packs lie unless somebody says otherwise: beside the runs of the audit."""
    return (pack.audit_folder(records) or records.folder.parent) / "packs"


def _wanted(
    tag: str,
    folder: Path | None,
    allowed_signers: Path | None,
    tag_object: str,
    changelog: str,
    notes: str,
    locks: tuple[str, ...],
    bills: tuple[Path, ...],
) -> material.Wanted:
    if tag_object and not OBJECT_ID.fullmatch(tag_object):
        raise Invalid(
            f"is no whole id of an object tag_object=`{tag_object[:80]}`",
            next_step=f"git rev-parse refs/tags/{tag} where you trust it has 40 or 64 hex digits",
        )
    known = {"--tag-object": tag_object} if tag_object else {}
    if folder and (earlier := pack.recorded(folder, tag)):
        known["the earlier pack"] = earlier
    return material.Wanted(
        tag,
        changelog,
        notes,
        locks or material.LOCKS,
        _bills(bills),
        known,
        allowed_signers,
    )


def _bills(paths: tuple[Path, ...]) -> Mapping[str, bytes]:
    """Return bills of materials by the name that they have in a pack. Raises `Invalid`."""
    found: dict[str, bytes] = {}
    for path in paths:
        if path.stat().st_size > BILL_BYTES_MAX:
            raise Invalid(f"is too large limit=`{BILL_BYTES_MAX}`", place=str(path))
        data = path.read_bytes()
        try:
            kind = sbom.listed(data).format
        except Invalid as error:
            step = (
                "name a CycloneDX or SPDX JSON file whose packages each have a purl and a version"
            )
            raise Invalid(error.problem, place=str(path), next_step=step) from error
        name = sbom.CYCLONEDX if kind == "cyclonedx" else sbom.SPDX
        if name in found:
            raise Invalid(f"is a second bill of one format format=`{kind}`", place=str(path))
        found[name] = data
    return found


def _enough(checks: list[Check], unchecked: tuple[str, ...]) -> bool:
    """Whether a release may be packed: nothing failed, and what is not known was said to be."""
    open_ = {check.name for check in checks if check.result == "could_not_run"}
    return not failed(checks) and open_ <= set(unchecked)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a packed run amounts to: the word that counts, its lines for people, its JSON value."""

    word: str
    lines: list[str]
    value: dict[str, Any]


def _verdict(records: runs.Records, found: signing.Brought | None) -> _Verdict:
    """Return the sealed verdict, and that with sign-off where somebody says whom to trust."""
    word = records.decision.verdict
    lines, value = [f"verdict of the run: {screen.coloured(word)}"], {"verdict": word}
    if found is None:
        return _Verdict(word, lines, value)
    if found.report is None:
        return _Verdict(
            word, [*lines, not_weighed(found)], {**value, "sign_off": {"weighed": False}}
        )
    report = found.report
    lines.append(f"verdict with sign-off: {screen.coloured(report.verdict)}  as of {report.as_of}")
    told = {"weighed": True, "verdict": report.verdict, "as_of": report.as_of}
    return _Verdict(report.verdict, lines, {**value, "sign_off": told})


# --- what is said ---------------------------------------------------------------------------------


def _tell(
    release: material.Release, checks: list[Check], unchecked: tuple[str, ...], as_json: bool
) -> int:
    """Tell the checks and no more; return the exit code."""
    ready = _enough(checks, unchecked)
    if as_json:
        said = {"tag": release.tag.ref, "commit": release.commit, "object": release.tag.object}
        screen.as_json({**said, "ready": ready, "checks": codec.to_value(checks)})
        return READY if ready else NOT_READY
    for line in _lines(checks):
        screen.say(line)
    screen.say()
    verdict = "may be released" if ready else "may not be released"
    screen.say(f"{release.tag.ref} {verdict}  commit {release.commit}")
    return READY if ready else NOT_READY


def _lines(checks: list[Check]) -> list[str]:
    rows = []
    for check in checks:
        rows.append([check.name, check.result, check.reason])
        if check.result != "passed" and check.next_step:
            rows.append(["", "", f"next: {check.next_step}"])
    return screen.table(("check", "result", "why"), rows)


def _told(
    checks: list[Check],
    content: pack.Content,
    outcome: pack.Outcome,
    more: list[Path],
    verdict: _Verdict,
    as_json: bool,
) -> None:
    if verdict.word != "GO":
        screen.say(
            f"warning: what is packed is {verdict.word}; arco-audit status says why", error=True
        )
    paths = [str(path) for path in (outcome.path, *more)]
    if as_json:
        screen.as_json(
            {
                "tag": codec.to_value(content.tag),
                "run": codec.to_value(content.run),
                "checks": codec.to_value(checks),
                "paths": paths,
                "new": outcome.new,
                "files": outcome.files,
                "bytes": outcome.bytes,
                "sha256": outcome.sha256,
                **verdict.value,
            }
        )
        return
    for line in _lines(checks):
        screen.say(line)
    screen.say()
    how = "packed" if outcome.new else "there already, the same bytes"
    screen.say(f"{how}: {', '.join(paths)}")
    screen.say(f"files {outcome.files}  bytes {outcome.bytes}  final root {content.run.final_root}")
    screen.say(f"sha256 of the .tar: {outcome.sha256}")
    for line in verdict.lines:
        screen.say(line)


@contextlib.contextmanager
def _progress(total: int, quiet: bool) -> Iterator[pack.Told]:
    """Show on a terminal how far packing came, on stderr."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=total, label="packing", file=sys.stderr) as bar:
        yield bar.update
