"""Did every required cell of a run pass? CI asks this itself, whatever the gates say.

Standard library only, and none of this project's code: when the engine is broken this still works.
Exit codes: 0 all passed, 1 some did not or there is no run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def runs(evidence: Path) -> list[Path]:
    """Return the folders of decided runs below an evidence root, the newest decision last."""
    found = [
        path for path in evidence.glob("**/decision.json") if (path.parent / "plan.json").exists()
    ]
    return [path.parent for path in sorted(found, key=lambda path: (_as_of(path), str(path)))]


def _as_of(path: Path) -> str:
    return str(json.loads(path.read_text("utf-8"))["as_of"])


def verdict(plan: dict[str, Any], decision: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return one line per required cell that did not pass, and one per optional one."""
    decided = {cell["cell"]: cell for cell in decision["cells"]}
    required: list[str] = []
    optional: list[str] = []
    for cell in plan["cells"]:
        outcome = decided.get(cell["id"], {"passed": False, "result": "absent", "reason": ""})
        if outcome["passed"] is not True:
            line = f"{cell['id']}: {outcome['result']}  {outcome['reason']}".rstrip()
            (required if cell["required"] else optional).append(line)
    return required, optional


def report(folder: Path) -> tuple[int, list[str]]:
    """Return the exit code and the lines to print for one run."""
    plan = json.loads((folder / "plan.json").read_text("utf-8"))
    decision = json.loads((folder / "decision.json").read_text("utf-8"))
    if not any(cell["required"] for cell in plan["cells"]):
        return 1, [f"no required cell in the plan: run=`{folder}`"]
    required, optional = verdict(plan, decision)
    lines = [f"required, not passed: {line}" for line in required]
    lines += [f"optional, not passed: {line}" for line in optional]
    total = sum(cell["required"] for cell in plan["cells"])
    lines.append(f"required cells passed: `{total - len(required)}` of `{total}` in run=`{folder}`")
    return (1 if required else 0), lines


def main(words: list[str]) -> int:
    """Look at the run named on the command line, else at the newest; return the exit code."""
    found = [Path(words[0])] if words else runs(ROOT / "release_evidence")
    if not found:
        print("no decided run below release_evidence/")
        return 1
    code, lines = report(found[-1])
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
