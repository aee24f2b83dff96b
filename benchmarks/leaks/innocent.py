"""Lines in which no person's number stands: logs, code, tables, identifiers."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid
from collections.abc import Callable
from pathlib import Path

WORDS = (
    "the of tide flow gauge level river station record value sample filter account order number report window after "
    "before between channel network service daily answer customer shipment"
).split()


def _prose(r: random.Random, i: int) -> str:
    return " ".join(r.choice(WORDS) for _ in range(14)) + f" {r.randrange(100)}."


def _access(r: random.Random, i: int) -> str:
    return (
        f"192.0.2.{r.randrange(256)} - - [25/Nov/2014:{i % 24:02d}:00:{i % 60:02d} +0000] "
        f'"GET /item/{r.randrange(10**9)}?session={r.randrange(10**16)} HTTP/1.1" 200 '
        f'{r.randrange(10**6)} "-" "Mozilla/5.0"'
    )


def _app(r: random.Random, i: int) -> str:
    return (
        f"2026-03-02T10:00:12.{r.randrange(10**6):06d}Z worker[{r.randrange(99999)}] id={r.randrange(10**10)} "
        f"order={r.randrange(10**9)} trace={r.getrandbits(64):016x} took {r.random():.6f}s"
    )


def _json(r: random.Random, i: int) -> str:
    return (
        f'{{"ts":{1700000000000 + i},"id":"{r.getrandbits(48)}","tweet":{r.randrange(10**17, 10**19)},'
        f'"lat":{r.uniform(-90, 90):.7f},"lon":{r.uniform(-180, 180):.7f},"tags":["a{i}","b{r.randrange(999999999)}"]}}'
    )


def _orders(r: random.Random, i: int) -> str:
    return (
        f"{r.randrange(10**8, 10**9)},{r.randrange(10**12, 10**13)},{r.random() * 999:.2f},"
        f"{r.randrange(10**15, 10**16)},{r.choice(WORDS)},2026-0{r.randrange(1, 9)}-1{r.randrange(9)}"
    )


def _science(r: random.Random, i: int) -> str:
    return "\t".join(f"{r.gauss(0, 1000):.{r.randrange(2, 10)}f}" for _ in range(8))


def _integers(r: random.Random, i: int) -> str:
    return " ".join(f"{r.randrange(10000):04d}" for _ in range(12))


def _code(r: random.Random, i: int) -> str:
    return r.choice(
        (
            f"    const a{i} = hash(0x{r.getrandbits(32):08x}, {r.randrange(10**9)});",
            f"  if (password === null || token.length < {r.randrange(99)}) return error({r.randrange(10**6)});",
            f"def area_{i}(x): return x[{r.randrange(99)}:{r.randrange(999)}] * {r.random():.12f}",
            f'assert_eq!(parse("{r.randrange(10**11)}"), Some({r.randrange(10**11)}));',
        )
    )


def _minified(r: random.Random, i: int) -> str:
    inner = base64.b64encode(r.randbytes(24)).decode()
    return (
        f"function a{i}(e){{var t={r.randrange(10**9)},n=0x{r.getrandbits(32):08x};"
        f'return e[{r.randrange(99)}]+"{inner}"}}e.password=t.value;o.secret=null;'
    )


def _phones(r: random.Random, i: int) -> str:
    return (
        f"{r.choice(['Anna Smit', 'Jonas Weiss', 'Mei Chen'])}, tel {r.randrange(200, 999)}-{r.randrange(200, 999)}-"
        f"{r.randrange(10**4):04d}, +49 {r.randrange(30, 999)} {r.randrange(10**5, 10**8)}, {r.randrange(10**4, 10**5)}"
    )


def _parts(r: random.Random, i: int) -> str:
    return (
        f"part {r.randrange(10**9)} serial {r.randrange(10**12)} isbn 978-{r.randrange(10)}-{r.randrange(10**4):04d}-"
        f"{r.randrange(10**4):04d}-{r.randrange(10)} ean {r.randrange(10**13)}"
    )


def _bank(r: random.Random, i: int) -> str:
    amount = r.randrange(-(10**5), 10**5) / 100
    return f"{r.randrange(10**6)};{r.randrange(10**10)};{amount};EUR;ref {r.randrange(10**16)}"


KINDS: dict[str, Callable[[random.Random, int], str]] = {
    "prose": _prose, "access log": _access, "application log": _app, "JSON events": _json, "orders": _orders,
    "science": _science, "integers": _integers, "code": _code, "minified scripts": _minified, "telephones": _phones,
    "parts": _parts, "bookings": _bank,
    "SHA-256": lambda r, i: hashlib.sha256(str(i).encode()).hexdigest(),
    "hex dump": lambda r, i: " ".join(f"{b:02x}" for b in r.randbytes(32)),
    "UUID": lambda r, i: str(uuid.UUID(int=r.getrandbits(128))),
    "bare numbers": lambda r, i: str(r.randrange(10 ** r.randrange(6, 20))),
}


def write_innocent(kind: str, lines: int, path: Path, seed: int) -> None:
    """Write so many lines of a kind."""
    r = random.Random(f"{kind} {seed}")
    with path.open("w") as file:
        for i in range(lines):
            file.write(KINDS[kind](r, i) + "\n")
