"""The collector against nfcapd: same machine, same sender, same receive buffer, in turn; writes `COLLECTOR.md`.

    python benchmarks/collector.py [--seconds 5]

Datagrams are NetFlow v5 of 30 flows over loopback. For each receiver: the highest rate of a row of rates at which
nothing was lost, the share lost at the sender's maximum, and its CPU time for a million flows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import WORK, start_collector, table, write_page
from tidegauge.lake import FlowFilter, Lake

SENDER = Path(__file__).parent / "sender.py"
PORT = 29_555
BUFFER = 64 << 20
RATES = (10_000, 20_000, 30_000, 50_000, 75_000, 100_000, 150_000, 200_000)


@dataclass(frozen=True)
class Outcome:
    """One run: flows sent and stored, datagrams a second sent, CPU seconds, seconds until all was stored."""

    sent: int
    stored: int
    rate: float
    cpu_s: float
    drained_s: float

    @property
    def lost(self) -> float:
        return 1 - self.stored / self.sent


def send(rate: int, seconds: float) -> tuple[int, float]:
    said = subprocess.run(
        [sys.executable, str(SENDER), str(PORT), str(rate), str(seconds)], capture_output=True, text=True, check=True
    )
    found = json.loads(said.stdout)
    return found["flows"], found["datagrams"] / found["seconds"]


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def sender_cpu_s(rate: int, seconds: float) -> tuple[int, float, float]:
    before = children_cpu_s()
    flows, reached = send(rate, seconds)
    return flows, reached, children_cpu_s() - before


def ours(rate: int, seconds: float) -> Outcome:
    before = children_cpu_s()
    collector = start_collector(WORK / "site", PORT)
    sent, reached, sender = sender_cpu_s(rate, seconds)
    begin = time.monotonic()
    collector.send_signal(signal.SIGTERM)
    collector.wait()
    drained = time.monotonic() - begin
    stored = int(Lake(WORK / "site" / "data").scalar("count(*)", FlowFilter()))
    return Outcome(sent, stored, reached, children_cpu_s() - before - sender, drained)


def nfcapd(rate: int, seconds: float) -> Outcome:
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "nfcapd").mkdir(parents=True)
    before = children_cpu_s()
    collector = subprocess.Popen(
        ["nfcapd", "-w", str(WORK / "nfcapd"), "-p", str(PORT), "-b", "127.0.0.1", "-t", "86400", "-B", str(BUFFER),
         "-z"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    time.sleep(1.5)
    sent, reached, sender = sender_cpu_s(rate, seconds)
    begin = time.monotonic()
    time.sleep(1)
    collector.send_signal(signal.SIGTERM)
    collector.wait()
    drained = time.monotonic() - begin
    cpu = children_cpu_s() - before - sender
    said = subprocess.run(["nfdump", "-R", str(WORK / "nfcapd"), "-I"], capture_output=True, text=True, check=True)
    stored = sum(int(line.split(":")[1]) for line in said.stdout.splitlines() if line.startswith("Flows:"))
    return Outcome(sent, stored, reached, cpu, drained)


def measure(run: object, seconds: float) -> tuple[int, Outcome, Outcome]:
    """The highest lossless rate, the run at it, and the run at the sender's maximum."""
    assert callable(run)
    best, at_best = 0, None
    for rate in RATES:
        outcome = run(rate, seconds)
        print(f"  {rate:,}/s: lost {outcome.lost:.3%}, reached {outcome.rate:,.0f}/s", flush=True)
        if outcome.lost > 0 or outcome.rate < 0.98 * rate:
            break
        best, at_best = rate, outcome
    most = run(0, seconds)
    print(f"  maximum: lost {most.lost:.3%}, reached {most.rate:,.0f}/s", flush=True)
    return best, at_best or most, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    seconds = parser.parse_args().seconds
    rows = []
    for name, run in (("tidegauge collect", ours), ("nfcapd 1.7 (LZ4)", nfcapd)):
        print(name, flush=True)
        best, at_best, most = measure(run, seconds)
        spent = at_best.drained_s + seconds
        rows.append(
            (name, f"{best:,}", f"{best * 30 / 1e6:.2f} M", f"{most.lost:.1%} at {most.rate:,.0f}/s",
             f"{at_best.cpu_s / at_best.stored * 1e6:.2f} s", f"{at_best.stored / spent / 1e6:.2f} M/s")
        )
    lines = [
        "# Collecting",
        "",
        f"{os.cpu_count()} cores, {platform.machine()}; sender, receiver and decoder share them. Receive buffer"
        f" {BUFFER >> 20} MiB, {seconds:g} s a rate, NetFlow v5 of 30 flows. Made by `make bench-collector`.",
        "",
        *table(("receiver", "datagrams/s without loss", "flows/s", "lost at the sender's most", "CPU a million flows",
                "stored"), rows),
        "",
        "`stored`: flows in the files, divided by the time from the first datagram until all were there, at the rate of"
        " the first column. tidegauge decodes, labels and sorts into Parquet; nfcapd stores the records as they come.",
    ]
    write_page("COLLECTOR.md", lines)
    shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
