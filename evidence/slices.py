"""What an approver sees of a gate, as one digest: an approval is given for it and dies with it.

Pure functions over the entries of a sign-off log; which of them count is decided by `weigh`.
"""

from __future__ import annotations

from collections.abc import Sequence

from evidence import chain, codec, judge, layout, signoff
from evidence.instant import milliseconds
from evidence.model import ApprovalGiven, CarriedOver, Decision, ExternalAttached, Plan, Signal
from evidence.signoff import Attachment, Carry, Entry, Waiver, Withdrawal, Withholding

SKEW_MS = 300_000
"""How far the clocks of two signers may be apart: entries later in the log are not earlier."""


def visible(entries: Sequence[Entry], as_of: str) -> tuple[Entry, ...]:
    """Return the entries that are signed by an instant, or whose time nobody can read.

    Raises:
        ValueError: `as_of` is no time.
    """
    until_ms = milliseconds(as_of) + SKEW_MS
    return tuple(entry for entry in entries if _signed_ms(entry, until_ms) <= until_ms)


def _signed_ms(entry: Entry, otherwise_ms: int) -> int:
    try:
        return milliseconds(entry.record.signed_utc)
    except ValueError:
        return otherwise_ms


def slice_digest(gate: int, entries: Sequence[Entry], plan: Plan, decision: Decision) -> str:
    """Return the digest of a gate as it stood after `entries`: what its approval is given for.

    It covers the gate and its signals as planned, their statuses and answers, and every artifact,
    waiver, proof and withholding that touches them, in the order in which they came. Taking one of
    those back is one more: nobody returns to what was approved by adding a line. Another approval
    changes nothing. `entries` are those that are `visible` at the instant.
    """
    listed = {name for item in plan.gates if item.id == gate for name in item.signals}
    signals = [item for item in plan.signals if item.gate == gate or item.id in listed]
    names = {signal.id for signal in signals}
    decided = [item for item in judge.without_words(decision).signals if item.id in names]
    touching: list[str] = []
    for entry in entries:
        record = entry.record
        taken_back = isinstance(record, Withdrawal) and record.entry in touching
        if taken_back or _touches(record, gate, names, signals):
            touching.append(entry.digest)
    value = [
        [codec.to_value(item) for item in plan.gates if item.id == gate],
        [codec.to_value(signal) for signal in signals],
        [codec.to_value(item) for item in decided],
        touching,
    ]
    return chain.sha256(codec.compact(value))


def _touches(record: signoff.Record, gate: int, names: set[str], signals: Sequence[Signal]) -> bool:
    if isinstance(record, Attachment):
        return record.signal in names
    if isinstance(record, Waiver):
        return record.gate == gate or record.signal in names
    if isinstance(record, Carry):
        return any(
            isinstance(condition, CarriedOver) and condition.command == record.command
            for signal in signals
            for condition in signal.conditions
        )
    if isinstance(record, Withholding):
        cell = layout.cell_of(record.path)
        return not cell or any(
            cell in getattr(condition, "cells", ())
            for signal in signals
            for condition in signal.conditions
        )
    return False


def gates_of(role: str, plan: Plan) -> tuple[int, ...]:
    """Return the gates that a role approves: where it is asked for or owns a signal; else all."""
    asked = {
        signal.gate
        for signal in plan.signals
        if signal.owner == role
        or any(
            isinstance(condition, ApprovalGiven | ExternalAttached) and condition.role == role
            for condition in signal.conditions
        )
    }
    every = [gate.id for gate in plan.gates]
    return tuple(gate for gate in every if gate in asked or not asked)
