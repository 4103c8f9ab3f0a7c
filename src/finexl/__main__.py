"""`python -m finexl`."""

from finexl.cli import main

main()
