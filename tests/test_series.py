"""Series: sums over bins are sums over flows, and coverage is what the ledger says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidegauge.model import LedgerBuilder, UsageError
from tidegauge.series import Spreader, measure, origin_sql

times = st.integers(0, 3_600_000_000)
flow_lists = st.lists(st.tuples(times, st.integers(0, 5_000_000_000), st.integers(0, 2**45)), min_size=1, max_size=50)


@given(flow_lists, st.integers(1, 49))
def test_spreading_keeps_every_unit_in_whatever_batches(flows: list[tuple[int, int, int]], cut: int) -> None:
    starts, lasted, values = (np.array(c, dtype=np.int64) for c in zip(*flows, strict=True))
    spreader = Spreader(width_s=60, first_bin=0, bins=200)
    for part in (slice(0, cut), slice(cut, None)):
        spreader.add(starts[part], (starts + lasted)[part], values[part].astype(np.float64))
    found = spreader.values()
    assert found.sum() == values.sum()
    assert (found >= 0).all()


def test_a_long_flow_is_even_over_its_duration() -> None:
    spreader = Spreader(width_s=60, first_bin=10, bins=5)
    spreader.add(np.array([630_000_000]), np.array([780_000_000]), np.array([1500.0]))
    assert spreader.values().tolist() == [300, 600, 600, 0, 0]


def test_a_flow_that_began_before_the_asked_time_gives_only_its_share() -> None:
    spreader = Spreader(width_s=60, first_bin=1, bins=1)
    spreader.add(np.array([0]), np.array([180_000_000]), np.array([300.0]))
    assert spreader.values().tolist() == [100]


def ledger(minutes: list[int], **columns: object) -> LedgerBuilder:
    made = LedgerBuilder()
    made.add(exporters=("r",), exporter=np.zeros(len(minutes), dtype=np.int32),
             minute_s=np.array(minutes) * 60, datagrams=1, **columns)  # type: ignore[arg-type]
    return made


def test_silence_is_blind_and_named() -> None:
    minutes = [m for m in range(120) if not 40 <= m < 70]
    found = measure(ledger(minutes, records=10).table(), 0, 7200)
    assert [(b.start_s // 60, b.end_s // 60, b.why) for b in found.blind()] == [(40, 70, "exporter silent")]
    assert found.share == pytest.approx(0.75)
    assert found.bins(width_s=600, first_bin=3, bins=2).tolist() == [1.0, 0.0]


def test_an_exporter_with_little_to_say_is_not_silent() -> None:
    assert measure(ledger(list(range(0, 600, 4)), records=1).table(), 0, 596 * 60).share == 1.0


def test_lost_records_lower_the_coverage_of_their_minute() -> None:
    minutes = list(range(10))
    lost = np.array([0, 0, 30, 0, 0, 0, 0, 0, 0, 0])
    found = measure(ledger(minutes, records=10, lost=lost).table(), 0, 600)
    assert found.minutes.tolist() == [1, 1, 0.25, 1, 1, 1, 1, 1, 1, 1]


def test_what_the_source_itself_states_counts() -> None:
    found = measure(ledger([0, 1], stated=np.array([0.5, 1.0])).table(), 0, 120)
    assert found.minutes.tolist() == [0.5, 1.0]


def test_time_without_any_telemetry_is_blind() -> None:
    found = measure(LedgerBuilder().table(), 0, 600)
    assert found.share == 0.0
    assert [b.why for b in found.blind()] == ["no telemetry"]


@pytest.mark.parametrize(
    "bad", ["", "KPX", "AS99999999999", "1.2.3.4/33", "1.2.3.4/8", "class:none", "@missing", "KP;1"]
)
def test_what_is_no_origin_is_refused(bad: str) -> None:
    with pytest.raises(UsageError):
        origin_sql(bad, "in")


def test_a_list_file_is_a_union(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("# ours\nKP\n\nAS64500 # theirs\n")
    assert origin_sql(f"@{path}", "out") == "direction = 'out' AND (dst_country = 'KP' OR dst_as = 64500)"
