"""Numbers that name a person or an account, by form and check digits: valid, sample or neither.

Social security numbers: area 001 to 899 but 666, group 01 to 99, serial 0001 to 9999 (SSA, "Social Security Number
Randomization", since 2011-06-25); numbers of advertisements are known one by one. Taiwan's identity and residence
numbers: the letter's two digits and the others, weighted 1, 9, 8, ... 1, 1, give a multiple of ten (Ministry of the
Interior); residence numbers of the old form have a second letter A to D, of the new form (2021) a digit 8 or 9 there.
Others: python-stdnum.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from stdnum.exceptions import ValidationError

ADVERTISED = frozenset(
    """
    078051120 219099999 457555462 123456789 111111111 222222222 333333333 444444444 555555555 777777777 888888888
    002281852 042103580 062360749 078051120 095073645 128036045 135016629 141186941 165167999 165187999 165207999
    165227999 165247999 189092294 212097694 212099999 306302348 308125070 468288779 549241889 987654320 987654321
    """.split()
)
"""Numbers printed in wallets, advertisements and forms (SSA, "Social Security Cards Issued by Woolworth", RM 10201)."""
TW_LETTERS = {c: n for n, c in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO", 10)}
TW_SAMPLES = frozenset({"A123456789", "A123456788", "F131104093"})
SAMPLE_CARDS = frozenset(
    """
    4111111111111111 4242424242424242 4012888888881881 4000056655665556 5555555555554444 5105105105105100
    378282246310005 371449635398431 378734493671000 6011111111111117 6011000990139424 30569309025904 38520000023237
    3530111333300000 3566002020360505 2223003122003222 4000000000000002 4222222222222 5200828282828210
    5425233430109903 2222420000001113
    """.split()
)
"""Card numbers that payment services publish for tests."""
ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}|(?:50|5[6-9]|6[37])\d{12,17}"
)
"""Ranges of issuers with their lengths (ISO/IEC 7812): Visa, Mastercard, American Express, Diners, Discover, JCB,
UnionPay, Maestro."""


@dataclass(frozen=True)
class Form:
    """A national number: `country`, what finds it (a regular expression over the whole text of it), its check.

    Attributes:
        strong: its form and check digits alone are enough: by chance less than one in a thousand fits.
        shaped: written as people write it (with its separators) it is half as good.
    """

    country: str
    module: str
    form: str
    strong: bool = False
    shaped: str = ""


FORMS = (
    Form("BR", "br.cpf", r"\d{11}|\d{9}-\d{2}|\d{3}\.\d{3}\.\d{3}-\d{2}", shaped=r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
    Form("DE", "de.idnr", r"\d{11}|\d{2} \d{3} \d{3} \d{3}"),
    Form("FR", "fr.nir", r"[12]\d{4}(?:\d{2}|2[AB])\d{6} ?\d{2}|[12] \d{2} \d{2} (?:\d{2}|2[AB]) \d{3} \d{3} \d{2}",
         shaped=r"[12] \d{2} \d{2} (?:\d{2}|2[AB]) \d{3} \d{3} \d{2}"),
    Form("ES", "es.dni", r"\d{8}-?[A-Z]"),
    Form("ES", "es.nie", r"[XYZ]\d{7}-?[A-Z]|[XYZ]-\d{7}-[A-Z]"),
    Form("IT", "it.codicefiscale", r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]", strong=True),
    Form("NL", "nl.bsn", r"\d{9}|\d{4}\.\d{2}\.\d{3}"),
    Form("BE", "be.nn", r"\d{11}|\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", shaped=r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}"),
    Form("SE", "se.personnummer", r"(?:19|20)?\d{6}[-+]?\d{4}", shaped=r"(?:19|20)?\d{6}[-+]\d{4}"),
    Form("DK", "dk.cpr", r"\d{6}-?\d{4}", shaped=r"\d{6}-\d{4}"),
    Form("NO", "no.fodselsnummer", r"\d{6} ?\d{5}"),
    Form("FI", "fi.hetu", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", strong=True),
    Form("PL", "pl.pesel", r"\d{11}"),
    Form("PT", "pt.nif", r"\d{9}"),
    Form("PT", "pt.cc", r"\d{9}[A-Z0-9]{2}\d|\d{8} \d [A-Z0-9]{2}\d"),
    Form("CH", "ch.ssn", r"756\d{10}|756\.\d{4}\.\d{4}\.\d{2}", shaped=r"756\.\d{4}\.\d{4}\.\d{2}"),
    Form("CN", "cn.ric", r"\d{17}[\dXx]", strong=True),
    Form("KR", "kr.rrn", r"\d{6}-?\d{7}", shaped=r"\d{6}-\d{7}"),
    Form("IN", "in_.aadhaar", r"\d{12}|\d{4}[ -]\d{4}[ -]\d{4}"),
    Form("MX", "mx.curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d", strong=True),
    Form("CA", "ca.sin", r"\d{9}|\d{3}[ -]\d{3}[ -]\d{3}", shaped=r"\d{3}[ -]\d{3}[ -]\d{3}"),
    Form("AU", "au.tfn", r"\d{9}|\d{3} \d{3} \d{3}"),
    Form("GB", "gb.nhs", r"\d{10}|\d{3}[ -]\d{3}[ -]\d{4}"),
    Form("IE", "ie.pps", r"\d{7}[A-W][AHWTX]?"),
    Form("ZA", "za.idnr", r"\d{13}"),
    Form("TR", "tr.tckimlik", r"[1-9]\d{10}"),
    Form("RO", "ro.cnp", r"[1-9]\d{12}"),
    Form("CZ", "cz.rc", r"\d{6}/?\d{3,4}", shaped=r"\d{6}/\d{4}"),
    Form("BG", "bg.egn", r"\d{10}"),
    Form("HR", "hr.oib", r"\d{11}"),
    Form("EE", "ee.ik", r"[1-6]\d{10}"),
    Form("LT", "lt.asmens", r"[1-6]\d{10}"),
    Form("GR", "gr.amka", r"\d{11}"),
    Form("IL", "il.idnr", r"\d{9}"),
    Form("TH", "th.pin", r"\d{13}|\d-\d{4}-\d{5}-\d{2}-\d", shaped=r"\d-\d{4}-\d{5}-\d{2}-\d"),
    Form("CL", "cl.rut", r"\d{7,8}-[\dkK]|\d{1,2}\.\d{3}\.\d{3}-[\dkK]", shaped=r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]"),
)


def ssn(text: str) -> str:
    """What nine digits are as a social security number: `valid`, `sample` or `wrong`.

    >>> ssn("219-09-9999"), ssn("666-12-3456"), ssn("536-90-4399")
    ('sample', 'wrong', 'valid')
    """
    digits = re.sub(r"\D", "", text)
    if digits in ADVERTISED:
        return "sample"
    area, group, serial = int(digits[:3]), int(digits[3:5]), int(digits[5:])
    return "valid" if 0 < area < 900 and area != 666 and group and serial else "wrong"


def tw_id(text: str) -> str:
    """What ten characters are as a Taiwanese identity or residence number: `valid`, `sample` or `wrong`.

    >>> tw_id("A123456789"), tw_id("B220000018"), tw_id("A800000014"), tw_id("AC01234567"), tw_id("A223456789")
    ('sample', 'wrong', 'valid', 'valid', 'wrong')
    """
    text = text.upper()
    first = TW_LETTERS.get(text[0])
    if first is None:
        return "wrong"
    second = TW_LETTERS[text[1]] % 10 if text[1].isalpha() else int(text[1])
    digits = [first // 10, first % 10, second, *map(int, text[2:])]
    weights = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
    if sum(d * w for d, w in zip(digits, weights, strict=True)) % 10:
        return "wrong"
    return "sample" if text in TW_SAMPLES else "valid"


@lru_cache(maxsize=4096)
def luhn(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1, annex B).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    doubled = [sum(divmod(2 * int(d), 10)) for d in digits[-2::-2]]
    return (sum(doubled) + sum(int(d) for d in digits[-1::-2])) % 10 == 0


def card(text: str) -> str:
    """What digits are as the number of a payment card: `valid`, `sample` or `wrong`."""
    digits = re.sub(r"\D", "", text)
    if digits in SAMPLE_CARDS:
        return "sample"
    return "valid" if ISSUERS.fullmatch(digits) and luhn(digits) and len(set(digits)) > 2 else "wrong"


SIGNS = frozenset(" .-/+")


@cache
def _check(module: str) -> Callable[[str], Any]:
    found: Callable[[str], Any] = importlib.import_module(f"stdnum.{module}").validate
    return found


def national(form: Form, text: str) -> bool:
    """Whether a text is a valid number of a form."""
    if len(set(text) - SIGNS) < 3:
        return False
    try:
        _check(form.module)(text)
    except (ValidationError, ValueError, IndexError, KeyError, TypeError, AttributeError):
        return False
    return True


def iban(text: str) -> bool:
    """Whether a text is an IBAN of its country's length and structure, with its check digits (ISO 13616)."""
    return national(Form("", "iban", ""), text)
