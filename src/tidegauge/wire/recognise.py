"""Whether a capture is one of flow export, or of other traffic, which is then metered."""

from __future__ import annotations

from tidegauge.model import Skipped
from tidegauge.wire.datagrams import Names, protocols, speaking
from tidegauge.wire.fragments import Fragments
from tidegauge.wire.netflow_older import as_v5
from tidegauge.wire.pcap import Packets
from tidegauge.wire.tcpexport import TcpExport


def holds_flow_export(packets: Packets) -> bool:
    """Whether at least half of the packets of a capture are datagrams, or segments of connections, that speak it."""
    unread = Skipped()
    found, carrying = speaking(packets, Names(), unread, Fragments(unread), TcpExport(unread))
    datagrams = as_v5(found)
    # A message that came by TCP was told of by its packets.
    count = max(int((protocols(datagrams) > 0).sum()), carrying)
    return count > 0 and 2 * count >= len(packets.offsets)
