"""Who may log in, from the first admin to a token that is revoked, by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.agent import passwords
from optimizer.agent.bootstrap import open_store
from optimizer.agent.cli.app import app
from optimizer.plan.people import Role
from tests.journeys.shops import Answered, Outlay

FINE, ERROR = 0, 1
WORD = "correct horse battery"
IN_A_TERMINAL = (
    "import pty, sys; sys.exit(pty.spawn([sys.executable, '-m', 'optimizer.agent.cli', *sys.argv[1:]]) >> 8)"
)

pytestmark = pytest.mark.usefixtures("cheap_passwords")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings that say nothing."""
    path = tmp_path / "config.toml"
    path.write_text("", encoding="utf-8")
    return path


@pytest.fixture
def word(tmp_path: Path) -> Path:
    """A file with a password."""
    path = tmp_path / "word"
    path.write_text(f"{WORD}\n", encoding="utf-8")
    return path


def test_people_are_added_raised_and_shut_out_and_all_of_it_is_told(outlay: Outlay, config: Path, word: Path) -> None:
    def users(*words: object) -> Answered:
        return outlay("users", *words, "-c", config)

    assert (
        "Nobody may log in yet. Next: outlay users add NAME --role admin" in outlay("users", "list", "-c", config).out
    )
    added = users("add", "ana", "--role", "admin", "--password-file", word, "--as", "root", "--json")
    assert added.code == FINE, added.err
    assert added.data["user"] | {"created_at": ""} == {
        "name": "ana", "role": "admin", "active": True, "logs_in_by": ["password"], "subject": None,
        "created_at": "", "api": [],
    }  # fmt: skip
    provider = ("--subject", "https://id.example.com", "7-a")
    assert users("add", "Ben", "--role", "viewer", *provider, "--as", "ana").out == "Ben may log in as viewer.\n"
    assert users("role", "ben", "approver", "--as", "ana").out == "Ben is approver.\n"
    with open_store(config) as store:
        kept = store.user("ana").password
        assert passwords.matches(kept, WORD)
        assert store.user_of("https://id.example.com 7-a").role is Role.APPROVER
    word.write_text("another horse", encoding="utf-8")
    assert users("password", "ANA", "--password-file", word, "--as", "ana").code == FINE
    with open_store(config) as store:
        assert passwords.matches(store.user("ana").password, "another horse")

    last = users("shut-out", "ana", "--as", "ana", "--json")
    assert last.code == ERROR
    assert "Mend: make somebody else an admin first" in last.data["error"]["message"]
    assert users("shut-out", "ben", "--as", "ana").code == FINE
    assert "approver, shut out" in users("list").out
    assert users("let-in", "ben", "--as", "ana").code == FINE
    listed = users("list", "--json")
    assert [(user["name"], user["role"], user["active"]) for user in listed.data["users"]] == [
        ("ana", "admin", True), ("Ben", "approver", True),
    ]  # fmt: skip

    told = outlay("audit", "show", "--rec", "people", "-c", config, "--json").data["entries"]
    assert [(entry["actor"], entry["action"]) for entry in told] == [
        ("root", "user-added"), ("ana", "user-added"), ("ana", "role-changed"), ("ana", "password-changed"),
        ("ana", "user-shut-out"), ("ana", "user-let-in"),
    ]  # fmt: skip
    assert outlay("audit", "verify", "-c", config).code == FINE
    everything = json.dumps(told) + listed.out + added.out
    assert not any(secret in everything for secret in (WORD, "another horse", kept, "argon2"))


def test_a_token_is_shown_once_and_opens_until_it_is_revoked(outlay: Outlay, config: Path, word: Path) -> None:
    outlay("users", "add", "ana", "--role", "approver", "--password-file", word, "-c", config)
    make = ("users", "token", "ana", "-c", config, "--label", "api-token", "--role")
    made = outlay(*make, "viewer", "--days", 30, "--json", "--as", "root")
    assert made.code == FINE, made.err
    secret = made.data["token"]
    assert made.data | {"until": "", "token": ""} == {
        "user": "ana", "label": "api-token", "role": "viewer", "until": "", "token": "",
    }  # fmt: skip
    with open_store(config) as store:
        now = datetime.fromisoformat(made.data["until"]).replace(microsecond=0)
        session, user = store.session(passwords.secret_hash(secret), store.last_written())
        assert (session.role, session.label, user.name) == (Role.VIEWER, "api-token", "ana")
        assert (now - session.created_at).days in (29, 30)
    shown = outlay("users", "token", "ana", "-c", config, "--label", "bi", "--role", "viewer").out
    (line,) = [line for line in shown.splitlines() if line.startswith("outlay_")]
    with open_store(config) as store:
        assert store.session(passwords.secret_hash(line), store.last_written())[0].label == "bi"
    listed = outlay("users", "list", "-c", config)
    assert "api-token: viewer, until 20" in listed.out
    told = listed.out + outlay("users", "-c", config, "list", "--json").out
    told += outlay("audit", "show", "-c", config).out + shown.replace(line, "")
    assert not any(text in told for text in (secret, line, passwords.secret_hash(secret)))

    assert "has a token 'bi' already" in outlay(*make[:-2], "bi", "--role", "viewer").err
    revoked = outlay("users", "revoke", "ana", "-c", config, "--label", "api-token", "--as", "root", "--json")
    assert revoked.data == {"user": "ana", "label": "api-token"}
    with open_store(config) as store:
        assert store.session(passwords.secret_hash(secret), store.last_written()) is None
        assert [token.label for token in store.tokens()] == ["bi"]
        assert [(e.actor, e.action) for e in store.events("people")][1:] == [
            ("root", "token-made"), (store.events("people")[2].actor, "token-made"), ("root", "token-revoked"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "ANA", "--role", "admin", "--password-file", "{word}"), "ana is a user already. Mend: choose"),
        (("add", "ben", "--role", "boss", "--password-file", "{word}"), "write one of viewer, approver, admin"),
        (("add", "b:n", "--role", "admin", "--password-file", "{word}"), "is no name: write 1 to 64 signs"),
        (("add", "outlay", "--role", "admin", "--password-file", "{word}"), "is taken. Mend: choose another one"),
        (("add", "ben", "--role", "admin"), "nobody is there to be asked"),
        (("add", "ben", "--role", "admin", "--password-file", "{word}.gone"), "No such file"),
        (("add", "ben", "--role", "admin", "--password-file", "{short}"), "too short. Mend: write at least 10 signs"),
        (("add", "ben", "--role", "admin", "--subject", "", "7"), "is not ISSUER SUBJECT"),
        (("role", "cy", "admin"), "there is no user 'cy'. Mend: `outlay users list` lists them"),
        (("token", "ana", "--label", " ", "--role", "viewer"), "a token needs a label"),
        (("token", "ana", "--label", "a\tb", "--role", "viewer"), "is no label"),
        (("token", "ana", "--label", "bi", "--role", "admin"), "ana is viewer only"),
        (("token", "off", "--label", "bi", "--role", "viewer"), "off is shut out"),
        (("revoke", "ana", "--label", "bi"), "ana has no token 'bi'"),
    ],
)
def test_what_cannot_be_is_told_with_its_mend(
    words: tuple[str, ...], said: str, outlay: Outlay, config: Path, word: Path, tmp_path: Path
) -> None:
    short = tmp_path / "short"
    short.write_text("geheim", encoding="utf-8")
    for name in ("ana", "off"):
        outlay("users", "add", name, "--role", "viewer", "--password-file", word, "-c", config)
    outlay("users", "shut-out", "off", "-c", config)
    answer = outlay("users", *(text.format(word=word, short=short) for text in words), "-c", config)
    assert answer.code == ERROR
    assert said in answer.err
    assert "Mend: " in answer.err
    assert WORD not in answer.err + answer.out
    with open_store(config) as store:
        assert [user.name for user in store.users()] == ["ana", "off"]
        assert store.tokens() == ()


def test_a_password_comes_from_standard_input(outlay: Outlay, config: Path) -> None:
    words = ["users", "add", "ana", "--role", "admin", "-c", str(config), "--password-file", "-"]
    ran = CliRunner().invoke(app, words, input=f"{WORD}\r\n")
    assert (ran.exit_code, ran.stdout) == (FINE, "ana may log in as admin.\n"), ran.stderr
    with open_store(config) as store:
        assert store.user("ana").role is Role.ADMIN
        assert passwords.matches(store.user("ana").password, WORD)


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal of POSIX")
def test_a_password_is_asked_for_twice_in_a_terminal_and_not_shown(config: Path) -> None:
    command = [sys.executable, "-c", IN_A_TERMINAL, "users", "add", "ana", "--role", "admin", "-c", str(config)]
    shown = b""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as ran:
        assert ran.stdin is not None
        assert ran.stdout is not None
        for prompt, typed in (
            (b"Password: ", WORD), (b"confirmation: ", "another horse"), (b"do not match.\r\nPassword: ", WORD),
            (b"confirmation: ", WORD),
        ):  # fmt: skip
            while not shown.endswith(prompt) and (sign := ran.stdout.read(1)):
                shown += sign
            ran.stdin.write(f"{typed}\n".encode())
        shown += ran.stdout.read()
    assert WORD.encode() not in shown
    assert (ran.returncode, shown.splitlines()[-1]) == (FINE, b"ana may log in as admin."), shown
    with open_store(config) as store:
        assert passwords.matches(store.user("ana").password, WORD)
