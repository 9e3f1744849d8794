"""What is read at a tag, and who signed it, in real repositories with real keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from audit.errors import Invalid
from audit.release import material, sbom
from audit.release.checks import Check, all_passed, failed
from audit.release.material import Wanted
from audit.repo import Repository
from tests.audit.release.release_kit import MANIFEST, NOTES, TAG, Project


def examined(project: Project, **wishes: object) -> dict[str, Check]:
    """Return the checks of the toy's tag by name; the signer's key is allowed."""
    given: dict[str, object] = {"tag": TAG, "allowed_signers": project.signers, **wishes}
    with Repository.open(project.path) as repository:
        release = material.read(repository, Wanted(**given))  # type: ignore[arg-type]
        return {check.name: check for check in material.examine(repository, release)}


def test_a_release_as_it_should_be_passes_every_check(project: Project) -> None:
    project.commit()
    tag = project.tag()
    checks = examined(project, tag_objects={"CI": tag})
    assert all_passed(checks.values()), checks
    assert "tester@example.invalid" in checks["signature"].reason


def test_what_counts_is_the_tag_s_commit_and_not_the_working_tree(project: Project) -> None:
    project.commit({"CHANGELOG.md": None})
    tag = project.tag()
    project.commit()
    checks = examined(project, tag_objects={"CI": tag})
    assert [check.name for check in failed(checks.values())] == ["changelog"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"pyproject.toml": MANIFEST.replace("1.2.0", "1.2.1")}, "version"),
        ({f"docs/releases/{TAG}.md": None}, "release_notes"),
        ({f"docs/releases/{TAG}.md": NOTES + "TBD\n"}, "release_notes"),
        ({"CHANGELOG.md": "# Changelog\n"}, "changelog"),
        ({"requirements/base.txt": None}, "locks"),
        ({"requirements/base.txt": "# nothing\n"}, "locks"),
    ],
)
def test_what_is_missing_at_the_tag_fails_alone(
    project: Project, changes: Mapping[str, str | None], name: str
) -> None:
    project.commit(dict(changes))
    tag = project.tag()
    checks = examined(project, tag_objects={"CI": tag})
    assert [check.name for check in failed(checks.values())] == [name]
    assert checks[name].next_step


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"pyproject.toml": "[project\n"}, "pyproject.toml"),
        ({"pyproject.toml": 'project = "x"\n'}, "pyproject.toml"),
        ({"pyproject.toml": None, "package.json": "[" * 100_000}, "package.json"),
        ({"requirements/base.txt": "click\n"}, "requirements/base.txt"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    project: Project, changes: Mapping[str, str | None], place: str
) -> None:
    project.commit(dict(changes))
    project.tag()
    with pytest.raises(Invalid) as refused:
        examined(project)
    assert refused.value.place == place


def test_text_that_is_not_utf8_and_links_are_not_followed(project: Project) -> None:
    project.repo.write("CHANGELOG.md", b"\xff\xfe")
    project.commit({"CHANGELOG.md": None})
    (project.path / "CHANGELOG.md").symlink_to("/etc/hostname")
    project.repo.commit()
    project.tag()
    assert "there is no CHANGELOG.md" in examined(project)["changelog"].reason
    (project.path / "CHANGELOG.md").unlink()
    project.repo.write("CHANGELOG.md", b"\xff\xfe")
    project.repo.commit()
    project.tag("v1.3.0")
    with pytest.raises(Invalid, match="is not UTF-8"):
        examined(project, tag="v1.3.0")


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"pyproject.toml": '[project]\nname = "a"\nversion = "2"\n'}, "2"),
        (
            {
                "pyproject.toml": '[project]\nname = "a"\ndynamic = ["version"]\n'
                '[tool.hatch.version]\npath = "a/__init__.py"\n',
                "a/__init__.py": '__version__ = "3.1"\n',
            },
            "3.1",
        ),
        ({"pyproject.toml": '[tool.poetry]\nname = "a"\nversion = "4"\n'}, "4"),
        ({"pyproject.toml": None, "Cargo.toml": '[package]\nname = "a"\nversion = "5"\n'}, "5"),
        (
            {
                "pyproject.toml": "[tool.x]\n",
                "Cargo.toml": '[workspace.package]\nversion = "6"\n',
            },
            "6",
        ),
        ({"pyproject.toml": None, "package.json": '{"name": "a", "version": "7"}'}, "7"),
        ({"pyproject.toml": None}, ""),
    ],
)
def test_versions_are_found_where_projects_declare_them(
    project: Project, files: Mapping[str, str | None], version: str
) -> None:
    project.commit(dict(files))
    project.tag()
    with Repository.open(project.path) as repository:
        release = material.read(repository, Wanted(TAG))
    assert release.declared[1] == version


def test_bills_do_not_depend_on_the_folder(project: Project, tmp_path: Path) -> None:
    project.commit({"pyproject.toml": None})
    project.tag()
    clone = tmp_path / "a clone of another name"
    project.repo.git("clone", "--quiet", str(project.path), str(clone))
    bills = []
    for path in (project.path, clone):
        with Repository.open(path) as repository:
            bills.append(material.read(repository, Wanted(TAG)).bills)
    assert bills[0] == bills[1]
    assert bills[0].keys() == {sbom.CYCLONEDX, sbom.SPDX}


# --- the tag itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v9.9.9", "v1.2"])
def test_a_tag_that_is_not_there_is_refused(project: Project, name: str) -> None:
    project.commit()
    with pytest.raises(Invalid, match="there is no such tag"):
        examined(project, tag=name)


def test_a_branch_of_that_name_is_no_tag(project: Project) -> None:
    project.commit()
    project.repo.git("branch", TAG)
    with pytest.raises(Invalid, match="there is no such tag"):
        examined(project)


def test_a_light_tag_fails(project: Project) -> None:
    project.commit()
    project.repo.git("tag", TAG)
    checks = examined(project)
    assert {check.name for check in failed(checks.values())} == {"annotated", "signature"}


def test_a_tag_of_a_tag_and_a_tag_under_another_name_fail(project: Project) -> None:
    project.commit()
    project.tag("v1.1.9")
    project.tag(TAG, "v1.1.9")
    assert examined(project)["annotated"].result == "failed"
    project.repo.git("update-ref", "refs/tags/v1.2.1", "refs/tags/v1.1.9")
    checks = examined(project, tag="v1.2.1")
    assert "another name name=`v1.1.9`" in checks["annotated"].reason
    assert checks["signature"].result == "passed"


def test_a_tag_of_a_tree_is_no_release(project: Project) -> None:
    project.commit()
    project.repo.git("tag", "-a", TAG, "-m", "m", "HEAD^{tree}")
    with pytest.raises(Invalid, match="there is no such tag"):
        examined(project)


def test_a_tag_that_moved_fails(project: Project) -> None:
    project.commit()
    before = project.tag()
    project.commit({"README.md": "changed\n"})
    project.tag(TAG, "--force")
    checks = examined(project, tag_objects={"the earlier pack": before})
    assert [check.name for check in failed(checks.values())] == ["unmoved"]


# --- signatures -----------------------------------------------------------------------------------


def test_an_unsigned_tag_fails(project: Project) -> None:
    project.commit()
    project.repo.git("tag", "-a", TAG, "-m", "m")
    assert examined(project)["signature"].reason == "the tag is not signed"


def test_a_key_that_nobody_allowed_fails(project: Project) -> None:
    project.commit()
    project.tag(key=project.new_key("stranger"))
    check = examined(project)["signature"]
    assert check.result == "failed"
    assert "not among the allowed signers" in check.reason


@pytest.mark.parametrize("options", ['valid-before="20200101"', 'namespaces="file"'])
def test_a_key_that_is_not_allowed_for_this_fails(project: Project, options: str) -> None:
    project.allow(project.key, options)
    project.commit()
    project.tag()
    assert examined(project)["signature"].result == "failed"


def test_a_signature_over_something_else_fails(project: Project) -> None:
    project.commit()
    project.tag()
    raw = project.repo.git("cat-file", "tag", TAG)
    forged = raw.replace("tagger Tester", "tagger Forger") + "\n"
    assert forged != raw + "\n"
    words = ("hash-object", "-t", "tag", "-w", "--stdin")
    made = project.repo.git(*words, data=forged.encode())
    project.repo.git("update-ref", f"refs/tags/{TAG}", made)
    check = examined(project)["signature"]
    assert check.result == "failed"


def test_without_allowed_signers_it_is_not_known(project: Project) -> None:
    project.commit()
    project.tag()
    check = examined(project, allowed_signers=None)["signature"]
    assert check.result == "could_not_run"
    assert "--allowed-signers" in check.next_step


@pytest.mark.parametrize("text", ["", "\x00\xff", "tester ssh-ed25519 !!!\n", "*\n"])
def test_a_damaged_file_of_signers_allows_nobody(project: Project, text: str) -> None:
    project.commit()
    project.tag()
    project.signers.write_text(text, "utf-8")
    assert examined(project)["signature"].result == "failed"


def test_without_the_program_it_is_not_known(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.commit()
    project.tag()
    with Repository.open(project.path) as repository:
        tag = material.read(repository, Wanted(TAG)).tag
        monkeypatch.setenv("PATH", str(project.keys))
        check = material.signature(repository, tag, project.signers)
    assert check.result == "could_not_run"
    assert "ssh-keygen" in check.reason


def test_the_settings_of_the_repository_name_no_program_and_no_signer(
    project: Project, tmp_path: Path
) -> None:
    project.commit()
    stranger = project.new_key("stranger")
    project.tag(key=stranger)
    mark = tmp_path / "was run"
    liar = tmp_path / "liar"
    liar.write_text(
        f"#!/bin/sh\ntouch '{mark}'\necho 'Good \"git\" signature for me with K key k'\n"
    )
    liar.chmod(0o755)
    generous = tmp_path / "generous"
    generous.write_text(f"* {stranger.with_suffix('.pub').read_text('utf-8')}")
    for key in ("gpg.program", "gpg.openpgp.program", "gpg.ssh.program", "gpg.x509.program"):
        project.repo.git("config", key, str(liar))
    project.repo.git("config", "gpg.ssh.allowedSignersFile", str(generous))
    assert examined(project)["signature"].result == "failed"
    assert not mark.exists()
