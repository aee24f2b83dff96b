"""Bytes to flow batches: what lies in files and datagrams becomes flows of one schema."""

from tidegauge.wire.bytesio import Buffer
from tidegauge.wire.datagrams import Datagrams, Names, datagrams_in
from tidegauge.wire.decoder import Decoder
from tidegauge.wire.pcap import is_pcap, read_packets
from tidegauge.wire.reading import Stream, hash_file, open_stream
from tidegauge.wire.sniff import Kind, sniff
from tidegauge.wire.state import remember_templates, resume, templates_state, whole_state
from tidegauge.wire.tabular import ColumnMap, TableReader
from tidegauge.wire.zeek import ZeekReader

__all__ = [
    "Buffer", "ColumnMap", "Datagrams", "Decoder", "Kind", "Names", "Stream", "TableReader", "ZeekReader",
    "datagrams_in", "hash_file", "is_pcap", "open_stream", "read_packets", "remember_templates", "resume", "sniff",
    "templates_state", "whole_state",
]  # fmt: skip
