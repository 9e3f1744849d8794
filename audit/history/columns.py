"""The tables of the history as data: every column with its kind and its meaning.

The one place that names them: Parquet files, Iceberg tables and the page of the guide follow from
it. Nothing is read, written or computed here, and neither pyarrow nor PyIceberg is needed for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = 1
"""Version of the tables below; a reader refuses a newer one."""

Kind = Literal["text", "word", "instant", "number", "flag", "texts"]
KINDS: Mapping[Kind, str] = {
    "text": "string",
    "word": "dictionary of strings (in Iceberg: string)",
    "instant": "timestamp in microseconds, UTC",
    "number": "int64",
    "flag": "bool",
    "texts": "list of strings",
}
"""Every kind of column, and the type that it has in a file."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. An `optional` one may be null; `_ms` are milliseconds."""

    name: str
    kind: Kind
    meaning: str
    optional: bool = False


KEY = "final_root"
"""The column that says of which run a row is: a run is in a table once, whole."""

_HEAD = (
    Column(KEY, "text", "final root of the run: its key"),
    Column("audit", "word", "id of the audit"),
    Column("ended", "instant", "end of the run"),
)

RUNS = (
    *_HEAD,
    Column("label", "text", "label of the run"),
    Column("verified", "flag", "whether the bundle verified when it was added"),
    Column("verdict", "word", "`GO` or `NO-GO`"),
    Column("blockers", "texts", "what kept the release from GO, a line each"),
    Column("gates", "number", "gates in the plan"),
    Column("gates_go", "number", "of these, with the status GO"),
    Column("signals", "number", "signals in the plan"),
    Column("signals_open", "number", "of these, with another status than GO"),
    Column("cells", "number", "cells in the plan"),
    Column("cells_passed", "number", "of these, passed as the judge sees it"),
    Column("attempts", "number", "attempts of all cells"),
    Column("started", "instant", "start of the run"),
    Column("duration_ms", "number", "from its start to its end"),
    Column("run_id", "text", "id of the run"),
    Column("plan_root", "text", "root over all that was promised"),
    Column("subject_digest", "text", "digest of the tree without the output folders"),
    Column("commit", "text", "commit of the subject"),
    Column("committed", "instant", "time of that commit", optional=True),
    Column("branch", "word", "branch, empty where there was none"),
    Column("tags", "texts", "tags on the commit"),
    Column("dirty", "number", "paths that differed from the commit"),
    Column("tool_version", "word", "version of the program that made the bundle"),
    Column("clock", "word", "where times come from"),
    Column("resumed", "number", "continuations after a crash"),
)

CELLS = (
    *_HEAD,
    Column("subject_digest", "text", "digest of the tree, as in `runs`"),
    Column("cell", "word", "id of the cell"),
    Column("command", "word", "id of its command"),
    Column("attempt", "number", "number of the attempt from 1; 0 where there was none"),
    Column("deciding", "flag", "whether this is the cell's last attempt"),
    Column("result", "word", "result of the attempt; `absent` where there was none"),
    Column("passed", "flag", "what the judge made of all attempts of the cell"),
    Column("failed_before", "number", "earlier attempts of the cell that failed or timed out"),
    Column("reason", "text", "why, where the result has a reason"),
    Column("exit_code", "number", "exit code, or 128 + signal", optional=True),
    Column("started", "instant", "start of the attempt", optional=True),
    Column("stopped", "instant", "end of the attempt", optional=True),
    Column("duration_ms", "number", "by a monotonic clock", optional=True),
    Column("timeout_ms", "number", "limit of the cell"),
    Column("log_bytes", "number", "bytes of the log, after redaction"),
    Column("log_truncated", "flag", "whether the output limit cut it"),
    Column("artifacts", "number", "files kept"),
    Column("leftovers", "number", "processes that outlived their leader"),
    Column("required", "flag", "whether the release needs the cell"),
    Column("flaky", "flag", "whether the definition allows it to pass after a failure"),
)

SIGNALS = (
    *_HEAD,
    Column("signal", "word", "id of the signal"),
    Column("gate", "number", "id of its gate"),
    Column("title", "word", "title"),
    Column("owner", "word", "owner"),
    Column("status", "word", "derived status"),
    Column("claim", "word", "status that somebody wrote down", optional=True),
    Column("reason", "text", "why it has this status"),
    Column("next_step", "text", "what its owner does next"),
    Column("conditions", "number", "conditions in the plan"),
    Column("conditions_met", "number", "of these, met"),
)

GATES = (
    *_HEAD,
    Column("gate", "number", "id of the gate"),
    Column("name", "word", "name"),
    Column("status", "word", "derived status"),
    Column("reason", "text", "why it has this status"),
    Column("closed", "number", "signals that are GO"),
    Column("open", "number", "all others"),
)

APPROVALS = (
    Column(KEY, "text", "final root of the run that was approved"),
    Column("audit", "word", "id of the audit"),
    Column("approver", "word", "who signed"),
    Column("role", "word", "role in which they did"),
    Column("key", "word", "id of the key"),
    Column("answer", "word", "`approved`: only approvals that count are here"),
    Column("decision_digest", "text", "digest of the decision that was shown"),
    Column("gates", "texts", "gates that it covers"),
    Column("signed", "instant", "when it was signed"),
    Column("expires", "instant", "when it ends", optional=True),
)

TABLES: Mapping[str, tuple[Column, ...]] = {
    "cells": CELLS,
    "signals": SIGNALS,
    "gates": GATES,
    "approvals": APPROVALS,
    "runs": RUNS,
}
"""Every table. `runs` comes last: whoever writes them in this order has a run whole when it is
there."""
