"""IPFIX over TCP: from captures in which segments come late, twice or never."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tests.make import ipfix, run_json, sets, template
from tests.packets import capture
from tidegauge.ingest import Ingest
from tidegauge.site import Site
from tidegauge.wire.tcpexport import take_messages

NOW_S = 1_700_000_000
FIELDS = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 8), (2, 8), (150, 4), (151, 4))


def record(number: int) -> bytes:
    return (
        bytes([192, 0, 2, 1]) + bytes([198, 51, 100, number % 256]) + (1000 + number).to_bytes(2) + (443).to_bytes(2)
        + bytes([6]) + (1000).to_bytes(8) + (2).to_bytes(8) + NOW_S.to_bytes(4) + NOW_S.to_bytes(4)
    )


def stream(messages: int, records: int = 3) -> bytes:
    """A session of a template and then data, as a mediator sends it."""
    first = ipfix(sets((2, template(300, *FIELDS))), secs=NOW_S)
    rest = [
        ipfix(sets((300, b"".join(record(n * records + i) for i in range(records)))), secs=NOW_S,
              sequence=n * records)
        for n in range(messages)
    ]
    return first + b"".join(rest)


def segment(data: bytes, sequence: int, *, port: int = 50000, flags: int = 0x18, back: bool = False) -> bytes:
    """An IP packet with a TCP segment of the exporter, or of the collector."""
    ports = (4739, port) if back else (port, 4739)
    tcp = (
        ports[0].to_bytes(2) + ports[1].to_bytes(2) + (sequence % 2**32).to_bytes(4) + bytes(4)
        + bytes([0x50, flags]) + bytes(6) + data
    )
    ends = [bytes([203, 0, 113, 7]), bytes([203, 0, 113, 99])]
    addresses = b"".join(reversed(ends) if back else ends)
    ip = b"\x45\0" + (20 + len(tcp)).to_bytes(2) + bytes(4) + b"\x40\x06\0\0" + addresses
    return ip + tcp


def cut(data: bytes, size: int, base: int = 4_294_960_000, **how: int) -> list[bytes]:
    """The segments of a stream; sequence numbers wrap around."""
    return [segment(data[at : at + size], base + at, **how) for at in range(0, len(data), size)]


def taken(site: Site, path: Path, frames: list[bytes]) -> tuple[int, dict[str, int]]:
    report = Ingest(site).run([str(capture(path, [(NOW_S + n / 1000, frame) for n, frame in enumerate(frames)]))])
    flows = run_json("flows", "--json", site=site)
    assert {flow["exporter"] for flow in flows} <= {"203.0.113.7"}
    return len(flows), {why: count for _, why, count in report.skipped}


@pytest.mark.parametrize("size", [60, 700, 1448])
def test_segments_in_any_order_and_twice_give_every_flow(
    make_site: Callable[..., Site], tmp_path: Path, size: int
) -> None:
    frames = cut(stream(200), size)
    chance = np.random.default_rng(3)
    # The first segment says that it is IPFIX; behind it order is disturbed as networks do.
    order = [0, *(1 + np.argsort(np.arange(len(frames) - 1) + chance.uniform(0, 6, len(frames) - 1)))]
    mixed = [frames[i] for i in order for _ in range(1 + (i % 7 == 3))]
    mixed = [f for frame in mixed for f in (frame, segment(b"", 1, flags=0x10, back=True))]
    assert taken(make_site(), tmp_path / "in.pcap", mixed) == (600, {})


def test_two_sessions_of_one_exporter_keep_their_own_templates(make_site: Callable[..., Site], tmp_path: Path) -> None:
    other = ipfix(sets((2, template(300, *FIELDS[::-1]))), secs=NOW_S)
    backwards = b"".join(
        ipfix(sets((300, NOW_S.to_bytes(4) * 2 + (2).to_bytes(8) + (1000).to_bytes(8) + bytes([17])
                    + (53).to_bytes(2) + (9).to_bytes(2) + bytes([198, 51, 100, 7, 192, 0, 2, 1]))),
              secs=NOW_S, sequence=n)
        for n in range(50)
    )
    one, two = cut(stream(50), 500), cut(other + backwards, 300, port=50001)
    frames = [frame for pair in zip(one, two, strict=False) for frame in pair]
    frames += [*one[len(two) :], *two[len(one) :]]
    site = make_site()
    assert taken(site, tmp_path / "in.pcap", frames) == (200, {})
    assert {(f["bytes"], f["proto"]) for f in run_json("flows", "--json", site=site)} == {(1000, 6), (1000, 17)}


def test_what_was_not_captured_is_counted_and_the_rest_is_read(make_site: Callable[..., Site], tmp_path: Path) -> None:
    whole = stream(400)
    frames = cut(whole, 500)
    del frames[20:22]
    count, skipped = taken(make_site(), tmp_path / "in.pcap", frames)
    assert 1200 - 3 * 12 <= count < 1200
    assert skipped["not captured"] == 1000


@given(st.integers(1, 300), st.lists(st.integers(1, 400), max_size=40))
def test_messages_are_taken_whole_wherever_a_stream_is_cut(messages: int, pieces: list[int]) -> None:
    whole, data, found, at = stream(messages, 1), bytearray(), [], 0
    for size in [*pieces, len(stream(messages, 1))]:
        data += whole[at : at + size]
        at += size
        more, good = take_messages(data)
        assert good
        found += more
    assert b"".join(found) == whole
    assert len(found) == messages + 1


def test_segments_that_never_fit_cost_bounded_time_and_memory() -> None:
    from tidegauge.model import Skipped
    from tidegauge.wire.tcpexport import TcpExport

    export = TcpExport(Skipped())
    first = stream(1)
    session = export._open((b"a", 1, b"b", 2), 0, first[12:16])
    for number in range(100_000):
        export._put(session, 10_000_000 - 2 * number, b"x")
        if number % 2:
            export._put(session, session.following, b"")
    assert len(session.early) <= 2049
    assert export.waiting <= 2049
