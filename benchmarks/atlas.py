"""Looking addresses up: ratios against tries, MMDB and DuckDB's range join; writes `benchmarks/ATLAS.md`.

    make bench-atlas                # or: python -m benchmarks.atlas --addresses 10000000

All hold the same prefixes with their origin ASes: a routing table made from the embedded edition, each prefix shorter
than a /24 announced with its first half too. Peers get addresses in the form that they take fastest, made beforehand.
Every answer is compared: all addresses drawn, and the first and last address of every prefix with their neighbours.
"""

from __future__ import annotations

import argparse
import ipaddress
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.atlas import Atlas, Catalogue, Wanted, import_file, world_table
from tidegauge.atlas.compiling import compile_table
from tidegauge.model import mapped_ipv4
from tidegauge.simulate.mrt import write_table

PART = 500_000
EDGES = 4
Prefixes = list[tuple[int, int, int]]
"""Network, length, AS."""


def prefixes() -> tuple[Prefixes, Prefixes]:
    """IPv4 and IPv6 prefixes with their ASes."""
    table = world_table()
    pieces, cut = table.pieces, len(table.pieces.starts4)
    ends = np.r_[pieces.starts4[1:].astype(np.int64), 1 << 32]
    four: Prefixes = []
    for start, end, asn in zip(pieces.starts4.tolist(), ends.tolist(), table.ases[:cut].tolist(), strict=True):
        if asn:
            for net in ipaddress.summarize_address_range(ipaddress.IPv4Address(start), ipaddress.IPv4Address(end - 1)):
                four.append((int(net.network_address), net.prefixlen, asn))
                if net.prefixlen < 24:
                    four.append((int(net.network_address), net.prefixlen + 1, max(asn ^ 1, 2)))
    six: Prefixes = []
    starts = [(h << 64) | low for h, low in zip(pieces.high6.tolist(), pieces.low6.tolist(), strict=True)]
    for i, asn in enumerate(table.ases[cut:].tolist()):
        if asn and i + 1 < len(starts):
            first, last = ipaddress.IPv6Address(starts[i]), ipaddress.IPv6Address(starts[i + 1] - 1)
            nets = ipaddress.summarize_address_range(first, last)
            six += [(int(n.network_address), n.prefixlen, asn) for n in nets if n.prefixlen <= 64]
    return four, six


def write_rib(path: Path, four: Prefixes, six: Prefixes) -> int:
    def routes() -> Iterator[tuple[bytes, int, list[list[int]]]]:
        for chosen, octets in ((four, 4), (six, 16)):
            for network, bits, asn in chosen:
                yield network.to_bytes(octets), bits, [[64500 + peer, 3356, asn] for peer in range(8)]

    with path.open("wb") as file:
        return write_table(file, routes(), peers=8, time_s=1416787200, since_s=1400000000)


def drawn(chosen: Prefixes, bits: int, count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Addresses as high and low halves: random ones (IPv6: within random prefixes), and all edges."""
    random = np.random.default_rng(7)
    edges: set[int] = set()
    for network, length, _ in chosen:
        last = network | ((1 << (bits - length)) - 1)
        edges.update(e for e in (network - 1, network, last, last + 1) if 0 <= e < 1 << bits)
    ordered = sorted(edges)
    high = np.array([e >> 64 for e in ordered], dtype=np.uint64)
    low = np.array([e & (2**64 - 1) for e in ordered], dtype=np.uint64)
    if bits == 32:
        return np.zeros(0, dtype=np.uint64), np.r_[random.integers(0, 2**32, count).astype(np.uint64), low]
    place = random.integers(0, len(chosen), count)
    nets = np.array([n >> 64 for n, _, _ in chosen], dtype=np.uint64)[place]
    free = np.array([64 - length for _, length, _ in chosen], dtype=np.uint64)[place]
    inside = random.integers(0, 2**63, count).astype(np.uint64) * np.uint64(2) & ((np.uint64(1) << free) - np.uint64(1))
    return np.r_[nets | inside, high], np.r_[random.integers(0, 2**63, count).astype(np.uint64), low]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    found = run()
    return time.perf_counter() - begun, found


def texts4(low: NDArray[np.uint64]) -> list[str]:
    return [socket.inet_ntoa(raw) for raw in (struct.pack(">I", v) for v in low.tolist())]


def texts6(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> list[str]:
    words = np.stack([high, low], axis=1).astype(">u8").tobytes()
    return [socket.inet_ntop(socket.AF_INET6, words[i : i + 16]) for i in range(0, len(words), 16)]


class Peers:
    """The same prefixes in each peer's structure, for one family."""

    def __init__(self, chosen: Prefixes, bits: int, folder: Path) -> None:
        import maxminddb
        import pytricia
        import radix
        from mmdb_writer import MMDBWriter
        from netaddr import IPNetwork, IPSet

        kind = ipaddress.IPv4Address if bits == 32 else ipaddress.IPv6Address
        self.tricia = pytricia.PyTricia(bits, socket.AF_INET if bits == 32 else socket.AF_INET6)
        self.radix = radix.Radix()
        writer = MMDBWriter(ip_version=4 if bits == 32 else 6)
        for network, length, asn in sorted(chosen, key=lambda p: p[1]):
            text = f"{kind(network)}/{length}"
            self.tricia[text] = asn
            self.radix.add(text).data["as"] = asn
            writer.insert_network(IPSet([IPNetwork(text)]), {"as": asn})
        writer.to_db_file(str(folder / f"{bits}.mmdb"))
        self.mmdb = maxminddb.open_database(str(folder / f"{bits}.mmdb"), maxminddb.MODE_MMAP_EXT)
        self.pyasn = None
        if bits == 32:
            import pyasn

            (folder / "pyasn.dat").write_text("".join(f"{kind(n)}/{b}\t{a}\n" for n, b, a in chosen))
            self.pyasn = pyasn.pyasn(str(folder / "pyasn.dat"))

    def ways(self) -> dict[str, Callable[[list[str]], list[int]]]:
        tricia, radix, mmdb = self.tricia.get, self.radix.search_best, self.mmdb.get
        found: dict[str, Callable[[list[str]], list[int]]] = {
            "pytricia": lambda texts: [tricia(t) or 0 for t in texts],
            "py-radix": lambda texts: [n.data["as"] if (n := radix(t)) else 0 for t in texts],
            "maxminddb": lambda texts: [r["as"] if (r := mmdb(t)) else 0 for t in texts],
        }
        if self.pyasn is not None:
            lookup = self.pyasn.lookup
            found["pyasn"] = lambda texts: [lookup(t)[0] or 0 for t in texts]
        return found


def duckdb_join(
    starts: NDArray[Any], ases: NDArray[Any], wanted: NDArray[Any], starts_low: Any = None, low: Any = None
) -> tuple[float, NDArray[Any]]:
    """An ASOF join with the ranges, in DuckDB on all cores."""
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect()
    if low is None:
        left = pa.table({"i": np.arange(len(wanted)), "a": wanted})
        right = pa.table({"s": starts, "n": ases})
        key, start = "l.a", "r.s"
    else:
        left = pa.table({"i": np.arange(len(wanted)), "h": wanted, "l": low})
        right = pa.table({"h": starts, "l": starts_low, "n": ases})
        key, start = "(l.h::UHUGEINT << 64) + l.l", "(r.h::UHUGEINT << 64) + r.l"
    connection.register("left_rows", left)
    connection.register("right_rows", right)
    sql = f"SELECT l.i, r.n FROM left_rows l ASOF JOIN right_rows r ON {key} >= {start}"
    seconds, table = timed(lambda: connection.execute(sql).to_arrow_table())
    out = np.zeros(len(wanted), dtype=np.int64)
    out[table["i"].to_numpy()] = table["n"].to_numpy()
    return seconds, out


def own_memory(folder: Path) -> float:
    """Peak of a process that maps the compiled table and looks ten million addresses up, part by part; MB."""
    code = (
        "import numpy as np, sys; from tidegauge.atlas.table import OriginTable; from pathlib import Path;"
        "t = OriginTable.load(Path(sys.argv[1])); r = np.random.default_rng(1)\n"
        "for _ in range(20): t.pieces.ranges4(r.integers(0, 2**32, 500_000).astype(np.uint32))\n"
        "print(next(int(x.split()[1]) for x in open('/proc/self/status') if x.startswith('VmHWM')) * 1.024e-3)"
    )
    return float(subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--addresses", type=int, default=10_000_000)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "ATLAS.md")
    arguments = parser.parse_args()
    four, six = prefixes()
    lines = [
        f"{len(four):,} IPv4 and {len(six):,} IPv6 prefixes; {arguments.addresses:,} random addresses each, and"
        " all edges of prefixes.", "",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_rib(folder / "rib.20141124.0000", four, six)
        catalogue = Catalogue(folder / "atlas")
        taken, _ = timed(lambda: import_file(catalogue, str(folder / "rib.20141124.0000"), Wanted(source="rib")))
        size = (folder / "rib.20141124.0000").stat().st_size
        lines.append(
            f"- MRT table of {count:,} prefixes, 8 peers, {size / 1e6:,.0f} MB, into an edition: {taken:.1f} s"
        )
        atlas = Atlas(catalogue.folder)
        edition = catalogue.editions()[0]

        def build() -> Any:
            flat = atlas.flat(edition, "as")
            assert flat is not None
            table = compile_table([], [flat], ("ZZ",))
            table.pieces.prepare()
            return table

        built, table = timed(build)
        table.save(folder)
        lines += [
            f"- build of its lookup table: {built:.1f} s",
            f"- peak memory of a process that maps it and looks 10 M IPv4 addresses up: {own_memory(folder):,.0f} MB",
            "",
            "| family | way | M addresses/s | ours is | answers that differ |", "| --- | --- | --- | --- | --- |",
        ]
        for bits, chosen in ((32, four), (128, six)):
            print(f"{bits} bits: making the peers' tables", flush=True)
            peers = Peers(chosen, bits, folder)
            high, low = drawn(chosen, bits, arguments.addresses)
            total = len(low)
            cut = len(table.pieces.starts4)
            if bits == 32:
                asked = low.astype(np.uint32)
                ours, found = min(
                    (timed(lambda a=asked: table.pieces.ranges4(a)) for _ in range(3)), key=lambda t: t[0]
                )
                whole = mapped_ipv4(asked)
                mapped, _ = timed(lambda w=whole: table.lookup(w))
                ases = table.ases[:cut][found].astype(np.int64)
                del whole
            else:
                ours, found = min(
                    (timed(lambda h=high, w=low: table.pieces.ranges6(h, w)) for _ in range(3)), key=lambda t: t[0]
                )
                mapped = 0.0
                ases = table.ases[cut:][found].astype(np.int64)
            lines.append(f"| IPv{4 if bits == 32 else 6} | tidegauge | {total / ours / 1e6:.1f} | | |")
            if mapped:
                lines.append(
                    f"| IPv4 | tidegauge, from 16-byte addresses to country and AS | {total / mapped / 1e6:.1f} | | |"
                )
            spent = dict.fromkeys(peers.ways(), 0.0)
            differ = dict.fromkeys(peers.ways(), 0)
            for begin in range(0, total, PART):
                part = slice(begin, begin + PART)
                texts = texts4(low[part]) if bits == 32 else texts6(high[part], low[part])
                for way, lookup in peers.ways().items():
                    seconds, answers = timed(lambda f=lookup, t=texts: f(t))
                    spent[way] += seconds
                    differ[way] += int((np.array(answers, dtype=np.int64) != ases[part]).sum())
            if bits == 32:
                spent["DuckDB"], joined = duckdb_join(table.pieces.starts4, table.ases[:cut], low.astype(np.uint32))
            else:
                spent["DuckDB"], joined = duckdb_join(
                    table.pieces.high6, table.ases[cut:], high, table.pieces.low6, low
                )
            differ["DuckDB"] = int((joined != ases).sum())
            for way, seconds in spent.items():
                lines.append(
                    f"| IPv{4 if bits == 32 else 6} | {way} | {total / seconds / 1e6:.2f} | {seconds / ours:.0f} x |"
                    f" {differ[way]:,} of {total:,} |"
                )
            print("\n".join(lines[-6:]), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"peak of this benchmark with all peers: {peak:,.0f} MB")
    head = "# Looking addresses up\n\nMade by `make bench-atlas` (`benchmarks/atlas.py`), in one run.\n\n"
    arguments.output.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
