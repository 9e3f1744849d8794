"""Nobody makes a kind of PermitIssuer of their own."""

from __future__ import annotations

from arco.publish.lease import PermitIssuer


# refused: mypy=misc pyright=reportGeneralTypeIssues
class Mine(PermitIssuer): ...
