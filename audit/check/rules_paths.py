"""Rules over paths that tracker and documents name: that they exist, and hold something.

Every rule is a generator of findings. What a path's contents say is judged in other rooms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from audit.check.claims import PathClaim, read_claim, read_prose
from audit.check.context import Context
from audit.check.documents import Document
from audit.check.finding import Finding, Place, finding, shown
from audit.check.tree import Tree, clean, matches

NAMES_ONLY_MIN = 10
"""Files of which none has contents before a tree is taken for a list of names."""
_HOLDS_NOTHING = re.compile(r"(?i)(readme(\.[a-z]+)?|\.gitkeep|\.keep|\.gitignore)$")


@dataclass(frozen=True, slots=True)
class Cited:
    """A path claim with what it is claimed for. `status` is empty for text about no one signal."""

    claim: PathClaim
    place: Place
    of: str
    status: str
    is_evidence: bool = False


def check_paths(context: Context) -> Iterator[Finding]:
    """Yield every claim of a path that the tree does not carry."""
    if context.tree is None:
        message = "paths, status files and logs were not looked at"
        yield finding("AUD901", Place(context.file), message)
        return
    judged: set[str | None] = set()
    claims = [cited for cited in cited_by_claims(context) if cited.claim.path is not None]
    names_only = context.tree.empty_is_unknown or _holds_names_only(context.tree, claims)
    for cited in claims:
        judged.add(cited.claim.text)
        yield from _check(context, context.tree, cited, names_only)
    for cited in cited_by_documents(context):
        # What a claim names was judged there, where its status is known.
        if cited.claim.text not in judged and not _beside(context, cited):
            yield from _check(context, context.tree, cited, names_only)
    yield from _absent(context, claims)
    yield from _no_evidence(context)


def _holds_names_only(tree: Tree, claims: list[Cited]) -> bool:
    """Return whether the tree was laid out from a list of names, its files standing empty.

    Told by the files outside the evidence that claims name: many, and every one of them empty.
    """
    paths = {path for cited in claims if not cited.is_evidence and (path := _plain(cited))}
    files = sorted(path for path in paths if tree.kind(path) == "file")
    code = [path for path in files if not path.endswith((".md", ".json"))]
    return len(code) >= NAMES_ONLY_MIN and all(tree.read(path) == b"" for path in code)


def _plain(cited: Cited) -> str | None:
    claim = cited.claim
    return clean(claim.path) if claim.path and not claim.is_glob else None


def _beside(context: Context, cited: Cited) -> bool:
    """Return whether a document names a path relative to the folder of the audit's documents."""
    path = clean(cited.claim.path or "")
    return bool(path) and (context.tracker.path.parent / str(path)).exists()


def cited_by_claims(context: Context) -> Iterator[Cited]:
    """Yield the paths of gates and signals, from the tracker and from the ledger."""
    tracker = context.tracker
    root = read_claim(tracker.evidence_root)
    yield Cited(root, context.at("evidence_root"), "the evidence root", "GO")
    for gate in tracker.gates:
        for number, text in enumerate(gate.evidence):
            place = context.at(f"gates[{gate.index}].evidence[{number}]")
            yield Cited(read_claim(text), place, f"gate {gate.id}", gate.status, True)
    known: dict[str, set[str]] = {}
    for signal in tracker.signals:
        fields = {"code": signal.code, "tests": signal.tests, "evidence": signal.evidence}
        for field, texts in fields.items():
            for number, text in enumerate(texts):
                place = context.at(f"signals[{signal.index}].{field}[{number}]")
                known.setdefault(signal.id, set()).add(text)
                is_evidence = field == "evidence"
                yield Cited(read_claim(text), place, signal.id, signal.status, is_evidence)
        place = context.at(f"signals[{signal.index}].runbook")
        yield Cited(read_claim(signal.runbook), place, signal.id, signal.status)
    for row in context.ledger_rows:
        place = Place(context.ledger_file, row.line)
        for claims, is_evidence in ((row.code, False), (row.evidence, True)):
            for claim in claims:
                if claim.text not in known.get(row.id, ()):
                    yield Cited(claim, place, shown(row.id), row.status, is_evidence)


def cited_by_documents(context: Context) -> Iterator[Cited]:
    """Yield the paths that summary and findings name in tables and prose."""
    documents = dict(context.findings)
    if context.summary:
        documents[context.summary_file] = context.summary
    for file, document in documents.items():
        for line, claim, is_evidence in _named(document):
            yield Cited(claim, Place(file, line), "the document", "", is_evidence)


def _named(document: Document) -> Iterator[tuple[int, PathClaim, bool]]:
    for table in document.tables:
        for row in table.rows:
            for column in ("code", "evidence"):
                for claim in row.paths(column):
                    if claim.path is not None:
                        yield row.line, claim, column == "evidence"
    for line, _, text in document.prose:
        for claim in read_prose(text):
            yield line, claim, False


def _absent(context: Context, claims: list[Cited]) -> Iterator[Finding]:
    """Yield that the run's folder is kept elsewhere, once, with how many claims rest on it."""
    if context.absent is not None:
        away = [cited for cited in claims if _is_away(context, cited)]
        said = f"path=`{shown(context.tracker.evidence_root)}` claims=`{len(away)}`"
        yield finding("AUD905", context.at("evidence_root"), f"evidence is not here {said}")


def _is_away(context: Context, cited: Cited) -> bool:
    path = clean(cited.claim.path or "")
    return path is not None and context.is_away(path, is_evidence=cited.is_evidence)


def _check(context: Context, tree: Tree, cited: Cited, names_only: bool) -> Iterator[Finding]:
    claim = cited.claim
    path = clean(claim.path or "")
    named = f"named by {cited.of} path=`{shown(claim.text)}`"
    if path is None:
        yield finding("AUD204", cited.place, f"path outside the repository {named}")
        return
    if cited.is_evidence:
        path = context.evidence_path(path)
    if tree.kind(path) is None and _is_away(context, cited):
        return  # told once for all of them
    if claim.is_glob:
        if not matches(tree, path):
            yield finding(_missing(cited), cited.place, f"no file matches the pattern {named}")
    elif tree.kind(path) is None:
        yield finding(_missing(cited), cited.place, f"no such file or folder {named}")
    elif tree.kind(path) == "folder":
        yield from _folder(tree, cited, path)
    elif claim.line is not None:
        yield from _line(tree, cited, path, claim.line, names_only)


def _missing(cited: Cited) -> str:
    if not cited.status:
        return "AUD206"
    return "AUD201" if cited.status == "GO" else "AUD202"


def _folder(tree: Tree, cited: Cited, path: str) -> Iterator[Finding]:
    if not cited.is_evidence or cited.status not in ("GO", "PARTIAL"):
        return
    files = tree.below(path)
    if all(_HOLDS_NOTHING.fullmatch(file.rpartition("/")[2]) for file in files):
        message = f"nothing but a README in evidence of {cited.of} claimed {cited.status}"
        yield finding("AUD205", cited.place, f"{message} path=`{shown(path)}`")


def _line(tree: Tree, cited: Cited, path: str, line: int, names_only: bool) -> Iterator[Finding]:
    data = tree.read(path)
    named = f"named by {cited.of} path=`{shown(path)}` line=`{line}`"
    if data is None:
        yield finding("AUD904", cited.place, f"file cannot be read {named}")
    elif not data and names_only:
        yield finding("AUD903", cited.place, f"the file is empty here {named}")
    else:
        lines = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
        if not 1 <= line <= lines:
            message = f"line beyond the end {named} lines=`{lines}`"
            yield finding("AUD203", cited.place, message)


def _no_evidence(context: Context) -> Iterator[Finding]:
    """Yield closed claims whose list of evidence is there and empty."""
    for row in context.ledger_rows:
        if row.status == "GO" and not row.evidence:
            message = f"closed without evidence signal=`{shown(row.id)}`"
            yield finding("AUD207", Place(context.ledger_file, row.line), message)
    for gate in context.tracker.gates:
        if gate.status == "GO" and not gate.evidence:
            message = f"closed without evidence gate=`{gate.id}`"
            yield finding("AUD207", context.at(f"gates[{gate.index}]"), message)
