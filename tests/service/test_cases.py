"""Cases over the API: what the command line does, by role."""

from __future__ import annotations

import json
from pathlib import Path

from tests.service.app import Running
from tidegauge.case import verify_bundle


def test_a_case_from_claim_to_statement(running: Running, tmp_path: Path) -> None:
    with running.client("analyst") as analyst, running.client("reader") as reader:
        assert reader.post("/api/v1/cases", json={"name": "x"}).status_code == 403
        assert analyst.post("/api/v1/cases", json={"name": "press", "title": "What the press asks"}).status_code == 201
        assert analyst.post("/api/v1/cases", json={"name": "press"}).status_code == 400
        base = "/api/v1/cases/press"
        told = analyst.post(f"{base}/claims", json={"by": "The press", "text": "198.18.7.7 did it", "graded": "D4"})
        assert told.json() == {"id": "C1"}
        question = {"from": "KP", "since": "2014-11-28", "baseline": "5d"}
        for verb, asked in (("ask", question), ("coverage", {"since": "2014-11-28"})):
            made = analyst.post(f"{base}/evidence", json={"verb": verb, "question": asked})
            assert made.status_code == 201, made.text
        assert made.json() == {"id": "E2"}
        wrong = analyst.post(f"{base}/evidence", json={"verb": "ask", "question": {"from": "nowhere"}})
        assert wrong.status_code == 400
        assert wrong.headers["content-type"] == "application/problem+json"
        read = {"verb": "leak", "question": {"file": "/etc/passwd"}}
        assert analyst.post(f"{base}/evidence", json=read).status_code == 422
        seen = analyst.get(base).json()["revision"]
        rating = {
            "evidence": "E1",
            "hypothesis": "H1",
            "value": "I",
            "reason": "it would have been seen",
            "expected": seen,
        }
        assert analyst.post(f"{base}/ratings", json=rating).status_code == 201
        assert analyst.post(f"{base}/ratings", json=rating).status_code == 409
        due = analyst.post(f"{base}/requests", json={"of": "The upstream", "what": "its flows", "due": "2027-01-31"})
        answer = f"{base}/requests/{due.json()['id']}/answer"
        assert analyst.post(answer, json={"text": "They kept none"}).status_code == 201
        assert analyst.get(f"{base}/weigh").json()["leading"]
        assert analyst.get(f"{base}/verify").json() == {
            "status": "same", "chain": "whole",
            "items": [{"id": "E1", "status": "same", "why": ""}, {"id": "E2", "status": "same", "why": ""}],
        }
        text = analyst.get(f"{base}/statement?language=zh-TW").text
        assert "所稱內容" in text
        assert analyst.post(f"{base}/statement/check", json={"text": text}).json() == {"problems": []}
        forged = analyst.post(f"{base}/statement/check", json={"text": text + "\n共 4711 人。"}).json()
        assert [p["what"] for p in forged["problems"]] == ["4711: cites no evidence"]
        assert analyst.get(f"{base}/statement?format=pdf").content.startswith(b"%PDF-")
        page = analyst.get(f"{base}/statement?format=html")
        assert page.headers["content-disposition"].startswith("attachment")
        assert reader.get(f"{base}/statement").status_code == 403
        shown = reader.get(base).text
        assert "What the press asks" in shown
        assert "198.18.7.7" not in shown
        assert json.loads(analyst.get(f"{base}/export?format=stix").content)["type"] == "bundle"
        (tmp_path / "press.zip").write_bytes(analyst.get(f"{base}/export?format=bundle").content)
        assert verify_bundle(tmp_path / "press.zip")[0].status == "same"
        assert analyst.put(f"{base}/mark", json={"mark": "TLP:RED"}).status_code == 200
        assert analyst.get(f"{base}/export?format=csv&tlp=TLP:GREEN").status_code == 400
        assert analyst.get("/api/v1/cases/none").status_code == 404
        assert analyst.get("/api/v1/cases/..%2f..%2fetc").status_code in (404, 422)
    with running.client("admin") as admin:
        noted = [row["what"] for row in admin.get("/api/v1/audit?limit=1000").json()["entries"]]
        assert {"open a case", "add to a case", "export a case"} <= set(noted)
