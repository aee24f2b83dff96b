"""Editions of the atlas and the origin of an address at a time, by the edition that holds then."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidegauge.atlas.table import OriginTable
from tidegauge.model import Addresses, Prefix, class_bit, inside, parse_time

DATA = Path(str(files("tidegauge.atlas") / "data"))
FOREVER_S = 1 << 40


@dataclass(frozen=True)
class Edition:
    """One dated release of one source."""

    source: str
    edition: str
    licence: str
    ranges: int

    @property
    def date_s(self) -> int:
        return parse_time(self.edition, now_s=0)


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
class Origins:
    """Labels of addresses; arrays of shape (n,). `countries` are positions in `country_names`."""

    countries: NDArray[np.uint16]
    ases: NDArray[np.uint32]
    classes: NDArray[np.uint16]
    country_names: tuple[str, ...]


class Atlas:
    """The embedded editions: the world of one date, and documented facts with their valid times."""

    @cached_property
    def world(self) -> tuple[Edition, OriginTable]:
        about = json.loads((DATA / "world.json").read_text(encoding="utf-8"))
        four = pq.read_table(DATA / "world-ipv4.parquet")
        six = pq.read_table(DATA / "world-ipv6.parquet")
        listed = {n for t in (four, six) for n in t["country"].unique().to_pylist()}
        names = tuple(sorted({"ZZ"} | listed | {f.country for f in self.facts}))
        position = {name: i for i, name in enumerate(names)}

        def countries(table: pa.Table) -> NDArray[np.uint16]:
            column = table["country"].combine_chunks()
            column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            own = np.array([position[n] for n in column.dictionary.to_pylist()], dtype=np.uint16)
            return np.asarray(own[np.asarray(column.indices)])

        def cumulated(table: pa.Table, name: str) -> NDArray[np.uint64]:
            return np.cumsum(table[name].to_numpy().astype(np.uint64), dtype=np.uint64)

        table = OriginTable(
            starts4=cumulated(four, "gap").astype(np.uint32), countries4=countries(four), ases4=four["as"].to_numpy(),
            high6=cumulated(six, "gap_high"), low6=six["low"].to_numpy(),
            countries6=countries(six), ases6=six["as"].to_numpy(), country_names=names,
        )  # fmt: skip
        edition = Edition(about["source"], about["edition"], about["licence"], len(four) + len(six))
        return edition, table

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        with (DATA / "facts-2014.csv").open(newline="", encoding="utf-8") as file:
            return tuple(
                Fact(
                    prefix=Prefix.parse(row["prefix"]),
                    country=row["country"],
                    asn=int(row["as"]) if row["as"] else None,
                    classes=sum(class_bit(name) for name in row["classes"].split()),
                    from_s=parse_time(row["valid_from"], now_s=0),
                    until_s=parse_time(row["valid_until"], now_s=0) if row["valid_until"] else FOREVER_S,
                    used_by=row["used_by"],
                    note=row["note"],
                )
                for row in csv.DictReader(file)
            )

    @cached_property
    def as_names(self) -> dict[int, str]:
        table = pq.read_table(DATA / "as-names.parquet")
        return dict(zip(table["as"].to_pylist(), table["name"].to_pylist(), strict=True))

    def editions(self) -> list[Edition]:
        """All editions, oldest first."""
        facts = Edition(
            "documented facts",
            "2014-11-24",
            "Apache-2.0; facts as cited in docs/reference/atlas.md",
            len(self.facts),
        )
        return sorted([facts, self.world[0]], key=lambda e: e.date_s)

    def distance_s(self, time_s: int) -> int:
        """How far a time lies from the nearest edition of the world's table, in seconds."""
        return abs(time_s - self.world[0].date_s)

    def lookup(self, addresses: Addresses, times_us: NDArray[np.int64]) -> Origins:
        """Origins of addresses of shape (n, 16) at times of shape (n,)."""
        _, table = self.world
        countries, ases = table.lookup(addresses)
        classes = np.zeros(len(addresses), dtype=np.uint16)
        for fact in self.facts:
            hit = np.flatnonzero(inside(addresses, (fact.prefix,)))
            if len(hit):
                hit = hit[(times_us[hit] >= fact.from_s * 1_000_000) & (times_us[hit] < fact.until_s * 1_000_000)]
                countries[hit] = table.country_names.index(fact.country)
                classes[hit] |= np.uint16(fact.classes)
                if fact.asn is not None:
                    ases[hit] = fact.asn
        return Origins(countries, ases, classes, table.country_names)
