"""Lookup agrees with a search by hand, and the documented prefixes have their origins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.atlas import Atlas, OriginTable
from tidegauge.model import class_names, mapped_ipv4, parse_address, parse_time


def table(starts: list[int], starts6: list[int]) -> OriginTable:
    four, six = sorted({0, *starts}), sorted({0, *starts6})
    return OriginTable(
        starts4=np.array(four, dtype=np.uint32), countries4=np.arange(len(four), dtype=np.uint16),
        ases4=np.arange(len(four), dtype=np.uint32),
        high6=np.array([s >> 64 for s in six], dtype=np.uint64),
        low6=np.array([s % 2**64 for s in six], dtype=np.uint64),
        countries6=np.arange(len(six), dtype=np.uint16), ases6=np.arange(len(six), dtype=np.uint32), country_names=(),
    )  # fmt: skip


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
    made = table(starts, starts6)
    four = [*four, *made.starts4.tolist()]
    _ = made._two_levels  # both ways of IPv4 must agree
    expected = [sum(s <= a for s in made.starts4.tolist()) - 1 for a in four]
    assert made.ranges4(np.array(four, dtype=np.uint32)).tolist() == expected
    ordered = sorted({0, *starts6})
    high, low = (np.array([f(a) for a in six], dtype=np.uint64) for f in (lambda a: a >> 64, lambda a: a % 2**64))
    assert made.ranges6(high, low).tolist() == [sum(s <= a for s in ordered) - 1 for a in six]


def test_search_and_two_level_table_agree_on_the_embedded_edition() -> None:
    _, world = Atlas().world
    random = np.random.default_rng(1)
    addresses = np.r_[random.integers(0, 2**32, 50_000), world.starts4[:50_000], world.starts4[1:50_000] - 1].astype(
        np.uint32
    )
    assert np.array_equal(world.ranges4(addresses), np.searchsorted(world.starts4, addresses, side="right") - 1)


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
