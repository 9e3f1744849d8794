"""From the address of a store to the store: the one place that knows every kind of it.

An address holds no secret: credentials come from the environment, as each cloud's own tools take
them (`AWS_ACCESS_KEY_ID`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_KEY` …).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from arco.adapters.local import LocalBackend
from arco.adapters.memory import MemoryBackend
from arco.capabilities import Backend
from arco.core.errors import Invalid

FORMS = "a folder, file:///folder, memory://, s3://bucket/prefix, gs://…, az://container/prefix"
INSTALL = "in a clone of this program: pip install '.[cloud]'"
TIMEOUT_S = 30
"""How long one request may take, its body included, unless the address says otherwise."""
TIMEOUT_S_MAX = 3_600


def _seconds(text: str) -> int:
    seconds = int(text)
    if not 1 <= seconds <= TIMEOUT_S_MAX:
        raise ValueError(text)
    return seconds


def _style(text: str) -> bool:
    return {"path": False, "host": True}[text]


def _endpoint(text: str) -> str:
    if urlsplit(text).scheme not in ("http", "https"):
        raise ValueError(text)
    return text


ALWAYS: dict[str, tuple[str, Callable[[str], Any]]] = {"timeout_s": ("timeout_s", _seconds)}
OPTIONS: dict[str, dict[str, tuple[str, Callable[[str], Any]]]] = {
    "s3": {
        "region": ("region", str),
        "endpoint": ("endpoint", _endpoint),
        "style": ("virtual_hosted_style_request", _style),
        **ALWAYS,
    },
    "gs": {"endpoint": ("base_url", _endpoint), **ALWAYS},
    "az": {"account": ("account_name", str), "endpoint": ("endpoint", _endpoint), **ALWAYS},
}
"""What may stand behind `?`: what it becomes for obstore, and how it is read."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def open_backend(url: str, *, make: bool = False) -> Backend:
    """Return the store at an address; no request yet. `make` makes the folder of a local one.

    Raises `Invalid` for an address that is none of ours, and as the store does that it names.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _local(url, make=make)
    parts = _split(url)
    match parts.scheme:
        case "file" if parts.netloc in ("", "localhost") and not parts.query:
            return _local(unquote(parts.path), make=make)
        case "memory" if not (parts.netloc or parts.path or parts.query):
            return MemoryBackend()
        case "s3" | "gs" | "az" if parts.netloc:
            return _cloud(parts)
    raise _not_an_address(parts.scheme)


def _local(path: str, *, make: bool) -> LocalBackend:
    if not path or "\0" in path:
        raise _not_an_address("")
    return LocalBackend.make(Path(path)) if make else LocalBackend(Path(path))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        plain = (parts.username, parts.password, parts.port) == (None, None, None)
    except ValueError:
        raise _not_an_address(url.partition(":")[0]) from None
    if not plain or parts.fragment:
        raise _not_an_address(parts.scheme)
    return parts


def _not_an_address(scheme: str) -> Invalid:
    """The address itself is not shown: it may hold what somebody took for a place of secrets."""
    return Invalid(f"not the address of a store: scheme=`{scheme}`", next_step=f"use {FORMS}")


def _cloud(parts: SplitResult) -> Backend:
    config: dict[str, Any] = {"timeout_s": TIMEOUT_S}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        config.update(_option(parts.scheme, name, value))
    prefix = unquote(parts.path).strip("/")
    if prefix:
        config["prefix"] = prefix
    try:
        from arco.adapters.objects import ObjectsBackend
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise Invalid(
            f"a package is needed that is not installed: package=`obstore` scheme=`{parts.scheme}`",
            next_step=INSTALL,
        ) from error
    return ObjectsBackend.connect(parts.scheme, parts.netloc, **config)


def _option(scheme: str, name: str, value: str) -> dict[str, Any]:
    try:
        key, read = OPTIONS[scheme][name]
        found = {key: read(value)}
    except (KeyError, ValueError):
        raise Invalid(
            f"no option of such an address, or no value of it: scheme=`{scheme}` option={name!a}",
            next_step=f"allowed are {', '.join(OPTIONS[scheme])}; "
            "credentials come from the environment",
        ) from None
    return {**found, "allow_http": True} if value.startswith("http://") else found
