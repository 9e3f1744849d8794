"""How every HTML page of ours is made: one environment, in which text of any origin stays text.

What stands on a page is the business of its own module.
"""

from __future__ import annotations

import jinja2
import markupsafe

from audit.render import visible


def environment(*packages: str) -> jinja2.Environment:
    """Return a new environment over the templates of packages, and those that all pages share.

    A name that is not there is an error, everything is escaped, and nothing that is shown hides,
    turns the line or controls the terminal.
    """
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(package) for package in (*packages, "audit.render")]
        ),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=_show,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _show(value: object) -> object:
    return value if isinstance(value, markupsafe.Markup) else visible.line(str(value))
