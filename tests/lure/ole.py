"""Compound files as Office and Outlook write them (MS-CFB): macros (MS-OVBA) and messages (MS-OXMSG)."""

from __future__ import annotations

import struct

SECTOR, MINI, CUTOFF = 512, 64, 4096
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file; names with / lie in storages."""
    entries: list[tuple[str, int, int, bytes]] = [("Root Entry", 5, -1, b"")]  # name, type, parent, content
    folders = {"": 0}
    for path, data in streams.items():
        *above, name = path.split("/")
        parent, at = 0, ""
        for folder in above:
            at += "/" + folder
            if at not in folders:
                folders[at] = len(entries)
                entries.append((folder, 1, parent, b""))
            parent = folders[at]
        entries.append((name, 2, parent, data))
    sectors: list[bytes] = []
    table: list[int] = []

    def put(data: bytes) -> int:
        """Content in a chain of sectors; the first."""
        if not data:
            return END
        first = len(sectors)
        for at in range(0, len(data), SECTOR):
            sectors.append(data[at : at + SECTOR].ljust(SECTOR, b"\0"))
            table.append(len(sectors))
        table[-1] = END
        return first

    mini, mini_table, starts = b"", [], []
    for _, kind, _, data in entries:
        if kind == 2 and 0 < len(data) < CUTOFF:
            starts.append(len(mini) // MINI)
            count = -(-len(data) // MINI)
            mini_table += [len(mini) // MINI + i + 1 for i in range(count - 1)] + [END]
            mini += data.ljust(count * MINI, b"\0")
        else:
            starts.append(put(data) if kind == 2 else END)
    starts[0] = put(mini)
    mini_first = put(b"".join(struct.pack("<I", n) for n in mini_table))
    directory = b""
    for i, (name, kind, _, data) in enumerate(entries):
        children = [j for j, e in enumerate(entries) if e[2] == i]
        siblings = [j for j, e in enumerate(entries) if e[2] == entries[i][2] and i > 0]
        right = siblings[siblings.index(i) + 1] if i > 0 and siblings.index(i) + 1 < len(siblings) else FREE
        raw = name.encode("utf-16-le") + b"\0\0"
        size = len(mini) if i == 0 else len(data)
        directory += raw.ljust(64, b"\0") + struct.pack(
            "<HBBIII", len(raw), kind, 1, FREE, right, children[0] if children else FREE
        )
        directory += bytes(16 + 4 + 16) + struct.pack("<IQ", starts[i], size)
    directory_first = put(directory.ljust(-(-len(directory) // SECTOR) * SECTOR, b"\0"))
    fat_count = 1
    while (len(table) + fat_count) * 4 > fat_count * SECTOR:
        fat_count += 1
    fat_places = [len(sectors) + i for i in range(fat_count)]
    table += [FAT] * fat_count
    fat = b"".join(struct.pack("<I", n) for n in table).ljust(fat_count * SECTOR, b"\xff")
    mini_count = -(-len(mini_table) * 4 // SECTOR)
    head = (
        bytes.fromhex("d0cf11e0a1b11ae1")
        + bytes(16)
        + struct.pack(
            "<HHHHH6xIIIIIIIIII",
            0x3E,
            3,
            0xFFFE,
            9,
            6,
            0,
            fat_count,
            directory_first,
            0,
            CUTOFF,
            mini_first if mini_table else END,
            mini_count,
            END,
            0,
            fat_places[0],
        )
    )
    head += b"".join(struct.pack("<I", n) for n in fat_places[1:])
    return head.ljust(SECTOR, b"\xff") + b"".join(sectors) + fat


def packed(data: bytes) -> bytes:
    """The compressed form of MS-OVBA 2.4.1, without ever copying."""
    out = b"\x01"
    for at in range(0, len(data), 3600):
        piece = data[at : at + 3600]
        body = b"".join(b"\0" + piece[i : i + 8] for i in range(0, len(piece), 8))
        out += struct.pack("<H", (len(body) - 1) | 0xB000) + body
    return out


def document(code: str) -> bytes:
    """A Word document (binary form) with one module of VBA."""
    module = b"Module1"
    wide = module.decode().encode("utf-16-le")

    def record(number: int, data: bytes) -> bytes:
        return struct.pack("<HI", number, len(data)) + data

    project = (
        record(0x01, struct.pack("<I", 1))
        + record(0x02, struct.pack("<I", 0x409))
        + record(0x14, struct.pack("<I", 0x409))
        + record(0x03, struct.pack("<H", 1252))
        + record(0x04, b"VBAProject")
        + record(0x05, b"")
        + record(0x40, b"")
        + record(0x06, b"")
        + record(0x3D, b"")
        + record(0x07, struct.pack("<I", 0))
        + record(0x08, struct.pack("<I", 0))
        + struct.pack("<HIIH", 0x09, 4, 1, 1)
        + record(0x0C, b"")
        + record(0x3C, b"")
        + record(0x0F, struct.pack("<H", 1))
        + record(0x13, struct.pack("<H", 0xFFFF))
        + record(0x19, module)
        + record(0x47, wide)
        + record(0x1A, module)
        + record(0x32, wide)
        + record(0x1C, b"")
        + record(0x48, b"")
        + record(0x31, struct.pack("<I", 0))
        + record(0x1E, struct.pack("<I", 0))
        + record(0x2C, struct.pack("<H", 0xFFFF))
        + record(0x21, b"")
        + record(0x2B, b"")
        + record(0x10, b"")
    )
    source = f'Attribute VB_Name = "Module1"\r\n{code}'.encode()
    return compound(
        {
            "WordDocument": bytes(600),
            "Macros/PROJECT": b'ID="{00000000-0000-0000-0000-000000000000}"\r\nModule=Module1\r\n',
            "Macros/VBA/_VBA_PROJECT": bytes.fromhex("cc61ffff000000"),
            "Macros/VBA/dir": packed(project),
            "Macros/VBA/Module1": packed(source),
        }
    )


def outlook(
    *, subject: str, sender: str, address: str, body: str, html: str = "", attached: tuple[str, bytes] | None = None
) -> bytes:
    """A message as Outlook saves it."""

    def text(tag: str, value: str) -> tuple[str, bytes]:
        return f"__substg1.0_{tag}001F", value.encode("utf-16-le")

    streams = dict([text("0037", subject), text("0C1A", sender), text("5D01", address), text("1000", body)])
    streams["__properties_version1.0"] = bytes(32)
    if html:
        streams["__substg1.0_10130102"] = html.encode()
    if attached:
        place = "__attach_version1.0_#00000000/"
        streams |= {place + "__properties_version1.0": bytes(8), place + "__substg1.0_37010102": attached[1]}
        name, value = text("3707", attached[0])
        streams[place + name] = value
    return compound(streams)
