"""Write `docs/reference/cli.md` from the program's own help; `--check` fails when the file differs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tidegauge.cli import VERBS, program

TARGET = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"


def reference() -> str:
    """The help of every verb, as Markdown."""
    parts = ["# Command line\n\nMade from `tidegauge VERB --help` by `tools/cli_reference.py`.\n"]
    root = click.Context(program, info_name="tidegauge")
    for verb in VERBS:
        command = program.get_command(root, verb)
        assert command is not None
        context = click.Context(command, info_name=verb, parent=root, max_content_width=110, terminal_width=110)
        parts.append(f"## {verb}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(TARGET.read_text(encoding="utf-8") != reference())
    TARGET.write_text(reference(), encoding="utf-8")
