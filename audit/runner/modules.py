"""Whether a Python that a command starts has the module that it is asked for with `-m`.

Asked of that Python itself, which alone knows where it looks. Nothing of the module is run.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

ASK_TIMEOUT_S = 30
_PYTHON = re.compile(r"python[0-9.]*\Z")
_ASK = "import sys, importlib.util as u; print(int(u.find_spec(sys.argv[1]) is not None))"


def wanted(argv: Sequence[str]) -> str:
    """Return the package that `python -m` is to run; empty for any other command.

    >>> wanted(["/usr/bin/python3.12", "-m", "pytest", "-q"])
    'pytest'
    """
    is_python = len(argv) > 2 and _PYTHON.match(os.path.basename(argv[0])) and argv[1] == "-m"
    return argv[2].partition(".")[0] if is_python else ""


def has(python: str, package: str, folder: Path) -> bool | None:
    """Whether a Python finds a package from a folder; None where it cannot say. One process."""
    try:
        done = subprocess.run(
            (python, "-c", _ASK, package),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_TIMEOUT_S,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return {b"0": False, b"1": True}.get(done.stdout.strip())
