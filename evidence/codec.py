"""Canonical JSON, and frozen dataclasses read from it and written to it.

Here lives the one way a record becomes bytes and comes back.
Nothing here knows what a record means, and nothing here touches a disk, a clock or the network.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
Reader = Callable[[Any, str], Any]


class Malformed(ValueError):  # noqa: N818  (a kind of value, named as the others are)
    """A JSON text or value that is not the record it should be; says where and why."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place or 'document'}: {problem}")
        self.place = place
        self.problem = problem


def encode(value: Any) -> bytes:
    """Return the canonical bytes of a JSON value: UTF-8, sorted keys, LF at the end.

    A top-level object gets one line per member, and one line per element of a member that is a
    list: diffs stay readable, and the fast encoder still does the work. A lone surrogate (a file
    name that is not UTF-8) becomes its JSON escape and comes back as it was.
    """
    if not isinstance(value, dict):
        return compact(value) + b"\n"
    members = []
    for key in sorted(value):
        item = value[key]
        if isinstance(item, list) and item:
            text = "[\n  " + ",\n  ".join(_compact(element) for element in item) + "\n ]"
        else:
            text = _compact(item)
        members.append(f" {_compact(key)}: {text}")
    text = "{\n" + ",\n".join(members) + "\n}\n" if members else "{}\n"
    return text.encode("utf-8", "backslashreplace")


def compact(value: Any) -> bytes:
    """Return the one-line canonical bytes of a JSON value, without a newline (digests, journal)."""
    return _compact(value).encode("utf-8", "backslashreplace")


def _compact(value: Any) -> str:
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def parse(data: bytes, place: str = "") -> Any:
    """Return the JSON value in `data`, strictly.

    Raises:
        Malformed: not UTF-8, not JSON, a key twice, a float, or nested too deeply.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            counts = collections.Counter(key for key, _ in pairs)
            twice = next(key for key, count in counts.items() if count > 1)
            raise Malformed(place, f"key {twice!r:.80} stands there twice")
        return members

    def no_float(text: str) -> Any:
        raise Malformed(place, f"{text:.40} is not an integer; other numbers travel as strings")

    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique,
            parse_float=no_float,
            parse_constant=no_float,
        )
    except UnicodeDecodeError as error:
        raise Malformed(place, f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        raise Malformed(place, problem) from error
    except RecursionError as error:
        raise Malformed(place, "nested too deeply to be one of ours") from error
    except ValueError as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed(place, str(error).lower()) from error
    return value


def to_value(record: Any) -> Any:
    """Return the JSON value of a record: dataclasses become objects, tuples become lists.

    Raises:
        TypeError: a field holds what has no exact JSON form, such as a float.
    """
    if isinstance(record, tuple | list):
        return [to_value(item) for item in record]
    if isinstance(record, str | int | None):
        return record
    if isinstance(record, dict):
        return {key: to_value(item) for key, item in record.items()}
    return {
        name: to_value(getattr(record, name))
        for name in _names(typing.cast(Hashable, type(record)))
    }


def from_value(cls: type[T], value: Any, place: str = "") -> T:
    """Return the record of type `cls` that a JSON value holds.

    Every key must be known; a key may be missing only where its field has a default.

    Raises:
        Malformed: names the place (`cells[3].timeout_ms`) and what is wrong there.
    """
    return typing.cast(T, _reader(typing.cast(Hashable, cls))(value, place))


def read(cls: type[T], data: bytes, place: str = "") -> T:
    """Return the record of type `cls` in the JSON text `data`. Raises `Malformed`."""
    return from_value(cls, parse(data, place), place)


def write(record: Any) -> bytes:
    """Return the canonical bytes of a record."""
    return encode(to_value(record))


@functools.cache
def _names(cls: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(typing.cast(Any, cls)))


@functools.cache
def _reader(key: Hashable) -> Reader:
    kind: Any = key
    origin = typing.get_origin(kind)
    if kind is str or kind is int or kind is bool or kind is type(None):
        return _scalar(kind)
    if origin is typing.Literal:
        return _literal(typing.get_args(kind))
    if origin is tuple:
        return _many(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return _one_of(typing.get_args(kind))
    return _record(kind)


def _scalar(kind: type) -> Reader:
    def read_scalar(value: Any, place: str) -> Any:
        if type(value) is not kind:
            raise Malformed(place, f"wants {kind.__name__}, holds {type(value).__name__}")
        return value

    return read_scalar


def _literal(allowed: tuple[Any, ...]) -> Reader:
    def read_literal(value: Any, place: str) -> Any:
        for item in allowed:
            if value == item and type(value) is type(item):
                return item
        words = ", ".join(map(str, allowed))
        raise Malformed(place, f"wants one of {words}, holds {_brief(value)}")

    return read_literal


def _brief(value: Any) -> str:
    """A value for a message; of a list or object, which may be deep, only its type."""
    return type(value).__name__ if isinstance(value, list | dict) else f"{value!r:.80}"


def _many(kind: Any) -> Reader:
    item_reader = _reader(kind)

    def read_many(value: Any, place: str) -> Any:
        if type(value) is not list:
            raise Malformed(place, f"wants a list, holds {type(value).__name__}")
        return tuple(item_reader(item, f"{place}[{n}]") for n, item in enumerate(value))

    return read_many


def _one_of(kinds: tuple[Any, ...]) -> Reader:
    if type(None) in kinds and len(kinds) == 2:
        inner = _reader(next(kind for kind in kinds if kind is not type(None)))
        return lambda value, place: None if value is None else inner(value, place)
    by_kind = {typing.get_args(typing.get_type_hints(kind)["kind"])[0]: kind for kind in kinds}

    def read_tagged(value: Any, place: str) -> Any:
        tag = value.get("kind") if type(value) is dict else None
        if type(tag) is not str or tag not in by_kind:
            raise Malformed(place, f"wants kind one of {', '.join(by_kind)}, holds {_brief(tag)}")
        return _reader(by_kind[tag])(value, place)

    return read_tagged


def _record(cls: Any) -> Reader:
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"no reader for {cls!r}")
    make = typing.cast(Callable[..., Any], cls)
    hints = typing.get_type_hints(cls)
    fields = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(cls)}
    required = {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def read_record(value: Any, place: str) -> Any:
        if type(value) is not dict:
            raise Malformed(place, f"wants an object, holds {type(value).__name__}")
        dot = f"{place}." if place else ""
        unknown = value.keys() - fields.keys()
        if unknown:
            raise Malformed(dot + min(unknown), "unknown key")
        missing = required - value.keys()
        if missing:
            raise Malformed(dot + min(missing), "is missing")
        return make(**{key: fields[key](item, dot + key) for key, item in value.items()})

    return read_record
