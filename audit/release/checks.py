"""What a check of a release found, as a value: passed, failed, or could not be run, and why.

Only the shape lives here, and how many of them are enough; the rules live beside what they read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Result = Literal["passed", "failed", "could_not_run"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a release must have: its name, whether it holds, why, and what to do."""

    name: str
    result: Result
    reason: str
    next_step: str = ""


def judged(name: str, problems: Iterable[str], holds: str, next_step: str) -> Check:
    """Return a check that passes, saying what `holds`, when there are no problems.

    >>> judged("tag", ["it moved", "it is light"], "it stands", "sign it")
    Check(name='tag', result='failed', reason='it moved; it is light', next_step='sign it')
    """
    found = "; ".join(problems)
    if found:
        return Check(name, "failed", found, next_step)
    return Check(name, "passed", holds)


def all_passed(checks: Iterable[Check]) -> bool:
    """Whether every check passed: one that could not be run is not passed."""
    return all(check.result == "passed" for check in checks)


def failed(checks: Iterable[Check]) -> list[Check]:
    """Return the checks that say no, without those that could not be asked."""
    return [check for check in checks if check.result == "failed"]
