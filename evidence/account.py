"""What a verification found, told to people and to machines.

The same words wherever a bundle is verified: by us, or by the program that lies in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evidence import codec, seal, trusted
from evidence.verify import Report, Step, Withheld

_ROOTS = {
    "final": "nothing was edited since it was sealed",
    "plan": "that is what was promised; only the final root shows every edit",
}


def lines(report: Report, trust: trusted.Report | None = None) -> list[str]:
    """Return a report as plain lines: one per step, one per finding, the verdict last.

    `trust` is what the steps with a trust file found, where there was one.
    """
    steps = (*report.steps, *(trust.steps if trust else ()))
    text = [line for step in steps for line in _of_step(step)]
    if report.expected and report.ok:
        text.append(f"expected root is the {report.expected} root: {_ROOTS[report.expected]}")
    elif report.expected:
        text.append(f"the {report.expected} root is the one expected; what lies under it is not")
    elif report.ok:
        text.append("consistent in itself; with --expect-root ROOT an edit of everything shows too")
    text += [f"note: {_visible(_withheld(item))}" for item in report.withheld]
    if report.decision is not None:
        text.append(f"decision, derived again: {report.decision.verdict}")
    if trust:
        text += map(_visible, trusted.lines(trust))
    text.append("VERIFIED" if holds(report, trust) else "NOT VERIFIED")
    return text


def holds(report: Report, trust: trusted.Report | None = None) -> bool:
    """Return whether every step was checked and found nothing."""
    return report.ok and (trust is None or trust.ok)


def _of_step(step: Step) -> Iterator[str]:
    word = "ok" if not step.findings else "FAILED"
    yield f"{step.number:>2}  {word if step.checked else 'not checked':<11}  {step.title}"
    for finding in step.findings:
        place = f"{_visible(finding.place)}: " if finding.place else ""
        yield f"      {place}{_visible(finding.problem)}"


def _withheld(item: Withheld) -> str:
    what = f"{item.path}" if item.chunk is None else f"chunk {item.chunk} of {item.path}"
    return f"{what} was withheld after the seal; its sealed leaf is {item.leaf}"


def _visible(text: str) -> str:
    """Text from a bundle on one line of a terminal: nothing in it can pass for a line of ours."""
    return "".join(char if char.isprintable() else seal.escape(char) for char in text)


def value(report: Report, trust: trusted.Report | None = None) -> dict[str, Any]:
    """Return a report as a JSON value; `sign_off` only with a trust file."""
    told: dict[str, Any] = {
        "ok": holds(report, trust),
        "plan_root": report.plan_root,
        "final_root": report.final_root,
        "expected": report.expected,
        "verdict": report.decision.verdict if report.decision else None,
        "steps": codec.to_value(report.steps),
    }
    if report.withheld:
        told["withheld"] = codec.to_value(report.withheld)
    return told if trust is None else {**told, "sign_off": trusted.value(trust)}
