"""One's own password and tokens, and who may log in, at the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.plan.people import Role
from tests.optimizer.web_world import PASSWORD, World, world

NEW = "another good password"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def test_another_password_ends_all_sessions_and_counts_from_then_on(here: World) -> None:
    one, other = here.client("vic"), here.client("vic")
    wrong = one.act("/account/password", seen="/account", now="not mine at all", then=NEW, again=NEW)
    assert wrong.status_code == 403
    two_ways = one.act("/account/password", seen="/account", now=PASSWORD, then=NEW, again="something else")
    assert two_ways.status_code == 422
    short = one.act("/account/password", seen="/account", now=PASSWORD, then="short", again="short")
    assert short.status_code == 422
    done = one.act("/account/password", seen="/account", now=PASSWORD, then=NEW, again=NEW)
    assert done.status_code == 303
    assert {one.get("/").status_code, other.get("/").status_code} == {303}
    assert here.client().post("/login", name="vic", password=PASSWORD).status_code == 401
    here.client().login("vic", NEW)


def test_a_token_is_shown_once_works_and_is_revoked(here: World) -> None:
    ben = here.client("ben")
    made = ben.act("/account/tokens", seen="/account", label="dashboard", role="viewer", days="30")
    (secret,) = re.findall(r"outlay_[\w-]{43}", made.text)
    assert secret not in ben.get("/account").text
    shown = {"Authorization": f"Bearer {secret}"}
    assert here.client().get("/", headers=shown).status_code == 200
    assert ben.act("/account/tokens/end", seen="/account", label="dashboard").status_code == 303
    assert here.client().get("/", headers=shown).status_code == 303


def test_a_token_may_do_no_more_than_whose_it_is(here: World) -> None:
    vic = here.client("vic")
    assert vic.act("/account/tokens", seen="/account", label="x", role="approver").status_code == 403
    assert vic.act("/account/tokens", seen="/account", label=" ", role="viewer").status_code == 422
    assert here.premises.store.tokens() == ()


def test_an_admin_adds_people_and_changes_their_roles(here: World) -> None:
    ana = here.client("ana")
    assert ana.act("/people/add", seen="/people", name="cem", role="approver", password=NEW).status_code == 303
    cem = here.client()
    cem.login("cem", NEW)
    assert ana.act("/people/change", seen="/people", name="cem", role="viewer", active="true").status_code == 303
    assert here.premises.store.user("cem").role is Role.VIEWER
    assert cem.get("/").status_code == 303  # who is lowered logs in again
    assert ana.act("/people/change", seen="/people", name="cem", role="viewer").status_code == 303
    assert here.client().post("/login", name="cem", password=NEW).status_code == 401
    told = [entry.event.action for entry in here.premises.store.audit()]
    assert {"user-added", "role-changed", "user-shut-out"} <= set(told)


@pytest.mark.parametrize(
    "fields", [{"name": "ANA", "password": NEW}, {"name": "", "password": NEW}, {"name": "dee", "password": "short"},
               {"name": "dee"}, {"name": "outlay", "password": NEW}]
)  # fmt: skip
def test_who_cannot_be_added_is_told_why(here: World, fields: dict[str, str]) -> None:
    answer = here.client("ana").act("/people/add", seen="/people", role="viewer", **fields)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert len(here.premises.store.users()) == 3


def test_the_last_admin_stays_one(here: World) -> None:
    ana = here.client("ana")
    assert ana.act("/people/change", seen="/people", name="ana", role="viewer", active="true").status_code == 409
    assert ana.act("/people/change", seen="/people", name="nobody", role="viewer").status_code == 404
