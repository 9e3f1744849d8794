"""Statuses that somebody wrote down, beside the definition: shown with the audit, never believed.

`import` writes the file, `claims` in `[audit]` names it, relative to the definition. Only ids and
statuses are read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from audit.definition.models import Definition
from audit.definition.names import hint
from audit.errors import Invalid, Unavailable
from evidence import codec
from evidence.model import Status

FILE_BYTES_MAX = 16 * 2**20
STATUSES: tuple[Status, ...] = get_args(Status)


def load_claims(definition: Definition) -> dict[str, Status]:
    """Return the claimed status by signal id, for the signals of the definition.

    The file is a JSON object whose `signals` is a list of objects with `id` and `status`; other
    members are for `render --as-claimed`. A status that is none of ours is left out.

    Raises:
        Invalid: the file is named and missing, too large, or of another shape.
        Unavailable: it cannot be read.
    """
    name = definition.audit.claims
    if name is None:
        return {}
    path = Path(definition.folder) / name
    value = _value(path, name)
    rows = value.get("signals") if isinstance(value, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid(
            "this is no file of claims, it lacks a list key=`signals`",
            place=name,
            next_step="write it with `arco-audit import`, or take `claims` out of [audit]",
        )
    wanted = {signal.id for gate in definition.gates for signal in gate.signals}
    found = {row.get("id"): row.get("status") for row in rows}
    return {
        signal: status for signal in wanted for status in STATUSES if found.get(signal) == status
    }


def _value(path: Path, name: str) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, IsADirectoryError) as error:
        near = [item.name for item in path.parent.glob("*.json")] if path.parent.is_dir() else []
        raise Invalid(
            f"there is no file of claims path=`{path}`",
            place=name,
            next_step=hint(path.name, near, "file of claims"),
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Unavailable(f"the claims cannot be read, {reason} path=`{path}`") from error
    if len(data) > FILE_BYTES_MAX:
        raise Invalid(f"the file of claims is too large limit=`{FILE_BYTES_MAX} bytes`", place=name)
    try:
        return codec.parse(data, name)
    except codec.Malformed as error:
        raise Invalid(f"not a file of claims, {error.problem}", place=name) from error
