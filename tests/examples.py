"""How many examples a property test tries, always as a share of what the profile says.

A number in a test itself would hold at night too, when there is time for many more.
"""

from __future__ import annotations

from hypothesis import settings


def share(percent: int) -> settings:
    """Return settings with that share of the profile's examples: fewer where each costs much."""
    return settings(max_examples=max(1, settings().max_examples * percent // 100))
