"""A backend, which takes any path, does not pass as a view, which takes keys."""

from __future__ import annotations

from arco.capabilities import Backend, ReadStore


def needs_view(store: ReadStore) -> None: ...


def act(backend: Backend) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    needs_view(backend)
