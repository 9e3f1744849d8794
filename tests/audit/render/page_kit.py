"""What holds for every page without a script, whatever stands on it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>\u202e{{ 7*7 }}"


class Tags(HTMLParser):
    """Tags and attributes of a page, and whether all were closed."""

    VOID = ("meta", "link", "img", "br", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_still(text: str) -> None:
    """The page is whole, runs nothing, fetches nothing, and says so in its policy."""
    tags = Tags(text)
    assert tags.open == []
    names = {tag for tag, _ in tags.seen}
    assert not names & {"script", "img", "iframe", "object", "link", "form", "base", "embed"}
    for _, attrs in tags.seen:
        assert not {name for name in attrs if name.startswith("on") or name == "style"}
        assert not {"src", "srcset", "action"} & attrs.keys()
        assert (attrs.get("href") or "#").startswith("#")
    assert "\u202e" not in text
    assert "49" not in re.findall(r"\{\{|49", text.replace("{{ 7*7 }}", ""))
    _check_policy(text, tags)


def _check_policy(text: str, tags: Tags) -> None:
    policy = next(
        attrs["content"] or ""
        for tag, attrs in tags.seen
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert not re.search(r"url\(|@import|https?://", style[1])
