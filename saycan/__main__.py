"""`python -m saycan` is `saycan`."""

from saycan.cli import main

main()
