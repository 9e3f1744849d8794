"""Policies for Azure Blob Storage: role definitions, and assignments with conditions on the path.

`add` creates a blob and cannot write over one; `write` can do both, so that Azure cannot tell a
swap from a blind write. A listing is a read with a sub-operation, and is refused unless a condition
admits its prefix. To sign addresses, the API must be let make delegation keys, which is a right on
the storage account and not on the container. Sources: learn.microsoft.com,
"Actions and attributes for Azure role assignment conditions", "Azure role assignment condition
format and syntax", "Put Blob".
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
WRITES = {ADD: (Verb.CREATE,), WRITE: (Verb.UPDATE, Verb.REPLACE), DELETE: (Verb.DELETE,)}
"""What each writing action is for."""


def documents(environment: Environment) -> dict[str, str]:
    """Return a `.role.json` and an `.assignment.json` for what each role reads, lists, writes.

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
    """Yield for each role what it `reads`, `lists` and `writes`: data actions and their condition.

    Three assignments a role at most, so that no condition grows too long.
    """
    below = environment.below
    for role in Role:
        read, prefixes = reach(role, Verb.GET, Verb.HEAD, Verb.SIGN), listed(role)
        if read.spans:
            yield role, "reads", [READ], _reading(_touches(read, below), _nothing(PREFIX))
        if prefixes:
            yield role, "lists", [READ], _reading(_nothing(PATH), _lists(prefixes, below))
        found = {action: reach(role, *verbs) for action, verbs in WRITES.items()}
        held = {action: part for action, part in found.items() if part.spans}
        if held:
            clauses = (_clause(f"ActionMatches{{'{a}'}}", _touches(held[a], below)) for a in held)
            yield role, "writes", list(held), " AND ".join(clauses)


def _scopes(environment: Environment) -> tuple[str, str]:
    """Return the container, and its resource group, which is where a definition may stand."""
    container = f"{environment.account}/blobServices/default/containers/{environment.bucket}"
    return container, environment.account.partition("/providers/")[0]


def _reading(touches: str, lists: str) -> str:
    """Return the condition of reading, which is two operations with one action."""
    action, listing = f"ActionMatches{{'{READ}'}}", "SubOperationMatches{'Blob.List'}"
    objects = _clause(f"{action} AND NOT {listing}", touches)
    return f"{objects} AND {_clause(f'{action} AND {listing}', lists)}"


def _clause(which: str, admitted: str) -> str:
    """Return: whoever does this does only what is admitted."""
    return f"((!({which})) OR ({admitted}))"


def _touches(part: Reach, below: str) -> str:
    inside = f"{PATH} ForAnyOfAnyValues:StringLike {_set(below, (s.glob for s in part.spans))}"
    if not part.but:
        return inside
    return f"{inside} AND {PATH} ForAllOfAllValues:StringNotEquals {_set(below, iter(part.but))}"


def _lists(prefixes: tuple[str, ...], below: str) -> str:
    asked = (f"{prefix}*" for prefix in prefixes)
    return f"{PREFIX} ForAnyOfAnyValues:StringLike {_set(below, asked)}"


def _nothing(attribute: str) -> str:
    """Return what is never true, for an operation that must not come with its action."""
    return f"{attribute} StringEquals 'none' AND {attribute} StringNotEquals 'none'"


def _set(below: str, words: Iterator[str]) -> str:
    return "{" + ", ".join(f"'{below}{word}'" for word in words) + "}"
