"""Users, their sessions and tokens, and one-time links; secrets are kept as hashes only.

Passwords are hashed by Argon2id (RFC 9106) with the library's recommended parameters; secrets that we make ourselves
have 256 random bits, so a plain SHA-256 of them is enough.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, or_, select, update

from tidegauge.model import TidegaugeError, UsageError, format_time
from tidegauge.store.database import Store
from tidegauge.store.roles import ROLES as ROLES, Role as Role
from tidegauge.store.tables import attempts, links, sessions, tokens, users
from tidegauge.store.writing import put

LEAST_PASSWORD, MOST_PASSWORD = 12, 1024
SESSION_S, IDLE_S, LINK_S = 12 * 3600, 3600, 600
ATTEMPTS_S, MOST_ATTEMPTS, MOST_FROM_ADDRESS = 900, 5, 20
_HASHING = BoundedSemaphore(2)
"""Each hash takes 64 MiB, so only so many at once."""
LOCAL = "local"
"""Who comes in by the one-time link of a service on loopback."""


class RefusedError(TidegaugeError):
    """Somebody may not come in, or not do this."""


class TooManyError(RefusedError):
    """Too many failed tries; `wait_s` seconds until the next one."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("too many failed log-ins", hint=f"wait {wait_s} s")
        self.wait_s = wait_s


@dataclass(frozen=True)
class Person:
    """Who asks: a name, a role, and how they came in."""

    name: str
    role: Role
    by: Literal["session", "token", "shell"]
    csrf: str = ""

    def may(self, role: Role) -> bool:
        """Whether they may do what takes at least a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def checked_role(text: str) -> Role:
    """A role.

    Raises:
        UsageError: none of that name.
    """
    for role in ROLES:
        if role == text:
            return role
    raise UsageError(f"no such role: {text!r}", hint=", ".join(ROLES))


class People:
    """Users, sessions, tokens and links in a site's database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hasher = PasswordHasher()

    # Users

    def add(self, name: str, role: str, password: str | None, *, subject: str | None = None) -> None:
        """Make a user, or change one: role and password. `subject`: who they are at an OpenID provider.

        Raises:
            UsageError: not a name or role, or a password that is too short.
        """
        if not re.fullmatch(r"[\w.@+-]{1,64}", name) or name == LOCAL:
            raise UsageError(f"not a name for a user: {name!r}", hint="letters, digits, - . _ @ +")
        if password is None and subject is None:
            raise UsageError("a user needs a password")
        if password is not None and not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
            raise UsageError(f"a password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
        row = {
            "name": name, "role": checked_role(role), "subject": subject, "created_s": int(time.time()),
            "password": None if password is None else self._hasher.hash(password),
        }
        with self._store.changing() as connection:
            put(connection, users, row, keep=("created_s",))
            connection.execute(delete(sessions).where(sessions.c.user == name))

    def remove(self, name: str) -> None:
        """Forget a user with all sessions and tokens.

        Raises:
            UsageError: there is none of that name.
        """
        with self._store.changing() as connection:
            if not connection.execute(delete(users).where(users.c.name == name)).rowcount:
                raise UsageError(f"no such user: {name!r}", hint="tidegauge user list")
            connection.execute(delete(sessions).where(sessions.c.user == name))
            connection.execute(delete(tokens).where(tokens.c.user == name))

    def users(self) -> list[dict[str, Any]]:
        """All users by name, without secrets."""
        if not self._store.there:
            return []
        with self._store.reading() as connection:
            rows = connection.execute(select(users).order_by(users.c.name)).all()
        return [
            {"name": r.name, "role": r.role, "created": format_time(r.created_s), "openid": r.subject is not None}
            for r in rows
        ]

    def by_subject(self, subject: str) -> str | None:
        """The name of the user that is somebody at an OpenID provider."""
        with self._store.reading() as connection:
            return connection.scalar(select(users.c.name).where(users.c.subject == subject))

    # Coming in

    def log_in(self, name: str, password: str, address: str) -> str:
        """Check a password and open a session; its secret.

        Raises:
            TooManyError: after too many failures for this name, or from this address.
            RefusedError: no such user or not their password; which of both is not said.
        """
        now = time.time()
        limits = ((f"user {name[:150]}", MOST_ATTEMPTS), (f"address {address}", MOST_FROM_ADDRESS))
        with self._store.changing() as connection:
            connection.execute(delete(attempts).where(attempts.c.at_s < now - ATTEMPTS_S))
            for who, most in limits:
                count, first = connection.execute(
                    select(func.count(), func.min(attempts.c.at_s)).where(attempts.c.who == who)
                ).one()
                if count >= most:
                    raise TooManyError(int(first + ATTEMPTS_S - now) + 1)
            # Noted before the password is looked at, so that many tries at once do not get past the limit.
            connection.execute(attempts.insert(), [{"who": who, "at_s": now} for who, _ in limits])
            row = connection.execute(select(users.c.password, users.c.role).where(users.c.name == name)).first()
        # A user who is not there takes as long as one who is.
        kept = row.password if row is not None and row.password else _nobody(self._hasher)
        try:
            with _HASHING:
                self._hasher.verify(kept, password[: MOST_PASSWORD + 1])
        except (VerificationError, InvalidHashError):
            raise RefusedError("no such user, or not their password") from None
        if row is None or not row.password:
            raise RefusedError("no such user, or not their password")
        with self._store.changing() as connection:
            connection.execute(delete(attempts).where(or_(*(attempts.c.who == who for who, _ in limits))))
            if self._hasher.check_needs_rehash(kept):
                connection.execute(
                    update(users).where(users.c.name == name).values(password=self._hasher.hash(password))
                )
        return self.open_session(name, row.role)

    def open_session(self, name: str, role: str) -> str:
        """A new session; its secret, which is kept nowhere."""
        secret, now_s = secrets.token_urlsafe(32), int(time.time())
        row = {
            "hash": _digest(secret), "user": name, "role": role, "csrf": secrets.token_urlsafe(32), "created_s": now_s,
            "seen_s": now_s, "ends_s": now_s + SESSION_S,
        }
        with self._store.changing() as connection:
            over = or_(sessions.c.ends_s < now_s, sessions.c.seen_s < now_s - IDLE_S)
            connection.execute(delete(sessions).where(over))
            connection.execute(sessions.insert(), row)
        return secret

    def session(self, secret: str) -> Person | None:
        """Who a session is; None where it is none, has ended, or was not used for an hour."""
        now_s = int(time.time())
        with self._store.reading() as connection:
            row = connection.execute(select(sessions).where(sessions.c.hash == _digest(secret))).first()
            role = row and connection.scalar(select(users.c.role).where(users.c.name == row.user))
        if row is None or row.ends_s < now_s or row.seen_s < now_s - IDLE_S:
            return None
        if row.user != LOCAL and role is None:
            return None
        if row.seen_s < now_s - 60:
            with self._store.changing() as connection:
                connection.execute(update(sessions).where(sessions.c.hash == row.hash).values(seen_s=now_s))
        return Person(row.user, checked_role(role or row.role), "session", row.csrf)

    def close_session(self, secret: str) -> None:
        with self._store.changing() as connection:
            connection.execute(delete(sessions).where(sessions.c.hash == _digest(secret)))

    # One-time links

    def make_link(self) -> str:
        """A secret that opens one session, once, within ten minutes."""
        secret = secrets.token_urlsafe(32)
        with self._store.changing() as connection:
            connection.execute(delete(links))
            connection.execute(links.insert(), {"hash": _digest(secret), "ends_s": int(time.time()) + LINK_S})
        return secret

    def use_link(self, secret: str) -> str:
        """Open the session of a link; its secret.

        Raises:
            RefusedError: it was used, or is too old, or none of ours.
        """
        with self._store.changing() as connection:
            still = links.c.hash == _digest(secret), links.c.ends_s >= int(time.time())
            if not connection.execute(delete(links).where(*still)).rowcount:
                raise RefusedError("this link was used, or is too old", hint="start the service again for a new one")
        return self.open_session(LOCAL, "admin")

    # Tokens

    def add_token(self, name: str, user: str, days: int | None) -> str:
        """A token with a user's role; shown once.

        Raises:
            UsageError: no such user, or there is a token of that name.
        """
        if not re.fullmatch(r"[\w. -]{1,64}", name):
            raise UsageError(f"not a name for a token: {name!r}", hint="letters, digits, blanks, - . _")
        secret, now_s = "tg_" + secrets.token_urlsafe(32), int(time.time())
        with self._store.changing() as connection:
            if connection.scalar(select(users.c.name).where(users.c.name == user)) is None:
                raise UsageError(f"no such user: {user!r}", hint="tidegauge user list")
            if connection.scalar(select(tokens.c.name).where(tokens.c.name == name)) is not None:
                raise UsageError(f"there is a token {name!r} already", hint="tidegauge token remove it first")
            ends_s = None if days is None else now_s + days * 86400
            connection.execute(
                tokens.insert(),
                {"name": name, "user": user, "hash": _digest(secret), "created_s": now_s, "ends_s": ends_s},
            )
        return secret

    def token(self, secret: str) -> Person | None:
        """Who a token is; None where it is none or has ended."""
        with self._store.reading() as connection:
            row = connection.execute(
                select(tokens.c.user, tokens.c.ends_s, users.c.role)
                .join(users, users.c.name == tokens.c.user)
                .where(tokens.c.hash == _digest(secret))
            ).first()
        if row is None or (row.ends_s is not None and row.ends_s <= time.time()):
            return None
        return Person(row.user, checked_role(row.role), "token")

    def tokens(self) -> list[dict[str, Any]]:
        """All tokens by name, without secrets."""
        if not self._store.there:
            return []
        with self._store.reading() as connection:
            rows = connection.execute(select(tokens).order_by(tokens.c.name)).all()
        return [
            {"name": r.name, "user": r.user, "created": format_time(r.created_s),
             "ends": None if r.ends_s is None else format_time(r.ends_s)} for r in rows
        ]

    def remove_token(self, name: str) -> None:
        """Forget a token.

        Raises:
            UsageError: there is none of that name.
        """
        with self._store.changing() as connection:
            if not connection.execute(delete(tokens).where(tokens.c.name == name)).rowcount:
                raise UsageError(f"no such token: {name!r}", hint="tidegauge token list")


def _nobody(hasher: PasswordHasher) -> str:
    """The hash of a password that nobody has."""
    global _nobodys
    if _nobodys is None:
        _nobodys = hasher.hash(secrets.token_urlsafe(32))
    return _nobodys


_nobodys: str | None = None
