"""Passphrases and PINs: from a file, or asked for on a terminal; never a word of the command line.

Words of a command line are seen by everybody on the machine and kept in histories.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from audit.errors import Invalid

if TYPE_CHECKING:
    from audit.trust.keys import Signer

F = TypeVar("F", bound=Callable[..., Any])

PASSPHRASE_BYTES_MAX = 1024


def option(function: F) -> F:
    """Add `--passphrase-file FILE`."""
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        metavar="FILE",
        help="Read the passphrase of the key, or the PIN of the signer, from this file "
        "(default: ask on a terminal).",
    )(function)


def from_file(path: Path) -> bytes:
    """Return the passphrase in a file, without the end of its line.

    Raises:
        Invalid: it cannot be read, is empty, or is too long to be one.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(PASSPHRASE_BYTES_MAX + 2).rstrip(b"\r\n")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Invalid(
            f"the passphrase cannot be read: {why}", place=str(path), next_step="name another file"
        ) from error
    if not data or len(data) > PASSPHRASE_BYTES_MAX:
        raise Invalid(
            f"is no passphrase of 1 to {PASSPHRASE_BYTES_MAX} bytes",
            place=str(path),
            next_step="write one line into it",
        )
    return data


def new(file: Path | None, *, none: bool) -> bytes | None:
    """Return the passphrase of a key that is being made: from a file, asked for twice, or none.

    Raises:
        Invalid: both a file and none were asked for, or there is nobody to ask.
    """
    if none and file is not None:
        raise Invalid(
            "a passphrase was both given and refused",
            next_step="leave out --passphrase-file or --no-passphrase",
        )
    if none:
        return None
    return from_file(file) if file else _asked("Passphrase of the new key", twice=True)


def secret_from(file: Path | None) -> Callable[[str], str]:
    """Return what gives a signer what it needs, such as a PIN: from a file, or asked for by name.

    It raises `Invalid` where the file holds no text, or without a terminal.
    """

    def secret(name: str) -> str:
        if file is None:
            return _asked(f"The {name}", twice=False, what=name).decode()
        try:
            return from_file(file).decode()
        except UnicodeDecodeError as error:
            raise Invalid(
                "is no text in UTF-8", place=str(file), next_step=f"write the {name} into it"
            ) from error

    return secret


def signer_of(key: Path, file: Path | None) -> Signer:
    """Return the signer in a key file; its passphrase comes from a file or is asked for.

    Raises:
        Invalid: as `keys.load`, or there is nobody to ask.
    """
    from audit.trust import keys

    if file is not None:
        return keys.load(key, from_file(file))
    ask = keys.is_encrypted(keys.read(key))
    return keys.load(key, _asked(f"Passphrase of {key}", twice=False) if ask else None)


def _asked(prompt: str, *, twice: bool, what: str = "passphrase") -> bytes:
    if not sys.stdin.isatty():
        raise Invalid(
            f"a {what} is needed, and nobody is there to ask",
            next_step="give it with --passphrase-file"
            + (", or make a key without one: --no-passphrase" if twice else ""),
        )
    text: str = click.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True)
    return text.encode()
