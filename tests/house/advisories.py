"""Read the report of pip-audit: which locked packages have a known vulnerability.

Exit codes: 0 none, 1 one or more, 75 when a package was not looked up (pip-audit itself calls that
"no known vulnerabilities", which would be a pass that nobody saw).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COULD_NOT_RUN = 75


def verdict(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Return the exit code and the lines to print for a pip-audit JSON report."""
    packages = report.get("dependencies", [])
    looked_up = [package for package in packages if "vulns" in package]
    if not looked_up:
        return COULD_NOT_RUN, ["no advisory database answered"]
    lines = [
        f"{package['name']} {package['version']}: {vuln['id']}"
        f" (fixed in: {', '.join(vuln.get('fix_versions', [])) or 'no version yet'})"
        for package in looked_up
        for vuln in package["vulns"]
    ]
    unknown = len(packages) - len(looked_up)
    closing = f"looked up packages=`{len(looked_up)}` not_looked_up=`{unknown}`"
    if lines:
        return 1, [*lines, closing]
    return (COULD_NOT_RUN if unknown else 0), [closing]


def main() -> int:
    """Print the verdict over the report named on the command line; return the exit code."""
    code, lines = verdict(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
