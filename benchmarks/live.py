"""Live judgement replayed: the simulated autumn, bin by bin, with surges of twice what would have been seen planted;
and quiet weeks, of which the alarms are counted against the budget. Prints JSON lines; `table` makes LIVE.md of them.

    python -m benchmarks.live planted --seed 1 --minutes 30 > planted.jsonl
    python -m benchmarks.live quiet --seed 1 --replays 10 > quiet.jsonl
    python -m benchmarks.live table planted.jsonl quiet.jsonl > benchmarks/LIVE.md
    python -m benchmarks.live figure planted.jsonl > docs/explanation/images/live.svg
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from tidegauge.atlas import Atlas, label
from tidegauge.cli.show import make_site
from tidegauge.detect import budgeted
from tidegauge.inquiry import Asked, ask
from tidegauge.lake import open_writer, roll
from tidegauge.model import FlowBatch, LedgerBuilder, TidegaugeError, format_bytes, mapped_ipv4, parse_address
from tidegauge.series import Origins
from tidegauge.serve.alarms import Alarms
from tidegauge.serve.live import DAY_S, WIDTH_S, Watcher
from tidegauge.simulate import autumn_2014
from tidegauge.site import Site, load_site
from tidegauge.store import Store

HISTORY_DAYS = 28
SURGE_BINS = 12
EVERY_BINS = 24
MONTH_S = 30 * 86400


class Replay:
    """The flows of a simulated time, handed to a site as they end; with `calm` without the nights in which the autumn's
    host passes data on, which are surges."""

    def __init__(self, folder: Path, days: int, seed: int, *, calm: bool = False) -> None:
        self.site: Site = load_site(make_site(folder))
        self.atlas = Atlas.of(self.site)
        scenario = autumn_2014(days=days, seed=seed, surges=[])
        ends = scenario.flows["time_end"]
        order = np.argsort(ends, kind="stable")
        if calm:
            story = scenario.truth["pass_through"]
            far = [np.frombuffer(parse_address(story[end]), dtype=np.uint8) for end in ("from", "to")]
            ours = [(scenario.flows[end] == address).all(axis=1) for end in ("src", "dst") for address in far]
            order = order[~np.logical_or.reduce(ours)[order]]
        self.flows, self.ends_s = scenario.flows.take(order), ends[order] // 1_000_000
        self.gaps_s = scenario.gaps_s
        self.begin_s = int(self.flows["time_start"].min()) // 1_000_000 // DAY_S * DAY_S
        self.until_s = self.begin_s + days * DAY_S
        self.now_s = self.begin_s

    def hand(self, until_s: int, *more: FlowBatch) -> None:
        """All that ends before a time and was not handed yet, and its coverage; what fell into a gap is lost."""
        places = slice(*np.searchsorted(self.ends_s, [self.now_s, until_s]).tolist())
        own = self.flows.take(np.arange(places.start, places.stop))
        ends_s = own["time_end"] // 1_000_000
        heard = np.ones(len(own), dtype=bool)
        minutes = np.arange(self.now_s, until_s, 60)
        lost = np.zeros(len(minutes), dtype=bool)
        for start, end in self.gaps_s:
            heard &= ~((ends_s >= start) & (ends_s < end))
            lost |= (minutes >= start) & (minutes < end)
        with open_writer(self.site.data, self.atlas.stamp) as writer:
            for batch in (own.take(heard), *more):
                if len(batch):
                    writer.add_flows(label(batch, self.site, self.atlas))
            ledger = LedgerBuilder()
            kept = minutes[~lost]
            ledger.add(exporters=list(self.flows.exporters), exporter=np.zeros(len(kept), dtype=np.int32),
                       minute_s=kept, datagrams=10, records=100)
            writer.add_ledger(ledger.table())
            writer.commit()
        self.now_s = until_s


def chance_of(site: Site, series: int) -> float:
    """The probability that live judgement gives a series over a day."""
    return budgeted(1.0 / max(series, 1), DAY_S)


def limit_of(replay: Replay, origin: str, chance: float) -> float | None:
    """What live judgement would have seen of an origin, added over an hour of the last day; bytes."""
    asked = Asked(origin=Origins.parse(origin), where_text=None, where_sql=None, direction="in", metric="bytes",
                  since_s=replay.now_s - DAY_S, until_s=replay.now_s, baseline_s=HISTORY_DAYS * DAY_S,
                  false_alarm=chance, power=0.95)
    try:
        answer = ask(replay.site, asked).answer
    except TidegaugeError:
        return None
    return next((limit.amount for limit in answer.limits if limit.duration_s == SURGE_BINS * WIDTH_S), None)


def surge(source: bytes, begin_s: int, amount: float, random: np.random.Generator) -> FlowBatch:
    """One hour of flows from one address, a few a bin, of that amount in all."""
    count = SURGE_BINS * 6
    starts = (begin_s + np.arange(count) * (SURGE_BINS * WIDTH_S // count)) * 1_000_000
    sizes = random.lognormal(0, 0.3, count)
    octets = (sizes / sizes.sum() * amount).astype(np.uint64) + 40
    return FlowBatch.build(
        src=np.tile(np.frombuffer(source, dtype=np.uint8), (count, 1)),
        dst=mapped_ipv4(np.full(count, 0xC6120105, dtype=np.uint32)), exporters=("192.0.2.1",), time_start=starts,
        time_end=starts + 2_000_000, src_port=np.full(count, 443), dst_port=np.full(count, 50_000),
        proto=np.full(count, 6), packets=octets // 1000 + 1, bytes=octets, tcp_flags=np.zeros(count, int), sampling=1,
    )


def planted(seed: int, minutes: float) -> None:
    """Replay bin by bin for so many minutes of wall time; a line for each surge."""
    folder = Path(tempfile.mkdtemp(prefix="live-"))
    random = np.random.default_rng(seed)
    replay = Replay(folder / "site", HISTORY_DAYS + 14, seed)
    replay.hand(replay.begin_s + HISTORY_DAYS * DAY_S)
    labels = label(replay.flows, replay.site, replay.atlas)
    inward = np.flatnonzero(np.asarray(labels["direction"].to_pylist()) == "in")
    countries = np.asarray(labels["src_country"].to_pylist())[inward]
    names, counts = np.unique(countries, return_counts=True)
    names = names[counts >= 50]
    watcher, alarms = Watcher(replay.site), Alarms(Store.of(replay.site))
    series = watcher.round().series
    begun, bins, waiting = time.monotonic(), 0, []
    plants: list[dict[str, Any]] = []
    more: dict[int, list[FlowBatch]] = {}
    while time.monotonic() - begun < minutes * 60 and replay.now_s < replay.until_s:
        if bins % EVERY_BINS == 0:
            origin = str(random.choice(names))
            limit = limit_of(replay, origin, chance_of(replay.site, series))
            if limit is not None:
                own = np.flatnonzero(countries == origin)
                source = bytes(replay.flows["src"][inward[int(random.choice(own))]])
                begin_s = replay.now_s + int(random.integers(0, WIDTH_S))
                made = surge(source, begin_s, 2 * limit, random)
                at = (made["time_end"] // 1_000_000 // WIDTH_S).tolist()
                for place in sorted(set(at)):
                    more.setdefault(place, []).append(made.take(np.flatnonzero(np.array(at) == place)))
                plant = {"origin": origin, "begin_s": begin_s, "amount": 2 * limit, "opened_s": None, "alarms": 0}
                plants.append(plant)
                waiting.append(plant)
        replay.hand(replay.now_s + WIDTH_S, *more.pop(replay.now_s // WIDTH_S, []))
        done = watcher.round()
        series, bins = max(done.series, 1), bins + 1
        if bins % 12 == 0:
            roll(replay.site.data)
        for plant in waiting:
            about = [
                a for a in alarms.listed(since_s=plant["begin_s"] - 600, until_s=plant["begin_s"] + 2 * 3600)
                if a.series == f"country {plant['origin']} in"
            ]
            plant["alarms"] = max(plant["alarms"], len(about))
            if about and plant["opened_s"] is None:
                plant["opened_s"] = replay.now_s
        waiting = [plant for plant in waiting if replay.now_s < plant["begin_s"] + 4 * 3600]
        print(f"{bins} bins, {len(plants)} surges, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    wall_s = time.monotonic() - begun
    done_plants = [p for p in plants if p not in waiting]
    named = {f"country {p['origin']} in" for p in plants}
    others = [a.series for a in alarms.listed() if a.series not in named]
    print(json.dumps({"kind": "planted", "seed": seed, "bins": bins, "wall_s": wall_s, "series": series,
                      "speed": bins * WIDTH_S / wall_s, "plants": done_plants, "other_alarms": others}))
    shutil.rmtree(folder)


def quiet(seed: int, replays: int, weeks: int, first: int) -> None:
    """Weeks in which nothing is planted, day by day; a line a replay."""
    for number in range(first, replays):
        folder = Path(tempfile.mkdtemp(prefix="live-"))
        replay = Replay(folder / "site", HISTORY_DAYS + 7 * weeks, seed * 1000 + number, calm=True)
        replay.hand(replay.begin_s + HISTORY_DAYS * DAY_S)
        roll(replay.site.data)
        watcher, alarms = Watcher(replay.site), Alarms(Store.of(replay.site))
        watcher.round()
        before = {a.id for a in alarms.listed()}
        begun = time.monotonic()
        while replay.now_s < replay.until_s:
            replay.hand(replay.now_s + DAY_S)
            done = watcher.round()
        found = [a.series for a in alarms.listed() if a.id not in before]
        print(json.dumps({"kind": "quiet", "seed": seed * 1000 + number, "weeks": weeks, "series": done.series,
                          "alarms": found, "wall_s": time.monotonic() - begun}), flush=True)
        shutil.rmtree(folder)


def table(paths: list[Path]) -> None:
    """What was found, as Markdown."""
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    pieces, calm = [r for r in rows if r["kind"] == "planted"], [r for r in rows if r["kind"] == "quiet"]
    print("# Live judgement\n")
    if pieces:
        plants = [p for r in pieces for p in r["plants"]]
        delays = [(p["opened_s"] - p["begin_s"]) / 60 for p in plants if p["opened_s"] is not None]
        in_time = sum(d <= 2 * SURGE_BINS * WIDTH_S / 60 for d in delays)
        once = sum(p["alarms"] == 1 for p in plants)
        interval = stats.binomtest(in_time, len(plants)).proportion_ci(method="exact")
        print(
            f"The simulated autumn, handed over bin by bin in {len(pieces)} pieces of"
            f" {sum(r['wall_s'] for r in pieces) / 60:.0f} minutes of wall time in all, at"
            f" {min(r['speed'] for r in pieces):.0f} times its speed or more ({pieces[0]['series']} series, budget one"
            " alarm a month). An hour's surge of twice the live detection limit was planted every two hours.\n\n"
            "| planted | an alarm within two hours | one alarm each | median delay, min | latest, min |\n"
            "| ---: | ---: | ---: | ---: | ---: |\n"
            f"| {len(plants)} | {in_time} ({in_time / len(plants):.0%}, 95 % interval from {interval.low:.0%}) |"
            f" {once} | {np.median(delays):.0f} | {max(delays):.0f} |\n\n"
            f"Alarms of other series in that time: {sum(len(r['other_alarms']) for r in pieces)}.\n"
        )
    if calm:
        count = sum(len(r["alarms"]) for r in calm)
        borne = sum(r["weeks"] for r in calm) * 7 * 86400 / MONTH_S
        p_value = float(stats.poisson.sf(count - 1, borne))
        print(
            f"{len(calm)} quiet replays of {calm[0]['weeks']} weeks ({calm[0]['series']} series): {count} alarms where"
            f" the budget bears {borne:.1f} (exact Poisson test of more than that: p = {p_value:.2g})."
        )


def figure(paths: list[Path]) -> str:
    """How long after its start each planted surge had its alarm, by its size (SVG)."""
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    plants = [p for r in rows if r["kind"] == "planted" for p in r["plants"]]
    amounts = [math.log10(p["amount"]) for p in plants]
    low, high = math.floor(min(amounts)), math.ceil(max(amounts))
    wide, tall, left, top, latest = 740, 300, 84, 20, 150

    def across(amount: float) -> float:
        return left + (amount - low) / (high - low) * (wide - left - 20)

    def down(minutes: float) -> float:
        return top + (tall - top - 50) * (1 - minutes / latest)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" font-family="sans-serif" font-size="12">',
        f'<rect width="{wide}" height="{tall}" fill="white"/>',
        '<title>Minutes from the start of each planted surge to its alarm</title>',
    ]
    for minutes, words in ((0, "0"), (60, "60 (it ends)"), (120, "120 min")):
        y = round(down(minutes))
        parts.append(f'<line x1="{left}" x2="{wide - 20}" y1="{y}" y2="{y}" stroke="#999" stroke-dasharray="4 3"/>')
        parts.append(f'<text x="4" y="{y + 4}">{words}</text>')
    for power in range(low, high + 1):
        amount = format_bytes(10**power)
        parts.append(f'<text x="{across(power):.0f}" y="{tall - 28}" text-anchor="middle">{amount}</text>')
    for plant in plants:
        place = across(math.log10(plant["amount"]))
        if plant["opened_s"] is None:
            parts.append(f'<text x="{place:.0f}" y="{top + 8}" text-anchor="middle">not seen</text>')
            continue
        minutes = (plant["opened_s"] - plant["begin_s"]) / 60
        parts.append(f'<circle cx="{place:.1f}" cy="{down(min(minutes, latest)):.1f}" r="4" fill="#1f6fb4"/>')
    below = "added within an hour: twice what would have been seen 95 % of the time"
    parts.append(f'<text x="{wide // 2}" y="{tall - 8}" text-anchor="middle">{below}</text></svg>')
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("planted", "quiet", "table", "figure"))
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--replays", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="Go on with this one.")
    parser.add_argument("--weeks", type=int, default=4)
    arguments = parser.parse_args()
    if arguments.what == "planted":
        planted(arguments.seed, arguments.minutes)
    elif arguments.what == "quiet":
        quiet(arguments.seed, arguments.replays, arguments.weeks, arguments.first)
    elif arguments.what == "table":
        table(arguments.paths)
    else:
        print(figure(arguments.paths), end="")


if __name__ == "__main__":
    main()
