"""What comes with the program: the world's countries and ASes of one date, and documented facts with their times."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidegauge.atlas.catalogue import Edition
from tidegauge.atlas.table import OriginTable, Pieces
from tidegauge.model import FOREVER_S, Prefix, class_bit, parse_time

DATA = Path(str(files("tidegauge.atlas") / "data"))
SOURCE, FACTS = "embedded", "documented facts"


@dataclass(frozen=True)
class Fact:
    """What is documented of one prefix for one time; stands above the tables."""

    prefix: Prefix
    country: str
    asn: int | None
    classes: int
    from_s: int
    until_s: int
    used_by: str
    note: str


@dataclass(frozen=True)
class Uplink:
    """A documented upstream of an AS, with its time."""

    asn: int
    upstream: int
    from_s: int
    until_s: int
    note: str


@cache
def world_edition() -> Edition:
    about = json.loads((DATA / "world.json").read_text(encoding="utf-8"))
    date_s = parse_time(about["edition"], now_s=0)
    count = sum(pq.read_metadata(DATA / f"world-ipv{v}.parquet").num_rows for v in (4, 6))
    return Edition(SOURCE, date_s, "embedded", about["licence"], "comes with tidegauge", about["edition"], count, 0, 0,
                   DATA)


@cache
def world_table() -> OriginTable:
    """The embedded table of the world."""
    four = pq.read_table(DATA / "world-ipv4.parquet")
    six = pq.read_table(DATA / "world-ipv6.parquet")
    names = tuple(sorted({"ZZ"} | {n for t in (four, six) for n in t["country"].unique().to_pylist()}))
    position = {name: i for i, name in enumerate(names)}

    def countries(table: pa.Table) -> NDArray[np.uint16]:
        column = table["country"].combine_chunks()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        own = np.array([position[n] for n in column.dictionary.to_pylist()], dtype=np.uint16)
        return np.asarray(own[np.asarray(column.indices)])

    def cumulated(table: pa.Table, name: str) -> NDArray[np.uint64]:
        return np.cumsum(table[name].to_numpy().astype(np.uint64), dtype=np.uint64)

    pieces = Pieces(cumulated(four, "gap").astype(np.uint32), cumulated(six, "gap_high"), six["low"].to_numpy())
    return OriginTable(
        pieces, np.r_[countries(four), countries(six)], np.r_[four["as"].to_numpy(), six["as"].to_numpy()],
        np.zeros(len(pieces), dtype=np.uint8), names,
    )


@cache
def facts() -> tuple[Fact, ...]:
    with (DATA / "facts-2014.csv").open(newline="", encoding="utf-8") as file:
        return tuple(
            Fact(
                prefix=Prefix.parse(row["prefix"]),
                country=row["country"],
                asn=int(row["as"]) if row["as"] else None,
                classes=sum(class_bit(name) for name in row["classes"].split()),
                from_s=parse_time(row["valid_from"], now_s=0),
                until_s=_end_s(row["valid_until"]),
                used_by=row["used_by"],
                note=row["note"],
            )
            for row in csv.DictReader(file)
        )


@cache
def uplinks() -> tuple[Uplink, ...]:
    with (DATA / "uplinks.csv").open(newline="", encoding="utf-8") as file:
        return tuple(
            Uplink(int(r["as"]), int(r["upstream"]), parse_time(r["valid_from"], now_s=0), _end_s(r["valid_until"]),
                   r["note"])
            for r in csv.DictReader(file)
        )


def _end_s(text: str) -> int:
    return parse_time(text, now_s=0) if text else FOREVER_S


@cache
def facts_edition() -> Edition:
    return Edition(FACTS, parse_time("2014-11-24", now_s=0), "embedded", "Apache-2.0; cited in docs/reference/atlas.md",
                   "comes with tidegauge", "2014-11-24", len(facts()), len(uplinks()), 0, DATA)


@cache
def as_names() -> dict[int, str]:
    table = pq.read_table(DATA / "as-names.parquet")
    return dict(zip(table["as"].to_pylist(), table["name"].to_pylist(), strict=True))


@cache
def as_homes() -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.float64]]:
    """Where each AS of the embedded edition has most of its addresses.

    Returns:
        AS numbers, ascending; the position of that country in the table's names; and its share of the AS's addresses.
        An AS without IPv4 is weighed by its IPv6 networks of 48 bits.
    """
    table = world_table()
    cut = len(table.pieces.starts4)
    sizes4 = np.diff(np.r_[table.pieces.starts4.astype(np.float64), 2.0**32])
    high = table.pieces.high6.astype(np.float64)
    sizes6 = np.diff(np.r_[high, 2.0**64]) / 2.0**16
    ases = np.r_[table.ases[:cut], table.ases[cut:]].astype(np.int64)
    sizes = np.r_[sizes4, sizes6 * 1e-9]
    keys = (ases << 16) | table.countries
    order = np.argsort(keys, kind="stable")
    begins = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
    sums = np.add.reduceat(sizes[order], begins)
    pairs = keys[order][begins]
    rank = np.lexsort((-sums, pairs >> 16))
    pairs, sums = pairs[rank], sums[rank]
    first = np.flatnonzero(np.r_[True, np.diff(pairs >> 16) != 0])
    totals = np.add.reduceat(sums, first)
    share = np.divide(sums[first], totals, out=np.zeros(len(first)), where=totals > 0)
    return (pairs[first] >> 16).astype(np.uint32), pairs[first] & 0xFFFF, share
