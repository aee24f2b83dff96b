"""What `simulate` and `demo` share: simulated sites."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegauge.simulate import Datagram, Scenario


def heard(scenario: Scenario) -> Iterator[Datagram]:
    """The scenario's datagrams without those that are lost on the way; their sequence numbers are missing then."""
    from tidegauge.simulate import encode

    boot_s = int(scenario.flows["time_start"].min()) // 1_000_000 - 3600
    for datagram in encode(scenario.flows, boot_s=boot_s):
        if not any(start <= datagram.sent_s < end for start, end in scenario.gaps_s):
            yield datagram


def write_scenario(scenario: Scenario, folder: Path, *, as_flows: bool = False) -> Path:
    """Write the flows (as a capture of NetFlow v9, or Parquet) and `truth.json`."""
    import numpy as np

    from tidegauge.model import FLOW_SCHEMA, parse_address
    from tidegauge.simulate import EXPORTER, write_pcap

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "truth.json").write_text(json.dumps(scenario.truth, indent=1) + "\n", encoding="utf-8")
    if as_flows:
        import pyarrow.parquet as pq

        from tidegauge.atlas import Atlas, label
        from tidegauge.site import load_site

        path = folder / "simulated.parquet"
        table = label(scenario.flows, load_site(make_site(folder / "labels")), Atlas())
        shutil.rmtree(folder / "labels")
        table = table.replace_schema_metadata({"tidegauge": "simulated"})
        pq.write_table(table.take(np.argsort(scenario.flows["time_start"], kind="stable")), path, compression="zstd")
        assert table.schema.names == FLOW_SCHEMA.names
        return path
    path = folder / "simulated.pcap"
    with path.open("wb") as file:
        write_pcap(file, heard(scenario), sender=parse_address(EXPORTER)[12:])
    return path


def make_site(folder: Path) -> Path:
    from tidegauge.simulate import HOME
    from tidegauge.site import init_site

    init_site(folder, home=[str(HOME)], name="simulated research network", simulated=True)
    return folder
