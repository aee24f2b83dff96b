"""The formats by name: what each is, how it is recognised, and how it is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tidegauge.atlas.sources import lists, location, mrt, registry, tor, updates
from tidegauge.atlas.statements import Parsed
from tidegauge.model import InputError, UsageError, class_bit
from tidegauge.wire import Stream, damage_named, open_stream

Kind = Literal["facts", "geofeed", "location", "embedded", "registry", "routing", "updates", "list"]
PEEK = 16 << 10


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        kind: what its statements are used for; `list` gives classes, `routing` ASes, the others countries (and ASes).
        rank: among sources of about the same age the lowest rank decides the displayed country.
        licence: of what is usually published in it.
        where: where it is published.
    """

    name: str
    kind: Kind
    rank: int
    what: str
    licence: str
    where: str = ""
    classes: int = 0
    read: Callable[[Stream], Parsed] | None = None


PUBLISHER = "the publisher's"
FORMATS = {f.name: f for f in (
    Format("delegated", "registry", 5, "RIR delegated and delegated-extended files", "free with attribution (NRO)",
           "https://ftp.ripe.net/pub/stats/", read=registry.read_delegated),
    Format("rpsl", "registry", 4, "registry dumps: inetnum, inet6num, route, route6, aut-num", "RIPE database terms",
           "https://ftp.ripe.net/ripe/dbase/split/", read=registry.read_rpsl),
    Format("geofeed", "geofeed", 1, "RFC 8805: where a network says its addresses are used", PUBLISHER,
           read=location.read_geofeed),
    Format("mrt", "routing", 0, "table dumps of RouteViews and RIPE RIS", "CC-BY-4.0 (Route Views); RIPE NCC terms",
           "https://archive.routeviews.org/", read=mrt.read_table),
    Format("mrt-updates", "updates", 0, "update messages of RouteViews and RIPE RIS",
           "CC-BY-4.0 (Route Views); RIPE NCC terms", "https://archive.routeviews.org/", read=updates.read_updates),
    Format("ranges", "location", 2, "CSV: first,last,country or AS; prefix,country; or with a header", PUBLISHER,
           "https://github.com/sapics/ip-location-db", read=location.read_ranges),
    Format("mmdb", "location", 2, "MaxMind databases: country, AS, anonymity", PUBLISHER,
           "https://www.maxmind.com, https://db-ip.com"),
    Format("tor-consensus", "list", 9, "Tor network status consensuses, by the hour", "CC0 (Tor Project)",
           "https://collector.torproject.org/archive/relay-descriptors/consensuses/",
           class_bit("tor-exit") | class_bit("tor-relay"), tor.read_consensus),
    Format("tor-exit-list", "list", 9, "Tor exit lists: addresses from which exits sent", "CC0 (Tor Project)",
           "https://collector.torproject.org/archive/exit-lists/", class_bit("tor-exit"), tor.read_exit_list),
    Format("cloud", "list", 9, "JSON of AWS, Google, Azure, Oracle", PUBLISHER,
           "https://ip-ranges.amazonaws.com/ip-ranges.json, https://www.gstatic.com/ipranges/cloud.json",
           class_bit("cloud"), lists.read_cloud),
    Format("c2", "list", 9, "abuse.ch Feodo Tracker and ThreatFox CSV", "CC0 (abuse.ch)",
           "https://feodotracker.abuse.ch/downloads/ipblocklist.csv", class_bit("botnet-c2"), lists.read_c2),
    Format("drop", "list", 9, "Spamhaus DROP, text or JSON lines", "Spamhaus terms, free of charge",
           "https://www.spamhaus.org/drop/drop.txt", class_bit("leased"), lists.read_drop),
    Format("list", "list", 9, "any list of prefixes, addresses, ranges or ASes, with --class", PUBLISHER),
)}


BEGINS = tuple((name, re.compile(pattern)) for name, pattern in (
    ("tor-consensus", rb"(?s)(?:.{0,400}?\n)?network-status-version 3"),
    ("tor-exit-list", rb"(?s)@type tordnsel|(?:.*?\n)?ExitAddress "),
    ("delegated", rb"(?s)(?:.{0,4096}?\n)?[\d.]+\|[a-z]+\|\d{8}\|\d+\|"),
    ("rpsl", rb"(?s)(?:.*?\n)?(?:inetnum|inet6num|route6?|aut-num):\s"),
    ("drop", rb"(?s).{0,400}?Spamhaus DROP|\s*\{\"cidr\""),
    ("c2", rb"(?s).*?ioc_value|(?=.*dst_ip).*?c2_status"),
    ("cloud", rb"\s*\{"),
    ("mrt", rb"(?s).{4}\0[\x0c\x0d].{6}"),
    ("mrt-updates", rb"(?s).{4}\0[\x10\x11].{6}"),
))
"""How files of each format begin; the first that fits is it."""


def detect(head: bytes, name: str) -> str:
    """The format of a file by how it begins.

    Raises:
        UsageError: it cannot be told.
    """
    for format_name, begin in BEGINS:
        if begin.match(head):
            return format_name
    text = head.decode("utf-8", "replace")
    lines = [s for line in text.splitlines() if (s := line.strip()) and not s.startswith(("#", ";"))]
    if lines and lines[0].count(",") >= 1:
        return "geofeed" if re.match(r"[0-9a-fA-F:.]+(/\d+)?,[A-Za-z]{2},[^,]*,[^,]*,", lines[0]) else "ranges"
    if lines:
        return "list"
    raise UsageError("cannot tell what this is", where=name, hint="name it with --format: " + ", ".join(FORMATS))


def read_source(path: str, name: str, classes: int = 0) -> Parsed:
    """One file in a known format (`detect` tells which); gzip, zstd and bzip2 are unpacked on the way.

    Raises:
        InputError: it is damaged, cut, hostile or holds nothing; nothing of it may then be used.
        UsageError: a list without classes.
    """
    chosen = FORMATS[name]
    if name == "mmdb":
        return location.read_mmdb(path)
    with open_stream(path) as stream, damage_named(stream):
        if name == "list":
            if not classes:
                raise UsageError("a list needs a class", where=path, hint="--class vpn, for example")
            return lists.read_list(stream, classes)
        assert chosen.read is not None
        return chosen.read(stream)


def format_of(path: str) -> str:
    """The format of a file on disk."""
    with open_stream(path) as stream:
        head = stream.peek(PEEK)
        if not head:
            raise InputError("empty", where=path)
        if _is_mmdb(path):
            return "mmdb"
        return detect(head[:PEEK], path)


def _is_mmdb(path: str) -> bool:
    """The metadata's marker lies within the last 128 KiB."""
    with open(path, "rb") as file:
        file.seek(0, 2)
        file.seek(max(file.tell() - (128 << 10), 0))
        return b"\xab\xcd\xefMaxMind.com" in file.read()
