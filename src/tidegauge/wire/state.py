"""What a decoder knows, as JSON, so that a later run goes on where this one stopped."""

from __future__ import annotations

import base64
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from tidegauge.model import Skipped
from tidegauge.wire.bytesio import Buffer
from tidegauge.wire.counting import Counting
from tidegauge.wire.decoder import Decoder
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
    ]  # fmt: skip
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
        key_of = decoder.names.position(name), session & DOMAIN_MASK, (kind, selector)
        decoder.sampling.remembered[key_of] = interval


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
        "sessions": [
            [names[e], [[port, *known] for port, known in own.items()]] for e, own in decoder.sessions.known.items()
        ],
        "system_boots": [[names[e], session, at_ms] for (e, session), at_ms in decoder.connections.boots_ms.items()],
        "agents": decoder.parts.agents,
        "parts": [[names[e], list(own.items())] for e, own in decoder.parts.heard_us.items()],
        "drops": [[names[e], d, count] for (e, d), count in decoder.drops.items()],
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
        charged = [(minute_s, records) for minute_s, records in stream.pop("charged", [])]
        decoder.sequences[kind].streams[position(name), domain] = Stream(
            **stream, gaps=gaps, counting=counting, charged=charged
        )
    for name, ports in state.get("sessions", []):
        decoder.sessions.known[position(name)] = {port: times for port, *times in ports}
    for name, session, boot_ms in state.get("system_boots", []):
        decoder.connections.boots_ms[position(name), session] = boot_ms
    decoder.parts.agents = state.get("agents", decoder.parts.agents)
    for name, own in state.get("parts", []):
        decoder.parts.heard_us[position(name)] = dict(own)
    for name, domain, count in state.get("drops", []):
        decoder.drops[position(name), domain] = count
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
