"""Nobody makes a kind of PublishPermit of their own."""

from __future__ import annotations

from arco.publish.lease import PublishPermit


# refused: mypy=misc pyright=reportGeneralTypeIssues
class Mine(PublishPermit): ...
