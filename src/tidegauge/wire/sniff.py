"""What a file holds, judged by its first bytes, never by its name."""

from __future__ import annotations

from typing import Literal

from tidegauge.wire.pcap import is_pcap
from tidegauge.wire.reading import Stream
from tidegauge.wire.zeek import is_zeek

Kind = Literal["netflow", "zeek", "csv", "parquet", "empty", "unknown"]


def sniff(stream: Stream) -> Kind:
    """The kind of a stream; reads ahead without taking anything."""
    head = stream.peek(4096)
    if not head:
        return "empty"
    if is_pcap(head):
        return "netflow"
    if head.startswith(b"PAR1"):
        return "parquet"
    if is_zeek(head):
        return "zeek"
    line = head.split(b"\n", 1)[0]
    if b"\0" not in line and any(line.count(mark) >= 3 for mark in (b",", b"\t", b"|", b";")):
        return "csv"
    return "unknown"
