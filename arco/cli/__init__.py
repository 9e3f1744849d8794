"""The shell of Arco: `arco`. Words in, exit code out; the only wiring of services to the world.

Here is the entry and nothing else: all that it needs is loaded inside, where a Ctrl-C meets one
line and no traceback.
"""

from __future__ import annotations

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
    sys.exit(code)
