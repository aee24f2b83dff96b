"""The ledger to coverage: which share of each bin was seen, and when and why we were blind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.lake import Lake
from tidegauge.model import CONTRADICTORY, LEDGER_AMOUNTS, OTHER_PARTS, SEQUENCES, Blind, merge_intervals, runs

SILENT_S = 300
"""An exporter is silent when it sends nothing for this long, or for much longer than it usually does."""
USUAL_FACTOR = 4
MOST_REASONS = 8
FEW_RESTARTS = 0.01
"""Restarts are some if they are no more than this share of datagrams."""
MOST_CELLS = 1 << 25
"""Minutes of all parts of exporters together; beyond it the parts of each exporter are measured as one."""
BLIND_BELOW = 0.8
"""A minute seen less than this is listed as blind."""


@dataclass(frozen=True)
class ExporterCoverage:
    """One exporter and part of it (agent, domain) over minutes `[first, first + n)`.

    Attributes:
        standing: 0 proven, 1 new, 2 its datagrams contradict one another; `relied_on`: it weighs in the site's.
        seen: share of each minute that was seen; shape (n,), 0 to 1.
        active: minutes within its life: from its first sign to the end of the asked time.
    """

    exporter: str
    agent: str
    domain: int
    standing: int
    relied_on: bool
    seen: NDArray[np.float64]
    active: NDArray[np.bool_]
    datagrams: int
    records: int
    lost: int
    waiting: int
    unread: int
    dropped: int
    duplicates: int
    overtaken: int
    restarts: int
    misses: int
    unsampled: int
    unfollowed: int
    apart: int
    held: int
    sequence: str
    sampling: tuple[int, ...]
    skew_s: float
    delay_s: float
    reasons: tuple[tuple[int, int, str], ...]
    weight: float

    @property
    def loss_known(self) -> bool:
        """Whether its numbers tell what was lost: not where those of more than a hundredth of its records do not."""
        return 100 * self.unfollowed <= self.records

    @property
    def share(self) -> float:
        return float(self.seen[self.active].mean()) if self.active.any() else 0.0


@dataclass(frozen=True)
class Coverage:
    """Coverage of a site over minutes from `first_minute_s`; exporters weigh by the records they usually send, those
    that are new or contradict themselves not at all where there are others."""

    first_minute_s: int
    minutes: NDArray[np.float64]
    exporters: tuple[ExporterCoverage, ...]

    @property
    def share(self) -> float:
        return float(self.minutes.mean()) if len(self.minutes) else 0.0

    def bins(self, *, width_s: int, first_bin: int, bins: int) -> NDArray[np.float64]:
        """Mean coverage of bins, shape (bins,); 0 outside the minutes."""
        starts = (first_bin + np.arange(bins + 1)) * width_s / 60 - self.first_minute_s / 60
        total = np.r_[0.0, np.cumsum(self.minutes)]
        at = np.interp(starts, np.arange(len(total)), total)
        return np.asarray(np.clip(np.diff(at) / (width_s / 60), 0, 1))

    def weighed(self, brought: Mapping[str, float]) -> Coverage:
        """Coverage of what comes by exporters, weighed by how much each brings; this one where none brings anything."""
        seen, alive = np.zeros(len(self.minutes)), np.zeros(len(self.minutes))
        parts: dict[str, float] = defaultdict(float)
        for one in self.exporters:
            parts[one.exporter] += one.weight
        for one in self.exporters:
            weight = brought.get(one.exporter, 0.0) * one.weight / parts[one.exporter]
            seen += weight * one.seen * one.active
            alive += weight * one.active
        return replace(self, minutes=np.divide(seen, alive, out=self.minutes.copy(), where=alive > 0))

    def by_exporter(self, since_s: int, until_s: int) -> dict[str, float]:
        """The share of a time that was seen of each exporter, by name: of its parts by what they usually send."""
        a, b = (max((t - self.first_minute_s) // 60, 0) for t in (since_s, until_s))
        parts: dict[str, list[tuple[float, float]]] = {}
        for one in self.exporters:
            part = one.seen[a:b] * one.active[a:b]
            parts.setdefault(one.exporter, []).append((float(part.mean()) if len(part) else 0.0, one.weight))
        return {name: sum(s * w for s, w in own) / sum(w for _, w in own) for name, own in parts.items()}

    def blind(self) -> list[Blind]:
        """Times of which less than four fifths were seen, with reasons."""
        found = []
        for start, end in runs(self.minutes < BLIND_BELOW):
            start_s, end_s = self.first_minute_s + start * 60, self.first_minute_s + end * 60
            found.append(Blind(start_s, end_s, self._why(start_s, end_s)))
        return found

    def _why(self, start_s: int, end_s: int) -> str:
        relied_on = [e for e in self.exporters if e.relied_on]
        reasons = {
            why if len(relied_on) == 1 else f"{e.exporter}: {why}"
            for e in relied_on
            for a, b, why in e.reasons
            if a < end_s and b > start_s
        }
        named = sorted(reasons)[:MOST_REASONS]
        more = [f"and {len(reasons) - len(named)} more"] if len(reasons) > len(named) else []
        return "; ".join([*named, *more]) if named else "no telemetry"


def covered(lake: Lake, since_s: int, until_s: int) -> Coverage:
    """What a lake saw between two times."""
    return measure(lake.ledger(), since_s, until_s, lake.deleted_s())


def measure(ledger: pa.Table, since_s: int, until_s: int, deleted_s: Sequence[tuple[int, int]] = ()) -> Coverage:
    """Coverage between two times.

    Args:
        ledger: rows of `LEDGER_SCHEMA` of any time; the usual rhythm of an exporter is learned from all of them.
        deleted_s: half-open times whose flows are there no more: nothing of them counts as seen.
    """
    first, last = since_s // 60, -(-until_s // 60)
    count = max(last - first, 0)
    deleted = np.zeros(count, dtype=bool)
    for begin, end in deleted_s:
        deleted[max(begin // 60 - first, 0) : max(-(-end // 60) - first, 0)] = True
    exporters = []
    if ledger.num_rows and count:
        columns = {
            name: ledger[name].cast(pa.int64() if name == "minute" else ledger[name].type).to_numpy()
            for name in ("minute", *LEDGER_AMOUNTS, "sampling", "counts", "skew_s", "delay_s", "stated")
        }
        names, owners = _coded(ledger["exporter"])
        standings = np.full(len(names), 255, dtype=np.uint8)
        np.minimum.at(standings, owners, ledger["standing"].to_numpy())
        relied_on = standings == standings.min()
        agents, agent_codes = _coded(ledger["agent"])
        domains = ledger["domain"].to_numpy().astype(np.int64)
        # Parts of an exporter that nobody relies on are of no use one by one, and can be very many.
        groups = _groups(owners, agent_codes << 32 | domains)
        has_several = np.bincount(owners[[rows[0] for rows in groups]], minlength=len(names)) > 1
        several = ((len(groups) * count > MOST_CELLS) | ~relied_on[owners]) & has_several[owners]
        if several.any():
            domains = np.where(several, OTHER_PARTS, domains)
            agent_codes = np.where(several, agents.index(""), agent_codes)
            groups = _groups(owners, agent_codes << 32 | domains)
        for rows in groups:
            own = {key: values[rows] for key, values in columns.items()}
            row, owner = int(rows[0]), int(owners[rows[0]])
            exporters.append(
                _exporter(names[owner], agents[agent_codes[row]], int(domains[row]), int(standings[owner]),
                          bool(relied_on[owner]), own, first, deleted)
            )
    seen = np.zeros(count)
    alive = np.zeros(count)
    for exporter in exporters:
        if exporter.relied_on:
            seen += exporter.weight * exporter.seen * exporter.active
            alive += exporter.weight * exporter.active
    minutes = np.divide(seen, alive, out=np.zeros(count), where=alive > 0)
    return Coverage(first * 60, minutes, tuple(exporters))


def doubtful(ledger: pa.Table) -> list[str]:
    """Exporters whose datagrams contradict one another, where there are others to rely on; by name."""
    least = ledger.group_by("exporter").aggregate([("standing", "min")])
    standings = dict(zip(least["exporter"].to_pylist(), least["standing_min"].to_pylist(), strict=True))
    best = min(standings.values(), default=CONTRADICTORY)
    return sorted(name for name, standing in standings.items() if standing == CONTRADICTORY > best)


def _coded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct texts in order of first sight (the empty one always among them), and for each row which it is."""
    found = column.combine_chunks().dictionary_encode()
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    names = found.dictionary.to_pylist()
    return (names if "" in names else [*names, ""]), np.asarray(found.indices).astype(np.int64)


def _groups(owners: NDArray[np.int64], parts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows of each owner and part, in order; groups in the order of their first row."""
    order = np.lexsort((parts, owners))
    edges = np.flatnonzero((np.diff(owners[order]) != 0) | (np.diff(parts[order]) != 0)) + 1
    return sorted(np.split(order, edges), key=lambda rows: int(rows[0]))


def _exporter(
    name: str, agent: str, domain: int, standing: int, relied_on: bool, rows: dict[str, NDArray[Any]], first: int,
    deleted: NDArray[np.bool_],
) -> ExporterCoverage:
    count = len(deleted)
    order = np.argsort(rows["minute"], kind="stable")
    rows = {key: values[order] for key, values in rows.items()}
    minutes = rows["minute"] // 60
    records, lost = rows["records"].astype(np.float64), rows["lost"].astype(np.float64)
    stated = rows["stated"].astype(np.float64)
    arrived = (records + rows["datagrams"].astype(np.float64) > 0) | (lost > 0)
    told = np.isfinite(stated)

    # Between two signs of life that are no further apart than usual, the exporter was alive but had nothing to say.
    signs = minutes[arrived | told]
    gaps = np.diff(signs)
    usual = float(np.quantile(gaps, 0.95)) if len(gaps) >= 20 else 1.0
    silent = max(SILENT_S / 60, USUAL_FACTOR * usual)
    begin = int(signs[0]) - first if len(signs) else count
    # The last sign of life, and one before a longer silence, stand for their own minute alone.
    lengths = np.where(np.r_[gaps, np.inf][: len(signs)] <= silent, np.r_[gaps, 1][: len(signs)], 1)
    edges = np.zeros(count + 1)
    np.add.at(edges, np.clip(signs - first, 0, count), 1.0)
    np.add.at(edges, np.clip(signs + lengths - first, 0, count), -1.0)
    seen = (np.cumsum(edges[:-1]) > 0).astype(np.float64)
    # What was kept apart came, but is not in the lake.
    kept = np.maximum(records - rows["apart"].astype(np.float64), 0)
    ratio = np.divide(kept, records + lost, out=np.ones(len(records)), where=records + lost > 0)
    share = np.where(told, np.minimum(np.nan_to_num(stated, nan=1.0), ratio), ratio)
    inside = (minutes >= first) & (minutes < first + count)
    seen[minutes[inside] - first] = np.minimum(share[inside], 1.0)
    missing = np.zeros(count, dtype=bool)
    missing[minutes[inside] - first] = lost[inside] > 0
    shown = (lost * (rows["datagrams"] > 0))[arrived | told]
    _lost_between(signs, shown, ratio[arrived | told], silent, first, seen, missing)
    seen[deleted] = 0.0
    # What was lost around a restart nobody knows. Numbers that begin anew all the time are none of a restart.
    if rows["restarts"].sum() <= FEW_RESTARTS * rows["datagrams"].sum():
        anew = minutes[inside & (rows["restarts"] > 0)] - first
        seen[anew], missing[anew] = 0.0, True
    active = np.arange(count) >= begin
    span = max(int(signs[-1] - signs[0]) + 1, 1) if len(signs) else 1
    return ExporterCoverage(
        exporter=name,
        agent=agent,
        domain=domain,
        standing=standing,
        relied_on=relied_on,
        seen=seen,
        active=active,
        **{name: int(rows[name][inside].sum()) for name in LEDGER_AMOUNTS},
        sequence=SEQUENCES[int(rows["counts"][inside].max(initial=0))] or "none",
        sampling=tuple(int(s) for s in np.unique(rows["sampling"][inside]) if s > 0) or (1,),
        skew_s=float(np.nanmedian(rows["skew_s"])) if np.isfinite(rows["skew_s"]).any() else 0.0,
        delay_s=float(np.nanmax(rows["delay_s"][inside], initial=0.0)) if inside.any() else 0.0,
        reasons=_reasons(seen, active, deleted, missing, first, _causes(rows, inside, first, count)),
        weight=max(float(records.sum()) / span, 1e-9),
    )


def _lost_between(
    signs: NDArray[np.int64], lost: NDArray[np.float64], ratio: NDArray[np.float64], silent: float, first: int,
    seen: NDArray[np.float64], missing: NDArray[np.bool_],
) -> None:
    """Take what the first datagram after a gap shows as lost for what was sent in the gap, in `seen` and `missing`.

    Args:
        signs: minutes of signs of life, with what each shows as lost (0 for tables, whose rows have their own time) and
            which share of all is there.
        silent: minutes after which an exporter is silent.
    """
    for i in np.flatnonzero((np.diff(signs) > 1) & (np.diff(signs) <= silent) & (lost[1:] > 0)).tolist():
        between = slice(max(int(signs[i]) + 1 - first, 0), max(int(signs[i + 1]) - first, 0))
        seen[between] = np.minimum(seen[between], ratio[i + 1])
        missing[between] = True


def _causes(
    rows: dict[str, NDArray[Any]], inside: NDArray[np.bool_], first: int, count: int
) -> dict[str, NDArray[np.bool_]]:
    """Minutes in which something is known of why records were lost."""
    causes = {}
    for name, why in (
        ("dropped", "this machine dropped datagrams"),
        ("misses", "data arrived without their template"),
        ("restarts", "the exporter restarted"),
        ("apart", "implausible records were quarantined"),
        ("held", "most of its datagrams were malformed and were discarded"),
    ):
        causes[why] = np.zeros(count, dtype=bool)
        causes[why][rows["minute"][inside] // 60 - first] = rows[name][inside] > 0
    return causes


def _reasons(
    seen: NDArray[np.float64], active: NDArray[np.bool_], deleted: NDArray[np.bool_], missing: NDArray[np.bool_],
    first: int, causes: dict[str, NDArray[np.bool_]],
) -> tuple[tuple[int, int, str], ...]:
    found: list[tuple[int, int, str]] = []
    for wanted, why in (
        (deleted, "its flows were deleted or set aside: they are older than the retention period, or were damaged"),
        (active & (seen <= 0) & ~deleted & ~missing, "exporter silent"),
        (active & ((seen > 0) | (missing & ~deleted)) & (seen < BLIND_BELOW), "records lost"),
        (~active & ~deleted, "no telemetry before its first record"),
    ):
        for a, b in runs(wanted):
            known = [cause for cause, minutes in causes.items() if minutes[a:b].any()]
            found.append(((first + a) * 60, (first + b) * 60, "; ".join([why, *known])))
    return tuple(found)


def exporter_blind(exporter: ExporterCoverage) -> list[Blind]:
    """Blind times of one exporter."""
    return [
        Blind(start, end, why)
        for why in dict.fromkeys(w for _, _, w in exporter.reasons)
        for start, end in merge_intervals((a, b) for a, b, w in exporter.reasons if w == why)
    ]
