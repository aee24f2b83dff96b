"""Lookup agrees with a search by hand, and the documented prefixes have their origins."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.make import packed_rows
from tidegauge.atlas import Atlas, Pieces, world_table
from tidegauge.atlas.flat import flatten, spaces
from tidegauge.atlas.overlay import TimedRows, overlay
from tidegauge.atlas.table import OriginTable
from tidegauge.model import class_names, mapped_ipv4, parse_address, parse_time


def pieces(starts: list[int], starts6: list[int]) -> Pieces:
    four, six = sorted({0, *starts}), sorted({0, *starts6})
    return Pieces(
        np.array(four, dtype=np.uint32), np.array([s >> 64 for s in six], dtype=np.uint64),
        np.array([s % 2**64 for s in six], dtype=np.uint64),
    )


near = st.integers(0, 2**16)
words = st.one_of(st.integers(0, 2**32 - 1), near, near.map(lambda n: n + (77 << 24)))
longs = st.one_of(st.integers(0, 2**128 - 1), near, near.map(lambda n: (9 << 64) + n))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(words, max_size=40), st.lists(longs, max_size=20), st.lists(words, min_size=1), st.lists(longs, min_size=1)
)
def test_lookup_is_the_last_start_not_above(
    starts: list[int], starts6: list[int], four: list[int], six: list[int]
) -> None:
    made = pieces(starts, starts6)
    four = [*four, *made.starts4.tolist()]
    expected = [sum(s <= a for s in made.starts4.tolist()) - 1 for a in four]
    assert made.ranges4(np.array(four, dtype=np.uint32)).tolist() == expected
    with patch("tidegauge.atlas.table.FEW_STARTS", 0):
        made.prepare()  # both ways of IPv4 must agree
        assert made.ranges4(np.array(four, dtype=np.uint32)).tolist() == expected
    ordered = sorted({0, *starts6})
    high, low = (np.array([f(a) for a in six], dtype=np.uint64) for f in (lambda a: a >> 64, lambda a: a % 2**64))
    assert made.ranges6(high, low).tolist() == [sum(s <= a for s in ordered) - 1 for a in six]


def test_search_and_two_level_table_agree_on_the_embedded_edition() -> None:
    world = world_table().pieces
    random = np.random.default_rng(1)
    addresses = np.r_[random.integers(0, 2**32, 50_000), world.starts4[:50_000], world.starts4[1:50_000] - 1].astype(
        np.uint32
    )
    assert np.array_equal(world.ranges4(addresses), np.searchsorted(world.starts4, addresses, side="right") - 1)


def prefixes(bits: int) -> st.SearchStrategy[tuple[int, int]]:
    """First and last address of prefixes that nest and touch one another."""
    small = st.integers(0, 255)

    def of(pair: tuple[int, int]) -> tuple[int, int]:
        base, length = pair
        host = (1 << (bits - length)) - 1
        low = (base << (bits - 8)) & ~host if length <= 8 else ((base << (bits - 8)) | (base << 3)) & ~host
        return low, low | host

    return st.tuples(small, st.integers(0, bits)).map(of)


@settings(deadline=None, max_examples=80)
@given(st.lists(prefixes(32), min_size=1, max_size=25), st.lists(prefixes(128), max_size=15), st.data())
def test_flattened_ranges_give_the_longest_prefix_that_matches(
    four: list[tuple[int, int]], six: list[tuple[int, int]], data: st.DataObject
) -> None:
    lead = 0xFFFF << 32
    six = [(a, b) for a, b in six if b < lead or a > lead | 0xFFFFFFFF]  # none over the IPv4-mapped space
    ranges = [(lead | a, lead | b) for a, b in four] + six
    first, last = packed_rows([a for a, _ in ranges]), packed_rows([b for _, b in ranges])
    (starts4, rows4), (starts6, rows6) = (flatten(space) for space in spaces(first, last))
    edges = {a for r in ranges for a in (r[0], r[1], r[0] - 1, r[1] + 1)}
    for address in sorted(edges) + data.draw(st.lists(st.integers(lead, lead | 0xFFFFFFFF), max_size=10)):
        if not 0 <= address < 1 << 128:
            continue
        covering = [(b - a, -i) for i, (a, b) in enumerate(ranges) if a <= address <= b]
        expected = -min(covering)[1] if covering else -1
        if address >> 32 == 0xFFFF:
            found = rows4[np.searchsorted(starts4, address & 0xFFFFFFFF, side="right") - 1]
        else:
            key = np.array([address.to_bytes(16)], dtype="S16")
            found = rows6[np.searchsorted(starts6, key, side="right")[0] - 1]
        assert found == expected


moments = st.integers(0, 50)
timed = st.tuples(prefixes(32), moments, moments, st.sampled_from([1, 2, 4, 8]))


@settings(deadline=None, max_examples=80)
@given(st.lists(timed, min_size=1, max_size=25))
def test_classes_at_a_time_are_those_of_all_statements_that_hold_then(rows: list[tuple]) -> None:  # type: ignore[type-arg]
    lead = 0xFFFF << 32
    first, last = packed_rows([lead | r[0][0] for r in rows]), packed_rows([lead | r[0][1] for r in rows])
    opens, closes = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    bits = np.array([r[3] for r in rows], dtype=np.uint16)
    made = overlay(TimedRows(first, last, opens, closes, bits, np.ones(len(rows), dtype=bool)))
    asked = [(edge, t) for r in rows for edge in r[0] for t in (0, r[1], r[2], max(r[2] - 1, 0), 60)]
    hit, classes, deciding = made.lookup(
        packed_rows([lead | a for a, _ in asked]), np.array([t for _, t in asked], dtype=np.int64)
    )
    found = dict(zip(hit.tolist(), zip(classes.tolist(), deciding.tolist(), strict=True), strict=True))
    for place, (address, time) in enumerate(asked):
        holding = [r for r in rows if r[0][0] <= address <= r[0][1] and r[1] <= time < r[2]]
        expected = 0
        for row in holding:
            expected |= row[3]
        assert found.get(place, (0, -1))[0] == expected
        row = found.get(place, (0, -1))[1]
        assert (row >= 0) == bool(holding)
        if holding:
            assert rows[row][0][1] - rows[row][0][0] == min(r[0][1] - r[0][0] for r in holding)


@pytest.mark.parametrize(
    ("address", "at", "country", "classes"),
    [
        ("175.45.176.1", "2014-11-24", "KP", []),
        ("175.45.179.254", "2026-01-01", "KP", []),
        ("210.52.109.9", "2014-11-24", "CN", ["leased"]),
        ("77.94.35.9", "2014-11-24", "RU", ["satellite", "leased"]),
        ("77.94.35.9", "2026-01-01", "RU", []),
        ("2001:200::1", "2026-01-01", "JP", []),
    ],
)
def test_documented_prefixes(address: str, at: str, country: str, classes: list[str]) -> None:
    packed = np.frombuffer(parse_address(address), dtype=np.uint8)[None]
    found = Atlas().lookup(packed, np.array([parse_time(at, now_s=0) * 1_000_000]))
    assert found.country_names[found.countries[0]] == country
    assert class_names(int(found.classes[0])) == classes


def test_unknown_addresses_have_no_country() -> None:
    found = Atlas().lookup(mapped_ipv4(np.array([0x0A000001], dtype=np.uint32)), np.zeros(1, dtype=np.int64))
    assert (found.country_names[found.countries[0]], found.ases[0]) == ("ZZ", 0)


def test_a_table_that_was_saved_answers_the_same(tmp_path) -> None:  # type: ignore[no-untyped-def]
    world = world_table()
    world.save(tmp_path)
    mapped = OriginTable.load(tmp_path)
    random = np.random.default_rng(3)
    addresses = mapped_ipv4(random.integers(0, 2**32, 30_000).astype(np.uint32))
    for a, b in zip(world.lookup(addresses), mapped.lookup(addresses), strict=True):
        assert np.array_equal(a, b)
