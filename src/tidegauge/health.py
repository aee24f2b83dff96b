"""Is this site healthy? One line a check: what was found, and what to do about it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tidegauge.atlas import Atlas
from tidegauge.collect import DECODER, RECEIVER, STALE_S, read_status
from tidegauge.lake import Lake, look_at_homes, otherwise_labelled, seen_twice
from tidegauge.model import CONTRADICTORY, LakeError, format_duration, format_share, format_time
from tidegauge.series import Coverage, covered, doubts
from tidegauge.site import Site

State = Literal["ok", "warn", "fail"]
RECENT_S = 86400
LEAST_FREE, LEAST_FREE_BYTES = 0.05, 256 << 20
LATE_ATLAS_S = 180 * 86400
SKEW_S = 5.0
MOST_OF_A_KIND = 4
BACKLOG_BYTES = 512 << 20


@dataclass(frozen=True)
class Check:
    """One line: `advice` says what to do, empty where nothing is to be done."""

    name: str
    state: State
    found: str
    advice: str = ""


def check_site(site: Site, *, now_s: float | None = None) -> list[Check]:
    """All checks of a site, the lake's before the collector's."""
    now_s = time.time() if now_s is None else now_s
    try:
        checks = _lake(site, now_s)
    except LakeError as error:
        checks = [Check("data", "fail", str(error), error.hint or "tidegauge lake check says which files are damaged")]
    return [*checks, *_disk(site), *_atlas(site, now_s), *_collector(site, now_s), *_service(site, now_s)]


def _lake(site: Site, now_s: float) -> list[Check]:
    lake = Lake(site.data, memory_mb=site.memory_mb)
    extent = lake.extent(now_s)
    if extent is None:
        checks = [Check("data", "warn", "no flows here yet", "tidegauge ingest PATH, or tidegauge collect")]
    else:
        found = f"flows from {format_time(extent.first_s)} to {format_time(extent.until_s)}"
        homes = look_at_homes(lake, site.home, extent.first_s, extent.until_s)
        checks = [Check("home", "warn", doubt, "compare [site] home with these") for doubt in doubts(site, homes)]
        checks.append(Check("data", "ok", found))
        if count := otherwise_labelled(lake.manifest, site):
            checks.append(
                Check("labels", "warn", f"{count:,} flows were labelled before home prefixes, interfaces or names of"
                      " exporters changed in the site file", "tidegauge lake relabel")
            )
        if note := extent.note():
            checks.append(Check("outliers", "warn", note, "name the time to see them (--since, --until)"))
        checks += _few([
            Check("twice", "warn", pair.sentence(), "volumes of these flows are twice what they were")
            for pair in seen_twice(lake, extent.first_s, extent.until_s)
        ])
        coverage = covered(lake, extent.until_s - RECENT_S, extent.until_s)
        checks += [*_coverage(coverage), *_clocks(coverage), *_losses(coverage)]
    return checks


def _few(checks: list[Check]) -> Iterator[Check]:
    """Checks of one kind about many exporters: the first few, and how many more there are."""
    yield from checks[:MOST_OF_A_KIND]
    if len(checks) > MOST_OF_A_KIND:
        rest = checks[MOST_OF_A_KIND:]
        worst: State = "fail" if any(c.state == "fail" for c in rest) else "warn"
        yield Check(rest[0].name, worst, f"and {len(rest)} more like these", "tidegauge coverage --json lists all")


def _coverage(coverage: Coverage) -> Iterator[Check]:
    blind = coverage.blind()
    alive = [e for e in coverage.exporters if e.active.any() and e.relied_on]
    if not blind:
        share = format_share(coverage.share)
        yield Check("coverage", "ok", f"{len(alive)} exporters, {share} of the last day of data seen")
    else:
        longest = max(blind, key=lambda b: b.end_s - b.start_s)
        yield Check(
            "coverage",
            "warn",
            f"{coverage.share:.2%} of the last day of data seen; blind {len(blind)} times, the longest"
            f" {format_duration(longest.end_s - longest.start_s)} from {format_time(longest.start_s)} ({longest.why})",
            "tidegauge coverage shows when and why",
        )
    changed = []
    for exporter in alive:
        if len(exporter.sampling) > 1:
            intervals = ", ".join(f"1:{n}" for n in exporter.sampling[:MOST_OF_A_KIND])
            changed.append(
                Check("sampling", "warn", f"{exporter.exporter} changed its sampling: {intervals}",
                      "its volumes are estimates of differing quality; answers say so")
            )
    yield from _few(changed)


def _clocks(coverage: Coverage) -> Iterator[Check]:
    off = [e for e in coverage.exporters if abs(e.skew_s) > SKEW_S and e.standing != CONTRADICTORY]
    yield from _few([
        Check("clock", "warn", f"the clock of {e.exporter} is {abs(e.skew_s):.0f} s"
              f" {'ahead of' if e.skew_s > 0 else 'behind'} the time of arrival",
              "set it by NTP; live flows are set right by the difference") for e in off
    ])
    if not off and coverage.exporters:
        yield Check("clock", "ok", f"no exporter's clock is off by more than {SKEW_S:.0f} s")


def _losses(coverage: Coverage) -> Iterator[Check]:
    told = [e for e in coverage.exporters if e.standing != CONTRADICTORY]
    yield from _few([
        Check(
            "loss", "warn",
            f"{e.exporter} lost {e.lost - e.waiting:,} of {e.records + e.lost:,} records (sequence numbers)",
            "the way to the collector, or the collector's receive buffer, is too small" if e.dropped
            else "they were lost before they reached this machine",
        ) for e in told if e.lost > e.waiting
    ])
    yield from _few([
        Check("waiting", "warn",
              f"about {e.waiting:,} records of {e.exporter} wait for their template or their sampler",
              "they count as lost until it comes; after half an hour those of a known template are read all the same")
        for e in told if e.waiting
    ])
    yield from _few([
        Check("templates", "warn", f"{e.misses:,} data sets of {e.exporter} came without their template",
              "let the exporter send its templates more often") for e in told if e.misses
    ])
    yield from _few([
        Check("sampler", "warn",
              f"{e.unsampled:,} of {e.records:,} records of {e.exporter} are sampled at an interval that is not known"
              " or was not applied: its volumes may be too small by that factor",
              f'let it send its sampler options, or set [exporters."{e.exporter}"] sampling')
        for e in told if e.unsampled
    ])
    yield from _few([
        Check("numbers", "warn",
              f"the sequence numbers of {e.exporter} follow no known rule: what was lost is not known",
              "answers say so; two senders behind one address and port look like that")
        for e in told if not e.loss_known
    ])
    yield from _few([
        Check("apart", "warn", f"{e.apart:,} of {e.records:,} records of {e.exporter} cannot be true: kept apart",
              "tidegauge flows --quarantine shows them with the reason") for e in coverage.exporters if e.apart
    ])


def _disk(site: Site) -> Iterator[Check]:
    folder = site.data if site.data.exists() else site.folder
    usage = shutil.disk_usage(folder)
    share = usage.free / usage.total
    state: State = "ok" if share > LEAST_FREE and usage.free > LEAST_FREE_BYTES else "fail"
    yield Check("disk", state, f"{usage.free / 1e9:.1f} GB free ({share:.0%})",
                "" if state == "ok" else "make room: when it is full nothing more is taken in")


def _atlas(site: Site, now_s: float) -> Iterator[Check]:
    edition = Atlas.of(site).deciding(int(now_s)).edition
    age = abs(now_s - edition.date_s)
    found = f"countries are by {edition.source}, edition {edition.edition}, {age / 86400:.0f} days old"
    if age < LATE_ATLAS_S:
        yield Check("atlas", "ok", found)
    else:
        yield Check("atlas", "warn", found, "countries may be out of date: tidegauge atlas update")


def _collector(site: Site, now_s: float) -> Iterator[Check]:
    folder = site.data / "collect"
    receiver, decoder = read_status(folder, RECEIVER), read_status(folder, DECODER)
    if receiver is None and decoder is None:
        return
    for name, status in (("receiver", receiver), ("decoder", decoder)):
        if status is None or now_s - status["time_s"] > STALE_S:
            yield Check("collector", "warn", f"the {name} does not run", "start tidegauge collect")
            return
    assert receiver is not None
    assert decoder is not None
    yield Check("collector", "ok", f"listening on {', '.join(receiver['listening'])}")
    yield from _states(receiver, decoder)
    small = [b for b in receiver["buffer_bytes"] if b < receiver["buffer_wanted"]]
    if small:
        wanted = receiver["buffer_wanted"]
        yield Check("buffer", "warn", f"the kernel gave {min(small):,} bytes of {wanted:,} asked for",
                    f"sysctl -w net.core.rmem_max={wanted * 2}")
    if not site.collect.allow:
        yield Check("allow", "warn", "every sender's datagrams are taken, and senders can be forged",
                    "list your exporters under [collect] allow")
    yield from _few([
        Check("silence", "fail", f"{exporter} is silent", "look at the exporter and the way to it")
        for exporter in decoder.get("silent", [])
    ])
    yield from _senders(decoder.get("senders", {}))


def _service(site: Site, now_s: float) -> Iterator[Check]:
    """Parts of the service that do not run, or are in trouble."""
    folder = site.data / "serve"
    group = read_status(folder, "group")
    if group is None:
        return
    if now_s - group["time_s"] > STALE_S:
        yield Check("service", "warn", "the service does not run", "start tidegauge serve")
        return
    dead = [part for part in group["parts"] if part["state"] not in ("running", "ending")]
    for part in dead:
        yield Check("service", "fail", f"{part['name']} died {part['deaths']} times, last with {part['last_exit']}",
                    "its log lines say why; it is started again")
    if not dead:
        again = [f"{part['name']} {part['deaths']} times" for part in group["parts"] if part["deaths"]]
        started = f"; started again: {', '.join(again)}" if again else ""
        yield Check("service", "ok", f"{len(group['parts'])} parts run{started}")
    for name in ("live", "hunts", "alerts"):
        status = read_status(folder, name) or {}
        if status.get("trouble"):
            yield Check("service", "fail", f"{name}: {status['trouble']}", "nothing is lost; it is tried again")
    for channel in (read_status(folder, "alerts") or {}).get("dead", []):
        yield Check("alerts", "fail", f"{channel} takes no messages", f"tidegauge alert test {channel}; they wait")


SENDERS = {
    "held": ("most datagrams of {} do not hold what they say: they are not read but for a sample",
             "stop the sender, or list your exporters under [collect] allow"),
    "contradictory": ("the datagrams of {} contradict one another: answers leave its flows out where there are others",
                      "a stranger, or several exporters behind one address; name it under [exporters] if it is yours"),
    "new": ("{} came in by itself and does not weigh in coverage yet", ""),
    "turned_away": ("datagrams of {} were not taken: not on the list, or no place left",
                    "name your exporters under [exporters], or raise [collect] most_exporters"),
}


def _senders(kinds: dict[str, Any]) -> Iterator[Check]:
    """Senders that are new, odd or not let in; one line a kind."""
    for kind, (text, advice) in SENDERS.items():
        told = kinds.get(kind, {"count": 0, "named": []})
        if told["count"]:
            more = told["count"] - len(told["named"])
            named = ", ".join(told["named"]) + (f" and {more:,} more" if more else "")
            yield Check("senders", "ok" if kind == "new" else "warn", text.format(named), advice)


def _states(receiver: dict[str, Any], decoder: dict[str, Any]) -> Iterator[Check]:
    """Troubles that the processes name, and counters that should be 0."""
    for status in (receiver, decoder):
        for name, why in status.get("states", {}).items():
            yield Check("trouble", "fail", f"{name}: {why}", "nothing is lost that the spool holds; see to the disk")
    counts = receiver.get("counts", {})
    if counts.get("kernel_dropped"):
        yield Check("drops", "warn", f"the kernel dropped {counts['kernel_dropped']:,} datagrams for want of room",
                    "a larger [collect] receive_buffer_mb, or sockets_each above 1")
    if counts.get("spool_dropped"):
        yield Check("drops", "warn", f"the spool refused {counts['spool_dropped']:,} datagrams",
                    "a faster disk, or a larger [collect] spool_mb")
    backlog = decoder.get("backlog_bytes", 0)
    if backlog > BACKLOG_BYTES:
        yield Check("backlog", "warn", f"{backlog / 1e6:,.0f} MB wait to be decoded",
                    "decoding falls behind: fewer flows (sampling), or more cores")
    if decoder.get("counts", {}).get("refused"):
        yield Check("allow", "warn", f"{decoder['counts']['refused']:,} datagrams of senders that are not on the list",
                    "the log lines `refused` name them")
    for key in ("torn_bytes", "damaged_bytes"):
        if decoder.get(key):
            yield Check("spool", "warn", f"{decoder[key]:,} bytes of the spool were {key.removesuffix('_bytes')}",
                        "expected after a crash; otherwise check the disk")
