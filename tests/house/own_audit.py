"""How this repository audits itself: the sessions `audit`, `release_gate` and `gate_report`.

Exit 1 of `arco-audit run` is an honest NO-GO only when that very run left a decision; anything else
is a failure of the audit itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import required_cells

ROOT = Path(__file__).parents[2]
EVIDENCE = ROOT / "release_evidence"
READY, NOT_READY, INTERRUPTED = 0, 1, 130


def decided(evidence: Path) -> dict[Path, bytes]:
    """Return the decision of every decided run below an evidence root."""
    return {run: (run / "decision.json").read_bytes() for run in required_cells.runs(evidence)}


def judge(code: int, before: dict[Path, bytes], after: dict[Path, bytes]) -> tuple[int, str]:
    """Return the session's exit code and why, from the audit's code and the runs around it."""
    new = [run for run, decision in after.items() if before.get(run) != decision]
    if code not in (READY, NOT_READY):
        return code, f"the audit did not work: exit_code=`{code}`"
    if len(new) != 1:
        return 70, f"the audit left no decision of its own: new_runs=`{len(new)}`"
    verdict = json.loads(after[new[0]])["verdict"]
    if (verdict == "GO") != (code == READY):
        return 70, f"exit code and decision disagree: exit_code=`{code}` verdict=`{verdict}`"
    return 0, f"the audit worked: verdict=`{verdict}` run=`{new[0]}`"


def run(words: Sequence[str], *, release: bool = False) -> int:
    """Run the audit; return 0 when it worked, or for a release only when it decided GO."""
    before = decided(EVIDENCE)
    code = subprocess.run(["arco-audit", "run", *words], cwd=ROOT, check=False).returncode
    worked, reason = judge(code, before, decided(EVIDENCE))
    print(reason)
    return (worked or code) if release else worked


def report(words: Sequence[str]) -> int:
    """Render the newest run again, and check the committed documents; run no command."""
    runs = required_cells.runs(EVIDENCE)
    if not runs:
        print("no decided run below release_evidence/; next step: nox -s audit")
        return 2
    commands = [["render", str(runs[-1])]]
    if any((ROOT / "docs" / "audits").glob("*/gate-tracker.json")):
        commands.append(["render", "--check", *words])
    for command in commands:
        code = subprocess.run(["arco-audit", *command], cwd=ROOT, check=False).returncode
        if code:
            return code
    if len(commands) == 1:
        print("nothing is published yet, so no published document can differ")
    return 0


def main(words: Sequence[str]) -> int:
    """Run `run`, `release` or `report` with the words after it; return the exit code."""
    if words[0] == "report":
        return report(words[1:])
    return run(words[1:], release=words[0] == "release")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
