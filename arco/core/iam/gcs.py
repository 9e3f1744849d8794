"""Policies for Google Cloud Storage: custom roles, and bindings with conditions on the path.

Whoever may create and not delete cannot write over anything, so creates are safe. A swap needs both
rights, because Google Cloud has no right to write over what exists. The bucket must have uniform
bucket-level access. To sign addresses, the API's service account must be let sign as itself, which
is a right on the account and not on the bucket. Sources: cloud.google.com,
"IAM permissions for Cloud Storage", "Attribute reference for IAM Conditions", "IAM quotas and
limits".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arco.core.iam.environment import Environment, principal, symbol, terraform, text
from arco.core.iam.reach import Reach, Span, listed, reach
from arco.core.keys import Role, Verb

OPERATORS_MAX = 12
"""`&&`, `||` and `!` in one condition."""
BINDINGS_MAX = 20
"""Of one principal and one role, with different conditions."""

RIGHTS: dict[str, tuple[str, ...]] = {
    "read": ("storage.objects.get",),
    "create": ("storage.objects.create",),
    "overwrite": ("storage.objects.create", "storage.objects.delete"),
    "delete": ("storage.objects.delete",),
    "list": ("storage.objects.list",),
}
"""The permissions of each custom role."""
VERBS: dict[str, tuple[Verb, ...]] = {
    "read": (Verb.GET, Verb.HEAD, Verb.SIGN),
    "create": (Verb.CREATE,),
    "overwrite": (Verb.UPDATE, Verb.REPLACE),
    "delete": (Verb.DELETE,),
}
"""What each custom role on objects is for."""


def documents(environment: Environment) -> dict[str, str]:
    """Return the custom roles, `{role}.bindings.json` for each role, and Terraform for all."""
    customs = {right: _custom_role(environment, right) for right in RIGHTS}
    made = {f"{right}.role.json": text(custom) for right, custom in customs.items()}
    project = environment.account
    resources: dict[str, Any] = {
        "google_project_iam_custom_role": {
            right: {
                "project": project,
                "role_id": role_id(environment, right),
                "title": custom["title"],
                "permissions": custom["includedPermissions"],
            }
            for right, custom in customs.items()
        },
        "google_storage_bucket_iam_member": {},
    }
    for role in Role:
        found = list(bindings(role, environment))
        made[f"{role}.bindings.json"] = text(
            [
                {"role": f"projects/{project}/roles/{role_id(environment, right)}", **binding}
                for right, binding in found
            ]
        )
        for number, (right, binding) in enumerate(found, 1):
            resources["google_storage_bucket_iam_member"][symbol(role, right, str(number))] = {
                "bucket": environment.bucket,
                "role": f"${{google_project_iam_custom_role.{right}.id}}",
                "member": principal(role),
                **binding,
            }
    return made | {"arco-iam.tf.json": terraform(resources)}


def role_id(environment: Environment, right: str) -> str:
    """Return the identifier of a custom role within its project."""
    return symbol(environment.label(right))


def _custom_role(environment: Environment, right: str) -> dict[str, Any]:
    return {
        "title": environment.label(right),
        "stage": "GA",
        "includedPermissions": list(RIGHTS[right]),
    }


def bindings(role: Role, environment: Environment) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the right and the condition of each binding of a role."""
    below = f"projects/_/buckets/{environment.bucket}/objects/{environment.below}"
    number = 0
    for right, verbs in VERBS.items():
        for part in _parts(reach(role, *verbs)):
            number += 1
            yield right, _condition(environment.label(role, str(number)), _touches(part, below))
    if prefixes := listed(role):
        prefix = environment.below
        yield "list", _condition(environment.label(role, "list"), _lists(prefixes, prefix))


def _condition(title: str, expression: str) -> dict[str, Any]:
    return {"condition": {"title": title, "expression": expression}}


def _parts(whole: Reach) -> Iterator[Reach]:
    """Yield a reach in parts of which each fits into one condition."""
    kept: tuple[Span, ...] = ()
    for span in whole.spans:
        if _operators(whole.part((*kept, span))) > OPERATORS_MAX:
            yield whole.part(kept)
            kept = ()
        kept = (*kept, span)
    if kept:
        yield whole.part(kept)


def _operators(part: Reach) -> int:
    return len(part.spans) - 1 + sum(1 for span in part.spans if span.end) + len(part.but)


def _touches(part: Reach, below: str) -> str:
    inside = " || ".join(_in_span(span, below) for span in part.spans)
    outside = "".join(f' && resource.name != "{below}{path}"' for path in part.but)
    return f"({inside}){outside}" if outside else inside


def _in_span(span: Span, below: str) -> str:
    if not span.end:
        return f'resource.name == "{below}{span.start}"'
    starts = f'resource.name.startsWith("{below}{span.start}")'
    return f'({starts} && resource.name.endsWith("{span.end}"))'


def _lists(prefixes: tuple[str, ...], workspace: str) -> str:
    asked = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "")'
    return " || ".join(f'{asked}.startsWith("{workspace}{prefix}")' for prefix in prefixes)
