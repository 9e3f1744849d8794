"""Locks, licences, bans and advisories: the rules hold on the tree and catch what is planted."""

from __future__ import annotations

from pathlib import Path

import advisories
import deny
import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
HASHED = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_holds_pins_with_hashes_and_no_place(lock: Path) -> None:
    pins, problems = deny.lock_problems(lock.read_text("utf-8"))
    assert pins
    assert not problems


def test_every_input_has_a_lock_and_every_bound_is_real() -> None:
    assert len(LOCKS) >= 10
    assert not [p for p in deny.problems(ROOT) if not p.startswith("licence")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("click>=8\n", "not pinned"),
        ("click==8.1.7\n", "no hash"),
        (f"click==8.1.7 {HASHED[:-1]}\n", "no hash"),
        (f"--index-url https://example.invalid/simple\nclick==8.1.7 {HASHED}\n", "place"),
        (f"click @ https://example.invalid/click.whl {HASHED}\n", "not pinned"),
        (f"click==8.1.7 \\\n    {HASHED}\n    # from https://example.invalid\n", "place"),
    ],
)
def test_a_planted_line_is_caught(text: str, said: str) -> None:
    assert said in " ".join(deny.lock_problems(text)[1])


def test_a_good_lock_passes() -> None:
    text = (
        f"# made by a tool\nclick==8.1.7 ; sys_platform == 'win32' \\\n    {HASHED}\n    # via x\n"
    )
    assert deny.lock_problems(text) == ([deny.Pin("click", "8.1.7", 1)], [])


@pytest.mark.parametrize("word", ["click", "click==8.1.7", "click<9", "click>=8,<9", "click!=1"])
def test_a_dependency_without_a_plain_lower_bound_is_caught(word: str) -> None:
    assert deny.bound_problems([word])


@pytest.mark.parametrize(
    ("facts", "classifiers", "expected"),
    [
        ({"License-Expression": "MIT"}, [], ("MIT",)),
        ({"License-Expression": "MIT AND Zlib"}, [], ("MIT", "Zlib")),
        ({"License-Expression": "GPL-3.0-only OR MIT"}, [], ("MIT",)),
        ({"License-Expression": "GPL-3.0-only OR LGPL-3.0-only"}, [], ("GPL-3.0-only",)),
        ({}, ["License :: OSI Approved :: MIT License"], ("MIT",)),
        ({}, ["License :: OSI Approved", "License :: OSI Approved :: BSD License"],
         ("BSD-3-Clause",)),
        ({"License": "Apache 2.0"}, [], ("Apache-2.0",)),
        ({"License": "line one\nline two"}, [], ()),
        ({}, [], ()),
    ],
)  # fmt: skip
def test_licences_are_read(
    facts: dict[str, str], classifiers: list[str], expected: tuple[str, ...]
) -> None:
    assert deny.licence(facts, classifiers) == expected


def test_unknown_and_foreign_licences_are_refused() -> None:
    packages = {"a": (), "b": ("GPL-3.0-only",), "c": ("MIT", "SSPL-1.0"), "d": ("MIT",)}
    problems = deny.licence_problems(packages)
    assert [problem.split("`")[1] for problem in problems] == ["a", "b", "c"]


def test_a_banned_package_is_named_with_the_reason() -> None:
    assert deny.ban_problems(["click", "toml"]) == [
        "banned: package=`toml` (the standard library reads TOML)"
    ]


@pytest.mark.parametrize(
    ("report", "code"),
    [
        ({"dependencies": []}, 75),
        ({"dependencies": [{"name": "a", "skip_reason": "unreachable"}]}, 75),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}, 0),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}, {"name": "b"}]}, 75),
        (
            {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}]},
            1,
        ),
    ],
)
def test_advisories_tell_none_from_not_looked_up(report: dict[str, object], code: int) -> None:
    assert advisories.verdict(report)[0] == code
