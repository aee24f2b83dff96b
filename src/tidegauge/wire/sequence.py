"""Sequence numbers: what was lost, overtaken, sent twice or begun anew between the datagrams that arrived."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import SEQUENCES
from tidegauge.wire.buffer import Offsets
from tidegauge.wire.counting import RECORDS, RECORDS_TOO, STANDARD, TEMPLATES_TOO, UNKNOWN, Counting
from tidegauge.wire.datagrams import SFLOW, V5, V9, Datagrams
from tidegauge.wire.grouping import groups
from tidegauge.wire.scopes import ALL_DOMAINS, DOMAIN, SESSION, Scope
from tidegauge.wire.tcpexport import IPFIX

WINDOW = 1 << 16
"""An overtaken datagram fills a gap at most so many numbers back."""
FARTHEST, MOST_TIMES = 1 << 28, 100
"""A jump ahead further than the first, or (beyond `WINDOW`) than the exporter would send in the time at so many times
its rate, is a restart, not a loss."""
LATEST_S = 120
"""Nobody is overtaken for longer: an old number after that is a restart."""
EARLY = 1024
"""A number so little below the first one seen was overtaken at the very beginning."""
OFTEN_ANEW, OFTEN_SHARE = 8, 0.05
"""Numbers that begin anew so many times, and more often than at this share of datagrams, are of several senders."""
MOST_GAPS = 256
REMEMBERED = 1 << 15
RESTART_MS, UPTIME_WRAP_MS = 60_000, 1 << 32
"""A boot time that is later by so much is that of a restart, unless 32 bits of uptime have run over."""
STREAM_SHIFT = 42
"""Where the number of the session stands above a part in the name of a stream."""
PART_MASK = (1 << STREAM_SHIFT) - 1
SENDER_BITS = 15
"""Positions of senders have fewer bits (`MOST_NAMES`)."""
NO_STREAM = -1
SAMPLES = 12
COUNT_RECORDS = (STANDARD, RECORDS, RECORDS_TOO, TEMPLATES_TOO)
"""Rules by which IPFIX counts records."""
COUNTED = {
    kind: np.array([
        SEQUENCES.index(name)
        for name in (standard, records, "messages", records, "none", records, "unclear", "unclear", "unclear")
    ])
    for kind, standard, records in (
        (V5, "flows", "flows"), (V9, "messages", "flows"), (SFLOW, "messages", "flows"), (IPFIX, "records", "records")
    )
}
"""By protocol and rule (`counting`), how the ledger calls what the numbers count."""


@dataclass
class Gap:
    """Numbers that were passed over: the first, how many, when, what one of them stands for in records, and the part of
    the exporter in which they were missed."""

    first: int
    length: int
    minute_s: int
    records_each: float
    part: int = 0


@dataclass
class Stream:
    """One exporter and domain.

    Attributes:
        due: the number expected next; None where the last datagram did not tell.
        earliest: the first number seen: older ones than that were overtaken at the very beginning.
        gaps: newest last.
        datagrams, records: so far; their ratio is what a lost datagram stood for.
        counting: what its numbers count.
        charged: minutes, records and parts of losses that were told by the present rule; newest last.
        advanced, first_s, last_s: by how much its datagrams advanced the numbers, and minutes of the first and last.
        uptime: when the exporter had booted and for how long it had been up, as the last datagram said (milliseconds).
        anew, followed: how often its numbers began anew, of how many datagrams.
    """

    due: int | None = None
    earliest: int | None = None
    gaps: list[Gap] = field(default_factory=list)
    datagrams: int = 0
    records: int = 0
    counting: Counting = field(default_factory=Counting)
    charged: list[tuple[int, int, int]] = field(default_factory=list)
    advanced: int = 0
    first_s: int = 0
    last_s: int = 0
    uptime: tuple[int, int] | None = None
    anew: int = 0
    followed: int = 0

    def taken_back(self, exporter: int) -> list[tuple[int, int, int, int]]:
        """The losses that were told by the present rule, as credits: they were none."""
        credits = [(exporter, part, minute_s, records) for minute_s, records, part in self.charged]
        self.charged, self.gaps = [], []
        return credits

    @property
    def interleaved(self) -> bool:
        """Whether its numbers begin anew so often that they are those of several senders."""
        return self.anew >= OFTEN_ANEW and self.anew > OFTEN_SHARE * self.followed

    def farthest(self, steps: NDArray[np.int64], minutes_s: NDArray[np.int64]) -> int:
        """How far numbers can jump in a block; its steps and minutes are counted in."""
        if not self.first_s:
            self.first_s = self.last_s = int(minutes_s[0])
        gap_s = int(np.diff(np.r_[self.last_s, minutes_s]).max())
        self.advanced += int(steps.sum())
        self.first_s = min(self.first_s, int(minutes_s.min()))
        self.last_s = max(self.last_s, int(minutes_s.max()))
        rate = self.advanced / (self.last_s - self.first_s + 60)
        return min(max(WINDOW, int(MOST_TIMES * rate * (max(gap_s, 0) + 60))), FARTHEST)


@dataclass(frozen=True)
class Uptimes:
    """For how long exporters said that they had been up; arrays of shape (n,), in milliseconds.

    Attributes:
        booted: since 1970; 0 where that is not known.
        up: how long.
    """

    booted: NDArray[np.int64]
    up: NDArray[np.int64]

    @classmethod
    def of(cls, clock_ms: NDArray[np.int64], up_ms: NDArray[np.int64]) -> Uptimes:
        """From the clock at each datagram (0 where that is not known) and its uptime."""
        return cls(np.where((clock_ms > 0) & (up_ms >= 0), clock_ms - up_ms, 0), up_ms)

    def take(self, rows: NDArray[Any] | slice) -> Uptimes:
        return Uptimes(self.booted[rows], self.up[rows])

    def restarts(self, before: tuple[int, int] | None) -> tuple[NDArray[np.bool_], tuple[int, int] | None]:
        """Datagrams of one stream, in order of arrival, before which the exporter booted; and when it had booted and
        for how long it had been up by the last one, as `before` says of the last one before. Uptime has to fall: one
        that always says the same shows a later boot each time."""
        found = np.zeros(len(self.booted), dtype=bool)
        told = np.flatnonzero(self.booted > 0)
        if not len(told):
            return found, before
        booted, up = self.booted[told], self.up[told]
        first_booted, first_up = before or (int(booted[0]), int(up[0]))
        later, falls = np.diff(np.r_[first_booted, booted]), np.diff(np.r_[first_up, up]) < 0
        found[told] = (later > RESTART_MS) & falls & (np.abs(later - UPTIME_WRAP_MS) > RESTART_MS)
        return found, (int(booted[-1]), int(up[-1]))


@dataclass(frozen=True)
class Followed:
    """What the numbers of a block say; arrays of shape (n,).

    Attributes:
        lost: records lost just before each datagram.
        overtaken: datagrams that came late and filled a gap.
        restarted: datagrams whose exporter had begun to count anew.
        rules: what the numbers of each datagram's stream count, as far as is known (`counting`).
        unknown: datagrams before which nobody can know what was lost: the numbers follow no rule.
        credits: (exporter, part, minute in seconds, records) of losses, counted before, that were none.
    """

    lost: NDArray[np.int64]
    overtaken: NDArray[np.bool_]
    restarted: NDArray[np.bool_]
    rules: NDArray[np.int8]
    unknown: NDArray[np.bool_]
    credits: list[tuple[int, int, int, int]]


class SequenceTracker:
    """Follows the sequence numbers of many streams (exporter and domain) across blocks of datagrams.

    Args:
        counts_records: numbers count records by the protocol's standard, else datagrams.
        may_count_records: some exporters of the protocol count records though the standard says datagrams.
    """

    def __init__(self, *, counts_records: bool, may_count_records: bool = True) -> None:
        self._counts_records, self._may_count_records = counts_records, may_count_records
        self.streams: dict[tuple[int, int], Stream] = {}
        self.scopes: dict[int, Scope] = {}

    def follow(
        self,
        senders: NDArray[np.int32],
        domains: NDArray[np.int64],
        numbers: NDArray[np.int64],
        steps: NDArray[np.int64],
        records: NDArray[np.int64],
        minutes_s: NDArray[np.int64],
        unsure: NDArray[np.bool_] | None = None,
        templates: NDArray[np.int64] | None = None,
        parts: NDArray[np.int64] | None = None,
        keys: NDArray[np.int64] | None = None,
        uptimes: Uptimes | None = None,
        sets: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    ) -> Followed:
        """Hold the numbers of a block, in order of arrival, against those before.

        Args:
            senders, domains: the stream of each datagram; shape (n,), as all below.
            numbers: its sequence number (modulo 2^32).
            steps: by how much it advances the sequence: its records where the protocol counts records, else 1.
            records: flow records in it.
            minutes_s: its minute.
            templates: template records in it; none where left out.
            unsure: its step is not known (data whose template is missing): what follows it is taken as it comes.
            parts: its domain without its session, by which losses are told; the stream where left out.
            keys: what tells sessions apart in `scopes`; the stream where left out.
            sets: how many sets each holds, and how many of these are of data; one of data where left out.
            uptimes: as the protocol's headers say; by these a restart that goes on at a higher number is told.
        """
        count = len(numbers)
        found = Followed(
            np.zeros(count, dtype=np.int64), np.zeros(count, bool), np.zeros(count, bool),
            np.zeros(count, dtype=np.int8), np.zeros(count, bool), [],
        )
        parts = domains if parts is None else parts
        streams = self._scoped(senders, domains, parts, domains if keys is None else keys, numbers, records, found)
        for rows in groups(streams << SENDER_BITS | senders):
            key = (int(senders[rows[0]]), int(streams[rows[0]]))
            if key[1] == NO_STREAM:
                continue
            begins = key not in self.streams and self._begins_anew(key, int(numbers[rows[0]]), int(minutes_s[rows[0]]))
            stream = self.streams.setdefault(key, Stream())
            stream.datagrams += len(rows)
            stream.records += int(records[rows].sum())
            booted = np.zeros(len(rows), bool)
            if uptimes is not None:
                booted, stream.uptime = uptimes.take(rows).restarts(stream.uptime)
            doubt = np.zeros(len(rows), bool) if unsure is None else unsure[rows]
            ones = np.ones(len(rows), dtype=np.int64)
            told = records[rows] if self._may_count_records else ones
            counted = steps[rows] if self._counts_records else told
            defined = 0 * ones if templates is None else templates[rows]
            of_sets = (ones, ones) if sets is None else (sets[0][rows], sets[1][rows])
            by_rule = np.stack([steps[rows], told, ones, told, 0 * ones, counted + defined, steps[rows], *of_sets])
            before = stream.counting.rule
            rule = self._learn(key[0], stream, numbers[rows], by_rule, doubt, found)
            found.rules[rows] = rule
            if rule != before and stream.datagrams > len(rows):
                found.unknown[rows] = True  # what was lost before the rule was known cannot be told any more
            if rule == UNKNOWN:
                found.unknown[rows] = True
                continue
            own = numbers[rows] if rule != RECORDS_TOO else (numbers[rows] - records[rows]) & 0xFFFFFFFF
            of_records = (RECORDS, RECORDS_TOO, TEMPLATES_TOO, *((STANDARD,) if self._counts_records else ()))
            each = 1.0 if rule in of_records else max(stream.records / stream.datagrams, 1.0)
            farthest = stream.farthest(by_rule[rule], minutes_s[rows])
            walk = Walk(key[0], rows, own, by_rule[rule], minutes_s[rows], parts[rows], doubt, booted, each, farthest)
            self._follow_one(stream, walk, found)
            if begins:
                found.restarted[rows[0]] = found.unknown[rows[0]] = True
                found.lost[rows[0]] += walk.lose(stream, 0, 0, int(own[0])) if own[0] else 0
            stream.anew, stream.followed = stream.anew + int(found.restarted[rows].sum()), stream.followed + len(rows)
            if stream.interleaved:
                found.unknown[rows], found.lost[rows], found.rules[rows] = True, 0, UNKNOWN
                found.credits.extend(stream.taken_back(key[0]))
            lossy = rows[found.lost[rows] > 0]
            stream.charged += zip(*(column[lossy].tolist() for column in (minutes_s, found.lost, parts)), strict=True)
            del stream.charged[:-MOST_GAPS]
        return found

    def _begins_anew(self, key: tuple[int, int], number: int, minute_s: int) -> bool:
        """Whether a session is that of an exporter that started again with another port: it counts from 0, and no
        other one of the same part goes on."""
        others = [
            stream.last_s for (exporter, other), stream in self.streams.items()
            if exporter == key[0] and (other ^ key[1]) & PART_MASK == 0
        ]
        return number <= EARLY and bool(others) and max(others) < minute_s

    def _scoped(
        self, senders: NDArray[np.int32], streams: NDArray[np.int64], parts: NDArray[np.int64],
        keys: NDArray[np.int64], numbers: NDArray[np.int64], records: NDArray[np.int64], found: Followed,
    ) -> NDArray[np.int64]:
        """The stream of each datagram by what its exporter's numbers count over; `NO_STREAM` where that is not known.
        Where it turns out to be something else than before, the losses that were told by that are taken back."""
        streams = streams.copy()
        for rows in groups(senders):
            exporter = int(senders[rows[0]])
            scope = self.scopes.setdefault(exporter, Scope())
            before, earlier = scope.chosen, scope.datagrams
            chosen = scope.learn(keys[rows], parts[rows], numbers[rows], records[rows])
            if chosen != before:
                for key in [key for key in self.streams if key[0] == exporter]:
                    found.credits.extend(self.streams.pop(key).taken_back(exporter))
                found.unknown[rows] = earlier > 0
            if chosen is None:
                streams[rows], found.unknown[rows], found.rules[rows] = NO_STREAM, True, UNKNOWN
            elif chosen == ALL_DOMAINS:
                streams[rows] += scope.part - parts[rows]
            elif chosen != SESSION:
                streams[rows] = parts[rows] if chosen == DOMAIN else scope.part
        return streams

    def _learn(
        self, exporter: int, stream: Stream, numbers: NDArray[np.int64], by_rule: NDArray[np.int64],
        doubt: NDArray[np.bool_], found: Followed,
    ) -> int:
        """What the numbers count; where that turns out to be something else than before, the losses that were told by
        the rule before are taken back."""
        before = stream.counting.rule
        stream.counting.learn(numbers, by_rule, doubt, of_messages=not self._counts_records)
        if stream.counting.rule != before:
            found.credits.extend(stream.taken_back(exporter))
            stream.due, stream.earliest = None, None
        return stream.counting.rule

    def _follow_one(self, stream: Stream, walk: Walk, found: Followed) -> None:
        numbers, follows = walk.numbers, (walk.numbers + walk.steps) & 0xFFFFFFFF
        first = int(numbers[0]) if stream.due is None else stream.due
        if stream.earliest is None:
            stream.earliest = int(numbers[0])
        jumps = _signed(numbers - np.r_[first, follows[:-1]])
        if ((jumps >= 0) & (jumps < walk.farthest) & ~(walk.booted & (jumps > 0))).all():
            jumps[1:][walk.unsure[:-1]] = 0
            for i in np.flatnonzero(jumps).tolist():
                due = (int(numbers[i]) - int(jumps[i])) & 0xFFFFFFFF
                found.lost[walk.rows[i]] = walk.lose(stream, i, due, int(jumps[i]))
            stream.due = None if walk.unsure[-1] else int(follows[-1])
        else:
            self._follow_one_by_one(stream, walk, found)

    @staticmethod
    def _follow_one_by_one(stream: Stream, walk: Walk, found: Followed) -> None:
        """The same of a block in which something is out of step, with the highest number seen so far."""
        assert stream.earliest is not None
        expected = stream.due
        for i, (number, step) in enumerate(zip(walk.numbers.tolist(), walk.steps.tolist(), strict=True)):
            jump = 0 if expected is None else (number - expected + 0x80000000) % 0x100000000 - 0x80000000
            row = walk.rows[i]
            if 0 <= jump < walk.farthest and not (jump and walk.booted[i]):
                if jump:
                    found.lost[row] = walk.lose(stream, i, expected or 0, jump)
                expected = None if walk.unsure[i] else (number + step) & 0xFFFFFFFF
            elif (late := -WINDOW <= jump < 0 and not walk.booted[i]) and (
                filled := _fill(stream, number, step, int(walk.minutes_s[i]))
            ) is not None:
                found.overtaken[row] = True
                gap, units = filled
                found.credits.append((walk.exporter, gap.part, gap.minute_s, round(units * gap.records_each)))
            elif late and 0 < _signed_one(stream.earliest - number) <= EARLY:
                found.overtaken[row] = True
                stream.earliest = number
            else:
                found.restarted[row] = True
                found.unknown[row] = True  # what was lost just before cannot be told
                stream.gaps, stream.earliest = [], number
                if number <= EARLY:  # it counts from 0 again
                    found.lost[row] = walk.lose(stream, i, 0, number)
                expected = None if walk.unsure[i] else (number + step) & 0xFFFFFFFF
        stream.due = expected


@dataclass(frozen=True)
class Walk:
    """The datagrams of one stream in a block, in order of arrival; arrays of shape (n,).

    Attributes:
        rows: their positions in the block.
        steps: by how much each advances the numbers, by their rule.
        booted: before which the exporter had booted.
        each: records that one number stands for.
        farthest: what jumps ahead further is a restart.
    """

    exporter: int
    rows: NDArray[np.int64]
    numbers: NDArray[np.int64]
    steps: NDArray[np.int64]
    minutes_s: NDArray[np.int64]
    parts: NDArray[np.int64]
    unsure: NDArray[np.bool_]
    booted: NDArray[np.bool_]
    each: float
    farthest: int

    def lose(self, stream: Stream, at: int, due: int, units: int) -> int:
        """Note numbers that were passed over before a datagram; the records that they stand for."""
        stream.gaps.append(Gap(due, units, int(self.minutes_s[at]), self.each, int(self.parts[at])))
        del stream.gaps[:-MOST_GAPS]
        return round(units * self.each)


def _fill(stream: Stream, number: int, step: int, minute_s: int) -> tuple[Gap, int] | None:
    """Take an overtaken datagram's numbers out of the gap that they leave; that gap, and how many they were."""
    for place in range(len(stream.gaps) - 1, -1, -1):
        gap = stream.gaps[place]
        offset = (number - gap.first) & 0xFFFFFFFF
        if offset >= gap.length or minute_s - gap.minute_s > LATEST_S:
            continue
        units = min(max(step, 1), gap.length - offset)
        rest = [
            replace(gap, length=offset),
            replace(gap, first=(number + units) & 0xFFFFFFFF, length=gap.length - offset - units),
        ]
        stream.gaps[place : place + 1] = [g for g in rest if g.length]
        return gap, units
    return None


def _signed(differences: NDArray[np.int64]) -> NDArray[np.int64]:
    return (differences + 0x80000000) % 0x100000000 - 0x80000000


def _signed_one(difference: int) -> int:
    return (difference + 0x80000000) % 0x100000000 - 0x80000000


class Recent:
    """Remembers the last datagrams by a signature of sender, length and words all over the payload."""

    def __init__(self) -> None:
        self._known = np.zeros(0, dtype=np.uint64)

    def seen_before(self, datagrams: Datagrams) -> NDArray[np.bool_]:
        """Which datagrams are the very same as one before, of this block or the last ones."""
        marks = signatures(datagrams)
        distinct, first = np.unique(marks, return_index=True)
        again = np.ones(len(marks), dtype=bool)
        again[first] = False
        for row in np.flatnonzero(again).tolist():  # signatures do not look at every byte
            again[row] = datagrams.payload(first[np.searchsorted(distinct, marks[row])]) == datagrams.payload(row)
        again |= np.isin(marks, self._known)
        self._known = np.r_[self._known, marks[~again]][-REMEMBERED:]
        return again


def signatures(datagrams: Datagrams) -> NDArray[np.uint64]:
    """64 bits for each datagram, from its sender, its length and words at evenly spaced places (headers included)."""
    lengths = datagrams.lengths
    mark = (datagrams.senders.astype(np.uint64) << np.uint64(32)) ^ lengths.astype(np.uint64)
    span = np.maximum(lengths - 8, 0)
    # All headers, the sequence number of an sFlow agent with an IPv6 address among them.
    places: list[Offsets] = [datagrams.offsets + np.minimum(span, k) for k in (0, 8, 16, 24)]
    places += [datagrams.offsets + span * k // SAMPLES for k in range(1, SAMPLES + 1)]
    with np.errstate(over="ignore"):
        for at in places:
            words: NDArray[Any] = datagrams.buffer.rows_at(at, np.dtype("<u8"))
            mark = (mark ^ words) * np.uint64(0x9E3779B97F4A7C15)
            mark ^= mark >> np.uint64(29)
    return mark
