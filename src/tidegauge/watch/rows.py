"""What a file of indicators says, before it is checked: a row for each thing to watch, and each thing left out."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from tidegauge.model import TidegaugeError, parse_address


@dataclass(frozen=True)
class Row:
    """One thing to watch, as text.

    Attributes:
        kind: one of `KINDS`, or `host` (a name or an address), or `url`.
        start, end: for which time it holds; empty for an open end.
        far_port, home_port: as in `Indicator`; empty for every port.
        note: what the file says besides, such as the path of a link.
    """

    kind: str
    value: str
    start: str = ""
    end: str = ""
    far_port: str = ""
    home_port: str = ""
    note: str = ""


@dataclass(frozen=True)
class Left:
    """Something that is not watched, or a condition that is not used, and why."""

    what: str
    why: str


MALFORMED, COMPARED, TOO_MANY, NO_VALUE = "malformed", "compared by", "it can match in more than", "neither an address"
NO_PORT = "not a port: its address is watched at every port"
NARROWED = "a connection in the file names its port: it is watched at that port alone"
OTHER_END = "of the other end than the address: that is watched at every port"
LONELY_PORT = "a port without an address would match every host: --port takes it all the same"
NOT_SHOWN = "flows do not show it: it holds no address, name or AS"
NO_TITLE = "no title says that it is a port: its address is watched at every port"
OF_ADDRESS = "the AS or name that an address belongs to is no indicator by itself"
OF_NETWORK = "the network that an address belongs to is no indicator by itself"
NO_TITLES = "titles that are not known: cells are taken by what they hold"
NO_HOST = "the address of no host: lists write it before names, or to stand for none"
WIDER = "the rest of its pattern is watched without it"
"""How the reasons end of conditions that are not used: more is watched than the pattern means."""
OF_PROTOCOL = "traffic of every protocol is watched"
APART = "that it has to be seen together with something else, or again, is not used"
BOTH_ENDS = "that two addresses have to be the ends of one connection is not used"
TOGETHER = "that a name and an address have to belong together is not used"
PROPOSED = "a proposal that nobody has accepted"
MEANT_NOT = (
    "revoked", "deleted", "to_ids is false", "expired", "it marks what is benign", NOT_SHOWN.split(":")[0],
    "not used", "the port of our end", "the source port of a connection", "none of its columns", OF_ADDRESS,
    OF_NETWORK, NO_TITLES, NARROWED, NO_PORT, NO_TITLE, OTHER_END, LONELY_PORT, NO_HOST, PROPOSED,
)
"""How the reasons begin of what is left out as it was meant, or that loses no address; all others were not read."""


def refanged(text: str) -> str:
    """Return a value that was written so that nobody follows it by accident, as it is.

    >>> refanged("hxxps://evil[.]example/a")
    'https://evil.example/a'
    """
    text = re.sub(r"\[\.\]?|\(\.\)|\{\.\}|[\[({]dot[\])}]", ".", text.strip(), flags=re.IGNORECASE)
    text = text.replace("[:]", ":").replace("[://]", "://")
    if enclosed := re.fullmatch(r"<([^<>]+)>|\[([\d.]+(?:/\d+)?)\]", text):
        text = enclosed[1] or enclosed[2]
    return re.sub(r"^(hxxp|hxtp|htxp|meow)(s?)(?=://)", r"http\2", text, flags=re.IGNORECASE)


def settled(row: Row) -> Iterator[Row | Left]:
    """Yield a row of one of `KINDS`: a link becomes its host, a host a prefix or a domain."""
    value = refanged(row.value)
    if row.kind == "url":
        yield from _link(row, value)
    elif row.kind in ("host", "domain", "prefix"):
        yield from _host(row, value)
    else:
        yield replace(row, value=value)


def _host(row: Row, value: str) -> Iterator[Row | Left]:
    """A name, an address, a prefix, or one of them with its port, whatever the file calls it."""
    several = re.split(r"[,;|\s]+", value)
    if len(several) > 1 and all(map(is_address, several)):
        for one in several:
            yield from _host(row, one)
        return
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})", value)
    if match and not row.far_port:
        value, row = match[1].strip("[]"), replace(row, far_port=match[2])
    if prefixes := range_of(value):
        yield from (replace(row, kind="prefix", value=prefix) for prefix in prefixes)
        return
    if "/" in value and is_address(value):
        value = _network(value.rstrip("/"))
    yield replace(row, kind="prefix" if is_address(value) else "domain", value=value)


def range_of(text: str) -> list[str]:
    """The prefixes of a range of addresses, `first-last`; none where the text is no range.

    >>> range_of("192.0.2.4 - 192.0.2.7"), range_of("192.0.2.1-2")
    (['192.0.2.4/30'], ['192.0.2.1/32', '192.0.2.2/32'])
    """
    text = re.sub(r"^((?:\d+\.){3})(\d+)\s*-\s*(\d{1,3})$", r"\1\2-\1\3", text)  # the last number of a range alone
    ends = re.fullmatch(r"([0-9a-fA-F:.]+)\s*-\s*([0-9a-fA-F:.]+)", text)
    if not ends:
        return []
    try:
        first, last = (ipaddress.ip_address(end) for end in ends.groups())
        return [str(network) for network in ipaddress.summarize_address_range(first, last)]
    except (ValueError, TypeError):
        return []


def _network(text: str) -> str:
    """A prefix without the bits behind its length, which senders often leave; the text itself where it is none."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def _link(row: Row, link: str) -> Iterator[Row | Left]:
    try:
        parts = urlsplit(link if "://" in link else f"//{link}")
        host = parts.hostname
    except ValueError:
        host = None
    try:
        port = parts.port if host else None
    except ValueError:
        port = None  # a port that is none leaves the host
    if not host:
        yield Left("url", "it names no host")
        return
    kind = "prefix" if is_address(host) else "domain"
    given = row.far_port or (str(port) if port else "")
    yield replace(row, kind=kind, value=host, far_port=given, note=link[:300])


def is_address(text: str) -> bool:
    """Whether a text is an address or a prefix."""
    try:
        parse_address(text.split("/")[0])
    except TidegaugeError:
        return False
    return True
