"""Ratios against peers on the same machine in the same run; writes `benchmarks/RESULTS.md`.

    make bench                      # or: python benchmarks/run.py --flows 10000000

Peers: the PyPI packages `netflow` and `pysflow` (decoding), nfdump 1.7 (storing, aggregating; Debian package `nfdump`).
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import WORK, table, write_page
from benchmarks.flows import EACH, START_S, v5_datagrams, zipf_flows
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import FlowBatch, keep_freed_memory, mapped_ipv4
from tidegauge.series import build_series, origin_sql
from tidegauge.simulate import encode
from tidegauge.site import init_site, load_site
from tidegauge.wire import Datagrams, Decoder

BIN = Path(sys.executable).parent
Row = tuple[str, str, str, str, str]


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def write_capture(path: Path, payloads: np.ndarray) -> None:
    rows, size = payloads.shape
    head = np.zeros((rows, 44), dtype=np.uint8)
    seconds = np.ascontiguousarray(payloads[:, 8:12]).view(">u4").astype("<u4")
    head[:, 0:4] = seconds.view(np.uint8)
    head[:, 8:12] = head[:, 12:16] = np.frombuffer(np.uint32(28 + size).tobytes(), np.uint8)
    ip = (
        bytes([0x45, 0])
        + (28 + size).to_bytes(2, "big")
        + bytes([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1])
    )
    udp = (2055).to_bytes(2, "big") * 2 + (8 + size).to_bytes(2, "big") + bytes(2)
    head[:, 16:44] = np.frombuffer(ip + udp, np.uint8)
    with path.open("wb") as file:
        file.write(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000065000000"))
        np.concatenate([head, payloads], axis=1).tofile(file)


def bench_decode() -> list[Row]:
    """Decoding from memory: NetFlow v9 against the package `netflow`, sFlow against `pysflow`."""
    import netflow
    import sflow as peer_sflow

    keep_freed_memory()
    from tests.make import ethernet, sflow, sflow_sample, tcp4

    count = 250_000
    random = np.random.default_rng(1)
    flows = FlowBatch.build(
        src=mapped_ipv4(random.integers(0, 2**32, count).astype(np.uint32)),
        dst=mapped_ipv4(random.integers(0, 2**32, count).astype(np.uint32)), exporters=("192.0.2.1",),
        time_start=START_S * 1_000_000 + np.arange(count) * 100, time_end=START_S * 1_000_000 + np.arange(count) * 100,
        bytes=random.integers(40, 10**6, count), packets=1, proto=6,
    )
    payloads = [d.payload for d in encode(flows, boot_s=START_S - 1000)]
    datagrams = Datagrams.of(payloads)

    def ours(block: Datagrams, expected: int) -> float:
        decoder = Decoder()
        decoder.names.position("192.0.2.1")
        found = 0

        def run() -> None:
            nonlocal found
            found = sum(len(batch) for batch in decoder.decode(block))

        spent = timed(run)
        assert found == expected, (found, expected)
        return expected / spent

    few = payloads[:2000]

    def theirs() -> None:
        templates: dict[str, dict[int, object]] = {"netflow": {}, "ipfix": {}}
        for payload in few:
            netflow.parse_packet(payload, templates)

    peer_rate = len(few) * 25 / timed(theirs)
    rate = max(ours(datagrams, count) for _ in range(3))
    packet = sflow_sample(ethernet(tcp4("192.0.2.1", "198.51.100.2", length=1400), vlans=(7,)))
    sampled = [sflow([packet] * 8, sequence=i) for i in range(20_000)]
    samples = Datagrams.of(sampled)
    sflow_rate = max(ours(samples, 160_000) for _ in range(5))

    def their_sflow() -> None:
        for payload in sampled[:2000]:
            peer_sflow.decode(payload)

    their_sflow_rate = 16_000 / timed(their_sflow)
    per_s = "{:,.0f} flows/s".format
    return [
        ("decode NetFlow v9 from memory, one core", per_s(rate), f"netflow: {per_s(peer_rate)}",
         f"{rate / peer_rate:.0f} x", "50 x, at least 20 x"),
        ("decode sFlow v5 from memory, one core", per_s(sflow_rate),
         f"pysflow (leaves the sampled packet's headers as they are): {per_s(their_sflow_rate)}",
         f"{sflow_rate / their_sflow_rate:.0f} x", "50 x, at least 20 x"),
    ]


def into_nfcapd(folder: Path, payloads: np.ndarray, compression: str) -> None:
    """Send datagrams to an nfcapd on loopback, slowly enough that it loses none."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = ["nfcapd", "-w", str(folder), "-p", "29955", "-b", "127.0.0.1", "-t", "86400", "-B", "8000000"]
    collector = subprocess.Popen([*command, *([compression] if compression else [])], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
    time.sleep(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", 29955))
        for i, payload in enumerate(payloads):
            sender.send(payload)
            if i % 100 == 99:
                time.sleep(0.0045)
    time.sleep(2)
    collector.send_signal(signal.SIGTERM)
    collector.wait(timeout=60)


def nfdump_flows(folder: Path) -> int:
    text = subprocess.run(["nfdump", "-R", str(folder), "-I"], capture_output=True, text=True, check=True).stdout
    return sum(int(line.split(":")[1]) for line in text.splitlines() if line.startswith("Flows:"))


def bench_lake(count: int) -> list[Row]:
    """From a capture to labelled Parquet, sums and top senders, and bytes on disk, against nfdump."""
    random = np.random.default_rng(2)
    payloads = v5_datagrams(zipf_flows(count, random))
    flows = len(payloads) * EACH
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    write_capture(WORK / "flows.pcap", payloads)
    init_site(WORK / "site", home=["198.18.0.0/16"])
    command = [str(BIN / "tidegauge"), "ingest", "--site", str(WORK / "site"), "--json", str(WORK / "flows.pcap")]
    spent = timed(lambda: subprocess.run(command, check=True, capture_output=True))
    site = load_site(WORK / "site")
    lake = Lake(site.data)
    size = sum(s.size for s in lake.manifest.segments("flows"))
    stored = int(lake.scalar("count(*)", FlowFilter()))
    assert stored == flows, (stored, flows)
    rows: list[Row] = [
        (
            f"capture of {flows:,} flows to labelled Parquet, two cores",
            f"{flows / spent:,.0f} flows/s",
            "",
            "",
            "1 M/s",
        ),
    ]

    def sums() -> None:
        build_series(
            lake, (origin_sql("CN", "in"),), metric="bytes", width_s=300, since_s=START_S, until_s=START_S + 86400
        )

    by_country = "SELECT epoch_us(time_start) // 300000000 AS bin, src_country, sum(bytes) FROM flows GROUP BY ALL"

    def countries() -> None:
        with lake.engine(None, None) as engine:
            engine.sql(by_country).fetchnumpy()

    def top() -> None:
        lake.top(["src"], FlowFilter(), metric="bytes", limit=10)

    one, grouped, ranked = (min(timed(work) for _ in range(3)) for work in (sums, countries, top))
    if shutil.which("nfcapd") is None:
        return [*rows, ("5-minute sums per country", f"{grouped:.2f} s", "nfdump is not installed", "", "3 x")]
    for name, flag in (("lz4", "-z"), ("bz2", "-j")):
        into_nfcapd(WORK / name, payloads, flag)
    received = nfdump_flows(WORK / "lz4")

    def nfdump(*arguments: str) -> float:
        command = ["nfdump", "-R", str(WORK / "lz4"), "-q", *arguments]
        return min(timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)) for _ in range(3))

    aggregated, statistics = nfdump("-A", "srcip4/8", "-o", "csv"), nfdump("-s", "srcip/bytes", "-n", "10")
    share = received / flows
    rows += [
        ("5-minute sums per country, all", f"{grouped:.2f} s", f"nfdump -A srcip4/8, no bins: {aggregated:.2f} s",
         f"{aggregated / grouped / share:.1f} x", "3 x"),
        ("5-minute series of one country, long flows spread", f"{one:.2f} s", f"the same: {aggregated:.2f} s",
         f"{aggregated / one / share:.1f} x", "3 x"),
        ("top source addresses", f"{ranked:.2f} s", f"nfdump -s srcip: {statistics:.2f} s",
         f"{statistics / ranked / share:.1f} x", "3 x"),
    ]
    ours = size / flows
    for name, aim in (("lz4", "half"), ("bz2", "below")):
        disk = sum(p.stat().st_size for p in (WORK / name).iterdir()) / max(nfdump_flows(WORK / name), 1)
        rows.append(
            (
                f"bytes a flow on disk, against {name.upper()}",
                f"{ours:.1f}",
                f"nfdump: {disk:.1f}",
                f"{ours / disk:.2f}",
                aim,
            )
        )
    if share < 1:
        rows.append(("flows that nfcapd lost while its files were made", f"{1 - share:.2%}", "", "", ""))
    return rows


def bench_question(count: int) -> list[Row]:
    command = [str(BIN / "tidegauge"), "ask", "--site", str(WORK / "site"), "--from", "CN", "--since",
               "2014-11-24T20:00Z", "--json"]
    runs = [timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(3)]
    helps = [
        timed(lambda: subprocess.run([str(BIN / "tidegauge"), "--help"], check=True, capture_output=True))
        for _ in range(5)
    ]
    return [
        (f"`ask` over {count:,} flows, the first time", f"{runs[0]:.2f} s", "", "", ""),
        (f"`ask` over {count:,} flows, after that", f"{min(runs[1:]):.2f} s", "", "", "2 s (5 M flows)"),
        ("`tidegauge --help`", f"{min(helps):.2f} s", "", "", "0.3 s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=10_000_000)
    count = parser.parse_args().flows
    rows = [*bench_decode(), *bench_lake(count), *bench_question(count)]
    lines = [
        "# Benchmarks",
        "",
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__};"
        " made by `make bench`. Ratios are what counts; figures are of one machine.",
        "",
        *table(("what", "tidegauge", "peer", "ratio", "aim"), rows),
    ]
    write_page("RESULTS.md", lines)
    shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
