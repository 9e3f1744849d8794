"""What a red signal fails at, as one digest: the same for noise, another for another failure.

A waiver is bound to it. It survives times, paths, addresses and durations, other tests that pass,
and another order of lines; it dies when another test fails, another message appears, another
condition opens or a bound is missed on the other side. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from evidence import chain, codec, normalise
from evidence.judge import side_of, tests_of
from evidence.model import (
    Attempt,
    Condition,
    ConditionDecision,
    Decision,
    Facts,
    MetricFact,
    MetricWithin,
    PatternAbsent,
    Plan,
    Signal,
    TestPassed,
)

Tail = Callable[[str], bytes]
"""What `window` gives of the log of a cell's last attempt; empty where there is none."""
TAIL_BYTES = 256 * 1024
"""Bytes at the end of a log of which every line is looked at."""
EARLIER_LINES_MAX = 2_000
"""Different telling lines before them that are read as words; more of them count byte for byte."""
LAST_LINES = 5
"""Lines taken from the end of a log in which none tells of a failure."""

_TELLING = re.compile(
    r"(?i)(?<![a-z])(errors?|fail(?:ed|ure|ures|s|ing)?|fatal|panic(?:ked)?|exception|assert\w*"
    r"|denied|refused|not found|no such|undefined|unexpected|violat\w+|E )(?![a-z])"
    r"|[A-Z]\w+(?:Error|Exception|Warning)\b"
)
_TELLING_BYTES = re.compile(_TELLING.pattern.encode())
_COLOURS = re.compile(rb"\x1b\[[0-9;]*m")
_COUNT = re.compile(r"(?<![\w.])\d+(?= (?:passed|skipped|deselected|warnings?|tests?|files?|ok)\b)")


def fingerprint(signal: Signal, plan: Plan, facts: Facts, decision: Decision, tail: Tail) -> str:
    """Return the SHA-256 of what a signal fails at, in hex; empty where it does not fail.

    `decision` is the one derived without what people brought.
    """
    decided = {item.id: item for item in decision.signals}.get(signal.id)
    if decided is None or decided.status == "GO":
        return ""
    results = {cell.cell: cell for cell in decision.cells}
    failed = [
        _failure(condition, answer, facts)
        for condition, answer in zip(signal.conditions, decided.conditions, strict=True)
        if answer.answer != "met"
    ]
    cells = sorted(
        {
            name
            for condition, answer in zip(signal.conditions, decided.conditions, strict=True)
            if answer.answer != "met"
            for name in getattr(condition, "cells", ())
            if name in results and not results[name].passed
        }
    )
    told = [[name, results[name].result, telling_lines(tail(name))] for name in cells]
    return chain.sha256(codec.compact([signal.id, failed, told]))


def _failure(condition: Condition, answer: ConditionDecision, facts: Facts) -> list[Any]:
    detail: list[Any] = []
    if isinstance(condition, TestPassed):
        tests = tests_of(facts, condition)
        detail = sorted([test.cell, test.key, test.outcome] for test in tests)
        detail = [item for item in detail if item[2] != "passed"]
    elif isinstance(condition, MetricWithin):
        values = [fact.value for fact in facts.metrics if _asked(fact, condition)]
        detail = sorted({side_of(value, condition) for value in values})
    elif isinstance(condition, PatternAbsent):
        hits = (
            fact.hits
            for fact in facts.absent
            if (fact.pattern, fact.inside, fact.besides)
            == (condition.pattern, condition.inside, condition.besides)
        )
        detail = sorted({re.sub(r":\d+$", "", hit) for found in hits for hit in found})
    return [codec.to_value(condition), answer.answer, detail]


def _asked(fact: MetricFact, condition: MetricWithin) -> bool:
    return fact.name == condition.name and fact.cell in condition.cells


def telling_lines(log: bytes) -> list[str]:
    """Return the lines of a log that tell of a failure, without noise, each once and sorted."""
    said = [_COUNT.sub("<n>", line) for line in normalise.lines(log)]
    found = sorted({line for line in said if _TELLING.search(line)})
    return found or said[-LAST_LINES:]


def window(blocks: Iterable[bytes]) -> bytes:
    """Return what of a log can tell of a failure: its end, and the telling lines before that.

    Nobody hides a failure by writing much behind it. Memory: the longest line, and what is kept.
    """
    early: dict[bytes, None] = {}
    more = chain.new_sha256()
    kept, is_more = b"", False
    for block in blocks:
        kept += block
        cut = kept.rfind(b"\n", 0, max(0, len(kept) - TAIL_BYTES)) + 1
        for line in kept[:cut].split(b"\n"):
            if line in early or not _TELLING_BYTES.search(_COLOURS.sub(b"", line)):
                continue
            if len(early) < EARLIER_LINES_MAX:
                early[line] = None
            else:
                is_more = True
                more.update(line + b"\n")
        kept = kept[cut:]
    told = [*early, *([b"error: more, " + more.hexdigest().encode()] if is_more else [])]
    return b"".join(line + b"\n" for line in told) + kept


def last_logs(attempts: Iterable[Attempt]) -> dict[str, str]:
    """Return where the log of each cell's last attempt lies."""
    last: dict[str, Attempt] = {}
    for attempt in attempts:
        if attempt.cell not in last or last[attempt.cell].number < attempt.number:
            last[attempt.cell] = attempt
    return {name: attempt.log.path for name, attempt in last.items() if attempt.log}


def tail_of(attempts: Sequence[Attempt], blocks: Callable[[str], Iterator[bytes]]) -> Tail:
    """Return a `Tail` over the logs of a bundle, read block by block."""
    logs = last_logs(attempts)
    return lambda cell: window(blocks(logs[cell])) if cell in logs else b""
