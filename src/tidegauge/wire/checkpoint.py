"""What a decoder knows, as JSON, so that a later run goes on where this one stopped."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator
from dataclasses import asdict, fields
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import Skipped
from tidegauge.wire.buffer import Buffer
from tidegauge.wire.connections import (
    MOST_KEPT,
    MOST_KEYS_KEPT,
    SIGHTED,
    Key as Connection,
    Sighted,
    Told,
    without_session,
)
from tidegauge.wire.counting import Counting
from tidegauge.wire.decoder import Decoder
from tidegauge.wire.scopes import Scope
from tidegauge.wire.sequence import Gap, Stream
from tidegauge.wire.sessions import DOMAIN_MASK
from tidegauge.wire.sets import SetTable
from tidegauge.wire.templates import Field, Key, Template

COLUMNS = tuple(f.name for f in fields(SetTable) if f.name != "buffer")


def templates_state(decoder: Decoder) -> dict[str, Any]:
    """Templates and sampling in force."""
    names = decoder.names.names
    templates = [
        [names[e], d, i, t.options, [[f.element, f.length, f.enterprise] for f in t.fields]]
        for (e, d, i), history in decoder.templates.histories.items()
        if (t := history[-1][1]) is not None
    ]
    sampling = [
        [names[e], d, s[0], s[1], history[-1][1]] for (e, d, s), history in decoder.sampling.histories.items()
    ]
    return {"templates": templates, "sampling": sampling}


def remember_templates(decoder: Decoder, state: dict[str, Any]) -> None:
    """Take in templates of an earlier run. They serve only data whose template does not come anew, whatever the port
    that it came from; of those that differed by port none."""
    layouts: dict[Key, set[Template]] = {}
    for (exporter, session, template_id), template in _templates(decoder, state):
        layouts.setdefault((exporter, session & DOMAIN_MASK, template_id), set()).add(template)
    for key, found in layouts.items():
        if len(found) == 1:
            decoder.remembered.put(key, -1.0, found.pop(), Skipped())
    for name, session, kind, selector, interval in state.get("sampling", []):
        decoder.sampling.remember(decoder.names.position(name), session & DOMAIN_MASK, (kind, selector), interval)


def connections_state(decoder: Decoder) -> dict[str, Any]:
    """What exporters told of connections that may go on, and flows that another monitor may tell again."""
    names, own = decoder.names.names, decoder.connections
    newest_first = chain(reversed(own.told.items()), reversed(own.earlier.items()))
    told = [
        [names[key[0]], [_plain(part) for part in key[1:]], asdict(found)]
        for key, found in islice(newest_first, MOST_KEPT)
    ]
    sighted = [
        [names[e], *(_text(column) for column in vars(found.last(MOST_KEYS_KEPT)).values())]
        for e, found in own.sighted.items()
    ]
    return {"told": told, "sighted": sighted} if told or sighted else {}


def remember_connections(decoder: Decoder, state: dict[str, Any], *, besides: Collection[int | None] = ()) -> None:
    """Take in what was told in an earlier run, but for files (by their marks) that are taken in anew.

    A connection of which two sessions of one domain told is not known any more, since sessions are not told apart.
    """
    own = decoder.connections
    twice: set[Connection] = set()
    for key, told in _told(decoder, state):
        if told.mark not in besides:
            key = without_session(key)
            if key in own.earlier:
                twice.add(key)
            own.earlier[key] = told
    for key in twice:
        del own.earlier[key]
    _sighted(decoder, state, besides)


def forgotten(state: dict[str, Any] | None, marks: Collection[int | None]) -> dict[str, Any]:
    """The state of connections without what files told that are taken out."""
    kept = [row for row in (state or {}).get("told", []) if row[2].get("mark") not in marks]
    sighted = []
    for name, *columns in (state or {}).get("sighted", []):
        if len(columns) == len(SIGHTED):  # older ones have no times
            arrays = [_array(text, kind) for text, kind in zip(columns, SIGHTED, strict=True)]
            stay = ~np.isin(Sighted(*arrays).marks, [mark for mark in marks if mark is not None])
            sighted.append([name, *(_text(column[stay]) for column in arrays)])
    return {"told": kept, "sighted": sighted} if kept or sighted else {}


def _told(decoder: Decoder, state: dict[str, Any]) -> Iterator[tuple[Connection, Told]]:
    """Connections by their keys, those heard of longest ago first."""
    for name, key, told in reversed(state.get("told", [])):
        parts = [bytes.fromhex(part) if isinstance(part, str) else part for part in key]
        yield (decoder.names.position(name), *parts), Told(**told)


def _sighted(decoder: Decoder, state: dict[str, Any], besides: Collection[int | None] = ()) -> None:
    for name, *columns in forgotten(state, besides).get("sighted", []):
        arrays = [_array(text, kind) for text, kind in zip(columns, SIGHTED, strict=True)]
        decoder.connections.sighted[decoder.names.position(name)] = Sighted(*arrays)


def _plain(part: Any) -> Any:
    return part.hex() if isinstance(part, bytes) else part


def _text(column: NDArray[Any]) -> str:
    return base64.b64encode(column.tobytes()).decode("ascii")


def _array(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype=kind).copy()


def whole_state(decoder: Decoder) -> dict[str, Any]:
    """Everything that decides how the next datagram is read: templates, sampling, sequences, data that wait."""
    names = decoder.names.names
    return {
        **templates_state(decoder),
        "sequences": [
            [kind, names[e], d, asdict(stream)]
            for kind, tracker in decoder.sequences.items()
            for (e, d), stream in tracker.streams.items()
        ],
        "scopes": [
            [kind, names[e], {**asdict(scope), "last": [list(known.items()) for known in scope.last]}]
            for kind, tracker in decoder.sequences.items() for e, scope in tracker.scopes.items()
        ],
        "sessions": [
            [names[e], [[port, *known] for port, known in own.items()]] for e, own in decoder.sessions.known.items()
        ],
        "connections": connections_state(decoder),
        "system_boots": [[names[e], session, at_ms] for (e, session), at_ms in decoder.connections.boots_ms.items()],
        "agents": decoder.parts.agents,
        "parts": [[names[e], list(own.items())] for e, own in decoder.parts.heard_us.items()],
        "drops": [[names[e], d, list(known.items())] for (e, d), known in decoder.drops.items()],
        "boots": [[names[e], d, *known] for (e, d), known in decoder.boots.items()],
        "shifts": [[names[e], shift] for e, shift in decoder.clocks.shifts_ms.items()],
        "doubts": [[names[e], *doubt] for e, doubt in decoder.clocks.doubts.items()],
        "pending": [_packed(sets, names) for sets in decoder.pending],
    }


def resume(decoder: Decoder, state: dict[str, Any]) -> None:
    """Make a new decoder go on where the one of the state stopped."""
    position = decoder.names.position
    for key, template in _templates(decoder, state):
        decoder.templates.put(key, -1.0, template, Skipped())
    for name, domain, kind, selector, interval in state.get("sampling", []):
        decoder.sampling.put(position(name), domain, (kind, selector), -1, interval)
    for kind, name, domain, stream in state.get("sequences", []):
        gaps = [Gap(**gap) for gap in stream.pop("gaps")]
        counting = Counting(**stream.pop("counting", {}))
        charged = [(minute_s, records, *(part or [domain])) for minute_s, records, *part in stream.pop("charged", [])]
        uptime = tuple(told) if (told := stream.pop("uptime", None)) else None
        decoder.sequences[kind].streams[position(name), domain] = Stream(
            **stream, uptime=uptime, gaps=gaps, counting=counting, charged=charged
        )
    for kind, name, scope in state.get("scopes", []):
        last = [dict(known) for known in scope.pop("last")]
        decoder.sequences[kind].scopes[position(name)] = Scope(**scope, last=last)
    for name, ports in state.get("sessions", []):
        decoder.sessions.known[position(name)] = {port: times for port, *times in ports}
    for name, session, boot_ms in state.get("system_boots", []):
        decoder.connections.boots_ms[position(name), session] = boot_ms
    told_before = state.get("connections", {})
    decoder.connections.told.update(_told(decoder, told_before))
    _sighted(decoder, told_before)
    decoder.parts.agents = state.get("agents", decoder.parts.agents)
    for name, own in state.get("parts", []):
        decoder.parts.heard_us[position(name)] = dict(own)
    for name, domain, known in state.get("drops", []):
        if isinstance(known, list):  # older states have one number for all sources, which says nothing of any
            decoder.drops[position(name), domain] = dict(known)
    for name, domain, boot_ms, sequence in state.get("boots", []):
        decoder.boots[position(name), domain] = (boot_ms, sequence)
    for name, shift_ms in state.get("shifts", []):
        decoder.clocks.shifts_ms[position(name)] = shift_ms
    for name, shift_ms, count in state.get("doubts", []):
        decoder.clocks.doubts[position(name)] = (shift_ms, count)
    for packed in state.get("pending", []):
        sets = _unpacked(packed, decoder)
        decoder.order = max(decoder.order, int(sets.orders.max(initial=0)) + 1)
        decoder.pending.append(sets)


def _templates(decoder: Decoder, state: dict[str, Any]) -> list[tuple[Key, Template]]:
    return [
        ((decoder.names.position(name), domain, template_id), Template(tuple(Field(*f) for f in specs), options))
        for name, domain, template_id, options, specs in state.get("templates", [])
    ]


def _packed(sets: SetTable, names: list[str]) -> dict[str, Any]:
    columns = {name: getattr(sets, name).tolist() for name in COLUMNS if name != "senders"}
    bodies = base64.b64encode(bytes(sets.buffer.data)).decode("ascii")
    return {**columns, "senders": [names[s] for s in sets.senders.tolist()], "bodies": bodies}


def _unpacked(packed: dict[str, Any], decoder: Decoder) -> SetTable:
    senders = np.array([decoder.names.position(name) for name in packed["senders"]], dtype=np.int32)
    packed.setdefault("sessions", packed["domains"])
    columns = {name: np.array(packed[name], dtype=np.int64) for name in COLUMNS if name != "senders"}
    return SetTable(Buffer.of(base64.b64decode(packed["bodies"])), senders=senders, **columns)
