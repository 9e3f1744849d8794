"""From an address to a store, and what is no address."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from arco.adapters.local import LocalBackend
from arco.adapters.memory import MemoryBackend
from arco.adapters.opening import open_backend
from arco.core.errors import Invalid
from tests.arco.adapters.backend_suite import body_of, run, written

CLOUDS = (
    "s3://bucket",
    "s3://bucket/a/prefix/?region=eu-north-1&timeout_s=60",
    "s3://bucket?endpoint=http://127.0.0.1:1/&style=path",
    "gs://bucket/prefix",
    "az://container/prefix?account=name",
)


def test_a_path_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(written(open_backend(str(tmp_path / "a b"), make=True), "x", b"one"))
    monkeypatch.chdir(tmp_path)
    for url in ("a b", "./a b", f"file://{tmp_path}/a%20b", f"file://localhost{tmp_path}/a b"):
        backend = open_backend(url)
        assert isinstance(backend, LocalBackend)
        assert run(body_of(backend, "x")) == b"one"


def test_a_folder_is_made_only_when_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no such folder"):
        open_backend(f"file://{tmp_path}/x")
    assert not (tmp_path / "x").exists()
    open_backend(f"file://{tmp_path}/x", make=True)
    assert (tmp_path / "x").is_dir()


def test_a_memory_is_a_new_one_each_time() -> None:
    backend = open_backend("memory://")
    assert isinstance(backend, MemoryBackend)
    assert backend is not open_backend("memory://")


@pytest.mark.parametrize(
    "url",
    [
        *("", "\0", "file:", "file://elsewhere/x", "file:///x?a=b", "memory://x", "memory:///"),
        *("s3://", "s3:///prefix", "s3:bucket", "s3:/bucket", "ftp://x", "https://x/y", "c:x"),
        *("s3://user@bucket", "s3://user:word@bucket", "s3://bucket:80", "s3://bucket:x"),
        *("s3://bucket#x", "s3://[bucket", "az://", "gs://", "S3x://b"),
    ],
)
@pytest.mark.parametrize("make", [False, True])
def test_what_is_no_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, make: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid, match="not the address of a store") as told:
        open_backend(url, make=make)
    assert "s3://bucket/prefix" in told.value.next_step
    assert "word" not in str(told.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "query",
    [
        *(
            "secret_access_key=word",
            "token=word",
            "regions=word",
            "x=word",
            "timeout_s=0",
            "timeout_s=a",
        ),
        *("timeout_s=3601", "style=word", "endpoint=word", "endpoint=ftp://word", "account=word"),
        "allow_http=word",
    ],
)
def test_what_is_no_option_is_refused_and_never_shown(query: str) -> None:
    with pytest.raises(Invalid, match="no option of such an address") as told:
        open_backend(f"s3://bucket?{query}")
    assert "region, endpoint, style, timeout_s" in told.value.next_step
    assert "environment" in told.value.next_step
    assert "word" not in str(told.value) + told.value.next_step


@pytest.mark.parametrize("url", CLOUDS)
def test_an_extra_that_is_missing_is_said_with_its_line(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "arco.adapters.objects", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(Invalid, match="package=`obstore`") as told:
        open_backend(url)
    assert "pip install '.[cloud]'" in told.value.next_step


@pytest.mark.parametrize("url", CLOUDS)
def test_a_cloud_is_opened_without_a_request(url: str) -> None:
    objects = pytest.importorskip(
        "arco.adapters.objects", reason="could_not_run: obstore is not installed"
    )
    assert isinstance(open_backend(url), objects.ObjectsBackend)
