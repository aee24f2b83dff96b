"""Files of any kind to flows: the readers of one run, whose state goes on from file to file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from tidegauge.model import FlowBatch, InputError, LedgerBuilder, NoFlowsError, Skipped
from tidegauge.wire.argus import ArgusReader
from tidegauge.wire.columnmap import ColumnMap
from tidegauge.wire.datagrams import datagrams_in, late_messages
from tidegauge.wire.decoder import Decoder
from tidegauge.wire.eve import EveReader
from tidegauge.wire.fragments import Fragments
from tidegauge.wire.ipfixfile import ipfix_messages
from tidegauge.wire.jsonflows import JsonReader
from tidegauge.wire.meter import FlowMeter
from tidegauge.wire.nfcapd import nfdump_table
from tidegauge.wire.pcap import Packets, is_pcap, read_packets
from tidegauge.wire.recognise import flow_export
from tidegauge.wire.stream import Stream
from tidegauge.wire.tabular import TableReader
from tidegauge.wire.tcpexport import TcpExport
from tidegauge.wire.zeek import ZeekReader

OF_TEXT = frozenset(("zeek", "eve", "argus", "json", "csv", "nfcapd", "parquet"))
MOST_UNTIMED = 1_000_000
Reader = ZeekReader | EveReader | ArgusReader | TableReader | JsonReader | FlowMeter
R = TypeVar("R", ZeekReader, EveReader, ArgusReader, TableReader, JsonReader, FlowMeter)


@dataclass
class FileReaders:
    """Reads files one after another.

    Attributes:
        exporter: name of whatever names no exporter; None: by the kind of the file.
        exporter_names: names of exporters by address, from the site file.
        sampling: by exporter, the interval that the site names.
        tunnels: by exporter, the tunnels that are taken off packets which are metered.
        eve_counts: which events of Suricata's count, by exporter (`EveReader.counted`).
    """

    decoder: Decoder
    skipped: Skipped
    exporter: str | None = None
    column_map: ColumnMap | None = None
    exporter_names: dict[str, str] = field(default_factory=dict)
    sampling: dict[str, int] = field(default_factory=dict)
    tunnels: dict[str, np.uint8] = field(default_factory=dict)
    eve_counts: dict[str, str] = field(default_factory=dict)
    readers: dict[str, Reader] = field(default_factory=dict)

    def sources(self) -> tuple[Decoder | Reader, ...]:
        """All that counts coverage."""
        return self.decoder, *self.readers.values()

    def flows(self, stream: Stream, path: str, kind: str) -> Iterator[FlowBatch]:
        """Flows of a file, block by block.

        Raises:
            NoFlowsError: it holds none.
            InputError: it is damaged, or cannot be read so.
        """
        if kind == "empty":
            raise NoFlowsError("empty", where=stream.name)
        read = self._kinds().get(kind)
        if read is None:
            raise NoFlowsError(
                "not a kind of file that holds flows",
                where=stream.name,
                hint="pcap, IPFIX file, Zeek log, Suricata EVE, Argus, nfcapd, JSON, CSV or Parquet",
            )
        found = read(stream, path)
        yield from self._timed(found, stream.name) if kind in OF_TEXT else found

    def _timed(self, batches: Iterator[FlowBatch], name: str) -> Iterator[FlowBatch]:
        """Flows of a file; those without a time that come first are held back until the time of one can be read.

        Raises:
            InputError: no time could be read, and nothing of the file is taken in.
        """
        held: list[FlowBatch] = []
        for batch in batches:
            if not batch["time_start"].any():
                held.append(batch)
                if sum(map(len, held)) <= MOST_UNTIMED:
                    continue
                break
            yield from (*held, batch)
            yield from batches
            return
        if any(map(len, held)):
            for reader in self.readers.values():
                reader.ledger = LedgerBuilder()
            raise InputError(
                "none of its times can be read", where=name,
                hint="times are seconds since 1970 or as 2026-10-22T12:00:00Z; a --map may name their unit",
            )

    def _kinds(self) -> dict[str, Callable[[Stream, str], Iterator[FlowBatch]]]:
        tables = {"column_map": self.column_map, **self._told}
        return {
            "netflow": lambda stream, _: self._capture(stream, "netflow"),
            "pcap": lambda stream, _: self._capture(stream, "pcap"),
            "capture": lambda stream, _: self._capture(stream, "capture"),
            "ipfix": lambda stream, _: self._ipfix(stream),
            "zeek": lambda stream, _: self._reader(ZeekReader, "zeek").read(stream),
            "eve": lambda stream, _: self._reader(EveReader, None, counted=self.eve_counts).read(stream),
            "argus": lambda stream, _: self._reader(ArgusReader, "argus").read(stream),
            "json": lambda stream, _: self._reader(JsonReader, "json", **self._told).read(stream),
            "csv": lambda stream, _: self._reader(TableReader, "table", **tables).read_csv(stream),
            "nfcapd": self._nfcapd,
            "parquet": self._parquet,
        }

    @property
    def _told(self) -> dict[str, Any]:
        """What readers of tables are told of exporters."""
        known = self.decoder
        return {
            "sampling": self.sampling, "out_bytes": known.out_bytes, "connections": known.connections,
            "names": known.names,
        }

    def _reader(self, kind: type[R], otherwise: str | None, **more: Any) -> R:
        """The run's one reader of a kind: its counters go on from file to file."""
        exporter = self.exporter or otherwise
        key = f"{kind.__name__} {exporter}"
        if key not in self.readers:
            make: Callable[..., R] = kind
            called = self.exporter_names.get(exporter, exporter) if exporter else exporter
            self.readers[key] = make(called, skipped=self.skipped, **more)
        found = self.readers[key]
        assert isinstance(found, kind)
        return found

    def _nfcapd(self, stream: Stream, path: str) -> Iterator[FlowBatch]:
        if path == "-" or stream.compression:
            raise InputError("an nfcapd file must lie on disk as it is", where=stream.name, hint="unpack it first")
        with nfdump_table(path) as table:
            reader = self._reader(TableReader, "nfcapd", column_map=self.column_map, **self._told)
            yield from reader.read_csv(table)

    def _parquet(self, stream: Stream, path: str) -> Iterator[FlowBatch]:
        if path == "-":
            raise InputError("Parquet cannot be read from standard input", where=stream.name, hint="name the file")
        reader = self._reader(TableReader, "table", column_map=self.column_map, **self._told)
        yield from reader.read_parquet(path)

    def _ipfix(self, stream: Stream) -> Iterator[FlowBatch]:
        """The messages of an IPFIX file, which names no exporter."""
        self.decoder.new_capture()
        for messages in ipfix_messages(stream, self.decoder.names.position(self.exporter or "ipfix")):
            yield from self.decoder.decode(messages)

    def _capture(self, stream: Stream, kind: str) -> Iterator[FlowBatch]:
        """A capture of flow export, or of anything else, which is then metered; its first packets tell which."""
        if not is_pcap(stream.peek(4)):
            raise InputError("not a pcap or pcapng capture", where=f"{stream.name}, offset 0")
        self.decoder.new_capture()
        name = self.exporter or "pcap"
        meter = None if kind == "netflow" else self._reader(FlowMeter, "pcap", tunnels=self.tunnels.get(name))
        fragments, streams = Fragments(self.skipped), TcpExport(self.skipped)
        damage: list[InputError] = []
        for packets in _before_damage(read_packets(stream, self.skipped), damage):
            if kind == "capture":
                kind = self._kind_of(packets)
            if kind == "pcap":
                assert meter is not None
                yield from meter.meter(packets)
                continue
            found = datagrams_in(packets, self.decoder.names, self.skipped, fragments, streams)
            yield from self.decoder.decode(found)
        fragments.finish()
        for message in late_messages(streams, self.decoder.names):
            yield from self.decoder.decode(message)
        if meter is not None:
            yield from meter.finish()
        if damage:
            raise damage[0]

    def _kind_of(self, packets: Packets) -> str:
        """Whether a capture is one of flow export, by its first packets."""
        spoken = flow_export(packets)
        if spoken.datagrams and not spoken.mostly:
            told = "of flow export among other packets: metered as traffic; --format netflow reads it"
            self.skipped.add("datagram", told, spoken.datagrams)
        return "netflow" if spoken.mostly else "pcap"


def _before_damage(blocks: Iterator[Packets], damage: list[InputError]) -> Iterator[Packets]:
    """What came before damage is good; the damage is noted."""
    try:
        yield from blocks
    except InputError as error:
        damage.append(error)
