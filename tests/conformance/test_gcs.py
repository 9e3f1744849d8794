"""Google Cloud Storage: no server that can be installed here keeps its conditions.

Both emulators on the package registries answer a create that names a generation of 0 with success
although the object exists, so they could only pass a suite that asks nothing. What we send is
pinned in `tests/arco/adapters/test_objects.py`, against a recorder on the loopback.
"""

from __future__ import annotations

import os

import pytest

from arco.adapters.opening import open_backend
from tests.arco.adapters.backend_suite import BackendSuite, Opened

ADDRESS = "ARCO_TEST_GS"
"""The environment variable with the address of a real bucket, `gs://bucket/prefix`, to test on."""


class TestGoogle(BackendSuite):
    """A real bucket, where somebody has one."""

    versions_repeat = False
    signs = True

    @pytest.fixture
    def opened(self) -> Opened:
        """Connect anew each time, where there is a bucket."""
        url = os.environ.get(ADDRESS)
        if not url:
            pytest.skip(
                "could_not_run: neither emulator of Google Cloud Storage keeps "
                f"x-goog-if-generation-match; {ADDRESS} may name a real bucket"
            )
        return lambda: open_backend(url)
