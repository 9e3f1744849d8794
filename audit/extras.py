"""The extras of this package: what each brings, and the line that installs it where it is missing.

Nothing is imported here; whoever needs a package imports it within `needed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from audit.errors import Invalid

PACKAGES = {
    "board": ("starlette", "uvicorn", "python_multipart"),
    "hsm": ("pkcs11", "cryptography", "securesystemslib"),
    "history": ("pyarrow", "duckdb"),
    "iceberg": ("pyiceberg", "pyarrow"),
    "sigstore": ("sigstore", "cryptography", "securesystemslib"),
    "trust": ("cryptography", "securesystemslib"),
}
"""Each extra with the packages that it brings and that are imported by name."""


def line(*extras: str) -> str:
    """Return how extras are installed; no index has this package, so from a clone of it.

    >>> line("board", "trust")
    "in a clone of this program: pip install '.[board,trust]'"
    """
    return f"in a clone of this program: pip install '.[{','.join(extras)}]'"


@contextmanager
def needed(*extras: str) -> Iterator[None]:
    """Import what some extras bring in this block.

    Raises:
        Invalid: a package of theirs is missing; says how it is installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not any(package in PACKAGES[extra] for extra in extras):
            raise
        raise Invalid(
            f"this needs a package that is not installed package=`{package}`",
            next_step=line(*extras),
        ) from error
