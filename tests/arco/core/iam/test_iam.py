"""Cloud policies allow exactly what the keys grant, in one workspace, within the clouds' quotas."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arco.core import keys
from arco.core.errors import Invalid
from arco.core.iam import Cloud, Environment, aws, azure, documents, gcs
from arco.core.iam.reach import Reach, Span
from arco.core.keys import FAMILIES, DomainName, Key, Role, Verb
from tests.arco.core.iam.clouds_kit import (
    ACCOUNTS,
    ADMITS,
    BUCKET,
    Allows,
    environment,
    evaluator,
)
from tests.arco.keys_kit import SAMPLES, any_key

WORKSPACE = keys.Workspace("acme", "prod")
OBJECT_VERBS = [verb for verb in Verb if verb is not Verb.LIST]
clouds = st.sampled_from(Cloud)
roles = st.sampled_from(Role)


@cache
def allows(cloud: Cloud) -> Allows:
    """Return what the documents of the workspace allow."""
    return evaluator(cloud, environment(cloud, WORKSPACE))


def expected(cloud: Cloud, role: Role, verb: Verb, kind: type[Key]) -> bool:
    """Say what the grants of a family say, as far as the cloud can tell verbs apart."""
    return any(
        verb in ADMITS[cloud].get(granted, frozenset({granted}))
        for granted in Verb
        if kind.FAMILY.may(role, granted)
    )


# --- exactly the grants -------------------------------------------------------------------------


@given(clouds, roles, st.sampled_from(OBJECT_VERBS), any_key())
def test_a_role_may_do_what_the_key_grants_and_nothing_else(
    cloud: Cloud, role: Role, verb: Verb, key: Key
) -> None:
    path = WORKSPACE.locate(key)
    assert allows(cloud)(role, verb, path) == expected(cloud, role, verb, type(key))


@pytest.mark.parametrize("cloud", Cloud)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("verb", OBJECT_VERBS)
def test_every_family_is_tried(cloud: Cloud, role: Role, verb: Verb) -> None:
    found = {k for k, key in SAMPLES.items() if allows(cloud)(role, verb, WORKSPACE.locate(key))}
    assert found == {kind for kind in FAMILIES if expected(cloud, role, verb, kind)}


@pytest.mark.parametrize("cloud", Cloud)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_listing_is_allowed_below_the_prefixes_of_granted_families(
    cloud: Cloud, role: Role, kind: type[Key]
) -> None:
    mine = [k.prefix() for k in FAMILIES if k.FAMILY.may(role, Verb.LIST)]
    path = SAMPLES[kind].path
    for end in range(len(path) + 1):
        granted = any(path[:end].startswith(prefix) for prefix in mine)
        assert allows(cloud)(role, Verb.LIST, WORKSPACE.prefix + path[:end]) == granted
    assert not allows(cloud)(role, Verb.LIST, "")


@given(clouds, roles, st.sampled_from(Verb), st.text(max_size=40), any_key())
def test_nothing_outside_the_workspace_is_allowed(
    cloud: Cloud, role: Role, verb: Verb, word: str, key: Key
) -> None:
    inside = WORKSPACE.prefix
    for path in (word, word + inside[1:] + key.path, inside[:-1] + word + key.path, key.path):
        if not path.startswith(inside):
            assert not allows(cloud)(role, verb, path), path


@pytest.mark.parametrize("cloud", Cloud)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "other",
    [
        *(keys.Workspace("acme", "prod2"), keys.Workspace("acme", "pro")),
        *(keys.Workspace("acme2", "prod"), keys.Workspace("prod", "acme")),
        *(keys.Workspace("acme", "prod_"), keys.Workspace("acme-", "prod")),
    ],
)
def test_nothing_of_a_workspace_of_a_like_name_is_allowed(
    cloud: Cloud, role: Role, other: keys.Workspace
) -> None:
    for key in SAMPLES.values():
        for verb in Verb:
            assert not allows(cloud)(role, verb, other.locate(key))


@given(clouds, roles, st.sampled_from(Verb), st.text("acdelgst/.*?%=-_", max_size=30))
def test_what_is_allowed_lies_in_a_folder_of_a_granted_family(
    cloud: Cloud, role: Role, verb: Verb, word: str
) -> None:
    folders = {
        kind.FAMILY.literal.partition("/")[0] + "/"
        for kind in FAMILIES
        if verb is Verb.LIST or expected(cloud, role, verb, kind)
    }
    for inside in (word, f"ledger/{word}.segment.json", f"state/{word}.parquet"):
        if allows(cloud)(role, verb, WORKSPACE.prefix + inside):
            assert any(inside.startswith(folder) for folder in folders)


@pytest.mark.parametrize("cloud", Cloud)
def test_the_api_can_write_neither_state_nor_manifests(cloud: Cloud) -> None:
    for kind in (keys.DeltaKey, keys.BaseKey, keys.DomainManifestKey, keys.RootManifestKey):
        for verb in (Verb.CREATE, Verb.UPDATE, Verb.REPLACE, Verb.DELETE):
            assert not allows(cloud)(Role.API, verb, WORKSPACE.locate(SAMPLES[kind]))
    bypass = f"{WORKSPACE.prefix}state/ledger/catalog/2016-07-30/x.segment.json"
    assert not allows(cloud)(Role.API, Verb.CREATE, bypass)


@pytest.mark.parametrize("cloud", Cloud)
def test_the_fast_path_can_list_nothing(cloud: Cloud) -> None:
    for path in ("", WORKSPACE.prefix, *(WORKSPACE.locate(key) for key in SAMPLES.values())):
        for end in range(len(path) + 1):
            assert not allows(cloud)(Role.COMPACTOR, Verb.LIST, path[:end])


@pytest.mark.parametrize("cloud", Cloud)
def test_nobody_can_write_over_a_manifest_or_an_artifact(cloud: Cloud) -> None:
    for kind in (keys.DomainManifestKey, keys.DeltaKey, keys.LedgerKey, keys.FloorKey):
        for role in Role:
            for verb in (Verb.UPDATE, Verb.REPLACE):
                assert not allows(cloud)(role, verb, WORKSPACE.locate(SAMPLES[kind]))


@pytest.mark.parametrize("cloud", Cloud)
def test_a_folder_in_the_bucket_comes_before_the_workspace(cloud: Cloud) -> None:
    inside = evaluator(cloud, environment(cloud, WORKSPACE, "lakes/eu"))
    path = WORKSPACE.locate(SAMPLES[keys.LedgerKey])
    for verb in (Verb.CREATE, Verb.GET):
        assert inside(Role.API, verb, f"lakes/eu/{path}")
        for elsewhere in (path, f"lakes/{path}", f"eu/{path}", f"lakes/eu2/{path}"):
            assert not inside(Role.API, verb, elsewhere)
    asked = f"{WORKSPACE.prefix}ledger/"
    assert inside(Role.ANTI_ENTROPY, Verb.LIST, f"lakes/eu/{asked}")
    assert not inside(Role.ANTI_ENTROPY, Verb.LIST, asked)


# --- spans --------------------------------------------------------------------------------------

words = st.text("ab/", max_size=6)
spans = st.builds(Span, words, words)


@given(spans, spans, words)
def test_spans_that_share_a_path_meet(one: Span, other: Span, path: str) -> None:
    if one.covers(path) and other.covers(path):
        assert one.meets(other)
    assert one.meets(other) == other.meets(one)
    assert one.covers(path) == bool(re.fullmatch(one.glob.replace("*", "[ab/]*"), path))


def test_a_name_within_a_span_can_be_left_out() -> None:
    whole = Reach((Span("a/", ".x"), Span("b/", ".x")), ("a/0.x", "b/0.x"))
    assert whole.part(whole.spans[:1]) == Reach(whole.spans[:1], ("a/0.x",))


# --- names and quotas ---------------------------------------------------------------------------


def longest(cloud: Cloud) -> Environment:
    """Return an environment whose names are as long as they may be."""
    workspace = keys.Workspace("t" * 64, "w" * 64)
    group = f"/subscriptions/{'0' * 36}/resourceGroups/{'g' * 90}"
    accounts = {
        Cloud.AWS: "",
        Cloud.GCS: "p" * 30,
        Cloud.AZURE: f"{group}/providers/Microsoft.Storage/storageAccounts/{'a' * 24}",
    }
    return Environment("e" * 20, workspace, "b" * 63, accounts[cloud], "f" * 64)


@pytest.mark.parametrize("role", Role)
def test_policies_for_aws_are_within_the_quota_whatever_the_names(role: Role) -> None:
    made = aws.policies(role, longest(Cloud.AWS))
    assert 1 <= len(made) <= 10
    for policy in made:
        assert len(re.sub(r"\s", "", json.dumps(policy))) <= 6_144
        assert re.fullmatch(r"(\w+ ?)+", " ".join(s["Sid"] for s in policy["Statement"]))


@pytest.mark.parametrize("role", Role)
def test_conditions_for_gcs_are_within_the_quotas_whatever_the_names(role: Role) -> None:
    made = list(gcs.bindings(role, longest(Cloud.GCS)))
    for right in gcs.RIGHTS:
        assert sum(1 for found, _ in made if found == right) <= 20
    for _, binding in made:
        expression = binding["condition"]["expression"]
        assert len(re.findall(r"&&|\|\||!(?!=)", expression)) <= 12
        assert len(binding["condition"]["title"]) <= 100
    assert all(len(gcs.role_id(longest(Cloud.GCS), right)) <= 64 for right in gcs.RIGHTS)


def test_conditions_for_azure_are_within_the_quota_whatever_the_names() -> None:
    made = list(azure.assignments(longest(Cloud.AZURE)))
    assert {role for role, *_ in made} == set(Role)
    assert all(len(condition) <= 8_192 for *_, condition in made)


HOSTILE_FOLDERS = (
    *("/", "a/", "/a", "a//b", "..", "a/../b", ".", "*", "a*", "a?", "${x}", 'a"', "a'"),
    "f" * 65,
)


@pytest.mark.parametrize(
    ("cloud", "changed", "named"),
    [
        (Cloud.AWS, {"name": "Prod"}, "environment=`Prod`"),
        (Cloud.AWS, {"name": ""}, "environment"),
        (Cloud.AWS, {"bucket": "lake/*"}, "bucket"),
        (Cloud.AWS, {"bucket": "*"}, "bucket"),
        (Cloud.AWS, {"account": "acme"}, "account"),
        (Cloud.GCS, {"account": ""}, "account"),
        (Cloud.GCS, {"account": 'x" || true || "'}, "account"),
        (Cloud.GCS, {"bucket": 'x") || true'}, "bucket"),
        (Cloud.AZURE, {"bucket": "a--b"}, "bucket"),
        (Cloud.AZURE, {"bucket": "x'} OR"}, "bucket"),
        (Cloud.AZURE, {"account": "acmelakes"}, "account"),
        (Cloud.AZURE, {"bucket": "lake\n"}, "bucket"),
        *((cloud, {"folder": word}, "folder") for cloud in Cloud for word in HOSTILE_FOLDERS),
    ],
)
def test_a_name_that_a_cloud_does_not_take_is_refused(
    cloud: Cloud, changed: dict[str, str], named: str
) -> None:
    values = {"name": "prod", "bucket": BUCKET, "account": ACCOUNTS[cloud], **changed}
    with pytest.raises(Invalid, match=re.escape(named)) as refused:
        documents(cloud, Environment(workspace=WORKSPACE, **values))
    assert refused.value.next_step


# --- the documents ------------------------------------------------------------------------------


@pytest.mark.parametrize("cloud", Cloud)
def test_documents_are_files_of_json_with_safe_names_the_same_every_time(cloud: Cloud) -> None:
    made = documents(cloud, environment(cloud, WORKSPACE))
    assert made == documents(cloud, environment(cloud, WORKSPACE))
    for name, text in made.items():
        assert re.fullmatch(r"[a-z0-9-]+\.[a-z]+\.json", name)
        assert json.loads(text)
        assert text.endswith("}\n") or text.endswith("]\n")
    assert all(any(name.startswith(role) for name in made) for role in Role)


@pytest.mark.parametrize("cloud", Cloud)
def test_no_star_stands_before_the_whole_name_of_the_workspace(cloud: Cloud) -> None:
    for text in documents(cloud, environment(cloud, WORKSPACE)).values():
        for word in re.findall(r"[^\s\"'\\]*\*[^\s\"'\\]*", text):
            assert WORKSPACE.prefix in word.partition("*")[0], word


@pytest.mark.parametrize("cloud", Cloud)
def test_terraform_holds_what_the_other_documents_hold(cloud: Cloud) -> None:
    made = documents(cloud, environment(cloud, WORKSPACE))
    whole = json.loads(made.pop("arco-iam.tf.json"))
    assert set(whole) == {"variable", "resource"}
    assert set(whole["variable"]) == {"principals"}
    said = {role: f'${{var.principals["{role}"]}}' for role in Role}
    expressions = set(re.findall(r"\$\{[^}]*\}", "\n".join(_strings(whole))))
    assert set(said.values()) <= expressions
    names = {f"{kind}.{name}" for kind, found in whole["resource"].items() for name in found}
    for expression in expressions - set(said.values()):
        assert expression[2:].rpartition(".")[0] in names, expression
    carried = {word for text in made.values() for word in _strings(json.loads(text))}
    if cloud is Cloud.AWS:
        policies = whole["resource"]["aws_iam_policy"].values()
        inside = [json.loads(policy["policy"]) for policy in policies]
        assert sorted(map(str, inside)) == sorted(str(json.loads(t)) for t in made.values())
    else:
        conditions = {w for w in carried if "startsWith" in w or "ActionMatches" in w}
        assert conditions <= set(_strings(whole))


def _strings(value: Any) -> list[str]:
    """Return every string within a JSON document."""
    if isinstance(value, dict):
        return [word for inner in value.values() for word in _strings(inner)]
    if isinstance(value, list):
        return [word for inner in value for word in _strings(inner)]
    return [value] if isinstance(value, str) else []


def test_the_policy_of_the_anti_entropy_scan_as_it_is_handed_to_aws() -> None:
    made = documents(Cloud.AWS, environment(Cloud.AWS, WORKSPACE))
    statements = {s["Sid"]: s for s in json.loads(made["anti-entropy-1.policy.json"])["Statement"]}
    below = "arn:aws:s3:::acme-lake/tenant=acme/workspace=prod"
    assert set(statements) == {"Read", "Create", "Replace", "List"}
    assert statements["Create"] == {
        "Sid": "Create",
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Condition": {"Null": {"s3:if-none-match": "false"}},
        "Resource": [f"{below}/cursors/*.cursor.json"],
    }
    assert statements["List"] == {
        "Sid": "List",
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Condition": {"StringLike": {"s3:prefix": ["tenant=acme/workspace=prod/ledger/*"]}},
        "Resource": ["arn:aws:s3:::acme-lake"],
    }


def test_the_closed_set_of_domains_is_spelled_out_where_it_keeps_families_apart() -> None:
    made = documents(Cloud.AWS, environment(Cloud.AWS, WORKSPACE))
    for name in DomainName:
        assert f"/manifests/{name}/*.manifest.json" in made["compactor-1.policy.json"]
    assert "/manifests/*" not in "".join(
        text for name, text in made.items() if "collector" not in name and "tf" not in name
    )
