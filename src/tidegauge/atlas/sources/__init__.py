"""Formats that an edition can come in: each is a small module that turns a file into statements."""

from tidegauge.atlas.sources.formats import FORMATS, Format, format_of, read_source

__all__ = ["FORMATS", "Format", "format_of", "read_source"]
