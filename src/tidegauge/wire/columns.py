"""Our columns, and what they are called in the tables and JSON lines that other programs write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
ALIASES: dict[str, tuple[str, ...]] = {
    "time_start": (
        "time_start", "ts", "firstseen", "first", "t_first", "stime", "stime+msec", "start", "time_flow_start_ns",
        "time_flow_start_ms", "time_flow_start", "timestamp_start", "flow_start_milliseconds", "flow_start_seconds",
        "flow_start_microseconds", "flow_start_nanoseconds", "event.start", "first_switched", "start_time",
        "stamp_inserted", "@timestamp",
    ),
    "time_end": (
        "time_end", "te", "lastseen", "last", "t_last", "etime", "etime+msec", "end", "time_flow_end_ns",
        "time_flow_end_ms", "time_flow_end", "timestamp_end", "flow_end_milliseconds", "flow_end_seconds",
        "flow_end_microseconds", "flow_end_nanoseconds", "event.end", "last_switched", "end_time", "stamp_updated",
    ),
    "duration": ("duration", "td", "dur", "durat", "dur+msec"),
    "exporter": (
        "exporter", "ra", "sensor", "sen", "sampler_address", "peer_ip_src", "exporter.address",
        "exporter_ipv4_address", "exporter_ipv6_address", "ip4_router", "ip6_router", "observer.ip",
    ),
    "domain": ("domain",),
    "in_if": ("in_if", "in", "input", "input_snmp", "iface_in", "ingress_interface"),
    "out_if": ("out_if", "out", "output", "output_snmp", "iface_out", "egress_interface"),
    "src": (
        "src", "sa", "srcaddr", "sip", "src_ip", "ip_src", "src4_addr", "src6_addr", "source_ipv4_address",
        "source_ipv6_address", "ipv4_src_addr", "ipv6_src_addr", "source.ip",
        "pkt_srcaddr",
    ),
    "dst": (
        "dst", "da", "dstaddr", "dip", "dst_ip", "dest_ip", "ip_dst", "dst4_addr", "dst6_addr",
        "destination_ipv4_address", "destination_ipv6_address", "ipv4_dst_addr", "ipv6_dst_addr", "destination.ip",
        "pkt_dstaddr",
    ),
    "src_port": ("src_port", "sp", "sport", "port_src", "source_transport_port", "l4_src_port", "source.port"),
    "dst_port": (
        "dst_port", "dp", "dport", "dest_port", "port_dst", "destination_transport_port", "l4_dst_port",
        "destination.port",
    ),
    "proto": (
        "proto", "pr", "pro", "protocol", "ip_proto", "protocol_identifier", "network.iana_number",
        "network.transport",
    ),
    "tcp_flags": ("tcp_flags", "flg", "flags", "tcp_control_bits"),
    "tos": ("tos", "stos", "src_tos", "ip_tos", "ip_class_of_service"),
    "icmp_type": ("icmp_type",),
    "icmp_code": ("icmp_code",),
    "packets": (
        "packets", "ipkt", "pkts", "in_packets", "in_pkts", "packet_delta_count", "packet_total_count",
        "packets_sent", "source.packets", "network.packets",
    ),
    "bytes": (
        "bytes", "ibyt", "octets", "in_bytes", "octet_delta_count", "octet_total_count", "bytes_sent",
        "source.bytes", "network.bytes",
    ),
    "back_packets": ("reverse_packet_delta_count", "reverse_packet_total_count", "destination.packets"),
    "back_bytes": ("reverse_octet_delta_count", "reverse_octet_total_count", "destination.bytes"),
    "out_packets": ("opkt", "out_packets", "out_pkts"),
    "out_bytes": ("obyt", "out_bytes"),
    "sampling": ("sampling",),
    "unapplied_sampling": ("sampling_rate", "sampling_interval"),
    "log_status": ("log_status",),
    "firewall_event": ("firewall_event",),
    "flow_id": ("flow_id", "conn_id"),
    "running_flow": ("running_flow",),
    "biflow_direction": ("biflow_direction",),
    "src_as": ("src_as", "sas", "as_src", "bgp_source_as_number"),
    "dst_as": ("dst_as", "das", "as_dst", "bgp_destination_as_number"),
}
"""Our columns and their names, the more exact ones first: in our own files; nfdump's CSV and JSON; rwcut; AWS VPC flow
logs; goflow2 (1 and 2); pmacct; nProbe; Filebeat and Logstash; information elements of RFC 5102 as ipfixcol2 and
super_mediator write them; Google Cloud's VPC flow logs. Compared are `plain_name`s.

`back_packets` and `back_bytes` are of the way back in a two-way record; `out_packets` and `out_bytes` are that, or the
same traffic behind the exporter (`Connections.way_back`). `sampling` has been applied to the counters,
`unapplied_sampling` has not. `log_status` is what AWS says of the records of a time;
`firewall_event` and `flow_id` those of Cisco's firewalls (elements 233 and 148). `running_flow` names the flow whose
counters are totals since its start."""

CONTAINERS = frozenset({"netflow", "flow", "flows", "connection", "jsonPayload", "_source", "fields"})
"""Objects in which records or parts of them lie, and which say nothing more."""


def plain_name(name: str) -> str:
    """Return a name without what programs write differently: case, underscores, the objects around it.

    >>> plain_name("netflow.source_ipv4_address"), plain_name("iana:sourceIPv4Address"), plain_name("source.ip")
    ('sourceipv4address', 'sourceipv4address', 'source.ip')
    """
    parts = [part for part in name.strip().split(".") if part not in CONTAINERS] or [name.strip()]
    plain = re.sub(r"[_\s-]", "", ".".join(parts).lower().removeprefix("iana:"))
    if reverse := re.fullmatch(r"iana@reverse:(\w+)(?:@reverse)?", plain):  # ipfixcol2, of RFC 5103
        return f"reverse{reverse[1]}"
    return plain


PLAIN = {ours: tuple(dict.fromkeys(map(plain_name, names))) for ours, names in ALIASES.items()}


def recognised(header: Iterable[str]) -> dict[str, list[str]]:
    """Return for each of our columns that a table has its own names of it, the more exact first."""
    named: dict[str, str] = {}
    for name in header:
        named.setdefault(plain_name(name), name)
    found = {ours: [named[name] for name in names if name in named] for ours, names in PLAIN.items()}
    return with_sole_counters({ours: names for ours, names in found.items() if names})


def with_sole_counters(found: dict[str, T]) -> dict[str, T]:
    """Return a table's columns by our names; where only the second pair of counters is there, it is the first."""
    alone = {"out_bytes": "bytes", "out_packets": "packets"} if "bytes" not in found else {}
    return {alone.get(name, name): column for name, column in found.items()}
