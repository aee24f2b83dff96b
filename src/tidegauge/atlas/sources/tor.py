"""Tor relays by the hour: network status consensuses and exit lists, as the Tor Project publishes and CollecTor keeps
them.

Formats: Tor directory protocol, version 3 (dir-spec); TorDNSEL exit lists. A consensus states when it holds
(`valid-after`, `fresh-until`, `valid-until`). Licence: CC0.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from tidegauge.atlas.statements import LONGEST_NAME, Parsed, joined, prefix_rows, range_of, too_many
from tidegauge.model import InputError, Skipped, class_bit
from tidegauge.wire import Stream

RELAY, EXIT = class_bit("tor-relay"), class_bit("tor-exit")
DAY_S = 86400


def read_consensus(stream: Stream) -> Parsed:
    """One or more consensuses (also microdescriptor consensuses), one behind the other.

    Each holds from its `valid-after` to the next one's, or to its own `valid-until` where the next one is later than
    that. A relay with the flag Exit and without BadExit is `tor-exit`, every one is `tor-relay`.

    Raises:
        InputError: a consensus without its times, or cut before its signatures.
    """
    documents: list[tuple[int, int, list[tuple[bytes, int, str]]]] = []
    skipped = Skipped()
    after = until = 0
    relays: list[tuple[bytes, int, str]] = []
    pending: list[bytes] = []
    name, open_document, count = "", False, 0

    def flush(bits: int) -> None:
        relays.extend((address, bits, name) for address in pending)
        pending.clear()

    for line in _lines(stream):
        word, _, rest = line.partition(" ")
        if word == "network-status-version":
            if open_document:
                raise InputError("a consensus without its end", where=f"{stream.name}, offset {stream.offset}")
            open_document, after, until, relays = True, 0, 0, []
        elif word == "valid-after":
            after = moment_s(rest)
        elif word == "valid-until":
            until = moment_s(rest)
        elif word == "r":
            flush(RELAY)
            name, address = _relay(rest)
            if address is None:
                skipped.add("relay", "no address")
            else:
                pending.append(address)
                count += 1
                too_many(count, stream.name)
        elif word == "a" and pending:
            found = range_of(rest.strip().rpartition(":")[0].strip("[]"))
            if found is None:
                skipped.add("relay", "a further address that is none")
            elif len(pending) < 16:
                pending.append(found[0])
        elif word == "s" and pending:
            flags = rest.split()
            flush(RELAY | (EXIT if "Exit" in flags and "BadExit" not in flags else 0))
        elif word == "directory-footer":
            flush(RELAY)
            if not (0 < after < until):
                raise InputError("a consensus that does not say when it holds",
                                 where=f"{stream.name}, offset {stream.offset}")
            documents.append((after, until, relays))
            open_document = False
    if open_document or not documents:
        raise InputError(
            "a consensus cut before its end" if open_document else "no consensus in it",
            where=f"{stream.name}, offset {stream.offset}", hint="fetch it again",
        )
    return Parsed(_held(documents), date_s=min(d[0] for d in documents), skipped=skipped)


def _held(documents: list[tuple[int, int, list[tuple[bytes, int, str]]]]) -> pa.Table:
    documents = sorted(documents, key=lambda d: d[0])
    rows: list[tuple[bytes, int, str, int, int]] = []
    for i, (after, until, relays) in enumerate(documents):
        following = documents[i + 1][0] if i + 1 < len(documents) else until
        end = following if following <= until else until
        rows += [(address, bits, name, after, end) for address, bits, name in relays]
    addresses = joined(r[0] for r in rows)
    return prefix_rows(
        addresses, addresses, classes=np.array([r[1] for r in rows], dtype=np.uint16), name=[r[2] for r in rows],
        from_s=np.array([r[3] for r in rows], dtype=np.int64), until_s=np.array([r[4] for r in rows], dtype=np.int64),
    )


def _relay(rest: str) -> tuple[str, bytes | None]:
    """Nickname and address of an `r` line; that of a microdescriptor consensus has one field fewer."""
    fields = rest.split()
    place = 5 if len(fields) >= 8 else 4
    found = range_of(fields[place]) if len(fields) > place + 1 else None
    return (fields[0] if fields else "")[:LONGEST_NAME], None if found is None else found[0]


def moment_s(text: str) -> int:
    """Epoch seconds of `2014-11-24 11:00:00`; 0 where it is no such time."""
    try:
        return int(datetime.fromisoformat(text.strip()).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def _lines(stream: Stream) -> Iterator[str]:
    for block in stream.lines():
        yield from block.decode("utf-8", "replace").splitlines()


def read_exit_list(stream: Stream) -> Parsed:
    """`ExitAddress ADDRESS DATE TIME` of exit lists: the addresses from which exits really sent.

    The address is held to be an exit for the day after it was measured. Several lists may stand in one file; the
    date is that of the newest `Downloaded` or `LastStatus`.
    """
    skipped = Skipped()
    rows: list[tuple[bytes, int]] = []
    newest = 0
    for line in _lines(stream):
        word, _, rest = line.partition(" ")
        if word in ("Downloaded", "LastStatus"):
            newest = max(newest, moment_s(rest))
        elif word == "ExitAddress":
            address, _, when = rest.partition(" ")
            found, measured = range_of(address), moment_s(when)
            if found is None or not measured:
                skipped.add("exit address", "no address and time")
                continue
            rows.append((found[0], measured))
            newest = max(newest, measured)
            too_many(len(rows), stream.name)
    if not rows:
        raise InputError("no ExitAddress in it", where=f"{stream.name}, offset {stream.offset}")
    addresses = joined(r[0] for r in rows)
    measured_s = np.array([r[1] for r in rows], dtype=np.int64)
    table = prefix_rows(
        addresses, addresses, classes=EXIT | RELAY, from_s=measured_s, until_s=measured_s + DAY_S, name="exit address"
    )
    return Parsed(table, date_s=newest, skipped=skipped)
