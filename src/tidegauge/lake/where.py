"""`--where`: a boolean SQL expression over the flow columns, parsed, checked against an allow-list and rebuilt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import sqlglot
from sqlglot import exp

from tidegauge.lake.columns import ADDRESS, CLASS, COLUMNS, COUNTRY, COUNTS, TIME, VIRTUAL, meant_columns
from tidegauge.model import (
    PROTOCOLS,
    Prefix,
    UsageError,
    class_bit,
    parse_address,
    parse_country,
    parse_time,
)

LONGEST = 20_000
ALLOWED: tuple[type[exp.Expression], ...] = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In,
    exp.Is, exp.Null, exp.Boolean, exp.Like, exp.ILike, exp.Column, exp.Identifier, exp.Literal, exp.Neg,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.BitwiseAnd, exp.BitwiseOr,
)
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.BitwiseAnd, exp.BitwiseOr, exp.Neg)
LOGIC = (exp.And, exp.Or, exp.Not)
MOST_CONDITIONS = 400


def compile_where(text: str, *, now_s: int) -> str:
    """SQL for DuckDB from what a user typed.

    >>> compile_where("dst_port = 443 AND src = '192.0.2.1'", now_s=0)
    '"dst_port" = 443 AND "src" = UNHEX(\\'00000000000000000000ffffc0000201\\')'

    Raises:
        UsageError: it is not a boolean expression over flow columns, or uses anything that is not allowed.
    """
    if len(text) > LONGEST:
        raise UsageError(f"--where is longer than {LONGEST} characters")
    if len(re.findall(r"\b(?:and|or)\b", text, re.IGNORECASE)) > MOST_CONDITIONS:
        raise UsageError(f"more than {MOST_CONDITIONS} conditions", hint="far_port IN (80, 443), or --from @FILE")
    try:
        statements = sqlglot.parse(text, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        at = re.search(r"Line (\d+), Col: (\d+)", str(error))
        place = f" at line {at[1]}, column {at[2]}" if at else ""
        raise UsageError(
            f"Invalid --where: syntax error{place}.", where=repr(text[:80]),
            hint="Use a boolean SQL expression, such as dst_port = 443 AND far_country = 'KP'.",
        ) from None
    if len(statements) != 1 or statements[0] is None:
        raise UsageError("--where takes one expression", where=repr(text[:80]))
    try:
        tree = cast(exp.Expression, statements[0])
        rebuilt = _rebuild(tree, now_s)
        if (kind := _kind(tree)) != "condition":
            raise UsageError(f"not a condition but {kind}", where=repr(text[:80]), hint="dst_port = 443")
        return rebuilt.sql(dialect="duckdb")
    except RecursionError:
        raise UsageError("--where is nested too deeply", where=repr(text[:80])) from None


def _parsed(text: str) -> exp.Expression:
    """An expression that `compile_where` has taken."""
    return cast(exp.Expression, sqlglot.parse_one(text, read="duckdb"))


def classes_in(text: str) -> list[str]:
    """Return the classes that a condition names.

    >>> classes_in("is_class(far_class, 'vpn') AND dst_port = 443")
    ['vpn']
    """
    if "is_class" not in text.lower():
        return []
    calls = [node for node in _parsed(text).find_all(exp.Anonymous) if node.name.lower() == "is_class"]
    return list(dict.fromkeys(call.expressions[1].name for call in calls))


def is_intricate(text: str) -> bool:
    """Whether a condition calculates, compares columns with one another or sets of classes with numbers: whether any
    flow can meet it is not to be told from it."""
    tree = _parsed(text)
    return any(tree.find_all(*ARITHMETIC)) or any(
        sum(isinstance(part, exp.Column) for part in _children(node)) > 1
        or not list(node.find_all(exp.Literal))
        or any(column.name.lower() in CLASS for column in node.find_all(exp.Column))
        for node in cast(Iterator[exp.Expression], tree.find_all(*COMPARISONS))
    )


def columns_in(text: str) -> set[str]:
    """Return the names of the columns in a condition."""
    return {column.name.lower() for column in _parsed(text).find_all(exp.Column)}


def _rebuild(node: exp.Expression, now_s: int) -> exp.Expression:
    if isinstance(node, exp.Anonymous):
        return _function(node)
    if not isinstance(node, ALLOWED):
        raise UsageError(
            f"not allowed in --where: {node.sql(dialect='duckdb')[:60]!r}",
            hint="comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, arithmetic, inside(src, P), is_class(src_class, C)",
        )
    if isinstance(node, exp.Column):
        return _column(node)
    if isinstance(node, exp.In) and any(map(node.args.get, ("query", "unnest", "field"))):
        raise UsageError("not allowed in --where: IN takes a list of values")
    beside = {v.name.lower() for v in _children(node) if isinstance(v, exp.Column)}
    if isinstance(node, exp.Is) and isinstance(node.this, exp.Column) and node.this.name.lower() in COUNTRY:
        return _unknown_country(node.this)
    if isinstance(node, exp.Like | exp.ILike) and isinstance(node.expression, exp.Literal):
        pattern = node.expression.name.upper() if beside & COUNTRY else node.expression.name  # codes are in capitals
        return type(node)(this=_rebuild(node.this, now_s), expression=exp.Literal.string(pattern))
    compared, within = beside if isinstance(node, COMPARISONS) else set(), isinstance(node, ARITHMETIC)

    def operand(value: Any) -> Any:
        return _operand(value, compared, now_s, within=within) if isinstance(value, exp.Expression) else value

    copy = node.copy()
    for name, value in list(copy.args.items()):
        copy.set(name, list(map(operand, value)) if isinstance(value, list) else operand(value))
    return copy


def _unknown_country(column: exp.Column) -> exp.Expression:
    """The condition that a country is not known: none, or the code that stands for that."""
    unknown = exp.EQ(this=_column(column), expression=exp.Literal.string("ZZ"))
    return exp.Paren(this=exp.Or(this=exp.Is(this=_column(column), expression=exp.Null()), expression=unknown))


def _children(node: exp.Expression) -> list[exp.Expression]:
    found: list[exp.Expression] = []
    for value in node.args.values():
        found += [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, exp.Expression)]
    return found


def _operand(node: exp.Expression, columns: set[str], now_s: int, *, within: bool = False) -> exp.Expression:
    """A literal beside an address, a time or a country is read as one.

    Args:
        within: it is a part of a calculation.
    """
    if isinstance(node, exp.Literal) and not node.is_string and within:
        return exp.cast(node.copy(), "DOUBLE" if "." in node.name or "e" in node.name.lower() else "HUGEINT")
    if isinstance(node, exp.Literal) and node.is_string and (read := _text_beside(columns, node.name, now_s)):
        return read
    if isinstance(node, exp.Identifier):
        return node
    rebuilt = _rebuild(node, now_s)
    if isinstance(node, exp.Column) and node.name.lower() in COUNTS and within:
        return exp.cast(rebuilt, "HUGEINT")  # the difference of two ports is no port
    return rebuilt


def _text_beside(columns: set[str], text: str, now_s: int) -> exp.Expression | None:
    """A text beside columns as what they hold; None where that is text."""
    if columns & ADDRESS:
        if "/" in text:
            raise UsageError(f"a prefix, not an address: {text[:60]!r}", hint="inside(far, '192.0.2.0/24')")
        return _blob(parse_address(text))
    if columns & TIME:
        seconds = parse_time(text, now_s=now_s)
        return exp.Anonymous(this="make_timestamptz", expressions=[exp.Literal.number(seconds * 1_000_000)])
    if columns & COUNTRY:  # a code that there is not would match nothing, which reads like a no
        return exp.Literal.string(parse_country(text))
    counts = columns & COUNTS
    return exp.Literal.number(count_of(text, min(counts))) if counts else None


def _kind(node: exp.Expression) -> str:
    """What an expression is: `condition`, or the kind of its values.

    Raises:
        UsageError: its parts do not go together.
    """
    if isinstance(node, exp.Paren):
        return _kind(node.this)
    if isinstance(node, exp.Boolean | exp.Anonymous):
        return "condition"
    if isinstance(node, exp.Null):
        return "nothing"
    if isinstance(node, exp.Column):
        return _kind_of_column(node.name.lower())
    if isinstance(node, exp.Literal):
        return _kind_of_literal(node)
    kinds = [_kind(part) for part in _children(node)]
    if isinstance(node, ARITHMETIC):
        _check_arithmetic(node, kinds)
        return "number"
    if isinstance(node, LOGIC) and set(kinds) != {"condition"}:
        raise UsageError("AND, OR and NOT join conditions", where=repr(node.sql(dialect="duckdb")[:80]))
    if isinstance(node, exp.Like | exp.ILike):
        if kinds != ["name", "text"]:
            raise UsageError("LIKE compares a name with a text", where=repr(node.sql(dialect="duckdb")[:80]),
                             hint="inside(far, '192.0.2.0/24') for addresses, = or IN for numbers")
    elif isinstance(node, COMPARISONS):
        _check_comparison(node, kinds)
    return "condition"


def _kind_of_literal(node: exp.Literal) -> str:
    if not node.is_string and len(node.name) > 40:
        raise UsageError(f"a number too large: {node.name[:40]}")
    return "text" if node.is_string else "number"


def _check_arithmetic(node: exp.Expression, kinds: list[str]) -> None:
    if set(kinds) != {"number"}:
        raise UsageError("only numbers can be calculated with", where=repr(node.sql(dialect="duckdb")[:80]))
    divisor = node.expression if isinstance(node, exp.Div | exp.IntDiv | exp.Mod) else None
    if isinstance(divisor, exp.Literal) and not float(divisor.name):
        raise UsageError("nothing can be divided by 0", where=repr(node.sql(dialect="duckdb")[:80]))


def _check_comparison(node: exp.Expression, kinds: list[str]) -> None:
    shown = repr(node.sql(dialect="duckdb")[:80])
    if "nothing" in kinds:
        raise UsageError("nothing equals NULL", where=shown, hint="IS NULL or IS NOT NULL")
    columns = {kind for kind in kinds if kind != "text"}
    if len(columns) > 1 or "condition" in columns:
        raise UsageError(f"{' and '.join(sorted(set(kinds)))} cannot be compared", where=shown)


def _kind_of_column(name: str) -> str:
    if name in ADDRESS:
        return "address"
    if name in TIME:
        return "time"
    return "number" if name in COUNTS else "name"


def count_of(text: str, column: str) -> str:
    """Return a text beside a column of whole numbers as the number that is meant.

    >>> count_of("tcp", "proto")
    '6'

    Raises:
        UsageError: it means none.
    """
    if column == "proto" and text.lower() in PROTOCOLS:
        return str(PROTOCOLS[text.lower()])
    bare = text.upper().removeprefix("AS").strip() if column.endswith("_as") else text.strip()
    if bare.isascii() and bare.isdigit():
        return str(int(bare))
    if column in CLASS:
        raise UsageError(f"{column} holds a set of classes, not a text: {text[:40]!r}",
                         hint=f"is_class({column}, 'tor-exit')")
    hint = f"a number or one of {', '.join(PROTOCOLS)}" if column == "proto" else "a whole number"
    raise UsageError(f"{column} is a number, not a text: {text[:40]!r}", hint=hint)


def _column(node: exp.Column) -> exp.Expression:
    name = node.name.lower()
    if name not in COLUMNS or node.table:
        raise UsageError(f"no such flow column: {node.sql()!r}", hint=meant_columns(name))
    if name in VIRTUAL:
        return exp.Paren(this=sqlglot.parse_one(VIRTUAL[name], read="duckdb"))
    return exp.column(name, quoted=True)


def _function(node: exp.Anonymous) -> exp.Expression:
    name, arguments = node.name.lower(), node.expressions
    takes = {"inside": ADDRESS, "is_class": CLASS}.get(name)
    if takes is None:
        raise UsageError(
            f"no such function in --where: {node.name}",
            hint="inside(src, '192.0.2.0/24'), is_class(src_class, 'vpn')",
        )
    if (
        len(arguments) != 2
        or not isinstance(arguments[0], exp.Column)
        or arguments[0].name.lower() not in takes
        or not (isinstance(arguments[1], exp.Literal) and arguments[1].is_string)
    ):
        raise UsageError(f"{name}() takes one of {', '.join(sorted(takes))} and a text", where=repr(node.sql()))
    column = _column(arguments[0])
    if name == "is_class":
        bit = exp.Literal.number(class_bit(arguments[1].name))
        masked = exp.Paren(this=exp.BitwiseAnd(this=column, expression=bit))
        return exp.Paren(this=exp.NEQ(this=masked, expression=exp.Literal.number(0)))
    prefix = Prefix.parse(arguments[1].name)
    return exp.Paren(this=exp.Between(this=column, low=_blob(prefix.first), high=_blob(prefix.last)))


def _blob(packed: bytes) -> exp.Expression:
    return exp.Anonymous(this="UNHEX", expressions=[exp.Literal.string(packed.hex())])
