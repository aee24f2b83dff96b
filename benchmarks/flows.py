"""Flows and datagrams that the benchmarks are run on: a day of a network with few busy hosts and many quiet ones."""

from __future__ import annotations

import numpy as np

from tidegauge.atlas import world_table
from tidegauge.wire.netflow5 import HEADER, RECORD

EACH = 30
START_S = 1_416_787_200


def zipf_flows(count: int, random: np.random.Generator) -> np.ndarray:
    """v5 records of a day: few busy hosts, many quiet ones; small flows and some large."""
    count = count // EACH * EACH
    starts4 = world_table().pieces.starts4
    pool = (starts4[random.integers(0, len(starts4), 200_000)] + random.integers(1, 250, 200_000)).astype(np.uint32)
    ours = (0xC6120000 + random.permutation(65536)).astype(np.uint32)
    far, home = pool[random.zipf(1.2, count) % len(pool)], ours[random.zipf(1.3, count) % len(ours)]
    inward = random.random(count) < 0.5
    records = np.zeros(count, dtype=RECORD)
    records["srcaddr"], records["dstaddr"] = np.where(inward, far, home), np.where(inward, home, far)
    service, high = random.choice([443, 80, 53, 22, 25], count), random.integers(1024, 65536, count)
    records["srcport"], records["dstport"] = np.where(inward, service, high), np.where(inward, high, service)
    records["prot"] = np.where(service == 53, 17, 6)
    records["tcp_flags"] = np.where(service == 53, 0, 0x1B)
    records["dPkts"] = np.minimum(random.zipf(1.7, count), 100_000)
    records["dOctets"] = np.minimum(records["dPkts"].astype(np.int64) * random.integers(40, 1500, count), 2**32 - 1)
    records["input"], records["output"] = np.where(inward, 1, 2), np.where(inward, 2, 1)
    last = np.arange(count) * 86_400_000 // count
    records["last"] = last + 3_600_000
    records["first"] = records["last"] - np.minimum(random.exponential(8000, count), 300_000).astype(np.int64)
    return records


def v5_datagrams(records: np.ndarray) -> np.ndarray:
    """Rows of one UDP payload each."""
    rows = len(records) // EACH
    heads = np.zeros(rows, dtype=HEADER)
    sent_ms = records["last"].reshape(rows, EACH).max(axis=1).astype(np.int64)
    heads["version"], heads["count"] = 5, EACH
    heads["uptime_ms"] = sent_ms
    absolute = START_S * 1000 + sent_ms - 3_600_000
    heads["secs"], heads["nsecs"] = absolute // 1000, absolute % 1000 * 1_000_000
    heads["sequence"] = np.arange(rows) * EACH
    body = records.view(np.uint8).reshape(rows, EACH * RECORD.itemsize)
    return np.concatenate([heads.view(np.uint8).reshape(rows, HEADER.itemsize), body], axis=1)
