"""The report page as bytes: self-contained, closed to markup, and the same each time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.render import pagedata, pagelogs, report, tracker, visible


def view(worlds: ModuleType, world: Any, logs: pagedata.LogReader) -> report.ReportView:
    plan, run, facts, decision = world
    made = tracker.build(plan, facts, decision, folder=worlds.FOLDER, plan_root=run.plan_root)
    return report.ReportView(plan, run, facts, decision, made, logs)


def quiet(path: str) -> report.LogExcerpt:
    return report.LogExcerpt.of(f"log of {path}\n".encode())


def page(worlds: ModuleType, name: str, logs: pagedata.LogReader = quiet) -> str:
    return report.page(view(worlds, getattr(worlds, name)(), logs)).decode("utf-8")


class Reader(HTMLParser):
    """Collects what a browser would see of tags, attributes, scripts and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self.text = ""
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._open == "style":
            self.styles.append(data)
        else:
            self.text += data


def data_of(read: Reader) -> dict[str, Any]:
    body = next(body for attrs, body in read.scripts if attrs.get("id") == "data")
    value: dict[str, Any] = json.loads(body)
    return value


def test_same_view_same_bytes(worlds: ModuleType) -> None:
    assert page(worlds, "toy") == page(worlds, "toy")


def test_the_policy_names_style_and_script(worlds: ModuleType) -> None:
    read = Reader(page(worlds, "toy"))
    policy = next(a["content"] or "" for t, a in read.tags if "http-equiv" in a and t == "meta")
    script = next(body for attrs, body in read.scripts if not attrs)
    for directive, text in (("style-src", read.styles[0]), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", ["toy", "hostile"])
def test_nothing_points_outside(worlds: ModuleType, name: str) -> None:
    read = Reader(page(worlds, name))
    for tag, attrs in read.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "video", "audio"}
        assert not [key for key in attrs if key.startswith("on") or key in {"src", "style"}]
        assert (attrs.get("href") or "#").startswith(("#", "./"))
    assert not re.search(r"url\(|@import", "".join(read.styles))


def test_hostile_text_is_only_text(worlds: ModuleType) -> None:
    calm = Reader(page(worlds, "toy"))
    wild = Reader(
        page(
            worlds,
            "hostile",
            lambda _: report.LogExcerpt.of(
                "\n".join(worlds.HOSTILE).encode("utf-8", "surrogateescape")
            ),
        )
    )
    kinds = [
        sorted({str(attrs) for attrs, _ in read.scripts if "logs" not in str(attrs)})
        for read in (calm, wild)
    ]
    assert kinds[0] == kinds[1]
    assert {tag for tag, _ in wild.tags} <= {tag for tag, _ in calm.tags} | {"li", "ul"}
    assert "<script>alert(1)</script>" in wild.text
    assert "\u202e" not in wild.text
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e]", page(worlds, "hostile")
    )


def test_blockers_owner_and_step_stand_first_in_plain_html(worlds: ModuleType) -> None:
    text = Reader(page(worlds, "toy")).text
    places = [text.index(part) for part in (
        "NO-GO", "What blocks the release", "did not pass", "G2-001", "Core Platform",
        "mend what command-logs/tests.log", "arco-audit attach", "2 of 2 signals closed", "Roots",
    )]  # fmt: skip
    order = [places[k] for k in (0, 1, 3, 7, 8)]
    assert order == sorted(order)


def test_each_result_has_a_next_step_of_its_own(worlds: ModuleType) -> None:
    html = re.sub(r"<a href=\"#log/(\w+)\">its log</a>", r"[\1]", page(worlds, "waiting"))
    table = html[html.index('<table class="list causes') : html.index('id="blockers"')]
    steps = re.findall(r"<td data-t=\"Next step\">(.*?)</td>", table)
    assert sorted(steps) == [
        "make it able to run here: no account",
        "mend what [tests] reports, then run again",
        "read [bench], then raise its timeout or make it faster",
        "run again, since it was cut short",
        "see in [notes] why it skipped its work, then run again",
    ]
    waits = re.findall(r"<td data-t=\"Signals that wait\">(.*?)<", table)
    alone = "no signal; blocks the release because it is required"
    assert waits == ["2 signals", "1 signal", alone, alone, alone]


def test_a_row_with_more_open_conditions_leads_to_all(worlds: ModuleType) -> None:
    read = Reader(page(worlds, "waiting"))
    more = [attrs for tag, attrs in read.tags if attrs.get("class") == "all"]
    assert [(a["href"], a["aria-label"]) for a in more] == [
        ("#signal/G4-001", "all 3 conditions of G4-001")
    ]


def test_evidence_is_shown_once_and_linked(worlds: ModuleType) -> None:
    evidence = data_of(Reader(page(worlds, "waiting")))["signals"][0][10]
    assert evidence == [
        f"{worlds.FOLDER}/command-logs/tests.log",
        f"{worlds.FOLDER}/command-matrix-status.tsv",
        "docs/note.md",
        f"{worlds.FOLDER}/command-logs/bench.log",
    ]


def test_words_for_readers(worlds: ModuleType) -> None:
    html = page(worlds, "green")
    for part in (
        "all gates are GO", "1 of 1 signal closed", "<dt>Operating system</dt>", "<dt>Python</dt>",
        "<dt><code>CI</code></dt>",
    ):  # fmt: skip
        assert part in html
    assert "1 of 1 signals" not in html


def test_a_green_page_says_so(worlds: ModuleType) -> None:
    text = Reader(page(worlds, "green")).text
    assert "Nothing. Every gate is GO and every required command passed." in text
    assert "open signal" not in text


def test_a_dirty_tree_is_said(worlds: ModuleType) -> None:
    assert "the working tree is dirty" in Reader(page(worlds, "hostile")).text


def test_claims_stand_beside_what_was_derived(worlds: ModuleType) -> None:
    read = Reader(page(worlds, "toy"))
    assert "Claims that the evidence does not carry" in read.text
    signals = data_of(read)["signals"]
    assert [(row[0], row[4], row[12]) for row in signals if row[12]] == [
        ("G0-002", "GO", "GO"), ("G2-001", "NO-GO", "GO"),
        ("G4-001", "BLOCKED-EXTERNAL", "BLOCKED-EXTERNAL"),
    ]  # fmt: skip


def test_rows_are_as_wide_as_the_script_thinks(worlds: ModuleType) -> None:
    data = data_of(Reader(page(worlds, "toy")))
    folder = Path(report.__file__).with_name("templates") / "report"
    source = (folder / "base.js").read_text("utf-8")
    rows = {
        "G": data["gates"][0], "S": data["signals"][0], "C": data["cells"][0],
        "A": data["cells"][0][9][0], "L": data["logs"][0],
    }  # fmt: skip
    for name, row in rows.items():
        body = re.search(rf"const {name} = \{{(.*?)\}};", source, re.DOTALL)
        assert body is not None
        columns = [int(number) for number in re.findall(r"\w+: (\d+)", body[1])]
        assert columns == list(range(len(row))), name


def test_every_attempt_and_its_log_is_there(worlds: ModuleType) -> None:
    data = data_of(Reader(page(worlds, "toy")))
    lint = next(cell for cell in data["cells"] if cell[0] == "lint")
    assert [attempt[0] for attempt in lint[9]] == ["interrupted", "passed"]
    assert [data["logs"][attempt[5]][0] if attempt[5] >= 0 else "" for attempt in lint[9]] == [
        "", "lint.log",
    ]  # fmt: skip


def test_a_long_plain_part_is_cut_and_says_so(worlds: ModuleType) -> None:
    made = worlds.large(cells=1000, signals=500, gates=4)
    text = Reader(report.page(view(worlds, made, quiet)).decode()).text
    assert len(re.findall(r"G\d+-\d{3} What", text)) == 25
    assert "15 more under Commands." in text


# --- logs -----------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=400), max_size=12))
def test_logs_come_back_as_they_look(logs: list[bytes]) -> None:
    packer = pagelogs.Packer()
    placed = [packer.add(report.LogExcerpt.of(data)) for data in logs]
    for data, where in zip(logs, placed, strict=True):
        assert next(pagelogs.unpacked(packer.groups(), where)) == visible.log(data)


def test_long_logs_keep_head_and_tail() -> None:
    data = b"".join(b"line %d\n" % n for n in range(100_000))
    packer = pagelogs.Packer()
    where = packer.add(report.LogExcerpt.of(data))
    head, tail = pagelogs.unpacked(packer.groups(), where)
    assert head.startswith("line 0\n")
    assert head.endswith("\n")
    assert tail.startswith("line ")
    assert tail.endswith("line 99999\n")
    assert where.left_out == len(data) - len(head) - len(tail)


def test_a_log_without_line_ends_is_kept_too() -> None:
    packer = pagelogs.Packer()
    where = packer.add(report.LogExcerpt.of(b"x" * 1_000_000))
    head, tail = pagelogs.unpacked(packer.groups(), where)
    assert len(head) == pagelogs.HEAD_BYTES
    assert len(tail) == pagelogs.TAIL_BYTES
    assert where.left_out == 1_000_000 - len(head) - len(tail)


def test_what_finds_no_room_is_only_linked(
    worlds: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagelogs, "PAGE_TEXT_BYTES_MAX", 100)
    data = data_of(Reader(page(worlds, "toy", lambda _: report.LogExcerpt.of(b"z" * 90))))
    assert [row[2] for row in data["logs"]] == [0, 0, -1, -1, -1]
    assert [row[0] for row in data["logs"]][:2] == ["tests.log", "advisories.log"]


def test_a_log_that_is_gone_is_said_to_be_gone(worlds: ModuleType) -> None:
    data = data_of(Reader(page(worlds, "toy", lambda _: None)))
    assert {row[2] for row in data["logs"]} == {-2}


@pytest.mark.parametrize(
    ("path", "href"),
    [
        ("a b/c%.txt", "./a%20b/c%25.txt"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("caf\udce9", "./caf%E9"),
    ],
)
def test_link_targets(path: str, href: str) -> None:
    assert pagedata.shown_path(path) == href
