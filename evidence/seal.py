"""What the seal covers: the leaves under both roots, and the files that follow from the records.

Pure functions: records and digests in, leaves and bytes out. Whoever writes a bundle and whoever
verifies it calls the same ones.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from evidence import chain, codec, layout
from evidence.model import FORMAT_VERSION, Attempt, Leaf, Plan, Run

TSV_COLUMNS = ("command", "exit_code", "start_utc", "end_utc", "cmd")


def plan_leaves(plan: Plan) -> tuple[Leaf, ...]:
    """Return the leaves under the plan root: every cell, gate, signal, condition, role and rule.

    A signal's leaf leaves its conditions out, which have leaves of their own, so that a changed
    one is named exactly.
    """
    leaves = [
        _leaf(f"plan/{name}", codec.to_value(getattr(plan, name)))
        for name in ("format_version", "tool", "audit", "label", "subject", "rules")
    ]
    leaves += [_leaf(f"plan/role/{role.id}", codec.to_value(role)) for role in plan.roles]
    leaves += [_leaf(f"plan/cell/{cell.id}", codec.to_value(cell)) for cell in plan.cells]
    leaves += [_leaf(f"plan/gate/{gate.id}", codec.to_value(gate)) for gate in plan.gates]
    for signal in plan.signals:
        bare = dataclasses.replace(signal, conditions=())
        leaves.append(_leaf(f"plan/signal/{signal.id}", codec.to_value(bare)))
        leaves += [
            _leaf(f"plan/condition/{signal.id}/{number}", codec.to_value(condition))
            for number, condition in enumerate(signal.conditions)
        ]
    return tuple(leaves)


def encoded(run: Run) -> tuple[bytes, ...]:
    """Return the canonical bytes of each attempt, in the order of the run."""
    return tuple(codec.compact(codec.to_value(attempt)) for attempt in run.attempts)


def final_leaves(
    plan_root: str, run: Run, digests: Mapping[str, str], attempts: Sequence[bytes] | None = None
) -> tuple[Leaf, ...]:
    """Return the leaves under the final root.

    They are the plan root, the number of attempts of each cell, every attempt, every log (by the
    root over its salted chunks) and every other sealed file (`digests`: path to SHA-256).
    `attempts` is what `encoded` made of the run, where the caller has it.
    """
    texts = zip(run.attempts, encoded(run) if attempts is None else attempts, strict=True)
    counts = Counter(attempt.cell for attempt in run.attempts)
    leaves = [Leaf("plan-root", chain.leaf_hash("plan-root", plan_root))]
    leaves += [_leaf(f"attempts/{cell}", [cell, counts[cell]]) for cell in sorted(counts)]
    for attempt, text in sorted(texts, key=_attempt_order):
        name = f"attempt/{attempt.cell}/{attempt.number}"
        leaves.append(Leaf(name, chain.data_leaf(name, text)))
        if attempt.log is not None:
            name = f"log/{attempt.log.path}"
            leaves.append(Leaf(name, chain.leaf_hash(name, attempt.log.root)))
    for path in sorted(digests):
        leaves.append(Leaf(f"file/{path}", chain.leaf_hash(f"file/{path}", digests[path])))
    return tuple(leaves)


def text_of(plan: Sequence[Leaf], final: Sequence[Leaf]) -> bytes:
    """Return the canonical bytes of the seal over these leaves.

    The same as `codec.write` of it, which takes four times as long over many leaves.
    """
    members = [
        f' "{member}": [\n  ' + ",\n  ".join(map(_leaf_text, leaves)) + "\n ]"
        if leaves
        else f' "{member}": []'
        for member, leaves in (("final", final), ("plan", plan))
    ]
    members.insert(1, f' "format_version": {FORMAT_VERSION}')
    return ("{\n" + ",\n".join(members) + "\n}\n").encode("utf-8", "backslashreplace")


def _leaf_text(leaf: Leaf) -> str:
    return f'{{"hash":{codec.quoted(leaf.hash)},"name":{codec.quoted(leaf.name)}}}'


def root_of(leaves: Iterable[Leaf]) -> str:
    """Return the hex RFC 6962 root over leaves, in their order."""
    return chain.root_of([leaf.hash for leaf in leaves])


def deciding(run: Run) -> dict[str, Attempt]:
    """Return the last attempt of each cell."""
    last: dict[str, Attempt] = {}
    for attempt in run.attempts:
        if attempt.cell not in last or last[attempt.cell].number < attempt.number:
            last[attempt.cell] = attempt
    return last


def final_paths(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Return the attempts with their logs named as they lie now: only the last has the plain name.

    The journal keeps the name of the moment at which an attempt ended.
    """
    last: dict[str, int] = {}
    for attempt in attempts:
        last[attempt.cell] = max(attempt.number, last.get(attempt.cell, 0))
    return tuple(_named(attempt, last[attempt.cell]) for attempt in attempts)


def _named(attempt: Attempt, last: int) -> Attempt:
    path = layout.log_path(attempt.cell, attempt.number, last)
    if attempt.log is None or attempt.log.path == path:
        return attempt
    return dataclasses.replace(attempt, log=dataclasses.replace(attempt.log, path=path))


def status_tsv(plan: Plan, run: Run) -> bytes:
    """Return the command matrix as tab separated values, one row per planned cell.

    Columns: command (cell id), exit_code (N, 128 + signal, or empty), start_utc, end_utc, cmd.
    """
    last = deciding(run)
    rows = ["\t".join(TSV_COLUMNS)]
    for cell in plan.cells:
        attempt = last.get(cell.id)
        code = "" if attempt is None or attempt.exit_code is None else str(attempt.exit_code)
        times = ("", "") if attempt is None else (attempt.start_utc, attempt.end_utc)
        rows.append("\t".join(escape(field) for field in (cell.id, code, *times, cell.cmd)))
    return ("\n".join(rows) + "\n").encode()


def escape(text: str) -> str:
    r"""Return `text` on one line: backslash, controls and invisible characters as escapes.

    >>> escape("a\tb\\")
    'a\\tb\\\\'
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    named = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(char)
    if named or char.isprintable():
        return named or char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\U{code:08x}"


def sums(digests: Mapping[str, str]) -> bytes:
    """Return `SHA256SUMS` in the form that `sha256sum -c` reads, sorted by path.

    It names every sealed file except logs, whose plain digest would let a withheld chunk be
    guessed; a path that holds a backslash or newline is escaped as coreutils does.
    """
    return "".join(_sums_line(path, digests[path]) for path in sorted(digests)).encode(
        "utf-8", "surrogateescape"
    )


def sum_of(table: bytes, path: str) -> str:
    """Return the digest that `SHA256SUMS` gives of a path; empty where it gives none."""
    safe = _safe(path)
    for line in table.decode("utf-8", "surrogateescape").split("\n"):
        digest, _, name = line.removeprefix("\\").partition("  ")
        if name == safe:
            return digest
    return ""


def _sums_line(path: str, digest: str) -> str:
    safe = _safe(path)
    return f"{'' if safe == path else chr(92)}{digest}  {safe}\n"


def _safe(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def is_plain(path: str) -> bool:
    """Whether a path of a bundle is a sealed file that is no log: its SHA-256 is its leaf."""
    return not (path in layout.UNSEALED or is_log(path) or is_salts(path))


def is_log(path: str) -> bool:
    """Whether a path of a bundle is a log, sealed by the root over its salted chunks."""
    return path.startswith(f"{layout.LOGS}/") and path.endswith(".log")


def is_salts(path: str) -> bool:
    """Whether a path of a bundle holds salts, which lie outside every digest."""
    return path.startswith(f"{layout.LOGS}/") and path.endswith(".salts")


def _attempt_order(told: tuple[Attempt, bytes]) -> tuple[str, int]:
    return told[0].cell, told[0].number


def _leaf(name: str, value: object) -> Leaf:
    return Leaf(name, chain.data_leaf(name, codec.compact(value)))
