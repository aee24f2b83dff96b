"""Where numbers may stand in bytes: tokens of letters and digits, and chains of them that have the form of a number
that is looked for. Bytes come in, arrays of places go out; what a candidate is, is for others to say.

The tables here are wider than the forms: nothing that has a form is left out (a property test holds them to that).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

DIGIT, UPPER, LOWER = 1, 2, 4
SEPARATORS = b" -./+"
NEWLINE = 10
CELL, LEAST_DIGITS, SPARSE = 64, 5, 0.4
"""No number that is looked for is longer than a cell, or has fewer digits; beyond that share nothing is gained."""
LONGEST = 36
"""Longer tokens are no number that is looked for: an IBAN has 34 characters."""
JOINED = b"_-.+#/\\%$"
"""Signs before a number that make it a part of something longer."""

LABELLED: tuple[tuple[bytes, tuple[int, ...]], ...] = (
    (b" -", (3, 3, 4)), (b" -", (6, 4)), (b" ", (3, 2, 4)), (b" ", (3, 3, 3)), (b" ", (2, 3, 3, 3)), (b" ", (6, 5)),
    (b" ", (8, 1, 3)), (b" ", (13, 2)), (b"-", (8, 1)), (b"-", (1, 7, 1)), (b"-", (7, 1)), (b".", (4, 2, 3)),
    (b"-", (9, 2)), (b" -", (4, 4, 4)), (b"/", (6, 3)),
)
"""Separators (one of them, anywhere in the chain) and lengths of the tokens between them: of numbers that only a label
or a column can prove."""
SHAPED: tuple[tuple[bytes, tuple[int, ...]], ...] = (
    (b"-", (3, 2, 4)), (b" -", (3, 3, 3)), (b".-", (3, 3, 3, 2)), (b" ", (1, 2, 2, 2, 3, 3, 2)),
    (b".-", (2, 2, 2, 3, 2)), (b"-+", (6, 4)), (b"-+", (8, 4)), (b".", (3, 4, 4, 2)), (b"-", (6, 7)), (b"/", (6, 4)),
    (b"-", (1, 4, 5, 2, 1)), (b".-", (1, 3, 3, 1)), (b".-", (2, 3, 3, 1)), (b" -", (4, 6, 5)),
    *((b" -", (4, 4, 4, last)) for last in range(1, 8)),
)
"""The same of numbers that are written as nothing else is: their neighbours may prove them."""
DOUBLED = frozenset({(3, 3, 3), (4, 6, 5), *((4, 4, 4, last) for last in range(1, 8))})
"""Those of them that end in a check digit by Luhn, whatever they are."""
CHAINS = [*((one, False) for one in LABELLED), *((one, True) for one in SHAPED)]


def _alone() -> NDArray[np.bool_]:
    """Tokens by length, digits and small letters: which may be a number as they stand."""
    table = np.zeros((LONGEST + 1, LONGEST + 1), np.bool_)
    for length in range(9, 20):
        table[length, length] = True  # digits alone
    for length, digits in (
        (8, 7), (9, 8), (9, 7), (10, 9), (10, 8), (11, 10), (11, 9), (12, 11), (12, 10), (15, 14), (18, 17), (16, 7),
        (18, 7), (18, 8), (18, 6),
    ):
        table[length, digits] = True
    for length in range(15, 35):  # IBAN
        table[length, 2:length] = True
    return table


ALONE = _alone()
KIND = np.zeros(256, np.uint8)
KIND[48:58], KIND[65:91], KIND[97:123] = DIGIT, UPPER, LOWER
SEPARATOR = np.zeros(256, np.uint8)
SEPARATOR[list(SEPARATORS)] = np.arange(1, len(SEPARATORS) + 1)
GLUE = np.zeros(256, np.bool_)
GLUE[list(JOINED)] = True
FIRST = np.zeros((len(SEPARATORS) + 1, 20, 20), np.bool_)
for (_signs, _lengths), _ in CHAINS:
    for _sign in _signs:
        FIRST[SEPARATOR[_sign], _lengths[0], _lengths[1]] = True


@dataclass(frozen=True)
class Spans:
    """Candidates in order of their starts, the longer first: half-open ranges of bytes.

    Attributes:
        starts, ends: int64.
        apart: its form may be enough, with neighbours; the others count where a label or a column says so.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    apart: Mask


def find_numbers(data: bytes) -> Spans:
    """Everything in bytes that has the form of a number that is looked for and is no part of a longer word.

    Where digits are few, only what lies around them is looked at.
    """
    raw = np.frombuffer(data, np.uint8)
    held = _around_digits(raw)
    if held is None:
        return _numbers(raw)
    if not len(held):
        return Spans(*(np.empty(0, np.int64),) * 2, np.empty(0, np.bool_))
    part = raw[held]
    part[np.flatnonzero(np.diff(held) > 1) + 1] = NEWLINE  # what does not stand together is not read together
    found = _numbers(part)
    return Spans(held[found.starts], held[found.ends - 1] + 1, found.apart)


def _around_digits(raw: NDArray[np.uint8]) -> NDArray[np.int64] | None:
    """Places of bytes within two cells of as many digits as any number has; None where these are most of all."""
    whole = -(-len(raw) // CELL)
    digits = np.zeros(whole * CELL, np.bool_)
    np.less(raw - np.uint8(48), 10, out=digits[: len(raw)])
    counts = digits.reshape(whole, CELL).sum(axis=1, dtype=np.int32)
    dense = np.zeros(whole + 2, np.bool_)
    dense[1:-1] = counts >= LEAST_DIGITS
    pairs = counts[:-1] + counts[1:] >= LEAST_DIGITS
    dense[1:-2] |= pairs
    dense[2:-1] |= pairs
    near = dense[1:-1] | dense[:-2] | dense[2:]
    if not whole or near.mean() > SPARSE:
        return None
    cells = np.flatnonzero(near)
    places = (cells[:, None] * CELL + np.arange(CELL)).ravel()
    return places[: np.searchsorted(places, len(raw))]


def _numbers(raw: NDArray[np.uint8]) -> Spans:
    kinds = KIND[raw]
    inside = np.empty(len(raw) + 2, np.bool_)
    inside[0] = inside[-1] = False
    np.not_equal(kinds, 0, out=inside[1:-1])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    counted = np.zeros(len(raw) + 1, np.int32)
    np.cumsum(kinds == DIGIT, out=counted[1:])
    digits = counted[ends] - counted[starts]
    # Words without a digit can only be single letters of a number, or a bank in the groups of an IBAN.
    lengths = ends - starts
    kept = (digits > 0) | (lengths == 1) | ((lengths == 4) & (kinds[starts] == UPPER))
    starts, ends, lengths, digits = starts[kept], ends[kept], lengths[kept], digits[kept]
    good = lengths <= LONGEST
    if not good.any():
        return Spans(*(np.empty(0, np.int64),) * 2, np.empty(0, np.bool_))
    digits = np.where(good, digits, 0)
    short = np.minimum(lengths, LONGEST)
    after = raw[np.minimum(ends, len(raw) - 1)]
    beyond = kinds[np.minimum(ends + 1, len(raw) - 1)]
    ended = (ends >= len(raw)) | ~(
        (after == 95) | (((after == 45) | (after == 46) | (after == 47)) & (beyond != 0) & (ends + 1 < len(raw)))
    )
    begun = (starts == 0) | ~GLUE[raw[np.maximum(starts - 1, 0)]]

    alone = good & begun & ended & (digits > 0) & ALONE[short, np.minimum(digits, LONGEST)]
    mixed = alone & (digits < lengths)
    alone[mixed] = _lettered(kinds, starts[mixed], lengths[mixed], digits[mixed])
    long = lengths[alone]
    letters = digits[alone] < long
    # Eighteen digits, the last of them maybe an X, are a Chinese number where they say a century of birth.
    chinese = (long == 18) & (digits[alone] >= 17)
    places = np.minimum(starts[alone][:, None] + (6, 7), len(raw) - 1)
    born = (raw[places] == (49, 57)).all(axis=1) | (raw[places] == (50, 48)).all(axis=1)
    proven = np.where(chinese, born, letters & ((long == 11) | (long >= 15)))
    found = [(starts[alone], ends[alone], proven)]
    found += _chains(raw, starts, ends, short, digits, begun, ended)
    first, last, apart = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((-last, first))
    return Spans(first[order], last[order], apart[order])


def _luhn(raw: NDArray[np.uint8], starts: NDArray[np.int64], lengths: tuple[int, ...]) -> Mask:
    """Luhn's check of chains (ISO/IEC 7812-1, annex B)."""
    gaps = np.cumsum(lengths)[:-1] + np.arange(len(lengths) - 1)
    offsets = np.delete(np.arange(sum(lengths) + len(lengths) - 1), gaps)
    values = raw[starts[:, None] + offsets].astype(np.int16) - 48
    values[:, -2::-2] = values[:, -2::-2] * 2 - 9 * (values[:, -2::-2] > 4)
    good: Mask = values.sum(axis=1) % 10 == 0
    return good


def _lettered(
    kinds: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64], digits: NDArray[np.int32]
) -> Mask:
    """Whether tokens with letters are capitals where they must be: no small ones, but the last (`x`, `k`)."""
    small = np.zeros(len(kinds) + 1, np.int32)
    np.cumsum(kinds == LOWER, out=small[1:])
    lower = small[starts + lengths] - small[starts]
    last = kinds[starts + lengths - 1] == LOWER
    bank = (kinds[starts] == UPPER) & (kinds[starts + 1] == UPPER) & (kinds[starts + 2] == DIGIT)
    bank &= kinds[starts + 3] == DIGIT
    other = (lengths <= 12) | ((lengths == 15) & (digits == 14)) | (lengths == 16) | (lengths == 18)
    plain: Mask = ((lower == 0) | ((lower == 1) & last)) & (bank | other)
    return plain


def _chains(
    raw: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], short: NDArray[np.int64],
    digits: NDArray[np.int32], begun: Mask, ended: Mask,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], Mask]]:
    """Chains of tokens with single separators between them, by `CHAINS`; and groups of an IBAN."""
    count = len(starts)
    signs = np.zeros(count, np.uint8)
    single = np.flatnonzero(starts[1:] - ends[:-1] == 1)
    signs[single] = SEPARATOR[raw[ends[single]]]
    sized = np.minimum(short, 19)
    heads = np.flatnonzero((signs[:-1] > 0) & begun[:-1] & FIRST[signs[:-1], sized[:-1], sized[1:]])
    found = []
    for (allowed, lengths), apart in CHAINS:
        size = len(lengths)
        at = heads[(heads <= count - size) & (sized[heads] == lengths[0])]
        for step, length in enumerate(lengths[1:], 1):
            if not len(at):
                break
            sign = signs[at + step - 1]
            fits = np.zeros(len(at), np.bool_)
            for one in allowed:
                fits |= sign == SEPARATOR[one]
            at = at[fits & (sized[at + step] == length)]
        if len(at):
            told = sum(digits[at + step] for step in range(size))
            at = at[ended[at + size - 1] & (told >= sum(lengths) - 3)]
            if apart and lengths in DOUBLED:
                at = at[_luhn(raw, starts[at], lengths)]
            found.append((starts[at], ends[at + size - 1], np.full(len(at), apart)))
    banks = np.flatnonzero((short[:-1] == 4) & (signs[:-1] == SEPARATOR[32]) & begun[:-1] & (digits[:-1] == 2))
    for at in banks:  # few: two capitals and two digits
        last = int(at)
        while last + 1 < count and signs[last] == SEPARATOR[32] and short[last] == 4 and last - at < 8:
            last += 1
        if ends[last] - starts[at] >= 18:
            whole = np.array([starts[at]]), np.array([ends[last]])
            found.append((*whole, np.ones(1, np.bool_)))
    return found
