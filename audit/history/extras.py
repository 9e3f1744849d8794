"""What the history needs beyond the program itself, and what to install where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from audit.errors import Invalid

PROJECT = "arco-readiness"
EXTRAS = {"history": ("pyarrow", "duckdb"), "iceberg": ("pyiceberg", "pyarrow")}
"""Each extra with the packages that it brings and that are imported by name."""


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Import what an extra brings in this block.

    Raises:
        Invalid: a package of the extra is missing; says how it is installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS[extra]:
            raise
        raise Invalid(
            f"this needs a package that is not installed package=`{package}`",
            next_step=f"pip install '{PROJECT}[{extra}]'",
        ) from error
