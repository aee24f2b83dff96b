"""Live judgement: every closed bin of every series that is watched, under one budget of false alarms.

A round reads the bins that new segments touch, judges those that were not judged yet (or changed, since flows came
late), and opens, updates and ends alarms. The bins of an alarm count as not seen in what follows: they teach nothing,
and nothing is said of them twice.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.app import parse_alarms
from tidegauge.detect import Alarm as Crossing, above, asked_of, budgeted, conclude, evidence, learn, pooled
from tidegauge.inquiry import Asked, ask, calendar_of
from tidegauge.lake import FlowFilter, Lake, quoted
from tidegauge.model import TidegaugeError, format_bytes, format_duration, format_time
from tidegauge.series import Origins, build_series, covered, doubtful, sums_by
from tidegauge.serve.alarms import Alarm, Alarms
from tidegauge.serve.outbox import Outbox, Word
from tidegauge.site import Site
from tidegauge.store import Store
from tidegauge.watch import Watches, watched

Floats = NDArray[np.float64]
WIDTH_S, DAY_S, MONTH_S = 300, 86400, 30 * 86400
HISTORY_S, REACH_BACK_S = 28 * DAY_S, 7 * DAY_S
QUIET_S = 3600
"""An alarm ends when so much time behind it was judged and nothing more was above the level."""
SETTLE_S = 15.0
"""How long after a commit interval a bin is held to be complete; what comes later is judged again."""
STATE = "live"


@dataclass(frozen=True)
class Track:
    """One series that is watched: what it is called, and how a question about it is put."""

    name: str
    direction: str
    origin: str | None = None
    watch: str | None = None
    exporter: str | None = None


@dataclass
class Round:
    """What a round did."""

    judged_until_s: int = 0
    series: int = 0
    opened: int = 0
    updated: int = 0
    ended: int = 0
    late_bins: int = 0
    seconds: float = 0.0


class Watcher:
    """Judges a site's series as time goes on; its state is in the site's database, so that a stop loses nothing."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._store = Store.of(site)
        self._alarms, self._outbox = Alarms(self._store), Outbox(self._store, site)
        self._rows: dict[Track, Floats] = {}
        self._first_bin = 0
        self._end_bin = 0
        self._units: tuple[int, dict[str, float]] = (0, {})

    def round(self, now_s: float | None = None) -> Round:
        """Judge what is closed and was not judged yet.

        Args:
            now_s: the clock, where it is not the lake's own "now".
        Raises:
            TidegaugeError: the lake or the database cannot be used.
        """
        begun, done = time.monotonic(), Round()
        lake = Lake(self.site.data, memory_mb=self.site.memory_mb)
        extent = lake.extent(now_s)
        if extent is None:
            return done
        settle_s = self.site.collect.commit_s + SETTLE_S if extent.live else 0.0
        closed_bin = int((extent.now_s - settle_s) // WIDTH_S)
        state = json.loads(self._store.recall(STATE) or "{}")
        judged_bin = int(state.get("judged_bin", max(closed_bin - DAY_S // WIDTH_S, extent.first_s // WIDTH_S)))
        judged_bin = max(judged_bin, closed_bin - HISTORY_S // WIDTH_S)
        done.judged_until_s = judged_bin * WIDTH_S
        if extent.live and judged_bin >= closed_bin:
            return done  # what came late is judged with the next bin
        changed_bin = self._changed(lake, set(state.get("segments", [])), judged_bin)
        done.late_bins = max(judged_bin - changed_bin, 0)
        from_bin = min(judged_bin, max(changed_bin, closed_bin - REACH_BACK_S // WIDTH_S, extent.first_s // WIDTH_S))
        if from_bin < closed_bin:
            self._read(lake, from_bin, closed_bin, changed_bin)
            done.series = len(self._rows)
            while from_bin < closed_bin:
                until_bin = min(from_bin + DAY_S // WIDTH_S, closed_bin)
                self._judge(lake, from_bin, until_bin, done)
                from_bin = until_bin
            recent_us = (closed_bin * WIDTH_S - REACH_BACK_S) * 1_000_000
            recent = [s.path for s in lake.manifest.segments("flows", recent_us)]
            self._store.keep(STATE, json.dumps({"judged_bin": closed_bin, "segments": recent}))
        done.judged_until_s, done.seconds = max(judged_bin, closed_bin) * WIDTH_S, time.monotonic() - begun
        return done

    # Reading

    def _changed(self, lake: Lake, before: set[str], judged_bin: int) -> int:
        """The first bin that segments touch that were not there at the last round."""
        first = judged_bin
        for segment in lake.manifest.segments("flows", (judged_bin * WIDTH_S - REACH_BACK_S) * 1_000_000):
            if before and segment.path not in before:
                first = min(first, segment.first_us // 1_000_000 // WIDTH_S)
        return first

    def _read(self, lake: Lake, from_bin: int, end_bin: int, changed_bin: int) -> None:
        """Bring the table of all series up to a bin, reading only what can have changed; it begins with the history of
        the first bin that is to be judged."""
        first_bin = min(end_bin - DAY_S // WIDTH_S, from_bin) - HISTORY_S // WIDTH_S
        kept: dict[Track, Floats] = {}
        begin = first_bin
        if self._rows and first_bin >= self._first_bin and changed_bin > first_bin:
            begin = min(changed_bin, self._end_bin)
            kept = {t: row[first_bin - self._first_bin : begin - self._first_bin] for t, row in self._rows.items()}
        table: dict[Track, Floats] = {}
        without = doubtful(lake.ledger())
        for track, fresh in self._fresh(lake, begin, end_bin - begin, tuple(without)):
            before = kept.get(track)
            table[track] = np.r_[np.zeros(begin - first_bin) if before is None else before, fresh]
        for track, row in kept.items():
            if track not in table and (track.origin is not None or track.exporter is not None):
                table[track] = np.r_[row, np.zeros(end_bin - begin)]
        self._rows, self._first_bin, self._end_bin = table, first_bin, end_bin
        coverage = covered(lake, first_bin * WIDTH_S, end_bin * WIDTH_S)
        self._seen = coverage.bins(width_s=WIDTH_S, first_bin=first_bin, bins=end_bin - first_bin)
        if end_bin - self._units[0] > DAY_S // WIDTH_S or not self._units[1]:
            self._units = end_bin, self._mean_sizes(lake, first_bin, end_bin)

    def _fresh(self, lake: Lake, begin: int, bins: int, without: tuple[str, ...]) -> Iterator[tuple[Track, Floats]]:
        kept_out = (f"exporter NOT IN ({', '.join(quoted(name) for name in without)})",) if without else ()
        how = {"metric": "bytes", "width_s": WIDTH_S, "first": begin, "bins": bins}
        names, table = sums_by(lake, ("direction = 'in'", *kept_out), by="far_country", **how)  # type: ignore[arg-type]
        for name, row in zip(names, table, strict=True):
            yield Track(f"country {name} in", "in", origin=name), row
        names, table = sums_by(lake, kept_out, by="exporter", **how)  # type: ignore[arg-type]
        for name, row in zip(names, table, strict=True):
            yield Track(f"exporter {name}", "in", exporter=name), row
        span = {"metric": "bytes", "width_s": WIDTH_S, "since_s": begin * WIDTH_S, "until_s": (begin + bins) * WIDTH_S}
        for text in self.site.serve.origins:
            origins = Origins.parse(text)
            series, _ = build_series(lake, (origins.sql("in"), *kept_out), **span)  # type: ignore[arg-type]
            yield Track(f"origin {origins} in", "in", origin=origins.text), series.values
        for watch in Watches(self._store).all():
            selection = watched(watch, lake, begin * WIDTH_S, (begin + bins) * WIDTH_S)
            if not selection.terms:
                continue  # no name of it points anywhere in that time
            for direction in ("in", "out"):
                conditions = (f"direction = '{direction}'", selection.sql, *kept_out)
                series, _ = build_series(lake, conditions, **span)  # type: ignore[arg-type]
                yield Track(f"watch {watch.name} {direction}", direction, watch=watch.name), series.values

    def _mean_sizes(self, lake: Lake, first_bin: int, end_bin: int) -> dict[str, float]:
        found = {}
        for direction in ("in", "out"):
            chosen = FlowFilter(first_bin * WIDTH_S * 1_000_000, end_bin * WIDTH_S * 1_000_000,
                                (f"direction = '{direction}'",))
            found[direction] = max(float(lake.total("sum(bytes) / sum(flows)", chosen) or 0), 1.0)
        return found

    # Judging

    def _judge(self, lake: Lake, from_bin: int, until_bin: int, done: Round) -> None:
        """Judge the bins of up to a day, all series together."""
        alarms_a, within_s = parse_alarms(self.site.serve.alarms)
        begin = max(until_bin - (HISTORY_S + DAY_S) // WIDTH_S, self._first_bin)
        places = slice(begin - self._first_bin, until_bin - self._first_bin)
        starts_s = (begin + np.arange(until_bin - begin)) * WIDTH_S
        newest = until_bin - from_bin
        asked_bins = asked_of(len(starts_s), WIDTH_S, newest)
        if asked_bins < 1:
            return
        # Alarms a month, over all series together.
        rate = alarms_a * MONTH_S / within_s / max(len(self._rows), 1)
        chance = budgeted(rate, asked_bins * WIDTH_S)
        asked = slice(len(starts_s) - asked_bins, len(starts_s))
        known: dict[str, list[Alarm]] = {}
        for alarm in self._alarms.listed(since_s=int(starts_s[0]), until_s=until_bin * WIDTH_S):
            known.setdefault(alarm.series, []).append(alarm)
        calendar = calendar_of(self.site, int(starts_s[0]), int(starts_s[-1]) + WIDTH_S)
        learned = []
        for track, row in self._rows.items():
            seen = self._seen[places].copy()
            for alarm in known.get(track.name, ()):
                hidden = (starts_s >= alarm.start_s // WIDTH_S * WIDTH_S) & (starts_s < alarm.end_s)
                seen[hidden] = 0.0
            values = np.where(seen > 0, row[places], 0.0)
            learned.append(
                learn(starts_s, values, seen, width_s=WIDTH_S, asked=asked, false_alarm=chance,
                      unit=self._units[1][track.direction], calendar=calendar)
            )
        pool = pooled(evidence(one) for one in learned)
        for track, one in zip(self._rows, learned, strict=True):
            judgement = conclude(one, false_alarm=chance, pool=pool)
            crossings = above(judgement, starts_s, width_s=WIDTH_S, newest=newest, false_alarm=chance)
            self._say(track, crossings, known.get(track.name, []), until_bin * WIDTH_S, chance, done)

    def _say(
        self, track: Track, crossings: list[Crossing], known: list[Alarm], until_s: int, chance: float, done: Round
    ) -> None:
        """Open, update and end the alarms of one series."""
        for group in _grouped(crossings):
            near = next((alarm for alarm in known if _near(alarm, group)), None)
            best = min(group, key=lambda c: c.alarms_a_month)
            if near is None:
                made = self._made(track, best, min(c.start_s for c in group), max(c.end_s for c in group), chance)
                self._write(made, "opened")
                known = [*known, made]
                done.opened += 1
            else:
                start_s = min(near.start_s, *(c.start_s for c in group))
                end_s = max(near.end_s, *(c.end_s for c in group))
                made = self._made(track, best, start_s, end_s, chance)
                grown = replace(made, id=near.id, opened_s=near.opened_s)
                self._write(grown, "updated")
                known = [grown if alarm.id == near.id else alarm for alarm in known]
                done.updated += 1
        for alarm in known:
            if alarm.state == "open" and until_s - alarm.end_s >= QUIET_S:
                over = replace(alarm, state="ended", ended_s=int(time.time()), updated_s=int(time.time()))
                self._write(over, "ended")
                done.ended += 1

    def _made(self, track: Track, best: Crossing, start_s: int, end_s: int, chance: float) -> Alarm:
        excess = max(best.observed - best.expected, 0.0)
        title = (
            f"{track.name}: {format_bytes(best.observed)} in {format_duration(best.end_s - best.start_s)} from"
            f" {format_time(best.start_s)}, where {format_bytes(best.expected)} was expected"
        )
        body: dict[str, Any] = {
            "title": title, "direction": track.direction, "metric": "bytes",
            "largest": {"start": format_time(best.start_s), "end": format_time(best.end_s),
                        "window_s": best.end_s - best.start_s, "observed": round(best.observed),
                        "expected": round(best.expected), "excess": round(excess)},
            "alarms_a_month": best.alarms_a_month, "budget": self.site.serve.alarms,
            "answer": self._answer(track, end_s, chance),
        }
        now_s = int(time.time())
        return Alarm(secrets.token_hex(8), track.name, "open", start_s, end_s, now_s, now_s, None,
                     json.dumps(body, ensure_ascii=False))

    def _answer(self, track: Track, end_s: int, chance: float) -> Mapping[str, Any] | None:
        """The answer to the question that the alarm is about: the day up to its end; None where it cannot be asked."""
        watch = None
        try:
            if track.watch is not None:
                lake = Lake(self.site.data, memory_mb=self.site.memory_mb)
                watch = watched(Watches(self._store).get(track.watch), lake, end_s - DAY_S, end_s)
            where = None if track.exporter is None else f"exporter = {quoted(track.exporter)}"
            origin = None if track.origin is None else Origins.parse(track.origin)
            asked = Asked(
                origin=origin, where_text=where, where_sql=where, direction=track.direction, metric="bytes",
                since_s=end_s - DAY_S, until_s=end_s, baseline_s=HISTORY_S, false_alarm=min(max(chance, 1e-6), 0.5),
                power=0.95, watch=watch,
            )
            return ask(self.site, asked).answer.to_json()
        except TidegaugeError as error:
            return {"error": str(error)}

    def _write(self, alarm: Alarm, event: str) -> None:
        """Keep an alarm and put word of it into the outbox, both or neither."""
        with self._store.changing() as connection:
            self._alarms.write(connection, alarm)
            self._outbox.put(connection, Word.of_alarm(alarm, event))


def _grouped(crossings: list[Crossing]) -> list[list[Crossing]]:
    """Windows above the level that touch or overlap, together; one that holds a shorter one says nothing of its own."""
    least: list[Crossing] = []
    spans = np.zeros((0, 2), dtype=np.int64)
    for one in sorted(crossings, key=lambda c: c.end_s - c.start_s):
        if not ((spans[:, 0] >= one.start_s) & (spans[:, 1] <= one.end_s)).any():
            least.append(one)
            spans = np.vstack([spans, [one.start_s, one.end_s]])
    groups: list[list[Crossing]] = []
    reach = 0
    for one in sorted(least, key=lambda c: (c.start_s, c.end_s)):
        if groups and one.start_s <= reach:
            groups[-1].append(one)
        else:
            groups.append([one])
        reach = max(reach, one.end_s) if len(groups[-1]) > 1 else one.end_s
    return groups


def _near(alarm: Alarm, group: list[Crossing]) -> bool:
    """Whether windows go on with an alarm: the time between is no longer than the alarm was, or an hour."""
    gap_s = max(QUIET_S, alarm.end_s - alarm.start_s)
    return min(c.start_s for c in group) <= alarm.end_s + gap_s and max(c.end_s for c in group) >= alarm.start_s - gap_s
