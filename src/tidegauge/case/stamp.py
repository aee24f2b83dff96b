"""Time-stamps of a case (RFC 3161): a service that others trust says when the chain had come so far."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from tidegauge.case.log import Case
from tidegauge.model import TidegaugeError, UsageError, format_time
from tidegauge.model.web import WebError, asking
from tidegauge.site import Site

MOST_BYTES, LIMIT_S = 1 << 20, 30
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"


def trusted_by(site: Site) -> list[Certificate]:
    """The certificates that a site trusts to stamp, from its file of PEM.

    Raises:
        UsageError: none is named, or the file cannot be read.
    """
    if site.case.timestamp_root is None:
        raise UsageError("no time-stamping service is trusted", hint="[case] timestamp_root in the site file")
    path = site.folder / site.case.timestamp_root
    try:
        return load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"no certificates of a time-stamping service: {error}", hint=f"{path} (PEM)") from None


def stamp(site: Site, case: Case) -> dict[str, Any]:
    """Have the head of a case's chain stamped: the body of an entry.

    Raises:
        UsageError: the site names no service.
        TidegaugeError: the service cannot be reached, refuses, or answers what does not verify.
    """
    url, trusted = site.case.timestamp, trusted_by(site)
    if url is None:
        raise UsageError("no time-stamping service is named", hint="[case] timestamp in the site file")
    head = case.entries[-1]
    message = head.hash.encode()
    query = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA512).build().as_bytes()
    headers = {"Content-Type": QUERY, "Accept": REPLY}
    try:
        with asking(url, query, headers, timeout_s=LIMIT_S, most_bytes=MOST_BYTES, longest_s=LIMIT_S) as reply:
            token = reply.read()
    except WebError as error:
        raise TidegaugeError(f"the time-stamping service does not answer: {error}", where=url) from None
    body = {"head": head.number, "hash": head.hash, "service": url, "token": base64.b64encode(token).decode()}
    said = wrong(case, body, trusted)
    if said:
        raise TidegaugeError(f"not a time-stamp: {said}", where=url)
    made = decode_timestamp_response(token).tst_info.gen_time
    return {**body, "time": format_time(made.timestamp())}


def wrong(case: Case, body: dict[str, Any], trusted: list[Certificate]) -> str:
    """What is wrong with a stamp; empty where it is right."""
    head = next((entry for entry in case.entries if entry.number == body.get("head")), None)
    if head is None or head.hash != body.get("hash"):
        return "the entry that was stamped is not the one that stands there"
    builder = VerifierBuilder()
    for certificate in trusted:
        builder = builder.add_root_certificate(certificate)
    try:
        response = decode_timestamp_response(base64.b64decode(str(body.get("token"))))
        builder.build().verify_message(response, head.hash.encode())
    except (VerificationError, ValueError) as error:
        return f"the token does not verify: {str(error)[:120]}"
    return ""
