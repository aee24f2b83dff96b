"""The coverage ledger: what each exporter sent and lost, one row per exporter, domain and minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

LEDGER_SCHEMA = pa.schema(
    [
        ("exporter", pa.string()),
        ("domain", pa.uint32()),
        ("minute", pa.timestamp("s", tz="UTC")),
        ("datagrams", pa.uint64()),
        ("records", pa.uint64()),
        ("lost", pa.uint64()),
        ("sampling", pa.uint32()),
        ("skew_s", pa.float64()),
        ("stated", pa.float64()),
    ]
)
"""`lost` in records; `sampling` the largest interval seen in the minute; `skew_s` the exporter's clock minus
the arrival; `stated` the share of the minute that the source itself says it saw, null where it says nothing."""

HOW = {
    "datagrams": "sum",
    "records": "sum",
    "lost": "sum",
    "sampling": "max",
    "skew_s": "mean",
    "stated": "min",
}


def fold_ledger(table: pa.Table) -> pa.Table:
    """One row per exporter, domain and minute, whatever number of rows came in."""
    folded = table.group_by(["exporter", "domain", "minute"]).aggregate(list(HOW.items()))
    return (
        folded.select(["exporter", "domain", "minute", *(f"{name}_{how}" for name, how in HOW.items())])
        .rename_columns(LEDGER_SCHEMA.names)
        .cast(LEDGER_SCHEMA)
    )


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
        datagrams: NDArray[Any] | int = 0,
        records: NDArray[Any] | int = 0,
        lost: NDArray[Any] | int = 0,
        sampling: NDArray[Any] | int = 0,
        skew_s: NDArray[Any] | None = None,
        stated: NDArray[Any] | None = None,
    ) -> None:
        """Add rows; `exporter` holds positions in `exporters`, `minute_s` any second of the minute."""
        count = len(minute_s)
        if not count:
            return

        def column(values: NDArray[Any] | int) -> NDArray[Any]:
            return np.broadcast_to(np.asarray(values), (count,))

        nothing = pa.nulls(count, pa.float64())
        table = pa.table(
            [
                pa.DictionaryArray.from_arrays(
                    pa.array(exporter, pa.int32()), pa.array(list(exporters), pa.string())
                ).cast(pa.string()),
                pa.array(column(domain).astype(np.uint32)),
                pa.array((np.asarray(minute_s) // 60 * 60).astype(np.int64)).cast(pa.timestamp("s", tz="UTC")),
                pa.array(column(datagrams).astype(np.uint64)),
                pa.array(column(records).astype(np.uint64)),
                pa.array(column(lost).astype(np.uint64)),
                pa.array(column(sampling).astype(np.uint32)),
                nothing if skew_s is None else pa.array(skew_s.astype(np.float64), from_pandas=True),
                nothing if stated is None else pa.array(stated.astype(np.float64), from_pandas=True),
            ],
            schema=LEDGER_SCHEMA,
        )
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
