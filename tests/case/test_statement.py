"""Statements: nothing in them that their evidence does not hold, in both languages, also after people edited them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from hypothesis import given, settings, strategies as st

from tidegauge.case import CaseFile, UnfoundedError, check, statement
from tidegauge.case.log import Case, Entry, digest
from tidegauge.case.statement import TOKEN, Line, as_text, words, write
from tidegauge.model import format_time
from tidegauge.site import load_site

Run = Callable[..., tuple[int, Any]]
START_S = 1_416_787_200
MOMENT = st.integers(START_S - 10**8, START_S + 10**8).map(format_time)
AMOUNT = st.one_of(st.integers(0, 10**14), st.floats(0.001, 10**12, allow_nan=False).map(lambda v: float(f"{v:.6g}")))
SHARE = st.floats(0, 1).map(lambda v: round(v, 6))


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """What `ask` could say."""
    metric, direction = (
        draw(st.sampled_from(["bytes", "packets", "flows", "hosts"])),
        draw(st.sampled_from(["in", "out"])),
    )
    surges = [
        {
            "start": draw(MOMENT),
            "end": draw(MOMENT),
            "window_s": 300,
            "observed": draw(AMOUNT),
            "expected": draw(AMOUNT),
            "excess": draw(AMOUNT),
            "p_value": 0.001,
        }
        for _ in range(draw(st.integers(1, 4)))
    ]
    verdict = draw(st.sampled_from(["surge", "no_surge", "cannot_say"]))
    first = draw(st.integers(START_S, START_S + 10**6))
    return {
        "question": {
            "selection": draw(st.sampled_from(["KP", "AS131279", "175.45.176.0/22", "class:tor-exit,CN"])),
            "direction": direction,
            "metric": metric,
            "width_s": 300,
            "since": draw(MOMENT),
            "until": draw(MOMENT),
            "baseline": [draw(MOMENT), draw(MOMENT)],
        },
        "verdict": verdict,
        "false_alarm": 0.01,
        "power": draw(st.sampled_from([0.5, 0.9, 0.95, 0.999])),
        "surges": surges if verdict == "surge" else [],
        "detection_limit": [
            {"duration_s": d, metric: draw(st.one_of(st.none(), AMOUNT))} for d in (300, 3600, 21600, 86400)
        ],
        "coverage": {
            "share": draw(SHARE),
            "blind": [
                {"start": format_time(first), "why": "silent", "end": format_time(first + draw(st.integers(1, 10**6)))}
            ],
        },
        "caveats": draw(st.lists(st.text(max_size=60), max_size=3)),
    }


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A case of random evidence, claims and requests."""
    entries = []

    def add(kind: str, identity: str, body: dict[str, Any]) -> None:
        at_us = draw(st.integers(START_S * 10**6, START_S * 10**6 + 10**15))
        entries.append(Entry("x9", len(entries) + 1, at_us, "anna", kind, identity, "", body, "", ""))

    for number in range(draw(st.integers(0, 2))):
        text = draw(st.text(max_size=80))
        add(
            "claim",
            f"C{number + 1}",
            {"by": draw(st.text(max_size=20)), "text": text, "at": draw(MOMENT), "graded": "B2"},
        )
    for number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["ask", "coverage", "hunt", "origin", "leak", "file"]))
        question: dict[str, Any] = {"since": draw(MOMENT)}
        if kind == "ask":
            result: dict[str, Any] = draw(answers())
        elif kind == "coverage":
            result = {"share": draw(SHARE), "since": draw(MOMENT), "until": draw(MOMENT)}
        elif kind == "hunt":
            severity = st.sampled_from(["low", "high", "critical"])
            found = [
                {"kind": "egress", "title": draw(st.text(max_size=40)), "severity": draw(severity), "peers": []}
                for _ in range(draw(st.integers(0, 5)))
            ]
            result = {"since": draw(MOMENT), "until": draw(MOMENT), "findings": found}
        elif kind == "origin":
            result = {"address": "210.52.109.9", "at": draw(MOMENT), "displayed": "CN", "trust": "low"}
        elif kind == "leak":
            result = {"summary": {"persons": draw(st.integers(0, 10**9))}}
        else:
            result = {"name": draw(st.text(max_size=20)), "bytes": draw(st.integers(0, 10**12)), "sha256": "a" * 64}
        add(
            "evidence",
            f"E{number + 1}",
            {
                "verb": kind,
                "question": question,
                "command": f"tidegauge {kind} --since 7",
                "version": "0.1.0",
                "result": result,
                "result_hash": digest(result),
            },
        )
    add("hypothesis", "H1", {"key": "relay", "text": "A host of ours passed it on for others."})
    if draw(st.booleans()):
        add(
            "request", "R1", {"of": draw(st.text(max_size=20)), "what": draw(st.text(max_size=40)), "due": draw(MOMENT)}
        )
    return Case("x9", "x9", 0, tuple(entries))


@settings(max_examples=200, deadline=None)
@given(cases())
def test_every_number_of_two_hundred_statements_is_in_its_evidence(case: Case) -> None:
    for language in ("en", "zh-TW"):
        for length in ("short", "long"):
            text = as_text(write(case, language, length), case.mark)  # type: ignore[arg-type]
            assert check(case, text) == []


def test_the_languages_have_the_same_sentences_with_the_same_figures() -> None:
    english, chinese = words("en"), words("zh-TW")
    assert {k for k in chinese if not k.startswith("v_")} == set(english)
    for name, sentence in english.items():
        assert set(re.findall(r"\{(\w+)\}", sentence)) == set(re.findall(r"\{(\w+)\}", chinese[name])), name


def test_what_people_change_is_named_with_its_place(site: Path, run: Run, tmp_path: Path) -> None:
    text = run(site, "statement", "autumn", as_json=False)[1]
    edited = tmp_path / "edited.md"
    edited.write_text(text)
    assert run(site, "statement", "autumn", "--check", str(edited)) == (0, {"case": "autumn", "problems": []})
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if "[E2]" in line)
    number = next(m for m in re.finditer(r"\d+(?:\.\d+)?(?=%)", lines[place]))
    lines[place] = lines[place][: number.start()] + "99.87" + lines[place][number.end() :]
    lines += [
        "We did not see a surge of incoming traffic from CN [E1].",
        "There were 4,711 hosts.",
        "Our network is safe.",
        "As the sealed answer says [E9].",
    ]
    edited.write_text("\n".join(lines))
    status, told = run(site, "statement", "autumn", "--check", str(edited))
    assert status == 12
    found = [(p["line"], p["what"].split(":")[0]) for p in told["problems"]]
    assert (place + 1, "99.87") in found
    end = len(lines)
    assert any(line == end - 3 and "surge" in what for line, what in found)
    assert (end - 2, "4,711") in found
    assert (end - 1, "“is safe”") in found
    assert (end, "there is no E9 in this case") in found


@settings(max_examples=100, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_a_number_that_no_evidence_holds_is_found_wherever_it_stands(case: Case, r: random.Random) -> None:
    text = as_text(write(case), case.mark)
    places = [m for m in TOKEN.finditer(text) if m[0] not in ("9", "SHA-256")]
    if not places:
        return
    place = r.choice(places)
    forged = text[: place.start()] + "8675309.25" + text[place.end() :]
    assert any("8675309.25" in problem.what for problem in check(case, forged))


def test_a_statement_is_a_page_and_a_pdf_too(site: Path, run: Run, tmp_path: Path) -> None:
    files = CaseFile(load_site(site), "anna")
    files.evidence("autumn", "series", {"from": "KP", "since": "2014-11-28", "width": "1h"})
    files.claim("autumn", "<b>x</b>", '"#set page(fill: red)" $x$ `y` #read("/etc/passwd")', graded="E5")
    for language in ("en", "zh-TW"):
        page = run(
            site, "statement", "autumn", "--language", language, "--format", "html", "--length", "long", as_json=False
        )[1]
        assert "<svg" in page
        assert "<b>x" not in page
        assert not re.search(r"(?:src|href)\s*=|url\(|@import", page)
        target = tmp_path / f"{language}.pdf"
        assert (
            run(
                site,
                "statement",
                "autumn",
                "--language",
                language,
                "--format",
                "pdf",
                "--length",
                "long",
                "-o",
                str(target),
                as_json=False,
            )[0]
            == 0
        )
        pages = pypdfium2.PdfDocument(target)
        read = "".join(pages[i].get_textpage().get_text_range() for i in range(len(pages)))
        assert "TLP:AMBER" in read
        assert "[E1]" in read
        assert "root:" not in read
        assert "#read(" in read


def test_every_kind_of_evidence_can_be_stated(site: Path, run: Run, tmp_path: Path) -> None:
    files = CaseFile(load_site(site), "anna")
    (tmp_path / "l.txt").write_text("ssn: 536-90-4399\n")
    (tmp_path / "m.eml").write_text("From: a@corp.example\nTo: b@corp.example\nSubject: hello\n\nSee you at ten.\n")
    files.evidence("autumn", "ask", {"from": "all", "since": "2014-11-28", "baseline": "5d"})
    files.evidence("autumn", "ask", {"from": "KP", "metric": "all", "since": "2014-11-28", "baseline": "5d"})
    files.evidence("autumn", "leak", {"file": str(tmp_path / "l.txt")})
    files.evidence("autumn", "lure", {"file": str(tmp_path / "m.eml")})
    files.evidence("autumn", "origins", {"of": "KP", "at": "2014-11-24"})
    files.evidence("autumn", "hunt", {"kind": ["scans"], "since": "2014-11-28"})
    files.evidence("autumn", "top", {"by": ["far_country"], "since": "2014-11-28", "n": 3})
    files.evidence("autumn", "flows", {"since": "2014-11-30", "limit": 5})
    files.file("autumn", tmp_path / "l.txt", keep=False)
    case = files.get("autumn")
    assert "536-90-4399" not in str(case.to_json())
    for language in ("en", "zh-TW"):
        for length in ("short", "long"):
            text = statement(case, language, length, "md").decode()  # type: ignore[arg-type]
            assert check(case, text) == []
    assert run(site, "weigh", "autumn")[0] == 0
    for form in ("stix", "misp", "csv", "xarf", "bundle"):
        assert files.export("autumn", form)


def test_a_simulated_site_says_so_first(site: Path) -> None:
    text = statement(CaseFile(load_site(site), "anna").get("autumn"), "en", "short", "md").decode()
    assert "this is an exercise [E1]" in text
    assert "NaN" not in text


def test_what_no_evidence_holds_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    result = {"share": 0.5, "since": "2014-11-24T00:00:00Z", "until": "2014-11-25T00:00:00Z"}
    body = {
        "verb": "coverage",
        "question": {},
        "command": "tidegauge coverage",
        "version": "0.1.0",
        "result": result,
        "result_hash": digest(result),
    }
    case = Case("x", "x", 0, (Entry("x", 1, 0, "a", "evidence", "E1", "", body, "", ""),))
    assert b"50%" in statement(case, "en", "short", "md")
    forged = [*write(case), Line("text", "There were 4,711 hosts [E1].")]
    monkeypatch.setattr("tidegauge.case.render.write", lambda *arguments: forged)
    for form in ("md", "html", "pdf"):
        with pytest.raises(UnfoundedError, match="4,711: not in E1"):
            statement(case, "en", "short", form)  # type: ignore[arg-type]
