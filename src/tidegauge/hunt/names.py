"""Names that carry data (DNS tunnels) and names that a program made up (generated domains), from names seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from tidegauge.hunt.context import Scene, flows_query
from tidegauge.model import Finding, format_address
from tidegauge.model.domains import registered
from tidegauge.model.generated import entropy, looks_generated

LEAST_LABELS = 40
LEAST_GENERATED = 12
INFRASTRUCTURE = (".in-addr.arpa", ".ip6.arpa", ".local", ".localdomain", ".internal", ".home.arpa")


def split_name(name: str) -> tuple[str, str]:
    """The registered domain of a name, and what stands before it; the last two labels where no list knows the ending.

    >>> split_name("a.b.example.co.uk"), split_name("a.b.unheard-of")
    (('example.co.uk', 'a.b'), ('b.unheard-of', 'a'))
    """
    domain = registered(name) or ".".join(name.split(".")[-2:])
    return domain, name[: -len(domain)].rstrip(".")


def names(scene: Scene) -> Iterator[Finding]:
    """Findings from the names that were asked for; none where no names were seen."""
    table = scene.names
    scene.examined["names asked for"] += table.num_rows
    if not table.num_rows:
        scene.skipped["names", "none were seen: Zeek's dns.log or Suricata's dns events give them"] += 1
        return
    below: dict[tuple[bytes, str], set[str]] = defaultdict(set)
    lengths: dict[tuple[bytes, str], int] = defaultdict(int)
    asked: dict[bytes, set[str]] = defaultdict(set)
    failed: dict[bytes, set[str]] = defaultdict(set)
    times: dict[tuple[bytes, str], list[int]] = defaultdict(list)
    columns = (table[n].to_pylist() for n in ("source", "client", "name", "answers"))
    stamps = table["time"].cast("int64").to_pylist()
    for stamp, source, client, name, answers in zip(stamps, *columns, strict=True):
        if source != "dns" or not name or "." not in name or name.endswith(INFRASTRUCTURE):
            continue
        domain, rest = split_name(name)
        key = (client, domain)
        times[key] = [min(times[key][0], stamp), max(times[key][1], stamp)] if times[key] else [stamp, stamp]
        if rest and len(below[key]) < 100_000:
            if rest not in below[key]:
                lengths[key] += len(rest)
            below[key].add(rest)
        asked[client].add(domain)
        if not answers:
            failed[client].add(domain)
    yield from _tunnels(below, lengths, times)
    yield from _generated(scene, asked, failed)


def _tunnels(
    below: dict[tuple[bytes, str], set[str]], lengths: dict[tuple[bytes, str], int],
    times: dict[tuple[bytes, str], list[int]],
) -> Iterator[Finding]:  # fmt: skip
    """Very many long names below one domain, each asked once."""
    for key, labels in below.items():
        if len(labels) < LEAST_LABELS:
            continue
        client, domain = key
        mean = lengths[key] / len(labels)
        sample = sorted(labels)[:: max(len(labels) // 200, 1)]
        bits = float(np.mean([entropy(label.replace(".", "")) for label in sample]))
        carried = lengths[key] * bits / 8
        if mean < 24 or bits < 3.3:
            continue
        score = float(np.clip(0.3 + mean / 200 + len(labels) / 2000, 0, 0.95))
        who = format_address(client)
        first, last = times[key][0] / 1e6, times[key][1] / 1e6
        yield Finding(
            "dns-tunnel", f"{who} asks for names that carry data below {domain}", int(first), int(last) + 1, who, score,
            "high" if len(labels) >= 300 and mean >= 40 else "medium",
            (f"{who} asked for {len(labels):,} different names below {domain}, {mean:.0f} characters long in the mean,"
             f" {bits:.1f} bits a character: they can have carried up to {carried:,.0f} bytes out",
             "some services make such names too (block lists, telemetry of security programs, content networks)"),
            flows_query(f"src = '{who}' AND dst_port = 53", first, last), (domain,),
            {"names": len(labels), "mean_length": round(mean, 1), "bits": round(bits, 2), "bytes": round(carried)},
        )  # fmt: skip


def _generated(scene: Scene, asked: dict[bytes, set[str]], failed: dict[bytes, set[str]]) -> Iterator[Finding]:
    """Hosts that ask for many domains that look made up and do not exist."""
    for client, domains in failed.items():
        made = sorted(d for d in domains if looks_generated(d) > 0.6)
        usual = len(asked[client]) - len(domains)
        if len(made) < LEAST_GENERATED or len(made) < 0.25 * len(domains):
            continue
        who = format_address(client)
        yield Finding(
            "generated-names", f"{who} asks for {len(made):,} domains that look made up and do not exist",
            scene.since_s, scene.until_s, who, float(np.clip(0.4 + len(made) / 200, 0, 0.95)),
            "high" if len(made) >= 100 else "medium",
            (f"{who} got no answer for {len(domains):,} domains, of which {len(made):,} look as if a program had made"
             f" them, such as {', '.join(made[:4])}; {usual:,} others it asked for exist",
             "members of a botnet look for their master so"),
            flows_query(f"src = '{who}' AND dst_port = 53", scene.since_s, scene.until_s), tuple(made[:20]),
            {"generated": len(made), "without_answer": len(domains), "with_answer": usual},
        )  # fmt: skip
