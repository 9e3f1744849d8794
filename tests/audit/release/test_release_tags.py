"""A tag of a release: what may be one, what its object says, and whether it stayed where it was."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import Invalid
from audit.release import tags
from evidence.model import Subject

COMMIT = "a" * 40
OBJECT = "b" * 40
HEAD = f"object {COMMIT}\ntype commit\ntag v1.2.0\ntagger T <t@example.invalid> 1 +0000"


def parsed(head: str = HEAD, message: str = "a release\n") -> tags.Tag:
    return tags.parse("v1.2.0", OBJECT, "tag", f"{head}\n\n{message}".encode())


@pytest.mark.parametrize(
    "name",
    [
        *("v1.2.3", "1.2.3", "v0.1.0", "v1.0.0-rc.1", "v1.0.0-alpha.beta", "v1.0.0+build.5"),
        *("v1.2.0rc1", "v2026.1", "v1!2.0.post3", "v1.0.dev4", "v1.0.0-0a"),
    ],
)
def test_versions_are_tags(name: str) -> None:
    assert tags.version_of(name) == name.removeprefix("v")


@pytest.mark.parametrize(
    "name",
    [
        *("", "v", "latest", "v1.2.x", "vv1.2.3", "v01.2.3", "v1.02.3", "v1.2.3-", "v1.2.3-01"),
        *("v1.2.3 ", "v1.2.3\n", "-v1.2.3", "--help", "v1.2.3^{}", "v1.2.3~1", "v1.2.3@{1}"),
        *("../v1.2.3", "v1/2", "v1.2.3\x00", "v1.2.3-٣", "v1.0.0-" + "a" * 130, "V1.2.3"),
    ],
)
def test_what_is_no_version_is_no_release_tag(name: str) -> None:
    with pytest.raises(Invalid, match="is no tag of a release"):
        tags.version_of(name)


@given(st.text(max_size=20))
def test_a_tag_is_a_safe_file_name_or_refused(name: str) -> None:
    try:
        version = tags.version_of(name)
    except Invalid:
        return
    assert not set(version) & set('/\\:*?"<>|\n ')
    assert not version.startswith((".", "-"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.2.0", "1.2.0", True),
        ("1.2.0-rc.1", "1.2.0rc1", True),
        ("1.2.0-alpha.1", "1.2.0a1", True),
        ("1.2.0-beta.2+x", "1.2.0b2+x", True),
        ("1.2.0", "1.2.0rc1", False),
        ("1.2.0-rc.1", "1.2.0-rc.2", False),
        ("1.2.0", "1.20", False),
    ],
)
def test_both_spellings_are_one_version(one: str, other: str, same: bool) -> None:
    assert tags.same_version(one, other) is same


def test_an_annotated_tag_is_read() -> None:
    tag = parsed(message="m\n-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n")
    assert (tag.name, tag.target, tag.target_type) == ("v1.2.0", COMMIT, "commit")
    assert tag.signature == "ssh"
    assert tags.check_annotated(tag, COMMIT).result == "passed"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("-----BEGIN PGP SIGNATURE-----", "openpgp"),
        ("-----BEGIN SIGNED MESSAGE-----", "x509"),
        ("a release", ""),
    ],
)
def test_the_kind_of_a_signature_is_told(line: str, kind: str) -> None:
    assert parsed(message=f"m\n{line}\n").signature == kind


@pytest.mark.parametrize(
    "head",
    [
        "",
        HEAD.replace("object", "subject"),
        HEAD.replace("type commit\n", ""),
        HEAD + "\nobject " + "c" * 40,
        HEAD.replace("tag v1.2.0", "tag v1.2.0\ntag v1.3.0"),
        HEAD[:20],
    ],
)
def test_a_malformed_object_is_refused(head: str) -> None:
    with pytest.raises(Invalid, match="malformed"):
        parsed(head)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_tag_or_refused(data: bytes) -> None:
    with contextlib.suppress(Invalid):
        assert tags.parse("v1.2.0", OBJECT, "tag", data).raw == data


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        (tags.parse("v1.2.0", COMMIT, "commit", b"tree"), "light"),
        (parsed(HEAD.replace("tag v1.2.0", "tag v1.1.0")), "another name"),
        (parsed(HEAD.replace(COMMIT, "c" * 40)), "not straight"),
        (parsed(HEAD.replace("type commit", "type tag")), "leads to a tag"),
    ],
)
def test_a_tag_of_another_shape_fails(tag: tags.Tag, said: str) -> None:
    check = tags.check_annotated(tag, COMMIT)
    assert check.result == "failed"
    assert said in check.reason
    assert check.next_step


def test_a_tag_that_moved_fails_and_one_that_nobody_recorded_is_not_known() -> None:
    tag = parsed()
    assert tags.check_unmoved(tag, {}).result == "could_not_run"
    assert tags.check_unmoved(tag, {"CI": OBJECT}).result == "passed"
    moved = tags.check_unmoved(tag, {"CI": OBJECT, "the earlier pack": "c" * 40})
    assert moved.result == "failed"
    assert "the earlier pack" in moved.reason
    assert "CI" not in moved.reason


def test_the_version_of_the_package_must_be_the_tag_s() -> None:
    tag = parsed()
    assert tags.check_version(tag, "1.2.0", "pyproject.toml").result == "passed"
    assert tags.check_version(tag, "1.2.1", "pyproject.toml").result == "failed"
    assert tags.check_version(tag, "", "").result == "could_not_run"


def test_another_commit_was_audited() -> None:
    clean = Subject(COMMIT, "", "", "", "main", (), ())
    assert tags.check_subject(COMMIT, clean).result == "passed"
    assert tags.check_subject("c" * 40, clean).result == "failed"
    dirty = tags.check_subject(COMMIT, replace(clean, dirty=("a.py",)))
    assert (dirty.result, "a.py" in dirty.reason) == ("failed", True)
