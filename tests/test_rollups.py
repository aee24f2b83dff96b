"""Rollups say what the flows say, to the last unit, whatever comes late, is labelled again, joined or taken away."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.make import run_json
from tidegauge.atlas import unlabelled
from tidegauge.lake import FlowFilter, Lake, Manifest, compact, open_writer, roll
from tidegauge.lake.rollup import KEYS, answerable, rolled
from tidegauge.model import FlowBatch, mapped_ipv4
from tidegauge.series import build_many, build_series
from tidegauge.site import Site, init_site, load_site

HOUR_S, BEGIN_S = 3600, 1_767_225_600
COUNTRIES = ["KP", "CN", "ZZ"]


@cache
def somewhere() -> Site:
    folder = Path(tempfile.mkdtemp(prefix="rollups-"))
    init_site(folder, home=["198.18.0.0/15"])
    return load_site(folder)


def flows(random: np.random.Generator, count: int, longest_s: float = 2000.0) -> pa.Table:
    """Labelled flows of three hours, many of them over several bins."""
    starts = BEGIN_S * 1_000_000 + (random.random(count) * 3 * HOUR_S * 1e6).astype(np.int64)
    lasted = (random.random(count) ** 3 * longest_s * 1e6).astype(np.int64)
    word = np.full(count, 0xC6120001, dtype=np.uint32)
    batch = FlowBatch.build(
        src=mapped_ipv4(word), dst=mapped_ipv4(word + 5), exporters=("a", "b"), time_start=starts,
        time_end=starts + lasted, src_port=np.full(count, 5), dst_port=np.full(count, 443),
        proto=random.choice([6, 17], count), packets=random.integers(1, 900, count).astype(np.uint64),
        bytes=random.integers(40, 10**9, count).astype(np.uint64), tcp_flags=np.zeros(count, int), sampling=1,
    )
    table = unlabelled(batch, somewhere())
    labels = {
        "direction": random.choice(["in", "out"], count), "src_country": random.choice(COUNTRIES, count),
        "dst_country": random.choice(COUNTRIES[1:], count), "src_as": random.integers(0, 2, count) * 2,
    }
    for name, values in labels.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array(values).cast(table.schema.field(name).type))
    return table


def asked(lake: Lake, metric: str, width_s: int) -> list[object]:
    """The same questions, as plain lists."""
    out: list[object] = []
    for conditions in (("direction = 'in'",), ("direction = 'in'", "src_country = 'KP'"), ("proto = 17", "src_as > 1")):
        for since_s, until_s in ((BEGIN_S, BEGIN_S + 4 * HOUR_S), (BEGIN_S + HOUR_S, BEGIN_S + 2 * HOUR_S)):
            series, _ = build_series(lake, conditions, metric=metric, width_s=width_s, since_s=since_s, until_s=until_s)
            out.append(series.values.tolist())
    names, table, _, _ = build_many(
        lake, ("direction = 'in'",), by="far_country", metric=metric, width_s=width_s, since_s=BEGIN_S,
        until_s=BEGIN_S + 4 * HOUR_S,
    )
    return [*out, names, table.tolist()]


@pytest.fixture
def data(make_site: Callable[..., Site]) -> Path:
    return make_site().data


def write(folder: Path, table: pa.Table) -> None:
    with open_writer(folder) as writer:
        writer.add_flows(table)
        writer.commit()


@pytest.mark.parametrize("width_s", [60, 300, 3600])
@pytest.mark.parametrize("metric", ["bytes", "packets", "flows"])
def test_sums_over_rollups_are_sums_over_flows(data: Path, metric: str, width_s: int) -> None:
    random = np.random.default_rng(1)
    for count in (20_000, 40_000, 500):
        write(data, flows(random, count, 100.0))
    before = asked(Lake(data), metric, width_s)
    report = roll(data)
    assert report.written > 0
    assert Manifest(data).rollups("origin", width_s)
    assert asked(Lake(data), metric, width_s) == before
    write(data, flows(random, 20_000, 100.0))  # late ones, of which there is no rollup yet
    late = asked(Lake(data), metric, width_s)
    assert late != before
    roll(data)
    assert asked(Lake(data), metric, width_s) == late


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), count=st.integers(1, 4000), longest=st.floats(0, 20_000))
def test_a_rollup_holds_all_of_its_flows(seed: int, count: int, longest: float) -> None:
    table = flows(np.random.default_rng(seed), count, longest)
    for width_s in (60, 300, 3600):
        for kind, made in rolled(table, width_s).items():
            if made is None:
                continue
            assert sum(made["flows"].to_pylist()) == count
            for name in ("bytes", "packets"):
                assert sum(made[name].to_pylist()) == sum(table[name].to_pylist())
                assert sum(made[f"{name}_begun"].to_pylist()) == sum(table[name].to_pylist())
                assert sum(made[f"{name}_fraction"].to_pylist()) == 0
            keys = made.select(["bin", *KEYS[kind]])
            assert len(set(zip(*(c.to_pylist() for c in keys.columns), strict=True))) == len(made)


EDGES_S = st.one_of(
    st.none(), st.integers(-4 * HOUR_S, 8 * HOUR_S), st.integers(-80, 160).map(lambda k: k * 180),
    st.integers(-4, 8).map(lambda k: k * HOUR_S),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(since=EDGES_S, until=EDGES_S, where=st.sampled_from(["", "src_country = 'KP'", "dst_port = 443", "src_as = 2"]))
def test_tops_and_totals_are_the_same_by_rollups_of_any_width(since: int | None, until: int | None, where: str) -> None:
    folder = twice_summed()
    chosen = FlowFilter(
        *((BEGIN_S + edge) * 1_000_000 if edge is not None else None for edge in (since, until)),
        (where,) if where else (),
    )
    flat, summed = Lake(folder / "flat"), Lake(folder / "rolled")
    for by in (["far_country"], ["src_as", "proto"], ["exporter", "direction"]):
        for metric in ("bytes", "packets", "flows", "hosts"):
            told = [
                (table.to_pylist(), total)
                for table, total in (lake.top(by, chosen, metric=metric, limit=50) for lake in (flat, summed))
            ]
            assert told[0] == told[1]
    amounts = "[sum(bytes), sum(packets), sum(flows), bit_or(proto)]"
    assert flat.total(amounts, chosen) == summed.total(amounts, chosen)
    aligned = since is not None and since % 60 == 0 and until is not None and until > since
    if aligned and where != "dst_port = 443" and 0 <= since < 2 * HOUR_S:
        assert any("rollups" in name for name in summed.reads)


@cache
def twice_summed() -> Path:
    """The same flows twice: with rollups beside some of the segments, and without any."""
    folder = Path(tempfile.mkdtemp(prefix="rollups-"))
    for name in ("flat", "rolled"):
        random = np.random.default_rng(7)
        for count in (20_000, 9000, 700):
            write(folder / name, flows(random, count, 200.0))
        if name == "rolled":
            roll(folder / name, most=len(Manifest(folder / name).segments("flows")) - 1)
    return folder


def test_where_segments_are_joined_their_rollups_go_with_them(data: Path) -> None:
    random = np.random.default_rng(2)
    for _ in range(8):
        write(data, flows(random, 12_000, 100.0))
    roll(data)
    old = set(Manifest(data).rollups("origin", 300).values())
    before = asked(Lake(data), "bytes", 300)
    assert compact(data, now_s=BEGIN_S + 10 * HOUR_S) > 0
    assert old - set(Manifest(data).rollups("origin", 300).values())
    assert asked(Lake(data), "bytes", 300) == before
    roll(data)
    assert asked(Lake(data), "bytes", 300) == before
    assert Manifest(data).remove_replaced(older_than_s=-1) > 0
    for kind in KEYS:
        kept = {p.relative_to(data).as_posix() for p in (data / "rollup" / "300" / kind).rglob("*.parquet")}
        assert kept == set(Manifest(data).rollups(kind, 300).values())


def test_a_flow_of_years_has_no_rollup_and_is_counted_all_the_same(data: Path) -> None:
    table = flows(np.random.default_rng(3), 3000, 300.0)
    ends = table["time_end"].to_pylist()
    ends[0] = ends[0].replace(year=2109)
    table = table.set_column(
        table.schema.get_field_index("time_end"), "time_end", pa.array(ends, table.schema.field("time_end").type)
    )
    write(data, table)
    before = asked(Lake(data), "bytes", 300)
    assert roll(data).left > 0
    assert asked(Lake(data), "bytes", 300) == before


def test_rollups_answer_only_what_they_hold(data: Path) -> None:
    assert answerable("direction = 'in'", "src_country = 'KP'", "(src_class & 4) <> 0") == "origin"
    assert answerable("direction = 'in'", "dst_as = 64500") == "as"
    assert not answerable("direction = 'in'", "dst_port = 443")
    assert not answerable("src BETWEEN unhex('00') AND unhex('ff')")
    write(data, flows(np.random.default_rng(4), 3000, 300.0))
    roll(data)
    series, _ = build_series(
        Lake(data), ("dst_port = 443",), metric="flows", width_s=300, since_s=BEGIN_S, until_s=BEGIN_S + 4 * HOUR_S
    )
    assert series.values.sum() == Lake(data).scalar("count(*)", FlowFilter()) == 3000


def test_rollups_are_made_again_from_the_flows(make_site: Callable[..., Site]) -> None:
    site = make_site()
    write(site.data, flows(np.random.default_rng(5), 5000, 300.0))
    (first,) = run_json("rollup", "rebuild", site=site)
    assert first == {"segments": len(Manifest(site.data).segments("flows")), "written": first["written"],
                     "left": first["left"]}
    before = asked(Lake(site.data), "bytes", 300)
    for path in (site.data / "rollup").rglob("*.parquet"):
        path.write_bytes(b"damaged")
    run_json("rollup", "rebuild", site=site)
    assert asked(Lake(site.data), "bytes", 300) == before
