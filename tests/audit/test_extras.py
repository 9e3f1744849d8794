"""What an extra brings, and the line that installs it: the packages that pyproject declares."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from audit import extras
from audit.errors import Invalid

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("trust",), "in a clone of this program: pip install '.[trust]'"),
        (("board", "trust"), "in a clone of this program: pip install '.[board,trust]'"),
    ],
)
def test_a_missing_package_is_said_with_the_line_that_brings_it(
    names: tuple[str, ...], line: str
) -> None:
    assert extras.line(*names) == line
    with pytest.raises(Invalid, match="securesystemslib") as told, extras.needed(*names):
        raise ModuleNotFoundError("no module", name="securesystemslib.signer")
    assert told.value.next_step == line


def test_a_module_of_another_extra_or_of_ours_is_no_missing_extra() -> None:
    for name in ("elsewhere", "duckdb", "audit.trust"):
        with pytest.raises(ModuleNotFoundError), extras.needed("trust"):
            raise ModuleNotFoundError("no module", name=name)


def test_every_extra_is_one_that_the_package_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras.PACKAGES) <= set(project["optional-dependencies"])


def test_no_page_installs_what_no_index_has() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    found = [page.name for page in pages if "pip install 'arco-readiness" in page.read_text()]
    assert found == []
