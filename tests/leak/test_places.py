"""Where numbers stand: every form is found among other text, in the row and column that a reader would see."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tidegauge.leak.matchers import forms_of
from tidegauge.leak.numbers import FORMS, Form, luhn
from tidegauge.leak.rows import Rows, lay_out, tuples
from tidegauge.leak.tokens import _numbers, find_numbers

BESIDE = st.sampled_from(["", " ", "id ", "(", '"', "\n", "\t", "2014-11-25 ", "身分證", "a: ", "10.0.0.1 "])
BEHIND = st.sampled_from(["", " ", ")", '"', "\n", "\t", "。", ", x", ". X"])


def spans(data: bytes) -> set[tuple[int, int]]:
    found = find_numbers(data)
    return set(zip(found.starts.tolist(), found.ends.tolist(), strict=True))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.module)
def test_whatever_has_a_form_is_a_candidate_and_known_by_its_shape(form: Form) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.from_regex(rf"\A(?:{form.form})\Z", alphabet=st.characters(codec="ascii")), BESIDE, BEHIND)
    def check(text: str, before: str, after: str) -> None:
        text = text.removesuffix("\n")
        start = len(before.encode())
        data = (before + text + after).encode()
        if form.country != "CA" or "-" not in text.replace(" ", "-") or luhn(text.replace(" ", "").replace("-", "")):
            assert (start, start + len(text)) in spans(data)  # groups of three need their check digit to be one
        assert form in [one for one, _, _ in forms_of(text)]

    check()


@pytest.mark.parametrize(
    "text",
    ["123-45-6789", "123456789", "123 45 6789", "A123456789", "AC01234567", "4539 5787 6362 1486", "3714 496353 98431",
     "4539578763621486", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "GB82 WEST 1234 5698 7654 32"],
)
def test_numbers_are_candidates(text: str) -> None:
    for before, after in (("", ""), ("x ", " y"), ("=", ";"), ("號", "。"), ("1980-01-01 ", " 12/27")):
        data = (before + text + after).encode()
        start = len(before.encode())
        assert any(a == start and b >= start + len(text) for a, b in spans(data))


@pytest.mark.parametrize(
    "text", ["0.123456789", "a123-45-6789", "123-45-67890", "1123-45-6789", "x123456789", "123456789.5", "/123456789/a",
             "3f2b123456789ab", "123_456789012"],
)
def test_parts_of_longer_words_are_none(text: str) -> None:
    assert spans(text.encode()) == set()


CELL = st.text(alphabet='abz "1,;\t', max_size=8).map(lambda cell: cell.replace("\r", ""))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=3, max_size=5), min_size=1, max_size=6), st.sampled_from([",", ";", "\t"]))
def test_columns_of_a_table_are_those_of_a_reader(table: list[list[str]], delimiter: str) -> None:
    out = io.StringIO()
    marked = [[f"{cell}#" for cell in row] for row in table]
    csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(marked)
    data = out.getvalue().encode()
    places = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("#"))
    layout = lay_out(data, places, Rows(delimiter), [])
    expected = [(i, j) for i, row in enumerate(table) for j in range(len(row))]
    assert list(zip(layout.rows.tolist(), layout.columns.tolist(), strict=True)) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.text(alphabet="ab'()\\, ", max_size=6), min_size=1, max_size=4), min_size=1, max_size=6),
       st.booleans())
def test_columns_of_statements_are_those_of_a_reader(table: list[list[str]], lines: bool) -> None:
    def quoted(cell: str) -> str:
        return "'" + cell.replace("\\", "\\\\").replace("'", "''") + "#'"

    told = ["(" + ",".join(map(quoted, row)) + ")" for row in table]
    text = "INSERT INTO `t` VALUES " + (",\n" if lines else ",").join(told) + ";\n"
    data = text.encode()
    places = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("#"))
    layout = lay_out(data, places, Rows(sql=True), [])
    assert layout.columns.tolist() == [j for row in table for j in range(len(row))]
    sizes = [len(row) for row in table]
    assert [sum(layout.rows == row) for row in dict.fromkeys(layout.rows.tolist())] == sizes
    assert [len(row) for row in tuples(text)] == sizes


NUMBER = st.sampled_from(
    [
        "123-45-6789", "DE89 3704 0044 0532 0130 00", "A123456789", "4539 5787 6362 1486", "X-1234567-L", "1",
        "2 85 05 78 006 084 36", "GOMC800101HDFMRR09", "RSSMRA85T10A562S", "12.345.678-K", "7", "99", "x",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NUMBER, st.integers(0, 300)), max_size=30))
def test_where_digits_are_few_the_same_is_found(pieces: list[tuple[str, int]]) -> None:
    data = "".join(("tide " * gap)[:gap] + " " + number + " " for number, gap in pieces).encode()
    whole, found = _numbers(np.frombuffer(data, np.uint8)), find_numbers(data)
    for name in ("starts", "ends", "apart"):
        assert getattr(found, name).tolist() == getattr(whole, name).tolist()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_have_places(data: bytes) -> None:
    found = find_numbers(data)
    assert (found.starts < found.ends).all()
    for rows in (Rows(), Rows(","), Rows(sql=True)):
        layout = lay_out(data, found.starts, rows, [])
        assert layout.lines.tolist() == [data.count(b"\n", 0, int(at)) for at in found.starts]
