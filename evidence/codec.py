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
from collections.abc import Callable, Hashable, Set
from typing import Any, TypeVar

T = TypeVar("T")
Reader = Callable[[Any], Any]


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


def quoted(text: str) -> str:
    """Return the canonical text of a string, in its quotes."""
    return _ENCODER.encode(text)


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
    kind = type(record)
    if kind in _PLAIN:
        return record
    if kind is tuple or kind is list:
        if set(map(type, record)) <= _PLAIN:
            return list(record)
        return [to_value(item) for item in record]
    if kind is dict:
        return {key: to_value(item) for key, item in record.items()}
    return {name: to_value(getattr(record, name)) for name in _names(typing.cast(Hashable, kind))}


_PLAIN = {str, int, bool, type(None)}
"""What is its own JSON value."""


def from_value(cls: type[T], value: Any, place: str = "") -> T:
    """Return the record of type `cls` that a JSON value holds.

    Every key must be known; a key may be missing only where its field has a default.

    Raises:
        Malformed: names the place (`cells[3].timeout_ms`) and what is wrong there.
    """
    try:
        return typing.cast(T, _reader(typing.cast(Hashable, cls))(value))
    except Malformed as error:
        raise Malformed(_within(place, error.place), error.problem) from None


def read(cls: type[T], data: bytes, place: str = "") -> T:
    """Return the record of type `cls` in the JSON text `data`. Raises `Malformed`."""
    return from_value(cls, parse(data, place), place)


def write(record: Any) -> bytes:
    """Return the canonical bytes of a record."""
    return encode(to_value(record))


@functools.cache
def _names(cls: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(typing.cast(Any, cls)))


# Readers raise with an empty place and each level adds its own on the way out, so that a record
# that is right costs no place at all.


def _within(outer: str, inner: str) -> str:
    """The place `inner` inside the place `outer`."""
    dot = "." if outer and inner and not inner.startswith("[") else ""
    return outer + dot + inner


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
    def read_scalar(value: Any) -> Any:
        if type(value) is not kind:
            raise Malformed("", f"wants {kind.__name__}, holds {type(value).__name__}")
        return value

    return read_scalar


def _literal(allowed: tuple[Any, ...]) -> Reader:
    def read_literal(value: Any) -> Any:
        for item in allowed:
            if value == item and type(value) is type(item):
                return item
        words = ", ".join(map(str, allowed))
        raise Malformed("", f"wants one of {words}, holds {_brief(value)}")

    return read_literal


def _brief(value: Any) -> str:
    """A value for a message; of a list or object, which may be deep, only its type."""
    return type(value).__name__ if isinstance(value, list | dict) else f"{value!r:.80}"


def _many(kind: Any) -> Reader:
    read_item = _reader(kind)

    def read_many(value: Any) -> Any:
        if type(value) is not list:
            raise Malformed("", f"wants a list, holds {type(value).__name__}")
        if kind is str and set(map(type, value)) <= {str}:
            return tuple(value)
        done: list[Any] = []
        try:
            for item in value:
                done.append(read_item(item))
        except Malformed as error:
            raise Malformed(_within(f"[{len(done)}]", error.place), error.problem) from None
        return tuple(done)

    return read_many


def _one_of(kinds: tuple[Any, ...]) -> Reader:
    if type(None) in kinds and len(kinds) == 2:
        inner = _reader(next(kind for kind in kinds if kind is not type(None)))
        return lambda value: None if value is None else inner(value)
    by_kind = {typing.get_args(typing.get_type_hints(kind)["kind"])[0]: kind for kind in kinds}

    def read_tagged(value: Any) -> Any:
        tag = value.get("kind") if type(value) is dict else None
        if type(tag) is not str or tag not in by_kind:
            raise Malformed("", f"wants kind one of {', '.join(by_kind)}, holds {_brief(tag)}")
        return _reader(by_kind[tag])(value)

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

    def read_record(value: Any) -> Any:
        if type(value) is not dict:
            raise Malformed("", f"wants an object, holds {type(value).__name__}")
        if value.keys() != fields.keys():
            _refuse_keys(value.keys() - fields.keys(), required - value.keys())
        key = ""
        try:
            done = {}
            for key, item in value.items():
                done[key] = fields[key](item)
        except Malformed as error:
            raise Malformed(_within(key, error.place), error.problem) from None
        return make(**done)

    return read_record


def _refuse_keys(unknown: Set[str], missing: Set[str]) -> None:
    if unknown:
        raise Malformed(min(unknown), "unknown key")
    if missing:
        raise Malformed(min(missing), "is missing")
