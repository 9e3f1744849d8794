"""S3, Google Cloud Storage and Azure through obstore, made to answer as every store of ours does.

The only module that speaks obstore. What it puts right: tags that are missing or named otherwise,
refusals that come as generic errors, ranges beyond the end, deletes of what is absent, missing
buckets that read as absent objects, and a 409 that says "exists" although nothing landed.

Decision: a write is sent once and never again by the client below us. Context: a write whose answer
was lost may have landed, and sent again would be answered with "exists" or "changed" about our own
bytes. Consequence: whoever writes is told `Unavailable` and looks, as its protocol says; reads are
tried again here, a few times and not for long, because they can be. An operation is one request; a
listing is one for each thousand names that it goes through.

A version is the generation on Google Cloud Storage and the ETag elsewhere. On S3 that is a digest:
it comes again when the bytes do (A-B-A), so records that are swapped carry a nonce.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from arco.adapters.ranges import check_range
from arco.capabilities import (
    Changed,
    Created,
    Exists,
    Named,
    ObjectMeta,
    Stored,
    StoreVersion,
    Updated,
)
from arco.core.errors import ArcoError, Corrupt, Denied, Invalid, Unavailable

if TYPE_CHECKING:
    from obstore import GetOptions, UpdateVersion
    from obstore.store import ClientConfig, RetryConfig

Store = S3Store | GCSStore | AzureStore | MemoryStore
KINDS: dict[str, Callable[..., Store]] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
"""The stores that can be connected to, by the scheme of their addresses."""

CONNECT_TIMEOUT_S = 5
READ_RETRIES = 3
READ_BACKOFF_MS = 100
"""The wait before a read is begun again; twice as long each time, as chance has it."""
READ_RETRY_S = 10
"""No read is begun again this long after its first request."""
REASON_MAX = 200
"""Characters of a store's own words that a message shows."""

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>|\(code: (\w+)\)|\"reason\": ?\"(\w+)\"")
_DENIED = frozenset(("401", "403", "AccessDenied", "ExpiredToken", "InvalidToken"))
_OF_CREDENTIAL = frozenset(
    (
        *("400", "401", "ExpiredToken", "InvalidToken", "AuthenticationFailed"),
        *("RequestTimeTooSkewed", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    )
)
"""Refusals of who asks, whatever is asked for; for what is absent a store says `AccessDenied`."""
_OF_KEY = "kms:"
"""What may be read and not be decrypted is there; S3 names the action that was refused."""
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")
_TAKEN = "BlobAlreadyExists"
"""The one 409 that says that a name is taken (Azure); S3 says 412, and 409 when it lost track."""
_UNKNOWN = frozenset(("408", "409", "429"))
"""Refusals below 500 after which the same request may succeed."""
_BEHIND = ("Wanted range starting at", '"bytes 0--1/0"')
"""How obstore itself finds that a range begins behind the end, and how azurite answers so."""
_MISPLACED = "incorrectly configured region"
_OWN_MACHINE = re.compile(r"https?://(169\.254\.|metadata[./])")
"""Where a client without a credential asks the machine that it runs on for one."""
_NO_SERVER = "kind: Connect"
_ADDRESS = re.compile(r"(https?://[^/\s?]*)[/?]\S*")
_TRIES = re.compile(
    r" in [\d.]+[^\d\s]*s(, after \d+ retries, [^-]*?retry_timeout: \S+)?(?=[:\s]|$)"
)
_CAUSE = re.compile(r'(?:message|error): "([^"\n]+)"')


class ObjectsBackend:
    """Objects in a bucket. Every operation is one request, as the head of this module says.

    Two clients of the same bucket: one that tries again, for reads, and one that never does.
    """

    def __init__(self, reads: Store, writes: Store) -> None:
        self._reads, self._writes = reads, writes
        self._numbered = isinstance(writes, GCSStore)

    @classmethod
    def connect(
        cls, scheme: str, bucket: str, *, timeout_s: int, allow_http: bool = False, **config: Any
    ) -> ObjectsBackend:
        """Return the store of a bucket; `config` is obstore's for this kind. No request yet.

        `timeout_s` is how long one request may take, its body included. Raises `Invalid` for what
        obstore does not accept.
        """
        client: ClientConfig = {
            "timeout": timedelta(seconds=timeout_s),
            "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
        }
        if allow_http:
            client["allow_http"] = True

        def client_of(retries: int) -> Store:
            retry: RetryConfig = {
                "max_retries": retries,
                "backoff": {"init_backoff": timedelta(milliseconds=READ_BACKOFF_MS)},
                "retry_timeout": timedelta(seconds=READ_RETRY_S),
            }
            return KINDS[scheme](bucket, client_options=client, retry_config=retry, **config)

        try:
            return cls(client_of(READ_RETRIES), client_of(0))
        except (BaseError, OSError, ValueError) as error:
            raise Invalid(
                f"the store cannot be opened: bucket=`{bucket}` reason=`{_reason(error, '', '')}`",
                next_step="check the address, and the credential in the environment",
            ) from None

    async def get(self, path: str, start: int = 0, end: int | None = None) -> Stored | None:
        """Return the bytes of a range, or None. One request.

        Where there is nothing in the range, the version is empty. An answer that breaks off is
        `Unavailable`, one of another length `Corrupt`.
        """
        check_range(start, end, path)
        if start == end:
            meta = await self.head(path)
            return None if meta is None else Stored(b"", meta.version)
        with _object(path):
            try:
                found = await obstore.get_async(self._reads, path, options=_options(start, end))
                body = bytes(await found.bytes_async())
            except FileNotFoundError as error:
                _check_bucket(error, path)
                return None
            except BaseError as error:
                if _is_behind_the_end(error):
                    return Stored(b"", StoreVersion(""))
                raise
            _check_length(body, found.meta["size"], start, end, path)
            return Stored(body, self._version(found.meta, path))

    async def head(self, path: str) -> ObjectMeta | None:
        """Return size and version, or None. One request.

        A missing bucket looks like a missing object here: the answer to a HEAD has no words.
        """
        with _object(path):
            try:
                meta = await obstore.head_async(self._reads, path)
            except FileNotFoundError as error:
                _check_bucket(error, path)
                return None
            return ObjectMeta(meta["size"], self._version(meta, path))

    async def create(self, path: str, body: bytes) -> Created | Exists:
        """Write what does not exist. One request, sent once."""
        with _object(path):
            try:
                done = await obstore.put_async(self._writes, path, body, mode="create")
            except (AlreadyExistsError, PreconditionError) as error:
                status, code = _status(error)
                if status == "409" and code != _TAKEN:
                    raise _refusal(error, path) from None
                return Exists()
            return Created(self._version(done, path, written=True))

    async def update(self, path: str, body: bytes, expected: StoreVersion) -> Updated | Changed:
        """Write over the expected version. One request, sent once."""
        if not expected:
            return Changed()
        mode: UpdateVersion = {"version" if self._numbered else "e_tag": expected}  # type: ignore[misc]  # one of two
        with _object(path):
            try:
                done = await obstore.put_async(self._writes, path, body, mode=mode)
            except (FileNotFoundError, PreconditionError) as error:
                _check_bucket(error, path)
                return Changed()
            return Updated(self._version(done, path, written=True))

    async def replace(self, path: str, body: bytes) -> None:
        """Write whatever stands there. One request, sent once."""
        with _object(path):
            await obstore.put_async(self._writes, path, body, mode="overwrite", use_multipart=False)

    async def delete(self, path: str) -> None:
        """Delete; absent is no error. One request, sent once."""
        with _object(path):
            try:
                await obstore.delete_async(self._writes, path)
            except FileNotFoundError as error:
                _check_bucket(error, path)

    async def list_page(self, prefix: str, after: str | None, limit: int) -> tuple[Named, ...]:
        """Return up to `limit` names behind `after`, sorted by code point.

        One request per thousand names of the folder in which the prefix ends, behind `after`; on
        Azure behind its start. A store that lists by folders is read to its end and sorted; it
        could hide a name only where one folder's name begins another's, which no key's does.
        """
        if limit <= 0:
            return ()
        folder = prefix[: prefix.rfind("/") + 1]
        start = max(after or "", prefix[:-1]) if prefix != folder else after or ""
        stream = obstore.list(self._reads, prefix=folder or None, offset=start or None)
        found: list[Named] = []
        with _told(prefix):
            async for chunk in stream:
                names = (Named(meta["path"], meta["size"]) for meta in chunk)
                found += (n for n in names if n.path > (after or "") and n.path.startswith(prefix))
                ordered = all(one.path < two.path for one, two in pairwise(found))
                left = bool(chunk) and _beyond(chunk[-1]["path"], prefix)
                if ordered and (left or len(found) >= limit):
                    break
        return tuple(sorted(found, key=lambda name: name.path)[:limit])

    async def sign(self, path: str, expires_s: int) -> str:
        """Return an address to read the object with. No request, but for the credential's own."""
        if isinstance(self._reads, MemoryStore):
            raise Invalid(f"a memory store signs no addresses: path=`{path}`")
        with _object(path):
            return await obstore.sign_async(self._reads, "GET", path, timedelta(seconds=expires_s))

    def _version(self, said: Any, path: str, *, written: bool = False) -> StoreVersion:
        """Return the version that an answer names; what was `written` has landed without one."""
        version = said["version" if self._numbered else "e_tag"]
        if not version:
            kind = Unavailable if written else Invalid
            raise kind(
                f"the store names no version: path=`{path}`",
                next_step="use a store that answers with ETags; this one cannot compare and swap",
            )
        return StoreVersion(version)


def _options(start: int, end: int | None) -> GetOptions:
    if end is not None:
        return {"range": (start, end)}
    return {"range": {"offset": start}} if start else {}


def _check_length(body: bytes, size: int, start: int, end: int | None, path: str) -> None:
    wanted = (size if end is None else min(end, size)) - start
    if len(body) != wanted:
        raise Corrupt(
            "not as long as the store says: "
            f"path=`{path}` wanted_bytes=`{wanted}` got_bytes=`{len(body)}`",
            next_step="read it again; if it stays so, look at the store and what stands before it",
        )


def _beyond(path: str, prefix: str) -> bool:
    """Say whether a sorted listing has left the prefix behind."""
    return path > prefix and not path.startswith(prefix)


# --- what a store says when it refuses --------------------------------------------------------


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn what obstore raises into our errors; not chained, for its text may hold a signature."""
    try:
        yield
    except (BaseError, OSError, ValueError, NotImplementedError) as error:
        raise _refusal(error, path) from None


@contextmanager
def _object(path: str) -> Iterator[None]:
    """The same for one object. Refuses the slashes that obstore would leave out without a word."""
    if not path or path[0] == "/" or path[-1] == "/":
        raise Invalid(f"not the path of an object: path=`{path}`")
    with _told(path):
        yield


def _is_behind_the_end(error: Exception) -> bool:
    """Say whether a range was refused because the object ends before it."""
    return _status(error)[0] == "416" or any(word in str(error) for word in _BEHIND)


def _check_bucket(error: Exception, path: str) -> None:
    """Raise `Invalid` when it is the bucket that is missing, and not the object."""
    if any(word in str(error) for word in _NO_BUCKET):
        raise Invalid(
            f"no such bucket: path=`{path}`", next_step="make the bucket, or mend the address"
        )


def _status(error: Exception) -> tuple[str, str]:
    """Return the HTTP status and the store's own code for it; each empty where there is none."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    return status[1] if status else "", next(filter(None, code.groups())) if code else ""


def _refusal(error: Exception, path: str) -> ArcoError:
    status, code = _status(error)
    told = f"path=`{path}` reason=`{_reason(error, status, code)}`"
    first = str(error).partition("\n")[0]
    if _OWN_MACHINE.search(first):  # which may also be away for a moment, where there is one
        return Unavailable(
            f"no credential was found, and this machine gave none: {told}",
            next_step="set the credential in the environment, as the cloud's own tools take it "
            "(AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_KEY …)",
        )
    denied = isinstance(error, PermissionDeniedError | UnauthenticatedError)
    if denied or {status, code} & _DENIED:
        return Denied(
            f"the store refused the credential: {told}",
            next_step="check the credential, its policy (`arco iam`) and this machine's clock",
            hides_absence=not {status, code} & _OF_CREDENTIAL and _OF_KEY not in str(error),
        )
    unfit = isinstance(error, ValueError | NotImplementedError) or _MISPLACED in str(error)
    if unfit or (status[:1] in ("3", "4") and status not in _UNKNOWN):
        return Invalid(
            f"the store cannot do this: {told}",
            next_step="check the address of the store: its bucket, region and endpoint",
        )
    away = "check the address of the store and the network, then try again"
    step = away if _NO_SERVER in str(error) else ""
    return Unavailable(f"the store did not answer: {told}", next_step=step)


def _reason(error: Exception, status: str, code: str) -> str:
    """Return a status and its code, or the first words and the last cause.

    Of addresses only the server is left: their queries may hold a signature.
    """
    if status:
        return f"{status} {code}".strip()
    first = _TRIES.sub("", _ADDRESS.sub(r"\1", str(error).partition("\n")[0]))
    causes = _CAUSE.findall(str(error))
    told = f"{first}: {causes[-1]}" if causes and causes[-1] not in first else first
    return told[:REASON_MAX].replace("`", "'").strip().lower()
