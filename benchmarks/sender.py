"""Sends NetFlow v5 datagrams from memory at a given rate, `sendmmsg(2)` of 64 at a time; for loopback only.

    python benchmarks/sender.py PORT RATE SECONDS      # RATE 0: as fast as it goes

Prints one JSON object: datagrams and flows sent, seconds taken. Sequence numbers and clocks are right, so that the
receiver can tell what it lost; flows end just before they are sent.
"""

from __future__ import annotations

import ctypes
import json
import socket
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.flows import EACH, v5_datagrams, zipf_flows
from tidegauge.collect.mmsg import IOVEC, MMSGHDR

AT_ONCE = 64
POOL = 20_000


def main(port: int, rate: int, seconds: float, first_sequence: int = 0) -> None:
    payloads = v5_datagrams(zipf_flows(POOL * EACH, np.random.default_rng(3)))
    heads = payloads[:, :24]
    size = payloads.shape[1]
    vectors = np.zeros(len(payloads), dtype=IOVEC)
    vectors["base"] = payloads.ctypes.data + np.arange(len(payloads), dtype=np.uint64) * size
    vectors["length"] = size
    messages = np.zeros(len(payloads), dtype=MMSGHDR)
    messages["iov"] = vectors.ctypes.data + np.arange(len(payloads), dtype=np.uint64) * IOVEC.itemsize
    messages["iovlen"] = 1
    send = ctypes.CDLL(None, use_errno=True).sendmmsg
    sent, total = 0, int(rate * seconds) if rate else 1 << 62
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        sender.connect(("127.0.0.1", port))
        begin = time.monotonic()
        refreshed = -1
        while sent < total and time.monotonic() - begin < seconds + (5 if rate else 0):
            if rate and (ahead := sent / rate - (time.monotonic() - begin)) > 0.001:
                time.sleep(ahead)
            place = sent % len(payloads)
            if place == 0 and refreshed != sent:
                refreshed = sent
                numbers = (first_sequence + (sent + np.arange(len(payloads))) * EACH) & 0xFFFFFFFF
                heads[:, 16:20] = numbers.astype(">u4").view(np.uint8).reshape(-1, 4)
                heads[:, 8:12] = np.frombuffer(np.uint32(time.time()).byteswap().tobytes(), np.uint8)
            count = min(AT_ONCE, len(payloads) - place, total - sent)
            where = messages.ctypes.data + place * MMSGHDR.itemsize
            done = send(sender.fileno(), ctypes.c_void_p(where), count, 0)
            if done > 0:
                sent += done
        spent = time.monotonic() - begin
    print(json.dumps({"datagrams": sent, "flows": sent * EACH, "seconds": spent}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 0)
