"""Made persons of eight countries with Faker's numbers, near misses among them, written in fourteen forms."""

from __future__ import annotations

import csv
import io
import json
import random
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import openpyxl
import py7zr
from faker import Faker
from stdnum.es import dni
from stdnum.fi import hetu
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer

from tidegauge.leak.mrz import digit
from tidegauge.leak.numbers import ADVERTISED, SAMPLE_CARDS, TW_SAMPLES, luhn

Row = dict[str, str]
FIELDS = {
    "us-ssn": ("ssn", "Social Security Number", "SSN#"), "national-id:BR": ("cpf", "CPF", "cpf_number"),
    "national-id:ES": ("dni", "DNI/NIF", "documento"), "national-id:FI": ("hetu", "henkilötunnus", "HETU"),
    "national-id:NL": ("bsn", "BSN", "burgerservicenummer"), "national-id:PL": ("pesel", "PESEL", "nr PESEL"),
    "national-id:SE": ("personnummer", "Personnr", "person_nr"), "tw-id": ("身分證字號", "身份證號", "national_id"),
    "payment-card": ("card_number", "Credit card", "cc_num"), "iban": ("iban", "IBAN", "account"),
    "credential": ("password", "passwd", "Passwort"),
}
"""For each kind of value what it is called, a spelling for each style of table."""
CHECKED = ("national-id:BR", "national-id:ES", "national-id:NL", "national-id:PL", "payment-card", "tw-id", "iban")
"""Kinds of which a wrong last digit is told by a check digit."""


def persons(count: int, seed: int) -> tuple[list[Row], dict[str, set[str]]]:
    """Rows of persons, and which values of each kind in them are valid; one row in twenty holds near misses."""
    names = {code: Faker(code) for code in ("en_US", "pt_BR", "es_ES", "fi_FI", "nl_NL", "pl_PL", "sv_SE", "zh_TW")}
    for number, fake in enumerate(names.values()):
        fake.seed_instance(seed * 100 + number)
    r = random.Random(seed)
    valid: dict[str, set[str]] = {kind: set() for kind in FIELDS}
    rows = []
    us = names["en_US"]
    while len(rows) < count:
        row = {
            "us-ssn": us.ssn(), "national-id:BR": names["pt_BR"].cpf(), "national-id:ES": names["es_ES"].nif(),
            "national-id:FI": names["fi_FI"].ssn(), "national-id:NL": names["nl_NL"].ssn(),
            "national-id:PL": names["pl_PL"].pesel(), "national-id:SE": names["sv_SE"].ssn(),
            "tw-id": names["zh_TW"].ssn(),
            "payment-card": us.credit_card_number(r.choice(["visa", "mastercard", "amex"])),
            "iban": names[r.choice(["es_ES", "nl_NL", "pl_PL"])].iban(), "credential": us.password(r.randrange(8, 16)),
        }
        if not (hetu.is_valid(row["national-id:FI"]) and bsn.is_valid(row["national-id:NL"])
                and dni.is_valid(row["national-id:ES"]) and pesel.is_valid(row["national-id:PL"])
                and personnummer.is_valid(row["national-id:SE"]) and luhn(row["payment-card"])):
            continue  # Faker's providers make a few that their own countries refuse
        if any(c in row["credential"] for c in "\"'`,;)}]><&\\\t|"):
            continue  # forms quote these in their own ways
        plain = {row["us-ssn"].replace("-", ""), row["payment-card"], row["tw-id"]}
        if plain & (ADVERTISED | SAMPLE_CARDS | TW_SAMPLES):
            continue
        missed = len(rows) % 20 == 7
        if missed:
            for kind in CHECKED:
                row[kind] = row[kind][:-1] + _next(row[kind][-1])
            row["us-ssn"] = "666" + row["us-ssn"][3:]
        for kind, value in row.items():
            if not missed or kind not in (*CHECKED, "us-ssn"):
                valid[kind].add(value)
        rows.append({"name": us.name(), "email": f"{len(rows)}.{us.user_name()}@{us.free_email_domain()}", **row})
    return rows, valid


def _next(character: str) -> str:
    return chr(ord(character) + 1) if character not in "9Z" else {"9": "0", "Z": "A"}[character]


def zones(count: int, seed: int) -> tuple[list[str], int]:
    """Machine-readable zones of passports and cards, a third with one confusion of OCR; how many there are."""
    r = random.Random(seed)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    found = []
    for _ in range(count):
        number = "".join(r.choice(letters + "0123456789") for _ in range(9))
        country = r.choice(["TWN", "USA", "D<<", "FRA", "BRA", "POL", "SWE", "NLD"])
        birth, until = f"{r.randrange(40, 99)}{r.randrange(1, 13):02d}{r.randrange(1, 29):02d}", "320415"
        name = f"{''.join(r.choice(letters) for _ in range(7))}<<{''.join(r.choice(letters) for _ in range(5))}"
        if r.random() < 0.5:
            lower = f"{number}{digit(number)}{country}{birth}{digit(birth)}F{until}{digit(until)}" + "<" * 14 + "0"
            both = lower[0:10] + lower[13:20] + lower[21:43]
            lines = [f"P<{country}{name}".ljust(44, "<"), lower + str(digit(both))]
        else:
            first = f"I<{country}{number}{digit(number)}".ljust(30, "<")
            second = f"{birth}{digit(birth)}M{until}{digit(until)}{country}".ljust(29, "<")
            both = first[5:30] + second[0:7] + second[8:15] + second[18:29]
            lines = [first, second + str(digit(both)), name.ljust(30, "<")]
        if r.random() < 0.33:
            at = len(lines) - 1 if len(lines) == 2 else 1
            place = r.choice([i for i in range(len(birth)) if birth[i] in "0158"] or [0])
            start = 13 if len(lines) == 2 else 0
            swapped = {"0": "O", "1": "I", "5": "S", "8": "B"}.get(birth[place], birth[place])
            lines[at] = lines[at][: start + place] + swapped + lines[at][start + place + 1 :]
        found.append("\n".join(lines))
    return found, count


def named(rows: list[Row], style: int) -> tuple[list[str], list[list[str]]]:
    """Names of columns in a style, and rows of values."""
    head = ["name", "email", *(FIELDS[kind][style] for kind in FIELDS)]
    return head, [list(row.values()) for row in rows]


def _csv(rows: list[Row], delimiter: str = ",") -> bytes:
    head, table = named(rows, 0)
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([head, *table])
    return out.getvalue().encode()


def _dump(rows: list[Row]) -> bytes:
    """As mysqldump writes: one INSERT of many rows a line, columns in CREATE TABLE."""
    head, table = named(rows, 0)
    created = ",\n".join(f"  `{name}` varchar(255) DEFAULT NULL" for name in head)
    quoted = [["'" + v.replace("\\", "\\\\").replace("'", "\\'") + "'" for v in row] for row in table]
    values = ["(" + ",".join(row) + ")" for row in quoted]
    lines = "".join(
        f"INSERT INTO `staff` VALUES {','.join(values[i : i + 5000])};\n" for i in range(0, len(values), 5000)
    )
    return f"-- dump\nCREATE TABLE `staff` (\n{created}\n) ENGINE=InnoDB;\n{lines}".encode()


def _copy(rows: list[Row]) -> bytes:
    head, table = named(rows, 0)
    body = "".join("\t".join(row) + "\n" for row in table)
    return f"SET x = 1;\nCOPY public.staff ({', '.join(head)}) FROM stdin;\n{body}\\.\n\nSELECT 1;\n".encode()


def _json(rows: list[Row]) -> bytes:
    head, table = named(rows, 0)
    return "".join(json.dumps(dict(zip(head, row, strict=True)), ensure_ascii=False) + "\n" for row in table).encode()


def _xml(rows: list[Row]) -> bytes:
    head, table = named(rows, 0)
    body = "".join(
        "<person>\n" + "".join(f"  <{k}>{v}</{k}>\n" for k, v in zip(head, row, strict=True)) + "</person>\n\n"
        for row in table
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<people>\n{body}</people>'.encode()


def _html(rows: list[Row]) -> bytes:
    head, table = named(rows, 1)
    lines = ["<tr>" + "".join(f"<td>{v}</td>" for v in row) + "</tr>" for row in [head, *table]]
    return f"<html><body><h1>Staff</h1><table>{''.join(lines)}</table></body></html>".encode()


def _text(rows: list[Row]) -> bytes:
    head, table = named(rows, 1)
    return "\n\n".join("\n".join(f"{k}: {v}" for k, v in zip(head, row, strict=True)) for row in table).encode()


def _mbox(rows: list[Row]) -> bytes:
    out = []
    for row in rows:
        head, (values,) = named([row], 2)
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = row["email"], "hr@corp.example", "My data"
        message["Date"] = "Tue, 25 Nov 2014 10:00:00 +0000"
        message.set_content("\n".join(f"{k}: {v}" for k, v in zip(head, values, strict=True)))
        out.append(b"From x@y Tue Nov 25 10:00:00 2014\n" + message.as_bytes() + b"\n")
    return b"".join(out)


def _docx(rows: list[Row]) -> bytes:
    from xml.sax.saxutils import escape

    head, table = named(rows, 1)
    cells = ["<w:tr>" + "".join(f"<w:tc><w:p><w:r><w:t>{escape(v)}</w:t></w:r></w:p></w:tc>" for v in row) + "</w:tr>"
             for row in [head, *table]]
    body = f"<w:p><w:r><w:t>Staff</w:t></w:r></w:p><w:tbl>{''.join(cells)}</w:tbl>"
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    document = f'<?xml version="1.0" encoding="UTF-8"?><w:document {space}><w:body>{body}</w:body></w:document>'
    return _zip({"[Content_Types].xml": b"<Types/>", "word/document.xml": document.encode()})


def _ods(rows: list[Row]) -> bytes:
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    head, table = named(rows, 2)
    book = OpenDocumentSpreadsheet()
    sheet = Table(name="staff")
    for row in [head, *table]:
        line = TableRow()
        for value in row:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=value))
            line.addElement(cell)
        sheet.addElement(line)
    book.spreadsheet.addElement(sheet)
    out = io.BytesIO()
    book.write(out)
    return out.getvalue()


def _xlsx(rows: list[Row]) -> bytes:
    head, table = named(rows, 1)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("staff")
    for row in [head, *table]:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _pdf(rows: list[Row]) -> bytes:
    from reportlab.platypus import LongTable, SimpleDocTemplate

    head, table = named(rows, 0)
    head = [name if name.isascii() else "national_id" for name in head]
    out = io.BytesIO()
    document = SimpleDocTemplate(out, pagesize=(1600, 800))
    document.build([LongTable([head, *part], repeatRows=1) for part in _parts(table, 500)])
    return out.getvalue()


def _parts(table: list[list[str]], size: int) -> Iterator[list[list[str]]]:
    for start in range(0, len(table), size):
        yield table[start : start + size]


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def _tar(rows: list[Row]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        data = _csv(rows, ";")
        info = tarfile.TarInfo("home/staff.csv")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def write_sqlite(rows: list[Row], path: Path) -> None:
    head, table = named(rows, 0)
    with sqlite3.connect(path) as link:
        link.execute(f"CREATE TABLE staff ({', '.join(f'{chr(34)}{n}{chr(34)} TEXT' for n in head)})")
        link.executemany(f"INSERT INTO staff VALUES ({','.join('?' * len(head))})", table)
    link.close()


def write_seven(rows: list[Row], path: Path) -> None:
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.writestr(_json(rows), "staff.jsonl")


FORMS: dict[str, Callable[[list[Row]], bytes]] = {
    "csv": _csv, "tsv": lambda rows: _csv(rows, "\t"), "mysqldump.sql": _dump, "copy.sql": _copy, "jsonl": _json,
    "xml": _xml, "html": _html, "txt": _text, "utf16.txt": lambda rows: _text(rows).decode().encode("utf-16"),
    "mbox": _mbox, "docx": _docx, "xlsx": _xlsx, "ods": _ods, "pdf": _pdf,
    "zip": lambda rows: _zip({"a/staff.tsv": _csv(rows, "\t")}), "tar.gz": _tar,
}
FILES: dict[str, Callable[[list[Row], Path], None]] = {"sqlite": write_sqlite, "7z": write_seven}
