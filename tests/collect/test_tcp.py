"""IPFIX over TCP, live: what is no IPFIX is cut off, and a port that is taken keeps UDP."""

from __future__ import annotations

import socket
from collections.abc import Callable

from tests.collect.conftest import Running
from tests.make import run_json
from tests.wire.test_tcp_export import stream
from tidegauge.collect.tcp import listen
from tidegauge.site import load_site


def test_a_mediator_is_heard_live_and_a_stranger_cut_off(collector: Callable[..., Running]) -> None:
    running = collector()
    running.start()
    whole = stream(100)
    with socket.create_connection(("127.0.0.1", running.port)) as sender:
        for at in range(0, len(whole), 333):
            sender.sendall(whole[at : at + 333])
        with socket.create_connection(("127.0.0.1", running.port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            stranger.settimeout(10)
            assert stranger.recv(10) == b""
        running.wait_for(lambda: running.status("receiver").get("counts", {}).get("datagrams", 0) >= 101)
    running.stop()
    assert sum(1 for _ in run_json("flows", "--json", site=load_site(running.folder))) == 300
    assert any(event["event"] == "tcp_closed" for event in running.events())


def test_a_port_that_another_program_has_keeps_udp(collector: Callable[..., Running]) -> None:
    running = collector()
    with listen("127.0.0.1", running.port):
        running.start()
        assert any(event["event"] == "no_tcp" for event in running.events())
        running.stop()
