"""Whether a capture is one of flow export, or of other traffic, which is then metered."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.model import Skipped
from tidegauge.wire.datagrams import Names, protocols, speaking
from tidegauge.wire.fragments import Fragments
from tidegauge.wire.netflow_older import as_v5
from tidegauge.wire.pcap import Packets
from tidegauge.wire.tcpexport import TcpExport


@dataclass(frozen=True)
class FlowExport:
    """How many datagrams (or packets of connections) of flow export there are, and whether packets are mostly that."""

    datagrams: int
    mostly: bool


def flow_export(packets: Packets) -> FlowExport:
    """What of packets is flow export: mostly where at least half of them are. Fragments are told by the datagrams that
    they make alone."""
    unread = Skipped()
    spoken = speaking(packets, Names(), unread, Fragments(unread), TcpExport(unread))
    # A message that came by TCP was told of by its packets.
    count = max(int((protocols(as_v5(spoken.datagrams)) > 0).sum()), spoken.carrying)
    return FlowExport(count, count > 0 and 2 * count >= len(packets.offsets) - spoken.fragments)
