"""STIX 2 bundles to rows: patterns of indicators, and observed addresses, names, links and connections."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from tidegauge.watch.rows import (
    APART,
    BOTH_ENDS,
    COMPARED,
    LONELY_PORT,
    MALFORMED,
    NARROWED,
    NOT_SHOWN,
    OF_ADDRESS,
    OF_PROTOCOL,
    TOGETHER,
    TOO_MANY,
    WIDER,
    Left,
    Row,
)

MOST_ALTERNATIVES = 10_000
NO_CONDITION = {"type", "is_active"}
"""Properties that say of which form the others are, or what flows of an address show anyway."""
ANY_PROTOCOL = {"ip", "ipv4", "ipv6"}
ENDS = {"src_ref": "src", "dst_ref": "dst", "src_port": "src", "dst_port": "dst"}
HEADERS = ("http-request-ext", "request_header", "Host")
NETWORK = re.compile(r"\b(ipv[46]-addr|domain-name|hostname|url|autonomous-system|network-traffic|process)\b")
TYPE = re.compile(r"([a-z0-9-]{1,40}):")
OBSERVED = ("ipv4-addr", "ipv6-addr", "domain-name", "hostname", "url", "autonomous-system")
TELLING = frozenset(
    "bundle identity marking-definition extension-definition language-content relationship sighting report grouping"
    " note opinion campaign intrusion-set threat-actor attack-pattern course-of-action malware malware-analysis tool"
    " vulnerability location observed-data".split()
)
"""Objects that tell of others and hold nothing to watch themselves."""
SHOWN = 60
"""Characters of a pattern that could not be read, to find it by."""
DEPTH = 20_000
"""A pattern of hundreds of addresses is a tree of thousands of nodes, one below the other."""


@dataclass(frozen=True)
class _Term:
    """One comparison that flows can show: `kind` as in `Row`, or `port`; `end` of the connection, where it says so."""

    kind: str
    value: str
    end: str = ""


@dataclass(frozen=True)
class _Case:
    """One way in which a pattern can match: terms that hold together, and conditions that flows cannot show."""

    terms: tuple[_Term, ...] = ()
    unused: tuple[Left, ...] = ()
    start: str = ""
    end: str = ""


class _TooMany(Exception):
    """A pattern with more cases than can be watched."""


def is_stix(document: Any) -> bool:
    """Whether JSON is a bundle, an envelope, a list of STIX objects, or one object."""
    if isinstance(document, list):
        return any(_is_object(one) for one in document[:100])
    return isinstance(document, dict) and (
        document.get("type") == "bundle" or isinstance(document.get("objects"), list) or _is_object(document)
    )


def _is_object(one: Any) -> bool:
    """Whether something has a STIX type and identifier, or is a pattern."""
    if not isinstance(one, dict) or not isinstance(one.get("type"), str):
        return False
    return str(one.get("id", "")).startswith(f"{one['type']}--") or isinstance(one.get("pattern"), str)


def stix_rows(document: Any) -> Iterator[Row | Left]:
    """Yield what flows can show of STIX objects; what was revoked is none."""
    entries = list(_objects(document))
    objects = _newest([one for one in entries if isinstance(one, dict)])
    if unread := sum(not isinstance(one, dict) for one in entries):
        yield from [Left("entry", "not a STIX object")] * unread
    named = {str(one["id"]): one for one in objects if "id" in one}
    links = [one for one in objects if one.get("type") == "network-traffic" and not _true(one.get("revoked"))]
    connected = {str(one.get(ref)) for one in links for ref in ("src_ref", "dst_ref")}
    narrowed = {str(one.get("dst_ref")) for one in links if one.get("dst_port")}
    context = {str(ref) for one in objects for ref in _listed(one.get("belongs_to_refs"))}
    for one in objects:
        kind = str(one.get("type"))
        if kind not in ("indicator", "network-traffic", *OBSERVED):
            if kind not in TELLING:
                yield Left(f"STIX {kind[:40]}", NOT_SHOWN)
            continue
        if _true(one.get("revoked")):
            yield Left(f"STIX {kind}", "revoked")
        elif kind == "indicator":
            yield from _indicator(one)
        elif kind == "network-traffic":
            yield from _connection(one, named)
        elif str(one.get("id")) in context:
            yield Left(f"STIX {kind}", OF_ADDRESS)
        elif str(one.get("id")) not in connected:
            yield from _observed(one, "")
        elif str(one.get("id")) in narrowed:
            yield Left(f"STIX {kind}", NARROWED)


def _true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _newest(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of several versions of one object the one that was modified last (STIX 2.1, section 3.6)."""
    last: dict[str, str] = {}
    for one in objects:
        name = str(one.get("id", ""))
        if name and _modified(one) > last.get(name, ""):
            last[name] = _modified(one)
    return [one for one in objects if _modified(one) >= last.get(str(one.get("id", "")), "")]


def _modified(one: dict[str, Any]) -> str:
    """When an object was modified, with as many digits of a second as any has."""
    whole, _, digits = str(one.get("modified", "")).removesuffix("Z").partition(".")
    return f"{whole}.{digits[:9]:0<9}" if whole else ""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(document: Any) -> Iterator[Any]:
    """All objects, those of bundles in lists and those inside observed data among them."""
    if isinstance(document, list):
        for one in document:
            yield from _objects(one)
        return
    if not isinstance(document, dict):
        yield document
        return
    held = document.get("objects")
    if isinstance(held, list):
        for one in held:
            yield from _objects(one)
    elif isinstance(held, dict) and document.get("type") == "observed-data":
        # Identifiers count within one such object (STIX 2.0).
        own = str(document.get("id"))
        for name, one in held.items():
            if isinstance(one, dict):
                refs = {ref: f"{own} {one[ref]}" for ref in ("src_ref", "dst_ref") if ref in one}
                revoked = {"revoked": True} if document.get("revoked") is True else {}
                yield {**one, **refs, **revoked, "id": f"{own} {name}"}
    else:
        yield document


def _observed(one: dict[str, Any], far_port: str) -> Iterator[Row | Left]:
    """An observed address, name, link or AS."""
    kind = str(one.get("type"))
    value = one.get("number") if kind == "autonomous-system" else one.get("value")
    if kind in OBSERVED and isinstance(value, str | int) and value and not isinstance(value, bool):
        yield Row(_kind(kind), str(value), far_port=far_port)
    else:
        yield Left(f"STIX {kind}", "it has no value that could be watched")


def _connection(one: dict[str, Any], named: dict[str, dict[str, Any]]) -> Iterator[Row | Left]:
    """An observed connection: its destination at its port; its source, whose port is another one each time."""
    for ref, port in (("dst_ref", one.get("dst_port")), ("src_ref", None)):
        there = named.get(str(one.get(ref)))
        if there is not None:
            text = str(port or "")
            yield from _observed(there, text if text.isdigit() and int(text) else "")
        elif ref in one:
            yield Left("STIX network-traffic", f"its {ref} is not in the file")
    if "dst_ref" not in one and "src_ref" not in one:
        yield Left("STIX network-traffic", LONELY_PORT if one.get("dst_port") else "it names no address")


def _kind(name: str) -> str:
    """The kind of row for a type of STIX object."""
    return {"domain-name": "domain", "hostname": "host", "url": "url", "autonomous-system": "as"}.get(name, "host")


def _indicator(one: dict[str, Any]) -> Iterator[Row | Left]:
    language = str(one.get("pattern_type") or "stix").lower()
    said = {
        str(word).lower() for key in ("indicator_types", "labels")
        for word in (one[key] if isinstance(one.get(key), list) else [one.get(key)])
    }
    if language != "stix":
        yield Left(f"{language[:20]} rule", "not a STIX pattern")
    elif not isinstance(one.get("pattern"), str):
        yield Left("STIX indicator", "it has no pattern")
    elif said & {"benign", "allowlist", "whitelist"}:
        yield Left("STIX indicator", "it marks what is benign")
    else:
        start, end = str(one.get("valid_from") or ""), str(one.get("valid_until") or "")
        yield from pattern_rows(one["pattern"], start, end)


def pattern_rows(pattern: str, start: str = "", end: str = "") -> Iterator[Row | Left]:
    """Yield what flows can show of a pattern (STIX 2.1, section 9); each way to match it is a row of its own.

    Args:
        start, end: when the indicator is valid.
    """
    if not NETWORK.search(pattern):
        yield Left(f"STIX {_first(TYPE.findall(pattern)) or 'pattern'}", NOT_SHOWN)
        return
    from antlr4.error.Errors import ParseCancellationException
    from stix2patterns.exceptions import ParseException
    try:
        # The library shows its tree to visitors alone.
        with _deep():
            cases = _parsed(pattern).visit(_Root())
    except (ParseException, ParseCancellationException, RecursionError):
        yield Left("STIX pattern", f"{MALFORMED}, such as {pattern[:SHOWN]}")
        return
    except _TooMany:
        yield Left("STIX pattern", f"{TOO_MANY} {MOST_ALTERNATIVES:,} ways")
        return
    said: set[Left] = set()
    for case in cases:
        for row in _rows(replace(case, start=max(case.start, start), end=min(case.end or end, end or case.end))):
            if isinstance(row, Left) and row.why.endswith(WIDER):  # once a pattern, however many ways it can match
                if row in said:
                    continue
                said.add(row)
            yield row


@contextmanager
def _deep() -> Iterator[None]:
    """Room for trees as deep as long patterns make them."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _parsed(pattern: str) -> Any:
    """The tree of a pattern of STIX 2.1, or of 2.0, which writes times as texts."""
    from stix2patterns.exceptions import ParseException
    from stix2patterns.v21.pattern import Pattern

    try:
        return Pattern(pattern)
    except ParseException:
        return Pattern(re.sub(r"\b(START|STOP) '", r"\1 t'", pattern))


class _Root:
    """A visitor that takes the tree as a whole."""

    def visit(self, tree: Any) -> list[_Case]:
        return _cases(tree)


def _cases(node: Any) -> list[_Case]:
    """The cases of a part of the tree."""
    name = type(node).__name__.removesuffix("Context")
    parts = [child for child in node.getChildren() if child.getChildCount()]
    if name.startswith("PropTest") and name != "PropTestParen":
        return _comparison(node)
    if name == "ComparisonExpressionAnd" and len(parts) == 2:
        return _together(_cases(parts[0]), _cases(parts[1]))
    if name == "ObservationExpressionStartStop":
        start, stop = (t.getText()[2:-1] for t in parts[1].getChildren() if t.getText().startswith("t'"))
        return [replace(c, start=max(c.start, start), end=min(c.end or stop, stop)) for c in _cases(parts[0])]
    # Whatever joins observations, each of them is watched.
    cases = _bounded([case for part in parts for case in _cases(part)])
    if name in ("ObservationExpressionWithin", "ObservationExpressionRepeated") or (
        len(parts) > 1 and name in ("ObservationExpressionAnd", "ObservationExpressions")
    ):
        return [replace(case, unused=(*case.unused, Left("STIX pattern", APART))) for case in cases]
    return cases


def _bounded(cases: list[_Case]) -> list[_Case]:
    if len(cases) > MOST_ALTERNATIVES:
        raise _TooMany
    return cases


def _together(left: list[_Case], right: list[_Case]) -> list[_Case]:
    if len(left) * len(right) > MOST_ALTERNATIVES:
        raise _TooMany
    return [replace(a, terms=a.terms + b.terms, unused=a.unused + b.unused) for a, b in product(left, right)]


def _comparison(node: Any) -> list[_Case]:
    """The cases of one comparison."""
    path = node.getChild(0)
    if not path.getChildCount() or ":" not in path.getText():  # EXISTS path
        return [_Case(unused=(Left("STIX condition EXISTS", "not used"),))]
    kind, _, rest = path.getText().partition(":")
    steps = [step.strip("'\"") for step in re.sub(r"\[(\*|\d+)\]", "", rest).split(".")]
    words = [child.getText() for child in list(node.getChildren())[1:]]
    operator, literal = " ".join(words[:-1]), node.getChild(node.getChildCount() - 1)
    place = _place(kind, steps)
    if place is None and kind == "network-traffic" and steps[-1] == "protocols":
        said = {_plain(text).lower() for text in _literals(literal)}
        return [_Case() if said <= ANY_PROTOCOL else _Case(unused=(Left("STIX protocol", OF_PROTOCOL),))]
    if place is None:
        return [_Case() if steps[-1] in NO_CONDITION else _Case(unused=(Left(f"STIX {kind}", NOT_SHOWN),))]
    if {"NOT", "!=", "<>"} & set(operator.split()):
        return [_Case(unused=(Left(f"STIX {kind}", "negated: it says what is not meant"),))]
    values = _values(place[0], operator, literal)
    if not values:
        return [_Case(unused=(Left(f"STIX {kind}", f"{COMPARED} {operator}, which flows cannot be searched by"),))]
    return _bounded([_Case((_Term(place[0], value, place[1]),)) for value in values])


def _values(kind: str, operator: str, literal: Any) -> list[str]:
    """The values that a comparison allows; none where flows cannot be searched by it."""
    values = [_plain(text) for text in _literals(literal)]
    if operator == "LIKE":
        values = [_like_link(value) if kind == "url" else _like(value) for value in values]
    return values if operator in ("=", "==", "IN", "LIKE", "ISSUBSET") and all(values) else []


def _place(kind: str, steps: list[str]) -> tuple[str, str] | None:
    """What a property is to flows: the kind of a row or `port`, and the end of the connection; None where nothing."""
    last = steps[-1]
    if kind in ("ipv4-addr", "ipv6-addr", "domain-name", "hostname", "url") and steps == ["value"]:
        return _kind(kind), ""
    if kind == "domain-name" and steps == ["resolves_to_refs", "value"]:
        return "host", ""
    if last == "number" and (kind == "autonomous-system" or "belongs_to_refs" in steps):
        return "as", ENDS.get(steps[0], "")
    if kind == "process" and steps[0] == "opened_connection_refs":
        return _place("network-traffic", steps[1:]) if len(steps) > 1 else None
    return _of_traffic(steps) if kind == "network-traffic" else None


def _of_traffic(steps: list[str]) -> tuple[str, str] | None:
    """The same for a property of `network-traffic`."""
    if steps[0] in ("src_ref", "dst_ref") and steps[-1] == "value":
        return "host", ENDS[steps[0]]
    if steps in (["src_port"], ["dst_port"]):
        return "port", ENDS[steps[0]]
    return ("host", "dst") if tuple(steps[1:]) == HEADERS else None


def _literals(node: Any) -> Iterator[str]:
    """The literals of a comparison: one, or those of a set."""
    if type(node).__name__ == "SetLiteralContext":
        for child in node.getChildren():
            if child.getText() not in ("(", ",", ")"):
                yield child.getText()
    else:
        yield node.getText()


def _plain(literal: str) -> str:
    """A literal's value: of a text without its quotes."""
    if literal[:1] == "'":
        return literal[1:-1].replace("\\'", "'").replace("\\\\", "\\")
    return literal


def _like(pattern: str) -> str:
    """A `LIKE` that only says "ends with this name", as a name with all below it; empty where it says more.

    >>> _like("%.evil.example"), _like("evil.example"), _like("ev%l.example")
    ('*.evil.example', 'evil.example', '')
    """
    rest = pattern.removeprefix("%.")
    if "%" in rest or "_" in rest:
        return ""
    return f"*.{rest}" if rest != pattern else rest


def _like_link(pattern: str) -> str:
    """A `LIKE` of links whose host is told in full, as the link to the host; empty where it is not.

    >>> _like_link("http://evil.example/%"), _like_link("http://%.example/a")
    ('http://evil.example/', '')
    """
    match = re.match(r"[a-z]+://[^/%_]+(?=/|$)", pattern)
    return f"{match[0]}/" if match else ""


def _rows(case: _Case) -> Iterator[Row | Left]:
    """The rows of one case; a port belongs to the address of its own end, else to that of the other."""
    targets = [term for term in case.terms if term.kind != "port"]
    ports = [term for term in case.terms if term.kind == "port"]
    if not targets:
        yield from case.unused or [Left("STIX network-traffic", LONELY_PORT)]
        return
    why = BOTH_ENDS if len({term.kind for term in targets}) == 1 else TOGETHER
    both = (Left("STIX pattern", why),) if len({term.value for term in targets}) > 1 else ()
    for left in (*case.unused, *both):
        yield Left(left.what, f"{left.why}; {WIDER}")
    ends = {term.end for term in targets}
    for term in dict.fromkeys(targets):
        yield Row(term.kind, term.value, case.start, case.end, *_ports_of(term, ports, ends))


def _ports_of(term: _Term, ports: list[_Term], ends: set[str]) -> tuple[str, str]:
    """The port of an address, and that of the other end, of those that stand beside addresses of some ends."""
    own = [p for p in ports if p.end == term.end or (not term.end and p.end not in ends - {""})]
    # Of an address that may be at either end it is the port that it is called at.
    far = _first(p.value for p in sorted(own, key=lambda p: p.end == "src"))
    return far, "" if far else _first(p.value for p in ports if term.end and p.end != term.end and p.end not in ends)


def _first(values: Iterable[str]) -> str:
    return next(iter(values), "")
