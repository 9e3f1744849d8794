"""What the API holds is not enough to make a publisher."""

from __future__ import annotations

from arco.capabilities import Chance, Clock, MetaStore, Replace, Tasks
from arco.core.keys import DomainHintKey
from arco.publish.publisher import Publisher
from arco.scoped import ApiStores


def act(
    api: ApiStores,
    head: MetaStore,
    hints: Replace[DomainHintKey],
    clock: Clock,
    chance: Chance,
    tasks: Tasks,
) -> Publisher:
    # refused: mypy=arg-type pyright=reportArgumentType
    return Publisher(api.read, api.create, head, hints, clock, chance, tasks)
