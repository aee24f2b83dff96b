"""A reply of `leak` as a page to print: for a data protection officer, without any value."""

from __future__ import annotations

from importlib.resources import files

from tidegauge.model import shapes


def page(reply: shapes.Leaks) -> str:
    """The page of a reply's JSON (`docs/how-to/leaks.md`); one file of HTML that loads nothing."""
    from jinja2 import Environment

    environment = Environment(autoescape=True)
    environment.filters["commas"] = lambda number: f"{number:,}"
    template = files("tidegauge.leak").joinpath("data", "report.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(**reply)
