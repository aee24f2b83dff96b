"""`tidegauge case`: a group of commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegauge.cli.asked import question_of
from tidegauge.cli.common import json_option, plain, print_json, site_option, table, working
from tidegauge.cli.sharing import export, given_out, import_, key, opened, output_option, who_option
from tidegauge.model import CONFIDENCES, LIKELIHOODS, TLP_ORDER, VALUES, WEIGHTS, UsageError, case_shapes

if TYPE_CHECKING:
    from tidegauge.case import Verified

CHANGED = 12
"""Exit status of `verify` for anything but the same."""
tlp_option = click.option(
    "--tlp", type=click.Choice(TLP_ORDER), help="Its own mark, where it is stricter than the case's."
)
expected_option = click.option(
    "--expected", type=int, help="The revision that you saw: refused where it was changed since."
)


@click.group()
def case() -> None:
    """The case file: who claims what, sealed evidence, hypotheses weighed, and a statement that holds.

    Example: tidegauge case --help
    """


for verb in (export, import_, key):
    case.add_command(verb)


def _said(as_json: bool, identity: str, text: str) -> None:
    print_json({"id": identity}) if as_json else click.echo(text)


@case.command()
@click.argument("name")
@click.option("--title", default="", help="What it is about.")
@click.option("--tlp", type=click.Choice(TLP_ORDER), help="Its mark; TLP:AMBER where none is given.")
@click.option("--from-demo", is_flag=True, help="Tell the demonstration's story in it, step by step.")
@who_option
@site_option
@json_option
def new(
    name: str, title: str, tlp: str | None, from_demo: bool, who: str | None, site_dir: Path | None, as_json: bool
) -> None:
    """Open a case, with the usual hypotheses.

    Example: tidegauge case new autumn --title "What was claimed in 2014"
    """
    files = opened(site_dir, who)
    made = files.new(name, title, tlp)
    if from_demo:
        from tidegauge.case.story import tell

        with working("telling"):
            for line in tell(files, name):
                if not as_json:
                    click.echo(line)
    print_json({"name": name, "revision": files.get(name).revision}) if as_json else click.echo(f"{made.title}: open")


@case.command("list")
@site_option
@json_option
def list_(site_dir: Path | None, as_json: bool) -> None:
    """All cases.

    Example: tidegauge case list
    """
    rows = opened(site_dir).cases.names()
    if as_json:
        print_json({"cases": rows})
        return
    table(["name", "opened", "entries", "title"],
          [[r["name"], r["created"], str(r["entries"]), plain(r["title"])] for r in rows])


@case.command()
@click.argument("name")
@site_option
@json_option
def show(name: str, site_dir: Path | None, as_json: bool) -> None:
    """A case's entries in order of time.

    Example: tidegauge case show autumn
    """
    found = opened(site_dir).get(name)
    if as_json:
        print_json(found.to_json())
        return
    click.secho(f"{plain(found.title)}  {found.mark}", bold=True)
    for entry in found.entries:
        told = entry.to_json()
        text = entry.body.get("text") or entry.body.get("command") or entry.body.get("what") or entry.about
        verdict = (entry.body.get("result") or {}).get("verdict", "")
        more = f"  -> {verdict}" if verdict else ""
        click.echo(f"{told['at']}  {plain(entry.who):<12} {entry.kind:<10} {entry.id:<4} {plain(str(text))}{more}")


@case.command()
@click.argument("name")
@click.option("--by", required=True, help="Who claims it.")
@click.option("--text", required=True, help="What exactly.")
@click.option("--at", metavar="T", help="When it was said; now where nothing is given.")
@click.option("--graded", metavar="B2", help="Admiralty code: the source A to F, what it says 1 to 6.")
@tlp_option
@who_option
@site_option
@json_option
def claim(
    name: str, by: str, text: str, at: str | None, graded: str | None, tlp: str | None, who: str | None,
    site_dir: Path | None, as_json: bool,
) -> None:
    """Note what somebody claims.

    Example: tidegauge case claim autumn --by "an agency" --text "It came through your network" --graded B3
    """
    made = opened(site_dir, who).claim(name, by, text, at, graded, tlp)
    _said(as_json, made.id, f"{made.id}: noted")


@case.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- VERB...]")
@click.option("--file", "path", type=click.Path(path_type=Path), help="A file instead, by its hash.")
@click.option("--keep", is_flag=True, help="Keep a copy of that file.")
@tlp_option
@who_option
@site_option
@json_option
def evidence(
    name: str, words: tuple[str, ...], path: Path | None, keep: bool, tlp: str | None, who: str | None,
    site_dir: Path | None, as_json: bool,
) -> None:
    """Put a question and seal its answer with what it rests on.

    Example: tidegauge case evidence autumn -- ask --from KP --since 2014-11-24
    """
    files = opened(site_dir, who)
    if (path is None) == (not words):
        raise UsageError("a question, or a file?", hint="tidegauge case evidence NAME -- ask --from KP --since T")
    with working("asking"):
        if path is not None:
            made = files.file(name, path, keep=keep, tlp=tlp)
        else:
            made = files.evidence(name, *question_of(words), tlp=tlp)
    verdict = made.body["result"].get("verdict", "")
    _said(as_json, made.id, f"{made.id}: {made.body['command'] or path}{f' -> {verdict}' if verdict else ''}, sealed")


@case.command("verify")
@click.argument("name", metavar="NAME|BUNDLE")
@click.option("--key", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="The public key (minisign's) that must have signed a bundle.")
@site_option
@json_option
def verify_(name: str, key: Path | None, site_dir: Path | None, as_json: bool) -> None:
    """Look at a case, or a bundle of one, again: is it as it was sealed? Exits 12 where it isn't.

    Example: tidegauge case verify autumn
    """
    from tidegauge.case import verify, verify_bundle
    from tidegauge.case.sign import read_public

    about: dict[str, Any] = {}
    if Path(name).is_file():
        found, about = verify_bundle(Path(name), read_public(key) if key else "")
    else:
        files = opened(site_dir)
        with working("asking again") as say:
            found = verify(files.site, files.cases, files.get(name), say)
    if as_json:
        print_json({**found.to_json(), **about})
    else:
        _print_verified(found, about)
    if found.status != "same":
        sys.exit(CHANGED)


def _print_verified(found: Verified, about: dict[str, Any]) -> None:
    click.secho(found.status.upper(), bold=True, fg=None if found.status == "same" else "red")
    click.echo(f"chain: {found.broken or 'whole'}")
    for item in found.items:
        click.echo(f"{item.id}: {item.status}{f' - {plain(item.why)}' if item.why else ''}")
    if about.get("fingerprint"):
        click.echo(f"signed by {plain(str(about['site']))}, key {about['fingerprint']}")
    if about.get("left_out"):
        click.echo(f"{about['left_out']} entries were left out by their mark")


@case.command("weigh")
@click.argument("name")
@click.option("--rate", nargs=3, metavar="E1 H1 VALUE", help=f"Your view: {', '.join(VALUES)}.")
@click.option("--weight", type=click.Choice(tuple(WEIGHTS)), default="medium", help="How much that counts.")
@click.option("--likelihood", nargs=2, metavar="H1 WORDS", help=f"How likely: {', '.join(LIKELIHOODS)}.")
@click.option("--confidence", type=click.Choice(CONFIDENCES), default="low", help="How sure you are of that.")
@click.option("--hypothesis", help="Add one.")
@click.option("--reason", default="", help="Why.")
@expected_option
@who_option
@site_option
@json_option
def weigh_(
    name: str, rate: tuple[str, str, str] | None, weight: str, likelihood: tuple[str, str] | None, confidence: str,
    hypothesis: str | None, reason: str, expected: int | None, who: str | None, site_dir: Path | None, as_json: bool,
) -> None:
    """What speaks against each hypothesis, which single piece the ranking hangs on, and what to ask next.

    Example: tidegauge case weigh autumn --rate E1 H2 I --reason "no surge in, and it would have been seen"
    """
    from tidegauge.case import weigh

    files = opened(site_dir, who)
    if hypothesis:
        files.add(name, "hypothesis", {"key": "", "text": hypothesis})
    if rate:
        files.rate(name, *rate, weight, reason, expected)
    if likelihood:
        files.likelihood(name, *likelihood, confidence, reason)
    told = weigh(files.get(name)).to_json()
    if as_json:
        print_json(told)
        return
    for h in sorted(told["hypotheses"], key=lambda one: one["rank"]):
        words = "; ".join(f"{plain(o['who'])}: {o['word']}, {o['confidence']} confidence" for o in h["likelihood"])
        click.echo(f"{h['inconsistency']:6.2f}  {h['id']} {plain(h['text'])}{f'  ({words})' if words else ''}")
    if told["matrix"]:
        heads = [h["id"] for h in told["hypotheses"]]
        rows = [
            [row["evidence"], *(_cell(row["cells"][h]) for h in heads), plain(row["what"])] for row in told["matrix"]
        ]
        table(["", *heads, "evidence"], rows)
        click.echo(f"{told['undecided']} places are suggestions (in brackets) that nobody has decided")
    for one in told["sensitivity"][:8]:
        click.echo(f"without {' and '.join(one['without'])}: {', '.join(one['leading'])} would lead")
    for step in told["next"]:
        click.echo(f"next: {plain(step['command'])} ({step['why']})")


def _cell(cell: case_shapes.Cell) -> str:
    if not cell["decided"]:
        return f"({cell['suggested']['value']})"
    return "/".join(view["value"] for view in cell["decided"])


@case.command()
@click.argument("name")
@click.option("--of", "whom", required=True, help="Of whom.")
@click.option("--what", required=True, help="What was asked.")
@click.option("--due", required=True, metavar="T", help="Until when.")
@who_option
@site_option
@json_option
def request(name: str, whom: str, what: str, due: str, who: str | None, site_dir: Path | None, as_json: bool) -> None:
    """Note what was asked of whom, and until when: "we are still gathering information".

    Example: tidegauge case request autumn --of "the upstream" --what "its flows of that night" --due 2014-12-10
    """
    made = opened(site_dir, who).request(name, whom, what, due)
    _said(as_json, made.id, f"{made.id}: noted")


@case.command()
@click.argument("name")
@click.argument("request_id", metavar="R1")
@click.option("--text", required=True, help="What came of it.")
@expected_option
@who_option
@site_option
@json_option
def answer(
    name: str, request_id: str, text: str, expected: int | None, who: str | None, site_dir: Path | None, as_json: bool
) -> None:
    """Note what came of a request.

    Example: tidegauge case answer autumn R1 --text "They kept no flows"
    """
    opened(site_dir, who).answer_request(name, request_id, text, expected)
    _said(as_json, request_id, f"{request_id}: answered")


@case.command()
@click.argument("name")
@click.option("--text", required=True, help="What.")
@click.option("--reason", help="Makes it a decision: why.")
@tlp_option
@who_option
@site_option
@json_option
def note(
    name: str, text: str, reason: str | None, tlp: str | None, who: str | None, site_dir: Path | None, as_json: bool
) -> None:
    """Add a note; with a reason, a decision.

    Example: tidegauge case note autumn --text "We wait for the upstream" --reason "their flows would tell"
    """
    files = opened(site_dir, who)
    made = files.add(name, "decision" if reason else "note", {"text": text, "reason": reason, "tlp": tlp})
    _said(as_json, made.id, f"{made.id}: noted")


@case.command()
@click.argument("name")
@click.argument("tlp", type=click.Choice(TLP_ORDER))
@who_option
@site_option
def mark(name: str, tlp: str, who: str | None, site_dir: Path | None) -> None:
    """Set a case's TLP 2.0 mark.

    Example: tidegauge case mark autumn TLP:GREEN
    """
    opened(site_dir, who).mark(name, tlp)
    click.echo(tlp)


@case.command("stamp")
@click.argument("name")
@who_option
@site_option
@json_option
def stamp_(name: str, who: str | None, site_dir: Path | None, as_json: bool) -> None:
    """Have a time-stamping service say that the case had come so far (RFC 3161).

    Example: tidegauge case stamp autumn
    """
    from tidegauge.case.stamp import stamp

    files = opened(site_dir, who)
    made = files.add(name, "stamp", stamp(files.site, files.get(name)))
    _said(as_json, made.id, f"{made.id}: entry {made.body['head']} was there at {made.body['time']}")


@case.command("sightings")
@click.argument("name")
@click.option("--since", metavar="T", help="From this time on.")
@who_option
@site_option
@json_option
def sightings_(name: str, since: str | None, who: str | None, site_dir: Path | None, as_json: bool) -> None:
    """What was seen of the indicators that others sent; and where nothing was, what would have been.

    Example: tidegauge case sightings autumn --since 2014-11-24
    """
    from tidegauge.case.sightings import sightings

    with working("looking"):
        found, identity = sightings(opened(site_dir, who), name, since)
    if as_json:
        print_json({"id": identity, "sightings": [one.to_json() for one in found]})
        return
    table(
        ["flows", "bytes", "first", "last", "indicator"],
        [[f"{s.flows:,}", f"{s.bytes:,}", s.first, s.last, plain(s.mark)] for s in found],
    )
    click.echo(f"{identity}: all of them asked as one watch, sealed")


@case.command("statement")
@click.argument("name")
@click.option("--length", type=click.Choice(("short", "long")), default="short", help="long: with charts and evidence.")
@click.option("--language", type=click.Choice(("en", "zh-TW")), default="en")
@click.option("--format", "form", type=click.Choice(("md", "html", "pdf")), default="md")
@click.option("--check", "edited", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Hold an edited text against the evidence instead; exits 12 where it says more.")
@output_option
@site_option
@json_option
def statement_(
    name: str, length: Any, language: Any, form: Any, edited: Path | None, target: Path | None, site_dir: Path | None,
    as_json: bool,
) -> None:
    """Write what was seen and not seen, what that does not show, and what is still open; from sealed evidence alone.

    Example: tidegauge case statement autumn --language zh-TW
    """
    from tidegauge.case import statement

    found = opened(site_dir).get(name)
    if edited is not None:
        _check(name, edited, found, as_json)
        return
    if form == "pdf" and target is None:
        raise UsageError("a PDF goes into a file", hint="-o statement.pdf")
    made = statement(found, language, length, form)
    if target is None and as_json:
        print_json({"case": name, "language": language, "length": length, "format": form, "text": made.decode()})
    else:
        given_out(made, target)


def _check(name: str, edited: Path, found: Any, as_json: bool) -> None:
    from tidegauge.case import check

    try:
        problems = check(found, edited.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UsageError("not text in UTF-8", hint=str(edited)) from None
    if as_json:
        print_json({"case": name, "problems": [problem.to_json() for problem in problems]})
    else:
        for problem in problems:
            click.echo(f"{edited}:{problem.line}:{problem.column}: {plain(problem.what)}")
        if not problems:
            click.echo("every number and verdict is held by the evidence that its line cites")
    if problems:
        sys.exit(CHANGED)
