"""The command line: puts the stages together and prints; every verb is imported only when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from tidegauge import __version__
from tidegauge.model.errors import TidegaugeError, UsageError

VERBS = {
    "init": ("init", "Write a commented tidegauge.toml."),
    "ingest": ("ingest", "Take flows in from captures, Zeek logs, CSV and Parquet."),
    "collect": ("collect", "Receive NetFlow, IPFIX and sFlow, live."),
    "serve": ("serve", "Collect, judge, hunt, alert and answer: the service."),
    "flows": ("flows", "List flows."),
    "top": ("top", "The largest senders, receivers, ports, countries and so on."),
    "series": ("series", "An amount over time."),
    "coverage": ("coverage", "What was seen, and when we were blind."),
    "ask": ("ask", "Was there a surge? The answer, with what it rests on."),
    "assess": ("assess", "The same judgement on any time series."),
    "watch": ("watch", "Assets to watch for."),
    "hunt": ("hunt", "Hosts that send out, pass on, are commanded, or scan."),
    "lure": ("luring", "Is this mail, message or link a lure, and who went where it leads?"),
    "leak": ("leaking", "Whose data lie in these files?"),
    "case": ("casing", "Who claims what, what stands against it, and a statement that holds."),
    "origin": ("origin", "What an address displays, and how far to believe it."),
    "atlas": ("atlas", "The atlas: sources, editions, routes."),
    "lake": ("lake", "The flows on disk: files, removal, labels, retention."),
    "rollup": ("rollups", "Sums beside the flows, from which answers are read."),
    "exporters": ("exporters", "What exporters call themselves and their interfaces."),
    "user": ("user", "Who may come in."),
    "token": ("token", "How programs come in."),
    "audit": ("audit", "Who asked and changed what."),
    "alert": ("alert", "Who is told of alarms."),
    "doctor": ("doctor", "Is this site healthy?"),
    "simulate": ("simulate", "Make a simulated network's flows."),
    "demo": ("demo", "A simulated site, the question asked."),
}


class Verbs(click.Group):
    """Verbs by name, loaded on demand: `tidegauge --help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"tidegauge.cli.{VERBS[cmd_name][0]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib  # `--help` loads what it needs alone

            near = difflib.get_close_matches(args[0], VERBS, n=3)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tidegauge")
@click.option("--debug", is_flag=True, help="Show the trace of an error.")
@click.pass_context
def program(context: click.Context, debug: bool) -> None:
    """Answers "did it come through us?" from flow records, and can prove a no.

    Example: tidegauge demo
    """
    context.obj = debug


def main() -> None:
    """Run the program; exit 1 when it failed, 2 when it was called wrongly."""
    debug = "--debug" in sys.argv[1:2]
    try:
        program(prog_name="tidegauge", standalone_mode=True)
    except TidegaugeError as error:
        if debug:
            raise
        click.echo(f"tidegauge: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except ModuleNotFoundError as error:
        from tidegauge.model.extras import extra_with

        extra = extra_with(error.name or "", preferred="content" if sys.argv[1:2] in (["lure"], ["leak"]) else "")
        if debug or extra is None:
            raise
        click.echo(
            f"tidegauge: {error.name} is not installed: pip install 'tidegauge[{extra}]' brings it", err=True
        )
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
