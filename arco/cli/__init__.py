"""The shell of Arco: `arco`. Words in, exit code out; the only wiring of services to the world.

Here is the entry and nothing else: all that it needs is loaded inside, where a Ctrl-C meets one
line and no traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        from arco.cli import commands, failure

        code = failure.run(commands.group)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = INTERRUPTED
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Exit, and where the clouds' client was loaded, without winding down.

    What it still has in flight on threads of its own, a look for a credential say, aborts a process
    that winds down (seen with obstore 0.12): exit code 134 in the place of ours.
    """
    if "obstore" not in sys.modules:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # told already, as far as it could be
            stream.flush()
    os._exit(code)
