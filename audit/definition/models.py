"""What `audit.toml` may hold, as pydantic models: each key, its kind and its limits.

Pure shapes. How a file becomes these models, and how their complaints become messages, is in
`load`; what must hold between them is in `rules`. Names in TOML are the aliases.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    PrivateAttr,
    Tag,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from audit.definition import cel, names, patterns, units, words
from audit.definition.units import WrongError
from evidence.model import EngineFactName

TIMEOUT_DEFAULT_MS = 30 * 60_000
OUTPUT_LIMIT_DEFAULT_BYTES = 10**9
COULD_NOT_RUN_CODES = (75,)
"""EX_TEMPFAIL of sysexits.h: the check did not happen."""
OUTPUTS_DEFAULT = ("release_evidence/", "docs/audits/")
JOBS_MAX = 1_024
GATE_ID_MAX = 9_999

ENGINE_FACTS: tuple[str, ...] = get_args(EngineFactName)


def _as_list(value: Any) -> tuple[str, ...]:
    items = (value,) if isinstance(value, str) else value
    if not isinstance(items, tuple) or not all(isinstance(item, str) for item in items):
        raise WrongError(f"wants text or a list of texts, holds {units.kind_of(value)}")
    if not items:
        raise WrongError("this list must not be empty")
    return tuple(names.inside(item) for item in items)


def _run(value: Any) -> str | tuple[str, ...]:
    """Keep a line as it was written, once it is known to be one of plain words."""
    if isinstance(value, str):
        words.split(value)
        return value
    if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
        raise WrongError(f"wants text or a list of texts, holds {units.kind_of(value)}")
    if not value or not value[0]:
        raise WrongError("there is nothing to run", "write a program and its arguments")
    if any("\0" in item for item in value):
        raise WrongError("a word holds a NUL, which no program can be given")
    return value


def _line(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise WrongError("there is nothing to run", "write a line for `sh -c`")
    return value


def _text_schema(description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": description})


_ONE_OR_MANY: dict[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
}

Duration = Annotated[int, PlainValidator(units.duration_ms), _text_schema("a span such as 20m")]
Size = Annotated[int, PlainValidator(units.size_bytes), _text_schema("a size such as 64 MB")]
Day = Annotated[str, PlainValidator(units.day), _text_schema("a date, YYYY-MM-DD")]
Bound = Annotated[str, PlainValidator(units.bound), WithJsonSchema({"type": ["number", "string"]})]
SafeId = Annotated[str, AfterValidator(names.safe_id)]
Word = Annotated[str, AfterValidator(names.word)]
Inside = Annotated[str, AfterValidator(names.inside)]
OutputRoot = Annotated[str, AfterValidator(names.output_root)]
Globs = Annotated[tuple[str, ...], PlainValidator(_as_list), WithJsonSchema(_ONE_OR_MANY)]
Run = Annotated[str | tuple[str, ...], PlainValidator(_run), WithJsonSchema(_ONE_OR_MANY)]
Line = Annotated[str, AfterValidator(_line)]
Regex = Annotated[str, AfterValidator(patterns.regex)]
ExitCode = Annotated[int, Field(ge=0, le=255)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
VariableGlob = Annotated[str, Field(pattern=r"^[A-Za-z0-9_*?\[\]!-]+$")]


class Table(BaseModel):
    """A table of the file: unknown keys are errors, and nothing is converted in silence."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


# --- conditions -----------------------------------------------------------------------------------


class CommandCondition(Table):
    """All cells of `command` passed, not longer ago than `max_age` (milliseconds)."""

    command: str
    max_age: Duration | None = None


class TestCondition(Table):
    """At least one test matches the pattern `test`, and all that match passed."""

    test: Word
    command: str | None = None
    max_age: Duration | None = None


class MetricCondition(Table):
    """The number at the dotted path `metric` lies within inclusive bounds (decimal strings)."""

    metric: Word
    command: str | None = None
    at_least: Bound | None = None
    at_most: Bound | None = None
    max_age: Duration | None = None

    @model_validator(mode="after")
    def _bounds(self) -> MetricCondition:
        if self.at_least is None and self.at_most is None:
            raise WrongError("a metric needs a bound", "add `at_least = …` or `at_most = …`")
        low, high = (units.decimal(item or "") for item in (self.at_least, self.at_most))
        if low is not None and high is not None and low > high:
            raise WrongError(
                f"no number is at least `{self.at_least}` and at most `{self.at_most}`",
                "exchange the bounds",
            )
        return self


class FileCondition(Table):
    """`file` exists at the subject and, where `contains` is set, that regex matches its text."""

    file: Inside
    contains: Regex | None = None


class AbsentCondition(Table):
    """The regex `absent` occurs in no file that `in` matches and `except` does not."""

    absent: Regex
    inside: Globs = Field(alias="in")
    besides: Globs = Field(default=(), alias="except")


class EngineCondition(Table):
    """A fact of the run itself holds."""

    engine: EngineFactName


class ApprovalCondition(Table):
    """`count` holders of the role `approval` approved."""

    approval: str
    count: int = Field(default=1, ge=1, le=100)


class ExternalCondition(Table):
    """The artifact `external`, which only people can bring, was attached and approved by `role`."""

    external: Inside
    role: str


class CarryCondition(Table):
    """The evidence of the run labelled `run` for the command `carry` is still valid."""

    carry: str
    run: Annotated[str, AfterValidator(names.label)]


class CelCondition(Table):
    """A rule in the Common Expression Language: the conjunction of other conditions."""

    cel: Word

    @property
    def conditions(self) -> tuple[Table, ...]:
        """The conditions that the rule stands for, in its order."""
        tables = cel.conditions(self.cel)
        return tuple(CONDITIONS[str(condition_kind(item))].model_validate(item) for item in tables)

    @model_validator(mode="after")
    def _compiles(self) -> CelCondition:
        try:
            assert self.conditions
        except ValidationError as error:
            # What is wrong with a part is told as if it stood there by itself.
            first = error.errors()[0]
            raise first.get("ctx", {}).get("error", WrongError(first["msg"].lower())) from None
        return self


CONDITIONS: dict[str, type[Table]] = {
    "command": CommandCondition,
    "test": TestCondition,
    "metric": MetricCondition,
    "file": FileCondition,
    "absent": AbsentCondition,
    "engine": EngineCondition,
    "approval": ApprovalCondition,
    "external": ExternalCondition,
    "carry": CarryCondition,
    "cel": CelCondition,
}
"""Every kind of condition by the key that makes it one."""
_MAY_NAME_COMMAND = ("test", "metric")


def condition_kind(value: Any) -> str | None:
    """Return the kind of a condition's table, or None unless exactly one kind key stands in it."""
    if isinstance(value, Table):
        return next(kind for kind, model in CONDITIONS.items() if type(value) is model)
    keys = [key for key in value if key in CONDITIONS] if isinstance(value, dict) else []
    if len(keys) == 2 and "command" in keys and set(keys) & set(_MAY_NAME_COMMAND):
        keys.remove("command")
    return keys[0] if len(keys) == 1 else None


Condition = Annotated[
    Annotated[CommandCondition, Tag("command")]
    | Annotated[TestCondition, Tag("test")]
    | Annotated[MetricCondition, Tag("metric")]
    | Annotated[FileCondition, Tag("file")]
    | Annotated[AbsentCondition, Tag("absent")]
    | Annotated[EngineCondition, Tag("engine")]
    | Annotated[ApprovalCondition, Tag("approval")]
    | Annotated[ExternalCondition, Tag("external")]
    | Annotated[CarryCondition, Tag("carry")]
    | Annotated[CelCondition, Tag("cel")],
    Discriminator(condition_kind),
]


# --- tables ---------------------------------------------------------------------------------------


class AuditTable(Table):
    """`[audit]`: what is audited and by which rules. `max_age` in milliseconds."""

    id: SafeId
    title: Word
    date: Day | None = None
    scope: str = ""
    baseline: str = ""
    definition_of_done: Literal["ALL_GATES_GO"] = "ALL_GATES_GO"
    outputs: tuple[OutputRoot, ...] = Field(default=OUTPUTS_DEFAULT, min_length=1)
    evidence_max_age: Duration | None = None
    claims: Inside | None = None
    jobs: int | None = Field(default=None, ge=1, le=JOBS_MAX)
    fail_fast: bool = False


class EnvironmentTable(Table):
    """`[environment]`: globs of the variables whose values a bundle may hold."""

    record: tuple[VariableGlob, ...] = ()


class SecretsTable(Table):
    """`[secrets]`: variables that are secrets, whatever their names look like."""

    env: tuple[Variable, ...] = ()


class EvidenceTable(Table):
    """`[evidence]`: what of a bundle is committed, and how many bytes one may have."""

    commit: tuple[Inside, ...] = ()
    budget: Size | None = None


class RoleTable(Table):
    """`[[role]]`: who owns and approves."""

    id: SafeId
    title: Word


class ResultTable(Table):
    """A file that a command writes and the judge reads: exactly one of the keys."""

    junit: Inside | None = None
    metrics: Inside | None = None

    @model_validator(mode="after")
    def _one(self) -> ResultTable:
        if (self.junit is None) == (self.metrics is None):
            raise WrongError(
                "a result needs exactly one format",
                'write `{ junit = "…" }` or `{ metrics = "…" }`',
            )
        return self


class CommandTable(Table):
    """`[[command]]`: a row of the matrix. Times in milliseconds, sizes in bytes."""

    id: SafeId
    run: Run | None = None
    shell: Line | None = None
    nox: Word | None = None
    timeout: Duration = TIMEOUT_DEFAULT_MS
    output_limit: Size = OUTPUT_LIMIT_DEFAULT_BYTES
    needs: tuple[str, ...] = ()
    accept_exit_codes: tuple[ExitCode, ...] = Field(default=(0,), min_length=1)
    could_not_run_exit_codes: tuple[ExitCode, ...] | None = None
    skipped_exit_codes: tuple[ExitCode, ...] = ()
    required: bool = True
    flaky: bool = False
    cwd: Inside = "."
    env: dict[Variable, str] = Field(default_factory=dict)
    env_only: tuple[Variable, ...] | None = None
    matrix: dict[Variable, tuple[Word, ...]] = Field(default_factory=dict)
    results: tuple[ResultTable, ...] = ()
    produces: tuple[Inside, ...] = ()
    reads: tuple[Inside, ...] = ()

    @property
    def could_not_run(self) -> tuple[int, ...]:
        """Exit codes that mean that the check did not happen."""
        if self.could_not_run_exit_codes is not None:
            return self.could_not_run_exit_codes
        taken = self.accept_exit_codes + self.skipped_exit_codes
        return tuple(code for code in COULD_NOT_RUN_CODES if code not in taken)

    @model_validator(mode="after")
    def _one_way_to_run(self) -> CommandTable:
        ways = [way for way in ("run", "shell", "nox") if getattr(self, way) is not None]
        if len(ways) != 1:
            found = " and ".join(f"`{way}`" for way in ways) or "none of them"
            raise WrongError(
                f"a command wants exactly one of run, shell and nox, holds {found}",
                "write `run` for a program, `shell` for a line with pipes, `nox` for a session",
            )
        return self

    @model_validator(mode="after")
    def _exit_codes_mean_one_thing(self) -> CommandTable:
        seen: set[int] = set()
        for codes in (self.accept_exit_codes, self.could_not_run, self.skipped_exit_codes):
            for code in codes:
                if code in seen:
                    raise WrongError(
                        f"an exit code has two meanings code=`{code}`",
                        "name it in one of the three lists of exit codes, once",
                    )
                seen.add(code)
        return self

    @model_validator(mode="after")
    def _matrix_has_values(self) -> CommandTable:
        for key, values in self.matrix.items():
            if not values:
                raise WrongError(f"a matrix key has no values key=`{key}`", "give it at least one")
        return self


class SignalTable(Table):
    """`[[gate.signal]]`: one closure condition, in prose and as data."""

    id: SafeId
    title: Word
    owner: Word
    exit_test: Word
    code: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    runbook: str = ""
    evidence: tuple[str, ...] = ()
    closes_when: tuple[Condition, ...] = ()

    @property
    def conditions(self) -> tuple[Table, ...]:
        """What closes it, with rules in CEL taken apart into what they stand for."""
        return tuple(
            part
            for item in self.closes_when
            for part in (item.conditions if isinstance(item, CelCondition) else (item,))
        )


class GateTable(Table):
    """`[[gate]]`: a named set of required signals."""

    id: int = Field(ge=0, le=GATE_ID_MAX)
    name: Word
    signals: tuple[SignalTable, ...] = Field(default=(), alias="signal")


class Definition(Table):
    """All of `audit.toml`. `commands`, `gates` and `roles` keep the order of the file."""

    audit: AuditTable
    environment: EnvironmentTable = EnvironmentTable()
    secrets: SecretsTable = SecretsTable()
    evidence: EvidenceTable = EvidenceTable()
    roles: tuple[RoleTable, ...] = Field(default=(), alias="role")
    commands: tuple[CommandTable, ...] = Field(default=(), alias="command")
    gates: tuple[GateTable, ...] = Field(default=(), alias="gate")

    _folder: PurePath = PrivateAttr(default=PurePath())
    _notes: tuple[str, ...] = PrivateAttr(default=())

    @property
    def folder(self) -> PurePath:
        """The folder that the file lies in, to which `claims` is relative."""
        return self._folder

    def lying_in(self, folder: PurePath) -> Definition:
        """Return this definition, now that it is known where its file lies."""
        self._folder = folder
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        """What is allowed and probably not meant, one line each."""
        return self._notes

    def noted(self, notes: tuple[str, ...]) -> Definition:
        """Return this definition, now that `rules` had a look at it."""
        self._notes = notes
        return self
