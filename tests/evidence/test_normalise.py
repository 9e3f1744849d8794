"""Noise never changes what a line says, and a changed word always does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import normalise

NOISE = {
    "uuid": st.uuids().map(str),
    "address": st.integers(2**24, 2**64 - 1).map(hex),
    "instant": st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)),
    "stamp": st.datetimes().map(lambda at: at.isoformat(" ", "seconds").zfill(19) + ",123"),
    "clock": st.times().map(lambda at: at.isoformat("seconds")),
    "mail": st.integers(1, 28).map(lambda day: f"Sun, {day} Nov 2026 00:23:09 GMT"),
    "syslog": st.integers(1, 28).map(lambda day: f"Nov {day:2} 00:23:09"),
    "epoch": st.integers(0, 10**8 - 1).map(lambda number: f"16{number:08}.25"),
    "seconds": st.floats(0, 10**6).map(lambda number: f"{number:.2f}s"),
    "millis": st.integers(0, 10**9).map(lambda number: f"{number} ms"),
    "minutes": st.integers(0, 10**4).map(lambda number: f"{number}m{number % 60}.5s"),
    "named": st.floats(0, 10**6).map(lambda number: f"elapsed={number:.3f}"),
    "rate": st.floats(0, 10**6).map(lambda number: f"{number:.1f} MiB/s"),
    "folder": st.from_regex(r"(/[a-z0-9_-]{1,9}){2,6}", fullmatch=True),
    "file": st.from_regex(r"(/[a-z0-9_-]{1,9}){2,6}/test_a\.py:12", fullmatch=True),
    "scratch": st.from_regex(r"/tmp/[a-zA-Z0-9_.-]{1,20}[a-z]", fullmatch=True),
    "temp": st.from_regex(r"tmp[a-z0-9_]{8}", fullmatch=True),
    "pid": st.integers(1, 2**22).map(lambda number: f"pid={number}"),
    "process": st.integers(100, 2**22).map(lambda number: f"sshd[{number}]: x"),
    "valgrind": st.integers(1, 2**22).map(lambda number: f"=={number}== x"),
    "hashseed": st.integers(0, 2**32).map(lambda number: f"PYTHONHASHSEED={number}"),
    "seed": st.integers(0, 2**32).map(lambda number: f"random seed: {number}"),
    "port": st.integers(1024, 65535).map(lambda number: f"127.0.0.1:{number}"),
    "worker": st.integers(0, 99).map(lambda number: f"[gw{number}]"),
    "rule": st.integers(4, 99).map(lambda width: "=" * width),
    "colour": st.integers(0, 107).map(lambda code: f"\x1b[{code}mred\x1b[0m"),
    "space": st.integers(1, 40).map(lambda width: "a" + " " * width + "b"),
}
"""One kind of noise each: whatever is drawn, the line says the same."""
WORDS = st.from_regex(r"[a-zA-Z]{1,12}", fullmatch=True).filter(
    lambda word: not re.search("(?i)^tmp|seed|pid|process|time|took|elapsed|duration|^gw", word)
)


def test_a_path_is_no_duration() -> None:
    assert normalise.line("/tmp/0s") == normalise.line("/tmp/0a")


@pytest.mark.parametrize("kind", NOISE)
@given(data=st.data())
def test_noise_of_one_kind_is_one_line(kind: str, data: st.DataObject) -> None:
    one, other = data.draw(NOISE[kind]), data.draw(NOISE[kind])
    for template in ("{}", "in {} it failed", 'x="{}", y', "[{}] ({})"):
        first, second = template.format(one, one), template.format(other, other)
        assert normalise.line(first) == normalise.line(second)


@given(st.lists(WORDS, min_size=1), st.sampled_from(sorted(NOISE)), st.data())
def test_a_changed_word_is_a_changed_line(words: list[str], kind: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(words) - 1))
    changed = [
        *words[:place],
        data.draw(WORDS.filter(lambda w: w != words[place])),
        *words[place + 1 :],
    ]
    noise, other = data.draw(NOISE[kind]), data.draw(NOISE[kind])
    before = normalise.line(f"{noise} | {' '.join(words)}")
    assert before != normalise.line(f"{other} | {' '.join(changed)}")


@given(st.text())
def test_a_second_time_changes_nothing(text: str) -> None:
    once = normalise.line(text)
    assert normalise.line(once) == once


@given(st.lists(st.one_of(*NOISE.values())))
def test_a_second_time_changes_no_noise(parts: list[str]) -> None:
    once = normalise.line(" ".join(parts))
    assert normalise.line(once) == once


@given(st.binary())
def test_any_bytes_have_lines(data: bytes) -> None:
    found = list(normalise.lines(data))
    assert all(line and "\n" not in line and line.encode() for line in found)


KEPT = [
    "AssertionError: 3 != 4",
    "expected 12 rows, found 11",
    "tests/test_a.py:12: in test_x",
    "tests/test_a.py:10:20: E501",
    "version 3.11.2 of 2026.8.10",
    "https://example.org/a/b/c",
    "exit 1",
    "0xff is not 0xfe",
    "12 items/shelf",
    "key: a/b",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_noise_stays(text: str) -> None:
    assert normalise.line(text) == text


SAID = [
    ("== 3 passed in 0.12s ==", "== 3 passed in <duration> =="),
    ("rootdir: /home/u/repo", "rootdir: <path>"),
    ("/home/u/repo/t/test_a.py:12: E", "<path>/test_a.py:12: E"),
    ('File "/usr/lib/x.py", line 3', 'File "<path>/x.py", line 3'),
    ("<obj at 0x7f12ab34cd56>", "<obj at <address>>"),
    ("Sun Nov 22 00:23:09 UTC 2026 hi", "<time> hi"),
    ("real\t0m1.23s", "real <duration>"),
    ("ran in 3 minutes.", "ran in <duration>."),
    ("see /tmp/a/b/c.txt.", "see <path>/c.txt."),
    ("file:///home/u/a.py", "<path>/a.py"),
]


@pytest.mark.parametrize(("text", "said"), SAID)
def test_what_a_line_says(text: str, said: str) -> None:
    assert normalise.line(text) == said


def test_a_title_that_never_ends_hides_nothing() -> None:
    assert normalise.line("\x1b]0;title\x07ok") == "ok"
    assert normalise.line("\x1b]0;FAILED here").endswith("FAILED here")


def test_bytes_are_cut_into_lines() -> None:
    data = b"one\r\n\n10%\r100%\n\xff bad\nlast"
    assert list(normalise.lines(data)) == ["one", "10%", "100%", "\\xff bad", "last"]
    assert list(normalise.lines(b"")) == []


HOSTILE = (
    *("1", "1.", "1,", "1e1", "1h1m", "1m 1", "1 a", "0x", "/", "/a", "/a ", "/a.b.c/", "'/a"),
    *("a", "_", "a_", "==1", "--", " ", "a[111", "pid ", "process id ", "pytest-of-", "tmp"),
    *("seed", "time=", "10:00:00", "2026-12-01T", "12345678-1234-", "Sun, ", "file:///"),
    *("\x1b[", "\x1b[;;;", "\x1b]a"),
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_line_costs_no_more_than_its_length(piece: str) -> None:
    """A pattern that looks back over the whole line would take minutes for one of these."""
    said = normalise.line(piece * 20_000 + " !")
    assert said.endswith("!")
