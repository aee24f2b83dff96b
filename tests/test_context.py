"""A question opens its site once: one lake, one extent, one moment of the manifest, one database, one list file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

import tidegauge.lake.query as query_module
from tidegauge import app
from tidegauge.app import AskQuestion, HuntQuestion, SeriesQuestion, TopQuestion
from tidegauge.context import SiteContext
from tidegauge.ingest import Ingest
from tidegauge.lake import Lake, Manifest, Snapshot
from tidegauge.series import Origins
from tidegauge.site import Site

BEGIN = 1_700_000_000


@pytest.fixture
def site(make_site: Callable[..., Site], tmp_path: Path) -> Site:
    made = make_site()
    rows = [
        f"{BEGIN + i * 300},{BEGIN + i * 300 + 2},203.0.113.{1 + i % 9},192.0.2.5,{1024 + i},443,6,{900 + i % 7},3"
        for i in range(3000)
    ]
    head = "time_start,time_end,src,dst,src_port,dst_port,proto,bytes,packets"
    (tmp_path / "flows.csv").write_text("\n".join([head, *rows]) + "\n")
    assert Ingest(made).run([str(tmp_path / "flows.csv")]).failures == []
    return made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each thing was opened."""
    counts: Counter[str] = Counter()

    def watched(owner: Any, name: str, what: str) -> None:
        own = getattr(owner, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            counts[what] += 1
            return own(*arguments, **named)

        monkeypatch.setattr(owner, name, counted)

    watched(Lake, "__init__", "lakes")
    watched(Manifest, "_session", "manifest sessions")
    watched(query_module, "find_extent", "extents")
    watched(duckdb, "connect", "databases")
    watched(Origins, "parse", "parsed origins")
    return counts


ONCE = {"lakes": 1, "manifest sessions": 1, "extents": 1, "databases": 1}


@pytest.mark.parametrize("metric", ["bytes", "all"])
def test_a_question_opens_everything_once(site: Site, opened: Counter[str], tmp_path: Path, metric: str) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("203.0.113.0/28\nKP\n")
    question = AskQuestion.model_validate({"from": f"@{listed}", "metric": metric, "alarms": "1/month"})
    app.ask(SiteContext(site), question)
    assert opened == {**ONCE, "parsed origins": 1}


def test_other_questions_open_everything_once(site: Site, opened: Counter[str]) -> None:
    for ask, question in (
        (app.top, TopQuestion(by=["far_country"])),
        (app.series, SeriesQuestion()),
        (app.hunt, HuntQuestion()),
        (app.ask, AskQuestion.model_validate({"from": "all"})),
    ):
        opened.clear()
        ask(SiteContext(site), question)
        assert opened == ONCE, ask


def test_what_is_taken_in_meanwhile_is_in_no_part_of_an_answer(site: Site, tmp_path: Path) -> None:
    here = SiteContext(site)
    before = here.lake.manifest.segments("flows")
    (tmp_path / "more.csv").write_text(
        f"time_start,src,dst,bytes,packets\n{BEGIN + 9_000_000},203.0.113.1,192.0.2.5,100,1\n"
    )
    assert Ingest(site).run([str(tmp_path / "more.csv")]).flows == 1
    assert here.lake.manifest.segments("flows") == before
    assert len(SiteContext(site).lake.manifest.segments("flows")) == len(before) + 1


def test_a_snapshot_says_what_the_manifest_says(site: Site) -> None:
    now, then = Manifest(site.data), Snapshot(site.data)
    for kind in ("flows", "coverage", "names"):
        for since, until in ((None, None), (BEGIN * 10**6, None), (None, BEGIN * 10**6 + 10**11),
                             ((BEGIN + 5000) * 10**6, (BEGIN + 90_000) * 10**6)):
            assert then.segments(kind, since, until) == now.segments(kind, since, until)
    assert then.editions_behind(None, None) == now.editions_behind(None, None)
    assert then.deleted_us() == now.deleted_us()
    assert [then.rollups(k, w) for k in ("origin", "as") for w in (60, 3600)] == [
        now.rollups(k, w) for k in ("origin", "as") for w in (60, 3600)
    ]
    assert Snapshot(site.data / "nowhere").segments("flows") == []
