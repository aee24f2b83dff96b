"""Flows to labelled flows: direction by the site's home prefixes, origin by the atlas of the flow's time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegauge.atlas.editions import Atlas, Origins
from tidegauge.atlas.statements import packed
from tidegauge.model import DIRECTIONS, FLOW_SCHEMA, NUMBERS, FlowBatch, inside
from tidegauge.site import Site

IN, OUT, INTERNAL, TRANSIT = range(4)


def directions(flows: FlowBatch, site: Site) -> NDArray[np.int8]:
    """Direction of each flow (position in `DIRECTIONS`).

    Where a site lists an exporter's external interfaces, its flows that enter or leave by another one are
    `internal`: another exporter counts them at the border.
    """
    from_home, to_home = inside(flows["src"], site.home), inside(flows["dst"], site.home)
    if site.home_as:
        from_home |= np.isin(flows["src_as"], site.home_as)
        to_home |= np.isin(flows["dst_as"], site.home_as)
    found = np.full(len(flows), TRANSIT, dtype=np.int8)
    found[to_home & ~from_home] = IN
    found[from_home & ~to_home] = OUT
    found[from_home & to_home] = INTERNAL
    for name, interfaces in site.external.items():
        if name in flows.exporters:
            own = flows["exporter"] == flows.exporters.index(name)
            found[own & (found == IN) & ~np.isin(flows["in_if"], interfaces)] = INTERNAL
            found[own & (found == OUT) & ~np.isin(flows["out_if"], interfaces)] = INTERNAL
    return found


def relabelled(table: pa.Table, atlas: Atlas, site: Site | None = None) -> pa.Table:
    """The same rows with countries, ASes and classes by the atlas, and directions by the site where one is given; an AS
    of which the atlas knows nothing stays."""
    times = table["time_start"].cast(pa.int64()).to_numpy()
    for end in ("src", "dst"):
        found = atlas.lookup(packed(table[end]), times)
        ases = _ases(found, table[f"{end}_as"].to_numpy())
        for name, values in (
            (f"{end}_country", _dictionary(found.countries, found.country_names)),
            (f"{end}_as", pa.array(ases)), (f"{end}_class", pa.array(found.classes)),
        ):
            place = table.schema.get_field_index(name)
            table = table.set_column(place, FLOW_SCHEMA.field(name), values.cast(FLOW_SCHEMA.field(name).type))
    if site is None:
        return table
    exporters = table["exporter"].cast(pa.string()).combine_chunks().dictionary_encode()
    columns = {name: table[name].to_numpy() for name in ("src_as", "dst_as", "in_if", "out_if")}
    columns |= {"src": packed(table["src"]), "dst": packed(table["dst"]), "time_start": times}
    columns["exporter"] = np.asarray(exporters.indices)
    ways = directions(FlowBatch(columns, tuple(exporters.dictionary.to_pylist())), site)
    place = table.schema.get_field_index("direction")
    return table.set_column(
        place, FLOW_SCHEMA.field(place), _dictionary(ways, DIRECTIONS).cast(FLOW_SCHEMA.field(place).type)
    )


def label(flows: FlowBatch, site: Site, atlas: Atlas) -> pa.Table:
    """The flows as a table of `FLOW_SCHEMA`. The exporter's AS is kept where the atlas has none."""
    times = flows["time_start"]
    src, dst = atlas.lookup(flows["src"], times), atlas.lookup(flows["dst"], times)
    return _table(flows, site, {
        "src_country": _dictionary(src.countries, src.country_names),
        "dst_country": _dictionary(dst.countries, dst.country_names),
        "src_as": _ases(src, flows["src_as"]),
        "dst_as": _ases(dst, flows["dst_as"]),
        "src_class": src.classes,
        "dst_class": dst.classes,
    })


def unlabelled(flows: FlowBatch, site: Site) -> pa.Table:
    """The flows as a table of `FLOW_SCHEMA` without origins: their times cannot be believed."""
    nowhere = _dictionary(np.zeros(len(flows)), ("ZZ",))
    none = np.zeros(len(flows), dtype=np.uint16)
    columns = {"src_country": nowhere, "dst_country": nowhere, "src_class": none, "dst_class": none}
    return _table(flows, site, columns)


def _table(flows: FlowBatch, site: Site, labels: dict[str, Any]) -> pa.Table:
    count = len(flows)
    columns: dict[str, Any] = {
        "exporter": _dictionary(flows["exporter"], flows.exporters),
        "direction": _dictionary(directions(flows, site), DIRECTIONS),
        **labels,
    }
    for name in ("src", "dst"):
        data = np.ascontiguousarray(flows[name])
        columns[name] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, pa.py_buffer(data)])
    arrays = []
    for column in FLOW_SCHEMA:
        values = columns[column.name] if column.name in columns else flows[column.name]
        if isinstance(values, np.ndarray):
            values = pa.array(np.ascontiguousarray(values, dtype=NUMBERS.get(column.name)))
        arrays.append(values.cast(column.type) if values.type != column.type else values)
    return pa.Table.from_arrays(arrays, schema=FLOW_SCHEMA)


def _ases(found: Origins, stated: NDArray[Any]) -> NDArray[Any]:
    return np.where(found.ases != 0, found.ases, stated)


def _dictionary(codes: NDArray[Any], names: tuple[str, ...]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))
