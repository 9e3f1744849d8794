"""Did the tests against the corpus of real audits run? Asked where a corpus exists.

Reads a JUnit file. Standard library only. Exit codes: 0 they ran or there is no corpus, 1 not.
"""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = ("tests.audit.check",)
"""Where the tests against the corpus live, as JUnit class names."""
MARK = "corpus"
"""The word that names a test against the corpus, or that its skip reason holds."""


def corpus(environ: dict[str, str], root: Path) -> Path | None:
    """Return the folder of the corpus, or None where there is none."""
    named = environ.get("ARCO_CORPUS")
    place = Path(named) if named else root.parent / "shared" / "corpus"
    return place if place.is_dir() else None


def verdict(junit: str) -> tuple[int, list[str]]:
    """Return the exit code and lines for a JUnit text: corpus tests ran, and none was skipped."""
    ran, skipped = 0, []
    for case in ET.fromstring(junit).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        skip = case.find("skipped")
        reason = "" if skip is None else (skip.get("message") or "") + (skip.text or "")
        if not name.startswith(PLACES) or MARK not in name + reason:
            continue
        if skip is None:
            ran += 1
        else:
            skipped.append(f"skipped: {name}: {reason.splitlines()[0] if reason else ''}")
    code = 0 if ran and not skipped else 1
    return code, [*skipped, f"tests against the corpus: ran=`{ran}` skipped=`{len(skipped)}`"]


def main(words: list[str]) -> int:
    """Judge the JUnit file named on the command line; return the exit code."""
    place = corpus(dict(os.environ), ROOT)
    if place is None:
        print("there is no corpus here, so its tests could not run")
        return 0
    code, lines = verdict(Path(words[0]).read_text("utf-8"))
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
