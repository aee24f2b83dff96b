"""Data records of one template as columns, whether their fields have fixed or variable length."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tidegauge.wire.buffer import Buffer, Offsets
from tidegauge.wire.sets import SetTable
from tidegauge.wire.templates import VARIABLE, Template

Column = NDArray[Any]
MOST = (1 << 63) - 1
"""The largest amount of a flow: sums of more are no numbers that anything behind this can take."""


def as_int64(values: Column) -> NDArray[np.int64]:
    """Amounts of any width as signed numbers; what does not fit becomes the largest that does."""
    return np.minimum(values.astype(np.uint64), np.uint64(MOST)).astype(np.int64)


class Records(Protocol):
    """Columns of the records of one template; `owners` is the row of the `SetTable` that each came in."""

    template: Template
    owners: NDArray[np.int64]

    def number(self, element: int, enterprise: int = 0) -> NDArray[Any] | None:
        """An unsigned number of any length (RFC 7011 6.2 allows fewer bytes than the type); None: not there."""

    def octets(self, element: int, width: int, enterprise: int = 0) -> NDArray[np.uint8] | None:
        """Bytes, shape (n, width); None where the template has no such field of that width."""

    def span(self, element: int) -> tuple[Buffer, Offsets, Offsets] | None:
        """A field that holds bytes: its buffer, and begin and end of each."""


def read_records(template: Template, sets: SetTable) -> Records:
    """All whole records of the sets, which all follow `template`; padding behind them is passed over."""
    if template.variable:
        return _VariableRecords(template, sets)
    return _FixedRecords(template, sets)


class _FixedRecords:
    def __init__(self, template: Template, sets: SetTable) -> None:
        self.template = template
        counts = sets.lengths // template.size
        self._rows = sets.buffer.runs_at(sets.offsets, counts, template.dtype)
        self.owners = np.repeat(np.arange(len(sets)), counts)

    def number(self, element: int, enterprise: int = 0) -> NDArray[Any] | None:
        place = self.template.position.get((element, enterprise))
        if place is None:
            return None
        column = self._rows[str(place)]
        if column.dtype.kind != "V":
            return np.asarray(column)
        width = self.template.fields[place].length
        raw = np.frombuffer(column.tobytes(), dtype=np.uint8).reshape(-1, width)
        value = np.zeros(len(raw), dtype=np.uint64)
        for i in range(max(0, width - 8), width):
            value = (value << np.uint64(8)) | raw[:, i]
        return value

    def octets(self, element: int, width: int, enterprise: int = 0) -> NDArray[np.uint8] | None:
        place = self.template.position.get((element, enterprise))
        if place is None or self.template.fields[place].length != width:
            return None
        return np.frombuffer(self._rows[str(place)].tobytes(), dtype=np.uint8).reshape(-1, width)

    def span(self, element: int) -> tuple[Buffer, Offsets, Offsets] | None:
        place = self.template.position.get((element, 0))
        if place is None:
            return None
        begins = np.arange(len(self._rows)) * self.template.size + sum(f.length for f in self.template.fields[:place])
        return Buffer.of(self._rows.tobytes()), begins, begins + self.template.fields[place].length


class _VariableRecords:
    def __init__(self, template: Template, sets: SetTable) -> None:
        self.template = template
        self._buffer = sets.buffer
        wanted = sorted(set(template.position.values()))
        cursors, ends = sets.offsets.copy(), sets.offsets + sets.lengths
        active = np.flatnonzero(cursors + template.size <= ends)
        owners, begins, lengths = [], [], []
        # All sets are walked side by side, one record a step.
        while len(active):
            at = cursors[active]
            record_begins = np.empty((len(active), len(template.fields)), dtype=np.int64)
            record_lengths = np.empty_like(record_begins)
            for i, spec in enumerate(template.fields):
                if spec.length == VARIABLE:
                    size = self._buffer.u8(at)
                    long = size == 255
                    size = np.where(long, self._buffer.u16(at + 1), size)
                    at = at + np.where(long, 3, 1)
                else:
                    size = np.full(len(active), spec.length, dtype=np.int64)
                record_begins[:, i], record_lengths[:, i] = at, size
                at = at + size
            whole = at <= ends[active]
            owners.append(active[whole])
            begins.append(record_begins[whole][:, wanted])
            lengths.append(record_lengths[whole][:, wanted])
            cursors[active] = at
            active = active[whole & (at + template.size <= ends[active])]
        self.owners = np.concatenate(owners) if owners else np.zeros(0, dtype=np.int64)
        order = np.argsort(self.owners, kind="stable")
        self.owners = self.owners[order]
        shape = (0, len(wanted))
        self._begins = np.concatenate(begins)[order] if begins else np.zeros(shape, dtype=np.int64)
        self._lengths = np.concatenate(lengths)[order] if lengths else np.zeros(shape, dtype=np.int64)
        self._column = {place: i for i, place in enumerate(wanted)}

    def _place(self, element: int, enterprise: int) -> int | None:
        place = self.template.position.get((element, enterprise))
        return None if place is None else self._column[place]

    def number(self, element: int, enterprise: int = 0) -> NDArray[Any] | None:
        place = self._place(element, enterprise)
        if place is None:
            return None
        begins, lengths = self._begins[:, place], np.minimum(self._lengths[:, place], 8)
        value = np.zeros(len(begins), dtype=np.uint64)
        for width in np.unique(lengths):
            rows = lengths == width
            value[rows] = self._buffer.number_at(begins[rows], int(width))
        return value

    def octets(self, element: int, width: int, enterprise: int = 0) -> NDArray[np.uint8] | None:
        place = self._place(element, enterprise)
        if place is None or (len(self.owners) and (self._lengths[:, place] != width).any()):
            return None
        return self._buffer.bytes_at(self._begins[:, place], width)

    def span(self, element: int) -> tuple[Buffer, Offsets, Offsets] | None:
        place = self._place(element, 0)
        if place is None:
            return None
        return self._buffer, self._begins[:, place], self._begins[:, place] + self._lengths[:, place]
