"""The tables that judgement looks things up in: brands, hosts by their role, public suffixes, look-alike characters."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from confusable_homoglyphs import confusables

from tidegauge.model import SiteError
from tidegauge.model.domains import registered, registries


@dataclass(frozen=True)
class Brand:
    """A brand: how it is named, the words that show it, the domains that are its own."""

    name: str
    words: tuple[str, ...]
    domains: tuple[str, ...]
    common: bool = False


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(files("tidegauge.lure").joinpath("data", name).read_text(encoding="utf-8"))


def read_brands(path: Path | None = None) -> tuple[Brand, ...]:
    """The brands of a file, or our own.

    Raises:
        SiteError: not a table of brands.
    """
    try:
        rows = (_table("brands.toml") if path is None else tomllib.loads(path.read_text(encoding="utf-8")))["brands"]
        return tuple(
            Brand(str(row["name"]), tuple(map(str.lower, row["words"])), tuple(map(str.lower, row["domains"])),
                  bool(row.get("common", False)))
            for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SiteError(
            f"not a table of brands: {error}", where=str(path), hint="brands = [{ name, words = [], domains = [] }]"
        ) from None


@dataclass(frozen=True)
class Redirector:
    """Where a link of this host carries its goal."""

    host: str
    query: tuple[str, ...] = ()
    path: str = ""
    rule: str = ""


@dataclass(frozen=True)
class Hosts:
    """Hosts by their role."""

    redirectors: dict[str, Redirector]
    shorteners: frozenset[str]
    hosting: frozenset[str]
    freemail: frozenset[str]
    mailers: frozenset[str]
    platforms: frozenset[str]
    opaque: tuple[str, ...]
    tlds: dict[str, int]


@cache
def hosts() -> Hosts:
    """Our table of hosts."""
    table = _table("hosts.toml")
    redirectors = [
        Redirector(r["host"], tuple(r.get("query", ())), r.get("path", ""), r.get("rule", ""))
        for r in table["redirectors"]
    ]
    shorteners, hosting, freemail, mailers, platforms = (
        frozenset(table[name].split()) for name in ("shorteners", "hosting", "freemail", "mailers", "platforms")
    )
    return Hosts(
        {r.host: r for r in redirectors},
        shorteners,
        hosting,
        freemail,
        mailers,
        platforms,
        tuple(table["opaque"].split()),
        table["tlds"],
    )


@lru_cache(maxsize=65536)
def for_anybody(host: str) -> bool:
    """Whether anybody may put a page there: a provider's names (our table), or those of the private part of the
    public suffix list, which lists the domains below which their owners let others register.

    >>> for_anybody("shop.github.io"), for_anybody("www.example.org")
    (True, False)
    """
    if any(name in hosts().hosting for name in above(host)) or ".blogspot." in f".{host}":
        return True
    whole, registry = registered(host), registries().privatesuffix(host) or ""
    return whole.count(".") > registry.count(".")


def provider(host: str) -> str:
    """The provider's part of a host where anybody may put a page; empty elsewhere.

    >>> provider("paypal-login.web.app"), provider("www.example.org")
    ('web.app', '')
    """
    if not for_anybody(host):
        return ""
    named = next((name for name in above(host) if name in hosts().hosting), "")
    return named or public_suffix(registered(host))


def public_suffix(domain: str) -> str:
    """What follows the first label of a registered domain."""
    return domain.partition(".")[2]


def above(host: str) -> list[str]:
    """A host and every name above it, longest first.

    >>> above("a.b.example")
    ['a.b.example', 'b.example', 'example']
    """
    labels = host.split(".")
    return [".".join(labels[i:]) for i in range(len(labels))]


class _Folded(dict[int, str | None]):
    """For `str.translate`: each character as the plain small letter that it looks like; one for one."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = folded = self._plain(char)
        return folded

    @staticmethod
    def _plain(char: str) -> str:
        small = char.lower()
        small = small if len(small) == 1 else small[0]
        base = unicodedata.normalize("NFKD", small)[:1].lower() or small
        if base.isascii():
            return base
        if base == "ß":
            return "s"
        if "CJK" in unicodedata.name(base, "") or (ord(base) > 0x2E80 and ord(base) < 0x1D000):
            return base
        return _look_alike(base) or base


@cache
def _alikes() -> dict[str, str]:
    """Characters that look like a small ASCII letter or a digit (Unicode TR 39)."""
    found: dict[str, str] = {}
    for char, rows in confusables.confusables_data.items():
        if len(char) == 1 and not char.isascii():
            plain = next(
                (r["c"].lower() for r in rows if len(r["c"]) == 1 and r["c"].isascii() and r["c"].isalnum()), ""
            )
            if plain:
                found[char] = plain
    return found


def _look_alike(char: str) -> str:
    return _alikes().get(char, "")


FOLDED = _Folded()


def fold(text: str) -> str:
    """Text in plain small letters, of the same length: accents dropped, look-alikes of Latin letters as these.

    >>> fold("Раypal ÇÃO ﹟1"), len(fold("Straße"))
    ('paypal cao #1', 6)
    """
    return text.translate(FOLDED)


INVISIBLE = dict.fromkeys(
    (
        *range(8203, 8208),
        *range(8234, 8239),
        *range(8288, 8304),
        173,
        847,
        1564,
        6158,
        65279,
        *range(65024, 65040),
        *range(917504, 917632),
    )
)
"""Characters that are not seen; between letters they hide words from programs."""


def _labels(brand: Brand) -> Iterator[str]:
    """A brand's names as labels of domains are, without hyphens."""
    names = [domain.split(".")[0] for domain in brand.domains]
    names += [] if brand.common else [fold(word).replace(" ", "") for word in brand.words]
    for name in names:
        plain = name.replace("-", "")
        if len(plain) >= 3 and plain.isascii():
            yield plain


class Brands:
    """Brands by word, domain and label; and domains that a site's table says are young."""

    def __init__(self, brands: tuple[Brand, ...], young: frozenset[str] = frozenset()) -> None:
        self.brands, self.young = brands, young
        self.ordinary = frozenset(_table("brands.toml")["ordinary"].split())
        self.owned = {domain: brand for brand in brands for domain in brand.domains}
        self.words = {fold(word): brand for brand in brands for word in brand.words}
        self.labels: dict[str, Brand] = {}
        for brand in brands:
            for label in _labels(brand):
                if label not in self.ordinary:
                    self.labels.setdefault(label, brand)
        self.dashed = {domain.replace(".", "-"): brand for domain, brand in self.owned.items() if len(domain) >= 7}
        # A prime brand's labels by every name one letter shorter, for near misses.
        self.near: dict[str, set[str]] = {}
        for label in self.labels:
            if len(label) >= 6:
                for short in _shorter(label):
                    self.near.setdefault(short, set()).add(label)

    @cached_property
    def longest(self) -> list[str]:
        """Labels that are long enough to be found within others."""
        return [label for label in self.labels if len(label) >= 6]

    def owner(self, host: str) -> Brand | None:
        """Whose own a host is; None on hosts where anybody may put a page."""
        if host not in self.owned and for_anybody(host):
            return None
        return self.beneath(host)

    def beneath(self, host: str) -> Brand | None:
        """Under whose domain a host is, also where that brand lets anybody put a page."""
        return next((self.owned[name] for name in above(host) if name in self.owned), None)


def _shorter(label: str) -> set[str]:
    return {label, *(label[:i] + label[i + 1 :] for i in range(len(label)))}


def near_miss(label: str, brands: Brands) -> Brand | None:
    """The brand whose label this is but for one letter more, less, other or exchanged.

    >>> from tidegauge.lure.tables import Brands, read_brands
    >>> near_miss("paypaI".lower().replace("i", "1"), Brands(read_brands())).name
    'PayPal'
    """
    if len(label) < 6:
        return None
    for short in _shorter(label):
        for wanted in brands.near.get(short, ()):
            if wanted != label and wanted[0] == label[0] and _one_apart(label, wanted):
                return brands.labels[wanted]
    return None


def _one_apart(a: str, b: str) -> bool:
    """Whether two words differ in one letter, or in two neighbours exchanged."""
    if abs(len(a) - len(b)) > 1:
        return False
    if len(a) == len(b):
        apart = [i for i in range(len(a)) if a[i] != b[i]]
        return len(apart) == 1 or (
            len(apart) == 2 and apart[1] == apart[0] + 1 and a[apart[0]] == b[apart[1]] and a[apart[1]] == b[apart[0]]
        )
    return True
