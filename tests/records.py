"""Records that tests and benches start from: plain ones, of which a test changes what it is about.

Importable as `tests.records` wherever the repository's root is on the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from evidence.model import Cell, Condition, Signal

_CELL = Cell(
    id="cell",
    command="cell",
    argv=("true",),
    cmd="true",
    cwd=".",
    timeout_ms=60_000,
    output_bytes_max=1 << 30,
    needs=(),
    accept_exit_codes=(0,),
    could_not_run_exit_codes=(75,),
    skipped_exit_codes=(),
    required=True,
    flaky=False,
    env=(),
    env_only=None,
    results=(),
    produces=(),
    reads=(),
)

_SIGNAL = Signal(
    id="G0-001",
    gate=0,
    title="signal G0-001",
    owner="SRE",
    code=("README.md",),
    tests=(),
    runbook="",
    evidence=("command-logs/",),
    exit_test="it works",
    conditions=(),
)


def make_cell(name: str = "cell", argv: Sequence[str] = ("true",), **changes: Any) -> Cell:
    """Return a required cell of a command of its own, which runs `argv`."""
    own = {"id": name, "command": name, "argv": tuple(argv), "cmd": " ".join(argv)}
    return replace(_CELL, **{**own, **changes})


def make_signal(name: str, *conditions: Condition, **changes: Any) -> Signal:
    """Return a signal of gate 0 that closes when all conditions hold."""
    own = {"id": name, "title": f"signal {name}", "conditions": conditions}
    return replace(_SIGNAL, **{**own, **changes})
