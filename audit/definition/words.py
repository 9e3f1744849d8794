"""Command lines and placeholders: how `run` becomes words, and `{python}` a value.

A `run` line is split as a shell splits words, and then nothing else happens to it: what a shell
would do beyond that is refused, so that nobody believes that it was done.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from audit.definition.names import hint
from audit.definition.units import WrongError, shown

SHELL_ONLY = frozenset("|&;<>$`*?()")
"""Letters that mean something to a shell when they stand unquoted."""
SHELL_IN_QUOTES = frozenset("$`")
"""Letters that mean something to a shell even between double quotes."""
PLACEHOLDER = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_-]*)\}\}|(?<!\$)\{([A-Za-z_][A-Za-z0-9_-]*)\}")
"""`{name}`, or `{{name}}` for the braces themselves; `${name}` is left to the shell."""


def split(line: str) -> tuple[str, ...]:
    """Return the words of a `run` line.

    Raises:
        WrongError: a quote is open, there is no word, or it needs a shell.
    """
    strange = _shell_letter(line)
    if strange:
        raise WrongError(
            f"this needs a shell letter=`{strange}` run=`{shown(line)}`",
            'write `shell = "…"` instead of `run`, or quote that letter',
        )
    try:
        words = tuple(shlex.split(line))
    except ValueError as error:
        raise WrongError(
            f"{str(error).lower()} run=`{shown(line)}`", "close it, or write a list of words"
        ) from error
    if not words or not words[0]:
        raise WrongError("there is nothing to run", "write a program and its arguments")
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=.*", words[0], re.DOTALL):
        raise WrongError(
            f"a variable stands before the program word=`{shown(words[0])}`",
            'write `env = { NAME = "value" }` beside `run`',
        )
    return words


def _shell_letter(line: str) -> str:
    """Return the first letter that only a shell would understand, or ``."""
    quote, escaped = "", False
    for letter in line:
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            if letter == quote:
                quote = ""
            elif quote == '"' and letter in SHELL_IN_QUOTES:
                return letter
        elif letter in "'\"":
            quote = letter
        elif letter in SHELL_ONLY:
            return letter
    return ""


def placeholders(text: str) -> tuple[str, ...]:
    """Return the names of the placeholders in `text`, in order."""
    return tuple(found[2] for found in PLACEHOLDER.finditer(text) if found[2])


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with its placeholders replaced, once.

    Raises:
        WrongError: a placeholder has no value.
    """

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return "{" + found[1] + "}"
        if found[2] not in values:
            step = hint(found[2], values, "matrix key")
            raise WrongError(
                f"unknown placeholder placeholder=`{{{found[2]}}}`",
                f"{step}; write `{{{{{found[2]}}}}}` for the braces themselves",
            )
        return values[found[2]]

    return PLACEHOLDER.sub(value, text)
