"""Holding an export against what its own world checks with: packages that are extras of ours.

Here lives every use of those packages, imported when asked for. SARIF and CTRF have no validator
that is kept well on PyPI, so that none is claimed for them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

from audit import extras, results
from audit.errors import Unavailable
from audit.exchange import oscal

PROBLEM_CHARS_MAX = 2_000
"""Characters of a validator's words that are repeated."""


def validate(form: str, files: Mapping[str, bytes]) -> list[str] | None:
    """Return what is wrong with the files of an export; None when nothing can check this format.

    Raises:
        Unavailable: the package that checks it is not installed; names the extra.
    """
    check = _CHECKS.get(form)
    if check is None:
        return None
    found = [(name, check(name, data)) for name, data in files.items()]
    return [f"{name}: {problem[:PROBLEM_CHARS_MAX]}" for name, problem in found if problem]


def _junit(_: str, data: bytes) -> str:
    try:
        results.junit(data)
    except results.BrokenError as error:
        return str(error)
    return ""


def _oscal(name: str, data: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from trestle.oscal import (  # type: ignore[import-not-found,import-untyped,unused-ignore]  # pyright: ignore[reportMissingImports]
                assessment_results,
                poam,
            )
    except ImportError as error:
        raise _missing("oscal", "compliance-trestle") from error
    model = assessment_results.Model if name == oscal.RESULTS else poam.Model
    try:
        model.model_validate_json(data)
    except ValueError as error:
        return str(error)
    return ""


def _cyclonedx(_: str, data: bytes) -> str:
    try:
        from cyclonedx.schema import (  # type: ignore[import-not-found,import-untyped,unused-ignore]  # pyright: ignore[reportMissingImports]
            SchemaVersion,
        )
        from cyclonedx.validation.json import (  # type: ignore[import-not-found,import-untyped,unused-ignore]  # pyright: ignore[reportMissingImports]
            JsonStrictValidator,
        )
    except ImportError as error:
        raise _missing("cyclonedx", "cyclonedx-python-lib") from error
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode())
    return "" if problem is None else str(problem)


def _missing(extra: str, package: str) -> Unavailable:
    return Unavailable(
        f"what checks this format is not installed package=`{package}`",
        next_step=extras.line(extra),
    )


_CHECKS: Mapping[str, Callable[[str, bytes], str]] = {
    "junit": _junit,
    "oscal": _oscal,
    "cyclonedx": _cyclonedx,
}
