"""Azure, on azurite."""

from __future__ import annotations

import base64

import pytest

from arco.core.errors import Unavailable
from tests.arco.adapters.backend_suite import TEN, BackendSuite, Opened, body_of, kinds, run
from tests.arco.adapters.wire import Answer, Forward, Request, serving
from tests.conformance import cloud_kit

WRONG = base64.b64encode(b"a key that is not the one").decode()


class TestAzurite(BackendSuite):
    """azurite, below a prefix."""

    signs = True
    versions_repeat = False

    @pytest.fixture
    def opened(self, azurite: str) -> Opened:
        """Connect anew each time."""
        return lambda: cloud_kit.azure(azurite)


def test_a_wrong_key_is_denied(azurite: str) -> None:
    run(cloud_kit.azure(azurite).replace("x", TEN))
    told = run(kinds(cloud_kit.azure(azurite, WRONG)))
    assert told == dict.fromkeys(told, "Denied")
    assert run(body_of(cloud_kit.azure(azurite), "x")) == TEN


@pytest.mark.parametrize(("expires_s", "get"), [(600, "Stored"), (0, "Denied")])
def test_an_expired_credential_is_denied(azurite: str, expires_s: int, get: str) -> None:
    """A signature for reading one object is a credential that may do that, until it expires."""
    owner = cloud_kit.azure(azurite)
    run(owner.replace("x", TEN))
    address = run(owner.sign("x", expires_s))
    told = run(kinds(cloud_kit.azure(azurite, sas=address.partition("?")[2])))
    assert told["get"].startswith(get)
    assert {told[name] for name in ("create", "replace", "update", "list_page")} == {"Denied"}


def test_a_create_whose_answer_is_lost_is_unavailable_and_there(azurite: str) -> None:
    def lost(request: Request, forward: Forward) -> Answer | None:
        answer = forward()
        return None if request.method == "PUT" else answer

    server, _, account = azurite.rpartition("/")
    with serving(server, lost) as wire:
        backend = cloud_kit.azure(f"{wire.url}/{account}")
        with pytest.raises(Unavailable):
            run(backend.create("lost", TEN))
        assert wire.taken() == {"PUT": 1}
        assert run(body_of(backend, "lost")) == TEN


def test_an_operation_is_one_request(azurite: str) -> None:
    server, _, account = azurite.rpartition("/")
    with serving(server) as wire:
        backend = cloud_kit.azure(f"{wire.url}/{account}")
        run(backend.replace("x", TEN))
        wire.taken()
        costs = {}
        for operation in ("get", "head", "create", "update", "replace", "list_page", "delete"):
            run(kinds(backend, [operation]))
            costs[operation] = " ".join(wire.taken().elements())
    assert costs == {
        "get": "GET",
        "head": "HEAD",
        **dict.fromkeys(("create", "update", "replace"), "PUT"),
        "list_page": "LIST",
        "delete": "DELETE",
    }
