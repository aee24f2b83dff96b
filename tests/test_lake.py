"""The lake: nothing lost, nothing twice, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.make import pcap, v5, v5_record
from tidegauge.ingest import Ingest
from tidegauge.lake import FlowFilter, Lake, Manifest, compile_where
from tidegauge.model import UsageError, parse_address
from tidegauge.site import Site

FLOWS = [v5([v5_record("198.51.100.1", "192.0.2.1", octets=100 + i)], sequence=i) for i in range(5)]


def count(site: Site, where: str | None = None) -> int:
    conditions = (compile_where(where, now_s=0),) if where else ()
    return int(Lake(site.data).scalar("count(*)", FlowFilter(conditions=conditions)))


def test_the_same_file_twice_changes_nothing(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    path = pcap(tmp_path / "a.pcap", *FLOWS)
    copy = tmp_path / "b.pcap"
    copy.write_bytes(path.read_bytes())
    assert Ingest(site).run([str(path)]).flows == 5
    report = Ingest(site).run([str(path), str(copy)])
    assert (report.flows, report.duplicates, count(site)) == (0, 2, 5)


def test_a_capture_that_is_cut_short_keeps_what_is_whole(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    path = pcap(tmp_path / "a.pcap", *FLOWS)
    path.write_bytes(path.read_bytes()[:-20])
    report = Ingest(site).run([str(path)])
    assert count(site) == 4
    assert len(report.failures) == 1
    assert f"{path}, offset " in report.failures[0]
    assert "cut short" in report.failures[0]


def test_a_crash_between_commit_and_rename_is_finished_by_the_next_run(
    make_site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site()

    def crash(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            Ingest(site).run([str(pcap(tmp_path / "a.pcap", *FLOWS))])
    assert count(site) == 0
    Ingest(site).run([str(pcap(tmp_path / "a.pcap", *FLOWS))])
    assert count(site) == 5


def test_a_crash_before_the_commit_leaves_nothing_behind(
    make_site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site()

    def crash(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "commit", crash)
        with pytest.raises(KeyboardInterrupt):
            Ingest(site).run([str(pcap(tmp_path / "a.pcap", *FLOWS))])
    assert Ingest(site).run([str(pcap(tmp_path / "a.pcap", *FLOWS))]).flows == 5
    assert count(site) == 5
    assert not any((site.data / "staging").iterdir())


def test_where_tests_addresses_prefixes_and_derived_columns(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    Ingest(site).run([str(pcap(tmp_path / "a.pcap", *FLOWS))])
    assert count(site, "src = '198.51.100.1' AND bytes >= 102") == 3
    assert count(site, "inside(far, '198.51.100.0/24') AND direction = 'in'") == 5
    assert count(site, "src IN ('192.0.2.1', '2001:db8::1')") == 0
    assert count(site, "time_start < '2023-11-15'") == 5


@pytest.mark.parametrize(
    "text",
    [
        "1; DROP TABLE flows", "src = (SELECT src FROM flows)", "read_csv('/etc/passwd')", "nothing = 1", "x.src = '1'",
        "src IN (SELECT 1)", "CASE WHEN true THEN 1 END", "inside(src, 'x')", "src = 'nonsense'", "", "(" * 3000,
        "exists(select 1)", "bytes::varchar = '1'", "getenv('HOME') = ''",
    ],
)
def test_where_lets_nothing_else_through(text: str) -> None:
    with pytest.raises(UsageError):
        compile_where(text, now_s=0)


def test_external_interfaces_count_a_flow_once(tmp_path: Path) -> None:
    from tidegauge.site import init_site, load_site

    folder = tmp_path / "site"
    file = init_site(folder, home=["192.0.2.0/24"])
    with file.open("a") as toml:
        toml.write('\n[exporters."192.0.2.1"]\nname = "border"\nexternal = [9]\nsampling = 4\n')
    site = load_site(folder)
    Ingest(site).run([str(pcap(tmp_path / "a.pcap", *FLOWS))])  # they enter by interface 1
    lake = Lake(site.data)
    assert lake.scalar("count(*) FILTER (direction = 'internal')", FlowFilter()) == 5
    assert lake.scalar("sum(bytes)", FlowFilter()) == 4 * sum(100 + i for i in range(5))
    assert lake.scalar("any_value(exporter)", FlowFilter()) == "border"


def test_segments_hold_sorted_times_and_16_byte_addresses(make_site: Callable[..., Site], tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    site = make_site()
    Ingest(site).run([str(pcap(tmp_path / "a.pcap", *FLOWS))])
    segment = Lake(site.data).manifest.segments("flows")[0]
    table = pq.read_table(site.data / segment.path, partitioning=None)
    assert segment.path.startswith("flows/day=2023-11-14/hour=22/")
    assert table["src"].to_pylist() == [parse_address("198.51.100.1")] * 5
