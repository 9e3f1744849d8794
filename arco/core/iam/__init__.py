"""Cloud policies made from the grants in the keys, so that they cannot say anything else.

`documents` is all that others call. Nothing here spells a path, reads a cloud or applies a policy.
"""

from __future__ import annotations

from arco.core.iam import aws, azure, gcs
from arco.core.iam.environment import Cloud, Environment

__all__ = ["Cloud", "Environment", "documents"]

_WRITERS = {Cloud.AWS: aws.documents, Cloud.GCS: gcs.documents, Cloud.AZURE: azure.documents}


def documents(cloud: Cloud, environment: Environment) -> dict[str, str]:
    """Return the policies of every role in one environment: file name to JSON text.

    The files that end in `.tf.json` are Terraform and hold all the others; each takes one variable,
    `principals`, which maps each role to the identity that acts in it. Raises `Invalid` for a name
    that the cloud does not take.
    """
    environment.check(cloud)
    return _WRITERS[cloud](environment)
