"""`python -m audit.cli`: the same as `arco-audit`."""

from audit.cli import main

main()
