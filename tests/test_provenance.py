"""Where flows came from: files listed, taken out and taken in anew; logs that grow; labels by settings that changed."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings, strategies as st

import tidegauge.ingest.ingest as ingest_module
from tests.make import dns_log, ip, monitored, of_asa, pcap, running_totals, sets, template, v9
from tidegauge.cli import program
from tidegauge.ingest import Ingest
from tidegauge.lake import FlowFilter, Lake, compact, held, named, remove
from tidegauge.model import LakeError, UsageError
from tidegauge.site import Site, load_site
from tidegauge.wire import hash_file

BEGIN = 1_700_000_000
FIELDS = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto duration orig_bytes resp_bytes conn_state orig_pkts"
FIELDS += " orig_ip_bytes resp_pkts resp_ip_bytes"
TYPES = "time string addr port addr port enum interval count count string count count count count"


def zeek(begin: int, end: int) -> str:
    """A connection log of one connection a second, each told by its port."""
    head = ["#separator \\x09", "#path\tconn", "#fields\t" + FIELDS.replace(" ", "\t"),
            "#types\t" + TYPES.replace(" ", "\t")]
    rows = [
        f"{BEGIN + i}.5\tC{i}\t203.0.113.9\t{1024 + i}\t192.0.2.5\t443\ttcp\t0.2\t{100 + i}\t0\tSF\t1\t{140 + i}\t0\t0"
        for i in range(begin, end)
    ]
    return "\n".join([*head, *rows]) + "\n"


def csv(begin: int, end: int) -> str:
    rows = [f"{BEGIN + i},{BEGIN + i}.2,203.0.113.9,192.0.2.5,{1024 + i},443,6,{100 + i},1" for i in range(begin, end)]
    return "\n".join(["time_start,time_end,src,dst,src_port,dst_port,proto,bytes,packets", *rows]) + "\n"


def ports(site: Site) -> list[int]:
    """Ports of the callers of what is in the lake, sorted; each flow has its own."""
    found = [p for batch in Lake(site.data).flows(FlowFilter()) for p in batch.column("src_port").to_pylist()]
    return sorted(p for p in found if p != 443)


def records(site: Site) -> int:
    return int(sum(Lake(site.data).ledger()["records"].to_pylist()))


def run(site: Site, *words: str, code: int = 0) -> Any:
    told = CliRunner().invoke(program, [*words, "--site", str(site.folder)])
    if isinstance(told.exception, UsageError):
        assert code == 2, told.exception
        return f"{told.exception} {told.exception.hint}"
    assert told.exit_code == code, told.output
    return json.loads(told.stdout) if "--json" in words else told.output


def take(site: Site, *paths: Path, **more: Any) -> Any:
    report = Ingest(site, **more).run([str(p) for p in paths])
    assert report.failures == []
    return report


def in_vain(site: Site, path: Path) -> int:
    """Flows of a file whose templates are missing, which is said."""
    report = Ingest(site).run([str(path)])
    assert ["templates are missing" in failure for failure in report.failures] == [True]
    return report.flows


def test_what_is_taken_out_leaves_nothing_and_can_come_again(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    first.write_text(zeek(0, 50))
    second.write_text(zeek(40, 90))
    take(site, first)
    before = ports(site), records(site)
    take(site, second)
    listed = run(site, "lake", "sources", "--json")["sources"]
    assert [(s["file"], s["flows"], s["kept"]) for s in listed] == [
        (str(first), 50, "whole"), (str(second), 50, "whole")]
    told = run(site, "lake", "remove", "second.log", "--json")
    assert told == {"removed": 1, "flows": 50, "held_by": []}
    assert (ports(site), records(site)) == before
    assert take(site, second).flows == 50
    assert ports(site) == sorted([*range(1024, 1074), *range(1064, 1114)])
    entries = run(site, "audit", "show")
    assert "second.log" in json.dumps(entries)
    assert run(site, "lake", "check", "--json") == {
        "checked": len([*site.data.rglob("flows/**/*.parquet"), *site.data.rglob("coverage/*.parquet")])
        - len(Lake(site.data).manifest.replaced_paths()), "damaged": [], "missing": [], "unknown": []}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_files_in_any_order_leave_what_the_others_gave(
    make_site: Callable[..., Site], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("files")
    site = make_site(name=folder.name)
    span = st.tuples(st.integers(0, 7300), st.integers(1, 30))
    spans = data.draw(st.lists(span, min_size=2, max_size=4, unique=True))
    for number, (begin, count) in enumerate(spans):
        (folder / f"{number}.log").write_text(zeek(begin, begin + count))
        take(site, folder / f"{number}.log")
    if data.draw(st.booleans()):
        compact(site.data, now_s=BEGIN + 10**6)
    known = Lake(site.data).manifest.sources()
    going = [s for s in known if s.chain is None and data.draw(st.booleans())]
    kept = [spans[int(Path(s.name).stem)] for s in known if s not in going]
    left = sorted(p for begin, count in kept for p in range(1024 + begin, 1024 + begin + count))
    grown = any(s.chain is not None for s in known)
    remove(site.data, going)
    assert ports(site) == sorted(set(left) if grown else left)


@pytest.mark.parametrize("make", [zeek, csv])
def test_of_a_log_that_has_grown_the_rest_is_taken_in(
    make_site: Callable[..., Site], tmp_path: Path, make: Callable[[int, int], str]
) -> None:
    site, log = make_site(), tmp_path / "conn.log"
    whole = make(0, 60)
    log.write_text(make(0, 30))
    take(site, log)
    assert take(site, log).duplicates == 1
    log.write_text(make(0, 50))
    assert take(site, log).flows == 20
    log.write_text(whole)
    assert take(site, log).flows == 10
    assert ports(site) == list(range(1024, 1084))
    # The same packed holds nothing new.
    (tmp_path / "conn.log.gz").write_bytes(gzip.compress(whole.encode()))
    assert take(site, tmp_path / "conn.log.gz").duplicates == 1
    # None of the three can go alone.
    first, *rest = [s["source"] for s in run(site, "lake", "sources", "--json")["sources"]]
    assert "cannot be taken out alone" in run(site, "lake", "remove", first, code=2)
    run(site, "lake", "remove", first, *rest)
    assert ports(site) == []


@pytest.mark.parametrize("ended", ["", "\r"], ids=["lf", "crlf"])
@pytest.mark.parametrize("make", [zeek, csv])
def test_a_log_that_was_cut_within_a_line_is_taken_in_whole(
    make_site: Callable[..., Site], tmp_path: Path, make: Callable[[int, int], str], ended: str
) -> None:
    site, log = make_site(), tmp_path / "conn.log"
    whole = make(0, 40).replace("\n", ended + "\n").encode()
    for length in range(len(whole) - 170, len(whole), 7):  # whatever the cut leaves of the last number
        log.write_bytes(whole[:length])
        take(site, log)
    log.write_bytes(whole)
    take(site, log)
    assert ports(site) == list(range(1024, 1064))
    octets = Lake(site.data).total("sum(bytes)", FlowFilter(conditions=("src_port <> 443",)))
    assert octets == sum(100 + i for i in range(40)) + (40 * 40 if make is zeek else 0)


def test_a_log_of_one_line_may_grow(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = make_site(), tmp_path / "flows.csv"
    for count in (0, 1, 2, 30):
        log.write_text(csv(0, count))
        take(site, log)
    assert ports(site) == list(range(1024, 1054))


def test_an_hour_without_flows_is_the_begin_of_no_other(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    for number, (begin, end) in enumerate([(0, 0), (0, 30), (30, 60)]):
        (tmp_path / f"h{number}.log").write_text(zeek(begin, end))
        take(site, tmp_path / f"h{number}.log")
    run(site, "ingest", str(tmp_path / "h1.log"), "--again")
    assert ports(site) == list(range(1024, 1084))
    run(site, "lake", "remove", "h2.log")
    assert ports(site) == list(range(1024, 1054))


def test_files_alike_but_for_their_ends_are_two(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    one, other = tmp_path / "a.log", tmp_path / "b.log"
    one.write_text(zeek(0, 40))
    other.write_text(zeek(0, 40)[:-20].replace("\tC39\t", "\tC39\t") + zeek(0, 40)[-20:].replace("1063", "2063"))
    changed = zeek(0, 39) + zeek(500, 501).splitlines()[-1].replace("1524", "1563") + "\n"
    other.write_text(changed)
    take(site, other)
    take(site, one)
    run(site, "ingest", str(one), "--again")
    assert len(ports(site)) == 80
    one.write_text(zeek(0, 60))
    assert take(site, one).flows == 20


def test_a_file_that_cannot_be_read_anew_stays_as_it_was(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = make_site(), tmp_path / "flows.csv"
    log.write_text(csv(0, 30))
    take(site, log)
    run(site, "ingest", str(log), "--again", "--format", "zeek", code=1)
    (tmp_path / "map.toml").write_text('[columns]\nsrc = "dst"\ndst = "src"\ntime_start = "bytes"\nbytes = "src"\n')
    run(site, "ingest", str(log), "--again", "--map", str(tmp_path / "map.toml"), code=1)
    assert ports(site) == list(range(1024, 1054))
    assert len(held(site.data)) == 1


def test_names_are_taken_in_anew_too(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = make_site(), tmp_path / "dns.log"
    dns_log(log, [(BEGIN, "www.example.org", "203.0.113.9", 300)])
    take(site, log)
    run(site, "ingest", str(log), "--again")
    assert Lake(site.data).names().num_rows == 1


def test_a_directory_is_taken_in_anew_and_chains_stay_whole(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, folder = make_site(), tmp_path / "logs"
    folder.mkdir()
    (folder / "a.log").write_text(zeek(0, 30))
    (folder / "b.log").write_text(zeek(0, 60))
    (folder / "c.log").write_text(zeek(500, 530))
    take(site, folder)
    run(site, "ingest", str(folder), "--again")
    assert ports(site) == [*range(1024, 1084), *range(1524, 1554)]
    assert "cannot be taken out alone" in run(site, "ingest", str(folder / "a.log"), "--again", code=1)
    assert ports(site) == [*range(1024, 1084), *range(1524, 1554)]


def test_what_was_appended_while_a_file_was_read_comes_next_time(
    make_site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, log = make_site(), tmp_path / "conn.log"
    log.write_text(zeek(0, 30))
    hashed = ingest_module.hash_file

    def growing(path: str, **more: Any) -> str | None:
        digest = hashed(path, **more)
        if log.stat().st_size == len(zeek(0, 30)):
            log.write_text(zeek(0, 45))
        return digest

    monkeypatch.setattr(ingest_module, "hash_file", growing)
    assert take(site, log).flows == 30
    assert take(site, log).flows == 15
    assert take(site, log).duplicates == 1
    assert ports(site) == list(range(1024, 1069))


def test_a_cut_archive_and_its_whole_are_one(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = make_site(), tmp_path / "conn.log.gz"
    whole = gzip.compress(zeek(0, 6000).encode())
    log.write_bytes(whole[: len(whole) // 2])
    cut = Ingest(site).run([str(log)])
    assert cut.failures
    assert 0 < len(ports(site)) < 6000
    log.write_bytes(whole)
    take(site, log)
    assert ports(site) == sorted(1024 + i for i in range(6000))
    (tmp_path / "behind.log.gz").write_bytes(gzip.compress(zeek(7000, 7100).encode()) + bytes(100))
    assert Ingest(site).run([str(tmp_path / "behind.log.gz")]).flows == 100


def test_data_that_waited_in_vain_can_come_again(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    fields = ((8, 4), (12, 4), (1, 4), (2, 4))
    row = ip("198.51.100.1") + ip("192.0.2.1") + bytes([0, 0, 1, 244, 0, 0, 0, 5])
    data = pcap(tmp_path / "data.pcap", v9(sets((256, row * 3)), sequence=2))
    templates = pcap(tmp_path / "templates.pcap", v9(sets((0, template(256, *fields)), (256, row))))
    assert in_vain(site, data) == 0
    report = take(site, data, templates)
    assert (report.flows, report.duplicates) == (4, 0)
    first = Lake(site.data).manifest.sources()[0]
    assert "cannot be taken out alone" in run(site, "lake", "remove", first.id, code=2)
    assert run(site, "ingest", str(data), str(templates), "--again", "--json")["flows"] == 4


def test_nothing_read_is_a_failure(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, bad = make_site(), tmp_path / "bad.csv"
    bad.write_text(csv(0, 20).replace("203.0.113.9", "nowhere"))
    assert "nothing in it could be read" in run(site, "ingest", str(bad), code=1)
    assert "nothing in it could be read" in run(site, "ingest", str(bad), code=1)
    (tmp_path / "empty").mkdir()
    assert "nothing was taken in" in run(site, "ingest", str(tmp_path / "empty"), code=1)


def test_a_packed_log_that_lies_there_plain_too_is_one(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(zeek(0, 40).encode()))
    (tmp_path / "b.log").write_text(zeek(0, 40))
    (tmp_path / "c.log").write_text(zeek(0, 45))
    report = take(site, tmp_path / "a.log.gz", tmp_path / "b.log", tmp_path / "c.log")
    assert (report.flows, report.duplicates) == (45, 1)
    assert ports(site) == list(range(1024, 1069))


def test_again_takes_a_file_in_anew_in_place_of_what_it_gave(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = make_site(), tmp_path / "conn.log"
    log.write_text(zeek(0, 30))
    take(site, log)
    told = run(site, "ingest", str(log), "--again", "--exporter", "border", "--json")
    assert (told["flows"], told["removed"], told["duplicates"]) == (30, 30, 0)
    assert ports(site) == list(range(1024, 1054))
    assert Lake(site.data).exporters() == {"border"}
    assert [s["kept"] for s in run(site, "lake", "sources", "--json")["sources"]] == ["whole"]
    log.write_text(zeek(0, 40))  # it has grown, and is taken in whole in place of its earlier state
    run(site, "ingest", str(log), "--again")
    assert ports(site) == list(range(1024, 1064))
    assert len(held(site.data)) == 1


def test_evidence_holds_the_files_that_it_rests_on(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = make_site(), tmp_path / "conn.log"
    log.write_text(zeek(0, 3000))
    take(site, log)
    run(site, "case", "new", "autumn", "--title", "Autumn")
    run(site, "case", "evidence", "autumn", "flows", "--since", "2023-11-14", "--until", "2023-11-16")
    told = run(site, "lake", "remove", "conn.log", "--json", code=1)
    assert told == {"removed": 0, "flows": 0, "held_by": ["E1"]}
    assert len(ports(site)) == 3000
    assert "E1 of case autumn" in run(site, "ingest", str(log), "--again", code=1)
    told = run(site, "lake", "remove", "conn.log", "--even-evidence", "--json")
    assert told == {"removed": 1, "flows": 3000, "held_by": ["E1"]}


def test_files_that_are_called_alike_or_not_there_are_named(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    for folder, begin in (("a", 0), ("b", 500)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "conn.log").write_text(zeek(begin, begin + 10))
    take(site, tmp_path / "a" / "conn.log", tmp_path / "b" / "conn.log")
    assert "2 files are called that" in run(site, "lake", "remove", "conn.log", code=2)
    assert "no file of that name" in run(site, "lake", "remove", "other.log", code=2)
    run(site, "lake", "remove", str(tmp_path / "a" / "conn.log"))
    assert ports(site) == list(range(1524, 1534))


def test_lakes_of_earlier_versions_list_their_files_and_say_that_none_can_go(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site, log = make_site(), tmp_path / "conn.log"
    log.write_text(zeek(0, 30))
    take(site, log)
    manifest = Lake(site.data).manifest
    with manifest._session() as session:
        session.execute("UPDATE sources SET mark = NULL")
    assert [h.kept for h in held(site.data)] == ["whole"]
    with pytest.raises(Exception, match="did not keep apart"):
        named(manifest.sources(), ["conn.log"])


def test_a_damaged_or_missing_segment_is_found(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    (tmp_path / "conn.log").write_text(zeek(0, 8000))
    take(site, tmp_path / "conn.log")
    one, other = sorted(site.data.glob("flows/**/*.parquet"))[:2]
    one.write_bytes(one.read_bytes()[:-1] + b"\0")
    other.rename(other.with_name("aside.parquet"))
    told = run(site, "lake", "check", "--json", code=1)
    assert [d["path"] for d in told["damaged"]] == [str(one.relative_to(site.data))]
    assert told["missing"] == [str(other.relative_to(site.data))]
    assert told["unknown"] == [str(other.with_name("aside.parquet").relative_to(site.data))]


def test_home_prefixes_and_names_that_change_label_the_lake_again(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site("198.51.100.0/24")
    (tmp_path / "conn.log").write_text(zeek(0, 50))
    take(site, tmp_path / "conn.log", exporter="192.0.2.99")
    assert Lake(site.data).total("sum(flows)", FlowFilter(conditions=("direction = 'in'",))) is None
    assert "labels" not in run(site, "doctor", code=0)
    path = site.folder / "tidegauge.toml"
    text = path.read_text().replace('"198.51.100.0/24"', '"192.0.2.0/24"')
    path.write_text(text + '\n[exporters."192.0.2.99"]\nname = "edge"\n')
    assert "tidegauge lake relabel" in run(site, "doctor")
    asked = run(site, "ask", "--from", "CN", "--since", "2023-11-14", "--json")
    assert asked["verdict"] == "cannot_say"
    assert any("labelled by other home prefixes" in c for c in asked["caveats"])
    told = run(site, "lake", "relabel", "--json")
    assert told["changed"] == told["flows"]
    changed = load_site(site.folder)
    assert Lake(site.data).total("sum(flows)", FlowFilter(conditions=("direction = 'in'",))) == 50
    assert Lake(site.data).exporters() == set(Lake(site.data).ledger()["exporter"].to_pylist()) == {"edge"}
    assert "lake relabel" not in run(changed, "doctor")
    assert run(changed, "lake", "relabel", "--json")["rewritten"] == 0


def doubled(path: Path, exporters: tuple[str, str], *, shift: float = 0.4, flows: int = 300) -> Path:
    """A table of flows that pass one exporter after the other."""
    rows = ["exporter,time_start,time_end,src,dst,src_port,dst_port,proto,bytes,packets"]
    for i in range(flows):
        for number, exporter in enumerate(exporters):
            start = BEGIN + 10 * i + shift * number
            rows.append(f"{exporter},{start},{start + 1},203.0.113.{i % 250},192.0.2.5,{1024 + i},443,6,{1000 + i},3")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("shift", [0.0, 0.005, 0.4, 30.0])
@pytest.mark.parametrize("exporters", [("192.0.2.1", "192.0.2.2"), ("192.0.2.1", "192.0.2.1")])
def test_flows_that_came_from_two_exporters_are_said(
    make_site: Callable[..., Site], tmp_path: Path, exporters: tuple[str, str], shift: float
) -> None:
    if shift > 1 and exporters[0] == exporters[1]:
        return  # one exporter has one clock
    site = make_site()
    take(site, doubled(tmp_path / "flows.csv", exporters, shift=shift))
    wanted = "came twice from" if exporters[0] == exporters[1] else "came from two exporters"
    assert wanted in run(site, "doctor")
    assert any(wanted in c for c in run(site, "coverage", "--json")["caveats"])
    assert wanted in run(site, "coverage")
    assert any(wanted in c for c in run(site, "ask", "--from", "US", "--since", "2023-11-14", "--json")["caveats"])


def test_flows_of_two_exporters_that_are_others_are_not(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    text = doubled(tmp_path / "flows.csv", ("192.0.2.1", "192.0.2.2")).read_text()
    rows = text.splitlines()
    rows[2::2] = [row.replace(",443,", ",80,") for row in rows[2::2]]
    (tmp_path / "flows.csv").write_text("\n".join(rows))
    take(site, tmp_path / "flows.csv")
    assert run(site, "coverage", "--json")["caveats"] == []


def test_halves_of_a_flow_over_two_exporters_are_not_twice_the_flow(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site()
    rows = doubled(tmp_path / "flows.csv", ("192.0.2.1", "192.0.2.2")).read_text().splitlines()
    rows[2::2] = [",".join([*row.split(",")[:-2], "300", "1"]) for row in rows[2::2]]
    (tmp_path / "flows.csv").write_text("\n".join(rows))
    take(site, tmp_path / "flows.csv")
    assert run(site, "coverage", "--json")["caveats"] == []


def test_a_file_of_flows_that_are_here_already_is_said(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    (tmp_path / "a.log").write_text(zeek(0, 4000))
    take(site, tmp_path / "a.log")
    (tmp_path / "b.log").write_text("#separator \\x09\n#open\t2023\n" + zeek(100, 3000).split("\n", 1)[1])
    warnings = take(site, tmp_path / "b.log").warnings
    assert [w for w in warnings if "came from two files" in w and "a.log" in w and "b.log" in w]
    assert "came from two files" in run(site, "doctor")
    (tmp_path / "c.log").write_text(zeek(4000, 5000))
    assert not [w for w in take(site, tmp_path / "c.log").warnings if "c.log" in w]


def test_segments_of_earlier_versions_are_read_beside_new_ones(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = make_site(), tmp_path / "conn.log"
    log.write_text(zeek(0, 600))
    take(site, log)
    for path in site.data.glob("flows/**/*.parquet"):
        pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["mark"]), path)
    with Lake(site.data).manifest._session() as session:
        for path in site.data.glob("flows/**/*.parquet"):
            own = (hash_file(str(path)), str(path.relative_to(site.data)))
            session.execute("UPDATE segments SET site = '', hash = ? WHERE path = ?", own)
        session.execute("UPDATE sources SET mark = NULL, head = '', content = '', length = 0")
    run(site, "lake", "relabel")
    (tmp_path / "other.log").write_text("#separator \\x09\n#open\t2023\n" + zeek(0, 600).split("\n", 1)[1])
    report = take(site, tmp_path / "other.log")
    assert [w for w in report.warnings if "by an earlier version" in w]
    for words in (("flows", "--json"), ("top", "src_port", "--json"), ("coverage", "--json"), ("doctor",)):
        CliRunner().invoke(program, [*words, "--site", str(site.folder)], catch_exceptions=False)
    assert len(ports(site)) == 1200
    run(site, "lake", "remove", "other.log")
    assert len(ports(site)) == 600


@pytest.mark.parametrize(
    ("first", "second", "octets"),
    [
        ([of_asa(5, 1000, 2000, at_s=BEGIN), of_asa(5, 500, 700, at_s=BEGIN + 60)],
         [of_asa(2, 1600, 2800, at_s=BEGIN + 90)], 4400),
        ([running_totals(1000, at_s=BEGIN)], [running_totals(3000, at_s=BEGIN + 60)], 3000),
        ([monitored(0, at_s=BEGIN)], [monitored(1, at_s=BEGIN)], 1000),
    ],
    ids=["updates of a firewall", "running totals", "two monitors of one exporter"],
)
def test_what_connections_told_goes_on_in_the_next_run(
    make_site: Callable[..., Site], tmp_path: Path, first: list[bytes], second: list[bytes], octets: int
) -> None:
    site = make_site()
    one, other = pcap(tmp_path / "one.pcap", *first), pcap(tmp_path / "other.pcap", *second)

    def total() -> int:
        return int(Lake(site.data).total("sum(bytes)", FlowFilter()) or 0)

    take(site, one)
    take(site, other)
    assert total() == octets
    sources = [s.id for s in Lake(site.data).manifest.sources()]
    assert "cannot be taken out alone" in run(site, "lake", "remove", sources[0], code=2)
    take(site, one, other, again=True)
    assert total() == octets
    run(site, "lake", "remove", *[s.id for s in Lake(site.data).manifest.sources()])
    take(site, other)  # what was taken out is forgotten
    alone = total()
    assert alone == {4400: 4400, 3000: 3000, 1000: 1000}[octets]


@pytest.mark.parametrize(
    ("sent", "octets"),
    [
        ([running_totals(1000 * n, at_s=BEGIN + 10 * n) for n in range(1, 7)], 6000),
        ([*(of_asa(5, 100, 200, at_s=BEGIN + 10 * n) for n in range(5)), of_asa(2, 500, 1000, at_s=BEGIN + 60)], 1500),
    ],
    ids=["running totals", "updates of a firewall"],
)
def test_files_that_come_newest_first_count_once(
    make_site: Callable[..., Site], tmp_path: Path, sent: list[bytes], octets: int
) -> None:
    site = make_site()
    take(site, pcap(tmp_path / "later.pcap", *sent[3:]))
    take(site, pcap(tmp_path / "earlier.pcap", *sent[:3]))
    assert int(Lake(site.data).total("sum(bytes)", FlowFilter()) or 0) == octets


def test_of_two_runs_about_one_file_one_gives_up(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log, grown = make_site(), tmp_path / "conn.log", tmp_path / "grown.log"
    log.write_text(zeek(0, 200))
    grown.write_text(zeek(0, 300))
    take(site, log)
    stale = Lake(site.data).manifest.sources()
    take(site, log, again=True)
    with pytest.raises(LakeError, match="another run has removed it, or taken it in anew"):
        remove(site.data, stale)
    assert len(ports(site)) == 200
    late = Ingest(site)  # knows the log, which goes before it commits
    remove(site.data, Lake(site.data).manifest.sources())
    with pytest.raises(LakeError, match="another run has removed it, or taken it in anew"):
        late.run([str(grown)])
    assert ports(site) == []
    assert take(site, grown).flows == 300


def test_files_that_wait_for_ever_leave_no_losses_behind(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    row = ip("203.0.113.1") + ip("192.0.2.1") + struct.pack(">II", 500, 5)
    definition = (0, template(256, (8, 4), (12, 4), (1, 4), (2, 4)))
    waits = pcap(tmp_path / "a.pcap", *[v9(sets((256, row)), sequence=n) for n in (2, 40, 90)])
    for _ in range(3):
        assert in_vain(site, waits) == 0
    assert records(site) == 0
    assert int(sum(Lake(site.data).ledger()["lost"].to_pylist())) == 0
    whole = pcap(tmp_path / "b.pcap", v9(sets(definition, (256, row)), count=2, sequence=91))
    assert take(site, waits, whole).flows == 4


def test_damage_is_not_written_anew_as_truth_and_can_be_set_aside(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site, log, other = make_site(), tmp_path / "conn.log", tmp_path / "other.log"
    log.write_text(zeek(0, 5000))
    other.write_text(zeek(7200, 7300))
    take(site, log, other)
    damaged = min(site.data.glob("flows/**/*.parquet"), key=lambda p: str(p))
    octets = bytearray(damaged.read_bytes())
    octets[len(octets) // 3] ^= 4
    damaged.write_bytes(bytes(octets))
    change = (site.folder / "tidegauge.toml").read_text().replace("192.0.2.0/24", "192.0.2.0/25")
    (site.folder / "tidegauge.toml").write_text(change)
    assert CliRunner().invoke(program, ["lake", "relabel", "--site", str(site.folder)]).exit_code == 1
    assert run(site, "lake", "check", "--json", code=1)["damaged"]
    assert "their time counts as not seen" in run(site, "lake", "check", "--set-aside")
    assert run(site, "lake", "check", "--json")["damaged"] == []
    assert (site.data / "set-aside" / damaged.relative_to(site.data)).exists()
    told = {row["file"]: row["kept"] for row in run(site, "lake", "sources", "--json")["sources"]}
    assert told[str(log)] == "part"
    take(load_site(site.folder), log, again=True)
    assert len(ports(site)) == 5100


def test_a_sites_own_data_are_no_input(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    (site.folder / "conn.log").write_text(zeek(0, 50))
    take(site, site.folder)
    assert Ingest(site).run([str(site.folder)]).flows == 0
    assert len(ports(site)) == 50


@pytest.mark.parametrize("cuts", [(1, 4, 12), (2, 12), (12,)])
def test_of_suricatas_events_one_kind_counts_in_all_files(
    make_site: Callable[..., Site], tmp_path: Path, cuts: tuple[int, ...]
) -> None:
    def event(kind: str, i: int, counts: str) -> str:
        time = f"2023-11-14T22:13:{i:02d}.000000+0000"
        ends = f'"src_ip":"203.0.113.9","src_port":{1024 + i},"dest_ip":"192.0.2.5","dest_port":443,"proto":"TCP"'
        return (
            f'{{"timestamp":"{time}","event_type":"{kind}",{ends},"{kind}":{{{counts},"start":"{time}",'
            f'"end":"{time}"}}}}\n'
        )

    one_way = [event("netflow", i, '"pkts":1,"bytes":100') for i in range(6)]
    two_way = [
        event("flow", i, '"pkts_toserver":1,"pkts_toclient":0,"bytes_toserver":100,"bytes_toclient":0')
        for i in range(6)
    ]
    lines = [line for pair in zip(one_way, two_way, strict=True) for line in pair]
    site, log = make_site(), tmp_path / "eve.json"
    for cut in cuts:
        log.write_text("".join(lines[:cut]))
        take(site, log)
    assert records(site) == 6
    assert int(Lake(site.data).total("sum(bytes)", FlowFilter())) == 600


def test_a_name_for_what_comes_from_files_holds_at_once(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = make_site(), tmp_path / "conn.log"
    with (site.folder / "tidegauge.toml").open("a") as file:
        file.write('\n[exporters."zeek"]\nname = "sensor"\n')
    log.write_text(zeek(0, 50))
    take(load_site(site.folder), log)
    assert Lake(site.data).exporters() == {"sensor"}


def test_a_log_that_has_grown_goes_by_its_name(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = make_site(), tmp_path / "conn.log"
    for end in (10, 20, 30):
        log.write_text(zeek(0, end))
        take(site, log)
    assert len(ports(site)) == 30
    told = run(site, "lake", "remove", str(log), "--json")
    assert (told["removed"], told["flows"], ports(site)) == (3, 30, [])
