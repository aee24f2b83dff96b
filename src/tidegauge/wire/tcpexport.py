"""IPFIX over TCP (RFC 7011, 10.4): whole messages from the byte stream of a connection, captured or live."""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Skipped
from tidegauge.wire.buffer import Buffer
from tidegauge.wire.frames import TCP, IpHeaders

HEAD = struct.Struct(">HHI")
IPFIX = 10
"""The version of IPFIX messages."""
MESSAGE_HEADER, SET_HEADER = 16, 4
MOST_SESSIONS = 4096
PORTS = (4739, 4740)
"""Of IPFIX (RFC 7011, 10.3): there a connection is followed from wherever its capture begins."""
MOST_WAITING, MOST_EARLY, MOST_OF_ALL = 1 << 20, 2048, 64 << 20
"""Bytes of one connection that wait for bytes before them, in how many segments, and the bytes of all connections."""
FEW_EARLY = 64
"""With more segments that wait than this, only the one that begins at the next byte is looked for."""
FIN, SYN, RST = 1, 2, 4
Key = tuple[bytes, int, bytes, int]


def begins_message(data: bytes | bytearray) -> bool:
    """Whether bytes begin with an IPFIX message whose first set can be one."""
    if len(data) < MESSAGE_HEADER + SET_HEADER:
        return False
    version, length, _ = HEAD.unpack_from(data)
    set_id, set_length = struct.unpack_from(">HH", data, MESSAGE_HEADER)
    known = set_id in (2, 3) or set_id >= 256
    return bool(version == IPFIX and known and SET_HEADER <= set_length <= length - MESSAGE_HEADER)


def take_messages(data: bytearray) -> tuple[list[bytes], bool]:
    """Take the whole messages off the beginning of a stream.

    Returns:
        The messages, and whether what follows can still be IPFIX.
    """
    found: list[bytes] = []
    begin = 0
    while len(data) - begin >= 4:
        version, length = struct.unpack_from(">HH", data, begin)
        if version != IPFIX or length < MESSAGE_HEADER:
            del data[:begin]
            return found, False
        if begin + length > len(data):
            break
        found.append(bytes(data[begin : begin + length]))
        begin += length
    del data[:begin]
    return found, True


def _ahead(sequence: int, following: int) -> int:
    """How far a sequence number is ahead of another; both wrap at 2^32."""
    return (sequence - following + 2**31) % 2**32 - 2**31


def _next_message(data: bytes | bytearray, domain: bytes) -> tuple[int, bool]:
    """Where in a stream the next message of a domain can begin, and whether it does; behind all that cannot begin one
    where none can. Where the domain is not known, a message is one behind which another begins."""
    perhaps = None
    begin = data.find(b"\x00\x0a")
    while begin >= 0:
        head = data[begin : begin + MESSAGE_HEADER + SET_HEADER]
        if len(head) < MESSAGE_HEADER + SET_HEADER:
            perhaps = begin if perhaps is None else perhaps
        elif begins_message(head) and domain in (b"", head[12:MESSAGE_HEADER]):
            behind = begin + int.from_bytes(head[2:4])
            if domain or data[behind : behind + 2] == b"\x00\x0a":
                return begin, True
            if behind + 2 > len(data) and perhaps is None:
                perhaps = begin
        begin = data.find(b"\x00\x0a", begin + 1)
    return (max(len(data) - 1, 0) if perhaps is None else perhaps), False


@dataclass
class _Session:
    """One side of a captured connection: bytes in order that are not a whole message yet, and those that came early.

    Attributes:
        following: sequence number of the next byte.
        domain: the observation domain as messages hold it, by which the next one is known behind a gap; empty until
            one was read.
        in_step: the next byte goes on where the last message ended; behind a gap it is not known where one begins.
    """

    following: int
    domain: bytes
    data: bytearray = field(default_factory=bytearray)
    early: dict[int, bytes] = field(default_factory=dict)
    waiting: int = 0
    in_step: bool = True


@dataclass
class TcpExport:
    """Puts messages together from the TCP segments of a capture; bounded in memory."""

    skipped: Skipped
    sessions: OrderedDict[Key, _Session] = field(default_factory=OrderedDict)
    opened: OrderedDict[Key, int] = field(default_factory=OrderedDict)
    """Sequence numbers of the first bytes of connections whose opening was seen, and no byte yet."""
    waiting: int = 0

    def add(self, buffer: Buffer, ip: IpHeaders) -> tuple[list[tuple[int, bytes]], NDArray[np.bool_]]:
        """Take in the segments among packets.

        Returns:
            For each message that became whole the row of the packet that made it so, and its bytes; and which packets
            belong to a connection that carries IPFIX, either way.
        """
        segments = ip.valid & ~ip.fragments & (ip.protos == TCP) & (ip.payload_lengths >= 20)
        rows = np.flatnonzero(segments)
        starts = ip.payloads[rows]
        begins = starts + np.maximum((buffer.u8(starts + 12) >> 4) * 4, 20)
        sequences, lasts = buffer.u32(starts + 4), starts + ip.payload_lengths[rows]
        found: list[tuple[int, bytes]] = []
        speaking = np.zeros(len(ip.protos), dtype=bool)
        ours = np.isin(ip.dst_ports[rows], PORTS)
        if not self.sessions and not (ours | (buffer.u16(begins) == IPFIX) & (begins < lasts)).any():
            return found, speaking  # captures of other traffic hold nothing that could begin a session
        raw = buffer.data.data
        for row, sequence, first, last in zip(
            rows.tolist(), sequences.tolist(), begins.tolist(), lasts.tolist(), strict=True
        ):
            key = (ip.src[row].tobytes(), int(ip.src_ports[row]), ip.dst[row].tobytes(), int(ip.dst_ports[row]))
            flags = int(ip.tcp_flags[row])
            data = bytes(raw[first:last]) if last > first else b""
            session = self.sessions.get(key)
            if session is None and key[3] in PORTS and flags & SYN:
                self._note_opening(key, (sequence + 1) % 2**32)
                sequence += 1
            if session is None and data:
                session = self._begun(key, sequence, data)
            if session is None:
                speaking[row] = (*key[2:], *key[:2]) in self.sessions
                continue
            speaking[row] = True
            if data:
                found += [(row, message) for message in self._put(session, sequence, data)]
            if flags & (FIN | RST | SYN):
                found += [(row, message) for message in self._rest(session)]
                self._close(key, session)
        return found, speaking

    def _note_opening(self, key: Key, sequence: int) -> None:
        self.opened[key] = sequence
        if len(self.opened) > MOST_SESSIONS:
            self.opened.popitem(last=False)

    def _begun(self, key: Key, sequence: int, data: bytes) -> _Session | None:
        """The session that a segment begins; None where it is no IPFIX."""
        first = self.opened.pop(key, None)
        if first is not None and 0 < _ahead(sequence, first) <= MOST_WAITING:
            return self._open(key, first, b"")  # segments before it are on their way
        if begins_message(data):
            return self._open(key, sequence, data[12:MESSAGE_HEADER])
        if key[3] not in PORTS:
            return None
        session = self._open(key, sequence, b"")
        session.in_step = False  # the capture begins amid a message
        return session

    def _open(self, key: Key, sequence: int, domain: bytes) -> _Session:
        if len(self.sessions) >= MOST_SESSIONS:
            self._close(*next(iter(self.sessions.items())))
        session = self.sessions[key] = _Session(sequence, domain)
        return session

    def _put(self, session: _Session, sequence: int, data: bytes) -> list[bytes]:
        """Take in a segment; the messages that became whole."""
        ahead = _ahead(sequence, session.following)
        if ahead > 0:
            if sequence not in session.early:
                session.early[sequence] = data
                session.waiting += len(data)
                self.waiting += len(data)
            much = session.waiting > MOST_WAITING or len(session.early) > MOST_EARLY or self.waiting > MOST_OF_ALL
            return self._skip_gap(session) if much else []
        if -ahead >= len(data):
            return []  # sent again
        self._append(session, data[-ahead:])
        return self._drain(session)

    def _append(self, session: _Session, data: bytes) -> None:
        session.data += data
        session.following = (session.following + len(data)) % 2**32

    def _drain(self, session: _Session) -> list[bytes]:
        """The messages in order, with what came early as far as it goes on."""
        while session.early:
            if session.following in session.early:
                self._join(session, session.following)
            elif len(session.early) > FEW_EARLY or not self._join_overlapping(session):
                break
        if not session.in_step:
            begin, sure = _next_message(session.data, session.domain)
            self.skipped.add("byte of IPFIX over TCP", "behind a gap, before a message begins", begin)
            del session.data[:begin]
            if not sure:
                return []
            session.in_step = True
        found, good = take_messages(session.data)
        if found and not session.domain:
            session.domain = found[0][12:MESSAGE_HEADER]
        if not good:
            self.skipped.add("byte of IPFIX over TCP", "no message begins there", len(session.data))
            session.data.clear()
            session.in_step = False
        return found

    def _join(self, session: _Session, sequence: int) -> None:
        """Take a segment that came early, as far as its bytes are not there yet."""
        data = session.early.pop(sequence)
        session.waiting -= len(data)
        self.waiting -= len(data)
        known = (session.following - sequence) % 2**32
        if known < len(data):
            self._append(session, data[known:])

    def _join_overlapping(self, session: _Session) -> bool:
        """Take the segments that begin before the next byte: they were cut otherwise when they were sent again."""
        behind = [s for s in session.early if _ahead(s, session.following) <= 0]
        for sequence in sorted(behind, key=lambda s: _ahead(s, session.following)):
            self._join(session, sequence)
        return bool(behind)

    def _skip_gap(self, session: _Session) -> list[bytes]:
        """Go on behind bytes that never came."""
        if self._join_overlapping(session):
            return self._drain(session)
        nearest = min(session.early, key=lambda s: (s - session.following) % 2**32)
        missing = (nearest - session.following) % 2**32
        self.skipped.add("byte of IPFIX over TCP", "not captured", missing)
        if session.data:
            self.skipped.add("byte of IPFIX over TCP", "of a message that was cut by a gap", len(session.data))
        session.data.clear()
        session.following, session.in_step = nearest, False
        return self._drain(session)

    def _close(self, key: Key, session: _Session) -> None:
        del self.sessions[key]
        self.waiting -= session.waiting
        if session.data:
            self.skipped.add("byte of IPFIX over TCP", "of a message that was cut by the end", len(session.data))

    def finish(self) -> list[tuple[Key, bytes]]:
        """Close all connections; the messages that came behind gaps, with who sent them."""
        found = []
        for key, session in list(self.sessions.items()):
            found += [(key, message) for message in self._rest(session)]
            self._close(key, session)
        return found

    def _rest(self, session: _Session) -> list[bytes]:
        """The messages of what came early, behind bytes that never will."""
        found = []
        while session.early:
            found += self._skip_gap(session)
        return found
