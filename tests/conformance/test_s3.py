"""S3: on SeaweedFS, which checks who asks; behind a proxy, as real S3 answers; counted on moto."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from arco.adapters.objects import ObjectsBackend
from arco.capabilities import Created, Exists
from arco.core.errors import Denied, Unavailable
from tests.arco.adapters.backend_suite import (
    TEN,
    BackendSuite,
    Opened,
    body_of,
    call,
    kinds,
    run,
    written,
)
from tests.arco.adapters.wire import Answer, Forward, Request, Wire, serving
from tests.conformance import cloud_kit
from tests.conformance import server_kit as kit

NAMES = ("B", "a/b/c", "a/b/d", "a0/x", "a1", "b/a", "ba", "é", "ﬁ", "𝄞")
"""SeaweedFS lists by folders: in order only where no name goes on behind a folder's with `-`, `.`.

No key of ours does. And it begins behind a folder when it is told to begin at its name, which is
never the name of an object there.
"""


class TestSeaweed(BackendSuite):
    """SeaweedFS, below a prefix, as an administrator."""

    signs = True
    names = NAMES
    starts = ("", "A", "a1a", "zzz")

    @pytest.fixture
    def opened(self, seaweed: str) -> Opened:
        """Connect anew each time."""
        return lambda: cloud_kit.s3(seaweed)


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [("admin", "wrong"), ("nobody", "wrong")])
def test_a_wrong_credential_is_denied(seaweed: str, who: tuple[str, str]) -> None:
    run(cloud_kit.s3(seaweed).replace("x", TEN))
    told = run(kinds(cloud_kit.s3(seaweed, who)))
    assert told == dict.fromkeys(told, "Denied")
    assert run(body_of(cloud_kit.s3(seaweed), "x")) == TEN


def test_a_credential_may_do_what_its_policy_says_and_no_more(seaweed: str) -> None:
    """A denied list and a denied delete come as generic errors from below."""
    run(cloud_kit.s3(seaweed).replace("x", TEN))
    told = run(kinds(cloud_kit.s3(seaweed, kit.READER)))
    assert told == dict.fromkeys(told, "Denied")
    store = ObjectsBackend.connect(
        "s3",
        kit.BUCKET,
        timeout_s=20,
        allow_http=True,
        endpoint=seaweed,
        region="us-east-1",
        access_key_id=kit.READER[0],
        secret_access_key=kit.READER[1],
        prefix="open",
    )
    assert run(store.get("x")) is None
    told = run(kinds(store))
    assert {name: how for name, how in told.items() if how != "Denied"} == {
        "get": "None",
        "get_range": "None",
        "head": "None",
    }


@pytest.fixture
def strict(seaweed: str) -> Iterator[Wire]:
    """SeaweedFS as real S3 answers those who may not list: 403 where there is nothing."""

    def hiding(request: Request, forward: Forward) -> Answer | None:
        answer = forward()
        hidden = answer.status == 404 and request.method in ("GET", "HEAD")
        return Answer(403) if hidden else answer

    with serving(seaweed, hiding) as wire:
        yield wire


def test_what_is_absent_is_denied_to_who_may_not_list(strict: Wire) -> None:
    """So a reader takes Denied for absence only beside something that it has just read."""

    async def steps() -> None:
        backend = cloud_kit.s3(strict.url)
        await backend.replace("shown", TEN)
        assert await body_of(backend, "shown") == TEN
        with pytest.raises(Denied):
            await backend.get("hidden")
        with pytest.raises(Denied):
            await backend.head("hidden")
        assert isinstance(await backend.create("found by creating", TEN), Created)
        assert await backend.create("found by creating", TEN) == Exists()

    run(steps())


# --- answers that are lost ------------------------------------------------------------------------


def lost(request: Request, forward: Forward) -> Answer | None:
    """Let a write take effect, and hang up instead of saying so."""
    answer = forward()
    return None if request.method == "PUT" else answer


def test_a_create_whose_answer_is_lost_is_unavailable_and_there(seaweed: str) -> None:
    """Nobody below sends it again: its own bytes would say "exists"."""
    with serving(seaweed, lost) as wire:
        backend = cloud_kit.s3(wire.url)
        with pytest.raises(Unavailable):
            run(backend.create("lost/create", TEN))
        assert wire.taken() == {"PUT": 1}
        assert run(body_of(backend, "lost/create")) == TEN


def test_an_update_whose_answer_is_lost_is_unavailable_and_there(seaweed: str) -> None:
    plain = cloud_kit.s3(seaweed)
    version = run(written(plain, "lost/update", b"one"))
    with serving(seaweed, lost) as wire:
        with pytest.raises(Unavailable):
            run(cloud_kit.s3(wire.url).update("lost/update", b"two", version))
        assert wire.taken() == {"PUT": 1}
    assert run(body_of(plain, "lost/update")) == b"two"


def test_an_answer_that_breaks_off_is_read_on(seaweed: str) -> None:
    """Never short bytes: what came is kept, and the rest is asked for by its range."""
    body = bytes(range(256)) * 1_000
    run(cloud_kit.s3(seaweed).replace("long", body))
    cut = iter((100, 100_000))

    def breaking(_: Request, forward: Forward) -> Answer | None:
        answer = forward()
        return Answer(answer.status, answer.body, answer.headers, next(cut, None))

    with serving(seaweed, breaking) as wire:
        backend = cloud_kit.s3(wire.url)
        assert run(body_of(backend, "long")) == body
        assert wire.taken()["GET"] == 3


def test_a_store_that_says_nothing_is_unavailable_in_time() -> None:
    """One second for each request here; reads are begun again, but not for long."""
    done = threading.Event()

    def waiting(_: Request, __: Forward) -> Answer | None:
        done.wait(60)
        return None

    with serving(None, waiting) as wire:
        backend = cloud_kit.s3(wire.url, timeout_s=1)
        for operation in ("create", "get"):
            with pytest.raises(Unavailable, match="the store did not answer"):
                run(call(backend, operation))
        done.set()
        sent = wire.taken()
        assert sent["PUT"] == 1
        assert sent["GET"] >= 1


# --- what it costs --------------------------------------------------------------------------------


def test_an_operation_is_one_request(moto: str) -> None:
    with serving(moto) as wire:
        backend = cloud_kit.s3(wire.url)

        async def steps() -> dict[str, str]:
            version = await written(backend, "counted/x", TEN)
            costs = {}
            for name, step in {
                "create": backend.create("counted/y", TEN),
                "create again": backend.create("counted/y", TEN),
                "update": backend.update("counted/x", b"two", version),
                "update late": backend.update("counted/x", b"three", version),
                "replace": backend.replace("counted/x", TEN * 1_000_000),
                "get": backend.get("counted/x"),
                "get a range": backend.get("counted/x", 2, 5),
                "get behind the end": backend.get("counted/y", 100, 200),
                "get nothing": backend.get("counted/y", 5, 5),
                "get absent": backend.get("counted/z"),
                "head": backend.head("counted/x"),
                "list": backend.list_page("counted/", None, 1),
                "list on": backend.list_page("counted/", "counted/x", 10),
                "delete": backend.delete("counted/x"),
                "delete again": backend.delete("counted/x"),
                "sign": backend.sign("counted/x", 60),
            }.items():
                wire.taken()
                await step
                costs[name] = " ".join(wire.taken().elements())
            return costs

        assert run(steps()) == {
            **dict.fromkeys(("create", "create again", "update", "update late", "replace"), "PUT"),
            **dict.fromkeys(("get", "get a range", "get behind the end", "get absent"), "GET"),
            **dict.fromkeys(("get nothing", "head"), "HEAD"),
            **dict.fromkeys(("list", "list on"), "LIST"),
            **dict.fromkeys(("delete", "delete again"), "DELETE"),
            "sign": "",
        }


def test_a_long_listing_is_a_request_for_each_thousand_names(moto: str) -> None:
    with serving(moto) as wire:
        backend = cloud_kit.s3(wire.url)

        async def steps() -> None:
            for number in range(1_001):
                await backend.create(f"many/{number:04}", b"")
            wire.taken()
            assert len(await backend.list_page("many/", None, 1_000)) == 1_000
            assert wire.taken() == {"LIST": 1}
            assert len(await backend.list_page("many/", "many/0999", 1_000)) == 1
            assert wire.taken() == {"LIST": 1}
            assert len(await backend.list_page("many/05", None, 1_000)) == 100
            assert wire.taken() == {"LIST": 1}

        run(steps())
