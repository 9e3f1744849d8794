"""Small evaluators of the clouds' policies, made for what ours say: anything else is an error.

They read the documents, not the code that made them. What a real cloud does is theirs to say; this
follows their documentation, and the smoke suite of `tests/conformance` a server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from arco.core.iam import Cloud, Environment, documents
from arco.core.keys import Role, Verb, Workspace

ACCOUNT_ID = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/lakes"
ACCOUNTS = {
    Cloud.AWS: "",
    Cloud.GCS: "acme-lakes",
    Cloud.AZURE: f"{ACCOUNT_ID}/providers/Microsoft.Storage/storageAccounts/acmelakes",
}
BUCKET = "acme-lake"

READS = (Verb.GET, Verb.HEAD, Verb.SIGN)
READING = dict.fromkeys(READS, frozenset(READS))
"""To read, to ask and to sign for reading are one right everywhere."""
WRITING = frozenset({Verb.CREATE, Verb.UPDATE, Verb.REPLACE})
ADMITS: dict[Cloud, dict[Verb, frozenset[Verb]]] = {
    Cloud.AWS: READING | {Verb.REPLACE: WRITING},
    Cloud.GCS: READING | dict.fromkeys((Verb.UPDATE, Verb.REPLACE), WRITING | {Verb.DELETE}),
    Cloud.AZURE: READING | dict.fromkeys((Verb.UPDATE, Verb.REPLACE), WRITING),
}
"""What a cloud admits to whoever was granted a verb, where that is more than the verb.

Only AWS can ask for a precondition. On Google Cloud, who may write over may delete.
"""

Allows = Callable[[Role, Verb, str], bool]
"""Says whether a role may do something to a whole path, or list what begins with it."""


def environment(cloud: Cloud, workspace: Workspace, folder: str = "") -> Environment:
    """Return an environment of a workspace that the cloud takes."""
    return Environment("prod", workspace, BUCKET, ACCOUNTS[cloud], folder)


def evaluator(cloud: Cloud, place: Environment) -> Allows:
    """Return what the documents of an environment allow."""
    made = {
        name: json.loads(text)
        for name, text in documents(cloud, place).items()
        if not name.endswith(".tf.json")
    }
    return {Cloud.AWS: _aws, Cloud.GCS: _gcs, Cloud.AZURE: _azure}[cloud](made, place)


# --- AWS ----------------------------------------------------------------------------------------

AWS_REQUESTS: dict[Verb, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(READS, ("s3:GetObject", ())),
    Verb.CREATE: ("s3:PutObject", ("s3:if-none-match",)),
    Verb.UPDATE: ("s3:PutObject", ("s3:if-match",)),
    Verb.REPLACE: ("s3:PutObject", ()),
    Verb.DELETE: ("s3:DeleteObject", ()),
    Verb.LIST: ("s3:ListBucket", ("s3:prefix",)),
}


def globbed(pattern: str, word: str) -> bool:
    """Say whether a word matches a pattern in which a star stands for anything."""
    assert not set(pattern) & set("?[$"), pattern
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), word, re.DOTALL) is not None


def _aws(made: dict[str, Any], place: Environment) -> Allows:
    statements: dict[Role, list[dict[str, Any]]] = {role: [] for role in Role}
    for name, policy in made.items():
        assert set(policy) == {"Version", "Statement"}
        assert policy["Version"] == "2012-10-17"
        statements[Role(name.removesuffix(".policy.json").rpartition("-")[0])] += policy[
            "Statement"
        ]

    def allows(role: Role, verb: Verb, path: str) -> bool:
        action, headers = AWS_REQUESTS[verb]
        bucket = f"arn:aws:s3:::{place.bucket}"
        resource = bucket if verb is Verb.LIST else f"{bucket}/{path}"
        context = dict.fromkeys(headers, path)
        hits = [s["Effect"] for s in statements[role] if _applies(s, action, resource, context)]
        return "Allow" in hits and "Deny" not in hits

    return allows


def _applies(
    statement: dict[str, Any], action: str, resource: str, context: dict[str, str]
) -> bool:
    assert set(statement) - {"Condition"} == {"Sid", "Effect", "Action", "Resource"}
    if statement["Action"] != action:
        return False
    conditions = statement.get("Condition", {})
    return any(globbed(arn, resource) for arn in statement["Resource"]) and all(
        _holds(operator, key, value, context)
        for operator, keys in conditions.items()
        for key, value in keys.items()
    )


def _holds(operator: str, key: str, value: Any, context: dict[str, str]) -> bool:
    if operator == "Null":
        assert value in ("true", "false")
        return (key not in context) is (value == "true")
    assert operator == "StringLike"
    return key in context and any(globbed(pattern, context[key]) for pattern in value)


# --- conditions in words ------------------------------------------------------------------------


def decide(text: str, atoms: dict[str, Callable[..., bool]], words: dict[str, str]) -> bool:
    """Evaluate a condition made of atoms (patterns with groups), brackets and logical words."""
    for pattern, holds in atoms.items():
        text = re.sub(pattern, lambda found, holds=holds: f" {holds(*found.groups())} ", text)  # type: ignore[misc]
    for word, python in words.items():
        text = text.replace(word, f" {python} ")
    assert re.fullmatch(r"(True|False|and|or|not|[()]|\s)+", text), text
    return bool(eval(text.strip()))


# --- Google Cloud -------------------------------------------------------------------------------

GCS_PERMISSIONS: dict[Verb, frozenset[str]] = {
    **dict.fromkeys(READS, frozenset({"storage.objects.get"})),
    Verb.CREATE: frozenset({"storage.objects.create"}),
    **dict.fromkeys(
        (Verb.UPDATE, Verb.REPLACE), frozenset({"storage.objects.create", "storage.objects.delete"})
    ),
    Verb.DELETE: frozenset({"storage.objects.delete"}),
    Verb.LIST: frozenset({"storage.objects.list"}),
}


def _gcs(made: dict[str, Any], place: Environment) -> Allows:
    customs = {
        f"projects/{place.account}/roles/arco_prod_{name.removesuffix('.role.json')}": set(
            custom["includedPermissions"]
        )
        for name, custom in made.items()
        if name.endswith(".role.json")
    }

    def allows(role: Role, verb: Verb, path: str) -> bool:
        bucket = f"projects/_/buckets/{place.bucket}"
        name = bucket if verb is Verb.LIST else f"{bucket}/objects/{path}"
        prefix = path if verb is Verb.LIST else ""
        held: set[str] = set()
        for binding in made[f"{role}.bindings.json"]:
            if gcs_holds(binding["condition"]["expression"], name, prefix):
                held |= customs[binding["role"]]
        return held >= GCS_PERMISSIONS[verb]

    return allows


def gcs_holds(expression: str, name: str, prefix: str) -> bool:
    """Evaluate a condition for a resource's name and the prefix of a listing."""
    quoted = r'"([^"]*)"'
    asked = r'api\.getAttribute\("storage\.googleapis\.com/objectListPrefix", ""\)'
    atoms: dict[str, Callable[..., bool]] = {
        rf"resource\.name\.startsWith\({quoted}\)": name.startswith,
        rf"resource\.name\.endsWith\({quoted}\)": name.endswith,
        rf"resource\.name == {quoted}": name.__eq__,
        rf"resource\.name != {quoted}": name.__ne__,
        rf"{asked}\.startsWith\({quoted}\)": prefix.startswith,
    }
    return decide(expression, atoms, {"&&": "and", "||": "or"})


# --- Azure --------------------------------------------------------------------------------------

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
AZURE_ACTIONS: dict[Verb, tuple[str, ...]] = {
    **dict.fromkeys((*READS, Verb.LIST), ("read",)),
    Verb.CREATE: ("add/action", "write"),
    Verb.UPDATE: ("write",),
    Verb.REPLACE: ("write",),
    Verb.DELETE: ("delete",),
}
"""Any of them is enough."""


def _azure(made: dict[str, Any], place: Environment) -> Allows:
    scope = f"{place.account}/blobServices/default/containers/{place.bucket}"

    def allows(role: Role, verb: Verb, path: str) -> bool:
        for half in ("reads", "lists", "writes"):
            definition = made.get(f"{role}-{half}.role.json")
            if definition is None:
                continue
            assert definition["Actions"] == definition["NotDataActions"] == []
            assignment = made[f"{role}-{half}.assignment.json"]
            assert assignment["scope"] == scope
            for action in (f"{BLOBS}/{word}" for word in AZURE_ACTIONS[verb]):
                held = action in definition["DataActions"]
                if held and azure_holds(
                    assignment["condition"], action, path, listing=verb is Verb.LIST
                ):
                    return True
        return False

    return allows


def azure_holds(condition: str, action: str, path: str, *, listing: bool) -> bool:
    """Evaluate a condition for an action on a path, or for a listing of a prefix."""

    def any_like(values: str) -> bool:
        return any(globbed(value, path) for value in re.findall("'([^']*)'", values))

    def none_equal(values: str) -> bool:
        return path not in re.findall("'([^']*)'", values)

    atoms: dict[str, Callable[..., bool]] = {
        r"ActionMatches\{'([^']*)'\}": action.__eq__,
        r"SubOperationMatches\{'Blob\.List'\}": lambda: listing,
        rf"@Resource\[{BLOBS}:path\] ForAnyOfAnyValues:StringLike \{{([^}}]*)\}}": (
            lambda values: not listing and any_like(values)
        ),
        r"@\w+\[[^]]*\] StringEquals '([^']*)'": path.__eq__,
        r"@\w+\[[^]]*\] StringNotEquals '([^']*)'": path.__ne__,
        rf"@Resource\[{BLOBS}:path\] ForAllOfAllValues:StringNotEquals \{{([^}}]*)\}}": none_equal,
        rf"@Request\[{BLOBS}:prefix\] ForAnyOfAnyValues:StringLike \{{([^}}]*)\}}": (
            lambda values: listing and any_like(values)
        ),
    }
    words = {"AND": "and", "OR": "or", "NOT": "not", "!": "not"}
    return decide(condition, atoms, words)
