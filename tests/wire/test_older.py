"""NetFlow v1 and v7: the flows of v5 in other records."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tests.make import NOW_S, decode, ip, pcap, run_json, v5, v5_record
from tidegauge.ingest import Ingest
from tidegauge.site import Site

UPTIME_MS = 3_600_000


def older(version: int, count: int, *, sequence: int = 0, base: int = 0) -> bytes:
    """A datagram of v1 or v7; the bytes of a record are by its number."""
    head = struct.pack(">HHIII", version, count, UPTIME_MS, NOW_S, 0)
    head += struct.pack(">II", sequence, 0) if version == 7 else b""
    rows = b""
    for n in range(count):
        shared = struct.pack(
            ">4s4s4sHHIIIIHH", ip("192.0.2.1"), ip("198.51.100.7"), bytes(4), 3, 4, n + 1, 100 * (n + 1) + base,
            UPTIME_MS - 9000, UPTIME_MS - 1000, 50000 + n, 443,
        )
        if version == 7:
            rows += shared + struct.pack(">BBBBHHBBHI", 0, 27, 6, 8, 64500, 64501, 24, 24, 0, 0)
        else:
            rows += shared + struct.pack(">HBBBBBB", 0, 6, 8, 27, 0, 0, 0) + bytes(8)
    return head + rows


@pytest.mark.parametrize("version", [1, 7])
def test_the_flows_of_older_versions(version: int) -> None:
    flows, decoder = decode(older(version, 20), older(version, 4, sequence=20))
    assert list(decoder.skipped) == []
    assert flows["bytes"].tolist() == [100 * (n + 1) for n in (*range(20), *range(4))]
    assert flows["packets"].tolist()[:3] == [1, 2, 3]
    assert set(zip(flows["proto"].tolist(), flows["tos"].tolist(), flows["tcp_flags"].tolist(),
                   flows["in_if"].tolist(), flows["out_if"].tolist(), strict=True)) == {(6, 8, 27, 3, 4)}
    assert flows["src_port"].tolist()[:2] == [50000, 50001]
    assert set(flows["dst_port"].tolist()) == {443}
    assert flows["time_start"].tolist()[0] == (NOW_S - 9) * 1_000_000
    assert flows["time_end"].tolist()[0] == (NOW_S - 1) * 1_000_000


@pytest.mark.parametrize("version", [1, 7])
def test_a_capture_of_an_older_version_is_one_of_flow_export(
    make_site: Callable[..., Site], tmp_path: Path, version: int
) -> None:
    site = make_site()
    sent = [older(version, 10, sequence=10 * n, base=n) for n in range(40)]
    Ingest(site).run([str(pcap(tmp_path / "in.pcap", *sent))])
    flows: list[dict[str, Any]] = run_json("flows", "--json", site=site)
    assert len(flows) == 400
    assert {flow["exporter"] for flow in flows} == {"192.0.2.1"}
    (seen,) = run_json("coverage", site=site)
    assert [(e["lost"], e["loss"]) for e in seen["exporters"]] == [(0, "known" if version == 7 else "not_knowable")]


@given(st.sampled_from([1, 7]), st.integers(1, 24), st.integers(-60, 60))
def test_a_datagram_of_another_length_is_none(version: int, count: int, more: int) -> None:
    data = older(version, count)
    data = data + bytes(more) if more > 0 else data[: len(data) + more]
    flows, decoder = decode(data)
    if more == 0:
        assert len(flows) == count
    else:
        assert len(flows) == 0
        assert sum(count for _, _, count in decoder.skipped) == 1


def test_older_ones_among_others_keep_their_order() -> None:
    flows, _ = decode(older(7, 2), v5([v5_record("192.0.2.1", "198.51.100.7")], sequence=5), older(1, 3))
    assert len(flows) == 6
    assert np.all(flows["bytes"] > 0)
