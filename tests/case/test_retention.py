"""What a site keeps no longer goes; what a case rests on stays; and nobody takes what went for quiet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from tidegauge.case import CaseFile, keep_days, verify
from tidegauge.case.evidence import answer
from tidegauge.cli import program
from tidegauge.lake import Lake, Manifest
from tidegauge.model import UsageError, parse_time, without
from tidegauge.serve.workers import keep_house
from tidegauge.site import Site, load_site
from tidegauge.store import Store

Run = Callable[..., tuple[int, Any]]
"""The simulated site has flows of ten days up to the first of December; its case asks from the 28th with five days
before."""


def without_case(site: Path) -> None:
    """Take away what people wrote: nothing is held then."""
    for path in (site / "data").glob("tidegauge.sqlite*"):
        path.unlink()
    (site / "keys" / "cases.count").unlink(missing_ok=True)


def files_of(site: Site) -> set[str]:
    return {s.path for s in Manifest(site.data).segments("flows")}


def test_what_a_case_rests_on_is_held_and_verifies(site: Path) -> None:
    here = load_site(site)
    before = files_of(here)
    done = keep_days(here, 1)
    assert done.held > 0
    case = CaseFile(here, "anna")
    assert verify(here, case.cases, case.get("autumn")).status == "same"
    assert len(files_of(here)) == len(before) - done.segments


def test_flows_that_went_are_not_taken_for_quiet(site: Path) -> None:
    here = load_site(site)
    without_case(site)
    asked = {"from": "KP", "since": "2014-11-24", "until": "2014-11-27", "baseline": "2d"}
    before = answer(here, "coverage", {"since": "2014-11-22", "until": "2014-11-30"})
    assert before["share"] > 0.9
    assert answer(here, "ask", asked)["coverage"]["share"] > 0.9

    looked = keep_days(here, 3, only_look=True)
    assert looked.segments > 0
    kept = files_of(here)
    assert keep_days(here, 3) == looked
    gone = kept - files_of(here)
    assert len(gone) > 0
    horizon_s = parse_time("2014-11-28", now_s=0)
    assert all(s.end_us >= horizon_s * 1_000_000 for s in Manifest(here.data).segments("flows"))

    extent = Lake(here.data, memory_mb=384).extent()
    assert extent is not None
    assert extent.first_s >= horizon_s - 3600
    told = answer(here, "ask", asked)
    assert told["verdict"] == "cannot_say"
    assert told["coverage"]["share"] == 0.0
    assert "were deleted or set aside" in told["coverage"]["blind"][0]["why"]
    after = answer(here, "coverage", {"since": "2014-11-22", "until": "2014-11-30"})
    assert after["share"] < 0.45
    # What is kept is as it was; and a second time nothing goes.
    for since in ("2014-11-28", "2014-11-29"):
        assert answer(here, "top", {"by": ["src"], "since": since, "until": "2014-11-30"})["rows"]
    assert keep_days(here, 3).segments == 0


def test_the_command_says_what_went(site: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(program, ["lake", "retain", "--days", "3", "--only-look", "--json", "--site", str(site)])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert set(told) == {"segments", "rows", "bytes", "held"}
    with pytest.raises(UsageError, match="how many days"):
        keep_days(load_site(site))
    text = (site / "tidegauge.toml").read_text()
    (site / "tidegauge.toml").write_text(text + "\n[lake]\nkeep_days = 3\n" if "[lake]" not in text
                                         else text.replace("[lake]", "[lake]\nkeep_days = 3"))
    assert keep_days(load_site(site), only_look=True).segments == told["segments"]


def test_a_case_that_cannot_be_read_holds_everything(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = load_site(site)
    before = files_of(here)

    def broken(*arguments: object) -> None:
        raise UsageError("the case is damaged")

    monkeypatch.setattr("tidegauge.case.retention.Cases.get", broken)
    with pytest.raises(UsageError, match="damaged"):
        keep_days(here, 1)
    assert files_of(here) == before


def test_the_service_does_so_once_a_day_where_the_site_says_so(site: Path) -> None:
    without_case(site)
    here = load_site(site)
    assert not keep_house(here, Store.of(here), 1e9)
    text = (site / "tidegauge.toml").read_text()
    (site / "tidegauge.toml").write_text(text.replace("[lake]", "[lake]\nkeep_days = 3"))
    here = load_site(site)
    before = files_of(here)
    assert keep_house(here, Store.of(here), 1e9)
    assert files_of(here) < before
    assert not keep_house(here, Store.of(here), 1e9 + 86_399)
    assert keep_house(here, Store.of(here), 1e9 + 86_400)


SPANS = st.tuples(st.integers(0, 50), st.integers(0, 50))


@given(SPANS, st.lists(SPANS, max_size=6))
def test_what_is_in_none_of_some_intervals_is_that_moment_by_moment(
    whole: tuple[int, int], parts: list[tuple[int, int]]
) -> None:
    left = without(whole, parts)
    inside = {n for n in range(*whole) if not any(a <= n < b for a, b in parts)}
    assert {n for a, b in left for n in range(a, b)} == inside
    assert all(a < b for a, b in left)
    assert left == sorted(left)
