"""From scans to a verdict: surges as runs of windows above their critical level, the largest, and the limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegauge.detect.calendar import NO_CALENDAR, Calendar
from tidegauge.detect.history import DURATIONS_S
from tidegauge.detect.limits import detection_limit, found_probability
from tidegauge.detect.pool import Pool
from tidegauge.detect.shapes import HOUR_S, lasting_rise, shaped
from tidegauge.detect.surge import METHOD, Judgement, judge
from tidegauge.model import Excess, Limit, Verdict, WouldHaveSeen, format_duration, format_time, merge_intervals

Floats = NDArray[np.float64]
MOST_SURGES = 50
MOST_NAMED = 10


@dataclass(frozen=True)
class Outcome:
    """The judgement on one series.

    Attributes:
        limits: those that there are, none below that of a shorter duration.
        called: which asked bins lie in a surge; shape (n,).
    """

    verdict: Verdict
    surges: tuple[Excess, ...]
    largest: Excess | None
    limits: tuple[Limit, ...]
    caveats: tuple[str, ...]
    method: str
    judgement: Judgement
    called: NDArray[np.bool_]
    would_have_seen: tuple[WouldHaveSeen, ...] = ()

    def silent(self, *reasons: str) -> Outcome:
        """Return the outcome of a question that cannot be answered with no, for these reasons; a surge stays one."""
        caveats = tuple(dict.fromkeys((*reasons, *self.caveats)))
        if self.verdict == "surge":
            return replace(self, caveats=caveats)
        return replace(self, verdict="cannot_say", limits=(), would_have_seen=(), caveats=caveats)


def decide(
    starts_s: NDArray[np.int64],
    values: Floats,
    seen: Floats,
    *,
    width_s: int,
    asked: slice,
    false_alarm: float,
    power: float,
    unit: float,
    calendar: Calendar = NO_CALENDAR,
    wanted: Sequence[tuple[float, int]] = (),
    pool: Pool | None = None,
) -> Outcome:
    """Judge the asked bins of a series against its history.

    Args:
        starts_s, values, seen, pool: as for `judge`.
        false_alarm: probability of a surge verdict over the whole question when nothing happened.
        power: probability with which an addition of the detection limit is found.
        wanted: amounts and durations (seconds) for which the chance of being found is asked.
    """
    judgement = judge(
        starts_s, values, seen, width_s=width_s, asked=asked, false_alarm=false_alarm, unit=unit, calendar=calendar,
        pool=pool,
    )
    outcome = settle(judgement, starts_s, values, seen, width_s=width_s, asked=asked, power=power, wanted=wanted)
    caveats = [*outcome.caveats, *calendar.caveats(calendar.local_s(starts_s), asked)]
    if outcome.surges and calendar.zone == "UTC":
        by_clocks = _by_clocks(judgement.expected, width_s)
        if _called(judgement, by_clocks) <= EXPLAINED * _called(judgement, 0 * by_clocks):
            caveats.append(MOVED)
    outcome = replace(outcome, caveats=tuple(caveats))
    if outcome.verdict == "no_surge" and (
        risen := lasting_rise(starts_s, values, seen, width_s=width_s, asked=asked)
    ):
        return outcome.silent(_risen(*risen))
    return outcome


def _risen(since_s: int, times: float) -> str:
    day = format_time(since_s)
    before = "some, and none before had any"
    if np.isfinite(times):
        before = f"at least {times:,.0f} times as much as any before"
    return (
        f"Each day since {day} has {before}, and the asked time has too: nothing stands out from that, but it may be"
        f" one lasting surge itself. A question from {day} on is judged by the days before."
    )


EXPLAINED = 0.1
"""Where so small a share of the windows is still called with moved clocks, these explain the surges."""
MOVED = (
    "With the day up to an hour earlier or later hardly anything stands out: this looks like a change of clocks, not"
    " like a burst. The zone of the place ([site] zone, --zone) follows its clocks."
)


def _called(judgement: Judgement, less: Floats) -> int:
    """How many windows lie above their critical level, with so much less in each bin of the asked time."""
    sums, count = np.r_[0.0, np.cumsum(less)], 0
    for scan in judgement.scans:
        taken = sums[scan.length :] - sums[: -scan.length]
        count += int((scan.usable & (scan.observed - taken > scan.critical)).sum())
    return count


def _by_clocks(expected: Floats, width_s: int) -> Floats:
    """What clocks that were moved by up to an hour explain above the expectation of each bin."""
    places = np.arange(len(expected)) * width_s
    most = np.max([np.interp(places + by, places, expected) for by in (-HOUR_S, 0, HOUR_S)], axis=0)
    return np.asarray(most - expected)


def settle(
    judgement: Judgement, starts_s: NDArray[np.int64], values: Floats, seen: Floats, *, width_s: int, asked: slice,
    power: float, wanted: Sequence[tuple[float, int]] = (),
) -> Outcome:
    """Verdict, surges and limits from a judgement; arguments as for `decide`."""
    windows = ", ".join(format_duration(scan.length * width_s) for scan in judgement.scans) or "none"
    left_out = len(judgement.past_surges)
    strange = f", {left_out} surge{'s' if left_out != 1 else ''} of the past left out" if left_out else ""
    shapes = f", their shape with that of {judgement.pooled} other series here" if judgement.pooled else ""
    method = METHOD.format(windows=windows, days=judgement.history_days, strange=strange, shapes=shapes)
    if judgement.reasons or not judgement.scans:
        reasons = judgement.reasons or ("nothing that carries an answer: no window of history was seen enough",)
        nothing = np.zeros(asked.stop - asked.start, dtype=bool)
        return Outcome("cannot_say", (), None, (), reasons, method, judgement, nothing)
    begin_s = int(starts_s[asked.start])
    candidates = [
        Excess(
            start_s=begin_s + i * width_s,
            end_s=begin_s + (i + scan.length) * width_s,
            window_s=scan.length * width_s,
            observed=float(scan.observed[i]),
            expected=float(scan.expected[i]),
            p_value=float(scan.p_values[i]),
        )
        for scan in judgement.scans
        for i in np.flatnonzero(scan.usable & (scan.observed > scan.critical)).tolist()
    ]
    runs = [((a - begin_s) // width_s, (b - begin_s) // width_s) for a, b in _spans(candidates)]
    surges, level = shaped(
        _runs(candidates, runs, begin_s, values[asked], judgement, width_s), starts_s[asked], values[asked],
        judgement.expected, width_s,
    )
    called = np.zeros(asked.stop - asked.start, dtype=bool)
    for first, last in runs:
        called[first:last] = True
    limits, without = _limits(judgement, seen[asked], called, width_s=width_s, power=power)
    caveats = [] if level is None else [level]
    if judgement.history_days < 13.5:
        caveats.append(
            f"the history is short ({judgement.history_days:.1f} days of covered time; two weeks show the rhythm of"
            f" a week and growth): {judgement.unknown:.0%} above what is expected is nothing surprising then, and the"
            " limits are larger by that"
        )
    if without:
        cause = "surges fill too much of that time" if surges else "too little of that time was seen"
        caveats.append(
            f"No detection limit over {listed_durations(without)}: {cause} for any amount to be found in"
            f" {power:.0%} of cases."
        )
    if judgement.past_surges:
        spans = ", ".join(
            f"{format_time(int(starts_s[a]))} to {format_time(int(starts_s[b - 1]) + width_s)}"
            for a, b in judgement.past_surges
        )
        caveats.append(f"the history holds what looks like surges itself and was taken without them: {spans}")
    if judgement.recurring:
        times = [format_time(int(starts_s[a])) for a, _ in judgement.recurring]
        named = ", ".join(times[:MOST_NAMED]) + (", ..." if len(times) > MOST_NAMED else "")
        caveats.append(
            f"the history holds {len(times)} bursts of a like ({named}): what recurs is usual, so one more like them is"
            " no surge, and the limits are larger by them"
        )
    seen_chances = tuple(
        WouldHaveSeen(
            amount, d, found_probability(judgement, seen[asked], called, duration_bins=d / width_s, amount=amount)
        )
        for amount, d in wanted
    )
    verdict: Verdict = "surge" if surges else "no_surge"
    largest = _largest(judgement, begin_s, width_s)
    outcome = Outcome(verdict, surges, largest, limits, tuple(caveats), method, judgement, called, seen_chances)
    return outcome if limits or surges else outcome.silent()


def listed_durations(durations_s: Iterable[int]) -> str:
    """Durations as a list in a sentence.

    >>> listed_durations([300, 3600])
    '5 min, 1 h'
    """
    return ", ".join(format_duration(d) for d in durations_s)


def _limits(
    judgement: Judgement, seen: Floats, called: NDArray[np.bool_], *, width_s: int, power: float
) -> tuple[tuple[Limit, ...], tuple[int, ...]]:
    """The detection limits, and the durations (seconds) that have none.

    A limit below that of a shorter duration is raised to it: what is found of a smaller amount is found of a larger.
    """
    limits: list[Limit] = []
    without: list[int] = []
    for duration_s in sorted({max(d, width_s) for d in DURATIONS_S}):
        if duration_s > len(seen) * width_s:
            break
        amount = detection_limit(judgement, seen, called, duration_bins=duration_s / width_s, power=power)
        if amount is None:
            without.append(duration_s)
        else:
            limits.append(Limit(duration_s, max(amount, limits[-1].amount if limits else 0.0)))
    return tuple(limits), tuple(without)


def _largest(judgement: Judgement, begin_s: int, width_s: int) -> Excess | None:
    """The window that stands out most: the least p-value, of equal ones the largest excess."""
    best: tuple[float, float, Excess] | None = None
    for scan in judgement.scans:
        if not scan.usable.any():
            continue
        scores = np.where(scan.usable, (scan.observed - scan.expected - scan.allowance) / scan.spread, -np.inf)
        i = int(np.argmax(scores))
        start = begin_s + i * width_s
        found = Excess(
            start, start + scan.length * width_s, scan.length * width_s,
            float(scan.observed[i]), float(scan.expected[i]), float(scan.p_values[i]),
        )
        key = (found.p_value, -(found.observed - found.expected))
        if best is None or key < best[:2]:
            best = (*key, found)
    return best[2] if best else None


def _spans(windows: list[Excess]) -> list[tuple[int, int]]:
    """Windows above their level as runs (seconds); a window is narrowed to the shorter ones that explain it."""
    kept: list[Excess] = []
    for window in sorted(windows, key=lambda w: (w.window_s, w.p_value)):
        explained = any(
            k.start_s < window.end_s and k.end_s > window.start_s and k.window_s < window.window_s for k in kept
        )
        if not explained:
            kept.append(window)
    return merge_intervals((w.start_s, w.end_s) for w in kept)


def _runs(
    windows: list[Excess], runs: list[tuple[int, int]], begin_s: int, values: Floats, judgement: Judgement,
    width_s: int,
) -> tuple[Excess, ...]:
    """Runs (bins) as surges, each with the least p-value of its windows; the first of very many."""
    found = []
    for first, last in runs[:MOST_SURGES]:
        start_s, end_s = begin_s + first * width_s, begin_s + last * width_s
        best = min((w for w in windows if w.start_s < end_s and w.end_s > start_s), key=lambda w: w.p_value)
        observed, expected = float(values[first:last].sum()), float(judgement.expected[first:last].sum())
        found.append(Excess(start_s, end_s, best.window_s, observed, expected, best.p_value))
    return tuple(found)
