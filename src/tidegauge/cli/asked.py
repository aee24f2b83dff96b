"""A question from a command line's words: the same verbs and options, without asking."""

from __future__ import annotations

from typing import Any

import click

from tidegauge.model import UsageError

BARE = {"top": "by", "hunt": "kind", "origin": "address", "lure": "file", "leak": "file"}
"""Verbs that take words without an option, and what these are."""


def question_of(words: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """A verb and its question from a command line's words.

    >>> question_of(("ask", "--from", "KP", "--since", "2014-11-24"))
    ('ask', {'from': 'KP', 'since': '2014-11-24'})

    Raises:
        UsageError: no such verb, or what it doesn't take.
    """
    from pydantic import BaseModel

    from tidegauge.app.answers import ANSWERS
    from tidegauge.cli import program

    rest = list(words[1:] if words[:1] == ("tidegauge",) else words)
    verb = rest.pop(0) if rest else ""
    command = program.get_command(click.Context(program), verb)
    if command is None or verb not in {*ANSWERS} - {"origins"}:
        raise UsageError(f"not a question: {verb!r}", hint="ask, series, top, coverage, hunt, origin, lure, leak")
    given = _given(command, verb, command.make_context(verb, rest, resilient_parsing=False))
    if verb == "origin" and "of" in given:
        verb = "origins"
    form = ANSWERS[verb][0]
    assert issubclass(form, BaseModel)
    known = {field.alias or name: field for name, field in form.model_fields.items()} | {"file": None}
    question = {name: value for name, value in given.items() if name in known}
    bare = BARE.get(verb)
    if bare in ("address", "file") and isinstance(question.get(bare), list):
        if len(question[bare]) != 1:
            raise UsageError(f"one {bare} at a time is sealed", hint=f"tidegauge case evidence NAME -- {verb} ONE")
        question[bare] = question[bare][0]
    return verb, question


def _given(command: click.Command, verb: str, context: click.Context) -> dict[str, Any]:
    """What a command line says otherwise than by default, by the names of options."""
    given: dict[str, Any] = {}
    for parameter in command.params:
        value = context.params.get(parameter.name or "")
        if value is None or value in ((), "", False) or value == parameter.get_default(context):
            continue
        option = max(parameter.opts, key=len)
        name = option.lstrip("-").replace("-", "_") if option.startswith("-") else BARE.get(verb, option)
        given[name] = [str(v) for v in value] if isinstance(value, tuple) else value
    return given
