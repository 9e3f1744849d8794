"""Google Cloud Storage: no server that can be installed here speaks its conditional puts.

Of the two emulators on the package registry one refuses a put of the XML API, which is what obstore
sends, and the other writes over what exists although the put says `x-goog-if-generation-match: 0`:
neither can tell a right store from a wrong one. What we send is pinned in
`tests/arco/adapters/test_objects.py`, against a recorder on the loopback.
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
                "could_not_run: no emulator of Google Cloud Storage keeps conditional puts; "
                f"{ADDRESS} may name a real bucket"
            )
        return lambda: open_backend(url)
