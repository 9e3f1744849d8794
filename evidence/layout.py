"""Where everything lies in a bundle: the one place that spells its file names.

Names only; nothing here reads or writes.
"""

from __future__ import annotations

import re

PLAN = "plan.json"
RUN = "run.json"
FACTS = "facts.json"
DECISION = "decision.json"
SEAL = "seal.json"
CHECKPOINT = "checkpoint"
JOURNAL = "journal.log"
STATUS_TSV = "command-matrix-status.tsv"
SUMS = "SHA256SUMS"
REPORT = "report.html"
VERIFIER = "verify.py"
LOGS = "command-logs"
ARTIFACTS = "artifacts"
DOCUMENTS = "documents"
OBJECTS = "tree-objects"
TRACKER = "gate-tracker.json"
LEDGER = "signal-ledger.md"
SUMMARY = "summary.md"
FINDINGS = "findings"
SIGN_OFF = "sign-off"
PACKED = "bundle"
"""Folder of an evidence pack that holds the sealed run; its sign-off lies beside it."""
ATTESTATIONS = "attestations.intoto.jsonl"
LOCK = ".lock"
"""Held by the process that runs the audit; no part of the evidence."""

SIGN_OFF_LOG = "log.jsonl"
"""The sign-off log, in the sign-off folder of a run."""
SIGN_OFF_CHECKPOINT = "log.checkpoint"
"""How far the sign-off log had come, to be kept elsewhere."""
ATTACHED = "attached"
"""Files that people brought, in the sign-off folder of a run, each called by its SHA-256."""
CARRIED = "carried"
"""Proofs of carried evidence, in the sign-off folder of a run, each called by its SHA-256."""

UNSEALED = (CHECKPOINT, SEAL, SUMS)
"""Files beside the sealed ones; `.salts` files and nothing else join them."""

CELL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
"""What a cell id may look like, so that it is a safe file name everywhere."""
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|.*\.|.*\.attempt-[0-9]+")
"""Names that some file system, or this layout, keeps for itself."""


def log_path(cell: str, number: int, last: int) -> str:
    """Return where the log of attempt `number` lies when `last` is the cell's last attempt.

    The deciding attempt has the plain name; earlier ones were moved aside when it started.
    """
    return f"{LOGS}/{cell}.log" if number == last else f"{LOGS}/{cell}.attempt-{number}.log"


def salts_path(log: str) -> str:
    """Return where the salts of a log lie."""
    return log.removesuffix(".log") + ".salts"


def artifact_path(cell: str, number: int, source: str) -> str:
    """Return where a file kept from an attempt lies; `source` is relative to the repository."""
    return f"{ARTIFACTS}/{cell}/{number}/{source}"


_CELL_PATH = re.compile(
    rf"{LOGS}/(?P<logged>.+?)(\.attempt-[0-9]+)?\.log|{ARTIFACTS}/(?P<left>[^/]+)/.*", re.DOTALL
)


def cell_of(path: str) -> str:
    """Return the cell whose log or kept file lies at a path of a bundle; empty for all others."""
    found = _CELL_PATH.fullmatch(path)
    return (found["logged"] or found["left"]) if found else ""


def may_be_withheld(path: str) -> bool:
    """Whether a file that is no log can be taken out of a bundle that still verifies."""
    folder = path.partition("/")[0]
    kept = folder in (ARTIFACTS, DOCUMENTS) and not path.endswith(TRACKER)
    return path == REPORT or (kept and is_below(path))


def is_below(path: str) -> bool:
    """Whether a path leads to something below the folder that it begins in."""
    return {"", ".", ".."}.isdisjoint(path.split("/"))


def findings_path(gate: int) -> str:
    """Return where the findings of a gate lie, below the documents."""
    return f"{FINDINGS}/gate-{gate}-findings.md"


def run_folder(root: str, audit: str, label: str) -> str:
    """Return the folder of a run below an output root such as `release_evidence/`."""
    return f"{root.rstrip('/')}/{audit}/{label}"


def sign_off_folder(root: str, audit: str, label: str) -> str:
    """Return where the sign-off layer of a run lies: what is added once the run is sealed."""
    return f"{root.rstrip('/')}/{audit}/{SIGN_OFF}/{label}"
