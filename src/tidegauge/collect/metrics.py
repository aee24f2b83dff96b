"""Counters for Prometheus: the processes' status files as its text format, on a small HTTP server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tidegauge.collect.status import DECODER, RECEIVER, STALE_S, read_status

GAUGES = {
    RECEIVER: ("queued_bytes", "spool_bytes", "spool_limit", "waiting_to_count"),
    DECODER: ("backlog_bytes", "waiting_sets", "templates"),
}
COUNTERS = {
    RECEIVER: ("datagrams", "bytes", "spooled", "kernel_dropped", "spool_dropped"),
    DECODER: ("datagrams", "flows", "commits", "refused", "dropped", "findings", "compacted", "rolled"),
}


def exposition(folder: Path) -> str:
    """All counters and gauges (Prometheus text format 0.0.4); a counter that never counted is 0."""
    return "\n".join(_lines(folder)) + "\n"


def _lines(folder: Path) -> Iterator[str]:
    for process in (RECEIVER, DECODER):
        status = read_status(folder, process)
        alive = status is not None and time.time() - status["time_s"] < STALE_S
        yield f"# TYPE tidegauge_{process}_up gauge"
        yield f"tidegauge_{process}_up {int(alive)}"
        counts: dict[str, Any] = (status or {}).get("counts", {})
        for name in COUNTERS[process]:
            yield f"# TYPE tidegauge_{process}_{name}_total counter"
            yield f"tidegauge_{process}_{name}_total {counts.get(name, 0)}"
        for name in GAUGES[process]:
            yield f"# TYPE tidegauge_{process}_{name} gauge"
            yield f"tidegauge_{process}_{name} {(status or {}).get(name, 0)}"
        if process == DECODER:
            for name in ("torn_bytes", "damaged_bytes"):
                yield f"# TYPE tidegauge_spool_{name}_total counter"
                yield f"tidegauge_spool_{name}_total {(status or {}).get(name, 0)}"
            yield "# TYPE tidegauge_silent_exporters gauge"
            yield f"tidegauge_silent_exporters {len((status or {}).get('silent', []))}"
            yield "# TYPE tidegauge_skipped_total counter"
            for row in (status or {}).get("skipped", []):
                labels = f'what="{_escaped(row["what"])}",why="{_escaped(row["why"])}"'
                yield f"tidegauge_skipped_total{{{labels}}} {row['count']}"
        yield f"# TYPE tidegauge_{process}_trouble gauge"
        for state in (status or {}).get("states", {}):
            yield f'tidegauge_{process}_trouble{{state="{_escaped(state)}"}} 1'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


@contextmanager
def serve_metrics(address: tuple[str, int] | None, folder: Path) -> Iterator[None]:
    """Answer `GET /metrics` in a thread of its own while the context lasts."""
    if address is None:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition(folder).encode() if self.path == "/metrics" else b"see /metrics\n"
            self.send_response(200 if self.path == "/metrics" else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged."""

    server = ThreadingHTTPServer(address, Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
