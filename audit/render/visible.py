"""Text of any origin made safe to look at: nothing hides, moves the cursor or turns the line.

Here lives the one list of characters that may not reach a page as they are. How a page quotes what
is left (Markdown, HTML, annotations) is the business of its own module.
"""

from __future__ import annotations

import re

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_C1 = {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
_BYTES = {0xDC00 + code: f"\\x{code:02x}" for code in range(0x80, 0x100)}
_SURROGATES = {code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)}
_HIDDEN_RANGES = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x061C, 0x061C),  # Arabic letter mark
    (0x200B, 0x200B),  # zero width space
    (0x200E, 0x200F),  # left-to-right and right-to-left marks
    (0x2028, 0x202E),  # line and paragraph separators, embeddings and overrides
    (0x2060, 0x206F),  # invisible operators and isolates
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFF9, 0xFFFB),  # interlinear annotation
    (0xE0000, 0xE007F),  # tags
)
_HIDDEN = {
    code: f"\u27e8U+{code:04X}\u27e9"
    for first, last in _HIDDEN_RANGES
    for code in range(first, last + 1)
}
_ONE_LINE = _PICTURES | _C1 | _SURROGATES | _BYTES | _HIDDEN
_MANY_LINES = {code: text for code, text in _ONE_LINE.items() if code not in (0x09, 0x0A)}
_RANGES = "".join(f"{chr(first)}-{chr(last)}" for first, last in _HIDDEN_RANGES)
_SUSPECT = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_RANGES}]")
_SUSPECT_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_RANGES}]")
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|[\]PX^_][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)"  # OSC (titles, links), DCS and their kin
    r"|[ -/]{0,4}[0-~])"  # short sequences
)


def line(text: str) -> str:
    """Return `text` as one line: what cannot be seen becomes a sign that can.

    >>> line("ok\\r\\nfake: \\u202etxt.exe")
    'ok␍␊fake: ⟨U+202E⟩txt.exe'
    """
    return text.translate(_ONE_LINE) if _SUSPECT.search(text) else text


def lines(text: str) -> str:
    """Return `text` with its tabs and line feeds kept and everything else made visible."""
    return text.translate(_MANY_LINES) if _SUSPECT_IN_LINES.search(text) else text


def log(data: bytes) -> str:
    """Return a log as text for people, whatever bytes it holds.

    Terminal colours and cursor moves are left out, CRLF becomes LF, other controls become signs and
    bytes that are not UTF-8 become ``\\xNN``. The file in the bundle stays as it was.
    """
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return lines(text)
