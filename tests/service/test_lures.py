"""Lures in the service: judged over the API, and out of a mailbox, a folder's or a real IMAP server's."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import json
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.leak.make import as_csv, people as make_people
from tests.lure.make import mail, page
from tests.service.app import Running
from tests.service.conftest import Served, free_port
from tidegauge.hunt import HuntLedger
from tidegauge.serve.mailbox import MailboxError, new_items
from tidegauge.serve.workers import judge_mailbox
from tidegauge.settings import LureSettings
from tidegauge.site import Site, load_site
from tidegauge.store import Store

BAD = mail(
    sender="PayPal <service@stay.example.net>",
    subject="Your account is suspended",
    html=page(
        ("Verify your account", "https://paypal-login.example-verify.top/x"), text="Verify your account in 24 hours."
    ),
)


def test_mails_messages_and_links_are_judged_over_the_api(running: Running) -> None:
    with running.client("reader") as client:
        coded = {"mail": base64.b64encode(BAD).decode(), "name": "bad.eml"}
        asked = {
            "json": client.post("/api/v1/lure", json=coded),
            "form": client.post("/api/v1/lure", files={"file": ("bad.eml", BAD)}),
            "raw": client.post("/api/v1/lure", content=BAD, headers={"content-type": "message/rfc822"}),
            "text": client.post("/api/v1/lure", json={"text": "Is this you in this video?? https://bit.ly/3xKq9Zr"}),
            "form text": client.post(
                "/api/v1/lure", files={"text": (None, "You won! http://gift.evil-prize.top/claim")}
            ),
            "url": client.post("/api/v1/lure", json={"url": "https://paypal-login.example-verify.top/x"}),
        }
        told = {name: answer.json() for name, answer in asked.items()}
        assert {name: answer.status_code for name, answer in asked.items()} == dict.fromkeys(asked, 200), told
        assert all(answer["findings"][0]["verdict"] != "unremarkable" for answer in told.values())
        assert told["form"]["findings"][0]["subject"] == "bad.eml"
        swept = client.post("/api/v1/lure", json={**coded, "sweep": True}).json()
        assert swept["sweep"]["hosts"] == []
        for wrong in ({}, {"text": "a", "url": "b"}, {"mail": "***"}, {"text": 7}):
            assert client.post("/api/v1/lure", json=wrong).status_code == 400
        assert (
            client.post("/api/v1/lure", content=b"{", headers={"content-type": "application/json"}).status_code == 400
        )
    with running.client() as nobody:
        assert nobody.post("/api/v1/lure", json={"text": "x"}).status_code == 401


def test_a_mail_as_large_as_mails_are_is_taken_and_a_larger_one_refused(running: Running) -> None:
    with running.client("reader") as client:
        head = {"content-type": "message/rfc822"}
        large = BAD + b"A" * (8 << 20)
        assert client.post("/api/v1/lure", content=large, headers=head).json()["findings"][0]["verdict"] == "phishing"
        with contextlib.suppress(httpx.TransportError):  # refused by its length, while it is still being sent
            assert client.post("/api/v1/lure", content=bytes(45 << 20), headers=head).status_code == 413
        assert client.post("/api/v1/lure", json={"text": "x"}).status_code == 200


def test_what_people_hand_in_stands_in_no_log(running: Running) -> None:
    with running.client("reader") as client:
        client.post("/api/v1/lure", json={"text": "the very private words of somebody"})
        client.post("/api/v1/lure", files={"file": ("x.eml", mail(text="the very private words of somebody"))})
    with running.client("admin") as client:
        noted, following = "", ""
        while following is not None:
            told = client.get("/api/v1/audit?limit=1000" + (f"&cursor={following}" if following else "")).json()
            noted, following = noted + json.dumps(told["entries"]), told["next"]
        assert '"ask lure"' in noted
        assert "private words" not in noted
    files = [p for p in load_site(running.folder).data.rglob("*") if p.is_file()]
    assert not [p for p in files if b"very private words" in p.read_bytes()]


def test_analysts_have_loot_looked_through_and_nothing_of_it_is_kept(running: Running) -> None:
    people = make_people(40, seed=9)
    data = as_csv(people)
    with running.client("analyst") as client:
        raw = client.post("/api/v1/leak", content=data, headers={"content-type": "application/octet-stream"})
        form = client.post("/api/v1/leak", files={"file": ("dump.csv", data * 80)})
        coded = client.post("/api/v1/leak", json={"content": base64.b64encode(data).decode(), "name": "x.csv"})
        for answer in (raw, form, coded):
            assert answer.status_code == 200, answer.text
            assert answer.json()["summary"]["persons"] == 40
            assert not [p for p in people if p.ssn in answer.text or p.card in answer.text]
        assert form.json()["findings"][0]["subject"] == "dump.csv"
        assert client.post("/api/v1/leak", json={"content": "***"}).status_code == 400
        assert client.post("/api/v1/leak", files={"other": (None, "x")}).status_code == 400
    with running.client("reader") as client:
        assert client.post("/api/v1/leak", content=data).status_code == 403
    files = [p for p in load_site(running.folder).data.rglob("*") if p.is_file()]
    assert not [p for p in files if people[0].card.encode() in p.read_bytes()]


def with_mailbox(site: Site, **settings: object) -> Site:
    return replace(site, lure=LureSettings.model_validate(settings))


def kept(site: Site) -> dict[str, str]:
    return {row["subject"].rpartition("/")[2]: row["severity"] for row in HuntLedger(Store.of(site)).kept()}


def test_a_folder_is_watched_and_each_mail_judged_once(make_site: Callable[..., Site]) -> None:
    site = with_mailbox(make_site(), mailbox="inbox")
    folder = site.folder / "inbox"
    (folder / "new").mkdir(parents=True)
    (folder / "cur").mkdir()
    (folder / "new" / "1.eml").write_bytes(BAD)
    (folder / "new" / "2.bin").write_bytes(bytes(100))
    store = Store.of(site)
    assert judge_mailbox(site, store) == {"judged": 1, "phishing": 1, "suspicious": 0, "left_out": 1}
    (folder / "new" / "1.eml").rename(folder / "cur" / "1.eml:2,S")  # read by somebody
    (folder / "new" / "3.eml").write_bytes(mail())
    assert judge_mailbox(site, store) == {"judged": 1, "phishing": 0, "suspicious": 0, "left_out": 0}
    assert judge_mailbox(site, store)["judged"] == 0
    assert kept(site) == {"1.eml": "high", "3.eml": "info"}


def test_a_mailbox_that_is_not_there_is_said_to_be_missing(make_site: Callable[..., Site]) -> None:
    site = with_mailbox(make_site(), mailbox="nowhere")
    with pytest.raises(MailboxError, match="no folder"):
        judge_mailbox(site, Store.of(site))


@contextmanager
def imap_server(folder: Path) -> Iterator[int]:
    """Dovecot on loopback, with a mailbox `jo` whose password is `secret-word`; its port."""
    if shutil.which("dovecot") is None and not Path("/usr/sbin/dovecot").exists():
        pytest.skip("dovecot is not here")
    if os.getuid() != 0:
        pytest.skip("dovecot is started as root only")
    port, who = free_port(), pwd.getpwnam("nobody")
    mails = folder / "mails"
    mails.mkdir()
    for place in (folder, mails):
        os.chown(place, who.pw_uid, who.pw_gid)
    for above in (folder, *folder.parents):
        if above.owner() == "root" and above != Path("/tmp") and str(above).startswith("/tmp/"):
            above.chmod(0o755)
    config = folder / "dovecot.conf"
    version = subprocess.run(["/usr/sbin/dovecot", "--version"], capture_output=True, text=True, check=True).stdout
    modern = tuple(int(n) for n in version.split()[0].split(".")[:2]) >= (2, 4)
    place = (
        f"mail_driver = maildir\nmail_path = {mails}\ndovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
        "auth_allow_cleartext = yes\npassdb static {\n  password = secret-word\n}\n"
        f"userdb static {{\n  fields {{\n    uid = {who.pw_uid}\n    gid = {who.pw_gid}\n    home = {mails}\n  }}\n}}\n"
        if modern
        else f"mail_location = maildir:{mails}\ndisable_plaintext_auth = no\n"
        "passdb {\n  driver = static\n  args = password=secret-word\n}\n"
        f"userdb {{\n  driver = static\n  args = uid={who.pw_uid} gid={who.pw_gid} home={mails}\n}}\n"
    )
    config.write_text(
        f"{place}base_dir = {folder}/run\nstate_dir = {folder}/state\nprotocols = imap\nlisten = 127.0.0.1\nssl = no\n"
        f"log_path = {folder}/log\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n"
        f"service imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = {port}\n  }}\n"
        "  inet_listener imaps {\n    port = 0\n  }\n}\nservice anvil {\n  chroot =\n}\n"
    )
    process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", str(config)], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                with imaplib.IMAP4("127.0.0.1", port, timeout=2) as server:
                    server.login("jo", "secret-word")
                break
            except (OSError, imaplib.IMAP4.error):
                log = (folder / "log").read_text() if (folder / "log").exists() else ""
                assert process.poll() is None, (process.stderr.read() if process.stderr else b"", log)
                assert time.monotonic() < deadline, log
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def drop(port: int, data: bytes) -> None:
    with imaplib.IMAP4("127.0.0.1", port, timeout=10) as server:
        server.login("jo", "secret-word")
        assert server.append("INBOX", None, None, data)[0] == "OK"


def test_a_real_imap_mailbox_is_read_and_left_as_it_is(make_site: Callable[..., Site], tmp_path: Path) -> None:
    (tmp_path / "imap").mkdir()
    with imap_server(tmp_path / "imap") as port:
        site = make_site()
        (site.folder / "password").write_text("secret-word\n")
        site = with_mailbox(site, mailbox=f"imap://jo@127.0.0.1:{port}/INBOX", password_file="password")
        store = Store.of(site)
        assert judge_mailbox(site, store)["judged"] == 0
        drop(port, BAD)
        drop(port, mail())
        assert judge_mailbox(site, store) == {"judged": 2, "phishing": 1, "suspicious": 0, "left_out": 0}
        assert judge_mailbox(site, store)["judged"] == 0
        drop(port, BAD)
        assert judge_mailbox(site, store)["judged"] == 1
        assert kept(site) == {"INBOX, mail 1": "high", "INBOX, mail 2": "info", "INBOX, mail 3": "high"}
        with imaplib.IMAP4("127.0.0.1", port, timeout=10) as server:
            server.login("jo", "secret-word")
            server.select("INBOX", readonly=True)
            assert server.search(None, "UNSEEN")[1] == [b"1 2 3"]
        (site.folder / "password").write_text("another\n")
        with pytest.raises(MailboxError, match="can't be read"):
            list(new_items(site.lure, site.folder, None))


def test_the_service_watches_the_mailbox(make_site: Callable[..., Site], serving: Callable[..., Served]) -> None:
    site = make_site()
    (site.folder / "inbox").mkdir()
    with (site.folder / "tidegauge.toml").open("a") as file:
        file.write('\n[lure]\nmailbox = "inbox"\nevery_s = 0.5\n')
    served = serving(
        load_site(site.folder), "--http", f"127.0.0.1:{free_port()}", "--listen", f"127.0.0.1:{free_port()}"
    )
    with served.client() as client:
        (site.folder / "inbox" / "one.eml").write_bytes(BAD)
        served.until(lambda: client.get("/api/v1/findings?kind=lure").json()["findings"])
        (found,) = client.get("/api/v1/findings?kind=lure").json()["findings"]
        assert found["severity"] == "high"
        assert found["subject"].endswith("one.eml")
        assert served.parts()["lures"]["state"] == "running"
