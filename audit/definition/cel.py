"""CEL in a definition: a rule over facts, turned into the conditions that the kernel knows.

Text in, tables of conditions out. Only what the judge and `verify.py` can derive again is taken, so
the subset is small: calls joined by `&&`. Everything else of CEL is refused by name.
Source of the grammar: the Common Expression Language specification, restricted.
"""

from __future__ import annotations

import re
from typing import Any

from audit.definition.units import WrongError, shown

CHARS_MAX = 4_000
"""Characters of one rule."""
SUBSET = (
    'write command("id").passed, test("pattern").passed, metric("name") >= 3, file("path").exists,'
    ' joined by &&; test and metric take a command as well: metric("name", "id") <= 0'
)
"""What can be written, for whoever wrote something else."""

_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<number>-?(?:[0-9]+\.[0-9]+|[0-9]+)(?![0-9A-Za-z_.]))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||[=!<>]=|.))",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEMBERS = {
    "cell": ("command", "passed"),
    "command": ("command", "passed"),
    "test": ("test", "passed"),
    "file": ("file", "exists"),
}
"""Functions with the kind of their condition and the member that makes it true or false.
`cell` is `command`: a condition on a command means all its cells."""
_MIRRORED = {">=": "<=", "<=": ">=", "==": "=="}
_WHY = {
    "||": "one of several is no condition of the kernel",
    "!": "what is not so is no condition of the kernel; `absent` may be what is meant",
    "!=": "bounds are `>=`, `<=` and `==`",
    ">": "bounds are inclusive: `>=`, `<=` and `==`",
    "<": "bounds are inclusive: `>=`, `<=` and `==`",
    "?": "a choice is no condition of the kernel",
}


def conditions(rule: str) -> tuple[dict[str, Any], ...]:
    """Return the tables of the conditions that a rule is the conjunction of.

    Raises:
        WrongError: no CEL, or a part of CEL that `verify.py` could not derive again.
    """
    if len(rule) > CHARS_MAX:
        raise WrongError(f"this rule is too long letters=`{len(rule)}`", "make two rules of it")
    return tuple(_Parser(rule).all())


class _Parser:
    """The tokens of a rule and how far they were read; (kind, text) each, the end is empty."""

    def __init__(self, rule: str) -> None:
        found = _TOKEN.finditer(rule.rstrip())
        self.tokens = [(str(token.lastgroup), token[str(token.lastgroup)]) for token in found]
        self.at = 0

    def all(self) -> list[dict[str, Any]]:
        """Read the whole rule: terms joined by `&&`, with parentheses that change nothing."""
        found: list[dict[str, Any]] = []
        depth = 0
        while True:
            while self._is("("):
                depth += 1
            found.append(self._term())
            while depth and self._is(")"):
                depth -= 1
            if not self._is("&&"):
                break
        if depth or self.at < len(self.tokens):
            raise self._wrong("&&" if not depth else ")")
        return found

    def _term(self) -> dict[str, Any]:
        kind, _ = self._here()
        if kind == "number":
            number, sign = self._take("number"), self._comparison()
            return self._metric(_MIRRORED[sign], number, self._call("metric"))
        name = self._take("name")
        if name == "metric":
            called = self._arguments(2)
            return self._metric(self._comparison(), self._take("number"), called)
        if name not in _MEMBERS:
            self.at -= 1
            raise self._wrong("a function")
        key, member = _MEMBERS[name]
        value, *more = self._arguments(2 if name == "test" else 1)
        self._expect(".")
        self._expect(member)
        return {key: value, **({"command": more[0]} if more else {})}

    def _metric(self, sign: str, number: str, called: list[str]) -> dict[str, Any]:
        table: dict[str, Any] = {"metric": called[0]}
        table |= {"command": called[1]} if len(called) > 1 else {}
        table |= {"at_least": number} if sign in (">=", "==") else {}
        return table | ({"at_most": number} if sign in ("<=", "==") else {})

    def _call(self, name: str) -> list[str]:
        self._expect(name)
        return self._arguments(2)

    def _arguments(self, most: int) -> list[str]:
        self._expect("(")
        found = [self._text()]
        while len(found) < most and self._is(","):
            found.append(self._text())
        self._expect(")")
        return found

    def _text(self) -> str:
        literal = self._take("text")[1:-1]
        for escaped in _ESCAPE.findall(literal):
            if escaped not in "\\'\"":
                raise WrongError(f"an escape that is not taken escape=`\\{escaped}`", SUBSET)
        return _ESCAPE.sub(r"\1", literal)

    def _comparison(self) -> str:
        _, text = self._here()
        if text not in _MIRRORED:
            raise self._wrong("`>=`, `<=` or `==`")
        self.at += 1
        return text

    # --- one token ---

    def _here(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _is(self, text: str) -> bool:
        """Whether that sign is next; if so it has been read."""
        found = self._here() == ("sign", text)
        self.at += found
        return found

    def _expect(self, text: str) -> None:
        kind, here = self._here()
        if kind == "text" or here != text:
            raise self._wrong(f"`{text}`")
        self.at += 1

    def _take(self, kind: str) -> str:
        here, text = self._here()
        if here != kind:
            raise self._wrong(f"a {kind}")
        self.at += 1
        return text

    def _wrong(self, wanted: str) -> WrongError:
        _, text = self._here()
        why = _WHY.get(text, f"wants {wanted} there")
        part = f"part=`{shown(text)}`" if text else "at its end"
        return WrongError(f"a rule that cannot be derived again from facts, {why} {part}", SUBSET)
