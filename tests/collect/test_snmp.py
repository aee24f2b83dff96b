"""Names of exporters and interfaces, from a real agent on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegauge.collect import ask_names
from tidegauge.site import SnmpSettings


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("snmpd", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.skip("snmpd is not installed")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (tmp_path / "snmpd.conf").write_text("rocommunity secret 127.0.0.1\nsysName border-router\n")
    command = [
        program,
        "-f",
        "-C",
        "-c",
        str(tmp_path / "snmpd.conf"),
        "-Lf",
        str(tmp_path / "log"),
        f"udp:127.0.0.1:{port}",
    ]
    process = subprocess.Popen(command, env={**os.environ, "SNMP_PERSISTENT_DIR": str(tmp_path)})
    time.sleep(1)
    yield port
    process.kill()
    process.wait()


def test_an_exporter_tells_its_name_and_its_interfaces(agent: int) -> None:
    (found,) = ask_names(["127.0.0.1"], SnmpSettings(community="secret", port=agent))
    assert (found.name, found.error) == ("border-router", "")
    assert "lo" in found.interfaces.values()


def test_one_that_does_not_answer_is_an_error_of_its_own(agent: int) -> None:
    (found,) = ask_names(["127.0.0.1"], SnmpSettings(community="wrong", port=agent))
    assert (found.name, found.interfaces) == ("", {})
    assert found.error
