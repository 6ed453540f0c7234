"""Logging in through an identity provider: OpenID Connect's authorization code flow with PKCE, state and nonce.

The provider says who somebody is, and no more: whether they may log in, and as what, stands in the store. What is
trusted is the ID token alone, once its signature, issuer, audience, times and nonce are seen to be right (OpenID
Connect Core 1.0, section 3.1.3.7; RFC 9700).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Final

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from optimizer.agent.passwords import new_secret
from optimizer.agent.settings.oidc import OidcTable

LASTS: Final = timedelta(minutes=10)
"""So long somebody may take at the provider."""

_MOST: Final = 1_000  # log-ins that are under way at once; the oldest give way
_SECONDS: Final = 10.0
_LEEWAY: Final = 60  # seconds by which the provider's clock may differ
_SIGNATURES: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_NEEDED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_NONSENSE: Final = (KeyError, TypeError, ValueError, OverflowError, OSError)
_VERIFIER: Final = 64  # signs of a PKCE verifier, of 43 to 128


class NotKnown(Exception):  # noqa: N818 - it is whom the provider did not tell of
    """The provider did not say who it is in a way that can be trusted; the message says why, without what it sent."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A log-in that is under way; it may be ended once, by the browser that began it.

    Attributes:
        nonce: What the ID token must carry.
        verifier: What shows at the end that we began it (PKCE).
        back: Where the provider sends the browser back to.
        place: Where the browser wants to go then.
        max_age: Seconds since they showed the provider who they are, at most; None for any.
        until: When it is over; aware UTC.
    """

    nonce: str
    verifier: str
    back: str
    place: str
    max_age: int | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider told of.

    Attributes:
        subject: `ISSUER SUBJECT`.
        shown_at: When they last showed the provider who they are, as far as it says; aware UTC.
    """

    subject: str
    shown_at: datetime | None


class Underway:
    """The log-ins that are under way, by their state; threads may share it."""

    def __init__(self) -> None:
        """None is."""
        self._lock = Lock()
        self._begun: dict[str, Begun] = {}

    def begin(self, begun: Begun) -> str:
        """Remember one, and return its state: a secret of the browser that began it."""
        state = new_secret()
        with self._lock:
            while len(self._begun) >= _MOST:
                self._begun.pop(next(iter(self._begun)))
            self._begun[state] = begun
        return state

    def end(self, state: str, kept: str, now: datetime) -> Begun:
        """Return one and forget it.

        Args:
            state: As the provider sent it back.
            kept: As the browser kept it.
            now: Aware UTC.

        Raises:
            NotKnown: There is none, it took too long, or another browser began it.
        """
        if not hmac.compare_digest(state.encode(), kept.encode()):
            raise NotKnown("This log-in was begun by another browser. Begin it anew.")
        with self._lock:
            found = self._begun.pop(state, None)
        if found is None or found.until <= now:
            raise NotKnown("This log-in took too long, or was ended already. Begin it anew.")
        return found


def begin(
    table: OidcTable, underway: Underway, back: str, place: str, max_age: int | None, now: datetime
) -> tuple[str, str]:
    """Begin a log-in.

    Returns:
        Where to send the browser, and the state that it must keep.

    Raises:
        NotKnown: The provider does not answer, or is another one.
    """
    facts = _facts(table)
    begun = Begun(new_secret(), generate_token(_VERIFIER), back, place, max_age, now + LASTS)
    state = underway.begin(begun)
    more = {} if max_age is None else {"max_age": str(max_age)}
    with _client(table, facts, back) as client:
        address, _ = client.create_authorization_url(
            facts["authorization_endpoint"], state=state, nonce=begun.nonce, code_verifier=begun.verifier, **more
        )
    return str(address), state


def person(table: OidcTable, begun: Begun, answer: Mapping[str, str], now: datetime) -> Person:
    """Return whom the provider tells of, once all of it is seen to be right.

    Args:
        table: The provider.
        begun: The log-in.
        answer: What it sent the browser back with.
        now: Aware UTC.

    Raises:
        NotKnown: It refused, does not answer, or what it says cannot be trusted.
    """
    if "error" in answer:
        raise NotKnown("The identity provider let nobody in.")
    if answer.get("iss", table.issuer) != table.issuer:  # RFC 9207
        raise NotKnown("Another identity provider answered than was asked.")
    facts = _facts(table)
    try:
        with _client(table, facts, begun.back) as client:
            tokens = client.fetch_token(
                facts["token_endpoint"], code=answer.get("code", ""), code_verifier=begun.verifier
            )
        claims = _claims(table, facts, tokens)
        claims.params |= {"nonce": begun.nonce, "max_age": begun.max_age}
        claims.validate(now=int(now.timestamp()), leeway=_LEEWAY)
        shown = claims.get("auth_time")
        at = None if shown is None else min(datetime.fromtimestamp(shown, UTC), now)
    except (AuthlibBaseError, JoseError, httpx2.HTTPError, *_NONSENSE) as error:
        raise NotKnown(f"What the identity provider says cannot be trusted ({type(error).__name__}).") from error
    return Person(f"{table.issuer} {claims['sub']}", at)


def _claims(table: OidcTable, facts: Mapping[str, Any], tokens: Mapping[str, Any]) -> CodeIDToken:
    keys = KeySet.import_key_set(_read(facts["jwks_uri"]))
    told = facts.get("id_token_signing_alg_values_supported", ["RS256"])
    token = jwt.decode(tokens["id_token"], keys, algorithms=[each for each in _SIGNATURES if each in told])
    wanted = {"iss": {"value": table.issuer}, "aud": {"value": table.client_id}}
    params = {"client_id": table.client_id, "access_token": tokens.get("access_token")}
    return CodeIDToken(token.claims, token.header, wanted, params)


def _facts(table: OidcTable) -> dict[str, Any]:
    """What the provider says of itself (OpenID Connect Discovery 1.0)."""
    try:
        found: dict[str, Any] = _read(f"{table.issuer.rstrip('/')}/.well-known/openid-configuration")
        told = found["issuer"]
        missing = [name for name in _NEEDED if not isinstance(found.get(name), str)]
    except (httpx2.HTTPError, AttributeError, *_NONSENSE) as error:
        raise NotKnown("The identity provider does not answer. Try again, or log in with a password.") from error
    if told != table.issuer or missing:
        raise NotKnown("The identity provider is not the one of [oidc] issuer, or does not say where to log in.")
    return found


def _client(table: OidcTable, facts: Mapping[str, Any], back: str) -> OAuth2Client:
    ways = facts.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    secret = "" if table.client_secret is None else table.client_secret.get_secret_value()
    return OAuth2Client(
        table.client_id,
        secret,
        token_endpoint_auth_method="client_secret_basic" if "client_secret_basic" in ways else "client_secret_post",
        scope=" ".join(table.scopes),
        redirect_uri=back,
        code_challenge_method="S256",
        timeout=_SECONDS,
    )


def _read(address: str) -> Any:
    return httpx2.get(address, timeout=_SECONDS).raise_for_status().json()
