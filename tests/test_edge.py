"""What must not change an answer: an origin that is none, a flow of another century, a clock that was never set."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.make import (
    NOW_S,
    decode,
    ethernet,
    ip,
    ipfix,
    packed_rows,
    pcap,
    run_json,
    sets,
    sflow,
    sflow_sample,
    tcp4,
    template,
    v5,
    v5_record,
)
from tidegauge.cli import program
from tidegauge.collect.admission import GOOD_MINUTES, HELD_LOOKS, Door
from tidegauge.ingest import Ingest
from tidegauge.model import CONTRADICTORY, NEW, PROVEN, Prefix, UsageError, parse_time
from tidegauge.site import Site, load_site
from tidegauge.wire import Bounds, Conduct, Datagrams, Decoder, Names

HOUR = 3600
Make = Callable[..., Site]


def ask(site: Site, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["ask", "--site", str(site.folder), *arguments])


def table(path: Path, rows: list[tuple[float, float, str, str, int]]) -> Path:
    """Flows as CSV: (start, end, source, destination, bytes)."""
    head = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes"
    lines = [f"{a},{b},{s},{d},1,443,6,1,{n}" for a, b, s, d, n in rows]
    path.write_text("\n".join([head, *lines, ""]))
    return path


@pytest.fixture
def weeks(make_site: Make, tmp_path: Path) -> Site:
    """A site with a flow a minute over ten days, from China."""
    site = make_site()
    rows = [(NOW_S + 60.0 * i, NOW_S + 60.0 * i + 5, "1.2.4.8", "192.0.2.1", 500) for i in range(10 * 1440)]
    assert Ingest(site).run([str(table(tmp_path / "weeks.csv", rows))]).failures == []
    return site


@pytest.mark.parametrize(
    ("origin", "said"),
    [("UK", "GB (United Kingdom)"), ("XX", "no such country: 'XX'"), ("Nort Korea", "KP (North Korea)"),
     ("AS4200000000", "no edition of the atlas knows AS4200000000"), ("192.0.2.0/25", "is ours"),
     ("KP,UK", "GB (United Kingdom)"), ("AS0", "not an AS number")],
)
def test_what_is_no_origin_is_refused(weeks: Site, origin: str, said: str) -> None:
    for verb in ("ask", "series"):
        found = CliRunner().invoke(program, [verb, "--site", str(weeks.folder), "--from", origin])
        assert isinstance(found.exception, UsageError), (verb, found.output)
        assert said in str(found.exception)
    assert "SURGE" not in found.output


@pytest.mark.parametrize("name", ["North Korea", "北韓", "朝鮮", "prk", "kp"])
def test_countries_are_taken_by_name(weeks: Site, name: str) -> None:
    (answer,) = run_json("ask", "--from", name, site=weeks)
    assert answer["question"]["selection"] == "KP"
    assert answer["caveats"][0].startswith("no flow in these data ever displayed KP (North Korea)")
    (answer,) = run_json("ask", "--from", "China", site=weeks)
    assert not any("ever displayed" in caveat for caveat in answer["caveats"])


def test_a_country_in_where_must_be_one(weeks: Site) -> None:
    found = CliRunner().invoke(program, ["top", "src", "--site", str(weeks.folder), "--where", "src_country = 'UK'"])
    assert isinstance(found.exception, UsageError)


def test_flows_of_other_centuries_move_no_default(weeks: Site, tmp_path: Path) -> None:
    (before,) = run_json("ask", "--from", "CN", site=weeks)
    (series,) = run_json("series", "--from", "CN", "--since", "-1d", site=weeks)
    odd = [(4_400_000_000.0, 4_400_000_001.0, "1.2.4.8", "192.0.2.1", 7), (5.0, 6.0, "1.2.4.8", "192.0.2.1", 7)]
    assert Ingest(weeks).run([str(table(tmp_path / "odd.csv", odd))]).failures == []
    (after,) = run_json("ask", "--from", "CN", site=weeks)
    assert after["question"] == before["question"]
    assert after["verdict"] == before["verdict"]
    assert after["detection_limit"] == before["detection_limit"]
    assert any("2 flows lie far from all others" in caveat for caveat in after["caveats"])
    assert run_json("series", "--from", "CN", "--since", "-1d", site=weeks) == [series]
    (coverage,) = run_json("coverage", site=weeks)
    assert coverage["since"] == "2023-11-14T22:13:00Z"
    (top,) = run_json("top", "src", site=weeks)  # all that there is
    assert top["rows"][0]["bytes"] == 500 * 14400 + 14
    doctor = CliRunner().invoke(program, ["doctor", "--site", str(weeks.folder)])
    assert "far from all others" in doctor.output


def test_since_takes_epoch_seconds(weeks: Site) -> None:
    (series,) = run_json("series", "--since", str(NOW_S + HOUR), "--until", str(NOW_S + 2 * HOUR), site=weeks)
    assert sum(series["value"]) == pytest.approx(60 * 500, abs=10 * 500)  # whole bins
    assert parse_time("20141124", now_s=0) == parse_time("2014-11-24", now_s=0)
    for wrong in ("2014", "1416816000000"):
        with pytest.raises(UsageError):
            parse_time(wrong, now_s=0)


def test_coverage_spans_the_ledger_too(make_site: Make, tmp_path: Path) -> None:
    """The loss shows in a minute in which no flow lies any more."""
    site = make_site()
    record = v5_record("198.51.100.1", "192.0.2.1", first=90_000, last=99_000)
    whole = NOW_S // 60 * 60
    Ingest(site).run([str(pcap(tmp_path / "a.pcap", *(v5([record], sequence=q, secs=whole) for q in (0, 11))))])
    (found,) = run_json("coverage", site=site)
    (exporter,) = found["exporters"]
    assert (exporter["records"], exporter["lost"]) == (2, 10)


def test_what_a_search_finds_beside_flows_is_no_error(make_site: Make, tmp_path: Path) -> None:
    site, folder = make_site(), tmp_path / "captures"
    folder.mkdir()
    pcap(folder / "a.pcap", v5([v5_record("198.51.100.1", "192.0.2.1")]))
    (folder / "README").write_text("what these are")
    (folder / "hosts.csv").write_text("name,owner,room,floor\nweb,me,1,2\n")
    (folder / "empty").touch()
    (report,) = run_json("ingest", str(folder), site=site)
    assert (report["files"], report["flows"]) == (1, 1)
    assert report["skipped"] == [
        {"what": "file found in a directory", "why": "no kind that holds flows", "count": 3}
    ]
    run_json("ingest", str(folder / "README"), site=site, code=1)


# Live: times, counts, clocks, agents


def live(*payloads: bytes, decoder: Decoder, arrived_s: float, sender: str = "192.0.2.1") -> list[dict[str, int]]:
    """Flows of datagrams that come in at a time: their start in seconds and bytes."""
    times = [int(arrived_s * 1e6)] * len(payloads)
    block = Datagrams.of(list(payloads), arrived_us=times, sender=decoder.names.position(sender))
    flows = [f for f in decoder.decode(block) if len(f)]
    return [
        {"start": int(s) // 1_000_000, "bytes": int(b)}
        for f in flows for s, b in zip(f["time_start"], f["bytes"], strict=True)
    ]


def bounded() -> Decoder:
    return Decoder(Names(), live=True, bounds=Bounds(86_400, 300, 8e11))


FIELDS = ((8, 4), (12, 4), (1, 8), (2, 8), (152, 8), (153, 8))


def absolute(start_s: int, end_s: int, *, octets: int = 500, packets: int = 5) -> bytes:
    ends = ip("198.51.100.1") + ip("192.0.2.1")
    return ends + struct.pack(">QQQQ", octets, packets, start_s * 1000, end_s * 1000)


def message(*records: bytes, secs: int, sequence: int = 0) -> bytes:
    return ipfix(sets((2, template(256, *FIELDS)), (256, b"".join(records))), secs=secs, sequence=sequence)


def test_times_and_counts_that_cannot_be_are_kept_apart() -> None:
    decoder = bounded()
    good = absolute(NOW_S - 10, NOW_S)
    odd = [
        absolute(NOW_S - 90_000, NOW_S - 89_990), absolute(NOW_S + 400, NOW_S + 401), absolute(0, 5),
        absolute(NOW_S - 9, NOW_S, octets=10**6), absolute(NOW_S - 9, NOW_S, octets=10**14, packets=10**12),
    ]
    assert live(message(good, *odd, secs=NOW_S), decoder=decoder, arrived_s=NOW_S) == [
        {"start": NOW_S - 10, "bytes": 500}
    ]
    apart = {why: count for what, why, count in decoder.skipped if what == "flow"}
    assert apart == {
        "its time lies before the window around its arrival": 2,
        "its time lies after the window around its arrival": 1,
        "more bytes than its packets can hold": 1,
        "more bytes than its interface can carry in its time": 1,
    }
    assert sum(len(flows) for flows, _ in decoder.apart) == 5
    row = decoder.ledger.table().to_pylist()[0]
    assert (row["records"], row["apart"]) == (6, 5)


def test_a_router_that_boots_in_1970_and_is_set_right_later_loses_nothing() -> None:
    decoder, kept = bounded(), []
    for i in range(30):
        now = NOW_S + i
        clock = 100 + i if i < 15 else now  # its own time
        payload = message(absolute(clock - 5, clock), secs=clock, sequence=i)
        kept += live(payload, decoder=decoder, arrived_s=now)
    assert [k["start"] for k in kept] == [NOW_S + i - 5 for i in range(30)]
    minutes = {row["minute"].timestamp() for row in decoder.ledger.table().to_pylist()}
    assert minutes <= {NOW_S // 60 * 60, NOW_S // 60 * 60 + 60}


def test_a_clock_set_in_the_middle_of_a_block_and_one_forged_datagram() -> None:
    decoder = bounded()
    early = [message(absolute(95, 100), secs=100, sequence=i) for i in range(5)]
    late = [message(absolute(NOW_S - 5, NOW_S), secs=NOW_S, sequence=5 + i) for i in range(5)]
    assert {k["start"] for k in live(*early, *late, decoder=decoder, arrived_s=NOW_S)} == {NOW_S - 5}
    forged = message(absolute(4_200_000_000, 4_200_000_001), secs=4_200_000_000, sequence=10)
    assert live(forged, decoder=decoder, arrived_s=NOW_S) == []
    again = message(absolute(NOW_S - 5, NOW_S), secs=NOW_S, sequence=11)
    assert len(live(again, decoder=decoder, arrived_s=NOW_S)) == 1


def sampled() -> bytes:
    return sflow([sflow_sample(ethernet(tcp4("198.51.100.1", "192.0.2.1")))])


def test_an_agent_is_a_part_of_who_sent_it_unless_the_site_says_so() -> None:
    flows, decoder = decode(sampled())  # says that it is of 192.0.2.9
    assert flows.exporters[int(flows["exporter"][0])] == "192.0.2.1"
    (row,) = decoder.ledger.table().to_pylist()
    assert (row["exporter"], row["agent"]) == ("192.0.2.1", "192.0.2.9")
    relayed = Decoder(Names(), relays={"192.0.2.1": (Prefix.parse("192.0.2.8/30"),)})
    flows, relayed = decode(sampled(), decoder=relayed)
    assert flows.exporters[int(flows["exporter"][0])] == "192.0.2.9"


def test_parts_and_agents_of_a_sender_stay_within_their_bound() -> None:
    decoder = bounded()
    for block in range(4):
        payloads = [
            ipfix(sets((2, template(256, *FIELDS)), (256, absolute(NOW_S - 1, NOW_S))), secs=NOW_S, domain=n)
            for n in range(block * 500, block * 500 + 500)
        ]
        live(*payloads, decoder=decoder, arrived_s=NOW_S)
    rows = decoder.ledger.table().to_pylist()
    assert len({row["domain"] for row in rows}) == 257
    assert sum(row["records"] for row in rows) == 2000
    assert len(decoder.sequences[10].streams) <= 256


# Who comes in


def door(make_site: Make, settings: str = "", more: str = "") -> Door:
    site = make_site()
    path = site.folder / "tidegauge.toml"
    path.write_text(path.read_text().replace("[collect]", f"[collect]\n{settings}", 1) + more)
    return Door(load_site(site.folder))


def admitted(found: Door, addresses: list[str], at_s: float) -> list[bool]:
    rows = packed_rows([int.from_bytes(bytes(10) + b"\xff\xff" + ip(a)) for a in addresses])
    kept, _ = found.admit(rows, np.full(len(rows), int(at_s * 1e6)))
    return [bool(k) for k in kept]


def test_new_senders_come_in_up_to_a_bound_and_named_ones_always(make_site: Make) -> None:
    found = door(make_site, "most_exporters = 3", '\n[exporters."192.0.2.77"]\nname = "border"\n')
    strangers = [f"10.0.0.{i}" for i in range(10)]
    assert admitted(found, strangers, NOW_S).count(True) == 3
    assert admitted(found, ["192.0.2.77"], NOW_S) == [True]
    assert found.counts["crowded"] == 7
    assert admitted(found, ["10.9.9.9"], NOW_S + 300) == [False]
    assert admitted(found, ["10.9.9.9"], NOW_S + 700) == [True]  # one of the three has not been heard for long
    assert len(found.departures) == 1


def test_a_sender_weighs_once_it_has_behaved(make_site: Make) -> None:
    found = door(make_site)
    for name, conduct in (("10.0.0.1", Conduct(100)), ("10.0.0.2", Conduct(100, restarts=60))):
        admitted(found, [name], NOW_S)
        for minute in range(GOOD_MINUTES + 1):
            at_s = NOW_S + 60 * minute
            assert found.behaved(name, conduct, at_s) is False
            assert found.senders[name].standing == (
                CONTRADICTORY if conduct.restarts else PROVEN if minute >= GOOD_MINUTES else NEW
            )


def test_a_sender_whose_datagrams_mostly_do_not_hold_waits_by_the_minute(make_site: Make) -> None:
    found = door(make_site)
    assert admitted(found, ["10.0.0.1"] * 100, NOW_S).count(True) == 100
    assert found.behaved("10.0.0.1", Conduct(100, broken=80), NOW_S) is True
    both = ["10.0.0.1"] * 500 + ["10.0.0.2"] * 500
    assert admitted(found, both, NOW_S + 1).count(True) == HELD_LOOKS + 500
    assert admitted(found, both, NOW_S + 2).count(True) == 500
    assert admitted(found, both, NOW_S + 61).count(True) == HELD_LOOKS + 500
    assert found.behaved("10.0.0.1", Conduct(60, broken=50), NOW_S + 61) is True
    # In the next minute its datagrams hold; in the one after that they are read again.
    admitted(found, ["10.0.0.1"] * 60, NOW_S + 121)
    found.behaved("10.0.0.1", Conduct(60), NOW_S + 121)
    assert found.behaved("10.0.0.1", Conduct(60), NOW_S + 181) is False
    assert admitted(found, ["10.0.0.1"] * 500, NOW_S + 182).count(True) == 500


def test_what_the_door_knows_survives_a_restart(make_site: Make) -> None:
    found = door(make_site)
    admitted(found, ["10.0.0.1"], NOW_S)
    found.behaved("10.0.0.1", Conduct(100, broken=80), NOW_S)
    again = door(lambda: load_site_of(make_site))
    again.resume(json.loads(json.dumps(found.state())))
    assert again.senders == found.senders


def load_site_of(make_site: Make) -> Site:
    return make_site(name=f"other{time.time_ns()}")
