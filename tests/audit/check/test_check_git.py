"""Checking against git: revisions, baselines, and what a clone does not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audit.check import Report, check
from audit.errors import Invalid

if TYPE_CHECKING:
    from tests.audit.check.conftest import World
else:
    World = Any


@pytest.fixture
def committed(world: World, make_repo: Callable[..., Any]) -> tuple[World, Any, str]:
    """Return the audit without a fault in a repository of two commits, and the first one's id."""
    folder = make_repo("git")
    first = folder.commit(README="start\n")
    world.root = folder.path
    world.tracker["baseline_commit"] = first
    world.write()
    folder.commit()
    return world, folder, first


def codes(report: Report) -> list[str]:
    return [finding.code for finding in (*report.findings, *report.could_not_check)]


def tracker_of(world: World) -> Path:
    return world.root / "docs/audits/a1/gate-tracker.json"


def test_a_baseline_that_is_an_ancestor_is_no_finding(committed: Any) -> None:
    world, _, _ = committed
    assert codes(check(tracker_of(world), world.root)) == []
    assert codes(check(tracker_of(world), world.root, "HEAD")) == []
    assert codes(check(tracker_of(world))) == []


def test_a_baseline_on_another_branch_is_an_error(committed: Any) -> None:
    world, folder, first = committed
    folder.git("checkout", "--quiet", "-b", "other", first)
    world.tracker["baseline_commit"] = folder.commit(other="x\n")
    folder.git("checkout", "--quiet", "main")
    assert codes(world.check()) == ["AUD115"]
    assert codes(world.check("main")) == ["AUD115"]


def test_a_commit_that_the_clone_does_not_hold_could_not_be_checked(committed: Any) -> None:
    world, _, _ = committed
    world.tracker["baseline_commit"] = "f" * 40
    report = world.check()
    assert report.findings == ()
    assert codes(report) == ["AUD902"]


def test_a_baseline_that_looks_like_an_option_is_never_given_to_git(committed: Any) -> None:
    world, _, _ = committed
    world.tracker["baseline_commit"] = "--output=x"
    assert set(codes(world.check())) == {"AUD114", "AUD902"}
    assert not (world.root / "x").exists()


def test_a_shallow_clone_could_not_be_checked(committed: Any, make_repo: Any) -> None:
    _, folder, _ = committed
    target = folder.path.parent / "shallow"
    folder.git("clone", "--quiet", "--depth=1", f"file://{folder.path}", str(target))
    report = check(target / "docs/audits/a1/gate-tracker.json")
    assert report.findings == ()
    assert codes(report) == ["AUD902"]


def test_paths_are_looked_up_at_the_revision(committed: Any) -> None:
    world, folder, _ = committed
    folder.git("tag", "whole")
    (world.root / "src/a.py").unlink()
    folder.commit()
    assert "AUD201" in codes(check(tracker_of(world), world.root))
    assert "AUD201" in codes(check(tracker_of(world), world.root, "HEAD"))
    assert codes(check(tracker_of(world), world.root, "whole")) == []


def test_what_is_not_committed_is_not_at_the_revision(committed: Any) -> None:
    world, _, _ = committed
    world.replace(world.LEDGER, "docs/guide/", "docs/new.md")
    world.files["docs/new.md"] = "x"
    assert codes(world.check()) == []
    assert codes(world.check("HEAD")) == ["AUD201"]


def test_an_empty_file_in_git_is_really_empty(committed: Any) -> None:
    world, folder, _ = committed
    world.files["src/a.py"] = ""
    world.write()
    folder.commit()
    assert codes(world.check()) == ["AUD203"]
    assert codes(world.check("HEAD")) == ["AUD203"]


def test_a_tree_of_names_only_could_not_be_checked(committed: Any) -> None:
    world, folder, _ = committed
    names = [f"src/part{number}.py" for number in range(12)]
    world.files |= dict.fromkeys([*names, "src/a.py"], "")
    world.replace(
        world.LEDGER, "`src/a.py:2`", ", ".join(f"`{name}`" for name in (*names, "src/a.py:2"))
    )
    world.write()
    folder.commit()
    assert codes(world.check("HEAD")) == ["AUD903"]
    world.files[names[0]] = "contents\n"
    world.write()
    folder.commit()
    assert codes(world.check("HEAD")) == ["AUD203"]


def test_a_revision_that_does_not_exist_is_refused(committed: Any) -> None:
    world, _, _ = committed
    for rev in ("nowhere", "--all", ""):
        with pytest.raises(Invalid, match="revision"):
            check(tracker_of(world), world.root, rev)


def test_a_revision_without_a_repository_is_refused(world: World) -> None:
    with pytest.raises(Invalid):
        world.check("HEAD")


def test_no_folder_is_refused(world: World) -> None:
    tracker = world.write()
    with pytest.raises(Invalid, match="no such folder"):
        check(tracker, world.root / "nowhere")


def test_without_a_tree_paths_could_not_be_checked(world: World, tmp_path: Path) -> None:
    for key in ("evidence_root",):
        world.tracker[key] = "nowhere/at-all"
    world.tracker["command_matrix"]["status_file"] = "nowhere/status.tsv"
    for gate in world.tracker["gates"]:
        gate["evidence"] = ["nowhere/at-all/x.md"]
    alone = tmp_path / "alone" / "gate-tracker.json"
    alone.parent.mkdir()
    alone.write_text(json.dumps(world.tracker))
    assert set(codes(check(alone))) == {"AUD310", "AUD901"}


def test_every_answer_of_the_folder_is_that_of_the_revision(committed: Any) -> None:
    from audit.check.tree import Folder, Revision
    from audit.repo import Repository

    world, _, _ = committed
    with Repository.open(world.root) as repository:
        trees = (Folder(world.root), Revision(repository, "HEAD"))
        paths = ["", "src", "src/a.py", "src/none", "docs/guide", "release_evidence/a1"]
        for ask in ("kind", "below", "read"):
            for path in paths:
                answers = [getattr(tree, ask)(path) for tree in trees]
                assert answers[0] == answers[1], (ask, path)
