"""Where word goes: a webhook (signed JSON), e-mail by SMTP, syslog (RFC 5424)."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import smtplib
import socket
import ssl
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tidegauge import __version__
from tidegauge.model import TidegaugeError
from tidegauge.model.web import WebError, asking
from tidegauge.serve.outbox import HELD, SENT, Letter, Outbox
from tidegauge.settings import AlertSettings
from tidegauge.site import Site

TIMEOUT_S = 5.0
MOST_REPLY_BYTES = 1 << 16
SYSLOG_PORT, TLS_SYSLOG_PORT, SMTP_PORT = 514, 6514, 25
FACILITY = 13  # log audit
PRIORITY = {"info": 6, "low": 5, "medium": 4, "high": 3, "critical": 2}
MOST_UDP_BYTES = 2048


class AlertError(TidegaugeError):
    """A channel is not set up rightly, or did not take a message."""


def send(letter: Letter, channel: AlertSettings, folder: Path) -> None:
    """Send a letter.

    Raises:
        AlertError: it was not taken; why, without secrets.
    """
    try:
        {"webhook": _webhook, "mail": _mail, "syslog": _syslog}[channel.kind](letter, channel, folder)
    except (OSError, smtplib.SMTPException, WebError, ValueError) as error:
        raise AlertError(f"{letter.channel} did not take the message: {error}") from None


def _secret(name: str | None, folder: Path) -> str | None:
    if name is None:
        return None
    try:
        return (folder / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AlertError(f"a secret cannot be read: {error}", where=str(folder / name)) from None


def signature(secret: str, moment_s: int, body: bytes) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA-256 of the time, a dot and the body; the time lets the receiver refuse old ones."""
    told = hmac.new(secret.encode(), f"{moment_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment_s},v1={told}"


def _webhook(letter: Letter, channel: AlertSettings, folder: Path) -> None:
    if channel.url is None:
        raise AlertError("a webhook needs a url", where=f"[alerts.{letter.channel}]")
    body = json.dumps({**letter.told, "id": letter.id}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "X-Tidegauge-Id": str(letter.id)}
    if secret := _secret(channel.secret_file, folder):
        headers["X-Tidegauge-Signature"] = signature(secret, int(time.time()), body)
    with asking(channel.url, body, headers, timeout_s=TIMEOUT_S, most_bytes=MOST_REPLY_BYTES):
        pass  # that it answers well is all that counts


def _mail(letter: Letter, channel: AlertSettings, folder: Path) -> None:
    if not (channel.server and channel.sender and channel.to):
        raise AlertError("mail needs server, sender and to", where=f"[alerts.{letter.channel}]")
    told = letter.told
    message = EmailMessage()
    message["From"], message["To"] = channel.sender, ", ".join(channel.to)
    marked = "[simulated] " if told.get("simulated") else ""
    message["Subject"] = " ".join(f"{marked}{told['severity']}: {told['title']} ({told['event']})".split())[:250]
    message["Date"] = datetime.fromtimestamp(letter.created_s, UTC)
    domain = channel.sender.rpartition("@")[2]
    # The same at every try, so that a mail that came twice is seen to be one.
    message["Message-ID"] = f"<{letter.about}.{letter.event}.{letter.id}@{domain}>"
    message.set_content(_text(told))
    port = channel.port or SMTP_PORT
    context = ssl.create_default_context()
    opened = (
        smtplib.SMTP_SSL(channel.server, port, timeout=TIMEOUT_S, context=context)
        if channel.tls == "tls" else smtplib.SMTP(channel.server, port, timeout=TIMEOUT_S)
    )
    with opened as session:
        if channel.tls == "starttls":
            session.starttls(context=context)
        if channel.user is not None:
            session.login(channel.user, _secret(channel.password_file, folder) or "")
        session.send_message(message)


def _text(told: dict[str, Any]) -> str:
    """A message as a person reads it."""
    lines = [told["title"], ""]
    about = told.get("alarm") or told.get("finding") or {}
    lines += [f"- {reason}" for reason in about.get("reasons", [])]
    answer = about.get("answer") or {}
    for surge in answer.get("surges", []):
        lines += [f"- {c['share']:.0%} of the excess by {c['by']} {c['value']}" for c in surge.get("carried_by", [])]
        if surge.get("query"):
            lines.append(f"see: {surge['query']}")
    lines += [f"caveat: {caveat}" for caveat in answer.get("caveats", [])]
    if about.get("query"):
        lines.append(f"see: {about['query']}")
    lines += ["", f"{told['about']} {told['event']}, site {told['site']}, tidegauge {__version__}"]
    return "\n".join(lines) + "\n"


def syslog_line(letter: Letter, host: str) -> bytes:
    """A message of RFC 5424, without framing."""
    told = letter.told
    moment = datetime.fromtimestamp(letter.created_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    fields = " ".join(
        f'{name}="{_escaped(str(told[name]))}"' for name in ("about", "event", "subject", "severity", "site")
    )
    name = "".join(c for c in host if 32 < ord(c) < 127)[:255] or "-"
    priority, event = FACILITY * 8 + PRIORITY[told["severity"]], told["event"][:32]
    head = f"<{priority}>1 {moment} {name} tidegauge {os.getpid()} {event}"
    # 32473 is the enterprise number that RFC 5612 keeps for examples; the site's own is not known.
    text = " ".join(told["title"].split())
    return f"{head} [tidegauge@32473 {fields}] \ufeff{text}".encode()


def _escaped(text: str) -> str:
    for mark in ("\\", '"', "]"):
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())


def _syslog(letter: Letter, channel: AlertSettings, folder: Path) -> None:
    if channel.server is None:
        raise AlertError("syslog needs a server", where=f"[alerts.{letter.channel}]")
    line = syslog_line(letter, socket.gethostname())
    port = channel.port or (TLS_SYSLOG_PORT if channel.transport == "tls" else SYSLOG_PORT)
    if channel.transport == "udp":
        family, kind, proto, _, address = socket.getaddrinfo(channel.server, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, proto) as sender:
            sender.settimeout(TIMEOUT_S)
            sender.sendto(line[:MOST_UDP_BYTES], address)
        return
    with socket.create_connection((channel.server, port), timeout=TIMEOUT_S) as plain:
        stream = plain
        if channel.transport == "tls":
            stream = ssl.create_default_context().wrap_socket(plain, server_hostname=channel.server)
        with stream:
            stream.sendall(f"{len(line)} ".encode() + line)  # octet counting, RFC 6587
            stream.shutdown(socket.SHUT_WR)


def deliver(site: Site, outbox: Outbox) -> tuple[int, list[str]]:
    """Send what is due; how many letters were sent, and the channels that did not take one."""
    sent, dead = 0, set()
    for letter in outbox.due():
        if letter.channel in dead:
            continue  # the others are not kept waiting by it
        channel = site.alerts.get(letter.channel)
        if channel is None:
            outbox.mark(letter, HELD, "this channel is not in the site file any more")
            continue
        if letter.event not in ("held", "test") and outbox.sent_within_hour(letter.channel) >= channel.most_an_hour:
            outbox.hold(letter, channel)
            continue
        try:
            send(letter, channel, site.folder)
        except AlertError as error:
            outbox.later(letter, str(error))
            dead.add(letter.channel)
        else:
            outbox.mark(letter, SENT)
            sent += 1
    return sent, sorted(dead)
