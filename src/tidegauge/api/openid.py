"""Coming in by an OpenID Connect provider: the authorization code flow with PKCE (RFC 7636), state and nonce."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from tidegauge.api.access import OPEN, Here, Service, takes
from tidegauge.api.plain_pages import log_in_form, page
from tidegauge.api.problems import MissingError
from tidegauge.model import SiteError, TidegaugeError
from tidegauge.model.web import WebError, asking
from tidegauge.settings import OpenIdSettings
from tidegauge.store import site_key
from tidegauge.store.people import ROLES, RefusedError

router = APIRouter(include_in_schema=False)
COOKIE, WAIT_S, TIMEOUT_S, MOST_BYTES = "tidegauge-openid", 600, 10, 1 << 20
CALLBACK = "/login/openid/callback"
ALGORITHMS = ["RS256", "ES256", "PS256", "RS512", "ES384"]


def _settings(service: Service) -> OpenIdSettings:
    if service.site.openid is None:
        raise MissingError("no provider is set up here", hint="[openid] in tidegauge.toml")
    return service.site.openid


def _told(url: str) -> dict[str, Any]:
    """A JSON document of the provider.

    Raises:
        SiteError: it cannot be had.
    """
    try:
        with asking(url, timeout_s=TIMEOUT_S, most_bytes=MOST_BYTES, longest_s=TIMEOUT_S) as reply:
            found: dict[str, Any] = json.loads(reply.read())
        return found
    except (WebError, ValueError) as error:
        raise SiteError(f"the provider does not answer: {error}", where="[openid] issuer") from None


def _provider(settings: OpenIdSettings) -> dict[str, Any]:
    return _told(f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration")


def _client(service: Service, settings: OpenIdSettings, request: Request) -> Any:
    from authlib.integrations.requests_client import OAuth2Session

    try:
        secret = (service.site.folder / settings.secret_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SiteError(f"the secret cannot be read: {error}", where="[openid] secret_file") from None
    back = f"{'https' if service.secure else 'http'}://{request.headers['host']}{CALLBACK}"
    return OAuth2Session(settings.client, secret, scope="openid profile email", redirect_uri=back,
                         code_challenge_method="S256")


def _sealed(service: Service, value: dict[str, Any]) -> str:
    text = base64.urlsafe_b64encode(json.dumps(value).encode())
    return f"{text.decode()}.{hmac.new(site_key(service.site.folder, 'openid'), text, hashlib.sha256).hexdigest()}"


def _opened(service: Service, sealed: str) -> dict[str, Any]:
    """What a cookie of ours holds.

    Raises:
        RefusedError: it is none of ours, or too old.
    """
    text, _, mark = sealed.partition(".")
    own = hmac.new(site_key(service.site.folder, "openid"), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(own.encode(), mark.encode()):
        raise RefusedError("this log-in was not begun here")
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
    if value["ends_s"] < time.time():
        raise RefusedError("this log-in took too long")
    return value


@router.get("/login/openid", **takes(OPEN))
def begin(request: Request, service: Here) -> Response:
    """Off to the provider."""
    settings = _settings(service)
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    url, state = _client(service, settings, request).create_authorization_url(
        _provider(settings)["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    kept = {"state": state, "nonce": nonce, "verifier": verifier, "ends_s": time.time() + WAIT_S}
    response = RedirectResponse(url, 303)
    # Lax: it must come along when the provider sends the browser back.
    response.set_cookie(COOKIE, _sealed(service, kept), httponly=True, samesite="lax", secure=service.secure,
                        path="/login/openid", max_age=WAIT_S)
    return response


@router.get(CALLBACK, **takes(OPEN))
def end(
    request: Request, service: Here, state: Annotated[str, Query(max_length=500)] = "",
    code: Annotated[str, Query(max_length=4000)] = "", error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Back from the provider: who they say it is, and what they may do here."""
    settings = _settings(service)
    try:
        if error:
            raise RefusedError(f"the provider refused: {error}")
        kept = _opened(service, request.cookies.get(COOKIE, ""))
        if not hmac.compare_digest(kept["state"].encode(), state.encode()):
            raise RefusedError("this log-in was not begun here")
        claims = _claims(service, settings, request, code, kept)
        name, role = _admitted(service, settings, claims)
    except RefusedError as refused:
        service.audit.note("openid", "log in refused", {"why": refused.what})
        return log_in_form(request, service, 403, refused)
    service.audit.note(name, "log in by openid", {})
    # A page, not a redirection: the browser would not send a strict cookie along one that began elsewhere.
    response = page("in", who=name)
    service.set_cookie(response, service.people.open_session(name, role))
    response.delete_cookie(COOKIE, path="/login/openid", httponly=True, samesite="lax", secure=service.secure)
    return response


def _claims(
    service: Service, settings: OpenIdSettings, request: Request, code: str, kept: dict[str, Any]
) -> dict[str, Any]:
    """What the provider's signed token says.

    Raises:
        RefusedError: the code or the token does not hold.
        SiteError: the provider does not answer.
    """
    from authlib.common.errors import AuthlibBaseError
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
    from requests import RequestException

    provider = _provider(settings)
    try:
        token = _client(service, settings, request).fetch_token(
            provider["token_endpoint"], code=code, code_verifier=kept["verifier"], timeout=TIMEOUT_S
        )
        keys = KeySet.import_key_set(_told(provider["jwks_uri"]))  # type: ignore[arg-type]
        read = jwt.decode(token["id_token"], keys, algorithms=ALGORITHMS)
        jwt.JWTClaimsRegistry(
            leeway=30, iss={"essential": True, "value": provider["issuer"]},
            aud={"essential": True, "value": settings.client}, exp={"essential": True}, sub={"essential": True},
            nonce={"essential": True, "value": kept["nonce"]},
        ).validate(read.claims)
    except RequestException as error:
        raise SiteError(f"the provider does not answer: {error}", where="[openid] issuer") from None
    except (AuthlibBaseError, JoseError, KeyError, ValueError, OSError) as error:
        raise RefusedError(f"what the provider said does not hold: {type(error).__name__}") from None
    claims: dict[str, Any] = dict(read.claims)
    return claims


def _admitted(service: Service, settings: OpenIdSettings, claims: dict[str, Any]) -> tuple[str, str]:
    """Name and role of who the provider says it is; somebody new gets the role that the claim or the site says.

    Raises:
        RefusedError: they have no role here.
    """
    subject = f"{claims['iss']} {claims['sub']}"
    known = service.people.by_subject(subject) or service.people.by_subject(str(claims["sub"]))
    said = claims.get(settings.role_claim)
    given = {str(one) for one in said} if isinstance(said, list) else {str(said)}
    role = max((r for r in ROLES if r in given), key=ROLES.index, default=settings.default_role)
    if known is not None:
        own = next(user["role"] for user in service.people.users() if user["name"] == known)
        return known, str(own)
    if role is None:
        raise RefusedError("you have no role here", hint="tidegauge user add NAME --role reader --openid SUBJECT")
    wanted = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
    name = re.sub(r"[^\w.@+-]", "-", wanted)[:40] + "+" + hashlib.sha256(subject.encode()).hexdigest()[:8]
    try:
        service.people.add(name, role, None, subject=subject)
    except TidegaugeError as error:
        raise RefusedError(error.what) from None
    return name, role
