"""The release workflow uses the names of the noxfile, asks for no more than it needs, in order."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from audit.cli import commands

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
RELEASE = (FOLDER / "release.yml").read_text("utf-8")
CI = (FOLDER / "ci.yml").read_text("utf-8")


def actions(text: str) -> dict[str, str]:
    """Return the version of every action that a workflow uses."""
    return dict(re.findall(r"uses: ([\w./-]+)@(\S+)", text))


def block(text: str, key: str, indent: int) -> dict[str, str]:
    """Return the plain entries below a key of that indent; comments are left out."""
    found = re.search(rf"^ {{{indent}}}{key}:\n((?: {{{indent + 2}}}\S.*\n)+)", text, re.MULTILINE)
    assert found, key
    lines = (line.split("#")[0].strip() for line in found[1].splitlines())
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_it_runs_on_release_tags_and_on_nothing_else() -> None:
    trigger = re.search(r"^on:\n((?:  .*\n)+)", RELEASE, re.MULTILINE)
    assert trigger
    assert trigger[1].split() == ["push:", "tags:", '["v*"]']
    assert "tags" not in block(CI, "push", 2), "a tag is audited once"
    assert "release_gate" not in CI


def test_it_has_an_identity_and_may_write_nothing_else() -> None:
    assert block(RELEASE, "permissions", 0) == {"contents": "read"}
    assert block(RELEASE, "permissions", 4) == {
        "contents": "read",
        "id-token": "write",
        "attestations": "write",
    }
    assert "secrets." not in RELEASE
    assert RELEASE.count("persist-credentials: false") == 1


def test_actions_are_pinned_as_in_ci() -> None:
    used, known = actions(RELEASE), actions(CI)
    assert all(re.fullmatch(r"v\d+", version) for version in used.values())
    assert {name: used[name] for name in used.keys() & known.keys()} == {
        name: known[name] for name in used.keys() & known.keys()
    }
    assert "actions/attest-build-provenance" in used


def test_the_sessions_are_those_of_the_noxfile() -> None:
    defined = set(
        re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE)
    )
    named = set(re.findall(r"nox -s (\w+)", RELEASE))
    assert named == {"conformance", "release_gate"}
    assert named <= defined
    assert set(re.findall(r"\.nox/(\w+)/bin", RELEASE)) == {"release_gate"}


def test_what_enforces_policies_may_not_be_skipped_for_a_release() -> None:
    step = RELEASE.partition("nox -s conformance\n")[2]
    assert step.lstrip().startswith('env:\n          ARCO_RELEASE: "1"\n')


def test_the_steps_are_in_order() -> None:
    steps = [
        "actions/checkout@",
        'git fetch --force --no-tags origin "+refs/tags/$TAG:refs/tags/$TAG"',
        "--install-only",
        '" --check',
        "nox -s conformance\n",
        "nox -s release_gate\n",
        "--out dist",
        "attest-build-provenance@",
        "name: evidence-pack-",
    ]
    places = [RELEASE.index(step) for step in steps]
    assert places == sorted(places)


def test_what_a_stranger_chooses_never_becomes_a_script() -> None:
    """A tag's name goes through the environment: in a script's text it could be a command."""
    scripts = re.findall(r"run: (?:\|\n((?: {10}.*\n)+)|(.*\n))", RELEASE)
    assert len(scripts) == 7
    assert not [script for pair in scripts for script in pair if "${{" in script]


def test_every_option_that_it_uses_exists() -> None:
    shown = CliRunner().invoke(commands.group, ["pack", "--help"]).output
    calls = re.findall(r"arco-audit pack (.*?)(?=\n {6}- )", RELEASE, re.DOTALL)
    assert len(calls) == 2
    used = {word for call in calls for word in re.findall(r"--[a-z-]+", call)}
    assert used == {word for word in used if f"{word} " in shown or f"{word}\n" in shown}
