"""Whether a condition can match any flow of a direction at all, by the columns' own bounds and by what it says itself.

Only what is certain counts: where a part of a condition is not understood, it is taken to be possible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from string import ascii_uppercase
from typing import Any, cast

import sqlglot
from sqlglot import exp

from tidegauge.lake.where import count_of
from tidegauge.model import Prefix, TidegaugeError, parse_address, parse_country, parse_time

Interval = tuple[int, int]
"""First and last value, both included."""
BOUNDS: dict[str, Interval] = {
    "src_port": (0, 65535), "dst_port": (0, 65535), "proto": (0, 255), "bytes": (0, 1 << 63), "packets": (0, 1 << 63),
    "tos": (0, 255), "in_if": (0, (1 << 32) - 1), "out_if": (0, (1 << 32) - 1), "src_as": (0, (1 << 32) - 1),
    "dst_as": (0, (1 << 32) - 1), "src": (0, (1 << 128) - 1), "dst": (0, (1 << 128) - 1),
}
TEXTS = ("exporter", "src_country", "dst_country", "direction")
TURN: dict[Any, Any] = {
    exp.GT: exp.LT, exp.LT: exp.GT, exp.GTE: exp.LTE, exp.LTE: exp.GTE, exp.EQ: exp.EQ, exp.NEQ: exp.NEQ,
}
OPPOSITE: dict[Any, Any] = {
    exp.GT: exp.LTE, exp.LTE: exp.GT, exp.LT: exp.GTE, exp.GTE: exp.LT, exp.EQ: exp.NEQ, exp.NEQ: exp.EQ,
}
MOST_BRANCHES, MOST_LOOKED_UP = 500, 100
LONGEST_S = 7 * 86400
"""No flow lasts longer."""
CODES = frozenset(a + b for a in ascii_uppercase for b in ascii_uppercase)
"""What a country's code may be (ISO 3166)."""
V4 = (0xFFFF << 32, (0xFFFF << 32) + (1 << 32) - 1)


@dataclass
class _Values:
    """What a column may still be: intervals of numbers, or texts (None: any)."""

    numbers: dict[str, list[Interval]] = field(default_factory=dict)
    texts: dict[str, set[str] | None] = field(default_factory=dict)
    excluded: dict[str, set[str]] = field(default_factory=dict)


class _TooMany(Exception):
    """More branches than are looked at."""


@dataclass(frozen=True)
class Surroundings:
    """What is known of all flows that are asked about.

    Attributes:
        direction: of the question.
        home: the home prefixes; empty where ends are ours by their AS.
        exporters: of which there are flows; empty where they are not looked at.
        since_s, until_s: the asked time.
        knows_as, knows_country: whether a flow of that time can display an AS or country.
        displays, is_in: whether an address of a range, or of an AS, can display a country.
        ipv6: flows of IPv6 are there.
    """

    direction: str
    home: tuple[Prefix, ...]
    exporters: frozenset[str]
    since_s: int
    until_s: int
    knows_as: Callable[[int], bool] = lambda asn: True
    knows_country: Callable[[str], bool] = lambda code: True
    displays: Callable[[Interval, str], bool] = lambda span, code: True
    is_in: Callable[[int, str], bool] = lambda asn, code: True
    ipv6: bool = True

    @property
    def theirs(self) -> str:
        """The end that is not ours; empty where neither is known to be."""
        return {"in": "src", "out": "dst"}.get(self.direction, "")


def possible(texts: Iterable[str], around: Surroundings) -> bool:
    """Return whether any flow could meet all of some conditions, as `compile_where` takes them."""
    from sqlglot.optimizer.simplify import simplify

    nodes = [cast(exp.Expression, sqlglot.parse_one(text, read="duckdb")) for text in texts]
    try:
        conjuncts = [simplify(_known(node, around.direction)) for node in nodes]
        return _possible(conjuncts, around, [0])
    except (_TooMany, RecursionError, sqlglot.errors.SqlglotError):
        return True


def _known(node: exp.Expression, direction: str) -> exp.Expression:
    """The same with derived columns by their own names, and the direction as the text that it is."""
    ours, theirs = ("dst", "src") if direction == "in" else ("src", "dst")

    def replaced(one: exp.Expression) -> exp.Expression:
        if not isinstance(one, exp.Column):
            return one
        name = one.name.lower()
        if name == "direction":
            return exp.Literal.string(direction)
        if direction in ("in", "out"):
            if name == "far" or name.startswith("far_"):
                return exp.column(name.replace("far", theirs, 1))
            if name == "home" or name.startswith("home_"):
                return exp.column(name.replace("home", ours, 1))
        return one

    return node.transform(replaced)


def _possible(conjuncts: Sequence[Any], around: Surroundings, count: list[int]) -> bool:
    count[0] += 1
    if count[0] > MOST_BRANCHES:
        raise _TooMany
    atoms: list[exp.Expression] = []
    waiting: list[Any] = list(conjuncts)
    while waiting:
        node = _unwrapped(waiting.pop())
        if isinstance(node, exp.And):
            waiting += [node.left, node.right]
        elif isinstance(node, exp.Or):
            rest: list[Any] = [*atoms, *waiting]
            return _possible([node.left, *rest], around, count) or _possible([node.right, *rest], around, count)
        elif isinstance(node, exp.Not) and isinstance(inner := _unwrapped(node.this), exp.And | exp.Or):
            joined = exp.Or if isinstance(inner, exp.And) else exp.And
            waiting.append(joined(this=exp.Not(this=inner.left), expression=exp.Not(this=inner.right)))
        else:
            atoms.append(node)
    return _fits(atoms, around)


def _unwrapped(node: exp.Expression) -> exp.Expression:
    while isinstance(node, exp.Paren) or (isinstance(node, exp.Not) and isinstance(node.this, exp.Not | exp.Paren)):
        if isinstance(node, exp.Paren):
            node = node.this
        elif isinstance(node.this, exp.Not):
            node = node.this.this
        else:
            node = exp.Not(this=node.this.this)
    return node


def _fits(atoms: list[exp.Expression], around: Surroundings) -> bool:
    """Whether atoms that all hold leave a value to each column."""
    values = _Values({name: [bound] for name, bound in BOUNDS.items()})
    values.texts["exporter"] = set(around.exporters) or None
    last_s = max(around.until_s - 1, around.since_s)
    values.numbers |= {"time_start": [(around.since_s, last_s)], "time_end": [(around.since_s, last_s + LONGEST_S)]}
    if around.home and around.direction in ("in", "out"):
        ours, theirs = ("dst", "src") if around.direction == "in" else ("src", "dst")
        homes = [_span(prefix) for prefix in around.home]
        values.numbers[ours] = _met(values.numbers[ours], homes)
        values.numbers[theirs] = _met(values.numbers[theirs], _outside(homes, BOUNDS[theirs]))
    if not around.ipv6:
        for end in ("src", "dst"):
            _meet(values, end, [V4])
    for atom in atoms:
        if not _apply(atom, values):
            return False
    return _displayable(values, around) and all(values.numbers.values()) and all(
        texts is None or texts - values.excluded.get(name, set()) for name, texts in values.texts.items()
    )


def _displayable(values: _Values, around: Surroundings) -> bool:
    """Whether the atlas knows of addresses that display the countries and ASes that are left."""
    for end in ("src", "dst"):
        ases, countries = values.numbers[f"{end}_as"], values.texts.get(f"{end}_country") or set()
        numbers = [a for a, _ in ases] if all(a == b for a, b in ases) else []
        ruled_out = _none_holds(around.knows_as, numbers) or _none_holds(around.knows_country, countries)
        if end == around.theirs:
            ruled_out = ruled_out or _none_holds(around.is_in, numbers, countries)
            ruled_out = ruled_out or _none_holds(around.displays, values.numbers[end], countries)
        if ruled_out:
            return False
    return True


def _none_holds(holds: Callable[..., bool], *candidates: Collection[Any]) -> bool:
    """Whether none of some combinations holds; not where they are too many to be looked up, or none is named."""
    return 0 < prod(map(len, candidates)) <= MOST_LOOKED_UP and not any(holds(*each) for each in product(*candidates))


def _apply(atom: exp.Expression, values: _Values) -> bool:
    """Narrow the values by an atom; False where it can never hold."""
    negated = isinstance(atom, exp.Not)
    node = _unwrapped(atom.this) if negated else atom
    if isinstance(node, exp.Boolean):
        return bool(node.this) != negated
    if isinstance(node, exp.Null):
        return False
    kind = type(node)
    if kind in TURN:
        return _compared(node, OPPOSITE[kind] if negated else kind, values)
    narrow = NARROWED.get(kind)
    return narrow is None or narrow(node, values, negated)


def _inside(node: exp.Expression, values: _Values, negated: bool) -> bool:
    if node.name.lower() == "inside" and isinstance(node.expressions[0], exp.Column):
        name, span = node.expressions[0].name.lower(), _span(Prefix.parse(node.expressions[1].name))
        _meet(values, name, _outside([span], BOUNDS.get(name, span)) if negated else [span])
    return True


def _between(node: exp.Expression, values: _Values, negated: bool) -> bool:
    if isinstance(node.this, exp.Column) and not negated:
        low, high = (_number(node.this.name.lower(), node.args[end]) for end in ("low", "high"))
        if low is not None and high is not None:
            _meet(values, node.this.name.lower(), [(low, high)])
    return True


def _is_null(node: exp.Expression, values: _Values, negated: bool) -> bool:
    of_column = isinstance(node.expression, exp.Null) and isinstance(node.this, exp.Column)
    return not of_column or negated or node.this.name.lower() not in BOUNDS  # each flow has these


def _compared(node: exp.Expression, kind: Any, values: _Values) -> bool:
    left, right = node.this, node.expression
    if isinstance(right, exp.Column) and not isinstance(left, exp.Column):
        left, right, kind = right, left, TURN[kind]
    if isinstance(left, exp.Literal) and isinstance(right, exp.Literal):
        same = left.name == right.name
        return {exp.EQ: same, exp.NEQ: not same}.get(kind, True)
    if not isinstance(left, exp.Column):
        return True
    name = left.name.lower()
    if name in TEXTS and isinstance(right, exp.Literal):
        if kind in (exp.EQ, exp.NEQ):
            _meet_texts(values, name, {_text(name, right)}, kind is exp.NEQ)
        return True
    if kind is exp.EQ and name in BOUNDS and isinstance(right, exp.Literal) and _is_fraction(right):
        return False
    number = _number(name, right)
    if number is not None:
        wide = 1 << 129
        _meet(values, name, {
            exp.EQ: [(number, number)], exp.NEQ: [(-wide, number - 1), (number + 1, wide)],
            exp.GT: [(number + 1, wide)], exp.GTE: [(number, wide)],
            exp.LT: [(-wide, number - 1)], exp.LTE: [(-wide, number)],
        }[kind])
    return True


def _meet_texts(values: _Values, name: str, texts: set[str], negated: bool) -> None:
    """Leave of a column's texts only some; where `negated` all but these."""
    if negated:
        values.excluded.setdefault(name, set()).update(texts)
    else:
        before = values.texts.get(name)
        values.texts[name] = texts if before is None else texts & before


def _one_of(node: exp.Expression, values: _Values, negated: bool) -> bool:
    literal = all(isinstance(v, exp.Literal) for v in node.expressions)
    if isinstance(node.this, exp.Literal) and literal:
        return any(v.name == node.this.name for v in node.expressions) != negated
    if not isinstance(node.this, exp.Column):
        return True
    name = node.this.name.lower()
    if name in TEXTS and literal:
        _meet_texts(values, name, {_text(name, v) for v in node.expressions}, negated)
    elif not negated:
        numbers = [_number(name, v) for v in node.expressions]
        if all(n is not None for n in numbers):
            _meet(values, name, [(n, n) for n in numbers if n is not None])
    return True


def _like(node: exp.Expression, values: _Values, negated: bool) -> bool:
    if not (isinstance(node.expression, exp.Literal) and node.expression.is_string):
        return True
    name = node.this.name.lower() if isinstance(node.this, exp.Column) else ""
    of_country = name.endswith("_country")
    pattern = _pattern(node.expression.name, any_case=isinstance(node, exp.ILike) or of_country)
    if isinstance(node.this, exp.Literal):
        return bool(pattern.fullmatch(node.this.name)) != negated
    known = values.texts.get(name) or (CODES if of_country else None)
    if name and known is not None:
        values.texts[name] = {text for text in known if bool(pattern.fullmatch(text)) != negated}
    return True


def _pattern(like: str, *, any_case: bool) -> re.Pattern[str]:
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in like)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if any_case else 0))


NARROWED: dict[type[exp.Expression], Callable[[exp.Expression, _Values, bool], bool]] = {
    exp.Anonymous: _inside, exp.Between: _between, exp.Is: _is_null, exp.In: _one_of, exp.Like: _like,
    exp.ILike: _like,
}
"""What narrows the values by an atom of each kind, given whether it is negated."""


def _text(name: str, node: exp.Expression) -> str:
    """A text as the column holds it: countries as codes."""
    try:
        return parse_country(node.name) if name.endswith("_country") else node.name
    except TidegaugeError:
        return node.name


def _is_fraction(node: exp.Literal) -> bool:
    try:
        return not node.is_string and float(node.name) % 1 != 0
    except (ValueError, OverflowError):
        return False


def _number(name: str, node: exp.Expression) -> int | None:
    """A literal beside a column, as a number of that column; None where it is something else."""
    negative = isinstance(node, exp.Neg)
    literal = node.this if negative else node
    if not isinstance(literal, exp.Literal):
        return None
    try:
        if name in ("src", "dst"):
            return int.from_bytes(parse_address(literal.name))
        if name in ("time_start", "time_end"):
            return parse_time(literal.name, now_s=0) if not literal.name.startswith("-") else None
        if name in BOUNDS and literal.is_string:
            return int(count_of(literal.name, name))
        if name in BOUNDS and float(literal.name) == int(float(literal.name)):
            return -int(float(literal.name)) if negative else int(float(literal.name))
    except (TidegaugeError, ValueError, OverflowError):
        return None
    return None


def _span(prefix: Prefix) -> Interval:
    return int.from_bytes(prefix.first), int.from_bytes(prefix.last)


def _meet(values: _Values, name: str, given: list[Interval]) -> None:
    if name in values.numbers:
        values.numbers[name] = _met(values.numbers[name], given)


def _met(some: list[Interval], others: list[Interval]) -> list[Interval]:
    return [(max(a, c), min(b, d)) for a, b in some for c, d in others if max(a, c) <= min(b, d)]


def _outside(spans: list[Interval], whole: Interval) -> list[Interval]:
    left, begin = [], whole[0]
    for first, last in sorted(spans):
        if first > begin:
            left.append((begin, first - 1))
        begin = max(begin, last + 1)
    return [*left, (begin, whole[1])] if begin <= whole[1] else left
