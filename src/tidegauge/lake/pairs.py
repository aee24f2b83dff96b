"""Who calls whom: flows oriented from client to server, summed by pair, and the calls of chosen pairs in order of time.

All in DuckDB, with bounded memory: what does not fit is spilled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from tidegauge.lake.columns import column_sql
from tidegauge.lake.query import FlowFilter, Lake

SERVICE = (
    "CASE WHEN {p} = 0 THEN 4 WHEN {p} < 1024 THEN 0 WHEN {p} IN (1080, 1194, 1433, 1521, 1883, 3128, 3306, 3389, 5060,"
    " 5222, 5223, 5228, 5432, 5900, 6379, 6443, 6667, 8000, 8008, 8080, 8081, 8083, 8088, 8443, 8883, 8888, 9001, 9030,"
    " 9050, 9200, 27017, 51820) THEN 1 WHEN {p} < 32768 THEN 2 ELSE 3 END"
)
"""How likely a port is a server's, 0 the most."""
_SRC, _DST = SERVICE.format(p="src_port"), SERVICE.format(p="dst_port")

DHCP_ANSWER = "proto = 17 AND (src_port = 67 AND dst_port = 68 OR src_port = 547 AND dst_port = 546)"
"""The question came from an address of nobody (RFC 2131, RFC 8415)."""

FORWARD = f"""(CASE
 WHEN asked THEN true WHEN answer THEN false WHEN {DHCP_ANSWER} THEN false
 WHEN biflow_direction = 1 THEN true WHEN biflow_direction = 2 THEN false
 WHEN proto = 1 THEN dst_port <> 0 WHEN proto = 58 THEN dst_port <> 33024
 WHEN proto = 6 AND tcp_flags & 23 = 2 THEN true
 WHEN proto = 6 AND tcp_flags & 23 IN (18, 20, 4) AND tcp_flags & 8 = 0 THEN false
 WHEN {_DST} <> {_SRC} THEN {_DST} < {_SRC}
 WHEN src_port <> dst_port THEN dst_port < src_port
 ELSE direction = 'out' END)"""
"""Whether a flow goes from the client to the server: by a question to everybody that it answers or goes on with, as the
exporter says (RFC 5103), by a lone SYN or its answer, else by the ports, else ours is the client."""


def to_all(column: str) -> str:
    """SQL condition on addresses of everybody: multicast (RFC 5771, RFC 4291) and broadcast.

    Which address is the broadcast of a subnet is not known: one that ends with 255 is taken for it.
    """
    return (
        f"({column} BETWEEN unhex('00000000000000000000ffffe0000000') AND unhex('00000000000000000000ffffefffffff')"
        f" OR {column} >= unhex('ff000000000000000000000000000000')"
        f" OR {column}[1:12] = unhex('00000000000000000000ffff') AND {column}[16:16] = unhex('ff'))"
    )


ASKED_ALL = (
    "SELECT DISTINCT src AS asker, src_port AS asker_port, src_port = dst_port AS same_port FROM chosen_flows"
    f" WHERE proto = 17 AND (src_port >= 1024 OR src_port = dst_port) AND {to_all('dst')}"
)
"""Who asked everybody by UDP, and from which port: what comes to it there is an answer, whatever its own ports (SSDP,
WS-Discovery, LLMNR, printers); where it asked from the port it asked at, what comes from that port (mDNS, NetBIOS)."""
ASKERS = "(SELECT (asker, asker_port) FROM asked_all WHERE {same})"
ANSWERS_ALL = {
    "asked": f"proto = 17 AND (src, src_port) IN {ASKERS.format(same='NOT same_port')}",
    "answer": f"proto = 17 AND ((dst, dst_port) IN {ASKERS.format(same='NOT same_port')}"
    f" OR src_port = dst_port AND (dst, dst_port) IN {ASKERS.format(same='same_port')})",
}
"""Which flows go on with a question to everybody, and which answer one."""

ORIENTED = f"""SELECT *, CASE WHEN fwd THEN src ELSE dst END AS client, CASE WHEN fwd THEN dst ELSE src END AS server,
 CASE WHEN proto IN (1, 58) THEN 0 WHEN fwd THEN dst_port ELSE src_port END AS port,
 CASE WHEN proto IN (1, 58) THEN 0 WHEN fwd THEN src_port ELSE dst_port END AS cport,
 CASE WHEN direction IN ('in', 'out') THEN CASE WHEN fwd = (direction = 'out') THEN 'out' ELSE 'in' END
      ELSE direction END AS way
 FROM (SELECT *, {FORWARD} AS fwd FROM (SELECT *, false AS asked, false AS answer FROM flows))"""
"""`way`: `out` where the client is ours, `in` where the server is."""

NAMED = """SELECT * REPLACE (coalesce(same, server) AS server) FROM ({oriented}) LEFT JOIN
 (SELECT server AS other, same FROM aliases) ON server = other"""
"""The same with one address for all that a name pointed to."""

KEY = "hash(client, server, port, proto)"
FAR_END = (
    "max(CASE WHEN fwd = (way = 'out') THEN dst_class ELSE src_class END) AS far_class,"
    " any_value(CASE WHEN fwd = (way = 'out') THEN dst_country ELSE src_country END) AS far_country,"
    " any_value(CASE WHEN fwd = (way = 'out') THEN dst_as ELSE src_as END) AS far_as"
)
"""What the far end of grouped calls displays."""

PAIRS = f"""SELECT client, server, port, proto, way,
 count(*) FILTER (fwd) AS calls, count(*) FILTER (NOT fwd) AS answers,
 (sum(packets) FILTER (fwd))::DOUBLE AS up_packets, (sum(bytes) FILTER (fwd))::DOUBLE AS up_bytes,
 (sum(packets) FILTER (NOT fwd))::DOUBLE AS down_packets, (sum(bytes) FILTER (NOT fwd))::DOUBLE AS down_bytes,
 bit_or(tcp_flags) FILTER (fwd) AS up_flags, bit_or(tcp_flags) FILTER (NOT fwd) AS down_flags,
 count(*) FILTER (fwd AND (tcp_flags & 16 <> 0 OR (tcp_flags = 0 AND packets > 2 * sampling))) AS held,
 min(epoch_us(time_start)) AS first_us, max(epoch_us(time_end)) AS last_us, max(sampling) AS sampling,
 {FAR_END}
 FROM oriented WHERE way <> 'transit' GROUP BY client, server, port, proto, way"""
"""`held`: calls in which the client went on after the first packet (acknowledged, or sent more than two)."""

CAME_AND_WENT = (
    "coalesce(sum(bytes) FILTER (direction = 'in'), 0)::DOUBLE AS came,"
    " coalesce(sum(bytes) FILTER (direction = 'out'), 0)::DOUBLE AS went"
)
"""Bytes both ways, as SQL."""
BY_DAY = f"""SELECT {column_sql("home")} AS home, {column_sql("far")} AS far,
 epoch_us(time_start) // 86400000000 AS day, {CAME_AND_WENT}, count(*) FILTER (direction = 'out') AS flows_out,
 min(epoch_us(time_start)) AS first_us, max(epoch_us(time_end)) AS last_us
 FROM flows WHERE direction IN ('in', 'out') AND {{chosen}} GROUP BY home, far, day"""
"""What each host of ours and each far end exchanged on each day (since 1970-01-01, UTC), in bytes."""

PART_ROWS, BATCH_ROWS = 4_000_000, 500_000
CROWD, CROWD_SHARE = 30, 0.05


class Pairs:
    """Pairs of one time of a lake; use as a context manager, since it holds a DuckDB connection.

    Args:
        aliases: addresses that one name pointed to, each with the one that stands for all (16 bytes); `regulars`,
            `calls` and `ends` take them as one server.
    """

    def __init__(self, lake: Lake, chosen: FlowFilter, aliases: dict[bytes, bytes] | None = None) -> None:
        self._lake, self._chosen = lake, chosen
        given = aliases or {}
        self._aliases = pa.table(
            {"server": pa.array(list(given), pa.binary()), "same": pa.array(list(given.values()), pa.binary())}
        )
        self._made = False
        self.rows = 0

    def __enter__(self) -> Pairs:
        self._context = self._lake.engine(self._chosen.since_us, self._chosen.until_us)
        self._engine = self._context.__enter__()
        self._engine.execute(f"CREATE TEMP VIEW chosen_flows AS SELECT * FROM flows WHERE {self._chosen.sql()}")
        self._engine.execute(f"CREATE TEMP TABLE asked_all AS {ASKED_ALL}")
        oriented = ORIENTED.replace("FROM flows)", "FROM chosen_flows)")
        if self._engine.execute("SELECT count(*) FROM asked_all").fetchall()[0][0]:
            for column, condition in ANSWERS_ALL.items():
                oriented = oriented.replace(f"false AS {column}", f"({condition}) AS {column}")
        self._engine.execute(f"CREATE TEMP VIEW oriented AS {oriented}")
        self._engine.register("aliases", self._aliases)
        self._engine.execute(f"CREATE TEMP VIEW named AS {self._named('oriented')}")
        return self

    def _named(self, relation: str) -> str:
        return NAMED.format(oriented=f"FROM {relation}") if self._aliases.num_rows else f"SELECT * FROM {relation}"

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)

    def sql(self, text: str) -> pa.Table:
        """A query over `pairs` (summed when first asked for), `oriented` and `chosen_flows`."""
        return _numbers(self._engine.sql(self._ready(text)).to_arrow_table())

    def make(self, name: str, text: str) -> None:
        """Keep the rows of a query under a name, for others to ask; as long as this is open."""
        self._engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {self._ready(text)}")

    def _ready(self, text: str) -> str:
        """The query, after `pairs` has been summed where it is asked for."""
        if "pairs" in text and not self._made:
            self._engine.execute(f"CREATE TEMP TABLE pairs AS {PAIRS}")
            self._made = True
        return text

    def joined(self, text: str, wanted: pa.Table) -> pa.Table:
        """A query that may join the given table as `wanted`."""
        self._engine.register("wanted", wanted)
        return self.sql(text)

    def first_seen(self, keys: list[int], since_s: int, until_s: int, condition: str = "true") -> dict[int, int]:
        """When each of some pairs was first seen in another time, in microseconds, by a call that meets a condition;
        only those that were."""
        chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000)
        if not keys or since_s >= until_s:
            return {}
        with self._lake.engine(chosen.since_us, chosen.until_us) as engine:
            engine.register("wanted", pa.table({"key": pa.array(keys, pa.uint64())}))
            engine.register("aliases", self._aliases)
            oriented = ORIENTED.replace("FROM flows)", f"FROM flows WHERE {chosen.sql()})")
            rows = engine.execute(
                f"SELECT {KEY} AS key, min(epoch_us(time_start)) FROM ({self._named(f'({oriented})')}) SEMI JOIN wanted"
                f" ON {KEY} = wanted.key WHERE fwd AND {condition} GROUP BY ALL"
            ).fetchall()
        return dict(rows)

    def seen_before(self, row: dict[str, Any], since_s: int, until_s: int) -> bool:
        """Whether a row's pair (`client`, `server`, `port`, `proto`) called in another time."""
        chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000)
        both = " OR ".join(
            f"src = unhex('{a.hex()}') AND dst = unhex('{b.hex()}')"
            for a, b in ((row["client"], row["server"]), (row["server"], row["client"]))
        )
        own = f"proto = {int(row['proto'])} AND ({both})"
        oriented = ORIENTED.replace("FROM flows)", f"FROM flows WHERE {chosen.sql()} AND {own})")
        with self._lake.engine(chosen.since_us, chosen.until_us) as engine:
            text = f"SELECT count(*) FROM ({oriented}) WHERE port = {int(row['port'])} AND fwd"
            return bool(engine.execute(text).fetchall()[0][0])

    def servers_of(
        self, asked: list[tuple[bytes, int, int]], since_s: int, until_s: int
    ) -> dict[tuple[bytes, int, int], set[bytes]]:
        """The servers that clients called in another time, by client, protocol and port (0: any)."""
        found: dict[tuple[bytes, int, int], set[bytes]] = {}
        columns = list(zip(*asked, strict=True))
        with self._lake.engine(since_s * 1_000_000, until_s * 1_000_000) as engine:
            wanted = pa.table({n: pa.array(c) for n, c in zip(("client", "protocol", "door"), columns, strict=True)})
            engine.register("wanted", wanted)
            rows = engine.execute(
                "SELECT DISTINCT client, protocol, door, dst FROM flows JOIN wanted ON src = client"
                " AND proto = protocol AND (door = 0 OR dst_port = door)"
                f" WHERE {FlowFilter(since_s * 1_000_000, until_s * 1_000_000).sql()}"
            ).fetchall()
        for client, protocol, door, server in rows:
            found.setdefault((client, protocol, door), set()).add(server)
        return found

    @contextmanager
    def by_day(self, since_s: int, until_s: int) -> Iterator[Callable[[str], pa.Table]]:
        """A function that asks `by_day`, the sums of `BY_DAY` over another time."""
        chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000)
        with self._lake.engine(chosen.since_us, chosen.until_us) as engine:
            engine.execute(f"CREATE TEMP TABLE by_day AS {BY_DAY.format(chosen=chosen.sql())}")
            yield lambda text: _numbers(engine.sql(text).to_arrow_table())

    def whole(self, text: str, since_s: int, until_s: int) -> pa.Table:
        """A query over `all_flows`, the flows of another time."""
        chosen = FlowFilter(since_s * 1_000_000, until_s * 1_000_000)
        with self._lake.engine(chosen.since_us, chosen.until_us) as engine:
            engine.execute(f"CREATE TEMP VIEW all_flows AS SELECT * FROM flows WHERE {chosen.sql()}")
            return _numbers(engine.sql(text).to_arrow_table())

    def count(self) -> int:
        """Flows of the time."""
        return int(self.sql("SELECT count(*) AS n FROM chosen_flows")["n"][0].as_py())

    def regulars(self, least: int, condition: str = "true") -> tuple[int, int]:
        """Choose the pairs that have at least so many calls; how many there are, and how many were left out.

        Left out are those that call a service (server, port, protocol) which many others call as often: more than
        `CROWD`, and more than `CROWD_SHARE` of those that call the most common one.
        """
        self._engine.execute(
            "CREATE OR REPLACE TEMP TABLE regulars AS WITH r AS ("
            f"SELECT {KEY} AS key, hash(server, port, proto) AS service, any_value(way) AS way, count(*) AS n"
            f" FROM named WHERE fwd AND way <> 'transit' AND ({condition}) GROUP BY key, service"
            f" HAVING n >= {int(least)}), s AS (SELECT service, count(*) AS fellows FROM r GROUP BY service),"
            f" most AS (SELECT greatest({CROWD}, {CROWD_SHARE} * coalesce(max(fellows), 0)) AS crowd FROM s)"
            " SELECT key, n, way = 'out' AND fellows > crowd AS crowded FROM r JOIN s USING (service), most"
        )
        row = self.sql(
            "SELECT count(*) FILTER (NOT crowded) AS kept, count(*) FILTER (crowded) AS crowded,"
            " coalesce(sum(n) FILTER (NOT crowded), 0) AS rows FROM regulars"
        ).to_pylist()[0]
        self._engine.execute("DELETE FROM regulars WHERE crowded")
        self.rows = int(row["rows"])
        return int(row["kept"]), int(row["crowded"])

    def calls(self, condition: str = "true") -> Iterator[pa.Table]:
        """The calls of the pairs that `regulars` chose, in parts of whole pairs, by pair and time.

        Columns: `key`, `start_us`, `end_us`, `cport`, `bytes`, `flags`, `sampling`.
        """
        reader = self._engine.sql(
            f"SELECT {KEY} AS key, epoch_us(time_start) AS start_us, epoch_us(time_end) AS end_us, cport,"
            f" bytes, tcp_flags AS flags, sampling FROM named SEMI JOIN regulars ON {KEY} = regulars.key"
            f" WHERE fwd AND way <> 'transit' AND ({condition}) ORDER BY key, start_us"
        ).to_arrow_reader(BATCH_ROWS)
        held: list[pa.RecordBatch] = []
        for batch in reader:
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

    def ends(self, keys: list[int]) -> pa.Table:
        """Who is behind keys of `calls`: columns of the pairs, with `key`, and how many clients call that server."""
        wanted = pa.table({"key": pa.array(keys, pa.uint64())})
        self._engine.register("wanted", wanted)
        mine = PAIRS.replace("FROM oriented", "FROM named").replace(
            "WHERE way", f"WHERE {KEY} IN (SELECT key FROM wanted) AND way"
        )
        self._engine.execute(f"CREATE OR REPLACE TEMP TABLE found AS {mine}")
        return self._engine.sql(
            f"WITH callers AS (SELECT server, port, proto, approx_count_distinct(client) AS callers FROM named"
            " SEMI JOIN found USING (server, port, proto) WHERE fwd GROUP BY ALL)"
            f" SELECT {KEY} AS key, found.*, coalesce(callers, 1) AS callers FROM found"
            " LEFT JOIN callers USING (server, port, proto)"
        ).to_arrow_table()


def _numbers(table: pa.Table) -> pa.Table:
    """Sums that DuckDB gives as 128-bit integers as 64-bit ones."""
    for place, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type):
            table = table.set_column(place, column.name, table[place].cast(pa.int64()))
    return table
