"""Logging in through an identity provider on loopback: whom it tells of comes in, if an admin said so beforehand."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

from optimizer.agent.settings import SettingsError, load
from optimizer.agent.web.server import _bound
from optimizer.plan.people import Role, User
from optimizer.plan.record import State
from tests.optimizer.web_world import Visitor, World, world

KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": "one"}, private=True) for _ in range(2))
CLIENT, SECRET = "outlay-page", "canary-of-a-secret"


@dataclass
class Provider:
    """An identity provider that says what a test wants it to say."""

    issuer: str = ""
    subject: str = "248289761001"
    now: int = 0
    key: RSAKey = field(default_factory=lambda: KEY)
    claims: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def grant(self, address: str) -> dict[str, str]:
        """What a person's agreement at the provider sends the browser back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self.seen = asked
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def facts() -> dict[str, Any]:
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }

        @app.get("/keys")
        def keys() -> dict[str, Any]:
            return {"keys": [KEY.as_dict(private=False)]}

        @app.post("/token")
        async def token(request: Request) -> Any:
            form = await request.form()
            asked = self.codes.pop(str(form["code"]), None)
            digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            shown = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
            if asked is None or asked["code_challenge"] != challenge or shown != f"{CLIENT}:{SECRET}":
                return JSONResponse({"error": "invalid_grant"}, 400)
            claims = {
                "iss": self.issuer, "sub": self.subject, "aud": CLIENT, "iat": self.now, "exp": self.now + 300,
                "nonce": asked["nonce"], "auth_time": self.now,
            } | self.claims  # fmt: skip
            told = {name: value for name, value in claims.items() if value is not None}
            signed = jwt.encode({"alg": "RS256", "kid": "one"}, told, self.key)
            return {"access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": signed}

        return app


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    listening = _bound("127.0.0.1:0")
    found.issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(found.app(), log_config=None, access_log=False))
    thread = Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield found
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def here(tmp_path: Path, provider: Provider) -> Iterator[World]:
    with world(tmp_path, settings(provider)) as found:
        provider.now = int(found.clock.now().timestamp())
        known = User("eve", Role.APPROVER, None, found.clock.now(), f"{provider.issuer} {provider.subject}")
        found.premises.store.keep_user(None, known, "setup", found.clock.now())
        yield found


def settings(provider: Provider, more: str = "") -> str:
    return f'{more}\n[oidc]\nissuer = "{provider.issuer}"\nclient_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'


def begin(browser: Visitor, place: str = "") -> str:
    answer = browser.get("/login/oidc", params={"next": place})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def end(browser: Visitor, granted: dict[str, str]) -> Any:
    return browser.get("/login/oidc/callback", params=granted)


def comes_in(browser: Visitor) -> bool:
    return bool(browser.get("/").status_code == 200)


def test_whom_the_provider_tells_of_comes_in_as_what_an_admin_said(here: World, provider: Provider) -> None:
    browser = here.client()
    assert "/login/oidc" in browser.get("/login").text
    address = begin(browser, f"{here.root}/rules")
    granted = provider.grant(address)
    assert address.startswith(f"{provider.issuer}/authorize?")
    assert provider.seen["code_challenge_method"] == "S256"
    assert provider.seen["redirect_uri"] == f"http://127.0.0.1{here.root}/login/oidc/callback"
    answer = end(browser, granted)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{here.root}/rules")
    assert comes_in(browser)
    assert browser.get("/api/v1/me").json()["name"] == "eve"
    assert here.premises.store.audit()[-1].event.action == "logged-in"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-page"},
        {"aud": ["outlay-page", "another-page"]},
        {"azp": "another-page"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"exp": None},
        {"iat": 10**11},
        {"sub": None},
        {"auth_time": "yesterday"},
    ],
)
def test_a_token_that_is_not_right_lets_nobody_in(here: World, provider: Provider, claims: dict[str, Any]) -> None:
    provider.claims = claims
    browser = here.client()
    answer = end(browser, provider.grant(begin(browser)))
    assert answer.status_code == 401
    assert "cannot be trusted" in answer.text
    assert not comes_in(browser)


def test_a_token_that_another_key_signed_lets_nobody_in(here: World, provider: Provider) -> None:
    provider.key = OTHER_KEY
    browser = here.client()
    assert end(browser, provider.grant(begin(browser))).status_code == 401
    assert not comes_in(browser)


def test_whom_no_admin_knows_is_not_made_a_user_and_is_told_what_to_ask_for(here: World, provider: Provider) -> None:
    provider.subject = "999"
    browser = here.client()
    before = here.premises.store.users()
    answer = end(browser, provider.grant(begin(browser)))
    assert answer.status_code == 403
    assert f"outlay users add NAME --role viewer --subject {provider.issuer} 999" in answer.text
    assert here.premises.store.users() == before
    assert not comes_in(browser)


def test_whom_an_admin_shut_out_stays_out(here: World, provider: Provider) -> None:
    store = here.premises.store
    known = store.user("eve")
    shut = User(known.name, known.role, None, known.created_at, known.subject, active=False)
    store.keep_user(known, shut, "ana", here.clock.now())
    browser = here.client()
    assert end(browser, provider.grant(begin(browser))).status_code == 403


def test_a_state_is_used_once_by_the_browser_that_began_and_in_time(here: World, provider: Provider) -> None:
    browser = here.client()
    granted = provider.grant(begin(browser))
    assert end(here.client(), granted).status_code == 401  # another browser
    assert end(browser, granted | {"state": "x"}).status_code == 401
    kept = browser.http.cookies["outlay_login"]
    assert end(browser, granted).status_code == 303
    again = here.client()
    again.http.cookies.set("outlay_login", kept)
    assert end(again, granted).status_code == 401  # replayed
    late = here.client()
    granted = provider.grant(begin(late))
    here.clock.at += timedelta(minutes=11)
    assert end(late, granted).status_code == 401


def test_what_the_provider_refuses_or_another_one_answers_lets_nobody_in(here: World, provider: Provider) -> None:
    for answer in ({"error": "access_denied"}, {"iss": "https://evil.example"}):
        browser = here.client()
        assert end(browser, provider.grant(begin(browser)) | answer).status_code == 401
        assert not comes_in(browser)


def test_where_the_provider_is_away_a_password_still_works(here: World, provider: Provider) -> None:
    here.config.write_text(here.config.read_text().replace(provider.issuer, "http://127.0.0.1:9"))
    browser = here.client()
    answer = browser.get("/login/oidc")
    assert answer.status_code == 502
    assert "log in with a password" in answer.text
    assert comes_in(here.client("ana"))


def test_it_is_offered_only_where_it_is_set(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert "oidc" not in here.client().get("/login").text
        assert here.client().get("/login/oidc").status_code == 404
        assert here.client().get("/login/oidc/callback").status_code == 404


def test_so_much_money_asks_the_provider_anew(tmp_path: Path, provider: Provider) -> None:
    with world(tmp_path, settings(provider, "confirm_above = 1\n")) as here:  # of [web], the last table
        provider.now = int(here.clock.now().timestamp())
        known = User("eve", Role.APPROVER, None, here.clock.now(), f"{provider.issuer} {provider.subject}")
        here.premises.store.keep_user(None, known, "setup", here.clock.now())
        record = here.plan()
        page = f"/recommendations/{record.recommendation.rec_id}"
        fields = {
            "plan_hash": record.recommendation.plan_hash,
            "line": [n for n, line in enumerate(record.recommendation.decision.all_lines) if line.changes],
        }
        for shown_ago, status in ((6 * 60, 403), (60, 303)):
            provider.claims = {"auth_time": provider.now - shown_ago}
            browser = here.client()
            assert end(browser, provider.grant(begin(browser))).status_code == 303
            assert provider.seen["max_age"] == "300"
            answer = browser.act(f"{page}/approve", seen=page, password="x", **fields)
            assert answer.status_code == status
            assert (status == 303) or "identity provider" in answer.text
        assert here.premises.store.record(record.recommendation.rec_id).state is State.APPROVED


def test_the_secret_is_shown_nowhere(here: World, provider: Provider) -> None:
    browser = here.client("ana")
    for screen in ("/rules", "/login"):
        assert SECRET not in browser.get(screen).text
    assert SECRET not in begin(here.client())


@pytest.mark.parametrize(
    "table",
    [
        'issuer = "https://id.example.com"',
        'issuer = "http://id.example.com"\nclient_id = "a"\nclient_secret = "b"',
        'issuer = "https://id.example.com"\nclient_id = "a"\nclient_secret = "b"\nscopes = ["email"]',
    ],
)
def test_half_a_provider_or_one_without_tls_is_told(tmp_path: Path, table: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[oidc]\n{table}\n")
    with pytest.raises(SettingsError, match=r"issuer|https"):
        load(config)


def test_the_extra_is_asked_for_by_name(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "optimizer.agent.web.oidc", raising=False)
    monkeypatch.delattr("optimizer.agent.web.oidc", raising=False)
    monkeypatch.setitem(sys.modules, "authlib.integrations.httpx_client", None)
    answer = here.client().get("/login/oidc")
    assert answer.status_code == 503
    assert "outlay[oidc]" in answer.text
