"""Files into the lake: sniffs each, decodes, labels and writes, and counts what was left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from tidegauge.atlas import Atlas, label
from tidegauge.lake import (
    Lake,
    LakeWriter,
    Manifest,
    Ours,
    Source,
    here_already,
    look_at_homes,
    named,
    new_mark,
    open_writer,
    withdraw,
)
from tidegauge.model import (
    DIRECTIONS,
    FlowBatch,
    InputError,
    LedgerBuilder,
    NoFlowsError,
    Skipped,
    UsageError,
    keep_freed_memory,
)
from tidegauge.series import doubts
from tidegauge.site import Site
from tidegauge.wire import (
    ArgusReader,
    Begin,
    ColumnMap,
    Decoder,
    EveReader,
    FlowMeter,
    Fragments,
    JsonReader,
    Names,
    Stream,
    TableReader,
    TcpExport,
    ZeekReader,
    datagrams_in,
    hash_file,
    head_of,
    header_of,
    holds_flow_export,
    ipfix_messages,
    is_pcap,
    known_begin,
    late_messages,
    mask_of,
    nfdump_table,
    open_stream,
    read_packets,
    remember_templates,
    sniff,
    templates_state,
)

COMMIT_ROWS = 2_000_000
"""Flows between commits; a crash loses at most the files since the last one, which are then taken in anew."""
SKIPPED_NAMES = (".tmp", ".part", ".swp")
OF_LINES = ("zeek", "eve", "argus", "json", "csv")
"""Kinds that grow by lines, each readable by itself."""
ON_DISK = ("nfcapd", "parquet")
"""Kinds that are read where they lie, not as a stream."""
HEADER_BYTES = 1 << 16

Reader = ZeekReader | EveReader | ArgusReader | TableReader | JsonReader | FlowMeter
R = TypeVar("R", ZeekReader, EveReader, ArgusReader, TableReader, JsonReader, FlowMeter)


@dataclass
class Report:
    """What an ingest did."""

    files: int = 0
    datagrams: int = 0
    flows: int = 0
    removed: int = 0
    """Flows that were taken out, since their files were taken in again."""
    duplicates: int = 0
    skipped: Skipped = field(default_factory=Skipped)
    failures: list[str] = field(default_factory=list)
    direction: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, 0))
    """Bytes by direction."""
    warnings: list[str] = field(default_factory=list)
    span_us: tuple[int, int] | None = None
    """From the first start to the last start of the flows that were taken in."""

    def count(self, table: pa.Table) -> None:
        """Count labelled flows."""
        self.flows += len(table)
        column = table["direction"].combine_chunks()
        octets = np.bincount(
            np.asarray(column.indices), table["bytes"].to_numpy().astype(np.float64), len(column.dictionary)
        )
        for name, amount in zip(column.dictionary.to_pylist(), octets.tolist(), strict=True):
            self.direction[name] += int(amount)
        starts = table["time_start"].cast(pa.int64()).to_numpy()
        first, last = int(starts.min()), int(starts.max())
        before = self.span_us or (first, last)
        self.span_us = min(before[0], first), max(before[1], last)

    def to_json(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "datagrams": self.datagrams,
            "flows": self.flows,
            "duplicates": self.duplicates,
            "skipped": self.skipped.to_json(),
            "direction": self.direction,
            "warnings": self.warnings,
            **({"removed": self.removed} if self.removed else {}),
        }


@dataclass(frozen=True)
class Found:
    """A file to take in: `named` by the user, or found in a directory, where other files may lie too."""

    path: str
    named: bool


def find_files(paths: list[str]) -> list[Found]:
    """The files meant by paths: directories are searched, in order of name; hidden and temporary files left out.

    Raises:
        UsageError: a path does not exist.
    """
    found: dict[str, Found] = {}
    for path in paths:
        place = Path(path)
        if path == "-" or place.is_file() or place.is_fifo():
            found[path] = Found(path, named=True)
        elif place.is_dir():
            for inside in sorted(p for p in place.rglob("*") if p.is_file()):
                hidden = any(part.startswith(".") for part in inside.relative_to(place).parts)
                if not hidden and inside.suffix not in SKIPPED_NAMES:
                    found.setdefault(str(inside), Found(str(inside), named=False))
        else:
            raise UsageError("no such file or directory", where=path)
    return list(found.values())


class Ingest:
    """One run of `tidegauge ingest`: state such as templates lives from file to file."""

    def __init__(
        self,
        site: Site,
        *,
        kind: str = "auto",
        exporter: str | None = None,
        column_map: ColumnMap | None = None,
        again: Callable[[list[Source]], None] | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            again: take in anew what was taken in before, in place of that; is told which files go, and may refuse by
                raising `UsageError`.
        """
        self._site, self._kind, self._exporter, self._map = site, kind, exporter, column_map
        self._again = again
        self._taken: dict[str, Source] = {}
        self._mark: int | None = None
        self._chain: int | None = None
        self._atlas = Atlas.of(site)
        self.report = Report()
        self._tunnels = {name: mask_of(kinds) for name, kinds in site.decapsulate.items()}
        self._decoder = Decoder(
            Names(site.exporter_names), site.sampling, self.report.skipped, relays=site.relays, tunnels=self._tunnels,
            out_bytes=site.out_bytes, count=site.count,
        )  # fmt: skip
        self._readers: dict[str, Reader] = {}

    def run(self, paths: list[str], progress: Callable[[str], None] = lambda name: None) -> Report:
        """Take in files; each that fails is one line in `failures`, and what was good in it is kept.

        What a search found and is no file of flows is only counted.
        """
        keep_freed_memory()
        with open_writer(self._site.data, self._atlas.stamp, Ours.of(self._site)) as writer:
            self._manifest = Manifest(self._site.data)
            remember_templates(self._decoder, self._manifest.load_state("templates") or {})
            for file in find_files(paths):
                progress(file.path)
                self._file(file, writer)
                if writer.uncommitted_rows > COMMIT_ROWS:
                    writer.commit()
            self._write(self._decoder.finish(), writer, self._mark)
            self._note_rows(writer, self._mark)
            writer.commit()
            state = templates_state(self._decoder)
            if any(state.values()):
                self._manifest.save_state("templates", state)
        self.report.warnings += self._doubts()
        return self.report

    def _doubts(self) -> list[str]:
        """What the flows that were taken in say against the home prefixes, and against having been taken in."""
        if self.report.span_us is None:
            return []
        since_s, until_s = self.report.span_us[0] // 1_000_000, self.report.span_us[1] // 1_000_000 + 1
        lake = Lake(self._site.data, memory_mb=self._site.memory_mb)
        homes = look_at_homes(lake, self._site.home, since_s, until_s)
        return [*doubts(self._site, homes), *self._twice(lake, since_s, until_s)]

    def _twice(self, lake: Lake, since_s: int, until_s: int) -> Iterator[str]:
        """Files most of whose flows are here already, by a sample."""
        taken = {s.mark: s for s in self._taken.values() if s.mark is not None}
        known = {s.mark: s.name for s in self._manifest.sources()}
        for mark, other, matched, flows in here_already(lake, list(taken), since_s, until_s):
            whence = f"from {known.get(other, 'another file')}" if other is not None else "received live"
            yield (
                f"{taken[mark].name}: most of its flows are here already, {whence} ({matched:,} of {flows:,} looked"
                f" at): they count twice. Take one out: tidegauge lake remove {taken[mark].id}"
            )

    def _note_rows(self, writer: LakeWriter, mark: int | None) -> None:
        """Hand over what the decoders counted, and the names that they saw, since the last file."""
        for source in (self._decoder, *self._readers.values()):
            writer.add_ledger(source.ledger.table(), mark)
            source.ledger = LedgerBuilder()
            if isinstance(source, ZeekReader | EveReader):
                for table in source.names:
                    writer.add_names(table, mark)
                source.names.clear()

    def _file(self, file: Found, writer: LakeWriter) -> None:
        path = file.path
        try:
            digest = hash_file(path)
            known = [] if digest is None else self._manifest.sources(digest=digest)
            if digest in self._taken or (known and self._again is None):
                self.report.duplicates += 1
                return
            with open_stream(path) as stream:
                head = head_of(stream)
                kind = sniff(stream) if self._kind == "auto" else self._kind
                begin, before = self._begin(path, head)
                if self._again is not None:
                    self._withdraw(writer, [*known, *before])
                elif begin is not None and begin.whole:
                    self.report.duplicates += 1
                    return
                elif begin is not None:
                    self._go_on(stream, kind, begin, before[0])
                self.report.files += 1
                self._take(stream, path, kind, digest, head, before if self._again is None else [], writer)
        except NoFlowsError as error:
            if file.named:
                self._failed(path, error)
            else:
                self.report.files -= 1
                self.report.skipped.add("file found in a directory", "no kind that holds flows")
        except InputError as error:
            self._failed(path, error)

    def _take(
        self, stream: Stream, path: str, kind: str, digest: str | None, head: str, before: list[Source],
        writer: LakeWriter,
    ) -> None:  # fmt: skip
        """Everything of a file; what was good in a damaged one stays, and the same file again changes nothing."""
        flows, mark = self.report.flows, new_mark()
        self._mark = mark
        waits = bool(self._decoder.pending)
        chain = next((s.chain or s.mark for s in before), self._chain if waits else None)
        damaged = False
        try:
            self._write(self._flows(stream, path, kind), writer, mark)
        except NoFlowsError:
            raise  # it may be one with another map or format
        except InputError as error:
            damaged = True
            self._failed(path, error)
        self._note_rows(writer, mark)
        digest = digest or stream.content_hash()
        content, length = "", 0
        if not damaged and kind not in ON_DISK:
            with suppress(InputError):
                content, length = stream.content(digest)
        if chain is None and self._decoder.pending:
            chain = mark
        self._chain = chain
        counts = {"flows": self.report.flows - flows}
        made = Source(digest, stream.name, counts, mark, chain, head if content else "", content, length)
        self._taken[digest] = made
        writer.add_source(made)
        for source in before:
            if source.chain != chain:
                writer.chain_source(source.hash, chain)

    def _begin(self, path: str, head: str) -> tuple[Begin | None, list[Source]]:
        """How a file begins as one that was taken in, and that one."""
        if not head or path == "-":
            return None, []
        alike = [s for s in (*self._taken.values(), *self._manifest.sources(head=head)) if s.head == head and s.length]
        if not alike:
            return None, []
        with open_stream(path) as stream:
            begin = known_begin(stream, {s.length: s.content for s in alike})
        return begin, [s for s in alike if begin is not None and s.length == begin.length][:1]

    def _go_on(self, stream: Stream, kind: str, begin: Begin, before: Source) -> None:
        """Pass over what an earlier state of a log held.

        Raises:
            InputError: it is no log of lines.
        """
        if kind not in OF_LINES:
            raise InputError(
                f"it begins with all of {before.name}, which was taken in before: its flows would count twice",
                where=stream.name, hint="take it in in place of that: tidegauge ingest --again",
            )  # fmt: skip
        self.report.skipped.add("file that has grown", "what was taken in before is passed over")
        if begin.line < begin.length:
            self.report.skipped.add("line", "was taken in before it was whole: taken in again")
        stream.go_on(begin.line, header_of(stream.peek(HEADER_BYTES), kind))

    def _withdraw(self, writer: LakeWriter, known: list[Source]) -> None:
        """Take out what stands for a file, or for its begin, with the next commit."""
        every = self._manifest.sources()
        known = [s for s in every if s in known or any(s.chain is not None and s.chain == k.chain for k in known)]
        if not known:
            return
        if missing := next((s for s in known if s.mark is None), None):
            named(every, [missing.hash])
        assert self._again is not None
        self._again(known)
        self.report.removed += withdraw(writer, known)

    def _failed(self, path: str, error: InputError) -> None:
        self.report.failures.append(str(error))
        self.report.skipped.add(path, error.what)

    def _write(self, batches: Iterator[FlowBatch], writer: LakeWriter, mark: int | None) -> None:
        for batch in batches:
            if len(batch):
                table = label(batch, self._site, self._atlas)
                self.report.count(table)
                writer.add_flows(table, mark)

    def _flows(self, stream: Stream, path: str, kind: str) -> Iterator[FlowBatch]:
        tables = {"column_map": self._map, "sampling": self._site.sampling}
        if kind == "empty":
            raise NoFlowsError("empty", where=stream.name)
        if kind in ("netflow", "pcap", "capture"):
            yield from self._capture(stream, kind)
        elif kind == "ipfix":
            yield from self._ipfix(stream)
        elif kind == "zeek":
            yield from self._reader(ZeekReader, self._exporter or "zeek").read(stream)
        elif kind == "eve":
            yield from self._reader(EveReader, self._exporter).read(stream)
        elif kind == "argus":
            yield from self._reader(ArgusReader, self._exporter or "argus").read(stream)
        elif kind == "json":
            yield from self._reader(JsonReader, self._exporter or "json", sampling=self._site.sampling).read(stream)
        elif kind == "nfcapd":
            if path == "-" or stream.compression:
                raise InputError("an nfcapd file must lie on disk as it is", where=stream.name, hint="unpack it first")
            with nfdump_table(path) as table:
                yield from self._reader(TableReader, self._exporter or "nfcapd", **tables).read_csv(table)
        elif kind == "csv":
            yield from self._reader(TableReader, self._exporter or "table", **tables).read_csv(stream)
        elif kind == "parquet":
            if path == "-":
                raise InputError("Parquet cannot be read from standard input", where=stream.name, hint="name the file")
            yield from self._reader(TableReader, self._exporter or "table", **tables).read_parquet(path)
        else:
            raise NoFlowsError(
                "not a kind of file that holds flows",
                where=stream.name,
                hint="pcap, IPFIX file, Zeek log, Suricata EVE, Argus, nfcapd, JSON, CSV or Parquet",
            )

    def _reader(self, kind: type[R], exporter: str | None, **more: Any) -> R:
        """The run's one reader of a kind: its counters go on from file to file."""
        key = f"{kind.__name__} {exporter}"
        if key not in self._readers:
            make: Callable[..., R] = kind
            self._readers[key] = make(exporter, skipped=self.report.skipped, **more)
        found = self._readers[key]
        assert isinstance(found, kind)
        return found

    def _ipfix(self, stream: Stream) -> Iterator[FlowBatch]:
        """The messages of an IPFIX file, which names no exporter."""
        self._decoder.new_capture()
        before = self._decoder.datagrams
        for messages in ipfix_messages(stream, self._decoder.names.position(self._exporter or "ipfix")):
            yield from self._decoder.decode(messages)
        self.report.datagrams += self._decoder.datagrams - before

    def _capture(self, stream: Stream, kind: str) -> Iterator[FlowBatch]:
        """A capture of flow export, or of anything else, which is then metered; its first packets tell which."""
        if not is_pcap(stream.peek(4)):
            raise InputError("not a pcap or pcapng capture", where=f"{stream.name}, offset 0")
        self._decoder.new_capture()
        name = self._exporter or "pcap"
        meter = None if kind == "netflow" else self._reader(FlowMeter, name, tunnels=self._tunnels.get(name))
        damage: InputError | None = None
        fragments, streams = Fragments(self.report.skipped), TcpExport(self.report.skipped)
        blocks = read_packets(stream, self.report.skipped)
        while True:
            try:
                packets = next(blocks, None)
            except InputError as error:  # what came before the damage is good
                damage, packets = error, None
            if packets is None:
                break
            if kind == "capture":
                kind = "netflow" if holds_flow_export(packets) else "pcap"
            if kind == "pcap":
                assert meter is not None
                yield from meter.meter(packets)
                continue
            before = self._decoder.datagrams
            found = datagrams_in(packets, self._decoder.names, self.report.skipped, fragments, streams)
            yield from self._decoder.decode(found)
            self.report.datagrams += self._decoder.datagrams - before
        fragments.finish()
        for message in late_messages(streams, self._decoder.names):
            yield from self._decoder.decode(message)
        if meter is not None:
            yield from meter.finish()
        if damage is not None:
            raise damage
