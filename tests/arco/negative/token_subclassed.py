"""Nobody makes a kind of FencingToken of their own."""

from __future__ import annotations

from arco.publish.lease import FencingToken


# refused: mypy=misc pyright=reportGeneralTypeIssues
class Mine(FencingToken): ...
