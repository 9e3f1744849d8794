"""The servers, each started once and only when a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("obstore", reason="could_not_run: obstore is not installed")

from tests.conformance import server_kit as kit


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of SeaweedFS."""
    with kit.seaweed(tmp_path_factory.mktemp("seaweed")) as url:
        yield url


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of moto."""
    with kit.moto(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of azurite."""
    folder = tmp_path_factory.mktemp("azurite")
    with pytest.MonkeyPatch.context() as patched, kit.azurite(folder, patched) as url:
        yield url
