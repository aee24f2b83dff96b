"""`python -m tidegauge.cli` is `tidegauge`."""

from tidegauge.cli import main

main()
