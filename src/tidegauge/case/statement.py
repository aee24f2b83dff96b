"""A statement is written from sealed evidence, in English or Traditional Chinese; and a text that people edited is held
against it: a number or verdict that no evidence cited in its line holds is named with its place.

Every line that says something cites what it rests on (`[E1]`); sentences stand whole in `data/words.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from tidegauge.case.log import Case, Entry
from tidegauge.case.weigh import weigh
from tidegauge.model import format_bytes, format_time, parse_time
from tidegauge.model.sentences import worded

Language = Literal["en", "zh-TW"]
Length = Literal["short", "long"]
SIMULATED = "all data of this site are simulated"
"""The caveat of answers about a simulated site."""
MOST_FINDINGS, MOST_CAVEATS = 3, 12
TOLD_S = (3600, 86400)
"""Durations whose limits a short statement tells; a long one tells all."""
SERIOUS = ("high", "critical")


@dataclass(frozen=True)
class Line:
    """A paragraph, heading or chart of a statement; `figure` is the evidence that a chart is drawn from."""

    kind: Literal["title", "heading", "text", "item", "chart"]
    text: str
    figure: str = ""


@cache
def words(language: Language) -> dict[str, str]:
    """The sentences of a language."""
    text = files("tidegauge.case").joinpath("data", "words.toml").read_text(encoding="utf-8")
    told: dict[str, dict[str, str]] = tomllib.loads(text)
    return told[language]


def amount(value: float, metric: str) -> str:
    """An amount with its unit.

    >>> amount(38_000_000, "bytes"), amount(1234, "flows")
    ('38.0 MB', '1,234 flows')
    """
    if metric == "bytes":
        return format_bytes(value)
    return f"{value:,.0f} {metric}" if value >= 10 or value == round(value) else f"{value:.3g} {metric}"


def duration(seconds: float, language: Language) -> str:
    """A length of time in the largest unit that it fills.

    >>> duration(3600, "en"), duration(86400 * 7, "zh-TW"), duration(1860, "en")
    ('an hour', '7 天', '31 minutes')
    """
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size or name == "minute":
            number = seconds / size
            if number == 1:
                return words(language)[name]
            shown = f"{number:.0f}" if number == round(number) else f"{number:.1f}"
            return words(language)[f"{name}s"].format(n=shown)
    return ""


def percent(share: float) -> str:
    """A share, never rounded up.

    >>> percent(0.9966), percent(0.99999), percent(1.0), percent(0.95)
    ('99.66%', '99.99%', '100%', '95%')
    """
    return f"{int(share * 10_000 + 1e-6) / 100:g}%"


def moment(text: str) -> str:
    """A time as people read it.

    >>> moment("2014-11-24T00:00:00Z"), moment("2014-12-01T00:05:00Z")
    ('2014-11-24', '2014-12-01 00:05 UTC')
    """
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", text):
        return text
    return text[:10] if text[11:] == "00:00:00Z" else f"{text[:10]} {text[11:16]} UTC"


def write(case: Case, language: Language = "en", length: Length = "short") -> list[Line]:
    """The statement of a case."""
    said = words(language)
    lines = [Line("title", said["title"].format(case=case.name))]
    claims = case.of("claim")
    if claims:
        lines.append(Line("heading", said["asked"]))
        for claim in claims:
            lines.append(Line("text", said["claim"].format(**_told(claim), id=claim.id)))
    lines.append(Line("heading", said["saw"]))
    evidence = case.of("evidence")
    made_up = next((e for e in evidence if SIMULATED in e.body["result"].get("caveats", ())), None)
    if made_up is not None:
        lines.append(Line("text", said["simulated"].format(id=made_up.id)))
    told = [line for entry in evidence for line in _sentences(entry, language, length)]
    lines += [Line("text", text) for text in told] or [Line("text", said["nothing"])]
    lines += [Line("heading", said["not"]), Line("text", said["relays"])]
    answers = [entry for entry in evidence if entry.body["verb"] == "ask" and "detection_limit" in entry.body["result"]]
    if answers:
        lines.append(Line("text", said["nothing_small"]))
        first = min(answers, key=lambda e: str(e.body["result"]["question"]["since"]))
        lines.append(
            Line("text", said["before"].format(since=moment(first.body["result"]["question"]["since"]), id=first.id))
        )
    replied = {entry.body["request"] for entry in case.of("reply")}
    waiting = [entry for entry in case.of("request") if entry.id not in replied]
    if waiting:
        lines.append(Line("heading", said["open"]))
        lines += [Line("text", said["request"].format(**_told(r), id=r.id)) for r in waiting]
    lines += [Line("heading", said["watching"]), Line("text", said["watch"])]
    return lines if length == "short" else lines + list(_annex(case, evidence, language))


def _annex(case: Case, evidence: list[Entry], language: Language) -> Iterator[Line]:
    said = words(language)
    yield Line("heading", said["annex"])
    for entry in evidence:
        at = format_time(entry.at_us / 1e6)
        yield Line(
            "item",
            said["entry"].format(
                id=entry.id,
                command=entry.body["command"] or entry.body["result"].get("name", ""),
                at=at,
                version=entry.body["version"],
                hash=entry.body["result_hash"],
            ),
        )
    for entry in evidence:
        if entry.body["verb"] == "series" and entry.body["result"].get("value"):
            result = entry.body["result"]
            since, until = (moment(entry.body["question"].get(name, "")) for name in ("since", "until"))
            text = said["chart"].format(
                selection=result["selection"],
                metric=_said(said, result["metric"]),
                since=since,
                until=until,
                id=entry.id,
            )
            yield Line("chart", text, entry.id)
    caveats: dict[str, list[str]] = {}
    for entry in evidence:
        for text in entry.body["result"].get("caveats", ()):
            caveats.setdefault(_worded(str(text), language), []).append(entry.id)
    if caveats:
        yield Line("heading", said["caveats"])
        for text, names in list(caveats.items())[:MOST_CAVEATS]:
            yield Line("item", said["caveat"].format(text=text, id="] [".join(names)))
    if case.of("hypothesis") and evidence:
        yield Line("heading", said["weighed"])
        weighed = weigh(case)
        scores = weighed.scores()
        for h in sorted(weighed.hypotheses, key=lambda one: scores[one.id]):
            text = said.get(f"h_{h.body.get('key')}") or _flat(h.body["text"])
            shown = said["hypothesis"].format(text=text, score=f"{scores[h.id]:g}", id=h.id)
            yield Line("item", shown)


def _said(said: dict[str, str], word: str) -> str:
    """A word of ours (a metric, a severity) in the language."""
    return said.get(f"v_{word}", word)


def _told(entry: Entry) -> dict[str, str]:
    return {name: moment(_flat(str(value))) for name, value in entry.body.items()}


def _flat(text: str) -> str:
    """Text of people as one line, in which nothing looks like a citation of ours."""
    return (
        re.sub(r"\s+", " ", "".join(c if c.isprintable() or c.isspace() else " " for c in text))
        .replace("[", "(")
        .replace("]", ")")
    )


def _sentences(entry: Entry, language: Language, length: Length) -> Iterator[str]:
    """What a piece of evidence says, in sentences that cite it."""
    verb, result = entry.body["verb"], entry.body["result"]
    needed, tell = TELLING.get(verb) or ("", None)
    if tell is not None and (not needed or needed in result):
        yield from tell(entry, result, language, length)
    elif length == "long":
        yield words(language)["other"].format(command=entry.body["command"], id=entry.id)


def _of_hunt(entry: Entry, result: dict[str, Any], language: Language, length: Length) -> Iterator[str]:
    said = words(language)
    serious = [f for f in result["findings"] if f["severity"] in SERIOUS]
    asked = entry.body["question"].get("kind") or ["egress", "passthrough", "beacons", "scans"]
    yield said["hunt"].format(
        kinds=said["separator"].join(_said(said, kind) for kind in asked), since=moment(result["since"]),
        until=moment(result["until"]), id=entry.id, count=len(result["findings"]), serious=len(serious),
    )
    for finding in serious[:MOST_FINDINGS] if length == "long" else ():
        title, severity = _worded(finding["title"], language), _said(said, finding["severity"])
        yield said["finding"].format(title=title, severity=severity, id=entry.id)


def _of_origin(entry: Entry, result: dict[str, Any], language: Language, length: Length) -> Iterator[str]:
    said = words(language)
    shown = {k: moment(str(result[k])) for k in ("address", "displayed", "at")}
    yield said["origin"].format(**shown, trust=_said(said, result["trust"]), id=entry.id)


def _of_origins(entry: Entry, result: dict[str, Any], language: Language, length: Length) -> Iterator[str]:
    yield words(language)["origins"].format(
        of=result["of"], at=moment(result["at"]), count=len(result["prefixes"]), id=entry.id
    )


def _of_coverage(entry: Entry, result: dict[str, Any], language: Language, length: Length) -> Iterator[str]:
    yield words(language)["coverage"].format(
        share=percent(result["share"]), since=moment(result["since"]), until=moment(result["until"]), id=entry.id
    )


def _of_lures(entry: Entry, result: dict[str, Any], language: Language, length: Length) -> Iterator[str]:
    phishing = sum(item.get("verdict") == "phishing" for item in result["items"])
    yield words(language)["lure"].format(count=len(result["items"]), phishing=phishing, id=entry.id)


def _of_leaks(entry: Entry, result: dict[str, Any], language: Language, length: Length) -> Iterator[str]:
    yield words(language)["leak"].format(persons=f"{result['summary']['persons']:,}", id=entry.id)


def _of_file(entry: Entry, result: dict[str, Any], language: Language, length: Length) -> Iterator[str]:
    yield words(language)["file"].format(bytes=f"{result['bytes']:,}", name=_flat(result["name"]), id=entry.id)


def _of_ask(entry: Entry, result: dict[str, Any], language: Language, length: Length) -> Iterator[str]:
    yield from _of_answer(result, entry.id, language, length)


Telling = Callable[[Entry, dict[str, Any], Language, Length], Iterator[str]]
TELLING: dict[str, tuple[str, Telling]] = {
    "ask": ("detection_limit", _of_ask), "hunt": ("findings", _of_hunt), "origin": ("trust", _of_origin),
    "origins": ("prefixes", _of_origins), "coverage": ("share", _of_coverage), "lure": ("items", _of_lures),
    "leak": ("summary", _of_leaks), "file": ("", _of_file),
}
"""Who tells a result of each verb, and what it must hold."""


def _of_answer(result: dict[str, Any], name: str, language: Language, length: Length) -> Iterator[str]:
    said, question = words(language), result["question"]
    metric, direction = question["metric"], "out" if question["direction"] == "out" else "in"
    told = {
        "metric": _said(said, metric),
        "selection": question["selection"],
        "since": moment(question["since"]),
        "until": moment(question["until"]),
        "id": name,
    }
    key = f"ask_{result['verdict']}_{direction}"
    if result["verdict"] == "surge":
        largest = max(result["surges"], key=lambda s: s["excess"])
        unit = largest.get("metric") or metric
        told |= {
            "start": moment(largest["start"]),
            "end": moment(largest["end"]),
            "observed": amount(largest["observed"], unit),
            "expected": amount(largest["expected"], unit),
            "count": len(result["surges"]),
        }
    yield said[key].format(**told)
    if result["verdict"] != "cannot_say":
        limits = [one for one in result["detection_limit"] if length == "long" or one["duration_s"] in TOLD_S]
        for limit in limits or result["detection_limit"][:1]:
            value = limit.get("value", limit.get(metric))
            took = duration(limit["duration_s"], language)
            if value is None:
                yield said["no_limit"].format(duration=took, id=name)
            else:
                power = percent(result["power"])
                yield said["limit"].format(amount=amount(value, metric), duration=took, power=power, id=name)
    blind = sum(parse_time(b["end"], now_s=0) - parse_time(b["start"], now_s=0) for b in result["coverage"]["blind"])
    yield said["seen"].format(share=percent(result["coverage"]["share"]), blind=duration(blind, language), id=name)


def as_text(lines: list[Line], mark: str) -> str:
    """A statement as Markdown; its first line is the TLP mark."""
    shape = {"title": "# {}", "heading": "## {}", "text": "{}", "item": "- {}", "chart": "*{}*"}
    parts = [mark]
    for i, line in enumerate(lines):
        tight = i and line.kind == lines[i - 1].kind == "item"
        parts.append(("\n" if tight else "\n\n") + shape[line.kind].format(line.text))
    return "".join(parts) + "\n"


# A text held against the evidence.

CITED = re.compile(r"\[([CERHN]\d+)\]")
TOKEN = re.compile(
    r"SHA-256|\d\d:\d\d(?!\d)|\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?)?|[0-9a-f]{64}|(?:\d{1,3}\.){3}\d{1,3}(?:/\d+)?|"
    r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)*"
)
"""Dates and times, hashes, addresses, numbers with commas, other numbers."""
VERDICTS: tuple[tuple[str, str], ...] = (
    (r"(?i)\b(?:did not see|have not seen|saw no|no) (?:a )?surge|未看到.{0,60}激增|沒有看到.{0,60}激增", "no_surge"),
    (r"(?i)\b(?:we )?saw a surge|我們看到.{0,80}激增", "surge"),
)
INCOMING, OUTGOING = r"(?i)incoming|流入", r"(?i)outgoing|流出"
NEVER = re.compile(
    r"(?i)\b(?:no attack|is safe|are safe|was safe|secure|guaranteed?|certainly not)\b|沒有攻擊|安全無虞|絕對"
)


@dataclass(frozen=True)
class Problem:
    """What a statement says that its evidence does not: line and column from 1."""

    line: int
    column: int
    what: str

    def to_json(self) -> dict[str, Any]:
        return {"line": self.line, "column": self.column, "what": self.what}


def check(case: Case, text: str) -> list[Problem]:
    """Everything in a text that no evidence cited in its line holds."""
    found: list[Problem] = []
    known = {entry.id: entry for entry in case.entries if entry.id}
    scores = weigh(case).scores() if case.of("hypothesis") else {}
    for number, line in enumerate(text.splitlines(), 1):
        cited = CITED.findall(line)
        wrong = [(line.index(f"[{n}]"), f"there is no {n} in this case") for n in cited if n not in known]
        entries = [known[name] for name in cited if name in known]
        bare = CITED.sub(lambda m: " " * len(m[0]), line).replace(case.name, " " * len(case.name))
        cause = f"not in {', '.join(cited)}" if cited else "cites no evidence"
        wrong += _not_held(bare, set().union(*(_held(entry, scores) for entry in entries)), cause)
        wrong += _not_said(bare, line, entries)
        found += [Problem(number, place + 1, what) for place, what in wrong]
    return found


def _not_held(bare: str, held: set[str], cause: str) -> Iterator[tuple[int, str]]:
    """Numbers and names of a line that no evidence holds, and where they stand."""
    for match in TOKEN.finditer(bare):
        if match[0] not in held and match[0] != "SHA-256":
            yield match.start(), f"{match[0]}: {cause}"


def _not_said(bare: str, line: str, entries: list[Entry]) -> Iterator[tuple[int, str]]:
    """Verdicts in a line that no evidence cited there says, and what no flow record can show."""
    for form, verdict in VERDICTS:
        match = re.search(form, bare)
        if match is None or (verdict == "surge" and re.search(VERDICTS[0][0], bare)):
            continue
        if not any(_says(entry, verdict, line) for entry in entries):
            yield match.start(), f"“{match[0]}”: no evidence cited here says so"
    never = NEVER.search(bare)
    if never and not any(entry.kind == "claim" for entry in entries):
        yield never.start(), f"“{never[0]}”: no flow record can show that"


def _says(entry: Entry, verdict: str, line: str) -> bool:
    """Whether an entry says a verdict of what the line names: the same selection, the same direction. Claims say what
    they say."""
    if entry.kind == "claim":
        return True
    result = entry.body.get("result", {}) if entry.kind == "evidence" else {}
    for caveat in result.get("caveats", ()):
        own = [_worded(str(caveat), language) for language in ("en", "zh-TW")]
        if len(own[0]) > 10 and any(words in line for words in own):
            return True  # the answer's own words
    question = result.get("question") or {}
    if result.get("verdict") != verdict or str(question.get("selection")) not in line:
        return False
    other = OUTGOING if question.get("direction") != "out" else INCOMING
    return re.search(other, line) is None


def _worded(sentence: str, language: Language) -> str:
    """A sentence of an answer in a language, in English where its form is not known, on one line."""
    return _flat(worded(sentence, language))


def _held(entry: Entry, scores: dict[str, float]) -> set[str]:
    """Numbers, dates, hashes and addresses that an entry holds, in every way in which they are written."""
    held: set[str] = set()
    if entry.kind == "hypothesis":
        held |= _tokens(f"{scores.get(entry.id, 0):g}")
    if entry.kind == "evidence":
        result = entry.body["result"]
        held |= _leaves(
            {name: entry.body[name] for name in ("result", "question", "version", "command", "result_hash")}
        )
        for language in ("en", "zh-TW"):
            for sentence in _sentences(entry, language, "long"):
                held |= _tokens(CITED.sub(" ", sentence))
        for rows in (result.get("surges"), result.get("findings"), result.get("prefixes"), result.get("items")):
            if isinstance(rows, list):
                held.add(str(len(rows)))
    else:
        held |= _leaves(entry.body)
    held |= _tokens(format_time(entry.at_us / 1e6))
    return held


def _leaves(value: Any) -> set[str]:
    held: set[str] = set()
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            stack += one.values()
        elif isinstance(one, list):
            stack += one[:5000]
        elif isinstance(one, str):
            held |= _tokens(one)
        elif isinstance(one, int | float) and not isinstance(one, bool):
            held |= {f"{one}", f"{one:g}", f"{one:,}"}
            held |= _tokens(format_bytes(one)) if one >= 1000 else set()
    return held


def _tokens(text: str) -> set[str]:
    """The numbers and so on of a text; of times also their days and hours."""
    held = set(TOKEN.findall(text))
    times = [token for token in held if "T" in token]
    return (
        held
        | {token[:10] for token in times}
        | {token[:16] + "Z" for token in times}
        | {token[11:16] for token in times}
    )
