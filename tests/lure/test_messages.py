"""Game requests, social messages, advertisements and short messages: lures called lures, the others left alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.lure.make import BRANDS, judge, mail, page
from tidegauge.lure import Judge

HERE = Path(__file__).parent
KINDS = ("game", "social", "advert", "smishing")


@pytest.mark.parametrize("kind", KINDS)
def test_messages_of_each_kind_are_told_apart(kind: str) -> None:
    messages = tomllib.loads((HERE / "messages" / f"{kind}.toml").read_text())["message"]
    judged = [(m, Judge(BRANDS).text("message", m["text"])) for m in messages]
    missed = [m["text"] for m, j in judged if m["lure"] and j.verdict == "unremarkable"]
    accused = [m["text"] for m, j in judged if not m["lure"] and j.verdict != "unremarkable"]
    assert (missed, accused) == ([], [])
    assert sum(m["lure"] for m in messages) == sum(not m["lure"] for m in messages) == 15


@pytest.mark.parametrize("kind", ["game", "social"])
def test_each_kind_has_reasons_of_its_own(kind: str) -> None:
    messages = tomllib.loads((HERE / "messages" / f"{kind}.toml").read_text())["message"]
    named = [f"asks-{kind}" in {s.name for s, _ in Judge(BRANDS).text("m", m["text"]).reasons}
             for m in messages if m["lure"]]
    assert sum(named) >= len(named) // 2


def test_ordinary_mail_of_today_is_left_alone() -> None:
    mails = tomllib.loads((HERE / "wanted.toml").read_text())["mail"]
    found = {}
    for m in mails:
        html = page(*[(shown, target) for shown, target in m["links"]], text=m["text"]) if m["links"] else None
        found[m["subject"]] = judge(mail(sender=m["sender"], subject=m["subject"], text=m["text"], html=html)).verdict
    assert {subject for subject, verdict in found.items() if verdict != "unremarkable"} == set()
    assert len(found) == 30
