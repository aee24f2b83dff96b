"""What connections in packet captures carried: put together from segments in any order, and looked through."""

from __future__ import annotations

import base64
import gzip
import io
import random
import struct
from email.message import EmailMessage
from pathlib import Path

from hypothesis import given, settings, strategies as st

from tests.leak import make
from tests.make import ethernet, ip, run_json
from tidegauge.content.sessions import Part, parts_of
from tidegauge.model import Skipped
from tidegauge.wire import tcp_streams

PEOPLE = make.people(12, seed=8)
CLIENT, SERVER = "192.0.2.10", "198.51.100.7"


def segment(src: str, sport: int, dst: str, dport: int, sequence: int, data: bytes, flags: int = 0x18) -> bytes:
    tcp = struct.pack(">HHIIBBHHH", sport, dport, sequence % 2**32, 0, 0x50, flags, 8192, 0, 0) + data
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, ip(src), ip(dst))
    return ethernet(head + tcp)


def capture(frames: list[bytes], *, cut: int = 0) -> bytes:
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate(frames):
        out += struct.pack("<IIII", 1_416_800_000 + number, 0, len(frame), len(frame)) + frame
    return out[: len(out) - cut]


def sent(data: bytes, sport: int = 40000, dport: int = 80, *, size: int = 700, start: int = 2**32 - 900) -> list[bytes]:
    """Segments of what one side sends, over the end of the sequence numbers."""
    frames = [segment(CLIENT, sport, SERVER, dport, start - 1, b"", 0x02)]
    for at in range(0, len(data), size):
        frames.append(segment(CLIENT, sport, SERVER, dport, start + at, data[at : at + size]))
    frames.append(segment(CLIENT, sport, SERVER, dport, start + len(data), b"", 0x11))
    return frames


def joined(frames: list[bytes]) -> list[tuple[bytes, int]]:
    return [(s.data, s.gaps) for s in tcp_streams(io.BytesIO(capture(frames)), "x", Skipped())]


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=4000), st.integers(1, 900), st.randoms(use_true_random=False))
def test_segments_in_any_order_and_sent_twice_are_the_stream(data: bytes, size: int, order: random.Random) -> None:
    opening, *middle, end = sent(data, size=size)
    middle += order.sample(middle, len(middle) // 2)
    order.shuffle(middle)
    assert joined([opening, *middle, end]) == [(data, 0)]


def test_what_was_not_captured_is_counted() -> None:
    frames = sent(bytes(2100))
    del frames[2]
    assert joined(frames) == [(bytes(1400), 700)]


def found_in(tmp_path: Path, frames: list[bytes], **cut: int) -> dict[str, int]:
    path = tmp_path / "a.pcap"
    path.write_bytes(capture(frames, **cut))
    (told,) = run_json("leak", str(path))
    kinds: dict[str, int] = told["summary"]["by_kind"]
    return kinds


def mail() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@corp.example", "b@corp.example", "list"
    message.set_content("see it")
    message.add_attachment(make.as_csv(PEOPLE), maintype="text", subtype="csv", filename="staff.csv")
    return message.as_bytes().replace(b"\n", b"\r\n")


VALUES = dict.fromkeys(make.KINDS, len(PEOPLE))


def test_an_upload_and_a_download_over_http_are_looked_into(tmp_path: Path) -> None:
    body = make.as_csv(PEOPLE)
    upload = b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert found_in(tmp_path, sent(upload)) == VALUES
    packed = gzip.compress(body)
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(packed[i : i + 500]), packed[i : i + 500]) for i in range(0, len(packed), 500)
    )
    download = (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    )
    assert found_in(tmp_path, sent(download + b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")) == VALUES


def test_forms_and_sign_ins_are_read(tmp_path: Path) -> None:
    form = f"ssn={PEOPLE[0].ssn}&user=anna&password=Tide%212014x".encode()
    request = (
        b"POST /f HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(form)
    )
    basic = base64.b64encode(b"bruno:Gauge+77level")
    get = b"GET /a?iban=%s HTTP/1.1\r\nAuthorization: Basic %s\r\n\r\n" % (PEOPLE[0].iban.encode(), basic)
    kinds = found_in(tmp_path, sent(get + request + form))
    assert kinds == {"us-ssn": 1, "credential": 2, "iban": 1}
    parted = b'--B\r\nContent-Disposition: form-data; name="ssn"\r\n\r\n' + PEOPLE[1].ssn.encode()
    parted += (
        b'\r\n--B\r\nContent-Disposition: form-data; name="f"; filename="s.csv"\r\n\r\n'
        + make.as_csv(PEOPLE)
        + b"\r\n--B--"
    )
    head = b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: %d\r\n\r\n" % len(
        parted
    )
    assert found_in(tmp_path, sent(head + parted)) == VALUES


def test_mails_of_smtp_pop3_and_imap_are_read(tmp_path: Path) -> None:
    dotted = mail().replace(b"\r\n.", b"\r\n..")
    plain = base64.b64encode(b"\0anna@corp.example\0Ebb-and-Flow9")
    smtp = b"EHLO x\r\nAUTH PLAIN %s\r\nMAIL FROM:<a@corp.example>\r\nDATA\r\n%s\r\n.\r\nQUIT\r\n" % (plain, dotted)
    assert found_in(tmp_path, sent(smtp, dport=25)) == VALUES | {"mail": 1, "credential": len(PEOPLE) + 1}
    pop = b"+OK ready\r\n+OK\r\n+OK 3 octets\r\n%s\r\n.\r\n+OK\r\n" % dotted
    assert found_in(tmp_path, sent(pop, dport=110)) == VALUES | {"mail": 1}
    letter = mail()
    imap = b"* OK ready\r\n* 1 FETCH (BODY[] {%d}\r\n%s)\r\na1 OK\r\n" % (len(letter), letter)
    assert found_in(tmp_path, sent(imap, dport=143)) == VALUES | {"mail": 1}


def test_ftp_is_read_with_its_data_connection(tmp_path: Path) -> None:
    control = sent(b"USER anna\r\nPASS Spring-tide8\r\nSTOR x.zip\r\n", sport=40001, dport=21)
    data = sent(gzip.compress(make.as_csv(PEOPLE)), sport=40002, dport=20)
    mixed = [frame for pair in zip(control, data, strict=False) for frame in pair] + data[len(control) :]
    assert found_in(tmp_path, mixed) == VALUES | {"credential": len(PEOPLE) + 1}


def test_encrypted_and_damaged_captures_are_said(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(
        capture(sent(b"\x16\x03\x01\x02\x00" + bytes(600), dport=443) + sent(make.as_csv(PEOPLE), sport=7), cut=9)
    )
    (told,) = run_json("leak", str(path))
    reasons = " ".join(row["why"] for row in told["skipped"])
    assert "encrypted (TLS)" in reasons
    assert "can't be read on" in reasons
    assert told["summary"]["by_kind"] == VALUES


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", b"EHLO x\r\n", b"+OK\r\n", b"* OK {", b"USER"]),
       st.binary(max_size=600))
def test_any_stream_comes_to_an_end(start: bytes, data: bytes) -> None:
    assert all(isinstance(part, Part) for part in parts_of(start + data))
