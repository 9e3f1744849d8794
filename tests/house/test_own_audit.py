"""The `audit` session succeeds on an honest NO-GO, and on nothing else that is not GO."""

from __future__ import annotations

import subprocess
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


@pytest.mark.parametrize(
    ("code", "verdict", "audit", "release"),
    [
        (0, GO, 0, 0),
        (1, NO_GO, 0, 1),
        (0, None, 70, 70),
        (1, None, 70, 70),
        (2, None, 2, 2),
    ],
)
def test_a_release_needs_a_go_of_this_very_run(
    monkeypatch: pytest.MonkeyPatch, code: int, verdict: bytes | None, audit: int, release: int
) -> None:
    runs: dict[Path, bytes] = {}

    def pretend(words: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        if verdict is not None:
            runs[Path(f"run-{len(runs)}")] = verdict
        return subprocess.CompletedProcess(words, code)

    monkeypatch.setattr(own_audit, "decided", lambda evidence: dict(runs))
    monkeypatch.setattr(subprocess, "run", pretend)
    assert own_audit.main(["run"]) == audit
    assert own_audit.main(["release"]) == release
