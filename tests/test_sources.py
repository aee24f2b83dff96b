"""Every format gives the statements that it holds; what is damaged or hostile gives one clear error and nothing."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import http.server
import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st

from tests.make import consensus, delegated
from tidegauge.atlas import Atlas, Catalogue, Wanted, import_file, update
from tidegauge.atlas.sources import format_of, read_source
from tidegauge.atlas.statements import packed
from tidegauge.cli import program
from tidegauge.model import FOREVER_S, InputError, UsageError, class_names, format_address, parse_address, parse_time
from tidegauge.simulate.mrt import update_record, write_table
from tidegauge.site import AtlasSource, Site

HOUR = parse_time("2014-11-24T11:00Z", now_s=0)


def at(text: str) -> int:
    return parse_time(text, now_s=0)


def label(atlas: Atlas, address: str, when: str) -> tuple[str, int, list[str]]:
    found = atlas.lookup(np.frombuffer(parse_address(address), dtype=np.uint8)[None], np.array([at(when) * 1_000_000]))
    return found.country_names[found.countries[0]], int(found.ases[0]), class_names(int(found.classes[0]))


def statements(path: Path, *, kind: str | None = None, classes: int = 0) -> list[tuple[object, ...]]:
    table = read_source(str(path), kind or format_of(str(path)), classes).prefixes
    ends = zip(packed(table["first"]), packed(table["last"]), strict=True)
    told = zip(table["country"].to_pylist(), table["as"].to_pylist(), table["classes"].to_pylist(), strict=True)
    return [
        (format_address(bytes(a)), format_address(bytes(b)), country, asn, class_names(bits))
        for (a, b), (country, asn, bits) in zip(ends, told, strict=True)
    ]


def test_delegated_files_give_countries_of_addresses_and_of_ases(tmp_path: Path) -> None:
    path = tmp_path / "delegated-apnic-extended-20141124.gz"
    path.write_bytes(
        gzip.compress(
            delegated(
                [
                    "apnic|KP|ipv4|175.45.176.0|1024|20091221|allocated|A91",
                    "apnic|KP|asn|131279|1|20091221|allocated|A91",
                    "apnic|JP|ipv6|2001:200::|35|19990813|allocated|A92",
                    "apnic||ipv4|175.46.0.0|256||available|",
                    "apnic|CN|ipv4|1.0.1.0|768|20110414|allocated|A93",
                ]
            )
        )
    )
    assert format_of(str(path)) == "delegated"
    assert statements(path) == [
        ("175.45.176.0", "175.45.179.255", "KP", 0, []),
        ("2001:200::", "2001:200:1fff:ffff:ffff:ffff:ffff:ffff", "JP", 0, []),
        ("1.0.1.0", "1.0.3.255", "CN", 0, []),
    ]
    parsed = read_source(str(path), "delegated")
    assert (parsed.date_s, parsed.ases.to_pylist()[0]["country"]) == (at("2014-11-24"), "KP")
    assert parsed.ases["first"].to_pylist() == [131279]


def test_registry_dumps_give_uses_and_origins(tmp_path: Path) -> None:
    path = tmp_path / "ripe.db.inetnum"
    path.write_text(
        "% RIPE\n\ninetnum:        77.94.35.0 - 77.94.35.255\nnetname:        SAT-KP\ncountry:        KP # used\n"
        "created:        2013-01-02T03:04:05Z\nsource: RIPE\n\ninetnum: bad\ncountry: KP\n\nroute: 77.94.32.0/20\n"
        "origin: AS51259\n\nroute6: 2001:db8::/32\norigin: AS64500\n\naut-num: AS131279\nas-name: STAR-KP\n"
    )
    assert statements(path) == [
        ("77.94.35.0", "77.94.35.255", "KP", 0, []),
        ("77.94.32.0", "77.94.47.255", None, 51259, []),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", None, 64500, []),
    ]
    parsed = read_source(str(path), "rpsl")
    assert list(parsed.skipped) == [("inetnum", "not a range", 1)]
    assert parsed.ases.to_pylist()[0]["name"] == "STAR-KP"


@pytest.mark.parametrize(
    ("name", "text", "kind", "expected"),
    [
        ("feed.csv", "# geofeed\n192.0.2.0/24,KP,KP-01,Pyongyang,\n2001:db8::/32,CN,,,\n", "geofeed",
         [("192.0.2.0", "192.0.2.255", "KP", 0, []),
          ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "CN", 0, [])]),
        ("country.csv", "1.0.0.0,1.0.0.255,AU\n1.0.1.0,1.0.3.255,CN\n", "ranges",
         [("1.0.0.0", "1.0.0.255", "AU", 0, []), ("1.0.1.0", "1.0.3.255", "CN", 0, [])]),
        ("asn.csv", '1.0.0.0,1.0.0.255,13335,"Cloudflare, Inc."\n', "ranges",
         [("1.0.0.0", "1.0.0.255", None, 13335, [])]),
        ("ip2.csv", '"16777216","16777471","US"\n', "ranges", [("1.0.0.0", "1.0.0.255", "US", 0, [])]),
        ("geo.csv", "network,country_iso_code,autonomous_system_number\n192.0.2.0/24,DE,AS64500\n", "ranges",
         [("192.0.2.0", "192.0.2.255", "DE", 64500, [])]),
        ("drop.txt", "; Spamhaus DROP List\n; Last-Modified: Sat, 20 Apr 2024 01:00:00 GMT\n192.0.2.0/24 ; SBL1\n",
         "drop", [("192.0.2.0", "192.0.2.255", None, 0, ["leased"])]),
        ("drop.json", '{"cidr":"192.0.2.0/24","sblid":"SBL1","rir":"x"}\n{"type":"metadata","timestamp":1713571200}\n',
         "drop", [("192.0.2.0", "192.0.2.255", None, 0, ["leased"])]),
        ("feodo.csv",
         '# Feodo\n"first_seen_utc","dst_ip","dst_port","c2_status","last_online","malware"\n'
         '"2014-11-20 08:00:00","192.0.2.7","443","online","2014-11-24","Dridex"\n', "c2",
         [("192.0.2.7", "192.0.2.7", None, 0, ["botnet-c2"])]),
        ("threatfox.csv",
         '# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","malware"\n'
         '"2014-11-20 08:00:00", "1", "192.0.2.7:443", "ip:port", "botnet_cc", "win.x"\n'
         '"2014-11-20 08:00:00", "2", "bad.example", "domain", "botnet_cc", "win.x"\n', "c2",
         [("192.0.2.7", "192.0.2.7", None, 0, ["botnet-c2"])]),
        ("aws.json",
         json.dumps({"syncToken": "1", "createDate": "2024-04-20-01-02-03",
                     "prefixes": [{"ip_prefix": "3.5.140.0/22", "region": "x", "service": "AMAZON"}],
                     "ipv6_prefixes": [{"ipv6_prefix": "2600:1f14::/35", "region": "x", "service": "EC2"}]}), "cloud",
         [("3.5.140.0", "3.5.143.255", None, 0, ["cloud"]),
          ("2600:1f14::", "2600:1f14:1fff:ffff:ffff:ffff:ffff:ffff", None, 0, ["cloud"])]),
        ("google.json",
         json.dumps({"creationTime": "2024-04-20T01:02:03.4", "prefixes": [{"ipv4Prefix": "34.1.208.0/20"}]}), "cloud",
         [("34.1.208.0", "34.1.223.255", None, 0, ["cloud"])]),
        ("azure.json",
         json.dumps({"values": [{"name": "A", "properties": {"addressPrefixes": ["4.145.74.52/30"]}}]}), "cloud",
         [("4.145.74.52", "4.145.74.55", None, 0, ["cloud"])]),
        ("oracle.json", json.dumps({"last_updated_timestamp": "2024-04-20T01:02:03.4",
                                    "regions": [{"region": "x", "cidrs": [{"cidr": "129.146.0.0/21"}]}]}), "cloud",
         [("129.146.0.0", "129.146.7.255", None, 0, ["cloud"])]),
    ],
)
def test_formats(tmp_path: Path, name: str, text: str, kind: str, expected: list[tuple[object, ...]]) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert format_of(str(path)) == kind
    assert statements(path) == expected


def test_a_plain_list_needs_a_class_and_can_name_ases(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    path = tmp_path / "vpn.txt"
    path.write_text("# a list\n192.0.2.0/25 ; somebody\n192.0.2.200\n192.0.2.210 - 192.0.2.219\nAS15169 # Google\n")
    catalogue = Catalogue(make_site().data / "atlas")
    with pytest.raises(UsageError, match="a list needs a class"):
        import_file(catalogue, str(path), Wanted())
    import_file(catalogue, str(path), Wanted(classes=("vpn",), valid_s=(at("2014-01-01"), at("2015-01-01"))))
    atlas = Atlas(catalogue.folder)
    for address, classes in (("192.0.2.5", ["vpn"]), ("192.0.2.200", ["vpn"]), ("192.0.2.201", []),
                             ("192.0.2.215", ["vpn"]), ("8.8.8.8", ["vpn"])):
        assert label(atlas, address, "2014-06-01")[2] == classes
        assert label(atlas, address, "2015-06-01")[2] == []


def test_an_exit_that_came_at_eleven_is_none_at_ten_fifty_nine(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    """A week of hourly consensuses, a file each."""
    site = make_site()
    folder = tmp_path / "consensuses"
    folder.mkdir()
    for hour in range(-84, 84):
        when = HOUR + hour * 3600
        relays = [("alpha", "192.0.2.1", "Exit Fast Running Valid"), ("beta", "192.0.2.2", "Fast Guard Running")]
        if hour >= 0:
            relays.append(("gamma", "192.0.2.3", "Exit Running Valid"))
        if hour == 10:
            relays = relays[1:]
        if hour == 20:
            relays[0] = ("alpha", "192.0.2.1", "BadExit Exit Running")
        (folder / f"{when}-consensus").write_bytes(consensus(when, relays))
    run = CliRunner().invoke(program, ["atlas", "import", str(folder), "--site", str(site.folder), "--json"])
    assert run.exit_code == 0, run.output
    assert len(json.loads(run.output)["taken"]) == 168
    atlas = Atlas(site.data / "atlas")
    assert label(atlas, "192.0.2.3", "2014-11-24T10:59:00Z")[2] == []
    assert label(atlas, "192.0.2.3", "2014-11-24T11:01:00Z")[2] == ["tor-exit", "tor-relay"]
    assert label(atlas, "192.0.2.2", "2014-11-24T11:01:00Z")[2] == ["tor-relay"]
    assert label(atlas, "192.0.2.1", "2014-11-24T21:30:00Z")[2] == []
    assert label(atlas, "192.0.2.1", "2014-11-24T22:30:00Z")[2] == ["tor-exit", "tor-relay"]
    assert label(atlas, "192.0.2.1", "2014-11-25T07:30:00Z")[2] == ["tor-relay"]
    # The last one holds as long as it says (three hours), no longer.
    last = HOUR + 83 * 3600
    for offset, classes in ((10_799, ["tor-exit", "tor-relay"]), (10_800, [])):
        packed_one = np.frombuffer(parse_address("192.0.2.1"), dtype=np.uint8)[None]
        found = atlas.lookup(packed_one, np.array([(last + offset) * 1_000_000]))
        assert class_names(int(found.classes[0])) == classes


def test_hours_that_are_missing_between_consensuses_are_held_for_three(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(
        consensus(HOUR, [("a", "192.0.2.1", "Exit")]) + consensus(HOUR + 36_000, [("a", "192.0.2.1", "Exit")])
    )
    table = read_source(str(path), "tor-consensus").prefixes
    assert list(zip(table["from_s"].to_pylist(), table["until_s"].to_pylist(), strict=True)) == [
        (HOUR, HOUR + 10_800), (HOUR + 36_000, HOUR + 46_800),
    ]


def test_exit_lists_hold_for_a_day(tmp_path: Path) -> None:
    path = tmp_path / "exits"
    path.write_text(
        "@type tordnsel 1.0\nDownloaded 2014-11-24 12:02:00\nExitNode 63BA28370F543D175173E414D5450590D73E22DC\n"
        "Published 2014-11-24 05:01:00\nLastStatus 2014-11-24 06:02:00\nExitAddress 192.0.2.9 2014-11-24 06:05:00\n"
    )
    assert format_of(str(path)) == "tor-exit-list"
    table = read_source(str(path), "tor-exit-list").prefixes
    assert (table["from_s"][0].as_py(), table["until_s"][0].as_py()) == (
        at("2014-11-24T06:05Z"), at("2014-11-25T06:05Z"),
    )


def rib(routes: list[tuple[str, int, list[list[int]]]], *, time_s: int = HOUR) -> bytes:
    out = io.BytesIO()
    packed_routes = []
    for network, bits, paths in routes:
        raw = parse_address(network)
        packed_routes.append((raw[12:] if "." in network else raw, bits, paths))
    write_table(out, packed_routes, peers=3, time_s=time_s, since_s=time_s - 86400)
    return out.getvalue()


TABLE = [
    ("175.45.176.0", 22, [[64500, 4837, 131279], [64501, 174, 4837, 131279, 131279], []]),
    ("192.0.2.0", 24, [[64500, 64510], [64501, 64510], [64502, 64511]]),
    ("2001:db8::", 32, [[64500, 3356, 64520], [], []]),
    ("0.0.0.0", 0, [[64500], [], []]),
]


def test_mrt_tables_give_origins_others_and_upstreams(tmp_path: Path) -> None:
    path = tmp_path / "rib.20141124.1100.bz2"
    path.write_bytes(bz2.compress(rib(TABLE)))
    assert format_of(str(path)) == "mrt"
    parsed = read_source(str(path), "mrt")
    rows = parsed.prefixes.to_pylist()
    assert [(format_address(r["first"]), r["as"], r["others"], r["upstreams"]) for r in rows] == [
        ("175.45.176.0", 131279, [], [4837]),
        ("192.0.2.0", 64510, [64511], [64500, 64501]),
        ("0.0.0.0", 64500, [], []),
        ("2001:db8::", 64520, [], [3356]),
    ]
    assert (parsed.date_s, rows[0]["since_s"]) == (HOUR, HOUR - 86400)


def test_announced_routes_stand_above_the_table_until_they_are_withdrawn(
    tmp_path: Path, make_site: Callable[..., Site]
) -> None:
    catalogue = Catalogue(make_site().data / "atlas")
    table, updates = tmp_path / "rib.20141124.1100", tmp_path / "updates.20141124.1200"
    table.write_bytes(rib(TABLE))
    net = (bytes([192, 0, 2, 0]), 25)
    updates.write_bytes(
        update_record(HOUR + 3600, peer=1, path=[64501, 666], announced=(net,))
        + update_record(HOUR + 3660, peer=2, path=[64502, 666], announced=(net,))
        + update_record(HOUR + 7200, peer=1, withdrawn=(net,))
        + update_record(HOUR + 7260, peer=2, withdrawn=(net,))
        + update_record(HOUR + 7300, peer=2, path=[64502, 777], announced=((bytes([192, 0, 0, 0]), 16),))
    )
    assert format_of(str(updates)) == "mrt-updates"
    for path in (table, updates):
        import_file(catalogue, str(path), Wanted(source="routeviews"))
    atlas = Atlas(catalogue.folder)
    assert label(atlas, "192.0.2.9", "2014-11-24T11:59:59Z")[1] == 64510
    assert label(atlas, "192.0.2.9", "2014-11-24T12:00:00Z")[1] == 666
    assert label(atlas, "192.0.2.9", "2014-11-24T13:00:59Z")[1] == 666
    assert label(atlas, "192.0.2.9", "2014-11-24T13:01:00Z")[1] == 64510
    assert label(atlas, "192.0.2.200", "2014-11-24T12:30:00Z")[1] == 64510  # outside the announced half
    assert label(atlas, "192.0.2.9", "2014-11-24T14:00:00Z")[1] == 64510  # a wider route announced later is no nearer
    assert label(atlas, "192.0.77.9", "2014-11-24T14:00:00Z")[1] == 777


def damaged(name: str) -> bytes:
    table = rib(TABLE)
    return {
        "cut.mrt": table[:-7],
        "long.mrt": table[:8] + b"\xff\xff\xff\xff" + table[12:],
        "cut-consensus": consensus(HOUR, [("a", "192.0.2.1", "Exit")], cut=True),
        "delegated-cut": delegated(["apnic|KP|ipv4|175.45.176.0|1024|20091221|allocated"], announced=9),
        "bad.json": b'{"prefixes": [',
        "deep.json": b'{"prefixes": ' + b"[" * 100_000,
        "few.json": b'{"prefixes": [{"ip_prefix": "x"}, {"ip_prefix": "y"}]}',
        "words.csv": b"1.0.0.0,1.0.0.255,AU\n" + b"not,an,address\n" * 5,
        "bomb.csv.gz": gzip.compress(b"1.0.0.0," + b"x" * 50_000_000),
        "half.gz": gzip.compress(b"1.0.0.0,1.0.0.255,AU\n" * 10_000)[:-20],
        "bad.mmdb": b"\0" * 2000 + b"\xab\xcd\xefMaxMind.com" + b"\xe9\x42ip" * 40,
        "empty.txt": b"",
        "overlap.csv": b"".join(
            f"0.0.{i >> 8}.{i & 255},255.255.{255 - (i >> 8)}.{255 - (i & 255)},AU\n".encode() for i in range(40_000)
        ),
    }[name]


@pytest.mark.parametrize(
    "name",
    ["cut.mrt", "long.mrt", "cut-consensus", "delegated-cut", "bad.json", "deep.json", "few.json", "words.csv",
     "bomb.csv.gz", "half.gz", "bad.mmdb", "empty.txt", "overlap.csv"],
)
def test_a_hostile_file_names_itself_and_leaves_the_old_edition_in_force(
    tmp_path: Path, make_site: Callable[..., Site], name: str
) -> None:
    catalogue = Catalogue(make_site().data / "atlas")
    good = tmp_path / "good.csv"
    good.write_text("192.0.2.0,192.0.2.255,KP\n")
    import_file(catalogue, str(good), Wanted(source="x", date_s=HOUR))
    path = tmp_path / name
    path.write_bytes(damaged(name))
    with pytest.raises((InputError, UsageError)) as raised:
        import_file(catalogue, str(path), Wanted(source="x", classes=("vpn",) if name.endswith("txt") else ()))
    assert str(path) in str(raised.value)
    assert [e.source for e in catalogue.editions()] == ["x"]
    assert label(Atlas(catalogue.folder), "192.0.2.1", "2014-11-24")[0] == "KP"
    assert not any((catalogue.folder / "staging").iterdir()) if (catalogue.folder / "staging").exists() else True


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=6), st.sampled_from(["mrt", "mrt-updates"]))
def test_bytes_that_are_overwritten_never_crash_a_parser(place: int, with_: bytes, kind: str) -> None:
    import tempfile

    if kind == "mrt":
        whole = rib(TABLE)
    else:
        whole = update_record(HOUR, peer=1, path=[64501, 666], announced=((bytes([192, 0, 2, 0]), 25),)) * 3
    at_byte = place % len(whole)
    whole = whole[:at_byte] + with_ + whole[at_byte + len(with_) :]
    with tempfile.NamedTemporaryFile() as file:
        file.write(whole)
        file.flush()
        try:
            told = read_source(file.name, kind).prefixes.num_rows
        except InputError as error:
            told = -1 if file.name in str(error) else -2
        assert told >= -1


def test_mmdb_databases_are_read(tmp_path: Path) -> None:
    pytest.importorskip("mmdb_writer")
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet

    writer = MMDBWriter(ip_version=6, ipv4_compatible=True)
    writer.insert_network(IPSet(["192.0.2.0/24"]), {"country": {"iso_code": "KP"}})
    writer.insert_network(
        IPSet(["198.51.100.0/25"]), {"autonomous_system_number": 64500, "autonomous_system_organization": "Name"}
    )
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"is_anonymous_vpn": True})
    path = tmp_path / "geo.mmdb"
    writer.to_db_file(str(path))
    assert format_of(str(path)) == "mmdb"
    assert sorted(statements(path)) == [
        ("192.0.2.0", "192.0.2.255", "KP", 0, []),
        ("198.51.100.0", "198.51.100.127", None, 64500, []),
        ("203.0.113.0", "203.0.113.255", None, 0, ["vpn"]),
    ]


class Server:
    """A web server on loopback that counts what it is asked."""

    def __init__(self) -> None:
        self.body, self.etag, self.status = b"", '"1"', 200
        self.full = self.unchanged = 0
        self.extra_length = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers.get("If-None-Match") == outer.etag:
                    outer.unchanged += 1
                    self.send_response(304)
                    self.end_headers()
                    return
                outer.full += 1
                self.send_response(outer.status)
                self.send_header("ETag", outer.etag)
                self.send_header("Content-Length", str(len(outer.body) + outer.extra_length))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/list.txt"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_updates_are_conditional_checked_bounded_and_whole(
    tmp_path: Path, make_site: Callable[..., Site], server: Server
) -> None:
    catalogue = Catalogue(make_site().data / "atlas")
    source = AtlasSource("vpn", server.url, "list", ("vpn",))

    def run(chosen: AtlasSource = source) -> tuple[str, str]:
        (outcome,) = update(catalogue, (chosen,))
        return outcome.state, outcome.what

    server.body = b"192.0.2.0/24\n"
    assert run()[0] == "taken"
    assert run() == ("unchanged", "the server has nothing newer")
    assert (server.full, server.unchanged) == (1, 1)
    server.etag = '"2"'
    assert run()[0] == "unchanged"  # the same content under another tag
    server.etag, server.body, server.extra_length = '"3"', b"192.0.2.0/24\n198.51.100.0/24\n", 50
    state, what = run()
    assert state == "failed"
    assert "connection ended" in what or "cannot be fetched" in what
    server.extra_length = 0
    small = AtlasSource("vpn", server.url, "list", ("vpn",), most_bytes=10)
    assert run(small) == ("failed", f"{server.url}: larger than 10 bytes (max_mb allows more)")
    wrong = AtlasSource("vpn", server.url, "list", ("vpn",), sha256="0" * 64)
    assert "which its checksum does not say" in run(wrong)[1]
    server.status = 503
    assert "the server says 503" in run()[1]
    assert len(catalogue.editions()) == 1
    server.status = 200
    right = AtlasSource("vpn", server.url, "list", ("vpn",), sha256=hashlib.sha256(server.body).hexdigest())
    assert run(right)[0] == "taken"
    assert len(catalogue.editions()) == 2


def test_a_mirror_folder_works_like_a_server(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    catalogue = Catalogue(make_site().data / "atlas")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "vpn-20141101.txt").write_text("192.0.2.0/24\n")
    source = AtlasSource("vpn", str(mirror / "vpn-*.txt"), "list", ("vpn",))
    assert [o.state for o in update(catalogue, (source,))] == ["taken"]
    assert [o.state for o in update(catalogue, (source,))] == ["unchanged"]
    late = mirror / "vpn-20141201.txt"
    late.write_text("198.51.100.0/24\n")
    (mirror / "vpn-20141201.txt.sha256").write_text("0" * 64)
    (failed,) = update(catalogue, (source,))
    assert failed.state == "failed"
    (mirror / "vpn-20141201.txt.sha256").write_text(hashlib.sha256(late.read_bytes()).hexdigest() + "  vpn.txt\n")
    assert [o.state for o in update(catalogue, (source,))] == ["taken"]
    assert [e.edition for e in catalogue.editions()] == ["2014-11-01", "2014-12-01"]
    atlas = Atlas(catalogue.folder)
    assert label(atlas, "192.0.2.1", "2014-11-24")[2] == ["vpn"]
    assert label(atlas, "192.0.2.1", "2014-12-24")[2] == []
    assert label(atlas, "198.51.100.1", "2014-12-24")[2] == ["vpn"]


def test_compiled_tables_are_cached_and_do_not_fill_the_disk(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    catalogue = Catalogue(make_site().data / "atlas")
    for month in range(1, 13):
        for year in (2014, 2015):
            path = tmp_path / f"loc-{year}{month:02d}01.csv"
            path.write_text(f"192.1.0.0,192.1.{month}.255,KP\n")
            import_file(catalogue, str(path), Wanted())
    atlas = Atlas(catalogue.folder)
    for month in range(1, 13):
        for year in (2014, 2015):
            assert label(atlas, f"192.1.{month}.9", f"{year}-{month:02d}-15")[0] == "KP"
            assert label(atlas, f"192.1.{month + 1}.9", f"{year}-{month:02d}-15")[0] != "KP"
    kept = sorted((catalogue.folder / "compiled").iterdir())
    assert len(kept) == 12
    again = Atlas(catalogue.folder)
    assert label(again, "192.1.12.9", "2015-12-15")[0] == "KP"
    assert sorted((catalogue.folder / "compiled").iterdir()) == kept


def test_the_edition_of_a_flows_own_time_decides(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    catalogue = Catalogue(make_site().data / "atlas")
    for day, country in (("20140101", "CN"), ("20150101", "KP"), ("20160101", "RU")):
        path = tmp_path / f"delegated-apnic-{day}"
        path.write_bytes(delegated([f"apnic|{country}|ipv4|210.52.109.0|256|20091221|allocated"], day=day))
        import_file(catalogue, str(path), Wanted())
    atlas = Atlas(catalogue.folder)
    one = np.frombuffer(parse_address("210.52.109.200"), dtype=np.uint8)
    days = ["2013-06-01", "2014-06-01", "2014-12-31T23:59:59Z", "2015-01-01", "2016-06-01"]
    found = atlas.lookup(np.repeat(one[None], len(days), axis=0), np.array([at(d) for d in days]) * 1_000_000)
    # The documented fact of 2014 says CN as well; before the first edition the first is used.
    assert [found.country_names[c] for c in found.countries] == ["CN", "CN", "CN", "KP", "RU"]
    assert at("2200-01-01") < FOREVER_S
