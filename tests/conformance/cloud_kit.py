"""The stores over the servers, as `open_backend` makes them, and what is tried on each of them."""

from __future__ import annotations

from typing import Any

from arco.adapters.objects import ObjectsBackend
from tests.conformance import server_kit as kit

PREFIX = "a/prefix"
"""Every store under test lies below a prefix of its bucket."""


def s3(url: str, who: tuple[str, str] = kit.ADMIN, *, timeout_s: int = 20) -> ObjectsBackend:
    """Return a store on an S3 server, with a credential."""
    config: dict[str, Any] = {
        "endpoint": url,
        "region": "us-east-1",
        "access_key_id": who[0],
        "secret_access_key": who[1],
        "virtual_hosted_style_request": False,
        "prefix": PREFIX,
    }
    return ObjectsBackend.connect("s3", kit.BUCKET, timeout_s=timeout_s, allow_http=True, **config)


def azure(url: str, key: str = kit.AZURE_KEY, *, sas: str = "") -> ObjectsBackend:
    """Return a store on an Azure server, with a key or with a shared access signature."""
    config: dict[str, Any] = {
        "endpoint": url,
        "account_name": kit.AZURE_ACCOUNT,
        "prefix": PREFIX,
        **({"sas_key": sas} if sas else {"account_key": key}),
    }
    return ObjectsBackend.connect("az", kit.BUCKET, timeout_s=20, allow_http=True, **config)
