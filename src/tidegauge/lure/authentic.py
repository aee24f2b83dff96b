"""What is known of a sender apart from what it says: the checks of the site's own mail servers, keys, known senders."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import dkim

from tidegauge.lure.looking import Item
from tidegauge.model.domains import registered

KNOWN, PASSED, FAILED, FORGED = -5.0, -1.0, 2.0, 3.0
"""Weights in log-odds: set, not trained, since checks of this kind are not in the mails that the model learned from."""
RESULT = re.compile(r"\b(spf|dkim|dmarc|arc)\s*=\s*(\w+)((?:\s*\([^)]*\)|[^;])*)", re.IGNORECASE)
DOMAIN = re.compile(
    r"\b(?:header\.d|header\.from|smtp\.mailfrom|header\.i)\s*=\s*[\"']?(?:[^\s@;\"']*@)?([\w.-]+)", re.IGNORECASE
)


@dataclass(frozen=True)
class Standing:
    """Something known of a sender, with its weight in log-odds."""

    says: str
    weight: float


@dataclass(frozen=True)
class Authentic:
    """A site's own knowledge.

    Attributes:
        hosts: names by which its own mail servers sign `Authentication-Results`; results of others say nothing.
        senders, domains: whom it knows as good.
        keys: DKIM public keys by name (`selector._domainkey.example.org`), as TXT records.
    """

    hosts: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    keys: dict[str, bytes] = field(default_factory=dict)

    def of(self, item: Item) -> list[Standing]:
        """What speaks for or against the sender of a mail."""
        results = self._results(item)
        found = []
        domain, address = item.domain, item.sender.address.lower()
        aligned = {name for name, value, where in results if value == "pass" and (where == domain or name == "dmarc")}
        failed = {name for name, value, _ in results if value in ("fail", "softfail", "permerror")}
        signed = self._signed(item)
        known = address in self.senders or item.sender.domain in self.domains or domain in self.domains
        proven = bool(aligned & {"dmarc", "dkim"} or (aligned and "dmarc" not in failed) or signed is True)
        if "dmarc" in failed or (failed and not aligned):
            found.append(
                Standing(
                    f"our own mail server could not confirm the sender ({', '.join(sorted(failed))} failed)", FAILED
                )
            )
        elif proven and signed is None:
            found.append(
                Standing(f"our own mail server confirmed that {domain} sent it ({', '.join(sorted(aligned))})", PASSED)
            )
        if signed is not None:
            found.append(
                Standing(f"its signature by {domain} is good (DKIM, with the key given)", PASSED) if signed
                else Standing("its signature (DKIM) does not fit its content, with the key given", FORGED)
            )
        if known:
            found.append(_known(address, proven=proven or not (self.hosts or failed)))
        return found

    def _results(self, item: Item) -> list[tuple[str, str, str]]:
        """Method, result and registered domain, of our own servers' headers alone."""
        found: list[tuple[str, str, str]] = []
        if item.mail is None or not self.hosts:
            return found
        for header in (*item.mail.all("authentication-results"), *item.mail.all("arc-authentication-results")):
            text = re.sub(r"^\s*i\s*=\s*\d+\s*;", "", header[:10_000])
            server, _, rest = text.partition(";")
            if server.strip().split(" ")[0].lower() not in self.hosts:
                continue
            for method, value, tail in RESULT.findall(rest):
                where = DOMAIN.search(tail)
                found.append((method.lower(), value.lower(), registered(where[1].lower()) if where else ""))
        return found

    def _signed(self, item: Item) -> bool | None:
        """Whether a DKIM signature of the sender's domain is good; None where no key is given for one."""
        if item.mail is None or not self.keys:
            return None
        for header in item.mail.all("dkim-signature")[:5]:
            tags = dict(re.findall(r"(?:^|;)\s*([a-z]+)\s*=\s*([^;]*)", header))
            domain = tags.get("d", "").strip().lower()
            name = f"{tags.get('s', '').strip().lower()}._domainkey.{domain}"
            if name in self.keys and registered(domain) == item.domain:
                try:
                    return bool(dkim.verify(item.mail.raw, dnsfunc=self._key))
                except (dkim.DKIMException, ValueError):
                    return False
        return None

    def _key(self, name: bytes | str, timeout: float = 5) -> bytes | None:
        """The key that was given for a name: nothing is asked on the network."""
        text = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        return self.keys.get(text.rstrip(".").lower())


def read_keys(folder: Path) -> dict[str, bytes]:
    """DKIM keys of a folder: files named `selector._domainkey.example.org`, each a TXT record."""
    return {
        path.name.removesuffix(".txt").lower(): path.read_bytes().strip().strip(b'"')
        for path in sorted(folder.iterdir())
        if "._domainkey." in path.name and path.stat().st_size < 65_536
    }


def _known(address: str, *, proven: bool) -> Standing:
    if proven:
        return Standing(f"the sender {address} is on this site's list of known ones", KNOWN)
    return Standing(f"{address} is on this site's list of known senders, but nothing proves that it sent this", 0.5)
