"""People, their sessions and their tokens: one suite for every store."""

import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.agent import trail
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.agent.store.sql import SqlStore
from optimizer.plan.audit import prove
from optimizer.plan.people import Role, Session, User, known_as
from optimizer.ports import NotFound, StateConflict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"


@pytest.fixture(scope="module")
def new_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "new.sqlite"
    open_sql(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request, new_file, tmp_path):
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = open_sql(f"sqlite:///{shutil.copy(new_file, tmp_path / 'outlay.sqlite')}")
    else:
        opened = open_sql(request.getfixturevalue("postgres"))
    yield opened
    opened.close()


def person(name="ana", role=Role.ADMIN, **changes):
    return replace(User(name, role, HASH, NOON), **changes)


def secret(text):
    return sha256(text.encode()).hexdigest()


def opened(user="ana", text="s", label="", role=Role.ADMIN, at=NOON, until=NOON + DAY, confirmed_at=None):
    return Session(secret(text), user, role, label, at, until, confirmed_at)


def added(store, *users):
    for user in users:
        store.keep_user(None, user, "root", NOON)
    return users[0]


def told(store):
    events = [entry.event for entry in store.audit()]
    assert {event.rec_id for event in events} <= {"people"}
    assert prove(store.audit()).broken is None
    assert tuple(trail.contradictions(store)) == ()
    return [(event.actor, event.action, event.detail) for event in events]


class TestUsers:
    def test_users_are_found_by_any_case_of_the_name_and_listed_by_it(self, store):
        ana, ben = person(), person("Ben", Role.VIEWER, password=None, subject="https://id.example 7 a")
        added(store, ben, ana)
        assert store.users() == (ana, ben)
        assert (store.user("ANA"), store.user("ben"), store.user("cy")) == (ana, ben, None)
        assert (store.user_of("https://id.example 7 a"), store.user_of("https://id.example 7")) == (ben, None)
        assert told(store) == [
            ("root", "user-added", "Ben: viewer"),
            ("root", "user-added", "ana: admin"),
        ]

    @pytest.mark.parametrize("typed", ["", "a\x00b", "\ud800", "ana\n", "a" * 5_000, "' OR 1 = 1 --"])
    def test_whatever_is_typed_for_a_name_is_answered(self, store, typed):
        added(store, person())
        assert store.user(typed) is None
        assert store.user_of(typed) is None

    def test_times_come_back_in_utc(self, store):
        added(store, person(created_at=NOON.astimezone(timezone(timedelta(hours=2)))))
        assert store.user("ana").created_at.tzinfo is UTC

    @pytest.mark.parametrize("name", ["ANA", "ana", "\uff41na", "outlay", "Outlay"])
    def test_a_name_is_taken_once(self, store, name):
        added(store, person())
        with pytest.raises(StateConflict, match=r"is taken\. Mend: choose another one"):
            store.keep_user(None, person(name), "root", NOON)
        assert len(store.users()) == len(store.audit()) == 1

    def test_a_subject_is_one_users(self, store):
        added(store, person(subject="i 1"), person("ben"))
        for before, after in ((None, person("cy", subject="i 1")), (person("ben"), person("ben", subject="i 1"))):
            with pytest.raises(StateConflict, match="is that of ana already"):
                store.keep_user(before, after, "root", NOON)

    def test_a_change_starts_from_what_is_stored(self, store):
        ana = added(store, person(), person("ben"))
        viewer = replace(ana, role=Role.VIEWER)
        store.keep_user(ana, viewer, "ben", NOON)
        for before, after in ((ana, viewer), (person("cy"), person("cy", role=Role.VIEWER))):
            with pytest.raises(StateConflict, match="was changed meanwhile"):
                store.keep_user(before, after, "ben", NOON)
        assert store.user("ana") == viewer

    def test_the_name_and_the_day_of_adding_stay(self, store):
        ana = added(store, person())
        for after in (person("Ana"), person("bea"), replace(ana, created_at=NOON + DAY)):
            with pytest.raises(ValueError, match="keeps the name and when it was added"):
                store.keep_user(ana, after, "root", NOON)
        with pytest.raises(ValueError, match="nobody is named"):
            store.keep_user(ana, replace(ana, role=Role.VIEWER), " ", NOON)

    def test_each_part_of_a_change_is_told_and_never_a_hash(self, store):
        ana = added(store, person(), person("ben"))
        steps = (
            {"role": Role.APPROVER}, {"password": HASH + "x"}, {"password": None, "subject": "https://id 1"},
            {"password": HASH}, {"subject": None}, {"active": False}, {"active": True, "role": Role.VIEWER}, {},
        )  # fmt: skip
        for step in steps:
            after = replace(ana, **step)
            store.keep_user(ana, after, "ben", NOON + MINUTE)
            ana = after
        assert store.user("ana") == ana
        assert told(store)[2:] == [
            ("ben", "role-changed", "ana: from admin to approver"),
            ("ben", "password-changed", "ana: a new password"),
            ("ben", "password-changed", "ana: no password any more"),
            ("ben", "subject-changed", "ana: https://id 1"),
            ("ben", "password-changed", "ana: a new password"),
            ("ben", "subject-changed", "ana: known to no identity provider"),
            ("ben", "user-shut-out", "ana: all sessions and tokens ended"),
            ("ben", "role-changed", "ana: from approver to viewer"),
            ("ben", "user-let-in", "ana: viewer"),
        ]
        assert "argon2" not in repr(store.audit()) + repr(store.users())

    def test_the_last_active_admin_stays(self, store):
        ana, ben = person(), person("ben", active=False)
        added(store, ana, ben, person("cy", Role.APPROVER))
        for after in (replace(ana, active=False), replace(ana, role=Role.APPROVER)):
            with pytest.raises(StateConflict, match=r"last active admin\. Mend: make somebody else an admin first"):
                store.keep_user(ana, after, "ana", NOON)
        store.keep_user(ana, replace(ana, password=HASH + "x"), "ana", NOON)
        store.keep_user(ben, replace(ben, active=True), "ana", NOON)
        store.keep_user(store.user("ana"), replace(ana, role=Role.VIEWER), "ben", NOON)
        assert [user.role for user in store.users()] == [Role.VIEWER, Role.ADMIN, Role.APPROVER]

    def test_a_password_hashed_anew_ends_nothing(self, store):
        ana = added(store, person())
        store.open_session(opened())
        store.keep_hash(ana, HASH + "x", NOON)
        with pytest.raises(StateConflict, match="changed meanwhile"):
            store.keep_hash(ana, HASH + "y", NOON)
        found = store.session(secret("s"), NOON)
        assert found is not None
        assert found[1] == replace(ana, password=HASH + "x") == store.user("ana")
        assert told(store)[-1] == ("ana", "password-rehashed", "ana: the same password, hashed anew")


class TestSessions:
    def test_a_session_is_found_until_it_ends(self, store):
        ana = added(store, person())
        mine = opened("ANA", confirmed_at=NOON)
        store.open_session(mine)
        kept = replace(mine, user="ana")
        assert store.session(secret("s"), NOON) == (kept, ana)
        assert store.session(secret("s"), NOON + DAY - timedelta(microseconds=1)) == (kept, ana)
        assert store.session(secret("s"), NOON + DAY) is None
        assert store.session(secret("t"), NOON) is None
        store.end_session(secret("s"), NOON + MINUTE)
        store.end_session(secret("s"), NOON + MINUTE)
        assert store.session(secret("s"), NOON) is None
        assert told(store)[1:] == [
            ("ana", "logged-in", "ana: until 2026-03-02 12:00 UTC"),
            ("ana", "logged-out", "ana: until 2026-03-02 12:00 UTC"),
        ]

    def test_times_of_a_session_come_back_in_utc(self, store):
        added(store, person())
        zone = timezone(timedelta(hours=-5))
        there = [at.astimezone(zone) for at in (NOON, NOON + DAY, NOON)]
        store.open_session(opened(at=there[0], until=there[1], confirmed_at=there[2]))
        store.confirm_session(secret("s"), (NOON + MINUTE).astimezone(zone))
        found, _ = store.session(secret("s"), NOON)
        assert {found.created_at.tzinfo, found.until.tzinfo, found.confirmed_at.tzinfo} == {UTC}

    def test_a_session_is_confirmed(self, store):
        added(store, person())
        store.open_session(opened())
        store.open_session(opened(text="t", label="bi"))
        for text in ("s", "t", "gone"):
            store.confirm_session(secret(text), NOON + MINUTE)
        assert store.session(secret("s"), NOON)[0].confirmed_at == NOON + MINUTE
        assert store.session(secret("t"), NOON)[0].confirmed_at is None

    def test_nobody_opens_one_for_who_is_not_there_or_shut_out(self, store):
        added(store, person(), person("ben", active=False))
        for name in ("cy", "ben"):
            with pytest.raises(NotFound, match="no active user"):
                store.open_session(opened(name))
        assert len(store.audit()) == 2

    def test_a_hash_is_taken_once(self, store):
        added(store, person(), person("ben"))
        store.open_session(opened())
        for other in (opened("ben"), opened(label="bi")):
            with pytest.raises(StateConflict, match="of this secret already"):
                store.open_session(other)
        assert store.session(secret("s"), NOON)[0] == opened()

    @pytest.mark.parametrize(
        ("change", "browser", "token"),
        [
            ({"active": False}, False, False),
            ({"role": Role.APPROVER}, False, True),
            ({"password": HASH + "x"}, False, True),
            ({"subject": "i 2"}, False, True),
            ({}, True, True),
        ],
    )
    def test_a_change_ends_what_it_must(self, store, change, browser, token):
        ana = added(store, person(), person("ben"))
        store.open_session(opened())
        store.open_session(opened(text="t", label="bi"))
        store.open_session(opened("ben", "b"))
        after = replace(ana, **change)
        store.keep_user(ana, after, "ben", NOON)
        found = [store.session(secret(text), NOON) is not None for text in ("s", "t", "b")]
        assert found == [browser, token, True]
        store.keep_user(after, replace(after, active=True), "ben", NOON)
        assert [store.session(secret(text), NOON) is not None for text in ("s", "t")] == [browser, token]
        assert tuple(trail.contradictions(store)) == ()

    def test_a_higher_role_ends_nothing(self, store):
        ana = added(store, person(role=Role.VIEWER))
        store.open_session(opened())
        store.keep_user(ana, replace(ana, role=Role.ADMIN), "root", NOON)
        assert store.session(secret("s"), NOON)[1].role is Role.ADMIN

    def test_those_that_have_ended_are_forgotten(self, store):
        added(store, person())
        store.open_session(opened(text="old"))
        store.open_session(opened(text="bi", label="bi"))
        store.open_session(opened(text="new", until=NOON + 2 * DAY))
        assert store.forget_sessions(NOON + DAY - timedelta(microseconds=1)) == 0
        assert store.forget_sessions(NOON + DAY) == 2
        assert store.session(secret("new"), NOON) is not None
        assert store.session(secret("old"), NOON) is None
        assert store.tokens() == ()


class TestTokens:
    def test_tokens_are_listed_by_user_and_label(self, store):
        added(store, person("Ben"), person())
        store.open_session(opened())
        made = [opened("Ben", "1", "bi"), opened("ana", "2", "z"), opened("ana", "3", "bi", Role.VIEWER)]
        for token in made:
            store.open_session(token, by="root")
        assert store.tokens() == (made[2], made[1], made[0])
        store.end_session(secret("2"), NOON, by="root")
        assert store.tokens() == (made[2], made[0])
        assert told(store)[3:] == [
            ("root", "token-made", "Ben: token bi, admin, until 2026-03-02 12:00 UTC"),
            ("root", "token-made", "ana: token z, admin, until 2026-03-02 12:00 UTC"),
            ("root", "token-made", "ana: token bi, viewer, until 2026-03-02 12:00 UTC"),
            ("root", "token-revoked", "ana: token z, admin, until 2026-03-02 12:00 UTC"),
        ]

    def test_a_label_is_a_users_once_until_it_ends(self, store):
        added(store, person(), person("ben"))
        store.open_session(opened(text="1", label="bi"))
        store.open_session(opened("ben", "2", "bi"))
        with pytest.raises(StateConflict, match=r"has a token 'bi' already\. Mend: revoke it"):
            store.open_session(opened("ANA", "3", "bi"))
        later = opened(text="4", label="bi", at=NOON + DAY, until=NOON + 3 * DAY)
        store.open_session(later)
        assert later in store.tokens()
        assert store.session(secret("1"), NOON) is None
        store.end_session(secret("4"), NOON + DAY)
        store.open_session(replace(later, secret_hash=secret("5")))
        assert tuple(trail.contradictions(store)) == ()


class TestFailures:
    def test_one_entry_tells_of_a_user_and_a_minute(self, store):
        added(store, person(), person("ben", active=False))
        for second in range(0, 120, 5):
            store.note_login_failure("ANA" if second % 2 else "ana", NOON + timedelta(seconds=second))
        store.note_login_failure("ben", NOON)
        store.note_login_failure("Cy", NOON)
        store.note_login_failure("cY", NOON)
        assert told(store)[2:] == [
            ("ana", "login-failed", ""),
            ("ana", "login-failed", ""),
            ("ben", "login-failed", "shut out"),
            ("(unknown)", "login-failed", "no user has this name"),
        ]

    def test_a_flood_of_names_does_not_fill_the_history_nor_hide_a_user(self, store):
        added(store, person())
        for number in range(30):
            store.note_login_failure(f"name {number}", NOON)
        store.note_login_failure("ana", NOON)
        assert [actor for actor, _, _ in told(store)[1:]] == ["(unknown)", "ana"]
        store.note_login_failure("name 30", NOON + MINUTE)
        assert told(store)[-1][0] == "(unknown)"

    @pytest.mark.parametrize("typed", ["my password 123", "", "a\x00b\x1b[31m\u202ec", "x" * 9_999, "\ud800a"])
    def test_a_name_that_no_user_has_is_not_told(self, store, typed):
        store.note_login_failure(typed, NOON)
        assert told(store) == [("(unknown)", "login-failed", "no user has this name")]

    def test_a_clock_that_went_back_silences_nothing(self, store):
        added(store, person())
        store.note_login_failure("ana", NOON + DAY)
        store.note_login_failure("ana", NOON)
        assert len(store.audit()) == 3


class TestValues:
    @pytest.mark.parametrize(
        "name", ["", " ana", "ana ", "a:b", "a/b", "a\\b", "a\nb", "a\x00", "a\u200bb", "\u202eana", "a" * 65]
    )
    def test_what_is_no_name_is_not_built(self, name):
        with pytest.raises(ValueError, match="is no name"):
            person(name)

    @pytest.mark.parametrize("name", ["a", "Ána Müller", "a" * 64, "ana@example.com", "李"])
    def test_what_is_a_name_is_built(self, name):
        assert person(name).name == name

    def test_a_user_can_log_in_by_what_is_no_secret(self):
        with pytest.raises(ValueError, match="could not log in"):
            person(password=None)
        with pytest.raises(ValueError, match="is not hashed"):
            person(password="correct horse")
        for subject in ("https://id", "https://id ", " 7", "https://id 7\n", "https://id \x1b7"):
            with pytest.raises(ValueError, match="is not ISSUER SUBJECT"):
                person(subject=subject)
        assert "argon2" not in repr(person())

    def test_a_session_that_makes_no_sense_is_not_built(self):
        for change, words in (
            ({"secret_hash": "secret"}, "in hex"), ({"until": NOON}, "must end after it begins"),
            ({"label": "a\nb"}, "is no label"), ({"label": "a" * 65}, "is no label"), ({"label": " "}, "is no label"),
            ({"label": "bi", "confirmed_at": NOON}, "for a token"),
        ):  # fmt: skip
            with pytest.raises(ValueError, match=words):
                replace(opened(), **change)
        assert secret("s") not in repr(opened())

    def test_each_role_may_what_those_before_it_may(self):
        assert [[role.may(needed) for needed in Role] for role in Role] == [
            [True, False, False], [True, True, False], [True, True, True],
        ]  # fmt: skip

    @given(st.text(max_size=20))
    def test_a_name_is_compared_alike_however_often_it_is_folded(self, name):
        assert known_as(known_as(name)) == known_as(name)


class TestBehindTheBack:
    """Users and tokens are what the history says of them; whoever alters a row is found by `outlay audit verify`."""

    @pytest.fixture
    def altered(self, new_file, tmp_path):
        file = shutil.copy(new_file, tmp_path / "altered.sqlite")
        store = open_sql(f"sqlite:///{file}")
        added(store, person(), person("ben", Role.VIEWER), person("cy"))
        store.open_session(opened("ben", "1", "bi", Role.VIEWER))
        store.open_session(opened("ben", "2", "old", Role.VIEWER))
        store.end_session(secret("2"), NOON)
        assert tuple(trail.contradictions(store)) == ()
        store.close()

        def found(statement):
            with closing(sqlite3.connect(file)) as bare, bare:
                bare.execute("PRAGMA ignore_check_constraints = ON")
                assert bare.execute(statement).rowcount
            again = open_sql(f"sqlite:///{file}")
            said = tuple(trail.contradictions(again))
            again.close()
            return said

        return found

    @pytest.mark.parametrize(
        ("statement", "words"),
        [
            ("UPDATE person SET role = 'admin' WHERE name = 'ben'", "user ben is not stored"),
            ("UPDATE person SET password = password || 'x' WHERE name = 'cy'", "user cy is not stored"),
            ("UPDATE person SET subject = 'i 1' WHERE name = 'cy'", "user cy is not stored"),
            ("UPDATE person SET active = 0 WHERE name = 'cy'", "user cy is not stored"),
            ("UPDATE person SET known_as = 'x' WHERE name = 'cy'", "user cy is found by another name"),
            ("UPDATE person SET role = 'root' WHERE name = 'cy'", "cannot be read"),
            ("DELETE FROM person WHERE name = 'cy'", "user cy is not stored"),
            (f"INSERT INTO person VALUES ('eve', 'eve', 'admin', '{HASH}', NULL, 1, 0)", "user eve is not stored"),
            ("UPDATE session SET role = 'admin'", "no such token bi of ben"),
            ("UPDATE session SET person = 'ana'", "no such token bi of ana"),
            ("UPDATE session SET until = until + 1", "no such token bi of ben"),
            (
                f"INSERT INTO session SELECT '{secret('2')}', person, role, 'old', created_at, until, NULL "
                "FROM session",
                "no such token old of ben",
            ),
        ],
    )
    def test_a_row_that_was_altered_is_found(self, altered, statement, words):
        assert any(words in said for said in altered(statement))


def test_two_who_change_one_user_at_the_same_time_have_one_winner(store):
    if not isinstance(store, SqlStore):
        pytest.skip("the store in memory is for one thread")
    ana = added(store, person(), person("ben"))
    barrier, won, lost = threading.Barrier(4), [], []

    def change(number):
        barrier.wait()
        try:
            store.keep_user(ana, replace(ana, password=f"{HASH}{number}"), "root", NOON)
            won.append(number)
        except StateConflict:
            lost.append(number)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 3)
    assert store.user("ana").password == f"{HASH}{won[0]}"
    assert len(told(store)) == 3
