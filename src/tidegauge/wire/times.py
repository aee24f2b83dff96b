"""When the flows of records began and ended, whatever clock the exporter tells it by."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import EARLIEST_US, LONGEST_FLOW_US, Skipped
from tidegauge.wire import elements as e
from tidegauge.wire.connections import Connections
from tidegauge.wire.netflow5 import since_boot_us
from tidegauge.wire.records import Column, Records
from tidegauge.wire.sets import SetTable

START_CLOCKS = (
    e.FLOW_START_MILLISECONDS, e.FLOW_START_MICROSECONDS, e.FLOW_START_NANOSECONDS, e.FLOW_START_SECONDS,
    e.FLOW_START_DELTA_MICROSECONDS, e.FLOW_START_SYS_UP_TIME,
)
END_CLOCKS = (
    e.FLOW_END_MILLISECONDS, e.FLOW_END_MICROSECONDS, e.FLOW_END_NANOSECONDS, e.FLOW_END_SECONDS,
    e.FLOW_END_DELTA_MICROSECONDS, e.FLOW_END_SYS_UP_TIME,
)
OBSERVED_CLOCKS = (
    e.OBSERVATION_TIME_MILLISECONDS, e.OBSERVATION_TIME_MICROSECONDS, e.OBSERVATION_TIME_NANOSECONDS,
    e.OBSERVATION_TIME_SECONDS, -1, -1,
)
"""In milliseconds, microseconds, nanoseconds, seconds, before the export, since boot."""
NTP_EPOCH_S = 2_208_988_800
NTP_ERA_S = 1 << 32


NONE_32, NONE_64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
"""What some exporters write where they know no time."""
NEAR_US = 30 * 86_400_000_000
"""A time of NTP's form further than this from its export is read as what comes nearer to it, if anything does."""


APART_US = 86_400_000_000
"""So much is left to clocks that disagree."""


@dataclass
class _Times:
    """Times in microseconds UTC, one a record, and which of them are none."""

    us: NDArray[np.int64]
    missing: NDArray[np.bool_]

    def else_of(self, other: _Times | None) -> _Times:
        """The same, where there is none those of another clock."""
        if other is None or not self.missing.any():
            return self
        return _Times(np.where(self.missing, other.us, self.us), self.missing & other.missing)


def times_of(
    records: Records, sets: SetTable, known: Connections, skipped: Skipped, enterprise: int = 0,
    fallback: tuple[Column, Column] | None = None,
) -> tuple[Column, Column]:
    """Start and end in microseconds UTC, from the finest clock of the template that says one; where none does, of the
    other end, or of the export."""
    owners = records.owners
    export_us = sets.export_ms[owners] * 1000
    starts, ends, observed = (
        _by_clocks(records, sets, known, clocks, enterprise) for clocks in (START_CLOCKS, END_CLOCKS, OBSERVED_CLOCKS)
    )
    if starts is None and ends is None and fallback is not None:
        return fallback
    told = starts or ends or observed
    for one, other in ((ends, None), (observed, None), (starts, ends)):
        if one is not None:
            one.missing = one.missing | _impossible(one, other)
    lasted = _duration_us(records, enterprise)
    none = _Times(export_us, np.ones(len(owners), dtype=bool))
    starts, ends = starts or none, ends or none
    if told is None:
        ends = _Times(export_us, np.zeros(len(owners), dtype=bool))
    ends = ends.else_of(observed)  # of an event: when it happened
    whole_starts = starts.else_of(_Times(ends.us - lasted, ends.missing)).else_of(observed)
    whole_ends = ends.else_of(_Times(whole_starts.us + lasted, whole_starts.missing))
    exported = _Times(export_us, np.zeros(len(owners), dtype=bool))
    if told is not None:
        skipped.add("time", "0, or none that can be: the flow counts at its export", int(whole_ends.missing.sum()))
    return whole_starts.else_of(exported).us, whole_ends.else_of(exported).us


def _by_clocks(
    records: Records, sets: SetTable, known: Connections, clocks: tuple[int, ...], enterprise: int
) -> _Times | None:
    """Times by the finest clock that says one, for each record; None where the template has no clock."""
    found: _Times | None = None
    for told in _told(records, sets, known, clocks, enterprise):
        found = told if found is None else found.else_of(told)
        if not found.missing.any():
            break
    return found


def _told(
    records: Records, sets: SetTable, known: Connections, clocks: tuple[int, ...], enterprise: int
) -> Iterator[_Times]:
    """Yield the times of each clock that the template has, the finest first."""
    milli, micro, nano, second, delta, uptime = clocks
    owners, number = records.owners, records.number
    export_ms, shift_us = sets.export_ms[owners], sets.shift_ms[owners] * 1000
    if (given := number(milli, enterprise)) is not None:
        yield _Times(_epoch_us(given, 1000) - shift_us, _is_none(given))
    for element in (micro, nano):
        if (raw := records.octets(element, 8, enterprise)) is not None:
            words = np.ascontiguousarray(raw).view(">u8").reshape(-1).astype(np.uint64)
            yield _Times(_ntp_us(words, export_ms) - shift_us, _is_none(words))
    if (given := number(second, enterprise)) is not None:
        yield _Times(_epoch_us(given, 1_000_000) - shift_us, _is_none(given))
    always = np.zeros(len(owners), dtype=bool)
    if (given := number(delta, enterprise)) is not None:
        yield _Times(export_ms * 1000 - _signed(given, 2**42), always)
    if (given := number(uptime, enterprise)) is not None:
        yield _Times(_from_uptime(records, sets, given, known), always)


def _impossible(one: _Times, other: _Times | None) -> NDArray[np.bool_]:
    """Which times are in the future; of beginnings also those long after their end, or too long before it."""
    wrong = one.us > time.time() * 1e6 + APART_US
    if other is not None:
        before = (other.us >= EARLIEST_US) & ((one.us < EARLIEST_US) | (one.us < other.us - LONGEST_FLOW_US))
        wrong |= ~other.missing & ((one.us > other.us + APART_US) | before)
    return np.asarray(wrong)


def _is_none(given: Column) -> NDArray[np.bool_]:
    """Which times are none: 0, and all bits."""
    return np.asarray((given == 0) | (given == NONE_32) | (given == NONE_64))


def _epoch_us(given: Column, unit_us: int) -> NDArray[np.int64]:
    """Times since 1970 of so many microseconds a unit, in microseconds; what is too large or too small for a time of
    that unit is taken for one of the unit that its size is of."""
    values = _signed(given, 2**62)
    by_size = [
        values > 10**17, values > 10**14, values > 10**11,
        (values >= EARLIEST_US // 1_000_000) & (values * unit_us < EARLIEST_US),
    ]
    return np.select(by_size, [values // 1000, values, values * 1000, values * 1_000_000], values * unit_us)


def _duration_us(records: Records, enterprise: int) -> NDArray[np.int64] | int:
    """How long flows lasted, where records say so; 0 where they do not."""
    if (lasted := records.number(e.FLOW_DURATION_MILLISECONDS, enterprise)) is not None:
        return _signed(lasted, 2**42) * 1000
    if (lasted := records.number(e.FLOW_DURATION_MICROSECONDS, enterprise)) is not None:
        return _signed(lasted, 2**42)
    return 0


def _ntp_us(words: NDArray[np.uint64], export_ms: Column) -> NDArray[np.int64]:
    """NTP timestamps (seconds since 1900, fraction of 2^-32 s) in the era nearest to the export time; what is far from
    it, and near where it is taken for a time since 1970, is taken for that."""
    seconds = (words >> np.uint64(32)).astype(np.int64) - NTP_EPOCH_S
    seconds += np.rint((export_ms / 1000 - seconds) / NTP_ERA_S).astype(np.int64) * NTP_ERA_S
    fractions = (words & np.uint64(0xFFFFFFFF)).astype(np.int64)
    found = seconds * 1_000_000 + ((fractions * 1_000_000) >> 32)
    far = np.abs(found - export_ms * 1000) > NEAR_US
    if not far.any():
        return found
    since_1970 = _epoch_us(words, 1)
    return np.where(far & (np.abs(since_1970 - export_ms * 1000) < NEAR_US), since_1970, found)


def _from_uptime(records: Records, sets: SetTable, switched: Column, known: Connections) -> NDArray[np.int64]:
    """Microseconds UTC of a time since boot: by the boot time of the record, the message, or the session's options.

    IPFIX has no uptime in its header. Without any boot time the flow that was switched last is taken for one that
    ended when it was exported, so that how long flows lasted, and their order, is kept.
    """
    owners = records.owners
    export_ms, uptime = sets.export_ms[owners], sets.uptime_ms[owners]
    switched = _signed(switched, 2**52)
    booted = records.number(e.SYSTEM_INIT_TIME_MILLISECONDS)
    if booted is not None:
        return (_signed(booted, 2**52) + switched - sets.shift_ms[owners]) * 1000
    if (uptime >= 0).all():
        return since_boot_us(export_ms, uptime, switched & 0xFFFFFFFF)
    ended = records.number(e.FLOW_END_SYS_UP_TIME)
    last = switched if ended is None else _signed(ended, 2**52)
    uptime = uptime.copy()
    keys = sets.sessions * (1 << 20) + sets.senders
    for key in np.unique(keys[owners]).tolist():
        own = keys[owners] == key
        row = int(owners[np.flatnonzero(own)[0]])
        told = known.boots_ms.get((int(sets.senders[row]), int(sets.sessions[row])))
        boot_ms = int((export_ms[own] - last[own]).min()) if told is None else told - int(sets.shift_ms[row])
        uptime[own] = np.where(uptime[own] < 0, export_ms[own] - boot_ms, uptime[own])
    return since_boot_us(export_ms, uptime, switched & 0xFFFFFFFF)


def _signed(values: Column, most: int) -> NDArray[np.int64]:
    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        values = np.minimum(values, np.uint64(most))
    return values.astype(np.int64)
