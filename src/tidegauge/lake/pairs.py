"""Who calls whom: flows oriented from client to server, summed by pair, and the calls of chosen pairs in order of time.

All in DuckDB, with bounded memory: what does not fit is spilled. The statements are in `sql/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from tidegauge.lake.query import FlowFilter, Lake
from tidegauge.lake.statements import Row, asked, rows_of, text_of, view

PART_ROWS, BATCH_ROWS = 4_000_000, 500_000
CROWD, CROWD_SHARE = 30, 0.05


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls a service, or several, and what the far end displays: what all rows about calls have.

    Attributes:
        way: `out` where the client is ours, `in` where the server is, `internal` where both are.
        first_us, last_us: the first start and the last end of its calls, epoch microseconds.
    """

    client: bytes
    proto: int
    port: int
    way: str
    first_us: int
    last_us: int
    far_country: str | None
    far_as: int | None
    far_class: int | None

    @property
    def first_s(self) -> float:
        return self.first_us / 1e6

    @property
    def last_s(self) -> float:
        return self.last_us / 1e6

    @property
    def lasted_s(self) -> float:
        return self.last_s - self.first_s


@dataclass(frozen=True, kw_only=True)
class Called(Caller):
    """A client and a service of one server."""

    server: bytes

    @property
    def ours(self) -> bytes:
        return self.server if self.way == "in" else self.client

    @property
    def far(self) -> bytes:
        return self.client if self.way == "in" else self.server


@dataclass(frozen=True, kw_only=True)
class Pair(Called):
    """The same with sums both ways, in packets and bytes.

    Attributes:
        calls, answers: flows from the client, and to it.
        held: calls in which the client went on after the first packet.
    """

    calls: int
    answers: int
    up_packets: float
    up_bytes: float
    down_packets: float
    down_bytes: float
    up_flags: int | None
    down_flags: int | None
    held: int
    sampling: int

    @property
    def unanswered(self) -> bool:
        return not self.down_packets


class Views:
    """The flows of one time, and what is asked of them: `chosen_flows`; `crossing`, those in and out; `oriented` from
    client to server; `named`, the same with one address for all of a name; and `pairs`, summed when first asked for."""

    def __init__(self, engine: duckdb.DuckDBPyConnection) -> None:
        self._engine = engine
        self._summed = False

    def table(self, text: str, **given: Any) -> pa.Table:
        """What a statement gives."""
        return asked(self._engine, self._ready(text), **given)

    def rows(self, of: type[Row], text: str, **given: Any) -> list[Row]:
        """The same as objects."""
        return rows_of(of, self.table(text, **given))

    def value(self, text: str, **given: Any) -> Any:
        """The first value that a statement gives; None where it gives none."""
        rows = self._engine.execute(self._ready(text), given).fetchall()
        return rows[0][0] if rows else None

    def make(self, name: str, text: str, **given: Any) -> None:
        """Keep the rows of a statement under a name, for others to ask; as long as this is open."""
        self._engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {self._ready(text)}", given)

    def join(self, wanted: pa.Table) -> None:
        """Give statements a table to join, as `wanted`."""
        self._engine.register("wanted", wanted)

    def _ready(self, text: str) -> str:
        if not self._summed and re.search(r"\b(FROM|JOIN) pairs\b", text):
            self._engine.execute("CREATE TEMP TABLE pairs AS FROM pairs_of('oriented')")
            self._summed = True
        return text


class Pairs(Views):
    """Pairs of one time of a lake; use as a context manager, since it holds a DuckDB connection.

    Args:
        aliases: addresses that one name pointed to, each with the one that stands for all (16 bytes); `regulars`,
            `calls` and `ends` take them as one server.
        watched: SQL condition on flows, for `watched` in `crossing`.
    """

    def __init__(
        self, lake: Lake, chosen: FlowFilter, aliases: dict[bytes, bytes] | None = None, watched: str = "false"
    ) -> None:
        self._lake, self._chosen, self._watched = lake, chosen, watched
        given = aliases or {}
        self._aliases = pa.table(
            {"server": pa.array(list(given), pa.binary()), "same": pa.array(list(given.values()), pa.binary())}
        )
        self.rows_chosen = 0

    def __enter__(self) -> Pairs:
        self._open = ExitStack()
        super().__init__(self._open.enter_context(self._lake.engine(self._chosen.since_us, self._chosen.until_us)))
        self._define(self._engine, self._chosen, asked_all=True)
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.close()

    def _define(self, engine: duckdb.DuckDBPyConnection, chosen: FlowFilter, *, asked_all: bool) -> None:
        """Make the views; of a time that is only looked back at, what was asked of everybody is not looked for."""
        engine.execute(text_of("macros"))
        view(engine, "chosen_flows", "flows", chosen.sql())
        if asked_all:
            engine.execute(f"CREATE TEMP TABLE asked_all AS {text_of('asked_all')}")
            asked_all = bool(engine.execute("SELECT count(*) FROM asked_all").fetchall()[0][0])
        engine.register("aliases", self._aliases)
        view(engine, "marked", f"({text_of('marked' if asked_all else 'unmarked')})")
        view(engine, "oriented", f"({text_of('oriented')})")
        view(engine, "named", f"({text_of('named')})" if self._aliases.num_rows else "oriented")
        view(engine, "crossed", f"({text_of('crossing')})")
        engine.execute(f"CREATE TEMP VIEW crossing AS SELECT *, ({self._watched}) AS watched FROM crossed")

    @contextmanager
    def between(self, since_s: int, until_s: int) -> Iterator[Views]:
        """The same views of another time."""
        chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000)
        with self._lake.engine(chosen.since_us, chosen.until_us) as engine:
            self._define(engine, chosen, asked_all=False)
            yield Views(engine)

    def opened(self, since_s: int, until_s: int) -> Views:
        """The same, as long as this is open."""
        return self._open.enter_context(self.between(since_s, until_s))

    def first_seen(self, keys: list[int], since_s: int, until_s: int, *, went_on: bool = False) -> dict[int, int]:
        """When each of some pairs was first seen in another time, in microseconds; only those that were.

        Args:
            went_on: by a call in which the client went on.
        """
        if not keys or since_s >= until_s:
            return {}
        with self.between(since_s, until_s) as then:
            then.join(pa.table({"key": pa.array(keys, pa.uint64())}))
            found = then.table(text_of("first_seen"), went_on=went_on)
        return dict(zip(found["key"].to_pylist(), found["first_us"].to_pylist(), strict=True))

    def seen_before(self, pair: Pair, since_s: int, until_s: int) -> bool:
        """Whether a pair called in another time."""
        with self.between(since_s, until_s) as then:
            return bool(then.value(text_of("calls_before"), client=pair.client, server=pair.server, port=pair.port,
                                   proto=pair.proto))

    def servers_of(
        self, callers: list[tuple[bytes, int, int]], since_s: int, until_s: int
    ) -> dict[tuple[bytes, int, int], set[bytes]]:
        """The servers that clients called in another time, by client, protocol and port (0: any)."""
        columns = list(zip(*callers, strict=True))
        found: dict[tuple[bytes, int, int], set[bytes]] = {}
        with self.between(since_s, until_s) as then:
            then.join(pa.table({n: pa.array(c) for n, c in zip(("client", "protocol", "door"), columns, strict=True)}))
            for row in then.table(text_of("servers_asked")).to_pylist():
                found.setdefault((row["client"], row["protocol"], row["door"]), set()).add(row["server"])
        return found

    def regulars(self, least: int) -> tuple[int, int]:
        """Choose the pairs that have at least so many calls; how many there are, and how many were left out.

        Left out are those that call a service (server, port, protocol) which many others call as often: more than
        `CROWD`, and more than `CROWD_SHARE` of those that call the most common one.
        """
        self.make("regulars", text_of("regulars"), least=least, crowd=CROWD, crowd_share=CROWD_SHARE)
        (row,) = self.table(text_of("regulars_counted")).to_pylist()
        self._engine.execute("DELETE FROM regulars WHERE crowded")
        self.rows_chosen = int(row["calls"])
        return int(row["kept"]), int(row["crowded"])

    def calls(self) -> Iterator[pa.Table]:
        """The calls of the pairs that `regulars` chose, in parts of whole pairs, by pair and time.

        Columns: `key`, `start_us`, `end_us`, `cport`, `bytes`, `flags`, `sampling`.
        """
        held: list[pa.RecordBatch] = []
        for batch in self._engine.sql(text_of("calls")).to_arrow_reader(BATCH_ROWS):
            held.append(batch)
            if sum(len(b) for b in held) >= PART_ROWS:
                table = pa.Table.from_batches(held)
                keys = table["key"].to_numpy()
                cut = int(np.searchsorted(keys, keys[-1]))  # the last pair goes on in the next batch
                if cut:
                    yield table.slice(0, cut)
                    held = table.slice(cut).to_batches()
        if held:
            yield pa.Table.from_batches(held)

    def ends(self, of: type[Row], keys: list[int]) -> list[Row]:
        """Who is behind keys of `calls`: pairs, with `key`, and how many clients call that server."""
        self.join(pa.table({"key": pa.array(keys, pa.uint64())}))
        view(self._engine, "wanted_calls", "named", "pair_key(client, server, port, proto) IN (FROM wanted)")
        self.make("looked_at", "FROM pairs_of('wanted_calls')")
        return self.rows(of, text_of("ends"))
