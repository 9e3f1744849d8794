"""Checking and importing the audits that others wrote.

Here live the readers of foreign trackers, documents, status files and logs, the rules over them,
and the importer. Nothing here runs a command, and nothing believes a claim.
"""

from __future__ import annotations

from audit.check.checking import check
from audit.check.claimed import as_claimed_tracker, render_as_claimed
from audit.check.codes import CODES, Code, Severity, codes_markdown
from audit.check.finding import Finding, Place, Report, report_lines, report_value
from audit.check.importing import Claims, ImportSummary, import_tracker, read_claims
from audit.check.tracker import Tracker, read_tracker

__all__ = [
    "CODES",
    "Claims",
    "Code",
    "Finding",
    "ImportSummary",
    "Place",
    "Report",
    "Severity",
    "Tracker",
    "as_claimed_tracker",
    "check",
    "codes_markdown",
    "import_tracker",
    "read_claims",
    "read_tracker",
    "render_as_claimed",
    "report_lines",
    "report_value",
]
