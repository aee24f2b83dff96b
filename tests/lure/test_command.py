"""`lure` as it is called: files, mailboxes, links, text; from a mail to the hosts to call."""

from __future__ import annotations

import json
import mailbox
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.lure.make import mail, page
from tests.make import dns_log, run_json
from tidegauge.cli import program
from tidegauge.ingest import Ingest
from tidegauge.model import parse_time
from tidegauge.site import Site

BAD = mail(
    sender="PayPal <service@stay.example.net>",
    subject="Your account is suspended",
    html=page(
        ("Verify your account", "https://paypal-login.example-verify.top/x"),
        text="Verify your account within 24 hours.",
    ),
)
HEADER = "time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes,tcp_flags\n"


def test_a_mail_gives_a_finding_with_its_verdict(tmp_path: Path) -> None:
    path = tmp_path / "bad.eml"
    path.write_bytes(BAD)
    (told,) = run_json("lure", str(path))
    (finding,) = told["findings"]
    assert (finding["kind"], finding["verdict"], finding["severity"], finding["subject"]) == (
        "lure",
        "phishing",
        "high",
        str(path),
    )
    assert finding["start"] == "2026-03-03T08:12:00Z"
    assert finding["peers"] == ["paypal-login.example-verify.top"]
    assert any("calls itself PayPal" in reason for reason in finding["reasons"])
    assert told["examined"]["mail"] == 1
    assert told["skipped"] == []
    link = next(one for one in finding["evidence"]["links"] if one["shown"] == "Verify your account")
    assert (link["host"], link["looks_like"]) == ("paypal-login.example-verify.top", "PayPal")


def test_mailboxes_folders_lists_and_streams_are_read(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box.mbox")
    box.add(BAD)
    box.add(mail(text="Hallo\nFrom here on it goes uphill\n"))
    box.flush()
    maildir = mailbox.Maildir(tmp_path / "maildir", create=True)
    maildir.add(BAD)
    (tmp_path / "links.txt").write_text(
        "# seen today\nhttps://paypal-login.example-verify.top/x\nwww.rfc-editor.org\nno link\n"
    )
    (told,) = run_json("lure", str(tmp_path / "box.mbox"), str(tmp_path / "maildir"), str(tmp_path / "links.txt"))
    assert [f["verdict"] for f in told["findings"]] == [
        "phishing",
        "unremarkable",
        "phishing",
        "suspicious",
        "unremarkable",
    ]
    assert told["findings"][0]["subject"].endswith("box.mbox, mail 1")
    assert told["skipped"] == [{"what": f"{tmp_path / 'links.txt'}, line 4", "why": "not a link"}]
    (streamed,) = run_json("lure", "-", stdin=BAD.decode())
    assert streamed["findings"][0]["verdict"] == "phishing"
    (text,) = run_json("lure", "--text", "-", stdin="Is this you in this video?? https://bit.ly/3xKq9Zr")
    assert text["findings"][0]["verdict"] in ("phishing", "suspicious")


def test_what_it_says_can_be_passed_on_and_obeys_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "bad.eml"
    path.write_bytes(BAD.replace(b"Your account is suspended", b"Your account \x1b[31mis suspended"))
    done = CliRunner().invoke(program, ["lure", str(path)])
    assert done.exit_code == 0
    assert done.output.startswith("phishing (")
    assert "- the sender calls itself PayPal" in done.output
    assert "\x1b" not in done.output


def test_nothing_that_can_be_read_is_a_failure(tmp_path: Path) -> None:
    done = CliRunner().invoke(program, ["lure", str(tmp_path / "none.eml")])
    assert done.exit_code == 1
    assert "no such file" in done.output


@pytest.fixture
def visited(make_site: Callable[..., Site], tmp_path: Path) -> Site:
    """A site where two hosts asked for the lure's goal, and one of them then sent much to it, before it is hunted."""
    site = make_site()
    start = parse_time("2026-03-03T09:00:00Z", now_s=0)
    dns_log(
        tmp_path / "dns.log",
        [
            (start, "paypal-login.example-verify.top", "203.0.113.80", 300),
            (start - 86400, "paypal-login.example-verify.top", "203.0.113.80", 300),
        ],
    )
    rows = [
        f"2026-03-03T09:00:{n:02d}Z,2026-03-03T09:00:{n + 1:02d}Z,192.0.2.5,203.0.113.80,{40000 + n},443,6,10,6000,27\n"
        f"2026-03-03T09:00:{n:02d}Z,2026-03-03T09:00:{n + 1:02d}Z,203.0.113.80,192.0.2.5,443,{40000 + n},6,12,9000,27\n"
        for n in range(3)
    ]
    rows.append("2026-03-03T08:00:00Z,2026-03-03T11:00:00Z,192.0.2.9,198.51.100.1,4000,80,6,10,6000,27\n")
    (tmp_path / "flows.csv").write_text(HEADER + "".join(rows))
    Ingest(site).run([str(tmp_path / "dns.log"), str(tmp_path / "flows.csv")])
    return site


def test_a_sweep_leads_from_a_mail_to_the_hosts_to_call(visited: Site, tmp_path: Path) -> None:
    path = tmp_path / "bad.eml"
    path.write_bytes(BAD)
    (told,) = run_json("lure", "--sweep", str(path), site=visited)
    swept = told["sweep"]
    assert swept["hosts"] == ["192.0.2.5"]
    found = swept["findings"][0]
    assert (
        found["kind"],
        found["evidence"]["out_bytes"],
        found["evidence"]["in_bytes"],
        found["evidence"]["flows"],
    ) == ("lured", 18000, 27000, 6)
    assert found["evidence"]["asked"] == 1  # the day before, the mail had not been sent
    assert found["severity"] in ("high", "critical")
    shown = CliRunner().invoke(program, ["lure", "--sweep", str(path), "--site", str(visited.folder)])
    assert "192.0.2.5 went where a lure leads" in shown.output


def test_a_date_that_is_forged_hides_no_visit(visited: Site, tmp_path: Path) -> None:
    path = tmp_path / "bad.eml"
    path.write_bytes(BAD.replace(b"03 Mar 2026", b"03 Mar 2031"))
    (told,) = run_json("lure", "--sweep", str(path), site=visited)
    assert told["sweep"]["hosts"] == ["192.0.2.5"]
    assert "after the last flow" in told["sweep"]["skipped"][0]["why"]


def test_a_lure_becomes_a_watch(visited: Site, tmp_path: Path) -> None:
    path = tmp_path / "bad.eml"
    path.write_bytes(BAD)
    (made,) = run_json("watch", "add", "bait", "--from-lure", str(path), site=visited)
    assert [(i["kind"], i["value"]) for i in made["indicators"]] == [("domain", "paypal-login.example-verify.top")]
    (tmp_path / "good.eml").write_bytes(mail())
    done = CliRunner().invoke(
        program, ["watch", "add", "x", "--from-lure", str(tmp_path / "good.eml"), "--site", str(visited.folder)]
    )
    assert done.exit_code != 0
    assert "nothing in it is a lure" in str(done.exception)


def test_a_sites_tables_count(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site()
    (site.folder / "brands.toml").write_text(
        'brands = [{ name = "Nordbank", words = ["nordbank"], domains = ["nordbank.example.org"] }]'
    )
    (site.folder / "young.csv").write_text("fresh-offer.net,2026-03-01\n")
    with (site.folder / "tidegauge.toml").open("a") as file:
        file.write(
            '\n[lure]\nbrands = "brands.toml"\nyoung_domains = "young.csv"\nknown_domains = ["becker.example"]\n'
        )
    path = tmp_path / "bank.eml"
    path.write_bytes(
        mail(sender="Nordbank <info@stay.example.net>", html=page(("Hier", "https://www.fresh-offer.net/")))
    )
    (told,) = run_json("lure", str(path), site=site)
    says = " ".join(told["findings"][0]["reasons"])
    assert "Nordbank" in says
    assert "registered only lately" in says
    assert json.dumps(told)
