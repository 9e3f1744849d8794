"""Names that people type: looked up in a plan, refused with the nearest spelling. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from audit.errors import Invalid
from evidence.model import ExternalAttached, Plan, Signal

NAME_CHARS_MAX = 80
"""Characters of a name that a message repeats."""


def signal_of(plan: Plan, name: str) -> Signal:
    """Return a signal of a plan. Raises `Invalid` with the nearest spelling."""
    found = next((signal for signal in plan.signals if signal.id == name), None)
    if found is None:
        raise unknown("signal", name, [signal.id for signal in plan.signals])
    return found


def external_of(signal: Signal, artifact: str = "") -> ExternalAttached:
    """Return the external condition of a signal; which one may be left out where it has only one.

    Raises:
        Invalid: it has none, none of that name, or several to choose from.
    """
    asked = [item for item in signal.conditions if isinstance(item, ExternalAttached)]
    names = sorted({item.artifact for item in asked})
    if not asked:
        raise Invalid(
            f"this signal waits for nothing from outside signal=`{signal.id}`",
            next_step="name a signal with an external condition",
        )
    if not artifact and len(names) > 1:
        raise Invalid(
            f"this signal waits for several artifacts signal=`{signal.id}`",
            next_step=f"name one by --artifact: {', '.join(names)}",
        )
    found = [item for item in asked if item.artifact == (artifact or names[0])]
    if not found:
        raise unknown("artifact", artifact, names)
    return found[0]


def unknown(noun: str, name: str, known: Iterable[str]) -> Invalid:
    """Return the refusal of a name that is not there."""
    names = list(known)
    near = difflib.get_close_matches(name[:NAME_CHARS_MAX], names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(names[:10]) or 'none'}"
    return Invalid(f"no such {noun} {noun}=`{name[:NAME_CHARS_MAX]}`", next_step=hint)
