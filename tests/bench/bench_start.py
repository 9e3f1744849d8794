"""How long a person waits before a subcommand is at work.

(e) Promised: `--help` under 80 ms, any subcommand at work in under 400 ms. Each call is a whole
process; beside them the interpreter alone, which no program can undercut.

`python tests/bench/bench_start.py [ROUNDS]`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

PROGRAM = (sys.executable, "-m", "audit.cli")
HELP_MS_MAX = 80
WORK_MS_MAX = 400
DEFINITION = """\
[audit]
id = "bench"
title = "Nothing to do"
[[command]]
id = "nothing"
run = "true"
[[gate]]
id = 0
name = "Base"
[[gate.signal]]
id = "G0-001"
title = "It is sealed"
owner = "SRE"
exit_test = "the plan root comes first"
closes_when = [{ engine = "plan_sealed" }]
"""


def toy(root: Path) -> None:
    """Make a repository that can be audited at once."""
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.invalid")
    (root / "audit.toml").write_text(DEFINITION)
    for words in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "toy")):
        subprocess.run(("git", *words), cwd=root, check=True)


def median_ms(words: Sequence[str], root: Path, rounds: int) -> float:
    """Return the median of whole processes, after one that warms the caches."""
    taken = []
    for _ in range(rounds + 1):
        began = perf_counter()
        subprocess.run(words, cwd=root, capture_output=True, check=False)
        taken.append((perf_counter() - began) * 1000)
    return statistics.median(taken[1:])


def main(words: Sequence[str]) -> int:
    """Print milliseconds beside what was promised; always 0, because a figure is no verdict."""
    rounds = int(words[0]) if words else 7
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    # An installed program is compiled once; where nothing is kept, each start does it again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
        root = Path(folder)
        toy(root)
        calls: dict[str, tuple[Sequence[str], int]] = {
            "python -c pass": ((sys.executable, "-c", "pass"), 0),
            "--help": ((*PROGRAM, "--help"), HELP_MS_MAX),
            "plan": ((*PROGRAM, "plan"), WORK_MS_MAX),
            "run, whole audit": ((*PROGRAM, "run"), 0),
        }
        for name in ("status", "decide", "render", "verify", "report", "doctor"):
            calls[name] = ((*PROGRAM, name), WORK_MS_MAX)
        calls["init --stdout"] = ((*PROGRAM, "init", "--stdout"), WORK_MS_MAX)
        print(f"(e) whole processes, median of {rounds}")
        for name, (call, limit) in calls.items():
            promised = f"  (promised under {limit})" if limit else ""
            print(f"  {name:<18} {median_ms(call, root, rounds):6.0f} ms{promised}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
