"""The coverage ledger: what each exporter sent and lost, one row per exporter, domain and minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

LEDGER_SCHEMA = pa.schema(
    [
        ("exporter", pa.string()),
        ("agent", pa.string()),
        ("domain", pa.uint32()),
        ("minute", pa.timestamp("s", tz="UTC")),
        ("datagrams", pa.uint64()),
        ("records", pa.uint64()),
        ("lost", pa.int64()),
        ("waiting", pa.int64()),
        ("unread", pa.uint64()),
        ("dropped", pa.uint64()),
        ("duplicates", pa.uint64()),
        ("overtaken", pa.uint64()),
        ("restarts", pa.uint64()),
        ("misses", pa.uint64()),
        ("unsampled", pa.uint64()),
        ("unfollowed", pa.uint64()),
        ("apart", pa.uint64()),
        ("held", pa.uint64()),
        ("sampling", pa.uint32()),
        ("skew_s", pa.float64()),
        ("delay_s", pa.float64()),
        ("stated", pa.float64()),
        ("standing", pa.uint8()),
        ("counts", pa.uint8()),
    ]
)
"""`agent`: the sFlow agent, where that is not the exporter itself. `lost` in records, by sequence number; negative
where an overtaken datagram takes back a loss of an earlier row. `waiting`: those of them, about, that are here and
wait for their template or sampler. `unread`: bytes of records of which more cannot be read. `dropped`: datagrams that
our own machine dropped, shared out over those that were sending. `duplicates`: datagrams left out since they came
twice. `overtaken`: datagrams that came late. `restarts` of the exporter.
`misses`: data sets whose template never came.
`unsampled`: records whose sampling interval is not known or was not applied, and which count as they are.
`unfollowed`: records of exporters whose sequence numbers follow no rule: what was lost between them cannot be known.
`apart`: records kept out
of the lake since they cannot be true. `held`: datagrams that were not read since most of their sender's did not hold.
`sampling`: the largest interval of the minute. `skew_s`: the exporter's clock minus the arrival. `delay_s`: from the
end of a flow to its arrival, at most. `stated`: the share of the minute that the source itself says it saw, null where
it says nothing. `standing` of the exporter then: 0 proven (as whatever comes from files), 1 new, 2 its datagrams
contradict one another. `counts`: what the exporter's sequence numbers count, a position in `SEQUENCES`."""
SEQUENCES = ("", "records", "messages", "flows", "none", "unclear")
"""What sequence numbers count: not told; data records (RFC 7011), export messages (RFC 3954, sFlow), flows (NetFlow
v5), nothing (always the same number), nothing that any rule fits."""
PROVEN, NEW, CONTRADICTORY = 0, 1, 2
"""Standings."""
OTHER_PARTS = 0xFFFFFFFF
"""The domain under which parts of an exporter that are not told apart are counted."""
KEYS = ("exporter", "agent", "domain", "minute")

HOW = {
    "datagrams": "sum",
    "records": "sum",
    "lost": "sum",
    "waiting": "sum",
    "unread": "sum",
    "dropped": "sum",
    "duplicates": "sum",
    "overtaken": "sum",
    "restarts": "sum",
    "misses": "sum",
    "unsampled": "sum",
    "unfollowed": "sum",
    "apart": "sum",
    "held": "sum",
    "sampling": "max",
    "skew_s": "mean",
    "delay_s": "max",
    "stated": "min",
    "standing": "max",
    "counts": "max",
}
LEDGER_AMOUNTS = tuple(name for name, how in HOW.items() if how == "sum")


def fold_ledger(table: pa.Table, by: str | None = None) -> pa.Table:
    """One row per exporter, agent, domain and minute (and a further column), whatever number of rows came in."""
    more = [by] if by else []
    folded = table.group_by([*KEYS, *more]).aggregate(list(HOW.items()))
    return (
        folded.select([*KEYS, *(f"{name}_{how}" for name, how in HOW.items()), *more])
        .rename_columns([*LEDGER_SCHEMA.names, *more])
        .cast(pa.schema([*LEDGER_SCHEMA, *(table.schema.field(name) for name in more)]))
    )


def complete_ledger(table: pa.Table) -> pa.Table:
    """Folded rows as readers take them: no negative losses, and 0 for amounts that older files do not have."""
    for name in ("agent", *LEDGER_AMOUNTS, "sampling", "standing", "counts"):
        column = pc.fill_null(table[name], "" if name == "agent" else 0)
        if name in ("lost", "waiting"):
            column = pc.max_element_wise(column, pa.scalar(0, pa.int64()))
        table = table.set_column(table.schema.get_field_index(name), LEDGER_SCHEMA.field(name), column)
    return table


def stamp_ledger(table: pa.Table, standings: dict[str, int]) -> pa.Table:
    """The same rows with the standing of their exporters, by name; of one that is not named it is 0 (proven)."""
    values = pa.array([standings.get(name, 0) for name in table["exporter"].to_pylist()], pa.uint8())
    return table.set_column(table.schema.get_field_index("standing"), LEDGER_SCHEMA.field("standing"), values)


@dataclass
class LedgerBuilder:
    """Collects ledger rows from decoders; folds as it goes, so its size follows the minutes, not the flows."""

    parts: list[pa.Table] = field(default_factory=list)
    rows: int = 0

    def add(
        self,
        *,
        exporters: tuple[str, ...] | list[str],
        exporter: NDArray[np.int32],
        minute_s: NDArray[np.int64],
        domain: NDArray[Any] | int = 0,
        agent: str = "",
        **columns: NDArray[Any] | int | None,
    ) -> None:
        """Add rows.

        Args:
            exporter: positions in `exporters`; shape (n,).
            minute_s: any second of the minute; shape (n,).
            columns: others of `LEDGER_SCHEMA`; a number stands for a whole column, what is left out is 0 or null.
        """
        count = len(minute_s)
        if not count:
            return
        arrays = [
            pa.DictionaryArray.from_arrays(pa.array(exporter, pa.int32()), pa.array(list(exporters), pa.string())).cast(
                pa.string()
            ),
            pa.array([agent] * count, pa.string()),
            pa.array(np.broadcast_to(np.asarray(domain), (count,)).astype(np.uint32)),
            pa.array((np.asarray(minute_s) // 60 * 60).astype(np.int64)).cast(pa.timestamp("s", tz="UTC")),
        ]
        for column in list(LEDGER_SCHEMA)[len(KEYS) :]:
            given = columns.pop(column.name, None)
            if given is None and pa.types.is_floating(column.type):
                arrays.append(pa.nulls(count, column.type))
            else:
                values = np.broadcast_to(np.asarray(0 if given is None else given), (count,))
                arrays.append(pa.array(values.astype(column.type.to_pandas_dtype()), from_pandas=True))
        if columns:
            raise ValueError(f"no such ledger column: {', '.join(columns)}")
        table = pa.table(arrays, schema=LEDGER_SCHEMA)
        self.parts.append(fold_ledger(table))
        self.rows += len(self.parts[-1])
        if self.rows > 200_000 and len(self.parts) > 1:
            self.parts = [self.table()]
            self.rows = len(self.parts[0])

    def table(self) -> pa.Table:
        """All rows, folded."""
        if not self.parts:
            return LEDGER_SCHEMA.empty_table()
        return fold_ledger(pa.concat_tables(self.parts))
