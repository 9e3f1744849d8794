"""Where a workspace is deployed: the names that its policies are anchored to. No grants here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from arco.core.errors import Invalid
from arco.core.keys import Role, Workspace
from arco.core.keys.segments import respelled


class Cloud(StrEnum):
    """A cloud that policies can be written for."""

    AWS = "aws"
    GCS = "gcs"
    AZURE = "azure"


_NAME = "[a-z][a-z0-9-]{0,19}"
_FOLDER = r"(?=.{0,64}$)([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?"
_BUCKET = {
    Cloud.AWS: r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    Cloud.GCS: r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]",
    Cloud.AZURE: r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
}
_ACCOUNT = {
    Cloud.AWS: "",
    Cloud.GCS: "[a-z][a-z0-9-]{4,28}[a-z0-9]",
    Cloud.AZURE: (
        r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[A-Za-z0-9._-]{1,90}"
        r"/providers/Microsoft\.Storage/storageAccounts/[a-z0-9]{3,24}"
    ),
}
_NEXT = {
    Cloud.AWS: "leave it out: a bucket's name is enough",
    Cloud.GCS: "give the identifier of the project",
    Cloud.AZURE: "give the resource identifier of the storage account",
}


@dataclass(frozen=True, slots=True)
class Environment:
    """One deployment of one workspace.

    `bucket` is a bucket, or a container on Azure. `account` is the project on GCS, the resource
    identifier of the storage account on Azure, and nothing on AWS. `folder` is what stands behind
    the bucket in the address of the store, without slashes around it.
    """

    name: str
    workspace: Workspace
    bucket: str
    account: str = ""
    folder: str = ""

    @property
    def below(self) -> str:
        """The path in the bucket of the workspace, with its closing slash."""
        return f"{self.folder}/{self.workspace.prefix}" if self.folder else self.workspace.prefix

    def check(self, cloud: Cloud) -> None:
        """Raise `Invalid` unless the cloud takes these names."""
        _must_match("environment", _NAME, self.name, "use lower-case letters, digits and `-`")
        _must_match("bucket", _BUCKET[cloud], self.bucket, f"use a name that {cloud} takes")
        _must_match("folder", _FOLDER, self.folder, "use what stands behind the bucket")
        _must_match("account", _ACCOUNT[cloud], self.account, _NEXT[cloud])

    def label(self, *words: str) -> str:
        """Return a name for something of this environment, such as `arco-prod-api`."""
        return "-".join(("arco", self.name, *words))


def _must_match(what: str, pattern: str, value: str, next_step: str) -> None:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise Invalid(f"not a name of this kind: {what}=`{respelled(value)}`", next_step=next_step)


# --- what all clouds' documents share -----------------------------------------------------------


def text(document: Any) -> str:
    """Return a document as JSON for people and tools: indented, with a closing line end."""
    return json.dumps(document, indent=2) + "\n"


def terraform(resources: dict[str, dict[str, Any]]) -> str:
    """Return Terraform's JSON for resources by kind and name.

    Its syntax: developer.hashicorp.com/terraform/language/syntax/json.
    """
    variable = {"type": "map(string)", "description": "The identity that acts in each role."}
    return text({"variable": {"principals": variable}, "resource": resources})


def principal(role: Role) -> str:
    """Return the Terraform expression for whoever acts in a role."""
    return f'${{var.principals["{role}"]}}'


def symbol(*words: str) -> str:
    """Return words as a name in Terraform."""
    return "_".join(words).replace("-", "_")
