"""Memory of the collector under load, and under a hostile exporter; prints a table, one line a quarter of the time.

    python benchmarks/soak.py [--minutes 10] [--rate 10000]

Load: NetFlow v5 over loopback. Hostile: 10,000 templates, templates of as many fields as fit, data that no template
ever describes, datagrams of 65,507 bytes, one observation domain a datagram.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import WORK, start_collector, table
from tests.make import sets, template, v9

PORT = 29_556


def memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def processes(parent: int) -> list[int]:
    """The collector and the receiver; not the helper that `multiprocessing` starts."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    kept = [int(c) for c in children if b"resource_tracker" not in Path(f"/proc/{c}/cmdline").read_bytes()]
    return [parent, *kept]


def hostile(seconds: float) -> int:
    """Send what a hostile exporter would; how many datagrams."""
    sent, begin = 0, time.monotonic()
    bomb = [(n % 400 + 1, 65535 if n % 3 else 2) for n in range(1000)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", PORT))
        while time.monotonic() - begin < seconds:
            for number in range(256, 10_256, 250):
                body = b"".join(template(n, (8, 4), (12, 4), (n % 90 + 1, 4)) for n in range(number, number + 250))
                payloads = [
                    v9(sets((0, body)), sequence=sent),
                    v9(sets((0, template(256 + number % 5000, *bomb))), sequence=sent + 1),
                    v9(sets((60_000, os.urandom(40_000))), sequence=sent + 2, source=sent),
                    (struct.pack(">HHIIII", 9, 1, 1, int(time.time()), sent, 9) + b"\x01\x00\xff\xdb").ljust(
                        65_507, b"x"
                    ),
                ]
                for payload in payloads:
                    sender.send(payload)
                    sent += 1
                time.sleep(0.01)
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=10_000)
    arguments = parser.parse_args()
    seconds = arguments.minutes * 60
    collector = start_collector(WORK / "soak", PORT)
    sender = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "sender.py"), str(PORT), str(arguments.rate), str(seconds)],
        stdout=subprocess.PIPE,
    )
    print("\n".join(table(("after", "decoder MiB, mean and largest", "receiver MiB, mean and largest"), ())))
    seen: list[list[float]] = []
    begin, quarter = time.monotonic(), 1
    while sender.poll() is None:
        time.sleep(1)
        seen.append([memory_mib(pid) for pid in processes(collector.pid)])
        if time.monotonic() - begin > quarter * seconds / 4 - 1:
            report(f"{quarter * seconds / 4:.0f} s", seen)
            seen, quarter = [], quarter + 1
    count = hostile(60)
    seen = []
    for _ in range(20):
        time.sleep(1)
        seen.append([memory_mib(pid) for pid in processes(collector.pid)])
    report(f"a hostile minute ({count:,} datagrams)", seen)
    collector.send_signal(signal.SIGTERM)
    collector.wait()
    status = json.loads((WORK / "soak" / "data" / "collect" / "receiver.json").read_text())
    print(f"\nreceived: {status['counts']}; sent: {json.loads(sender.communicate()[0])}")
    shutil.rmtree(WORK / "soak", ignore_errors=True)


def report(when: str, seen: list[list[float]]) -> None:
    columns = list(zip(*seen, strict=True))
    print(f"| {when} | " + " | ".join(f"{sum(c) / len(c):.0f}, {max(c):.0f}" for c in columns) + " |", flush=True)


if __name__ == "__main__":
    main()
