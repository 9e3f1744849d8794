"""Policies for Azure Blob Storage: role definitions, and assignments with conditions on the path.

`add` creates a blob and cannot write over one; `write` can do both, so that Azure cannot tell a
swap from a blind write. A listing is a read with a sub-operation, and is refused unless a condition
admits its prefix. Sources: learn.microsoft.com, "Actions and attributes for Azure role assignment
conditions", "Azure role assignment condition format and syntax", "Put Blob".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arco.core.iam.environment import Environment, principal, symbol, terraform, text
from arco.core.iam.reach import Reach, listed, reach
from arco.core.keys import Role, Verb

CONDITION_CHARACTERS_MAX = 8_192
"""Of one role assignment."""
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
PATH, PREFIX = f"@Resource[{BLOBS}:path]", f"@Request[{BLOBS}:prefix]"

READ, ADD, WRITE, DELETE = (f"{BLOBS}/{word}" for word in ("read", "add/action", "write", "delete"))
READS = {READ: (Verb.GET, Verb.HEAD, Verb.SIGN)}
WRITES = {ADD: (Verb.CREATE,), WRITE: (Verb.UPDATE, Verb.REPLACE), DELETE: (Verb.DELETE,)}
"""What each action is for. Two assignments a role, so that neither condition grows too long."""


def documents(environment: Environment) -> dict[str, str]:
    """Return a `.role.json` and an `.assignment.json` for what each role reads, and writes.

    The first is what `az role definition create` takes; the second holds the options of
    `az role assignment create` but the assignee. Terraform holds both.
    """
    made: dict[str, str] = {}
    resources: dict[str, Any] = {"azurerm_role_definition": {}, "azurerm_role_assignment": {}}
    for role, half, actions, condition in assignments(environment):
        name, label = symbol(role, half), environment.label(role, half)
        definition = f"azurerm_role_definition.{name}.role_definition_resource_id"
        scope, group = _scopes(environment)
        made[f"{role}-{half}.role.json"] = text(
            {
                "Name": label,
                "IsCustom": True,
                "Description": f"What {role} {half} in a workspace of Arco.",
                "Actions": [],
                "NotActions": [],
                "DataActions": actions,
                "NotDataActions": [],
                "AssignableScopes": [group],
            }
        )
        made[f"{role}-{half}.assignment.json"] = text(
            {"role": label, "scope": scope, "condition": condition, "conditionVersion": "2.0"}
        )
        resources["azurerm_role_definition"][name] = {
            "name": label,
            "scope": group,
            "assignable_scopes": [group],
            "permissions": [{"actions": [], "data_actions": actions}],
        }
        resources["azurerm_role_assignment"][name] = {
            "scope": scope,
            "role_definition_id": f"${{{definition}}}",
            "principal_id": principal(role),
            "condition": condition,
            "condition_version": "2.0",
        }
    return made | {"arco-iam.tf.json": terraform(resources)}


def assignments(environment: Environment) -> Iterator[tuple[Role, str, list[str], str]]:
    """Yield for each role what it `reads` and `writes`: its data actions and their condition."""
    below = environment.workspace.prefix
    for role in Role:
        for half, actions in (("reads", READS), ("writes", WRITES)):
            found = {action: reach(role, *verbs) for action, verbs in actions.items()}
            held = {action: part for action, part in found.items() if part.spans}
            clauses = [_clause(action, _touches(part, below)) for action, part in held.items()]
            if READ in held:
                clauses.append(_clause(READ, _lists(listed(role), below), listing=True))
            if held:
                yield role, half, list(held), " AND ".join(clauses)


def _scopes(environment: Environment) -> tuple[str, str]:
    """Return the container, and its resource group, which is where a definition may stand."""
    container = f"{environment.account}/blobServices/default/containers/{environment.bucket}"
    return container, environment.account.partition("/providers/")[0]


def _clause(action: str, admitted: str, *, listing: bool = False) -> str:
    """Return: whoever does this action does what is admitted."""
    which = f"ActionMatches{{'{action}'}}"
    if action == READ:
        which += f" AND {'' if listing else 'NOT '}SubOperationMatches{{'Blob.List'}}"
    return f"((!({which})) OR ({admitted}))"


def _touches(part: Reach, below: str) -> str:
    inside = f"{PATH} ForAnyOfAnyValues:StringLike {_set(below, (s.glob for s in part.spans))}"
    if not part.but:
        return inside
    return f"{inside} AND {PATH} ForAllOfAllValues:StringNotEquals {_set(below, iter(part.but))}"


def _lists(prefixes: tuple[str, ...], below: str) -> str:
    """Return what a listing may ask for; for who lists nothing, the name of nothing."""
    asked = (f"{prefix}*" for prefix in prefixes or (".",))
    return f"{PREFIX} ForAnyOfAnyValues:StringLike {_set(below, asked)}"


def _set(below: str, words: Iterator[str]) -> str:
    return "{" + ", ".join(f"'{below}{word}'" for word in words) + "}"
