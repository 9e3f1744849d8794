"""Reading the Markdown that stands beside a tracker: ledger, summary and findings.

Here tables are read by the titles of their columns, whatever their order, and become records.
Whether a document agrees with the tracker is not judged here.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from audit.check.claims import PathClaim, code_spans, read_cell

_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_RULE = re.compile(r" {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADER = re.compile(r"\s*[-*]\s+([A-Za-z][^:`|]{0,60}?)\s*:\s+(.+?)\s*$")
_MARKUP = re.compile(r"\\([!-/:-@\[-`{-~])|<br\s*/?>|&#?[A-Za-z0-9]+;")
"""An escape, a line break, or an entity: Markdown knows none without its semicolon."""
_COLUMNS = {
    "signalid": "id",
    "id": "id",
    "gate": "gate",
    "signal": "title",
    "title": "title",
    "owner": "owner",
    "status": "status",
    "result": "status",
    "codeinfrapath": "code",
    "codepath": "code",
    "code": "code",
    "evidenceartifact": "evidence",
    "evidence": "evidence",
    "primaryevidence": "evidence",
    "exittestclosurecondition": "exit_test",
    "exittest": "exit_test",
    "closurecondition": "exit_test",
    "area": "name",
    "name": "name",
    "closedsignals": "closed",
    "closed": "closed",
    "opensignals": "open",
    "open": "open",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: 1-based line, and raw Markdown by known column name.

    `ragged` is how many cells it has where that is not the header's number.
    """

    line: int
    cells: dict[str, str]
    ragged: int | None = None

    def text(self, column: str) -> str:
        """Return a cell as plain text: code spans opened, escapes and entities undone."""
        return plain(self.cells.get(column, ""))

    def words(self, column: str) -> str:
        """Return a cell as text that keeps its code spans, as titles are kept."""
        return plain(self.cells.get(column, ""), keep_spans=True)

    def paths(self, column: str) -> tuple[PathClaim, ...]:
        """Return the paths and prose entries of a cell."""
        return read_cell(_entities(self.cells.get(column, "")))


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the heading above it, its known columns, its rows."""

    heading: str
    line: int
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(slots=True)
class Document:
    """A Markdown document. `header` maps lower-case names of its list of facts to (value, line).

    `text` is all of it; `prose` holds (line, heading, text) of every line that is neither table
    nor fenced code.
    """

    text: str = ""
    title: str = ""
    header: dict[str, tuple[str, int]] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    prose: list[tuple[int, str, str]] = field(default_factory=list)

    def table(self, *columns: str, besides: tuple[str, ...] = ()) -> Table | None:
        """Return the first table that has all of `columns` and none of `besides`."""
        return next(
            (
                table
                for table in self.tables
                if set(columns) <= set(table.columns) and not set(besides) & set(table.columns)
            ),
            None,
        )


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One signal as the ledger has it. `code` and `evidence` are entries in their order."""

    line: int
    id: str
    gate: int | None
    title: str
    owner: str
    status: str
    code: tuple[PathClaim, ...]
    evidence: tuple[PathClaim, ...]
    exit_test: str


def ledger_rows(document: Document) -> tuple[LedgerRow, ...]:
    """Return the signals of a ledger, in its order; ragged rows are left to the checker."""
    return tuple(
        LedgerRow(
            line=row.line,
            id=row.text("id"),
            gate=whole(row.text("gate")),
            title=row.words("title"),
            owner=row.text("owner"),
            status=row.text("status"),
            code=row.paths("code"),
            evidence=row.paths("evidence"),
            exit_test=row.words("exit_test"),
        )
        for table in document.tables
        if {"id", "status"} <= set(table.columns)
        for row in table.rows
        if row.ragged is None
    )


def whole(text: str) -> int | None:
    """Return the whole number that a text begins with, or None."""
    hit = re.match(r"(?:gate\s+)?(\d{1,9})\b", text.strip(), re.IGNORECASE)
    return int(hit[1]) if hit else None


def plain(cell: str, *, keep_spans: bool = False) -> str:
    """Return Markdown of one line as the text it shows; `keep_spans` leaves backticks standing."""
    parts = []
    end = 0
    for span in re.finditer(r"(?<!\\)(`+)(.+?)\1", cell):
        fence = span[1] if keep_spans else ""
        parts += [_prose(cell[end : span.start()]), fence + _entities(span[2]) + fence]
        end = span.end()
    return "".join([*parts, _prose(cell[end:])]).strip()


def _prose(text: str) -> str:
    bare = re.sub(r"(?<!\\)(\*\*|__)(.*?)\1", r"\2", text)
    return _MARKUP.sub(_shown, bare)


def _shown(found: re.Match[str]) -> str:
    """What one piece of markup shows; in one pass, as what was escaped is no markup any more."""
    if found[1]:
        return found[1]
    return html.unescape(found[0]) if found[0].startswith("&") else " "


def _entities(text: str) -> str:
    return text.replace("&#124;", "|").replace("\\|", "|")


def read_document(text: str) -> Document:
    """Return the parts of a Markdown document that checks look at."""
    document = Document(text)
    lines = text.splitlines()
    heading, fence, number = "", "", 0
    while number < len(lines):
        line = lines[number]
        opened = _FENCE.match(line)
        if opened and (not fence or opened[1].startswith(fence)):
            fence = "" if fence else opened[1]
        elif fence:
            pass
        elif "|" in line and number + 1 < len(lines) and _is_rule(line, lines[number + 1]):
            table, number = _table(lines, number, heading)
            document.tables.append(table)
            continue
        elif hit := _HEADING.match(line):
            heading = plain(hit[2])
            document.title = document.title or heading
        else:
            _prose_line(document, line, number + 1, heading)
        number += 1
    return document


def _prose_line(document: Document, line: str, number: int, heading: str) -> None:
    document.prose.append((number, heading, line))
    hit = _HEADER.match(line)
    if hit and heading == document.title:
        spans = code_spans(hit[2])
        value = spans[0] if spans and hit[2].strip() == f"`{spans[0]}`" else plain(hit[2])
        name = re.sub(r"\s*\(.*?\)", "", hit[1]).lower()
        document.header.setdefault(name, (value, number))


def _is_rule(header: str, line: str) -> bool:
    return bool(_RULE.match(line)) and "-" in line and len(_split(header)) == len(_split(line))


def _table(lines: list[str], start: int, heading: str) -> tuple[Table, int]:
    titles = [re.sub(r"[^a-z0-9]", "", plain(cell).lower()) for cell in _split(lines[start])]
    columns = [_COLUMNS.get(title, title) for title in titles]
    rows = []
    number = start + 2
    while number < len(lines) and "|" in lines[number]:
        cells = _cells(lines[number], len(columns))
        ragged = None if len(cells) == len(columns) else len(cells)
        named = dict(zip(reversed(columns), reversed(cells), strict=False)) if not ragged else {}
        rows.append(Row(number + 1, named, ragged))
        number += 1
    return Table(heading, start + 1, tuple(columns), tuple(rows)), number


def _cells(line: str, wanted: int) -> list[str]:
    """Return the cells of a row; a pipe in a code span is tolerated where the count then fits."""
    cells = _split(line)
    if len(cells) == wanted:
        return cells
    masked = re.sub(r"(`+)(.+?)\1", lambda span: span[0].replace("|", "\0"), line)
    tolerant = [cell.replace("\0", "|") for cell in _split(masked)]
    return tolerant if len(tolerant) == wanted else cells


def _split(line: str) -> list[str]:
    body = line.strip()
    body = body[1:] if body.startswith("|") else body
    if body.endswith("|") and not body.endswith("\\|"):
        body = body[:-1]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", body)]
