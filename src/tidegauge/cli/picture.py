"""A question as a picture (SVG): the series, its baseline, the critical level of an hour, and blind times."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from tidegauge.model import format_time

if TYPE_CHECKING:
    from tidegauge.inquiry import Reply

from tidegauge.cli.common import amount_text

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 1100, 420, 90, 50, 60
HOUR_S = 3600
INK = {"series": "#1f6fb2", "baseline": "#555555", "critical": "#c0392b", "blind": "#dddddd", "surge": "#f5b7b1"}

Floats = NDArray[np.float64]


def draw(reply: Reply) -> str:
    """The asked time in windows of an hour (or of the width, where that is longer)."""
    answer, question = reply.answer, reply.answer.question
    metric = "bytes" if question.metric == "all" else question.metric
    scans = reply.outcome.judgement.scans
    length = max(HOUR_S // question.width_s, 1)
    values = reply.series.values[reply.asked]
    expected = reply.outcome.judgement.expected
    starts_s = reply.series.starts_s[reply.asked]
    observed, usual = _windows(values, length), _windows(expected, length)
    scan = next((s for s in scans if s.length == length), None)
    critical = scan.critical if scan is not None else np.zeros(0)
    times: Floats = (starts_s[: len(observed)] + length * question.width_s / 2).astype(np.float64)
    top = float(max(observed.max(initial=0), critical.max(initial=0), usual.max(initial=0), 1)) * 1.08
    begin, end = float(question.since_s), float(question.until_s)

    def x(seconds: Floats | float) -> Floats:
        return np.asarray(LEFT + (np.asarray(seconds) - begin) / max(end - begin, 1) * (WIDTH - LEFT - 20))

    def y(amounts: Floats | float) -> Floats:
        return np.asarray(HEIGHT - BOTTOM - np.asarray(amounts) / top * (HEIGHT - BOTTOM - TOP))

    def band(start_s: float, end_s: float, ink: str, title: str) -> str:
        a, b = float(x(start_s)), float(x(end_s))
        return (
            f'<rect x="{a:.1f}" y="{TOP}" width="{max(b - a, 1.5):.1f}" height="{HEIGHT - BOTTOM - TOP}"'
            f' fill="{INK[ink]}"><title>{escape(title)}</title></rect>'
        )

    def line(amounts: Floats, ink: str, more: str = "") -> str:
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x(times[: len(amounts)]), y(amounts), strict=True))
        return f'<polyline points="{points}" fill="none" stroke="{INK[ink]}" stroke-width="1.4" {more}/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif"'
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(_title(reply))}</text>',
        *(band(s.start_s, s.end_s, "surge", "surge") for s in answer.surges),
        *(band(b.start_s, b.end_s, "blind", b.why) for b in answer.blind),
    ]
    for tick in np.linspace(0, top, 5)[:-1]:
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#eeeeee"/>')
        label = escape(amount_text(float(tick), metric))
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{label}</text>')
    for moment in np.linspace(begin, end, 8):
        anchor = "start" if moment == begin else "end" if moment == end else "middle"
        label = format_time(moment)[5:16].replace("T", " ")
        parts.append(f'<text x="{float(x(moment)):.1f}" y="{HEIGHT - 30}" text-anchor="{anchor}">{label}</text>')
    if len(critical):
        parts.append(line(critical, "critical", 'stroke-dasharray="6 3"'))
    parts += [line(usual, "baseline"), line(observed, "series")]
    legend = (("series", "observed in an hour"), ("baseline", "expected"), ("critical", "critical level"),
              ("blind", "we did not see"), ("surge", "surge"))
    for place, (ink, text) in enumerate(legend):
        left = LEFT + place * 190
        parts.append(f'<rect x="{left}" y="34" width="14" height="10" fill="{INK[ink]}"/>')
        parts.append(f'<text x="{left + 20}" y="43">{text}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)


def _windows(values: Floats, length: int) -> Floats:
    total = np.r_[0.0, np.cumsum(values)]
    return np.asarray(total[length:] - total[:-length])


def _title(reply: Reply) -> str:
    question = reply.answer.question
    said = reply.answer.verdict.replace("_", " ")
    return f"{question.metric} {question.direction} of {question.selection}, windows of an hour: {said}"
