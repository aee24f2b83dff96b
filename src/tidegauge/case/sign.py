"""Signatures of what goes out, in minisign's form: whoever has that program can verify them without this one.

The team's own key signs where the site names one; a key of the site, made when it is first wanted, where it does not.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from minisign import Error, PublicKey, SecretKey, Signature

from tidegauge.model import UsageError
from tidegauge.site import Site
from tidegauge.store.keys import site_key

UNENCRYPTED = b"Ed" + b"\0\0" + b"B2" + bytes(48)
"""How minisign's secret keys begin where no password guards them: algorithms; salt and limits that are not used."""


def team_key(site: Site) -> SecretKey:
    """The key with which a site signs.

    Raises:
        UsageError: the site names a key that cannot be read, is none of minisign's, or is guarded by a password.
    """
    if site.case.sign_key is None:
        return _own_key(site_key(site.folder, "sign"))
    path = site.folder / site.case.sign_key
    try:
        key = SecretKey.from_file(path)
    except (OSError, Error, ValueError) as error:
        raise UsageError(f"not a secret key of minisign: {error}", hint=str(path)) from None
    if key.is_encrypted():
        raise UsageError("the key is guarded by a password", hint=f"minisign -C -W -s {path} takes it off a copy")
    return key


def _own_key(seed: bytes) -> SecretKey:
    """A seed (32 bytes) as minisign's secret key; its number is the beginning of the public key's SHA-256."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    number = hashlib.sha256(public).digest()[:8]
    check = hashlib.blake2b(b"Ed" + number + seed + public, digest_size=32).digest()
    return SecretKey.from_base64(base64.b64encode(UNENCRYPTED + number + seed + public + check))


def sign(site: Site, data: bytes, comment: str) -> tuple[bytes, bytes]:
    """Sign bytes.

    Args:
        comment: what is signed together with them, one line; what is not ASCII becomes `?`.

    Returns:
        The signature and the public key, each as minisign's file.
    """
    key = team_key(site)
    told = comment.encode("ascii", "replace").decode()
    made = key.sign(data, untrusted_comment="signature of a case", trusted_comment=told)
    return bytes(made) + b"\n", _public(key)


def signed_by(data: bytes, signature: bytes, public: bytes) -> str:
    """The public key (base64, minisign's) that signed bytes; empty where it did not."""
    try:
        key = PublicKey.from_bytes(public.strip())
        key.verify(data, Signature.from_bytes(signature.strip()))
    except (Error, ValueError):
        return ""
    return str(key.to_base64().decode())


def fingerprint(public: str) -> str:
    """How a public key is told from another one by people: the first 20 bytes of its SHA-256."""
    text = hashlib.sha256(public.encode()).hexdigest()[:40]
    return " ".join(text[i : i + 4] for i in range(0, 40, 4))


def read_public(path: Path) -> str:
    """The public key in a file of minisign's.

    Raises:
        UsageError: it holds none.
    """
    try:
        return str(PublicKey.from_file(path).to_base64().decode())
    except (OSError, Error, ValueError) as error:
        raise UsageError(f"not a public key of minisign: {error}", hint=str(path)) from None


def public_key(site: Site) -> bytes:
    """The key by which others verify what a site signed, as minisign's file."""
    return _public(team_key(site))


def _public(key: SecretKey) -> bytes:
    return bytes(key.get_public_key()) + b"\n"
