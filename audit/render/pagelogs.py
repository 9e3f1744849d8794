"""Logs inside the report page: visible text, packed in deflated groups, within a budget.

Here bytes of any log become what the page carries. Which file a log is, and reading it, is the
caller's business. A log that is too long keeps its head and its tail; one that found no room at all
is linked only.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.render import visible

HEAD_BYTES = 192 * 1024
"""Bytes from the start of a long log that the page shows."""
TAIL_BYTES = 192 * 1024
"""Bytes from the end of a long log that the page shows."""
PAGE_TEXT_BYTES_MAX = 32 * 1024 * 1024
"""Text of all logs together before packing; what comes after it is linked only."""
PAGE_PACKED_BYTES_MAX = 8 * 1024 * 1024
"""Deflated logs of all groups together, before base64."""
GROUP_BYTES = 256 * 1024
"""Text after which a group is closed: a reader unpacks one group to see one log."""
DEFLATE_LEVEL = 3
"""Logs shrink nearly as well as at 6, in half the time."""


@dataclass(frozen=True, slots=True)
class LogExcerpt:
    """What the caller read of a log: its size in bytes, its head, and its tail where it is long.

    `tail` is empty when `head` is the whole log; otherwise `head` and `tail` do not overlap.
    """

    size: int
    head: bytes
    tail: bytes = b""

    @classmethod
    def of(cls, data: bytes) -> LogExcerpt:
        """Return the excerpt of a log that is in memory already."""
        if len(data) <= HEAD_BYTES + TAIL_BYTES:
            return cls(len(data), data)
        return cls(len(data), data[:HEAD_BYTES], data[-TAIL_BYTES:])


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the text of a log lies: group, byte offset, and bytes of head and tail there.

    `left_out` counts bytes of the log between head and tail; `group` is -1 where there was no room.
    """

    group: int
    offset: int
    head: int
    tail: int
    left_out: int


class Packer:
    """Takes logs one by one, the most wanted first, and packs them until the budget is spent."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._open_bytes = 0
        self._text_bytes = 0
        self._packed_bytes = 0
        self._groups: list[str] = []

    def add(self, excerpt: LogExcerpt) -> Placed:
        """Return where the log went."""
        if self._text_bytes >= PAGE_TEXT_BYTES_MAX or self._packed_bytes >= PAGE_PACKED_BYTES_MAX:
            return Placed(-1, 0, 0, 0, excerpt.size)
        head, tail = excerpt.head, excerpt.tail
        if tail:
            head, tail = head[: head.rfind(b"\n") + 1] or head, tail[tail.find(b"\n") + 1 :] or tail
        parts = [visible.log(part).encode("utf-8") for part in (head, tail)]
        placed = Placed(
            len(self._groups),
            self._open_bytes,
            len(parts[0]),
            len(parts[1]),
            excerpt.size - len(head) - len(tail),
        )
        self._parts += parts
        self._open_bytes += len(parts[0]) + len(parts[1])
        self._text_bytes += len(parts[0]) + len(parts[1])
        if self._open_bytes >= GROUP_BYTES:
            self._close()
        return placed

    def groups(self) -> Sequence[str]:
        """Return all groups as base64 of raw deflate streams."""
        if self._parts:
            self._close()
        return self._groups

    def _close(self) -> None:
        packer = zlib.compressobj(DEFLATE_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(b"".join(self._parts)) + packer.flush()
        self._packed_bytes += len(packed)
        self._groups.append(base64.b64encode(packed).decode("ascii"))
        self._parts, self._open_bytes = [], 0


def unpacked(groups: Sequence[str], placed: Placed) -> Iterator[str]:
    """Yield head and tail of a packed log, as the page's script does."""
    text = zlib.decompress(base64.b64decode(groups[placed.group]), -zlib.MAX_WBITS)
    middle = placed.offset + placed.head
    yield text[placed.offset : middle].decode("utf-8")
    yield text[middle : middle + placed.tail].decode("utf-8")
