"""When the flows of records began and ended, whatever clock the exporter tells it by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegauge.wire import elements as e
from tidegauge.wire.connections import Connections
from tidegauge.wire.netflow5 import since_boot_us
from tidegauge.wire.records import Column, Records
from tidegauge.wire.sets import SetTable

START_CLOCKS = (
    e.FLOW_START_MILLISECONDS, e.FLOW_START_MICROSECONDS, e.FLOW_START_NANOSECONDS, e.FLOW_START_SECONDS,
    e.FLOW_START_DELTA_MICROSECONDS, e.FLOW_START_SYS_UP_TIME,
)  # fmt: skip
END_CLOCKS = (
    e.FLOW_END_MILLISECONDS, e.FLOW_END_MICROSECONDS, e.FLOW_END_NANOSECONDS, e.FLOW_END_SECONDS,
    e.FLOW_END_DELTA_MICROSECONDS, e.FLOW_END_SYS_UP_TIME,
)  # fmt: skip
OBSERVED_CLOCKS = (
    e.OBSERVATION_TIME_MILLISECONDS, e.OBSERVATION_TIME_MICROSECONDS, e.OBSERVATION_TIME_NANOSECONDS,
    e.OBSERVATION_TIME_SECONDS, -1, -1,
)  # fmt: skip
"""In milliseconds, microseconds, nanoseconds, seconds, before the export, since boot."""
NTP_EPOCH_S = 2_208_988_800
NTP_ERA_S = 1 << 32


def times_of(
    records: Records, sets: SetTable, known: Connections, enterprise: int = 0,
    fallback: tuple[Column, Column] | None = None,
) -> tuple[Column, Column]:  # fmt: skip
    """Start and end in microseconds UTC, from the finest clock that the template has."""
    owners = records.owners
    export_ms = sets.export_ms[owners]
    shift_us = sets.shift_ms[owners] * 1000

    def clock(clocks: tuple[int, ...]) -> Column | None:
        milli, micro, nano, second, delta, uptime = clocks
        number = records.number
        if (given := number(milli, enterprise)) is not None:
            return _signed(given, 2**52) * 1000 - shift_us
        for element in (micro, nano):
            if (raw := records.octets(element, 8, enterprise)) is not None:
                return _ntp_us(raw, export_ms) - shift_us
        if (given := number(second, enterprise)) is not None:
            return _signed(given, 2**42) * 1_000_000 - shift_us
        if (given := number(delta, enterprise)) is not None:
            return export_ms * 1000 - _signed(given, 2**42)
        if (given := number(uptime, enterprise)) is not None:
            return _from_uptime(records, sets, given, known)
        return None

    starts, ends = clock(START_CLOCKS), clock(END_CLOCKS)
    observed = clock(OBSERVED_CLOCKS)
    if starts is None and ends is None:
        if fallback is not None:
            return fallback
        starts = observed
    if ends is None:
        ends = observed  # of an event: when it happened
    lasted = records.number(e.FLOW_DURATION_MILLISECONDS, enterprise)
    duration_us = None if lasted is None else _signed(lasted, 2**42) * 1000
    if duration_us is None and (lasted := records.number(e.FLOW_DURATION_MICROSECONDS, enterprise)) is not None:
        duration_us = _signed(lasted, 2**42)
    if starts is None and ends is None:
        ends = export_ms * 1000
    if starts is None:
        assert ends is not None
        starts = ends - duration_us if duration_us is not None else ends
    if ends is None:
        ends = starts + duration_us if duration_us is not None else starts
    return starts, ends


def _ntp_us(raw: NDArray[np.uint8], export_ms: Column) -> NDArray[np.int64]:
    """NTP timestamps (seconds since 1900, fraction of 2^-32 s) in the era nearest to the export time."""
    words = np.ascontiguousarray(raw).view(">u4").reshape(-1, 2).astype(np.int64)
    seconds = words[:, 0] - NTP_EPOCH_S
    seconds += np.rint((export_ms / 1000 - seconds) / NTP_ERA_S).astype(np.int64) * NTP_ERA_S
    return seconds * 1_000_000 + ((words[:, 1] * 1_000_000) >> 32)


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
    return (
        np.minimum(values, np.uint64(most)).astype(np.int64) if values.dtype == np.uint64 else values.astype(np.int64)
    )
