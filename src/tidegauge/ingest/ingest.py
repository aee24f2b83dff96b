"""Files into the lake: sniffs each, decodes, labels and writes, and counts what was left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tidegauge.atlas import Atlas, label
from tidegauge.ingest.found import Found, find_files
from tidegauge.ingest.report import Report
from tidegauge.lake import (
    AHEAD_US,
    CONNECTIONS,
    Known,
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
    LONGEST_FLOW_US,
    CorruptError,
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
    HEADS,
    Begin,
    ColumnMap,
    Decoder,
    EveReader,
    FileReaders,
    Names,
    Stream,
    ZeekReader,
    connections_state,
    content_before_end,
    hash_file,
    header_of,
    heads_of,
    known_begins,
    mask_of,
    open_stream,
    printable,
    remember_connections,
    remember_templates,
    sniff,
    templates_state,
)

COMMIT_ROWS = 2_000_000
"""Flows between commits; a crash loses at most the files since the last one, which are then taken in anew."""
MOST_COUNT = 2**53
OF_LINES = ("zeek", "eve", "argus", "json", "csv")
"""Kinds that grow by lines, each readable by itself."""
ON_DISK = ("nfcapd", "parquet")
"""Kinds that are read where they lie, not as a stream."""
HEADER_BYTES = 4 << 20
EVE_COUNTS = "eve_counts"
"""The state that holds which events of Suricata's count, by exporter (`EveReader.counted`)."""


def plausible(batch: FlowBatch, skipped: Skipped) -> FlowBatch:
    """Flows without those that cannot be: of more bytes or packets than any has; one whose end is in the future ends
    when it began, and of one that lasts for longer than any neither time is known. All are counted."""
    if not len(batch):
        return batch
    starts, ends, now_us = batch["time_start"], batch["time_end"], time.time() * 1e6
    never = (ends > now_us + AHEAD_US) & (starts <= now_us)
    unknown = (ends - starts > LONGEST_FLOW_US) & ~never
    if never.any() or unknown.any():
        skipped.add("end of a flow", "impossible: the flow ends when it began", int(never.sum()))
        skipped.add("time", "the flow would last for more than a year: neither is known", int(unknown.sum()))
        ends = np.where(never, starts, np.where(unknown, 0, ends))
        times = {"time_start": np.where(unknown, 0, starts), "time_end": ends}
        batch = FlowBatch({**batch.columns, **times}, batch.exporters)
    many = (batch["bytes"] > MOST_COUNT) | (batch["packets"] > MOST_COUNT)
    if not many.any():
        return batch
    skipped.add("flow", "more bytes or packets than any flow can have (2^53)", int(many.sum()))
    return batch.take(np.flatnonzero(~many))


def _size_of(path: str) -> int | None:
    """Bytes of a file, as far as it is read; None where it has no end yet."""
    place = Path(path)
    return place.stat().st_size if path != "-" and place.is_file() else None


class Ingest:
    """One run of `tidegauge ingest`: state such as templates lives from file to file."""

    def __init__(
        self,
        site: Site,
        *,
        kind: str = "auto",
        exporter: str | None = None,
        column_map: ColumnMap | None = None,
        again: bool = False,
        replaces: Callable[[list[Source]], None] = lambda sources: None,
    ) -> None:
        """Prepare a run.

        Args:
            again: take files in anew, in place of what was taken in of them before.
            replaces: is told before flows of files go, and may refuse by raising `UsageError`.
        """
        self._site, self._kind = site, kind
        self._again, self._replaces = again, replaces
        self._manifest = Manifest(site.data)
        self._known = Known(self._manifest.sources())
        self._taken: dict[str, Source] = {}
        self._going: dict[str, Source] = {}
        self._called: set[str | None] = set()
        self._told_before = False
        self._mark: int | None = None
        self._chain: int | None = None
        self._reached_us = 0
        self._atlas = Atlas.of(site)
        self.report = Report()
        tunnels = {name: mask_of(kinds) for name, kinds in site.decapsulate.items()}
        self._decoder = Decoder(
            Names(site.exporter_names), site.sampling, self.report.skipped, relays=site.relays, tunnels=tunnels,
            out_bytes=site.out_bytes, count=site.count,
        )
        self._readers = FileReaders(
            self._decoder, self.report.skipped, exporter, column_map, site.exporter_names, site.sampling, tunnels
        )

    def run(self, paths: list[str], progress: Callable[[str], None] = lambda name: None) -> Report:
        """Take in files; each that fails is one line in `failures`, and what was good in it is kept.

        What a search found and is no file of flows is only counted.
        """
        keep_freed_memory()
        files = find_files(paths, self._site.data)
        if self._again:
            self._called = {hash_file(file.path) for file in files}
        with open_writer(self._site.data, self._atlas.stamp, Ours.of(self._site)) as writer:
            remember_templates(self._decoder, self._manifest.load_state("templates") or {})
            anew = {s.mark for s in self._known.sources if s.hash in self._called}
            told = self._manifest.load_state(CONNECTIONS) or {}
            self._told_before = bool(told)
            remember_connections(self._decoder, told, besides=anew)
            self._readers.eve_counts |= self._manifest.load_state(EVE_COUNTS) or {}
            for file in files:
                progress(printable(file.path))
                self._file(file, writer)
                if writer.uncommitted_rows > COMMIT_ROWS:
                    self._commit(writer)
            flows, waited = self.report.flows, bool(self._decoder.pending)
            self._write(self._decoder.finish(), writer, self._mark)
            self._note_rows(writer, self._mark)
            if waited and self.report.flows == flows:
                self._forget_unread(writer)
            self._commit(writer)
        if not (self.report.files or self.report.duplicates or self.report.failures):
            self.report.failures.append(f"nothing was taken in: no file of flows among {len(files):,} found")
        self.report.applied, self.report.datagrams = self._decoder.connections.applied, self._decoder.datagrams
        self.report.warnings += self._doubts()
        return self.report

    def _commit(self, writer: LakeWriter) -> None:
        if self._going:
            self.report.removed += withdraw(writer, list(self._going.values()))
            self._going = {}
        templates, told = templates_state(self._decoder), connections_state(self._decoder)
        state: dict[str, Any] = {"templates": templates} if any(templates.values()) else {}
        if self._readers.eve_counts:
            state[EVE_COUNTS] = self._readers.eve_counts
        writer.commit({**state, **({CONNECTIONS: told} if told or self._told_before else {})})
        self._told_before = bool(told)

    def _forget_unread(self, writer: LakeWriter) -> None:
        """Files all of whose data waited for a template that did not come can be taken in again with it."""
        for source in self._taken.values():
            if source.chain == self._chain and self._chain is not None and not source.counts["flows"]:
                if not writer.take_back(source):
                    withdraw(writer, [source])
                self.report.failures.append(str(InputError(
                    "none of its data could be read, since their templates are missing", where=source.name,
                    hint="take it in again together with the capture that holds them",
                )))

    def _doubts(self) -> list[str]:
        """What the flows that were taken in say against the home prefixes, and against having been taken in."""
        if self.report.span_us is None:
            return list(self._odd_times())
        since_s, until_s = self.report.span_us[0] // 1_000_000, self.report.span_us[1] // 1_000_000 + 1
        lake = Lake(self._site.data, memory_mb=self._site.memory_mb)
        homes = look_at_homes(lake, self._site.home, since_s, until_s)
        return [*doubts(self._site, homes), *self._twice(lake, since_s, until_s), *self._odd_times()]

    def _odd_times(self) -> Iterator[str]:
        if count := self.report.odd_times:
            yield (
                f"{count:,} flows have no time that can be read, or one before 1990 or in the future: the clock of"
                " their exporter is wrong, or the times are written in another form than this program takes them for."
                " No asked time has them; a no about what they carried is not given."
            )

    def _twice(self, lake: Lake, since_s: int, until_s: int) -> Iterator[str]:
        """Files whose flows are here already, by a sample."""
        marks = {s.mark for s in self._taken.values() if s.mark is not None}
        yield from (found.sentence() for found in here_already(lake, marks, since_s, until_s))

    def _note_rows(self, writer: LakeWriter, mark: int | None) -> None:
        """Hand over what the decoders counted, and the names that they saw, since the last file."""
        for source in self._readers.sources():
            writer.add_ledger(source.ledger.table(), mark)
            source.ledger = LedgerBuilder()
            if isinstance(source, ZeekReader | EveReader):
                for table in source.names:
                    writer.add_names(table, mark)
                source.names.clear()

    def _file(self, file: Found, writer: LakeWriter) -> None:
        path, size = file.path, _size_of(file.path)
        try:
            digest = hash_file(path, most=size)
            known = self._known.by_hash.get(digest or "")
            if digest in self._taken or (known is not None and not self._again):
                self.report.duplicates += 1
                return
            with open_stream(path, most=size) as stream:
                heads = heads_of(stream)
                kind = sniff(stream) if self._kind == "auto" else self._kind
                before = self._begins(path, size, heads)
                if before and before[-1][0].whole and not self._again:
                    self.report.duplicates += 1
                    return
                damaged = self._damaged_of(Path(path).name, heads) if not before else []
                going, goes_on = self._going_for(stream, kind, known, before, damaged)
                self.report.files += 1
                self._take(stream, path, kind, digest, heads, before if goes_on else [], going, writer)
        except NoFlowsError as error:
            if file.named:
                self._failed(path, error)
            else:
                self.report.files -= 1
                self.report.skipped.add("file found in a directory", "no kind that holds flows")
        except InputError as error:
            self._failed(path, error)

    def _begins(self, path: str, size: int | None, heads: dict[int, str]) -> list[tuple[Begin, Source]]:
        """How a file begins as ones that were taken in, the longest last."""
        alike = {(s.length, s.content): s for head in heads.values() for s in self._known.by_head.get(head, ())}
        if not alike or path == "-":
            return []
        with open_stream(path, most=size) as stream:
            return [(begin, alike[begin.length, begin.content]) for begin in known_begins(stream, set(alike))]

    def _damaged_of(self, name: str, heads: dict[int, str]) -> list[Source]:
        """Files of that name which were damaged, and begin as this one: it is the same, whole."""
        alike = {s.hash: s for head in heads.values() for s in self._known.by_head.get(head, ())}
        return [
            s for s in alike.values()
            if s.counts.get("damaged") and Path(s.name).name == name and s.hash not in self._taken
        ]

    def _going_for(
        self, stream: Stream, kind: str, known: Source | None, before: list[tuple[Begin, Source]],
        damaged_ones: list[Source],
    ) -> tuple[list[Source], bool]:
        """Which files a file stands for from now on; and whether only what is new in it is taken in, to which the
        stream is put forward.

        Raises:
            InputError: it begins with what is here, and can neither be told from that nor stand for it.
        """
        stands_for = {s.hash: s for s in (known, *(source for _, source in before)) if s and s.hash not in self._taken}
        if self._again:  # what this run has taken in itself stays
            before[:] = [(begin, source) for begin, source in before if source.hash in self._taken]
        begin, source = before[-1] if before else (None, None)
        if begin is None or source is None:
            gone = {s.hash: s for s in damaged_ones} | (stands_for if self._again else {})
            return self._replaced(stream.name, list(gone.values())), False
        header = header_of(stream.peek(HEADER_BYTES), kind)
        damaged = source.counts.get("damaged", False)
        if kind in OF_LINES and begin.line >= begin.length and header is not None and not damaged:
            self.report.skipped.add("file that has grown", "what was taken in before is passed over")
            stream.go_on(begin.line, header)
            return (self._replaced(stream.name, [known]) if known else []), True
        if (kind in OF_LINES or damaged) and source.hash not in self._taken:
            return self._replaced(stream.name, list(stands_for.values())), False
        raise InputError(
            f"it begins with all of {source.name}, which was taken in before: its flows would count twice",
            where=stream.name, hint="take it in in place of that: tidegauge ingest --again",
        )

    def _replaced(self, name: str, going: list[Source]) -> list[Source]:
        """Files whose flows go, since another stands for them.

        Raises:
            InputError: they cannot be told from others, or are not to go.
        """
        try:
            taken_out = named(self._known.sources, [s.hash for s in going], besides=self._called) if going else []
            if taken_out:
                self._replaces(taken_out)
        except UsageError as error:
            raise InputError(error.what, where=name, hint=error.hint) from None
        return taken_out

    def _take(
        self, stream: Stream, path: str, kind: str, digest: str | None, heads: dict[int, str],
        before: list[tuple[Begin, Source]], going: list[Source], writer: LakeWriter,
    ) -> None:
        """Everything of a file; what was good in a damaged one stays, and the same file again changes nothing."""
        self._reached_us = 0
        counted = replace(self.report, direction=dict(self.report.direction))
        before_it = {alone: self.report.unreadable(with_unaddressed=alone) for alone in (False, True)}
        mark, passed_over = new_mark(), self.report.skipped.total
        waits = bool(self._decoder.pending)
        chain = next((source.chain or source.mark for _, source in reversed(before)), self._chain if waits else None)
        damaged = corrupt = False
        self._decoder.connections.mark, self._decoder.connections.leans_on = mark, set()
        try:
            self._write(self._readers.flows(stream, path, kind), writer, mark)
        except NoFlowsError:
            raise  # it may be one with another map or format
        except InputError as error:
            damaged, corrupt = True, isinstance(error, CorruptError)
            self._failed(path, error)
        given = self.report.flows - counted.flows
        unread = not given and not self._decoder.pending and not self._noted()
        if unread and (going or before or self.report.skipped.total > passed_over):
            if not damaged and not before:
                hint = "what was taken in of it before stays" if going else "--format and --map say how it is read"
                self._failed(path, InputError("nothing in it could be read", where=stream.name, hint=hint))
            self._drop_rows()
            return
        unreadable = self.report.unreadable(with_unaddressed=not given) - before_it[not given]
        if unreadable > given and not damaged:
            what = f"{unreadable:,} of its rows could not be read, more than could"
            self._failed(path, InputError(what, where=stream.name, hint="--format and --map say how it is read"))
        self._mark = mark
        self._note_rows(writer, mark)
        digest = digest or stream.content_hash()
        if corrupt:
            self._undo(writer, Source(digest, stream.name, {"flows": given}, mark), counted)
            return
        content, length = self._content(stream, path, kind, digest)
        if chain is None and self._decoder.pending:
            chain = mark
        self._chain = self._chained(writer, chain, self._decoder.connections.leans_on)
        head = next((heads[size] for size in HEADS if size in heads), "")
        counts: dict[str, Any] = {
            "flows": given, **({"damaged": True, "reached_s": self._reached_us // 1_000_000} if damaged else {})
        }
        self._going |= {source.hash: source for source in going}
        self._enter(writer, Source(digest, stream.name, counts, mark, self._chain, head, content, length), before[-1:])

    def _undo(self, writer: LakeWriter, made: Source, counted: Report) -> None:
        """Take out all of a file that may be wrong from any place on; what it was to stand for stays."""
        writer.add_source(made)
        self._commit(writer)
        withdraw(writer, [made])
        self._commit(writer)
        self.report.without(counted)
        self.report.files -= 1

    def _enter(self, writer: LakeWriter, made: Source, before: list[tuple[Begin, Source]]) -> None:
        """A file into the list of those that were taken in; what it goes on from belongs to its chain."""
        self._taken[made.hash] = made
        if made.counts["flows"]:
            self._known.add(made)
        writer.add_source(made)
        for _, source in before:
            writer.rest_on(source)
            if source.chain != made.chain:
                writer.chain_source(source.hash, made.chain)

    @staticmethod
    def _content(stream: Stream, path: str, kind: str, digest: str) -> tuple[str, int]:
        """By what a file is known again when it has grown: hash and length of what it holds."""
        if kind in ON_DISK:
            return "", 0
        if kind == "json" and path != "-":
            with open_stream(path) as again:
                if again.peek(64).lstrip().startswith(b"["):
                    return content_before_end(again)
        return stream.content(digest)

    def _chained(self, writer: LakeWriter, chain: int | None, marks: set[int]) -> int | None:
        """The chain of a file that would count more without what others told of the same connections; these are put
        into it, with those that they are chained to."""
        leant_on = [s for s in self._known.sources if s.mark in marks]
        if not leant_on:
            return chain
        chains = {s.chain or s.mark for s in leant_on} | ({chain} if chain is not None else set())
        joined = chain if chain is not None else (leant_on[0].chain or leant_on[0].mark)
        for source in [s for s in self._known.sources if (s.chain or s.mark) in chains and s.chain != joined]:
            writer.chain_source(source.hash, joined)
            self._known.rechain(source, joined)
        return joined

    def _noted(self) -> bool:
        """Whether the decoders counted something, or saw names, since the last file."""
        return any(
            source.ledger.rows or (isinstance(source, ZeekReader | EveReader) and source.names)
            for source in self._readers.sources()
        )

    def _drop_rows(self) -> None:
        """Forget what the decoders counted since the last file, of which nothing is taken in."""
        for source in self._readers.sources():
            source.ledger = LedgerBuilder()

    def _failed(self, path: str, error: InputError) -> None:
        self.report.failures.append(str(error))
        self.report.skipped.add(printable(path), error.what)

    def _write(self, batches: Iterator[FlowBatch], writer: LakeWriter, mark: int | None) -> None:
        for batch in batches:
            batch = plausible(batch, self.report.skipped)
            if len(batch):
                table = label(batch, self._site, self._atlas)
                self.report.count(table)
                self._reached_us = int(batch["time_start"].max())
                writer.add_flows(table, mark)
