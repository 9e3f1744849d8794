"""Policies for Amazon S3: one set of managed policies per role, and Terraform that attaches them.

A create must send `If-None-Match` and a swap `If-Match`, or S3 refuses it; so a role that creates
manifests cannot write over one. Uploads in parts carry no such header until they end and are
refused. Who uses a key of their own to encrypt the bucket grants its use besides. Sources:
docs.aws.amazon.com, "Enforce conditional writes on Amazon S3 buckets", "IAM and AWS STS quotas".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from arco.core.iam.environment import Environment, principal, symbol, terraform, text
from arco.core.iam.reach import listed, reach
from arco.core.keys import Role, Verb

POLICY_CHARACTERS_MAX = 6_144
"""Of one managed policy; white space does not count."""
VERSION = "2012-10-17"


class Rule(NamedTuple):
    """A statement that is still without its resources."""

    sid: str
    action: str
    verbs: tuple[Verb, ...]
    condition: dict[str, dict[str, str]] | None = None


RULES = (
    Rule("Read", "s3:GetObject", (Verb.GET, Verb.HEAD, Verb.SIGN)),
    Rule("Create", "s3:PutObject", (Verb.CREATE,), {"Null": {"s3:if-none-match": "false"}}),
    Rule("Swap", "s3:PutObject", (Verb.UPDATE,), {"Null": {"s3:if-match": "false"}}),
    Rule("Replace", "s3:PutObject", (Verb.REPLACE,)),
    Rule("Delete", "s3:DeleteObject", (Verb.DELETE,)),
)
"""`Null` with `false` means that the request has the header."""


def documents(environment: Environment) -> dict[str, str]:
    """Return `{role}-{n}.policy.json` for each role, and the Terraform that attaches them."""
    made: dict[str, str] = {}
    resources: dict[str, Any] = {"aws_iam_policy": {}, "aws_iam_role_policy_attachment": {}}
    for role in Role:
        for number, policy in enumerate(policies(role, environment), 1):
            name = symbol(role, str(number))
            made[f"{role}-{number}.policy.json"] = text(policy)
            resources["aws_iam_policy"][name] = {
                "name": environment.label(role, str(number)),
                "policy": compact(policy),
            }
            resources["aws_iam_role_policy_attachment"][name] = {
                "role": principal(role),
                "policy_arn": f"${{aws_iam_policy.{name}.arn}}",
            }
    return made | {"arco-iam.tf.json": terraform(resources)}


def policies(role: Role, environment: Environment) -> list[dict[str, Any]]:
    """Return the policy documents of a role: as few as their largest size allows."""
    made: list[dict[str, Any]] = []
    kept: list[tuple[dict[str, Any], str]] = []
    for piece in _pieces(role, environment):
        if len(compact(_policy([*kept, piece]))) > POLICY_CHARACTERS_MAX:
            made.append(_policy(kept))
            kept = []
        kept.append(piece)
    return [*made, _policy(kept)]


def compact(policy: dict[str, Any]) -> str:
    """Return a policy in the form in which its size is counted."""
    return json.dumps(policy, separators=(",", ":"))


def _pieces(role: Role, environment: Environment) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each statement of a role with one of its resources."""
    bucket = f"arn:aws:s3:::{environment.bucket}"
    below = f"{bucket}/{environment.below}"
    for rule in RULES:
        found = reach(role, *rule.verbs)
        head: dict[str, Any] = {"Sid": rule.sid, "Effect": "Allow", "Action": rule.action}
        if rule.condition:
            head["Condition"] = rule.condition
        yield from ((head, below + span.glob) for span in found.spans)
        refusal = {"Sid": f"No{rule.sid}", "Effect": "Deny", "Action": rule.action}
        yield from ((refusal, below + path) for path in found.but)
    if prefixes := listed(role):
        asked = [f"{environment.below}{prefix}*" for prefix in prefixes]
        head = {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket"}
        yield head | {"Condition": {"StringLike": {"s3:prefix": asked}}}, bucket


def _policy(pieces: list[tuple[dict[str, Any], str]]) -> dict[str, Any]:
    statements: dict[str, dict[str, Any]] = {}
    for head, resource in pieces:
        statement = statements.setdefault(head["Sid"], {**head, "Resource": []})
        statement["Resource"].append(resource)
    return {"Version": VERSION, "Statement": list(statements.values())}
