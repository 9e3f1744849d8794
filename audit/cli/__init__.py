"""The shell of the audit engine: `arco-audit`. Words in, exit code out; the only wiring.

Here is the entry and nothing else: all that it needs is loaded inside, where a Ctrl-C meets one
line and no traceback. Every refusal becomes one clear message with its next step (`failure`); a
fault of ours exits 70 and keeps its traceback in a file.
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        import signal

        from audit.cli import failure
        from audit.cli.commands import group

        code = failure.run(group)
        # All is said; a Ctrl-C from here on would only print a traceback of Python's own end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        print(
            "error: interrupted\n  next: a run that had begun goes on with arco-audit resume",
            file=sys.stderr,
        )
        sys.exit(130)
    sys.exit(code)
