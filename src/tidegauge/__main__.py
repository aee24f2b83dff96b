"""`python -m tidegauge` is the program."""

from tidegauge.cli import main

main()
