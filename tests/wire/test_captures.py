"""Real captures: flows, bytes and packets as their exporters meant them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegauge.ingest import Ingest
from tidegauge.lake import FlowFilter, Lake
from tidegauge.model import Skipped
from tidegauge.site import Site
from tidegauge.wire import ColumnMap, Names, datagrams_in, open_stream, read_packets

MEANT = {
    "data+templates.pcap": (21, 5_832_900, 6_600),
    "nfv5.pcap": (29, 88_345, 78),
    "sflow-data-1140.pcap": (5, 5_080_064, 5_120),
    "sflow-data-icmpv4.pcap": (1, 84, 1),
    "sflow-data-icmpv6.pcap": (1, 72, 1),
    "sflow-data-sflow-expanded-sample.pcap": (1, 104_000, 1_000),
    "sflow-data-sflow-ipv4-data.pcap": (1, 344_064, 256),
}


def sums(site: Site) -> tuple[int, int, int]:
    lake = Lake(site.data)
    return tuple(
        int(lake.scalar(f"coalesce({a}, 0)", FlowFilter())) for a in ("count(*)", "sum(bytes)", "sum(packets)")
    )  # type: ignore[return-value]


@pytest.mark.parametrize("name", MEANT)
def test_a_capture_alone(shared: Path, make_site: Callable[..., Site], name: str) -> None:
    site = make_site()
    report = Ingest(site).run([str(shared / "flows" / name)])
    assert report.failures == []
    assert sums(site) == MEANT[name]


@pytest.mark.parametrize(
    "order",
    [
        ("options-template", "options-data", "template", "data"),
        ("data", "options-data", "template", "options-template"),
    ],
)
def test_templates_options_and_data_in_separate_files_and_any_order(
    shared: Path, make_site: Callable[..., Site], order: tuple[str, ...]
) -> None:
    site = make_site()
    Ingest(site).run([str(shared / "flows" / f"{name}.pcap") for name in order])
    assert sums(site) == (4, 175_440_000, 120_000)


def test_templates_of_an_earlier_run_serve_data_that_come_alone(shared: Path, make_site: Callable[..., Site]) -> None:
    site = make_site()
    for name in ("samplingrate-template", "samplingrate-data"):
        Ingest(site).run([str(shared / "flows" / f"{name}.pcap")])
    assert sums(site) == (6, 7_659_520, 12_288)


def test_zeek_logs_of_two_days(shared: Path, make_site: Callable[..., Site]) -> None:
    site = make_site("64.225.56.201/32")
    report = Ingest(site).run([str(shared / "zeek" / "droplet")])
    assert report.failures == []
    assert (report.files, report.flows) == (192, 138_239)
    again = Ingest(site).run([str(shared / "zeek" / "droplet")])
    assert (again.flows, again.duplicates) == (0, 192)


def test_nfdump_csv_has_the_sums_that_nfdump_gives(
    shared: Path, make_site: Callable[..., Site], tmp_path: Path
) -> None:
    if shutil.which("nfdump") is None:
        pytest.skip("nfdump is not installed")
    text = subprocess.run(
        ["nfdump", "-r", str(shared / "flows" / "nfcapd.test1"), "-o", "csv"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    path = tmp_path / "flows.csv"
    path.write_text(text)
    flows, octets, packets = (int(v) for v in text.strip().splitlines()[-1].split(",")[:3])
    site = make_site()
    assert Ingest(site, column_map=None).run([str(path)]).failures == []
    assert sums(site) == (flows, octets, packets)


def test_a_map_names_the_columns_of_any_table(make_site: Callable[..., Site], tmp_path: Path) -> None:
    table = tmp_path / "export.csv"
    table.write_text(
        "From;To;When;Octets\n198.51.100.1;192.0.2.1;1416816000000;500\nnonsense;192.0.2.1;1416816000000;1\n"
    )
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        '[columns]\nsrc = "From"\ndst = "To"\ntime_start = "When"\nbytes = "Octets"\n[units]\ntime_start = "ms"\n'
    )
    site = make_site()
    report = Ingest(site, column_map=ColumnMap.load(mapping)).run([str(table)])
    assert sums(site) == (1, 500, 1)
    assert list(report.skipped) == [("record", "no time, address or count that can be read: counts as lost", 1)]


@pytest.mark.parametrize(
    "names", [("nfv5",), ("template", "options-template", "options-data", "data")], ids=["v5", "v9 sampled"]
)
def test_nfcapd_makes_the_same_sums_of_the_same_datagrams(
    shared: Path, make_site: Callable[..., Site], tmp_path: Path, names: tuple[str, ...]
) -> None:
    if shutil.which("nfcapd") is None:
        pytest.skip("nfdump is not installed")
    paths = [str(shared / "flows" / f"{name}.pcap") for name in names]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["nfcapd", "-w", str(tmp_path), "-p", str(port), "-b", "127.0.0.1", "-t", "3600"]
    collector = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for path in paths:
                with open_stream(path) as stream:
                    for packets in read_packets(stream, Skipped()):
                        found = datagrams_in(packets, Names(), Skipped())
                        for at, length in zip(found.offsets, found.lengths, strict=True):
                            sender.sendto(bytes(found.buffer.data[at : at + length]), ("127.0.0.1", port))
                            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        collector.terminate()
        collector.wait(timeout=20)
    shown = subprocess.run(["nfdump", "-R", str(tmp_path), "-I"], capture_output=True, text=True, check=True).stdout
    theirs = dict(
        line.split(": ") for line in shown.splitlines() if line.startswith(("Flows: ", "Bytes: ", "Packets: "))
    )
    site = make_site()
    Ingest(site).run(paths)
    assert sums(site) == tuple(int(theirs[key]) for key in ("Flows", "Bytes", "Packets"))
