"""The `audit` session succeeds on an honest NO-GO, and on nothing else that is not GO."""

from __future__ import annotations

from pathlib import Path

import own_audit
import pytest

OLD, NEW = Path("old"), Path("new")
NO_GO, GO = b'{"verdict": "NO-GO"}', b'{"verdict": "GO"}'


@pytest.mark.parametrize(
    ("code", "after", "expected"),
    [
        (0, {OLD: NO_GO, NEW: GO}, 0),
        (1, {OLD: NO_GO, NEW: NO_GO}, 0),
        (1, {OLD: NO_GO}, 70),
        (0, {OLD: NO_GO}, 70),
        (0, {OLD: NO_GO, NEW: NO_GO}, 70),
        (1, {OLD: NO_GO, NEW: GO}, 70),
        (2, {OLD: NO_GO, NEW: NO_GO}, 2),
        (3, {OLD: NO_GO, NEW: NO_GO}, 3),
        (70, {OLD: NO_GO, NEW: NO_GO}, 70),
        (130, {OLD: NO_GO}, 130),
        (-9, {OLD: NO_GO}, -9),
    ],
)
def test_only_a_decision_of_this_run_counts(
    code: int, after: dict[Path, bytes], expected: int
) -> None:
    assert own_audit.judge(code, {OLD: NO_GO}, after)[0] == expected
