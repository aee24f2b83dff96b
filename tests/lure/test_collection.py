"""The aims on real mails, by cross-validation that keeps one sender's or campaign's mails together."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lures.collection import read_collection
from benchmarks.lures.train import crossed, figures, fit
from tests.lure.make import BRANDS
from tidegauge.lure import Judge, our_model
from tidegauge.lure.signals import NAMES


@pytest.fixture(scope="module")
def collection() -> object:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "mail"
    if not folder.is_dir():
        pytest.skip("the mails of ../shared/data are not here")
    return read_collection(folder)


def test_phishing_is_found_and_wanted_mail_let_through(collection) -> None:  # type: ignore[no-untyped-def]
    told = figures(collection.bad, crossed(collection, np.ones(len(NAMES), bool), seed=0))
    assert told["lures phishing or suspicious"] >= 0.95, told
    assert told["wanted phishing"] <= 0.01, told
    assert told["wanted suspicious"] <= 0.06, told


def test_no_campaign_stands_in_two_folds(collection) -> None:  # type: ignore[no-untyped-def]
    from sklearn.model_selection import StratifiedGroupKFold

    for train, test in StratifiedGroupKFold(10, shuffle=True, random_state=0).split(
        collection.values, collection.bad, collection.groups
    ):
        assert not set(collection.groups[train]) & set(collection.groups[test])


def test_the_weights_that_come_along_are_those_that_training_gives(collection) -> None:  # type: ignore[no-untyped-def]
    w = fit(collection.values, collection.bad, np.ones(len(NAMES), bool))
    assert np.abs(our_model().weights - w[1:]).max() < 0.02
    assert abs(our_model().bias - w[0]) < 0.02


def test_nothing_leans_on_dates_or_on_traces_of_the_way_or_the_collector() -> None:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "mail"
    if not folder.is_dir():
        pytest.skip("the mails of ../shared/data are not here")
    judge = Judge(BRANDS)
    traces = re.compile(
        rb"^(?:received(?:-spf)?|x-[\w-]+|date|authentication-results|arc-[\w-]+|dkim-signature):", re.I
    )
    for path in sorted((folder / "phishing").iterdir())[::5] + sorted((folder / "wanted").iterdir())[::5]:
        data = path.read_bytes()
        head, _, body = data.replace(b"\r\n", b"\n").partition(b"\n\n")
        kept = [line for line in re.split(rb"\n(?![ \t])", head) if not traces.match(line)]
        bare = b"\n".join(kept) + b"\n\n" + body
        assert judge.mail("it", bare).score == pytest.approx(judge.mail("it", data).score, abs=1e-9), path.name


def test_the_program_runs_without_the_library_that_trains_it() -> None:
    import subprocess

    code = "import sys; sys.modules['sklearn'] = None; import tidegauge.app"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
