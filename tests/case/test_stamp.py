"""Time-stamps by OpenSSL's own responder, and sightings of what other teams named."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tidegauge.case import CaseFile, verify
from tidegauge.model import TidegaugeError
from tidegauge.site import load_site

Run = Callable[..., tuple[int, Any]]
CONFIG = """
[tsa]
default_tsa = one
[one]
dir = {folder}
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/tsa.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[stamping]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
"""


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def responder(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A time-stamping service on loopback: OpenSSL's `ts` behind HTTP; its URL and its root."""
    folder = tmp_path / "tsa"
    folder.mkdir()
    (folder / "ts.cnf").write_text(CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-days",
            "30", "-subj", "/CN=root", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=tsa")
    openssl(folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
            "-out", "tsa.pem", "-days", "30", "-extfile", "ts.cnf", "-extensions", "stamping")

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query.tsq").write_bytes(self.rfile.read(int(self.headers["content-length"])))
            openssl(folder, "ts", "-reply", "-config", "ts.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr")
            self.send_response(200)
            self.send_header("content-type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write((folder / "reply.tsr").read_bytes())

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", folder / "root.pem"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stamp_shows_how_far_the_chain_had_come(site: Path, run: Run, responder: tuple[str, Path]) -> None:
    url, root = responder
    (site / "tsa.pem").write_bytes(root.read_bytes())
    with (site / "tidegauge.toml").open("a") as file:
        file.write(f'\n[case]\ntimestamp = "{url}"\ntimestamp_root = "tsa.pem"\n')
    assert run(site, "stamp", "autumn") == (0, {"id": "T1"})
    status, told = run(site, "verify", "autumn")
    assert status == 0
    assert told["items"][-1] == {"id": "T1", "status": "same", "why": ""}
    files = CaseFile(load_site(site), "anna")
    stamped = files.get("autumn").get("T1").body
    files.add("autumn", "stamp", {**stamped, "head": 2})
    files.add("autumn", "stamp", {**stamped, "token": stamped["token"][:-40] + "A" * 40})
    found = {item.id: item for item in verify(files.site, files.cases, files.get("autumn")).items}
    assert (found["T1"].status, found["T2"].status, found["T3"].status) == ("same", "tampered", "tampered")
    assert "not the one that stands there" in found["T2"].why
    openssl(root.parent, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "o.key", "-out", "other.pem",
            "-subj", "/CN=other")
    (site / "tsa.pem").write_bytes((root.parent / "other.pem").read_bytes())
    assert run(site, "verify", "autumn")[0] == 12
    with pytest.raises(TidegaugeError, match="does not verify"):
        run(site, "stamp", "autumn")


def test_indicators_of_others_are_looked_for_and_a_negative_has_its_limit(site: Path, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_text("kind,value\nprefix,203.146.227.198/32\nprefix,203.0.113.250/32\ndomain,never-seen.example\n")
    assert run(site, "import", "autumn", str(path), "--graded", "C3")[1]["indicators"] == 3
    status, told = run(site, "sightings", "autumn", "--since", "2014-11-28")
    assert status == 0
    seen = {one["mark"]: one for one in told["sightings"]}
    assert len(seen) == 3
    assert seen["prefix 203.0.113.250/32"] == {
        "mark": "prefix 203.0.113.250/32", "flows": 0, "bytes": 0, "first": "", "last": "",
    }
    answer = CaseFile(load_site(site), "anna").get("autumn").get(told["id"]).body["result"]
    assert "detection_limit" in answer
    assert json.dumps(answer)
