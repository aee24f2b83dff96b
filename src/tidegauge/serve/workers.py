"""The parts of the service that work by themselves: live judgement, hunts by schedule, alerts."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tidegauge.app.luring import judged, judging
from tidegauge.case import keep_days
from tidegauge.collect import log_event, write_status
from tidegauge.hunt import KINDS, HuntLedger, hunt
from tidegauge.hunt.finding_store import finding_id
from tidegauge.lake import Lake
from tidegauge.lure import Left
from tidegauge.model import TidegaugeError
from tidegauge.serve.channels import deliver
from tidegauge.serve.live import Watcher
from tidegauge.serve.mailbox import new_items
from tidegauge.serve.outbox import Outbox, Word
from tidegauge.site import Site
from tidegauge.store import Store

LIVE_S, HUNT_LOOK_S, ALERT_S, RETRY_S = 5.0, 30.0, 1.0, 10.0
NICE = 10
HUNT_SPAN_S = 86400
HUNTED, MAILBOX, RETAINED = "hunted", "mailbox", "retained"
RETAIN_S = 86400


def status_folder(site: Site) -> Path:
    return site.data / "serve"


class _Loop:
    """Does something again and again until SIGTERM; an error is told and does not end it."""

    def __init__(self, site: Site, name: str, every_s: float) -> None:
        self._folder, self._name, self._every_s = status_folder(site), name, every_s
        self._stopping = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _stop(self, *arguments: object) -> None:
        self._stopping = True

    def run(self, work: Callable[[], dict[str, Any]]) -> None:
        while not self._stopping:
            wait_s = self._every_s
            try:
                write_status(self._folder, self._name, {**work(), "trouble": ""})
            except TidegaugeError as error:
                log_event("part_failed", part=self._name, why=str(error), limited=True)
                write_status(self._folder, self._name, {"trouble": str(error)})
                wait_s = RETRY_S
            deadline = time.monotonic() + wait_s
            while not self._stopping and time.monotonic() < deadline:
                time.sleep(min(0.2, max(deadline - time.monotonic(), 0)))


def run_live(site: Site) -> None:
    """Judge what is closed, as it closes. Ends at once when told to: what was not judged is at the next start."""
    os.nice(NICE)
    watcher = Watcher(site)
    loop = _Loop(site, "live", LIVE_S)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    loop.run(lambda: asdict(watcher.round()))


def run_hunts(site: Site) -> None:
    """Hunt by schedule; what is new and serious is sent. Once a day what the site keeps no longer goes."""
    os.nice(NICE)
    every_s, store = site.serve.hunt_every_h * 3600, Store.of(site)
    loop = _Loop(site, "hunts", HUNT_LOOK_S)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def work() -> dict[str, Any]:
        hunted = json.loads(store.recall(HUNTED) or "{}")
        now_s = time.time()
        keep_house(site, store, now_s)
        extent = Lake(site.data, memory_mb=site.memory_mb).extent()
        if not every_s or extent is None or now_s - hunted.get("at_s", 0) < every_s:
            return hunted  # type: ignore[no-any-return]
        done = hunt_once(site, store, max(extent.now_s - HUNT_SPAN_S, extent.first_s), extent.until_s)
        hunted = {"at_s": now_s, "seconds": time.time() - now_s, **done}
        store.keep(HUNTED, json.dumps(hunted))
        return hunted

    loop.run(work)


def keep_house(site: Site, store: Store, now_s: float) -> bool:
    """Delete what the site keeps no longer, where it says so and that was not done within a day; whether it was."""
    if site.keep_days is None or now_s - float(store.recall(RETAINED) or 0) < RETAIN_S:
        return False
    log_event("retained", **asdict(keep_days(site)))
    store.keep(RETAINED, str(now_s))
    return True


def hunt_once(site: Site, store: Store, since_s: int, until_s: int) -> dict[str, int]:
    """All hunts over a time; word of what is new goes into the outbox."""
    outbox = Outbox(store, site)
    found = hunt(site, tuple(KINDS), since_s=since_s, until_s=until_s)
    fresh = [f for f in found.findings if finding_id(f) in found.fresh]
    with store.changing() as connection:
        for finding in fresh:
            outbox.put(connection, Word.of_finding(finding_id(finding), finding))
    return {"findings": len(found.findings), "new": len(fresh)}


def run_lures(site: Site) -> None:
    """Judge what comes into the site's mailbox; each mail is a finding, and word of it goes out by its severity."""
    os.nice(NICE)
    store = Store.of(site)

    def work() -> dict[str, Any]:
        return judge_mailbox(site, store) if site.lure.mailbox else {}

    _Loop(site, "lures", site.lure.every_s).run(work)


def judge_mailbox(site: Site, store: Store) -> dict[str, int]:
    """One round over the mailbox. What was judged is kept before it is marked as seen: none is lost."""
    counts = {"judged": 0, "phishing": 0, "suspicious": 0, "left_out": 0}
    ledger, outbox, place = HuntLedger(store), Outbox(store, site), f"{MAILBOX} {site.lure.mailbox}"
    with judging(site) as judge:
        for new in new_items(site.lure, site.folder, store.recall(place)):
            if isinstance(new.item, Left):
                log_event("lure_left_out", item=new.item.name, why=new.item.why, limited=True)
                counts["left_out"] += 1
            else:
                one = judged(judge, new.item)
                finding = one.finding()
                fresh = ledger.note([finding])
                with store.changing() as connection:
                    for name in fresh:
                        outbox.put(connection, Word.of_finding(name, finding))
                counts["judged"] += 1
                if one.verdict != "unremarkable":
                    counts[one.verdict] += 1
            store.keep(place, new.state)
    return counts


def run_alerts(site: Site) -> None:
    """Send what is queued."""
    outbox = Outbox(Store.of(site), site)
    sent = 0

    def work() -> dict[str, Any]:
        nonlocal sent
        count, dead = deliver(site, outbox)
        sent += count
        return {"sent": sent, "dead": dead}

    _Loop(site, "alerts", ALERT_S).run(work)
