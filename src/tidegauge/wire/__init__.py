"""Bytes to flow batches: what lies in files and datagrams becomes flows of one schema."""

from tidegauge.wire.argus import ArgusReader
from tidegauge.wire.bounds import REASONS, Bounds
from tidegauge.wire.bytesio import Buffer
from tidegauge.wire.conduct import Conduct
from tidegauge.wire.datagrams import Datagrams, Names, datagrams_in, late_messages, protocols
from tidegauge.wire.decoder import Decoder
from tidegauge.wire.eve import EveReader
from tidegauge.wire.fragments import Fragments
from tidegauge.wire.grouping import groups
from tidegauge.wire.ipfixfile import ipfix_messages
from tidegauge.wire.jsonflows import JsonReader
from tidegauge.wire.meter import FlowMeter
from tidegauge.wire.nfcapd import nfdump_table
from tidegauge.wire.pcap import is_pcap, read_packets
from tidegauge.wire.reading import Begin, Stream, damage_named, hash_file, head_of, known_begin, open_stream
from tidegauge.wire.recognise import holds_flow_export
from tidegauge.wire.sniff import Kind, header_of, sniff
from tidegauge.wire.state import remember_templates, resume, templates_state, whole_state
from tidegauge.wire.streams import TcpStream, tcp_streams
from tidegauge.wire.tabular import ColumnMap, TableReader
from tidegauge.wire.tcpexport import TcpExport
from tidegauge.wire.tunnels import mask_of
from tidegauge.wire.zeek import ZeekReader

__all__ = [
    "REASONS", "ArgusReader", "Begin", "Bounds", "Buffer", "ColumnMap", "Conduct", "Datagrams", "Decoder",
    "EveReader", "FlowMeter", "Fragments", "JsonReader", "Kind", "Names", "Stream", "TableReader", "TcpExport",
    "TcpStream", "ZeekReader", "damage_named", "datagrams_in", "groups", "hash_file", "head_of", "header_of",
    "holds_flow_export", "ipfix_messages", "is_pcap", "known_begin", "late_messages", "mask_of", "nfdump_table",
    "open_stream", "protocols", "read_packets", "remember_templates", "resume", "sniff", "tcp_streams",
    "templates_state", "whole_state",
]  # fmt: skip
