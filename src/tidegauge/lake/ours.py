"""What of a site's settings the labels of its flows rest on: which prefixes and interfaces are ours, and how exporters
are called. Where these change, the lake is due to be labelled again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tidegauge.lake.manifest import OURS, Manifest
from tidegauge.site import Site


@dataclass(frozen=True)
class Ours:
    """Settings as JSON, and the short name under which segments mention them."""

    name: str
    told: dict[str, Any]

    @classmethod
    def of(cls, site: Site) -> Ours:
        told = {
            "home": sorted(str(prefix) for prefix in site.home),
            "home_as": sorted(site.home_as),
            "external": {name: sorted(interfaces) for name, interfaces in sorted(site.external.items())},
            "names": dict(sorted(site.exporter_names.items())),
        }
        text = json.dumps(told, sort_keys=True)
        return cls(hashlib.blake2b(text.encode(), digest_size=10).hexdigest(), told)

    def to_state(self) -> dict[str, Any]:
        """What the manifest keeps, so that the name can be read later."""
        return {self.name: self.told}


def otherwise_labelled(
    manifest: Manifest, site: Site, since_us: int | None = None, until_us: int | None = None, *, ways: bool = False
) -> int:
    """Return how many flows of segments that reach into a time have labels by other settings than the site's of now;
    with `ways`, by settings that decide their directions."""
    now = Ours.of(site)
    others = [s for s in manifest.segments("flows", since_us, until_us) if s.site not in ("", now.name)]
    if others and ways:
        known = manifest.load_state(OURS) or {}
        others = [s for s in others if _without_names(known.get(s.site, {})) != _without_names(now.told)]
    return sum(s.rows for s in others)


def _without_names(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "names"}


def known_names(manifest: Manifest) -> dict[str, dict[str, str]]:
    """How exporters were called by their addresses, by the short name of the settings."""
    return {name: told["names"] for name, told in (manifest.load_state(OURS) or {}).items()}


def renamed(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """Which names of exporters are others now, by the earlier name; without those that stood for several exporters.

    >>> renamed({"192.0.2.1": "old"}, {"192.0.2.1": "new", "192.0.2.2": "edge"})
    {'old': 'new', '192.0.2.2': 'edge'}
    """
    found: dict[str, set[str]] = {}
    for address in {**before, **now}:
        found.setdefault(before.get(address, address), set()).add(now.get(address, address))
    return {old: new for old, names in found.items() if len(names) == 1 for new in names if new != old}
