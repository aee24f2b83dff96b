"""What a file holds, judged by its first bytes, never by its name."""

from __future__ import annotations

import re
from typing import Literal

from tidegauge.wire.argus import is_argus
from tidegauge.wire.eve import is_eve
from tidegauge.wire.ipfixfile import is_ipfix_file
from tidegauge.wire.jsonflows import is_json
from tidegauge.wire.nfcapd import is_nfcapd
from tidegauge.wire.pcap import is_pcap
from tidegauge.wire.stream import BYTE_ORDER_MARK, Stream
from tidegauge.wire.tabular import is_vpc_line
from tidegauge.wire.zeek import is_zeek

ADDRESS = re.compile(rb"\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]*:[0-9a-fA-F:]*:")
Kind = Literal["capture", "zeek", "eve", "argus", "nfcapd", "ipfix", "json", "csv", "parquet", "empty", "unknown"]


def sniff(stream: Stream) -> Kind:
    """The kind of a stream; reads ahead without taking anything."""
    head = stream.peek(4096).removeprefix(BYTE_ORDER_MARK)
    if not head:
        return "empty"
    if is_pcap(head):
        return "capture"
    if is_nfcapd(head):
        return "nfcapd"
    if is_ipfix_file(head):
        return "ipfix"
    if head.startswith(b"PAR1"):
        return "parquet"
    if is_eve(head):
        return "eve"
    if is_zeek(head):
        return "zeek"
    if is_argus(head):
        return "argus"
    if is_json(head):
        return "json"
    line = head.split(b"\n", 1)[0]
    if b"\0" not in line and any(line.count(mark) >= 3 for mark in (b",", b"\t", b"|", b";")):
        return "csv"
    if is_vpc_line(line) or {b"srcaddr", b"dstaddr"} <= set(line.split()):  # a flow log of AWS VPC
        return "csv"
    return "unknown"


def header_of(head: bytes, kind: str) -> bytes | None:
    """The lines at the begin of a log that say how the others are read; none where each is readable by itself, None
    where they do not end within the head."""
    if kind == "zeek":
        lines = head.splitlines(keepends=True)
        told = next((i for i, line in enumerate(lines) if not line.startswith(b"#")), None)
        return None if told is None else b"".join(lines[:told])
    if kind not in ("csv", "argus"):
        return b""
    first, ended, _ = head.partition(b"\n")
    if ADDRESS.search(first[:4096]):
        return b""
    return first + ended if ended else None
