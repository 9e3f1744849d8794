"""Makes a bundle for `tests/golden/bundles/`: a real run of a toy, killed once and resumed.

`python tests/golden/make_bundle.py NAME` is called once per release that changes a format; what it
made is never changed again, because evidence must verify for ever.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).parent
PROGRAM = (sys.executable, "-m", "audit.cli")
DEFINITION = r"""
[audit]
id = "golden"
title = "Every kind of outcome"
date = "2026-11-21"
scope = "what a verifier of any later version has to understand"
evidence_max_age = "3650d"
jobs = 1

[[role]]
id = "SRE"
title = "Site reliability engineering"

[[command]]
id = "fragile" # ends the audit itself, once
shell = "if [ -e \"$ONCE\" ]; then echo second time; else : > \"$ONCE\"; kill -9 $PPID; fi"

[[command]]
id = "tests"
shell = "mkdir -p build; cp junit.xml metrics.json build/; echo 2 passed"
results = [{ junit = "build/junit.xml" }, { metrics = "build/metrics.json" }]
produces = ["build/*.json"]

[[command]]
id = "loud"
shell = "i=0; while [ $i -lt 4000 ]; do echo line $i of a log of several chunks; i=$((i+1)); done"

[[command]]
id = "bytes"
shell = "printf 'caf\\351 \\033[31mred\\033[0m \\000 end'; echo $GOLDEN_TOKEN"

[[command]]
id = "silent"
run = "true"

[[command]]
id = "fails"
shell = "echo broken >&2; exit 3"
required = false

[[command]]
id = "after"
run = "true"
needs = ["fails"]
required = false

[[command]]
id = "elsewhere"
shell = "echo no licence server; exit 75"
required = false

[[command]]
id = "absent"
run = "no-such-program --at-all"
required = false

[[gate]]
id = 0
name = "What holds"
[[gate.signal]]
id = "G0-001"
title = "Commands, tests, numbers, files and facts"
owner = "SRE"
code = ["README.md"]
evidence = ["command-logs/"]
exit_test = "everything here is met"
closes_when = [
  { command = "fragile" },
  { test = "suite.golden::*" },
  { metric = "totals.percent", at_least = 90.5 },
  { file = "README.md", contains = "^golden$" },
  { absent = "FORBIDDEN", in = "**/*.md" },
  { engine = "plan_sealed" },
  { engine = "every_cell_present" },
  { engine = "tracker_valid" },
]

[[gate]]
id = 4
name = "What does not"
[[gate.signal]]
id = "G4-001"
title = "Some of it is met"
owner = "SRE"
exit_test = "a failed command holds it back"
closes_when = [{ command = "silent" }, { command = "fails" }]
[[gate.signal]]
id = "G4-002"
title = "Only people can bring it"
owner = "SRE"
exit_test = "a drill is attached"
closes_when = [{ external = "release_evidence/golden/gate-4/drill.md", role = "SRE" }]
[[gate.signal]]
id = "G4-003"
title = "Nothing of it is met"
owner = "SRE"
exit_test = "approval, carry-over and what could not run"
closes_when = [
  { approval = "SRE" },
  { carry = "silent", run = "an/earlier/one" },
  { command = "elsewhere" },
  { command = "after" },
]
"""
JUNIT = """<testsuite name="suite" tests="2"><testcase classname="suite.golden" name="one"/>\
<testcase classname="suite.golden" name="two[a]"/></testsuite>
"""


def make(root: Path, environ: dict[str, str]) -> Path:
    """Commit a toy below `root`, audit it, resume what the kill left; return the run's folder."""
    files = {
        "audit.toml": DEFINITION,
        "README.md": "golden\n",
        "docs/guide.md": "a page\n",
        "junit.xml": JUNIT,
        "metrics.json": '{"totals": {"percent": 91.25}}\n',
        ".gitignore": "build/\nrelease_evidence/\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    identity = ("-c", "user.name=golden", "-c", "user.email=golden@example.invalid")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*identity, "commit", "-qm", "toy")):
        subprocess.run(("git", *words), cwd=root, check=True, env=environ)
    run = subprocess.run((*PROGRAM, "run", "--label", "head/1"), cwd=root, env=environ, check=False)
    assert run.returncode == -9, run
    subprocess.run((*PROGRAM, "resume", "head/1"), cwd=root, env=environ, check=False)
    return root / "release_evidence" / "golden" / "head" / "1"


def main(words: list[str]) -> int:
    """Make the bundle of that name and print its final root for `ROOTS`."""
    target = GOLDEN / "bundles" / words[0]
    if target.exists():
        print(f"golden evidence is never made again: {target.relative_to(GOLDEN)}")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "toy"
        root.mkdir()
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(GOLDEN.parents[1]),
            "HOME": folder,
            "ONCE": f"{folder}/once",
            "GOLDEN_TOKEN": "a-golden-secret-of-this-run",
        }
        shutil.copytree(make(root, environ), target)
    lines = (target / "checkpoint").read_text().splitlines()
    print(f"{words[0]} {lines[2]} {lines[3].removeprefix('plan-root ')}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
