"""Build the embedded edition of the atlas from redistributable tables.

    npm pack @ip-location-db/asn-country @ip-location-db/asn      # then unpack both
    python tools/build_atlas.py --country DIR --asn DIR --edition 2026-06-17

DIR are the unpacked `package` folders. Writes `src/tidegauge/atlas/data/world-*.parquet`.
"""

from __future__ import annotations

import argparse
import csv
import ipaddress
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).parent.parent / "src" / "tidegauge" / "atlas" / "data"
LICENCE = (
    "Countries: @ip-location-db/asn-country, CC0-1.0, from NRO statistics (CC-BY-4.0, nro.net). "
    "ASes: @ip-location-db/asn, from Route Views (CC-BY-4.0, routeviews.org) and DB-IP.com IP to ASN Lite (CC-BY-4.0)."
)

Ranges = list[tuple[int, int, str]]


def read_ranges(path: Path) -> Ranges:
    with path.open(newline="", encoding="utf-8") as file:
        return sorted(
            (int(ipaddress.ip_address(row[0])), int(ipaddress.ip_address(row[1])), row[2]) for row in csv.reader(file)
        )


def read_names(*paths: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                names.setdefault(int(row[2]), row[3])
    return names


def sweep(ranges: Ranges, points: list[int], absent: str) -> list[str]:
    """The value of the range that holds each point (both sorted)."""
    values, i = [], 0
    for point in points:
        while i < len(ranges) and ranges[i][1] < point:
            i += 1
        inside = i < len(ranges) and ranges[i][0] <= point
        values.append(ranges[i][2] if inside else absent)
    return values


def merge(countries: Ranges, ases: Ranges, bits: int) -> list[tuple[int, str, int]]:
    """Starts of the pieces in which both country and AS are constant."""
    edges = {0}
    for ranges in (countries, ases):
        for first, last, _ in ranges:
            edges.update((first, last + 1))
    points = sorted(edge for edge in edges if edge < 1 << bits)
    pieces: list[tuple[int, str, int]] = []
    for point, country, number in zip(points, sweep(countries, points, "ZZ"), sweep(ases, points, "0"), strict=True):
        if not pieces or pieces[-1][1:] != (country, int(number)):
            pieces.append((point, country, int(number)))
    return pieces


def write(table: pa.Table, name: str, **options: object) -> None:
    path = DATA / name
    pq.write_table(table, path, compression="zstd", compression_level=22, **options)
    print(f"{path.name}: {len(table):,} rows, {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--country", type=Path, required=True)
    parser.add_argument("--asn", type=Path, required=True)
    parser.add_argument("--edition", required=True, help="date of the tables, YYYY-MM-DD")
    arguments = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    pieces = {
        bits: merge(
            read_ranges(arguments.country / f"asn-country-ipv{version}.csv"),
            read_ranges(arguments.asn / f"asn-ipv{version}.csv"),
            bits,
        )
        for version, bits in ((4, 32), (6, 128))
    }
    for version, bits in ((4, 32), (6, 128)):
        starts, countries, numbers = zip(*pieces[bits], strict=True)
        columns = {
            "country": pa.array(countries).dictionary_encode(),
            "as": pa.array(numbers, pa.uint32()),
        }
        # Gaps between starts repeat and so pack better than the starts themselves.
        if version == 4:
            columns["gap"] = pa.array(np.diff(np.array(starts, dtype=np.int64), prepend=0).astype(np.uint32))
        else:
            high = np.array([start >> 64 for start in starts], dtype=np.uint64)
            columns["gap_high"] = pa.array(np.diff(high, prepend=np.uint64(0)))
            columns["low"] = pa.array([start & (2**64 - 1) for start in starts], pa.uint64())
        write(
            pa.table(columns), f"world-ipv{version}.parquet",
            use_dictionary=True, dictionary_pagesize_limit=1 << 24, row_group_size=1 << 22,
        )
    names = read_names(arguments.asn / "asn-ipv4.csv", arguments.asn / "asn-ipv6.csv")
    ordered = sorted(names)
    write(
        pa.table({"as": pa.array(ordered, pa.uint32()), "name": [names[n] for n in ordered]}),
        "as-names.parquet",
        use_dictionary=False,
    )
    about = {"source": "embedded", "edition": arguments.edition, "licence": LICENCE}
    (DATA / "world.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
