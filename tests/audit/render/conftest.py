"""Fixtures of the render tests: the invented audits of `worlds.py`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    """The module of invented audits, loaded by path: test folders are no packages."""
    spec = importlib.util.spec_from_file_location(
        "render_worlds", Path(__file__).with_name("worlds.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
