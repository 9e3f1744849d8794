"""Evidence carries over exactly as long as nothing that its cells could read is another."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import carry, chain, codec, model, subject
from evidence.carry import Carried, Evidence
from evidence.codec import Malformed
from tests.evidence.kernel_kit import LATER, UTC, any_of, make_facts, make_plan, ran
from tests.examples import share
from tests.records import make_cell

NOW = "2026-12-02T10:00:05Z"
DAY_MS = 86_400_000
Tree = dict[str, tuple[str, str]]
"""Mode and content by path."""

BASE: Tree = {
    "src/a.py": ("100644", "a"),
    "src/deep/b.py": ("100755", "b"),
    "tests/test_a.py": ("100644", "t"),
    "tests/data.txt": ("100644", "d"),
    "docs/x.md": ("100644", "x"),
    "README.md": ("100644", "r"),
    "uv.lock": ("100644", "l"),
    "release_evidence/old.log": ("100644", "o"),
}
READS = ("src/**", "tests/**/*.py")


def is_read(path: str) -> bool:
    """What `READS` and the lock mean, said in another way."""
    return path.startswith("src/") or (
        path == "uv.lock" or (path.startswith("tests/") and path.endswith(".py"))
    )


def git_object(kind: str, body: bytes) -> tuple[str, bytes]:
    raw = f"{kind} {len(body)}".encode() + b"\0" + body
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest(), raw


def raw_tree(files: Tree) -> tuple[str, bytes]:
    """The tree over these files, and the raw objects of it and of all below."""
    entries: list[tuple[bytes, bytes]] = []
    data = b""
    inner: dict[str, Tree] = {}
    for path, told in files.items():
        head, slash, rest = path.partition("/")
        if slash:
            inner.setdefault(head, {})[rest] = told
        else:
            blob, _ = git_object("blob", told[1].encode())
            entries.append(
                (
                    head.encode(),
                    told[0].encode() + b" " + head.encode() + b"\0" + bytes.fromhex(blob),
                )
            )
    for head, below in inner.items():
        name, raw = raw_tree(below)
        data += raw
        entries.append(
            (head.encode() + b"/", b"40000 " + head.encode() + b"\0" + bytes.fromhex(name))
        )
    name, raw = git_object("tree", b"".join(entry for _, entry in sorted(entries)))
    return name, raw + data


def evidence(
    files: Tree,
    label: str = "old",
    cells: tuple[model.Cell, ...] | None = None,
    attempts: tuple[model.AttemptFact, ...] | None = None,
    **changes: Any,
) -> Evidence:
    """A run over these files; `changes` are those of the plan."""
    tree, raw = raw_tree(files)
    commit, raw_commit = git_object("commit", f"tree {tree}\n\n{label}\n".encode())
    cells = (make_cell("tests", reads=READS),) if cells is None else cells
    plan = make_plan(cells=cells, label=label, **changes)
    objects = subject.split_objects(raw_commit + raw, "", "sha1")
    digest = subject.digest_of(subject.files_of(objects, commit)[1], plan.rules.outputs)
    plan = replace(plan, subject=replace(plan.subject, commit=commit, tree=tree, digest=digest))
    attempts = tuple(ran(cell.id) for cell in cells) if attempts is None else attempts
    run = model.Run(
        format_version=1,
        id=f"run-{label}",
        label=label,
        plan_root="ab" * 32,
        start_utc=UTC,
        end_utc=LATER,
        clock="system",
        host=(model.Variable("python", "3.11.2"),),
        environment=(model.Variable("LANG", "C"), model.Variable("GITHUB_SHA", label)),
        uncovered=(),
        resumed=0,
        attempts=(),
    )
    facts = make_facts(*attempts, subject_after=digest)
    found = carry.files_of(plan, raw_commit + raw, "objects")
    return Evidence(plan, run, facts, chain.sha256(label.encode()), found)


def carried(old: Evidence, new: Evidence, as_of: str = NOW) -> Carried:
    found = carry.carry(old, new, "tests", as_of)
    assert codec.read(Carried, codec.write(found)) == found
    if found.answer == "met":
        assert carry.holds(found, new, as_of)[0] == "met"
    return found


def new(files: Tree = BASE, **changes: Any) -> Evidence:
    return evidence(files, "new", **changes)


# --- files ----------------------------------------------------------------------------------------

PATHS = st.sampled_from(
    [
        *BASE,
        *("src/new.py", "src/deep/conftest.py", "tests/conftest.py", "tests/deep/test_b.py"),
        *("tests/new.txt", "docs/y.md", "srcs/a.py", "release_evidence/new.log", "LICENSE"),
    ]
)
EDITS = st.lists(
    st.tuples(PATHS, st.sampled_from(["100644", "100755", "gone"]), st.sampled_from("axy")),
    max_size=4,
)


@share(60)
@given(EDITS)
def test_it_carries_over_exactly_when_all_that_is_read_is_the_same(
    edits: list[tuple[str, str, str]],
) -> None:
    files = dict(BASE)
    for path, mode, content in edits:
        files.pop(path, None)
        if mode != "gone":
            files[path] = (mode, content)
    if not any(path.startswith(("src/", "tests/")) and is_read(path) for path in files):
        return
    found = carried(evidence(BASE), new(files))
    wanted = sorted(
        path
        for path in BASE.keys() | files.keys()
        if is_read(path) and BASE.get(path) != files.get(path)
    )
    assert [item.path for item in found.differing] == wanted
    assert found.answer == ("wrong_subject" if wanted else "met")
    assert (found.old.inputs == found.new.inputs) == (not wanted)
    assert not wanted or wanted[0] in found.reason


INSIDE: dict[str, tuple[dict[str, Any], str, str]] = {
    "changed": ({"src/a.py": ("100644", "other")}, "src/a.py", "changed"),
    "added": ({"src/new.py": ("100644", "n")}, "src/new.py", "added"),
    "a new file that matches": (
        {"tests/conftest.py": ("100644", "hooks")},
        "tests/conftest.py",
        "added",
    ),
    "mode": ({"src/a.py": ("100755", "a")}, "src/a.py", "changed its mode"),
    "removed": ({"src/a.py": None}, "src/a.py", "removed"),
    "the lock": ({"uv.lock": ("100644", "other")}, "uv.lock", "changed"),
    "a lock below": ({"web/package-lock.json": ("100644", "n")}, "web/package-lock.json", "added"),
    "attributes": ({"docs/.gitattributes": ("100644", "*")}, "docs/.gitattributes", "added"),
    "a pin": ({"requirements/test.txt": ("100644", "n")}, "requirements/test.txt", "added"),
}


def edited(edits: dict[str, Any]) -> Tree:
    return {path: told for path, told in {**BASE, **edits}.items() if told}


@pytest.mark.parametrize("name", INSIDE)
def test_what_is_read_and_differs_is_named(name: str) -> None:
    edits, path, how = INSIDE[name]
    found = carried(evidence(BASE), new(edited(edits)))
    assert found.answer == "wrong_subject"
    assert (found.differing[0].path, found.differing[0].how) == (path, how)
    assert found.reason.startswith(path)


def test_a_renamed_file_is_one_removed_and_one_added() -> None:
    files = edited({"src/a.py": None, "src/z.py": BASE["src/a.py"]})
    found = carried(evidence(BASE), new(files))
    assert [(item.path, item.how) for item in found.differing] == [
        ("src/a.py", "removed"),
        ("src/z.py", "added"),
    ]
    assert found.reason == "src/a.py was removed (and 1 more)"


OUTSIDE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "docs": {"docs/x.md": ("100644", "other"), "docs/y.md": ("100644", "n")},
    "not python": {"tests/data.txt": None},
    "outputs": {"release_evidence/old.log": ("100644", "other")},
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_not_read_does_not_matter(name: str) -> None:
    found = carried(evidence(BASE), new(edited(OUTSIDE[name])))
    assert found.answer == "met"
    assert found.reason == "tests passed in old, and the 4 files that it reads are the same"


def test_without_declared_reads_everything_is_read() -> None:
    cells = (make_cell("tests"),)
    found = carried(evidence(BASE, cells=cells), new(edited(OUTSIDE["docs"]), cells=cells))
    assert found.answer == "wrong_subject"
    assert found.reason == (
        "docs/x.md was changed (and 1 more), and tests declares no reads, so it read everything"
    )
    same = new(edited(OUTSIDE["outputs"]), cells=cells)
    assert carried(evidence(BASE, cells=cells), same).answer == "met"


def test_reads_that_match_nothing_carry_nothing() -> None:
    cells = (make_cell("tests", reads=("lib/**",)),)
    found = carried(evidence(BASE, cells=cells), new(cells=cells))
    assert (found.answer, found.reason) == ("wrong_subject", "no tracked file matches lib/**")


@pytest.mark.parametrize(
    ("link", "reads"),
    [
        ("src/link", READS),
        ("src", ("src/deep/*.py", "tests/**")),
        ("lib/src", ("lib/*/a.py", "tests/**")),
        ("requirements.txt", READS),
    ],
)
def test_a_link_on_the_way_may_lead_anywhere(link: str, reads: tuple[str, ...]) -> None:
    cells = (make_cell("tests", reads=reads),)
    files = {path: told for path, told in BASE.items() if not path.startswith(f"{link}/")}
    files[link] = ("120000", "docs")
    old = evidence(files, cells=cells)
    assert carried(old, new(files, cells=cells)).answer == "met"
    found = carried(old, new({**files, "docs/x.md": ("100644", "other")}, cells=cells))
    assert found.answer == "wrong_subject"
    assert f"{link} is a link" in found.reason
    elsewhere = {**BASE, "docs/link": ("120000", "x.md")}
    other = {**elsewhere, "docs/x.md": ("100644", "other")}
    assert carried(evidence(elsewhere), new(other)).answer == "met"


def test_a_submodule_on_the_way_is_read_by_its_commit() -> None:
    cells = (make_cell("tests", reads=("vendor/lib/*.c", "src/**")),)
    files = {**BASE, "vendor/lib": ("160000", "one")}
    old = evidence(files, cells=cells)
    assert carried(old, new(edited({**files, "docs/x.md": None}), cells=cells)).answer == "met"
    found = carried(old, new({**files, "vendor/lib": ("160000", "two")}, cells=cells))
    assert found.reason == "vendor/lib was changed"


# --- definition and environment -------------------------------------------------------------------

MATTERS: dict[str, Any] = {
    "argv": ("false",),
    "cwd": "src",
    "timeout_ms": 1,
    "output_bytes_max": 1,
    "accept_exit_codes": (0, 1),
    "could_not_run_exit_codes": (),
    "skipped_exit_codes": (5,),
    "flaky": True,
    "env": ("A=b",),
    "env_only": ("PATH",),
    "results": (model.ResultFile("junit", "x.xml"),),
    "produces": ("build/x",),
    "reads": ("src/**",),
}


def test_every_field_of_a_cell_is_thought_of() -> None:
    ignored = {"id", "needs", "command", "cmd", "required"}
    assert MATTERS.keys() | ignored == {field.name for field in dataclasses.fields(model.Cell)}


@pytest.mark.parametrize("name", MATTERS)
def test_another_definition_is_another_subject(name: str) -> None:
    cell = make_cell("tests", reads=READS)
    changed = replace(cell, **{name: MATTERS[name]})
    found = carried(evidence(BASE, cells=(cell,)), new(cells=(changed,)))
    assert found.answer == "wrong_subject"
    assert found.reason.startswith("the definition of tests is another")
    assert found.old.definition != found.new.definition


def test_how_a_command_is_typed_and_whether_it_is_required_do_not_matter() -> None:
    cell = make_cell("tests", reads=READS)
    changed = replace(cell, cmd="true ", required=False)
    assert carried(evidence(BASE, cells=(cell,)), new(cells=(changed,))).answer == "met"


def test_what_a_cell_needs_is_part_of_it() -> None:
    built = make_cell("build", reads=("README.md",))
    tests = make_cell("tests", reads=READS, needs=("build",))
    old = evidence(BASE, cells=(built, tests))
    assert carried(old, new(edited(OUTSIDE["docs"]), cells=(built, tests))).answer == "met"
    found = carried(old, new(edited({"README.md": None}), cells=(built, tests)))
    assert found.reason == "README.md was removed"
    other = replace(built, argv=("make",))
    found = carried(old, new(cells=(other, tests)))
    assert found.reason == "the definition of build is another"
    found = carried(old, new(cells=(replace(built, reads=()), tests)))
    assert "build declares no reads" in found.everything
    assert carried(old, new(cells=(tests,))).answer == "missing"


CHANGED_RUN: dict[str, tuple[dict[str, Any], str]] = {
    "host": ({"host": (model.Variable("python", "3.13.0"),)}, "the host's python was 3.11.2"),
    "gone": ({"host": ()}, "the host's python was 3.11.2, is not set"),
    "variable": ({"environment": (model.Variable("LANG", "de"),)}, "the variable LANG was C"),
    "new variable": (
        {"environment": (model.Variable("LANG", "C"), model.Variable("TZ", "UTC"))},
        "the variable TZ was not set, is UTC",
    ),
}


@pytest.mark.parametrize("name", CHANGED_RUN)
def test_another_environment_is_another_subject(name: str) -> None:
    changes, reason = CHANGED_RUN[name]
    other = new()
    other = replace(other, run=replace(other.run, **changes))
    found = carried(evidence(BASE), other)
    assert found.answer == "wrong_subject"
    assert found.reason.startswith(reason)
    assert found.old.environment != found.new.environment


def test_another_tool_is_another_subject() -> None:
    found = carried(evidence(BASE), new(tool=model.Tool("arco-audit", "9.9.9")))
    assert found.reason == "the tool was arco-audit 0.0.0, is arco-audit 9.9.9"


# --- the old evidence -----------------------------------------------------------------------------

ENDED: dict[str, tuple[tuple[model.AttemptFact, ...], model.Answer]] = {
    "failed": ((ran("tests", "failed"),), "no"),
    "timed out": ((ran("tests", "timed_out"),), "no"),
    "passed after a failure": ((ran("tests", "failed"), ran("tests", "passed", 2)), "no"),
    "absent": ((), "missing"),
    "skipped": ((ran("tests", "skipped"),), "missing"),
    "could not run": ((ran("tests", "could_not_run"),), "missing"),
    "interrupted": ((ran("tests", "interrupted"),), "broken"),
    "an attempt is missing": ((ran("tests", "passed", 2),), "broken"),
}


@pytest.mark.parametrize("name", ENDED)
def test_only_a_pass_is_carried(name: str) -> None:
    attempts, answer = ENDED[name]
    found = carried(evidence(BASE, attempts=attempts), new())
    assert found.answer == answer
    assert carried(evidence(BASE, attempts=attempts), new(edited({"src/a.py": None}))).answer == (
        answer if answer in ("missing", "broken") else "wrong_subject"
    )


def test_all_cells_of_a_command_have_to_carry() -> None:
    both = tuple(make_cell(name, command="tests", reads=READS) for name in ("t-1", "t-2"))
    old = evidence(BASE, cells=both, attempts=(ran("t-1"), ran("t-2", "failed")))
    assert carried(old, new(cells=both)).answer == "no"
    assert carried(evidence(BASE, cells=both), new(cells=both)).answer == "met"
    assert carried(evidence(BASE, cells=both[:1]), new(cells=both)).reason == "old has no cell t-2"
    assert carried(evidence(BASE, cells=both), new(cells=both[:1])).answer == "met"


def test_a_command_that_nobody_plans_is_missing() -> None:
    cells = (make_cell("lint", reads=READS),)
    assert carried(evidence(BASE), new(cells=cells)).answer == "missing"
    assert carried(evidence(BASE, cells=cells), new()).answer == "missing"


def test_a_dirty_tree_carries_nothing_either_way() -> None:
    def dirty(label: str) -> Evidence:
        plain = evidence(BASE, label)
        subject_ = replace(plain.plan.subject, dirty=("src/a.py",))
        return replace(plain, plan=replace(plain.plan, subject=subject_))

    assert "old was dirty: src/a.py" in carried(dirty("old"), new()).reason
    assert "new was dirty" in carried(evidence(BASE), dirty("new")).reason
    changed = evidence(BASE)
    changed = replace(changed, facts=replace(changed.facts, subject_after="0" * 64))
    assert carried(changed, new()).answer == "wrong_subject"


def test_evidence_ages_in_a_half_open_window() -> None:
    rules = replace(make_plan().rules, max_age_ms=DAY_MS)
    proof = carried(evidence(BASE), new(rules=rules), "2026-12-02T09:59:59Z")
    assert proof.answer == "met"
    assert carry.holds(proof, new(rules=rules), "2026-12-02T10:00:00Z")[0] == "stale"
    assert carried(evidence(BASE), new(rules=rules), "2026-12-02T10:00:00Z").answer == "stale"
    early = "2026-12-01T09:59:59Z"
    assert carried(evidence(BASE), new(rules=rules), early).answer == "missing"
    assert carry.holds(proof, new(rules=rules), early)[0] == "missing"
    with pytest.raises(ValueError, match="no RFC 3339 time"):
        carried(evidence(BASE), new(), "yesterday")


# --- proofs and hostile input ---------------------------------------------------------------------


@share(40)
@given(st.data())
def test_a_proof_with_another_new_side_does_not_hold(data: st.DataObject) -> None:
    mine = new()
    proof = carried(evidence(BASE), mine)
    name = data.draw(st.sampled_from([field.name for field in dataclasses.fields(carry.Side)]))
    hints = {"files": int}
    other = data.draw(any_of(hints.get(name, str)))
    changed = replace(proof, new=replace(proof.new, **{name: other}))
    assert (carry.holds(changed, mine, NOW)[0] == "met") == (changed == proof)


@pytest.mark.parametrize("name", ["definition", "inputs", "environment"])
def test_a_proof_that_contradicts_itself_is_broken(name: str) -> None:
    proof = carried(evidence(BASE), new())
    zeros: dict[str, Any] = {name: "0" * 64}
    forged = replace(proof, old=replace(proof.old, **zeros))
    assert carry.holds(forged, new(), NOW)[0] == "broken"


def test_a_forged_proof_cannot_hide_that_everything_is_read() -> None:
    cells = (make_cell("tests"),)
    other = new(edited(OUTSIDE["docs"]), cells=cells)
    proof = carried(evidence(BASE, cells=cells), other)
    forged = replace(proof, answer="met", everything="", differing=(), differing_count=0)
    forged = replace(forged, old=replace(forged.old, inputs=forged.new.inputs))
    assert carry.holds(forged, other, NOW)[0] == "broken"
    nothing = (make_cell("tests", reads=("lib/**",)),)
    proof = carried(evidence(BASE, cells=nothing), new(cells=nothing))
    assert carry.holds(replace(proof, answer="met"), new(cells=nothing), NOW)[0] == "broken"


def test_a_proof_holds_only_for_its_run_and_says_what_it_said() -> None:
    proof = carried(evidence(BASE), new())
    assert carry.holds(proof, evidence(BASE, "another"), NOW)[0] == "wrong_subject"
    assert carry.holds(replace(proof, answer="no", reason="so"), new(), NOW) == ("no", "so")
    assert carry.holds(replace(proof, ended_utc=""), new(), NOW)[0] == "broken"
    assert carry.holds(replace(proof, command="lint"), new(), NOW)[0] == "missing"


def test_a_bundle_that_is_not_whole_is_broken() -> None:
    found = carry.refused(new(), "tests", "old", "broken", "its log is gone", NOW)
    assert (found.answer, found.reason, found.run) == ("broken", "its log is gone", "old")
    assert carry.holds(found, new(), NOW) == ("broken", "its log is gone")


def test_objects_of_another_subject_are_refused() -> None:
    mine, other = evidence(BASE), evidence(edited({"README.md": None}))
    tree, raw = raw_tree(BASE)
    _, raw_commit = git_object("commit", f"tree {tree}\n\nold\n".encode())
    assert carry.files_of(mine.plan, raw_commit + raw, "") == mine.files
    for data in (b"", raw, raw_commit, raw_commit + raw[:-1], b"x" * 100):
        with pytest.raises(Malformed):
            carry.files_of(mine.plan, data, "")
    with pytest.raises(Malformed):
        carry.files_of(other.plan, raw_commit + raw, "")
    outputs = replace(mine.plan.rules, outputs=("docs/",))
    with pytest.raises(Malformed, match="digest"):
        carry.files_of(replace(mine.plan, rules=outputs), raw_commit + raw, "")


def test_a_path_that_stands_there_twice_makes_patterns_worthless() -> None:
    mine = new()
    twice = replace(mine, files=(*mine.files, mine.files[0]))
    assert "twice" in carry.carry(evidence(BASE), twice, "tests", NOW).everything


def test_names_that_are_no_utf8_are_compared_by_their_bytes() -> None:
    def with_file(label: str, path: bytes) -> Evidence:
        plain = evidence(BASE, label)
        return replace(plain, files=(*plain.files, subject.Listed(b"100644", "ab" * 20, path)))

    found = carried(with_file("old", b"src/\xff.py"), with_file("new", b"src/\xfe.py"))
    assert [item.path for item in found.differing] == ["src/\udcfe.py", "src/\udcff.py"]
