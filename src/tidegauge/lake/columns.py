"""The columns of flows that questions can name, derived ones among them."""

from __future__ import annotations

import difflib

import pyarrow as pa

from tidegauge.model import FLOW_SCHEMA

ADDRESS = {"src", "dst", "far", "home"}
TIME = {"time_start", "time_end"}
COUNTRY = {"src_country", "dst_country", "far_country"}
CLASS = {"src_class", "dst_class", "far_class"}

VIRTUAL = {
    name: f"CASE direction WHEN 'in' THEN {inward} WHEN 'out' THEN {outward} END"
    for name, inward, outward in (
        ("far", "src", "dst"),
        ("home", "dst", "src"),
        ("far_port", "src_port", "dst_port"),
        ("home_port", "dst_port", "src_port"),
        ("far_country", "src_country", "dst_country"),
        ("far_as", "src_as", "dst_as"),
        ("far_class", "src_class", "dst_class"),
    )
}
"""Columns that are derived from direction: the end that is not ours, and ours; null where both or none are."""

COLUMNS = {*FLOW_SCHEMA.names, *VIRTUAL}
COUNTS = {
    *(column.name for column in FLOW_SCHEMA if pa.types.is_integer(column.type)),
    "far_port", "home_port", "far_as", "far_class",
}
"""Columns that hold whole numbers."""


def meant_columns(name: str) -> str:
    """Return the columns that may have been meant by a name that is none; all where none is near.

    >>> meant_columns("dstport")
    'dst_port?'
    """
    near = difflib.get_close_matches(name.lower(), sorted(COLUMNS), n=3, cutoff=0.75)
    near += [n for n in ("far_country", "far_as", "far_port", "dst_port") if n.endswith(f"_{name.lower()}")]
    return f"{' or '.join(dict.fromkeys(near))}?" if near else "one of " + ", ".join(sorted(COLUMNS))


def column_sql(name: str) -> str:
    """The SQL of a flow column or a derived one."""
    return VIRTUAL.get(name, f'"{name}"')
