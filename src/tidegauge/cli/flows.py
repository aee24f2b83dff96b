"""`tidegauge flows`: list flows."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from tidegauge.cli.common import (
    open_site,
    say_note,
    site_option,
    table,
    time_options,
    where_option,
)
from tidegauge.model import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN_ROWS = 100
SHORT = ("time_start", "direction", "src", "src_port", "dst", "dst_port", "proto", "packets", "bytes",
         "src_country", "dst_country", "src_as", "dst_as")


@contextmanager
def output(path: Path | None) -> Iterator[IO[str]]:
    if path is None:
        yield sys.stdout
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file


@click.command()
@time_options
@where_option
@click.option("--limit", type=click.IntRange(min=0), help=f"At most so many; a table shows {SHOWN_ROWS} by itself.")
@click.option("--format", "kind", type=click.Choice(("table", "csv", "json", "parquet")), default="table")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Write to a file.")
@click.option("--quarantine", is_flag=True, help="What the collector kept apart since it cannot be true, with reasons.")
@site_option
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def flows(
    since: str | None, until: str | None, where: str | None, limit: int | None, kind: str, target: Path | None,
    quarantine: bool, site_dir: Path | None, as_json: bool,
) -> None:
    """List flows by start time. `json` is one object a line.

    Example: tidegauge flows --since 2014-11-24 --where "inside(src, '175.45.176.0/22')" --limit 5
    """
    import pyarrow as pa

    from tidegauge.app import FlowsQuestion, flow_filter, flows_caveats, plain_rows
    from tidegauge.context import SiteContext
    from tidegauge.model import FLOW_SCHEMA

    here = SiteContext(open_site(site_dir))
    lake, kind = here.lake, "json" if as_json else kind
    question = FlowsQuestion.put(since=since, until=until, where=where)
    chosen = flow_filter(here, question)
    for caveat in flows_caveats(here, question):
        say_note(caveat)
    most = SHOWN_ROWS if limit is None and kind == "table" else limit
    schema = FLOW_SCHEMA.append(pa.field("reason", pa.string())) if quarantine else FLOW_SCHEMA
    shown_columns = (*SHORT, "reason") if quarantine else SHORT
    batches = lake.quarantined(chosen, limit=most) if quarantine else lake.flows(chosen, limit=most)
    if kind == "parquet":
        _write_parquet(target, batches, schema)
        return
    rows = chain.from_iterable(map(plain_rows, batches))
    with output(target) as file:
        if kind == "json":
            file.writelines(json.dumps(row) + "\n" for row in rows)
        elif kind == "csv":
            writer = csv.DictWriter(file, schema.names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        else:
            table(list(shown_columns), [[str(row[n]) for n in shown_columns] for row in rows])


def _write_parquet(target: Path | None, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if target is None:
        raise UsageError("Parquet goes to a file", hint="-o FILE")
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
