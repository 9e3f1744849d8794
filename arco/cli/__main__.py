"""`python -m arco.cli`: the same as `arco`."""

from arco.cli import main

main()
