"""Reading status files of command matrices: every variant that people wrote, as one kind of row.

Here a TSV becomes `Matrix` rows or problems with their lines; a file of unknown columns is never
half-read. Whether a row's claim is true is not judged here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$")
_PASS = frozenset(("pass", "passed", "ok", "success", "succeeded", "go", "true"))

_VARIANTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "b": (("command", "exit_code", "start_utc", "end_utc", "cmd"),),
    "c": (
        ("timestamp_utc", "step", "command", "exit_code", "result", "log_path"),
        ("utc_timestamp", "step", "command", "exit_code", "result", "log_path"),
    ),
    "d": (
        ("signal", "command", "start_utc", "end_utc", "exit_code", "log_path"),
        ("stage", "command", "start_utc", "end_utc", "exit_code", "log_path"),
    ),
    "e": (("step", "command", "exit_code", "utc"),),
}
_BARE: dict[str, tuple[str, ...]] = {
    "a": ("command", "exit_code", "start_utc", "end_utc", "cmd"),
    "f": ("log_path", "command", "exit_code"),
}
_KEYS = {
    "b": {"id": "command", "cmd": "cmd"},
    "c": {"id": "step", "cmd": "command"},
    "d": {"id": "", "cmd": "command"},
    "e": {"id": "step", "cmd": "command"},
    "a": {"id": "command", "cmd": "cmd"},
    "f": {"id": "", "cmd": "command"},
}


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One run of one command, whatever variant it was written in.

    `exit_code` is None where none was recorded. `result` is the word of variant c, else empty.
    Times are None where the variant has none; `at_utc` is the one time of variants c and e.
    `label` is the signal, stage or step; `log_path` is as written, or empty.
    """

    line: int
    id: str
    label: str
    cmd: str
    exit_code: int | None
    result: str
    start_utc: datetime | None
    end_utc: datetime | None
    at_utc: datetime | None
    log_path: str

    @property
    def passed(self) -> bool:
        """Return what the row claims: its result where it has one, else exit code 0."""
        return self.result.lower() in _PASS if self.result else self.exit_code == 0

    @property
    def first(self) -> datetime | None:
        """Return the earliest time the row holds."""
        return self.start_utc or self.at_utc or self.end_utc

    @property
    def last(self) -> datetime | None:
        """Return the latest time the row holds."""
        return self.end_utc or self.at_utc or self.start_utc


@dataclass(frozen=True, slots=True)
class Problem:
    """A line of a status file that cannot be read, and why."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """A status file. `variant` is `a` to `f`, or empty where the columns are not known."""

    variant: str
    rows: tuple[MatrixRow, ...]
    problems: tuple[Problem, ...]

    @property
    def has_header(self) -> bool:
        """Return whether the columns are named in the file."""
        return self.variant not in _BARE


def looks_like_matrix(name: str, data: bytes) -> bool:
    """Return whether a TSV is meant as a status file: by its name or by its first line."""
    first = data[:4096].splitlines()[:1]
    words = re.split(rb"\W+", first[0].lower()) if first else []
    return bool(re.search(r"status|matrix", name.lower())) or b"exit_code" in words


def read_matrix(data: bytes) -> Matrix:
    """Return the rows of a status file; columns are told by the header, else by their values."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        broken = data[: error.start].count(b"\n") + 1
        return Matrix("", (), (Problem(broken, f"not UTF-8 byte=`{error.start}`"),))
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line.strip()]
    if not lines:
        return Matrix("", (), (Problem(1, "the file is empty"),))
    variant, columns, headed = _variant(lines[0][1].split("\t"))
    if not variant:
        return Matrix("", (), (Problem(lines[0][0], f"columns=`{lines[0][1]:.200}`"),))
    body = lines[1:] if headed else lines
    read = [_row(variant, columns, number, line.split("\t")) for number, line in body]
    return Matrix(
        variant,
        tuple(item for item in read if isinstance(item, MatrixRow)),
        tuple(item for item in read if isinstance(item, Problem)),
    )


def _variant(cells: list[str]) -> tuple[str, tuple[str, ...], bool]:
    names = tuple(cell.strip().lower() for cell in cells)
    for variant, headers in _VARIANTS.items():
        for header in headers:
            if set(names) == set(header) and len(names) == len(header):
                return variant, names, True
    if len(cells) == 5 and _is_code(cells[1]) and _TIME.match(cells[2]) and _TIME.match(cells[3]):
        return "a", _BARE["a"], False
    if len(cells) == 3 and _is_code(cells[2]) and cells[2].strip():
        return "f", _BARE["f"], False
    return "", (), False


def _is_code(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d{1,10}|", text.strip()))


def _row(
    variant: str, columns: tuple[str, ...], number: int, cells: list[str]
) -> MatrixRow | Problem:
    if len(cells) != len(columns):
        return Problem(number, f"cells=`{len(cells)}` wanted=`{len(columns)}`")
    named = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
    if not _is_code(named["exit_code"]):
        return Problem(number, f"exit_code=`{named['exit_code']:.40}`")
    times: dict[str, datetime | None] = {}
    for column in ("start_utc", "end_utc", "timestamp_utc", "utc_timestamp", "utc"):
        if named.get(column):
            times[column] = read_time(named[column])
            if times[column] is None:
                return Problem(number, f"{column}=`{named[column]:.40}`")
    keys = _KEYS[variant]
    log_path = named.get("log_path", "")
    label = named.get("signal") or named.get("stage") or named.get("step") or ""
    return MatrixRow(
        line=number,
        id=named.get(keys["id"]) or log_name(log_path) or label,
        label=label,
        cmd=named[keys["cmd"]],
        exit_code=int(named["exit_code"]) if named["exit_code"] else None,
        result=named.get("result", ""),
        start_utc=times.get("start_utc"),
        end_utc=times.get("end_utc"),
        at_utc=times.get("timestamp_utc") or times.get("utc_timestamp") or times.get("utc"),
        log_path=log_path,
    )


def log_name(path: str) -> str:
    """Return the command that a log is named after: no folder, no `.log`, no leading time."""
    name = path.rpartition("/")[2]
    name = name.removesuffix(".log").removesuffix(".txt")
    return re.sub(r"^\d{8}T\d{6}Z_", "", name)


def read_time(text: str) -> datetime | None:
    """Return the instant of an RFC 3339 time with an offset, or None."""
    if not _TIME.match(text):
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None


def one_spelling(line: str) -> str:
    """Return a command line as it compares: TSV escapes undone, spaces one by one."""
    plain = line.replace("\\t", "\t").replace("\\n", "\n").replace("\\\\", "\\")
    return " ".join(plain.split())
