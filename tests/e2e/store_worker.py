"""A writer on a local store, made to be killed: writes down what it was told, as it is told.

Run as `python -m tests.e2e.store_worker ROOT LOG SEED`; goes on until it is killed. A line of the
log is written after the answer that it is about, so it never promises what was not answered; a last
line may be torn. Ends with code 3 when it reads anything that nobody can have written whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import sys
from pathlib import Path

from arco.adapters.local import LocalBackend
from arco.capabilities import Created, Updated

COUNTER, HINT = "swapped/counter.json", "advisory/hint"
TORN = 3
BODY_BYTES_MAX = 60_000


def whole(body: bytes) -> bool:
    """Say whether a body is one that `filled` made."""
    return body[:64] == hashlib.sha256(body[64:]).hexdigest().encode()


def filled(chance: random.Random, who: str) -> bytes:
    """Return a body of any length that proves itself."""
    rest = who.encode() + b"/" + chance.randbytes(chance.randrange(BODY_BYTES_MAX))
    return hashlib.sha256(rest).hexdigest().encode() + rest


class Worker:
    """One life of a writer."""

    def __init__(self, root: Path, log: Path, seed: str) -> None:
        self.backend = LocalBackend(root)
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.chance = random.Random(seed)
        self.who = seed
        self.slot = 0

    def say(self, *words: object) -> None:
        """Write a line to the log, in one call."""
        os.write(self.log, (json.dumps(words) + "\n").encode())

    async def create(self, number: int) -> None:
        """Create an object of our own; say its digest once it is answered."""
        path, body = f"own/{self.who}/{number}", filled(self.chance, self.who)
        if isinstance(await self.backend.create(path, body), Created):
            self.say("created", path, hashlib.sha256(body).hexdigest())

    async def race(self) -> None:
        """Create the slot of the number that was read last: other writers want the same one."""
        body = filled(self.chance, self.who)
        done = await self.backend.create(f"race/{self.slot:06}", body)
        if isinstance(done, Created):
            self.say("won", self.slot, hashlib.sha256(body).hexdigest())
        else:
            self.say("lost", self.slot)

    async def increment(self) -> None:
        """Swap the counter; say the number that we made it."""
        found = await self.backend.get(COUNTER)
        if found is None:
            sys.exit(TORN)
        self.slot = json.loads(found.body)["number"]
        number = self.slot + 1
        body = json.dumps({"number": number, "by": self.who, "nonce": self.chance.random()})
        done = await self.backend.update(COUNTER, body.encode(), found.version)
        if isinstance(done, Updated):
            self.say("swapped", number)

    async def replace(self) -> None:
        """Write the hint over, and read it."""
        await self.backend.replace(HINT, filled(self.chance, self.who))
        found = await self.backend.get(HINT)
        if found is None or not whole(found.body):
            sys.exit(TORN)

    async def delete(self, number: int) -> None:
        """Make an object in a folder of its own, and delete both."""
        path = f"gone/{self.who}-{number}/x"
        await self.backend.create(path, b"soon gone")
        await self.backend.delete(path)
        self.say("deleted", path)

    async def live(self) -> None:
        """Do everything in turn, for ever."""
        number = 0
        while True:
            number += 1
            await self.create(number)
            await self.increment()
            await self.race()
            await self.replace()
            await self.delete(number)


if __name__ == "__main__":
    asyncio.run(Worker(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]).live())
