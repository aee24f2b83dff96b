"""pmacct beside us: what its probe sends, and what it writes as JSON, are flows of the capture that it reads."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.make import pcap, run_json
from tidegauge.ingest import Ingest
from tidegauge.site import Site

PMACCTD = shutil.which("pmacctd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
SETTINGS = """
pcap_savefile: {capture}
daemonize: false
plugins: nfprobe[probe], print[print]
aggregate: src_host, dst_host, src_port, dst_port, proto, tos, timestamp_start, timestamp_end
nfprobe_receiver[probe]: 127.0.0.1:{port}
nfprobe_version[probe]: {version}
print_refresh_time[print]: 60
print_output[print]: json
print_output_file[print]: {printed}
"""


def sums(site: Site) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Bytes and packets by addresses, ports and protocol."""
    found: dict[tuple[Any, ...], tuple[int, int]] = {}
    for flow in run_json("flows", "--json", site=site):
        key = tuple(flow[name] for name in ("src", "dst", "src_port", "dst_port", "proto"))
        octets, packets = found.get(key, (0, 0))
        found[key] = octets + flow["bytes"], packets + flow["packets"]
    return found


def probed(folder: Path, capture: Path, version: str) -> tuple[list[bytes], Path]:
    """What pmacct's probe sends of a capture, and what it writes of it. How much of the capture its parts take before
    they end is their own affair."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(1)
        settings = folder / "pmacctd.conf"
        settings.write_text(
            SETTINGS.format(capture=capture, port=receiver.getsockname()[1], version=version,
                            printed=folder / "printed.json")
        )
        subprocess.run([PMACCTD, "-f", str(settings)], capture_output=True, check=True, timeout=60)
        datagrams = []
        try:
            while True:
                datagrams.append(receiver.recv(65536))
        except TimeoutError:
            return datagrams, folder / "printed.json"


@pytest.mark.skipif(PMACCTD is None, reason="pmacct is not installed")
@pytest.mark.parametrize("version", ["9", "10"])
def test_pmaccts_probe_and_its_json_are_flows_of_the_capture(
    make_site: Callable[..., Site], shared: Path, tmp_path: Path, version: str
) -> None:
    capture = shared / "pcap" / "test-cc-capture-1.pcap"
    datagrams, printed = probed(tmp_path, capture, version)
    metered, as_json, as_sent = (make_site(name=name) for name in ("metered", "json", "sent"))
    Ingest(metered).run([str(capture)])
    truth = sums(metered)
    assert Ingest(as_json).run([str(printed)]).skipped.to_json() == []
    assert Ingest(as_sent).run([str(pcap(tmp_path / "sent.pcap", *datagrams))]).skipped.to_json() == []
    for site in (as_json, as_sent):
        told = sums(site)
        assert told
        assert {key: amount for key, amount in told.items() if key not in truth or amount > truth[key]} == {}
