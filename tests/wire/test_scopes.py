"""Over what sequence numbers count is learned from them: one counter over many ports or domains loses nothing by it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.make import NOW_S, ip, ipfix, sets, simple_v9, template
from tidegauge.wire.datagrams import Datagrams
from tidegauge.wire.decoder import Decoder
from tidegauge.wire.sequence import SequenceTracker

DATAGRAMS = 240


def followed(
    scope: str, ports: int, domains: int, share: float, seed: int, *, counts_records: bool, blocks: int, regular: bool,
    rare: float = 0.0,
) -> tuple[int, int, int, int]:
    """Records lost and not knowable, as told; lost really, and sent."""
    random = np.random.default_rng(seed)
    port, domain = random.integers(0, ports, DATAGRAMS), random.integers(0, domains, DATAGRAMS)
    if rare:  # all but one of the ports and domains are seldom
        port, domain = (np.where(random.random(DATAGRAMS) < rare, column, 0) for column in (port, domain))
    records = random.integers(2, 30, DATAGRAMS)
    moved = records if counts_records else np.ones_like(records)
    keys = {"session": port * domains + domain, "port": port, "domain": domain, "exporter": 0 * domain}[scope]
    numbers = np.zeros(DATAGRAMS, dtype=np.int64)
    for key in np.unique(keys):
        own = keys == key
        numbers[own] = np.cumsum(moved[own]) - moved[own] + random.integers(0, 2**31)
    came = np.arange(DATAGRAMS) % 2 == 0 if regular else random.random(DATAGRAMS) >= share
    tracker = SequenceTracker(counts_records=counts_records)
    lost = unknown = 0
    for rows in np.array_split(np.flatnonzero(came), blocks):
        if len(rows):
            streams = domain[rows] | port[rows] << 20
            steps = moved[rows]
            zeros = np.zeros(len(rows), dtype=np.int64)
            found = tracker.follow(
                zeros.astype(np.int32), streams, numbers[rows], steps, records[rows], zeros,
                parts=domain[rows], keys=streams,
            )
            lost += int(found.lost.sum()) - sum(units for *_, units in found.credits)
            unknown += int(records[rows][found.unknown].sum())
    return lost, unknown, int(records[~came].sum()), int(records.sum())


@settings(max_examples=300, deadline=None)
@given(
    scope=st.sampled_from(["session", "port", "domain", "exporter"]), ports=st.sampled_from([1, 2, 4]),
    domains=st.sampled_from([1, 2, 3]), share=st.sampled_from([0.0, 0.1, 0.3]), seed=st.integers(0, 2**32 - 1),
    counts_records=st.booleans(), blocks=st.sampled_from([1, 6, 60]), rare=st.sampled_from([0.0, 0.05, 0.2]),
)
def test_losses_are_right_whatever_the_numbers_count_over(
    scope: str, ports: int, domains: int, share: float, seed: int, counts_records: bool, blocks: int, rare: float
) -> None:
    lost, unknown, really, sent = followed(
        scope, ports, domains, share, seed, counts_records=counts_records, blocks=blocks, regular=False, rare=rare
    )
    assert unknown > 0.01 * sent or abs(lost - really) <= 0.2 * sent


@pytest.mark.parametrize("counts_records", [True, False])
@pytest.mark.parametrize("regular", [True, False])
def test_a_port_for_each_datagram_hides_no_loss(counts_records: bool, regular: bool) -> None:
    lost, unknown, really, sent = followed(
        "domain", 20_000, 1, 0.5, 3, counts_records=counts_records, blocks=1, regular=regular
    )
    assert unknown > 0.01 * sent or abs(lost - really) <= 0.2 * sent


@pytest.mark.parametrize("kind", ["v9", "ipfix"])
def test_one_counter_over_ports_loses_nothing(kind: str) -> None:
    layout = (2, template(256, (8, 4), (12, 4), (1, 4), (2, 4)))
    row = ip("192.0.2.1") + ip("198.51.100.2") + bytes([0, 0, 0, 100, 0, 0, 0, 1])
    decoder = Decoder()
    sender = decoder.names.position("192.0.2.1")
    random = np.random.default_rng(1)
    for n, port in enumerate(random.integers(40000, 40004, 200).tolist()):
        payload = simple_v9(n, 3) if kind == "v9" else ipfix(sets(layout, (256, row * 3)), sequence=3 * n)
        datagrams = Datagrams.of([payload], arrived_us=[NOW_S * 1_000_000], sender=sender, port=port)
        list(decoder.decode(datagrams))
    table = decoder.ledger.table()
    assert (sum(table["records"].to_pylist()), sum(table["lost"].to_pylist())) == (600, 0)
