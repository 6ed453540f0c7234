"""Who may do what at the page: every route by enumeration, forms that are not ours, sessions, and what headers say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from optimizer.agent.web.gate import COOKIE, SAFE
from optimizer.agent.web.routes import ROUTERS
from optimizer.plan.people import Role
from optimizer.plan.record import State
from tests.optimizer.web_world import PASSWORD, PEOPLE, World, world

OPEN = {
    ("GET", "/"),
    ("GET", "/{portfolio}/login"),
    ("POST", "/{portfolio}/login"),
    ("GET", "/{portfolio}/login/oidc"),
    ("GET", "/{portfolio}/login/oidc/callback"),
}
"""What may be asked for without being known."""

_ONE = "/{portfolio}/recommendations/{rec_id}"
_API = "/{portfolio}/api/v1"
ROLES = {
    "VIEWER": {
        ("POST", "/{portfolio}/logout"),
        *(("POST", f"/{{portfolio}}/account/{act}") for act in ("password", "tokens", "tokens/end")),
        *(("GET", f"/{{portfolio}}/{screen}") for screen in (
            "", "recommendations", "leaderboards", "history", "history.csv", "live", "pacing", "scorecard", "rules",
            "switch", "account", "attribution", "simulator", "simulator/{name}/report",
        )),
        *(("GET", f"{_ONE}{part}") for part in ("", "/lines/{number}", "/lines.csv")),
        *(("GET", f"{_API}/{part}") for part in (
            "me", "status", "recommendations", "recommendations/{rec_id}", "recommendations/{rec_id}/lines/{number}",
            "leaderboards", "pacing", "kpis", "scorecard", "attribution", "history", "switch", "openapi.json",
        )),
    },
    "APPROVER": {
        *(("POST", f"{_ONE}/{act}") for act in ("approve", "reject", "revoke", "edit", "rollback")),
        ("POST", "/{portfolio}/pause"),
        ("POST", "/{portfolio}/resume"),
        *(("POST", f"{_API}/recommendations/{{rec_id}}/{act}") for act in (
            "approve", "reject", "revoke", "edit", "rollback",
        )),
        *(("POST", f"{_API}/switch/{act}") for act in ("pause", "resume")),
    },
    "ADMIN": {
        ("GET", "/{portfolio}/people"), ("POST", "/{portfolio}/people/add"), ("POST", "/{portfolio}/people/change"),
    },
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def routes(here: World) -> list[tuple[str, str, APIRoute]]:
    """Every route of the application that code of ours answers."""
    beside = [route for route in here.app.routes if isinstance(route, Route | Mount)]
    assert [route.path for route in beside] == ["/static"]
    found = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert len(found) == sum(len(router.routes) for router in ROUTERS)
    return [(method, route.path, route) for route in found for method in sorted(route.methods - {"HEAD"})]


def needed(route: APIRoute) -> set[Role]:
    """The roles that a route's gates ask for."""
    return {dependency.call.needs for dependency in route.dependant.dependencies if hasattr(dependency.call, "needs")}


def test_every_route_has_one_gate_and_the_role_that_is_written_here(here: World) -> None:
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in ROLES}
    for method, path, route in routes(here):
        roles = needed(route)
        if (method, path) in OPEN:
            assert not roles
        else:
            (role,) = roles  # a route without a gate fails here
            found[role.name].add((method, path))
    assert found == ROLES


def test_nothing_that_changes_anything_is_asked_for_by_get(here: World) -> None:
    for method, path, _ in routes(here):
        if any(word in path for word in ("approve", "reject", "edit", "pause", "resume", "rollback", "logout")):
            assert method not in SAFE


def test_strangers_get_nothing_but_the_way_in(here: World) -> None:
    record = here.plan()
    names = {"portfolio": here.premises.slug, "rec_id": record.recommendation.rec_id, "number": 0, "name": "x"}
    stranger = here.client()
    for method, path, _ in routes(here):
        if (method, path) in OPEN:
            continue
        answer = stranger.http.request(method, path.format(**names), headers={"Origin": "http://127.0.0.1"})
        if path.startswith(_API):
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
        else:
            assert answer.status_code == 303
            assert answer.headers["location"].startswith(f"{here.root}/login")
        assert record.recommendation.plan_hash not in answer.text


def test_a_role_opens_its_own_doors_and_no_other(here: World) -> None:
    record = here.plan()
    names = {"portfolio": here.premises.slug, "rec_id": record.recommendation.rec_id, "number": 0, "name": "x"}
    viewer = here.client("vic")
    for method, path, route in routes(here):
        if (method, path) in OPEN or path.endswith(("/logout", "/live")):
            continue
        answer = viewer.http.request(
            method, path.format(**names), data={"proof": viewer.proof()} if method == "POST" else None,
            headers={"Origin": "http://127.0.0.1"},
        )  # fmt: skip
        # What they do is tested by itself.
        allowed = {200, 303, 403, 422} if "/account/" in path else {404} if "{name}" in path else {200}
        assert answer.status_code in (allowed if needed(route) == {Role.VIEWER} else {403}), path
    assert here.premises.store.record(record.recommendation.rec_id).state is State.PROPOSED
    assert here.premises.store.brake() is None


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None])
def test_a_form_of_another_site_does_nothing(here: World, origin: str | None) -> None:
    approver = here.client("ben")
    answer = approver.post("/pause", origin=origin, proof=approver.proof(), reason="not mine")
    assert answer.status_code == 403
    assert here.premises.store.brake() is None


@pytest.mark.parametrize("proof", ["", "0" * 64, "x"])
def test_a_form_without_this_session_s_proof_does_nothing(here: World, proof: str) -> None:
    approver = here.client("ben")
    assert approver.post("/pause", proof=proof, reason="not mine").status_code == 403
    other = here.client("ana")
    assert approver.post("/pause", proof=other.proof(), reason="not mine").status_code == 403
    assert here.premises.store.brake() is None


def test_login_says_nothing_of_which_names_there_are(here: World) -> None:
    wrong = [here.client().post("/login", name=name, password="wrong password") for name in ("ana", "nobody")]
    assert {answer.status_code for answer in wrong} == {401}
    assert wrong[0].text.replace("ana", "") == wrong[1].text.replace("nobody", "")


def test_login_is_slowed_down_by_name_and_told_in_the_history(here: World) -> None:
    client = here.client()
    answers = [client.post("/login", name="ana", password="wrong password").status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]
    assert client.post("/login", name="ana", password=PASSWORD).status_code == 429
    assert client.post("/login", name="ben", password=PASSWORD).status_code == 303
    assert "login-failed" in {entry.event.action for entry in here.premises.store.audit()}


def test_a_login_leads_back_within_the_portfolio_and_never_elsewhere(here: World) -> None:
    for place in ("//evil.example", "https://evil.example/", "/other/", f"{here.root}/..\\evil", ""):
        answer = here.client().post("/login", name="ana", password=PASSWORD, next=place)
        assert answer.headers["location"] == f"{here.root}/"
    answer = here.client().post("/login", name="ben", password=PASSWORD, next=f"{here.root}/rules")
    assert answer.headers["location"] == f"{here.root}/rules"


def test_the_cookie_is_hidden_from_scripts_and_bound_to_the_portfolio(here: World) -> None:
    cookie = here.client().login("ana").headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert f"Path={here.root}/" in cookie
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()


def test_a_session_ends_by_logging_out_by_time_and_by_being_shut_out(here: World) -> None:
    ana, ben, vic = (here.client(name) for name in PEOPLE)
    assert ana.act("/logout").status_code == 303
    assert ana.get("/").status_code == 303
    store = here.premises.store
    user = store.user("ben")
    store.keep_user(user, type(user)(user.name, user.role, user.password, user.created_at, active=False), "ana",
                    here.clock.now())  # fmt: skip
    assert ben.get("/").status_code == 303
    assert vic.get("/").status_code == 200
    here.clock.at += timedelta(hours=13)
    assert vic.get("/").status_code == 303


def test_a_token_is_not_a_cookie_and_a_cookie_is_not_a_token(here: World) -> None:
    shown = here.token("ben", Role.APPROVER)
    secret = shown["Authorization"].removeprefix("Bearer ")
    client = here.client()
    client.http.cookies.set(COOKIE, secret)
    assert client.get("/").status_code == 303
    session = here.client("ben").http.cookies[COOKIE]
    assert here.client().get("/", headers={"Authorization": f"Bearer {session}"}).status_code == 303
    assert here.client().get("/", headers=shown).status_code == 200


def test_a_token_may_do_no_more_than_its_role_nor_its_owner_s(here: World) -> None:
    low, high = here.token("ana", Role.VIEWER, "low"), here.token("vic", Role.ADMIN, "high")
    for headers in (low, high):
        answer = here.client().http.post(f"{here.root}/pause", data={"reason": "x"}, headers=headers)
        assert answer.status_code == 403


def test_every_answer_bears_the_headers_that_keep_a_page_safe(here: World) -> None:
    for path in ("/login", "/nothing", "/"):
        headers = here.client().get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_another_name_for_our_address_is_not_served(here: World) -> None:
    assert here.client().http.get(f"{here.root}/login", headers={"Host": "evil.example"}).status_code == 400


def test_another_portfolio_s_name_is_told_apart_from_nothing(here: World) -> None:
    assert here.client("ana").http.get("/other-shop/").status_code == 404
