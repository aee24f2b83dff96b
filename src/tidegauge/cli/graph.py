"""The ASes of a country and their upstreams as a small graph in SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tidegauge.model import FOREVER_S, format_time

if TYPE_CHECKING:
    from tidegauge.atlas import Reach

ROW, LEFT, RIGHT, WIDTH, TOP = 30, 250, 590, 900, 60
MOST = 60


def draw(found: Reach) -> str:
    """An SVG: ASes to the left, upstreams to the right, a line for each link; those that stood then are solid."""
    ases = [a for a in found.ases if any(k.asn == a[0] for k in found.links)] or list(found.ases)
    ases = ases[:MOST]
    shown = {a[0] for a in ases}
    links = [k for k in found.links if k.asn in shown]
    upstreams = list(dict.fromkeys(k.upstream for k in sorted(links, key=lambda k: (not k.now, k.upstream))))[:MOST]
    names = {k.upstream: f"AS{k.upstream} {k.name} ({k.country or '?'})" for k in links}
    height = TOP + ROW * max(len(ases), len(upstreams), 1) + 30
    left = {a[0]: TOP + ROW * i for i, a in enumerate(ases)}
    right = {u: TOP + ROW * i for i, u in enumerate(upstreams)}
    title = f"How {found.of} was reached at {format_time(found.at_s)[:10]}"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="20" y="26" font-size="15">{escape(title)}</text>',
    ]
    for link in links:
        if link.upstream not in right:
            continue
        y1, y2 = left[link.asn], right[link.upstream]
        style = 'stroke="#1f5f8b" stroke-width="2"' if link.now else 'stroke="#999" stroke-dasharray="4 4"'
        start, end = (format_time(t)[:10] if 0 < t < FOREVER_S else "now" for t in link.valid_s)
        out.append(
            f'<path d="M{LEFT} {y1} C{LEFT + 120} {y1} {RIGHT - 120} {y2} {RIGHT} {y2}" fill="none" {style}>'
            f"<title>{escape(f'{start} to {end}, {link.source}')}</title></path>"
        )
    for number, name, count in ases:
        out.append(f'<circle cx="{LEFT}" cy="{left[number]}" r="4" fill="#1f5f8b"/>')
        label = escape(f"AS{number} {name[:24]} ({count:,})")
        out.append(f'<text x="{LEFT - 10}" y="{left[number] + 4}" text-anchor="end">{label}</text>')
    for upstream in upstreams:
        then = any(k.now for k in links if k.upstream == upstream)
        out.append(f'<circle cx="{RIGHT}" cy="{right[upstream]}" r="4" fill="{"#1f5f8b" if then else "#999"}"/>')
        out.append(f'<text x="{RIGHT + 10}" y="{right[upstream] + 4}">{escape(names[upstream][:44])}</text>')
    out.append(f'<text x="20" y="{height - 12}" fill="#555">solid: at that time; dashed: at other times</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
