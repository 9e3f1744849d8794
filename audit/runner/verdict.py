"""What an ending means: the result of an attempt and its reason, as a table of rules.

Pure functions over values; nothing here reads a file or waits for anything.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from typing import Any

from audit.runner.executor import Ending
from evidence.model import Cell, Result


def verdict(cell: Cell, ending: Ending, reports: Sequence[bytes] = ()) -> tuple[Result, str]:
    """Return the result and the reason of an attempt; first match wins.

    `reports` are nox reports of the attempt: a skipped session exits 0 and passed nothing.
    """
    code = ending.exit_code
    if ending.cause == "not_started":
        return "could_not_run", ending.problem
    if ending.cause == "stopped":
        return "interrupted", "the run was stopped"
    if ending.cause == "timed_out":
        return "timed_out", f"the time limit was reached timeout_ms=`{cell.timeout_ms}`"
    if ending.cause == "output_limit":
        return "failed", f"the output limit was reached output_bytes_max=`{cell.output_bytes_max}`"
    if ending.signal:
        return "failed", f"ended by a signal signal=`{_signal_name(ending.signal)}`"
    if code in cell.could_not_run_exit_codes:
        return "could_not_run", ending.last_line or f"gave no reason exit_code=`{code}`"
    if code in cell.skipped_exit_codes:
        return "skipped", ending.last_line or f"gave no reason exit_code=`{code}`"
    if code not in cell.accept_exit_codes:
        return "failed", f"exit_code=`{code}`" + (
            f": {ending.last_line}" if ending.last_line else ""
        )
    promised = sum(result.format == "nox" for result in cell.results)
    if len(reports) < promised:
        return "could_not_run", "its nox report is not there, so a skip would not be seen"
    for report in reports:
        result, reason = _reported(report)
        if result != "passed":
            return result, reason
    return "passed", ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _reported(report: bytes) -> tuple[Result, str]:
    """Return what a nox report says of a session that exited as it should.

    Source: `nox --report` (2026.10.20): `sessions` is a list of objects with `name`, `result`
    (`success`, `skipped`, `failed`, `aborted`) and `reason`. Of several sessions one that was
    skipped is enough: the cell promised all of them.
    """
    try:
        sessions: Any = json.loads(report)["sessions"]
        skipped = [session for session in sessions if session["result"] == "skipped"]
        said = [f"{session['name']}: {session.get('reason') or 'no reason'}" for session in skipped]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "could_not_run", "its nox report is broken, so a skip would not be seen"
    if not sessions:
        return "could_not_run", "its nox report has no session"
    if len(skipped) == 1:
        return "skipped", str(skipped[0].get("reason") or "no reason")
    return ("skipped", "; ".join(said)) if skipped else ("passed", "")
