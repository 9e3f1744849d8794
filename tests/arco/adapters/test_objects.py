"""The door to the clouds: over memory it keeps every promise; refusals are told apart by words."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

pytest.importorskip("obstore", reason="could_not_run: obstore is not installed")

from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from arco.adapters import objects
from arco.adapters.objects import ObjectsBackend
from arco.capabilities import Backend, Created, ObjectMeta, Stored, StoreVersion, Updated
from arco.core.errors import ArcoError, Denied, Invalid, Unavailable
from tests.arco.adapters.backend_suite import EVERY_OPERATION, TEN, BackendSuite, Opened, kinds, run
from tests.arco.adapters.wire import Answer, Script, Wire, serving


class TestObjectsInMemory(BackendSuite):
    """What obstore keeps in memory; the clouds are in `tests/conformance`."""

    versions_repeat = False

    @pytest.fixture
    def opened(self) -> Opened:
        """Return a store over the one memory, each time."""
        store = MemoryStore()
        return lambda: ObjectsBackend(store, store)


# --- refusals, from a server that says what each cloud says ---------------------------------------

CLOUDS: dict[str, dict[str, object]] = {
    "s3": {"region": "x", "access_key_id": "key", "secret_access_key": "word"},
    "gs": {"bearer_token": "word"},
    "az": {"account_name": "a", "account_key": "d29yZA=="},
}
READS = ("get", "get_range", "head", "list_page")
MOMENT = "Fri, 02 Jan 2026 03:04:05 GMT"


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> str:
    """The scheme of a cloud."""
    return str(request.param)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A server whose script each test writes."""
    monkeypatch.setattr(objects, "READ_BACKOFF_MS", 1)
    with serving() as server:
        yield server


def connected(cloud: str, url: str) -> Backend:
    """Return a store that asks a server on the loopback."""
    name = "base_url" if cloud == "gs" else "endpoint"
    config = {**CLOUDS[cloud], name: url}
    return ObjectsBackend.connect(cloud, "lake", timeout_s=20, allow_http=True, **config)


def says(status: int, code: str = "") -> Script:
    """Answer everything with a status and a code, in the words of S3."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode() if code else b""
    return lambda _, __: Answer(status, body)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "AuthenticationFailed", "Denied"),
        (403, "AccessDenied", "Denied"),
        (403, "", "Denied"),
        (403, "RequestTimeTooSkewed", "Denied"),
        (400, "ExpiredToken", "Denied"),
        (400, "InvalidRequest", "Invalid"),
        (301, "PermanentRedirect", "Invalid"),
        (405, "MethodNotAllowed", "Invalid"),
        (429, "TooManyRequests", "Unavailable"),
        (500, "InternalError", "Unavailable"),
        (503, "SlowDown", "Unavailable"),
    ],
)
def test_a_refusal_is_told_apart(wire: Wire, cloud: str, status: int, code: str, kind: str) -> None:
    wire.script = says(status, code)
    expected = dict.fromkeys(EVERY_OPERATION, kind)
    if code == "ExpiredToken":
        expected["head"] = "Invalid"  # the answer to a HEAD has no body, so the code is lost
    assert run(kinds(connected(cloud, wire.url))) == expected


@pytest.mark.parametrize(
    ("status", "code", "hides"),
    [
        (403, "AccessDenied", True),
        (403, "", True),
        (403, "RequestTimeTooSkewed", False),
        (403, "InvalidAccessKeyId", False),
        (403, "SignatureDoesNotMatch", False),
        (403, "AuthenticationFailed", False),
        (401, "AccessDenied", False),
        (400, "ExpiredToken", False),
    ],
)
def test_a_refusal_of_who_asks_is_told_from_one_that_may_hide_absence(
    wire: Wire, cloud: str, status: int, code: str, hides: bool
) -> None:
    wire.script = says(status, code)
    with pytest.raises(Denied) as refused:
        run(connected(cloud, wire.url).get("x"))
    assert refused.value.hides_absence is hides


def test_what_may_not_be_decrypted_is_there(wire: Wire, cloud: str) -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::1:role/c is not authorized"
    body += b" to perform: kms:Decrypt on this resource</Message></Error>"
    wire.script = lambda _, __: Answer(403, body)
    with pytest.raises(Denied) as refused:
        run(connected(cloud, wire.url).get("x"))
    assert not refused.value.hides_absence


def test_a_write_is_sent_once_and_a_read_again(wire: Wire, cloud: str) -> None:
    """A write sent again would be told "exists" or "changed" of its own bytes."""
    backend = connected(cloud, wire.url)
    for script in (says(503, "SlowDown"), says(500), lambda *_: None):
        wire.script = script
        sent = {}
        for operation in EVERY_OPERATION:
            assert run(kinds(backend, [operation])) == {operation: "Unavailable"}
            sent[operation] = wire.taken().total()
        assert sent == {
            name: 1 + objects.READ_RETRIES if name in READS else 1 for name in EVERY_OPERATION
        }


def test_a_store_that_is_away_is_unavailable(wire: Wire, cloud: str) -> None:
    with serving() as gone:
        url = gone.url
    told = run(kinds(connected(cloud, url)))
    assert told == dict.fromkeys(EVERY_OPERATION, "Unavailable")


def test_a_missing_bucket_is_not_a_missing_object(wire: Wire, cloud: str) -> None:
    wire.script = says(404, "ContainerNotFound" if cloud == "az" else "NoSuchBucket")
    told = run(kinds(connected(cloud, wire.url)))
    assert told == {**dict.fromkeys(EVERY_OPERATION, "Invalid"), "head": "None"}


def test_a_missing_object_is_none_or_changed(wire: Wire, cloud: str) -> None:
    wire.script = says(404, "BlobNotFound" if cloud == "az" else "NoSuchKey")
    told = run(kinds(connected(cloud, wire.url), ("get", "get_range", "head", "update")))
    assert told == {"get": "None", "get_range": "None", "head": "None", "update": "Changed()"}


@pytest.mark.parametrize(
    ("status", "code", "answer"),
    [
        (412, "PreconditionFailed", "Exists()"),
        (409, "BlobAlreadyExists", "Exists()"),
        (409, "ConditionalRequestConflict", "Unavailable"),
        (409, "OperationAborted", "Unavailable"),
        (409, "", "Unavailable"),
    ],
)
def test_a_conflict_that_says_nothing_of_the_name_is_unknown(
    wire: Wire, cloud: str, status: int, code: str, answer: str
) -> None:
    """S3 answers a race with 409 although the name may still be free: obstore calls that taken."""
    wire.script = says(status, code)
    assert run(kinds(connected(cloud, wire.url), ["create"])) == {"create": answer}
    assert wire.taken().total() == 1


def test_a_conflict_of_an_update_is_changed_or_unknown(wire: Wire, cloud: str) -> None:
    backend = connected(cloud, wire.url)
    for status, answer in {412: "Changed()", 409: "Unavailable"}.items():
        wire.script = says(status, "Conflict")
        assert run(kinds(backend, ["update"])) == {"update": answer}
        assert wire.taken().total() == 1


def holds(body: bytes, sent: int | None = None, span: str = "") -> Script:
    """Answer every read with these bytes, or with so many of them, as a span of the object."""
    tags = {"ETag": '"1"', "x-goog-generation": "1", "Last-Modified": MOMENT}
    if span:
        tags["Content-Range"] = span
    return lambda _, __: Answer(206 if "Content-Range" in tags else 200, body, tags, sent)


def test_an_answer_that_breaks_off_is_never_short_bytes(wire: Wire, cloud: str) -> None:
    wire.script = holds(TEN)
    backend = connected(cloud, wire.url)
    found = run(backend.get("x"))
    assert found is not None
    assert found.body == TEN
    for sent in (0, 1, 9):
        wire.script = holds(TEN, sent)
        assert run(kinds(backend, ["get"])) == {"get": "Unavailable"}


def test_an_answer_of_another_length_is_corrupt(wire: Wire, cloud: str) -> None:
    """What stands between may cut a range and say so nowhere but in the length."""
    wire.script = holds(b"1", span="bytes 1-2/10")
    assert run(kinds(connected(cloud, wire.url), ["get_range"])) == {"get_range": "Corrupt"}


def test_a_store_that_names_no_version_is_refused(wire: Wire, cloud: str) -> None:
    wire.script = lambda _, __: Answer(200, TEN, {"Last-Modified": MOMENT})
    with pytest.raises(ArcoError) as told:
        run(connected(cloud, wire.url).get("x"))
    assert not isinstance(told.value, Denied), told.value


@pytest.mark.parametrize("path", ["", "/x", "x/", "a//b", "../x", "a/./b"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    store = MemoryStore()
    with pytest.raises(Invalid, match=r"the store cannot do this|not the path of an object"):
        run(ObjectsBackend(store, store).create(path, TEN))


def test_what_the_client_does_not_accept_is_no_matter_of_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    for scheme, reason in (("az", "account must be specified"), ("gs", "/nowhere.json")):
        with pytest.raises(Invalid, match=reason) as told:
            ObjectsBackend.connect(scheme, "lake", timeout_s=20)
        assert "address" in told.value.next_step
        assert "environment" in told.value.next_step


def test_a_server_that_is_not_there_is_told_with_the_cause(cloud: str) -> None:
    with socket.socket() as taken:  # bound and deaf: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable) as told:
            run(connected(cloud, address).create("some/long/path/" * 8 + "x", TEN))
    assert told.value.problem.endswith("error sending request: connection refused`")
    assert "retr" not in told.value.problem
    assert "check the address" in told.value.next_step


@pytest.mark.parametrize(
    "service",
    [
        "PUT http://169.254.169.254/latest/api/token",
        "GET http://169.254.169.254/metadata/identity/oauth2/token",
        "GET http://metadata.google.internal/computeMetadata/v1/instance",
        "GET http://metadata/computeMetadata/v1/instance",
    ],
)
@pytest.mark.parametrize(
    "said", [" - Server returned non-2xx status code: 404 Not Found", ": HTTP error"]
)
def test_a_credential_that_nobody_gave_is_told_from_a_refusal(service: str, said: str) -> None:
    """Without one in the environment, a client asks the machine that it runs on for one."""
    error = GenericError(f"Generic S3 error: Error performing {service} in 1.2ms{said}")
    refused = objects._refusal(error, "x")
    assert type(refused) is Unavailable
    assert "no credential was found" in refused.problem
    assert "AWS_ACCESS_KEY_ID" in refused.next_step


def test_a_signature_in_an_address_is_not_told(wire: Wire) -> None:
    config = {"account_name": "a", "sas_key": "sv=1&sig=word", "endpoint": wire.url}
    backend = ObjectsBackend.connect("az", "lake", timeout_s=20, allow_http=True, **config)
    for script in (says(403), lambda *_: None):
        wire.script = script
        run(kinds(backend))
    assert any("sig=word" in request.target for request in wire.requests)


# --- Google Cloud Storage: the conditions that both emulators ignore ------------------------------


def test_gcs_conditions_are_sent_as_generations(wire: Wire) -> None:
    """No emulator honours them, so that the requests are pinned (XML API, x-goog headers)."""
    wire.script = lambda _, __: Answer(200, b"", {"ETag": '"tag"', "x-goog-generation": "77"})
    backend = connected("gs", wire.url)

    async def steps() -> None:
        assert await backend.create("a/x", TEN) == Created(StoreVersion("77"))
        assert await backend.update("a/x", TEN, StoreVersion("41")) == Updated(StoreVersion("77"))
        await backend.replace("a/x", TEN)
        await backend.delete("a/x")

    run(steps())
    condition = "x-goog-if-generation-match"
    sent = [(r.method, r.path, r.headers.get(condition), r.body) for r in wire.requests]
    assert sent == [
        ("PUT", "lake/a/x", "0", TEN),
        ("PUT", "lake/a/x", "41", TEN),
        ("PUT", "lake/a/x", None, TEN),
        ("DELETE", "lake/a/x", None, b""),
    ]
    assert not any("if-match" in r.headers or "if-none-match" in r.headers for r in wire.requests)


def test_gcs_versions_are_generations_and_not_tags(wire: Wire) -> None:
    wire.script = holds(TEN)
    backend = connected("gs", wire.url)
    assert run(backend.get("x")) == Stored(TEN, StoreVersion("1"))
    assert run(backend.head("x")) == ObjectMeta(10, StoreVersion("1"))
    assert run(backend.get("x")) != Stored(TEN, StoreVersion('"1"'))


def test_what_gcs_wrote_without_a_generation_is_not_called_refused(wire: Wire) -> None:
    wire.script = lambda _, __: Answer(200, b"", {"ETag": '"tag"'})
    backend = connected("gs", wire.url)
    for write in (backend.create("x", TEN), backend.update("x", TEN, StoreVersion("1"))):
        with pytest.raises(Unavailable, match="names no version"):
            run(write)


def test_gcs_deletes_of_what_is_absent_are_no_error(wire: Wire) -> None:
    wire.script = says(404, "NoSuchKey")
    run(connected("gs", wire.url).delete("x"))
    assert wire.taken() == {"DELETE": 1}
