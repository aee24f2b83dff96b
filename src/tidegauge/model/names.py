"""Names that were seen on the wire, and what they pointed to: one row a query, answer or TLS handshake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.model.address import Addresses

NAMES_SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("us", tz="UTC")),
        ("exporter", pa.string()),
        ("source", pa.string()),
        ("client", pa.binary(16)),
        ("server", pa.binary(16)),
        ("name", pa.string()),
        ("query_type", pa.string()),
        ("answers", pa.list_(pa.string())),
        ("ttl_s", pa.uint32()),
    ]
)
"""`source` is `dns` or `tls`. `server` is the resolver of a DNS query, the far end of a handshake, whose address the
name then stood for. `answers` are addresses and names as text; `ttl_s` the least of them, 0 where it is not known."""

LONGEST_NAME = 255


def names_table(
    *, exporter: str, source: str, times_us: NDArray[np.int64], clients: Addresses, servers: Addresses,
    names: pa.Array, query_types: pa.Array | None = None, answers: pa.Array | None = None,
    ttls_s: NDArray[Any] | None = None,
) -> pa.Table:
    """A table of `NAMES_SCHEMA` from columns of shape (n,); names in lower case, without the final dot."""
    count = len(times_us)

    def addresses(values: Addresses) -> pa.Array:
        data = pa.py_buffer(np.ascontiguousarray(values))
        return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, data])

    return pa.table(
        [
            pa.array(times_us, pa.int64()).cast(NAMES_SCHEMA.field("time").type),
            pa.array([exporter] * count, pa.string()),
            pa.array([source] * count, pa.string()),
            addresses(clients),
            addresses(servers),
            names.cast(pa.string()),
            pa.nulls(count, pa.string()) if query_types is None else query_types.cast(pa.string()),
            pa.array([[]] * count, pa.list_(pa.string())) if answers is None else answers,
            pa.array(np.zeros(count) if ttls_s is None else np.clip(np.nan_to_num(ttls_s), 0, 2**31)).cast(pa.uint32()),
        ],
        schema=NAMES_SCHEMA,
    )
