"""Loss that is made on purpose shows in coverage with its size, and the answer's blind times are right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner

from tests.make import ip, v5, v5_record
from tidegauge.cli import program
from tidegauge.ingest import Ingest
from tidegauge.model import format_time
from tidegauge.simulate import Datagram, write_pcap
from tidegauge.site import Site

START_S = 1_416_787_200
RECORDS = 10


def result(*arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(CliRunner().invoke(program, list(arguments)).stdout)
    return found


def test_withheld_datagrams_an_hour_of_silence_and_a_restart(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    silent = range(30 * 3600, 31 * 3600)
    restart_s = 40 * 3600
    datagrams, sent, withheld, sequence = [], 0, 0, 4_294_960_000  # wraps after a while
    for i, after in enumerate(range(0, 48 * 3600, 20)):
        if after == restart_s:
            sequence = 0
        uptime_ms = ((after - restart_s if after >= restart_s else after) + 1000) * 1000
        record = v5_record("198.51.100.1", "192.0.2.1", first=uptime_ms - 900, last=uptime_ms - 100)
        payload = v5([record] * RECORDS, sequence=sequence & 0xFFFFFFFF, uptime_ms=uptime_ms, secs=START_S + after)
        sequence += RECORDS
        if after in silent:
            sequence -= RECORDS  # it sent nothing: nothing is missing in its numbers
            continue
        if i % 97 == 50:
            withheld += 1
            continue
        sent += 1
        datagrams.append(Datagram(START_S + after, payload))
    path = tmp_path / "lossy.pcap"
    with path.open("wb") as file:
        write_pcap(file, iter(datagrams), sender=ip("192.0.2.9"))
    report = Ingest(site).run([str(path)])
    assert report.flows == sent * RECORDS
    (exporter,) = result("coverage", "--site", str(site.folder), "--json")["exporters"]  # type: ignore[misc]
    assert exporter["records"] == sent * RECORDS
    assert exporter["lost"] == withheld * RECORDS
    assert exporter["restarts"] == 1
    whole_hour = [b for b in exporter["blind"] if b["why"] == "exporter silent"]
    assert [(b["start"], b["end"]) for b in whole_hour] == [
        (format_time(START_S + silent.start), format_time(START_S + silent.stop))
    ]
    answer = result("ask", "--site", str(site.folder), "--where", "bytes > 0", "--since", format_time(START_S + 86400),
                    "--json")
    blind = answer["coverage"]["blind"]  # type: ignore[index]
    assert any(b["start"] == format_time(START_S + silent.start) for b in blind)
    share = answer["coverage"]["share"]  # type: ignore[index]
    assert abs(share - (1 - 1 / 24 - 23 / 24 / 97)) < 0.004
