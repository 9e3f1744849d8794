"""Whether a version was published is looked at before it is used."""

from __future__ import annotations

from arco.publish.publisher import Lost, Published
from arco.publish.sight import Seen


def act(outcome: Published | Lost) -> Seen:
    # refused: mypy=union-attr pyright=reportAttributeAccessIssue
    return outcome.seen
