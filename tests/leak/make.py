"""Made persons with valid numbers of eight countries, and the files that hold them; nobody real is among them."""

from __future__ import annotations

import csv
import io
import json
import random
import sqlite3
import string
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import openpyxl
from stdnum.br import cpf
from stdnum.de import idnr
from stdnum.es import dni
from stdnum.fi import hetu
from stdnum.nl import bsn

from tidegauge.leak.mrz import digit
from tidegauge.leak.numbers import TW_LETTERS, luhn, ssn

FIRST = ["Anna", "Tomás", "Ingrid", "Bruno", "Mei", "Jonas", "Clara", "Pavel", "Lucía", "Erik", "Nora", "Samuel"]
LAST = [
    "Brandt",
    "Oliveira",
    "Larsen",
    "Moretti",
    "Chen",
    "Weiss",
    "Dubois",
    "Novak",
    "García",
    "Virtanen",
    "Smit",
    "Adams",
]


@dataclass(frozen=True)
class Person:
    name: str
    mail: str
    birth: str
    ssn: str
    tw: str
    cpf: str
    idnr: str
    dni: str
    hetu: str
    bsn: str
    card: str
    iban: str
    password: str
    zone: str

    def row(self) -> dict[str, str]:
        return {
            "name": self.name,
            "email": self.mail,
            "birth date": self.birth,
            "ssn": self.ssn,
            "身分證字號": self.tw,
            "cpf": self.cpf,
            "steuer-id": self.idnr,
            "dni": self.dni,
            "hetu": self.hetu,
            "bsn": self.bsn,
            "card number": self.card,
            "iban": self.iban,
            "password": self.password,
        }


def _ssn(r: random.Random) -> str:
    while True:
        text = f"{r.randrange(1, 900):03d}-{r.randrange(1, 100):02d}-{r.randrange(1, 10000):04d}"
        if ssn(text) == "valid":
            return text


def _tw(r: random.Random) -> str:
    letter, second = r.choice(sorted(TW_LETTERS)), r.choice("1289")
    body = second + "".join(r.choice(string.digits) for _ in range(7))
    first = TW_LETTERS[letter]
    total = sum(
        d * w for d, w in zip([first // 10, first % 10, *map(int, body)], (1, 9, 8, 7, 6, 5, 4, 3, 2, 1), strict=True)
    )
    return letter + body + str(-total % 10)


def _luhn(r: random.Random, start: str, length: int) -> str:
    body = start + "".join(r.choice(string.digits) for _ in range(length - len(start) - 1))
    return next(body + d for d in string.digits if luhn(body + d))


def _iban(r: random.Random) -> str:
    body = "".join(r.choice(string.digits) for _ in range(18))
    return f"DE{98 - int(body + '131400') % 97:02d}{body}"


def _zone(r: random.Random, name: str, birth: str) -> str:
    number = "".join(r.choice(string.ascii_uppercase + string.digits) for _ in range(9))
    last, first = name.split()[1].upper(), name.split()[0].upper()
    plain = (
        "".join(c if "A" <= c <= "Z" else "X" for c in f"{last}").ljust(1)
        + "<<"
        + "".join(c if "A" <= c <= "Z" else "X" for c in first)
    )
    day, until = birth[2:4] + birth[5:7] + birth[8:10], "310415"
    upper = f"P<UTO{plain}".ljust(44, "<")[:44]
    lower = f"{number}{digit(number)}UTO{day}{digit(day)}F{until}{digit(until)}" + "<" * 14
    lower += "0"
    both = lower[0:10] + lower[13:20] + lower[21:43]
    return f"{upper}\n{lower}{digit(both)}"


def people(count: int, seed: int = 1) -> list[Person]:
    r, found, used = random.Random(seed), [], set()
    while len(found) < count:
        name = f"{r.choice(FIRST)} {r.choice(LAST)}"
        birth = f"{r.randrange(1940, 2005)}-{r.randrange(1, 13):02d}-{r.randrange(1, 29):02d}"
        body = "".join(r.choice(string.digits[1:]) for _ in range(8))
        id10 = str(r.randrange(10**9, 10**10))
        de = next((id10 + d for d in string.digits if idnr.is_valid(id10 + d)), "")
        nl = next((b for b in (f"{r.randrange(10**8, 10**9)}" for _ in range(200)) if bsn.is_valid(b)), "")
        nine = str(r.randrange(10**8, 10**9))
        br = (
            cpf.format(nine + cpf.calc_check_digits(nine))
            if hasattr(cpf, "calc_check_digits")
            else cpf.format(nine + cpf._calc_check_digits(nine))
        )
        fi_body = (
            f"{birth[8:10]}{birth[5:7]}{birth[2:4]}" + ("-" if birth < "2000" else "A") + f"{r.randrange(2, 900):03d}"
        )
        fi = fi_body + hetu._calc_checksum(fi_body[:6] + fi_body[7:])
        home = r.choice(("corp.example", "mail.example", "uni.example"))
        address = f"{name.split()[1].lower().replace('í', 'i')}{len(found)}@{home}"
        one = Person(
            name,
            address,
            birth,
            _ssn(r),
            _tw(r),
            br,
            de,
            body + dni.calc_check_digit(body),
            fi,
            nl,
            _luhn(r, r.choice(("4", "51", "54")), 16),
            _iban(r),
            "".join(r.choice(string.ascii_letters + string.digits + "!?%") for _ in range(10)) + "7a",
            _zone(r, name, birth),
        )
        if not de or not nl or one.ssn in used or not hetu.is_valid(fi):
            continue
        used.add(one.ssn)
        found.append(one)
    return found


KINDS = {
    "us-ssn": "ssn",
    "tw-id": "身分證字號",
    "national-id:BR": "cpf",
    "national-id:DE": "steuer-id",
    "national-id:ES": "dni",
    "national-id:FI": "hetu",
    "national-id:NL": "bsn",
    "payment-card": "card number",
    "iban": "iban",
    "credential": "password",
}


def as_csv(rows: list[Person], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0].row()), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(p.row() for p in rows)
    return out.getvalue().encode()


def as_json(rows: list[Person], indent: int | None = 1) -> bytes:
    return json.dumps([p.row() for p in rows], ensure_ascii=False, indent=indent).encode()


def as_sql(rows: list[Person]) -> bytes:
    names = ", ".join(f"`{n}`" for n in rows[0].row())
    tuples = ",\n".join("(" + ", ".join("'" + v.replace("'", "''") + "'" for v in p.row().values()) + ")" for p in rows)
    return f"INSERT INTO `staff` ({names}) VALUES\n{tuples};\n".encode()


def as_text(rows: list[Person]) -> bytes:
    return "\n\n".join("\n".join(f"{k}: {v}" for k, v in p.row().items()) for p in rows).encode()


def as_xml(rows: list[Person]) -> bytes:
    def tag(name: str) -> str:
        return name.replace(" ", "_")

    body = "".join(
        "<person>" + "".join(f"<{tag(k)}>{v}</{tag(k)}>\n" for k, v in p.row().items()) + "</person>\n\n" for p in rows
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<people>{body}</people>'.encode()


def as_xlsx(rows: list[Person]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(rows[0].row()))
    for p in rows:
        sheet.append(list(p.row().values()))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def as_sqlite(rows: list[Person], path: Path) -> None:
    link = sqlite3.connect(path)
    names = ", ".join(f'"{n}" TEXT' for n in rows[0].row())
    link.execute(f"CREATE TABLE staff ({names})")
    link.executemany(
        f"INSERT INTO staff VALUES ({', '.join('?' * len(rows[0].row()))})", [tuple(p.row().values()) for p in rows]
    )
    link.commit()
    link.close()


def as_mails(rows: list[Person]) -> bytes:
    out = b""
    for p in rows:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = p.mail, "hr@corp.example", "My data"
        message["Date"] = "Tue, 25 Nov 2014 10:00:00 +0000"
        message.set_content("\n".join(f"{k}: {v}" for k, v in p.row().items()))
        out += b"From x@y Tue Nov 25 10:00:00 2014\n" + message.as_bytes() + b"\n"
    return out
