"""What nox offers in a repository, asked of nox itself.

Reading a noxfile shows only what stands there; parametrised and generated sessions exist only once
it ran. The file is the repository's own code, so this is asked only on behalf of somebody who wants
to run it anyway.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LIST_TIMEOUT_S = 30


def sessions(root: Path) -> tuple[str, ...] | None:
    """Return the sessions that `nox` would run at `root`, in its order; None where it cannot say.

    Source of the format: `nox --list --json`, a list of objects with a `session`. One process.
    """
    if not (root / "noxfile.py").is_file():
        return None
    words = (sys.executable, "-m", "nox", "--list", "--json")
    try:
        done = subprocess.run(
            words,
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIST_TIMEOUT_S,
            check=True,
        )
        listed = json.loads(done.stdout)
        return tuple(str(item["session"]) for item in listed)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
