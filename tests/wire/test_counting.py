"""What exporters' sequence numbers count is learned from them: losses are right, or said to be not knowable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.make import decode, ip, ipfix, sets, simple_v9, template
from tidegauge.wire.sequence import SequenceTracker

DATAGRAMS = 120


def followed(
    rule: str, records: list[int], arrived: list[bool], *, counts_records: bool, blocks: int = 1, every: int = 0,
) -> tuple[int, int, int]:
    """Records lost and of datagrams with no knowable loss, as told, and how many really were lost between the first and
    the last datagram that came."""
    sizes = np.array(records, dtype=np.int64)
    templates = 2 * (np.arange(len(sizes)) % every == 0) if every else np.zeros_like(sizes)
    data_sets = 1 + sizes % 2
    sets = data_sets + (templates > 0)
    moved = {
        "messages": np.ones_like(sizes), "constant": np.zeros_like(sizes), "sets": sets, "data sets": data_sets,
        "thirty": np.full_like(sizes, 30), "records, then messages": np.where(np.arange(len(sizes)) < 50, sizes, 1),
    }.get(rule, sizes + templates * (rule == "templates too"))
    numbers = (np.cumsum(moved) - moved * (rule != "records too") + 0xFFFFFF00) & 0xFFFFFFFF
    came = np.flatnonzero(arrived)
    tracker = SequenceTracker(counts_records=counts_records)
    lost = unknown = 0
    for rows in np.array_split(came, blocks):
        if len(rows):
            own = sizes[rows]
            zeros = np.zeros(len(rows), dtype=np.int64)
            steps = own if counts_records else np.ones_like(own)
            found = tracker.follow(
                zeros.astype(np.int32), zeros, numbers[rows], steps, own, zeros, templates=templates[rows],
                sets=(sets[rows], data_sets[rows]),
            )
            lost += int(found.lost.sum()) - sum(units for *_, units in found.credits)
            unknown += int(own[found.unknown].sum())
    between = np.arange(came[0], came[-1] + 1) if len(came) else came
    return lost, unknown, int(sizes[np.setdiff1d(between, came)].sum())


def pattern(kind: str, share: float, random: np.random.Generator) -> list[bool]:
    """Which datagrams came, by how others were lost."""
    count = np.arange(DATAGRAMS)
    if kind == "bursts":
        return [bool(came) for came in np.repeat(random.random(DATAGRAMS // 10) >= share, 10)]
    if kind == "in turn":
        return [bool(came) for came in count % max(round(1 / max(share, 0.02)), 2) != 1]
    if kind == "begin" or kind == "end":
        kept = count >= share * DATAGRAMS
        return [bool(came) for came in (kept if kind == "begin" else kept[::-1])]
    return [bool(came) for came in random.random(DATAGRAMS) >= share]


@settings(max_examples=400, deadline=None)
@given(
    rule=st.sampled_from(["records", "records too", "messages", "templates too", "sets", "data sets", "thirty"]),
    kind=st.sampled_from(["at random", "bursts", "in turn", "begin", "end"]),
    counts_records=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0, 0.6),
    blocks=st.sampled_from([1, 5, 40]),
    every=st.sampled_from([3, 5]),
)
def test_losses_are_right_whatever_the_numbers_count_and_whatever_is_lost(
    rule: str, kind: str, counts_records: bool, seed: int, share: float, blocks: int, every: int
) -> None:
    random = np.random.default_rng(seed)
    records = random.integers(2, 30, DATAGRAMS).tolist()
    arrived = pattern(kind, share, random)
    lost, unknown, really = followed(
        rule, records, arrived, counts_records=counts_records, blocks=blocks, every=every
    )
    # Where datagrams are counted, a lost one stands for the mean of those that came; templates that were lost count as
    # records where the numbers count both, and of numbers that are told the other way round those of one datagram.
    tolerances = {
        "messages": 0.35 * sum(records), "templates too": 2 * DATAGRAMS / every, "records too": 0.1 * sum(records),
    }
    tolerance = tolerances.get(rule, 0)
    assert unknown or abs(lost - really) <= tolerance


def test_where_all_behind_templates_is_lost_nobody_knows_whether_these_count() -> None:
    """Some that were lost had as many records as templates had come: that looks like a fit."""
    random = np.random.default_rng(12262)
    records, arrived = random.integers(2, 30, DATAGRAMS).tolist(), pattern("in turn", 0.375, random)
    _, unknown, _ = followed("records", records, arrived, counts_records=False, every=3)
    assert unknown > 0.6 * sum(np.array(records)[arrived])


@pytest.mark.parametrize("blocks", [1, 5, 40])
@pytest.mark.parametrize("counts_records", [True, False])
def test_numbers_that_count_something_else_from_some_time_on_show_no_loss(counts_records: bool, blocks: int) -> None:
    records = np.random.default_rng(1).integers(2, 30, DATAGRAMS).tolist()
    lost, unknown, _ = followed(
        "records, then messages", records, [True] * DATAGRAMS, counts_records=counts_records, blocks=blocks
    )
    assert lost == 0
    assert unknown


@settings(max_examples=50, deadline=None)
@given(counts_records=st.booleans(), blocks=st.sampled_from([1, 40]), seed=st.integers(0, 2**32 - 1))
def test_numbers_that_never_change_show_no_loss_and_prove_none(counts_records: bool, blocks: int, seed: int) -> None:
    records = np.random.default_rng(seed).integers(2, 30, DATAGRAMS).tolist()
    lost, unknown, _ = followed("constant", records, [True] * DATAGRAMS, counts_records=counts_records, blocks=blocks)
    assert lost == 0
    assert unknown > 0.6 * sum(records)


def test_numbers_of_a_stream_that_always_loses_every_second_datagram_are_believed() -> None:
    lost, unknown, really = followed("records", [5] * DATAGRAMS, [True, False] * 60, counts_records=True)
    assert (lost, unknown) == (really, 0)


def test_v9_that_counts_records_lost_nothing() -> None:
    sent = [3, 7, 2, 9, 4, 8, 5, 6, 3, 7, 2, 9, 4, 8]
    places = np.cumsum(sent) - sent
    _, decoder = decode(*(simple_v9(int(n), k) for n, k in zip(places, sent, strict=True)))
    assert sum(decoder.ledger.table()["lost"].to_pylist()) == 0
    assert sum(decoder.ledger.table()["unfollowed"].to_pylist()) == 0


def test_ipfix_that_counts_messages_shows_what_was_lost() -> None:
    layout = (2, template(300, (8, 4), (12, 4), (1, 4), (2, 4)))
    row = ip("192.0.2.1") + ip("198.51.100.2") + bytes([0, 0, 0, 100, 0, 0, 0, 1])
    messages = [ipfix(sets(layout, (300, row * (4 + n % 3))), sequence=n) for n in range(60) if n % 5]
    _, decoder = decode(*messages)
    lost = sum(decoder.ledger.table()["lost"].to_pylist())
    assert 40 <= lost <= 70  # 11 messages of about 5 records between the first and the last


@settings(max_examples=60, deadline=None)
@given(
    each=st.integers(2, 5), blocks=st.sampled_from([1, 7, 40]), others=st.floats(0, 0.7), seed=st.integers(0, 2**32 - 1)
)
def test_every_nth_datagram_of_n_records_does_not_prove_that_numbers_count_records(
    each: int, blocks: int, others: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    other = random.integers(1, 8, DATAGRAMS)
    records = np.where(random.random(DATAGRAMS) < others, other, each).tolist()
    came = [n % each == 0 for n in range(DATAGRAMS)]
    lost, unknown, really = followed("messages", records, came, counts_records=False, blocks=blocks)
    assert unknown or abs(lost - really) <= 0.35 * sum(records)


def test_sets_whose_template_never_comes_make_the_loss_beside_them_unknown() -> None:
    layout = (2, template(300, (8, 4), (12, 4), (1, 4), (2, 4)))
    row = ip("192.0.2.1") + ip("198.51.100.2") + bytes([0, 0, 0, 100, 0, 0, 0, 1])
    messages = [ipfix(sets(layout, (300, row * 4), (999, row * 2)), sequence=6 * n) for n in range(60) if n % 2]
    _, decoder = decode(*messages)
    list(decoder.finish())
    table = decoder.ledger.table()
    assert sum(table["unfollowed"].to_pylist()) > 0.01 * sum(table["records"].to_pylist())
