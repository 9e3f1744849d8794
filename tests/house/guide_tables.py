"""The parts of the guide that follow from code, each between two marks of its page.

Run as a program to write them again. Lives with the tests because the packages need none of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from arco.core.keys import FAMILIES, Key, Role, Verb
from arco.core.manifest import SUCCESSION
from arco.publish.lease import LEASE_STEPS
from arco.verify import NEXT_STEPS
from audit.check.codes import CODES

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"


def _table(columns: str, rows: list[list[str]]) -> str:
    """Return a Markdown table; `columns` are the titles, between bars."""
    head = f"| {columns} |"
    rule = "|" + "---|" * (columns.count("|") + 1)
    return "\n".join([head, rule, *(f"| {' | '.join(row)} |" for row in rows)])


def check_codes() -> str:
    """Return the table of all codes of `arco-audit check`."""
    rows = [
        [f"`{code.code}`", code.severity.replace("_", " "), code.meaning, code.fix]
        for code in sorted(CODES.values(), key=lambda code: code.code)
    ]
    return _table("Code | Severity | Meaning | What to do", rows)


def key_families() -> str:
    """Return the table of key families: literal, mutability, and who may write."""
    rows = []
    for kind in FAMILIES:
        family = kind.FAMILY
        writes = (Verb.CREATE, Verb.UPDATE, Verb.REPLACE, Verb.DELETE)
        who = [f"{verb}: {', '.join(roles)}" for verb in writes if (roles := _roles(kind, verb))]
        rows.append([f"`{family.literal}`", str(family.mutability), "; ".join(who)])
    return _table("Key | Mutability | Who writes", rows)


def _roles(kind: type[Key], verb: Verb) -> list[str]:
    return [str(role) for role in Role if kind.FAMILY.may(role, verb)]


def role_rights() -> str:
    """Return the table of roles: on how many families each has which verb."""
    rows = []
    for role in Role:
        counts = [sum(kind.FAMILY.may(role, verb) for kind in FAMILIES) for verb in Verb]
        rows.append([str(role), *(str(count) if count else "" for count in counts)])
    return _table(" | ".join(("Role", *map(str, Verb))), rows)


def succession() -> str:
    """Return the table of the rules of succession."""
    return _table("Field | Has to be", [[f"`{rule.field}`", rule.asks] for rule in SUCCESSION])


def lease_steps() -> str:
    """Return the diagram of a lease: an arrow for each step."""
    width = max(len(step.name) + len(step.token) for step in LEASE_STEPS)
    lines = [
        f"{step.before:<9}──{f' {step.name}, token {step.token} ':─<{width + 10}}─► {step.after:<9}"
        f"  {step.requests} requests"
        for step in LEASE_STEPS
    ]
    return "\n".join(["```text", *lines, "```"])


def verify_codes() -> str:
    """Return the table of what `arco verify` finds."""
    return _table("Finding | What to do", [[f"`{c}`", step] for c, step in NEXT_STEPS.items()])


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "codes": ("check.md", check_codes),
    "keys": ("storage.md", key_families),
    "roles": ("storage.md", role_rights),
    "succession": ("storage.md", succession),
    "lease": ("storage.md", lease_steps),
    "findings": ("storage-faults.md", verify_codes),
}
"""Each part by its mark: the page that it stands on, and what makes it."""


def page(name: str, text: str) -> str:
    """Return a page with every part between its marks as it should be."""
    for mark, (where, make) in PARTS.items():
        if where == name:
            begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
            before, rest = text.split(begin)
            text = f"{before}{begin}\n{make()}\n{end}{rest.split(end)[1]}"
    return text


PAGES = sorted({where for where, _ in PARTS.values()})
"""The pages that hold parts."""


def main() -> int:
    """Write the pages again."""
    for name in PAGES:
        path = GUIDE / name
        path.write_text(page(name, path.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
