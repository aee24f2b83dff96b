"""The service under load: clients that ask, while the collector takes flows on the same cores. Writes `LOAD.md`.

    python -m benchmarks.load [--seconds 120] [--clients 50] [--rate 50000]

Each client asks again after a second in the mean: mostly one of ten questions about time that is over, now and then one
that nobody asked before. Beside it NetFlow v5 comes in at the rate of flows a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from benchmarks.common import write_page
from benchmarks.flows import EACH
from tidegauge.cli.show import make_site, write_scenario
from tidegauge.ingest import Ingest
from tidegauge.lake import FlowFilter, Lake, roll
from tidegauge.simulate import autumn_2014
from tidegauge.site import load_site

PORT = 29_556
FRESH = 0.03
COUNTRIES = ("KP", "CN", "US", "RU", "JP", "DE", "KR", "TW", "FR", "GB")
SENDER = Path(__file__).parent / "sender.py"


def question(number: int | None, chance: random.Random) -> dict[str, str]:
    """One of ten questions, or one that nobody asked before."""
    if number is not None:
        return {"from": COUNTRIES[number], "since": "2014-11-24", "until": "2014-11-30"}
    since = 1_416_787_200 + chance.randrange(5 * 86400)
    return {"from": chance.choice(COUNTRIES), "since": str(since), "until": "2014-11-30"}


async def client(base: str, cookies: httpx.Cookies, end: float, seed: int, told: list[tuple[bool, float, int]]) -> None:
    chance = random.Random(seed)
    async with httpx.AsyncClient(base_url=base, cookies=cookies, timeout=120) as session:
        while time.monotonic() < end:
            fresh = chance.random() < FRESH
            asked = question(None if fresh else chance.randrange(len(COUNTRIES)), chance)
            begun = time.monotonic()
            reply = await session.get("/api/v1/ask", params=asked)
            told.append((fresh, time.monotonic() - begun, reply.status_code))
            await asyncio.sleep(chance.expovariate(1.0))


async def clients(base: str, cookies: httpx.Cookies, count: int, seconds: float) -> list[tuple[bool, float, int]]:
    told: list[tuple[bool, float, int]] = []
    end = time.monotonic() + seconds
    await asyncio.gather(*(client(base, cookies, end, seed, told) for seed in range(count)))
    return told


def memory_mb(leader: int) -> float:
    """Resident memory of a process and all below it."""
    total, parents = 0.0, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            found = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        parents[int(found["Pid"])] = int(found["PPid"]), float(found.get("VmRSS", "0 kB").split()[0]) / 1024
    for pid in parents:
        up = pid
        while up not in (leader, 0) and up in parents:
            up = parents[up][0]
        total += parents[pid][1] if up == leader else 0
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rate", type=int, default=50_000, help="Flows a second.")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="load-"))
    make_site(folder)
    Ingest(load_site(folder)).run([str(write_scenario(autumn_2014(days=42, seed=2014, surges=[]), folder))])
    site = load_site(folder)
    before = int(Lake(site.data).scalar("count(*)", FlowFilter()))
    roll(site.data)
    service = subprocess.Popen(
        [sys.executable, "-m", "tidegauge.cli", "serve", "--site", str(folder), "--http", "127.0.0.1:0", "--json",
         "--listen", f"127.0.0.1:{PORT}"],
        stdout=subprocess.PIPE, stderr=(folder / "log").open("w"), text=True,
    )
    assert service.stdout is not None
    url = json.loads(service.stdout.readline())["url"]
    base = url.partition("/?")[0]
    with httpx.Client(timeout=60) as session:
        for _ in range(600):
            try:
                session.get(f"{base}/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        assert session.get(url).status_code == 303
        cookies = session.cookies
        for number in range(len(COUNTRIES)):
            session.get(f"{base}/api/v1/ask", params=question(number, random.Random(0))).raise_for_status()
    rate = arguments.rate / EACH
    command = [sys.executable, str(SENDER), str(PORT), str(int(rate)), str(arguments.seconds)]
    sender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    asking = subprocess.Popen(
        [sys.executable, "-c", "import asyncio, json, sys, httpx\nfrom benchmarks.load import clients\n"
         "base, cookies, count, seconds = json.loads(sys.argv[1])\n"
         "print(json.dumps(asyncio.run(clients(base, httpx.Cookies(cookies), count, seconds))))",
         json.dumps([base, dict(cookies), arguments.clients, arguments.seconds])],
        stdout=subprocess.PIPE, text=True,
    )
    samples = []
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        samples.append(memory_mb(service.pid))
        time.sleep(2)
    sent = json.loads(sender.communicate()[0])
    told = json.loads(asking.communicate()[0])
    for _ in range(600):
        status = json.loads((site.data / "collect" / "decoder.json").read_text())
        if status["backlog_bytes"] == 0:
            break
        time.sleep(0.2)
    dropped = json.loads((site.data / "collect" / "receiver.json").read_text())["counts"]
    begun = time.monotonic()
    service.send_signal(signal.SIGTERM)
    service.wait()
    ended_s = time.monotonic() - begun
    stored = int(Lake(site.data).scalar("count(*)", FlowFilter())) - before
    ledger = Lake(site.data).ledger().to_pylist()
    own = [row for row in ledger if row["exporter"] == "127.0.0.1"]
    kinds = ("datagrams", "records", "lost", "dropped", "duplicates", "overtaken", "apart", "held")
    print({kind: sum(row[kind] or 0 for row in own) for kind in kinds if kind in own[0]}, file=sys.stderr)
    rows = []
    for name, fresh in (("kept answers", False), ("questions that nobody asked before", True)):
        spent = np.array([seconds for own, seconds, status in told if own is fresh and status == 200])
        refused = sum(own is fresh and status != 200 for own, _, status in told)
        quantiles = " | ".join(f"{np.quantile(spent, q):.3f}" for q in (0.5, 0.95, 0.99))
        rows.append(f"| {name} | {len(spent)} | {refused} | {quantiles} | {spent.max():.2f} |")
    write_page("LOAD.md", [
        "# The service under load\n",
        f"{arguments.clients} clients for {arguments.seconds:g} s, {os.cpu_count()} cores, {before:,} flows of six"
        f" simulated weeks, and {sent['flows'] / sent['seconds']:,.0f} flows a second by NetFlow v5 beside them.\n",
        "| what | answered | refused | median, s | 95 %, s | 99 %, s | longest, s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *rows,
        f"\n{sent['flows']:,} flows were sent and {stored:,} stored; the kernel dropped"
        f" {dropped.get('kernel_dropped', 0):,} datagrams and the spool {dropped.get('spool_dropped', 0):,}. The whole"
        f" group took {np.median(samples):,.0f} MB in the median and {max(samples):,.0f} MB at most (shared pages"
        f" counted once for each process); after SIGTERM it ended in {ended_s:.1f} s.",
    ])
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
