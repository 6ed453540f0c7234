"""Invariant 11: secrets that are planted wherever one may be come out nowhere; without what hides them they do."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from connectors.errors import BadInput, Stop
from connectors.vault import HIDDEN, Vault, forms
from optimizer.agent import secrecy
from optimizer.agent.breaker import Breakers
from optimizer.agent.clock import SetClock
from optimizer.agent.store import MemoryStore
from optimizer.plan.circuit import Fuse
from tests.optimizer.leaky import CANARIES, LOST

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {"OUTLAY_CONNECTORS__MARKET__APP_SECRET": CANARIES["variable"], "META_ACCESS_TOKEN": CANARIES["variable"]}


def run(folder: Path, **more: str) -> str:
    """What the child told by any of its outlets."""
    hidden = folder / "secrets"
    hidden.mkdir()
    (hidden / "connectors__market__refresh_token").write_text(CANARIES["file"], encoding="utf-8")
    outlay = {name: value for name, value in os.environ.items() if not name.startswith("OUTLAY_")}
    settings = {"OUTLAY_LOG": "DEBUG", "OUTLAY_SECRETS_DIR": str(hidden), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.optimizer.leaky", str(folder)]
    ran = subprocess.run(
        command, cwd=ROOT, env=outlay | settings | SECRETS | more, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    kept = "".join(path.read_text(encoding="latin-1") for path in folder.glob("backup*"))
    return ran.stdout + ran.stderr + kept


def found(told: str) -> set[str]:
    return {name for name, value in (CANARIES | LOST).items() if any(form in told for form in forms(value))}


def test_no_secret_is_told_anywhere(tmp_path: Path) -> None:
    told = run(tmp_path)
    assert found(told) == set()
    for outlet in (
        '"job": "pull"', "unexpected RuntimeError", "Traceback", '"well": false', "outlay_job_failed{", "write-refused",
        'INSERT INTO "job_run"', 'INSERT INTO "intent"', 'INSERT INTO "setting"', '"digest"', '"agent"', "Mend:",
    ):  # fmt: skip
        assert outlet in told, "it was told of, though not with the secrets in it"
    assert HIDDEN in told


def test_without_the_redaction_the_secrets_would_be_told(tmp_path: Path) -> None:
    assert found(run(tmp_path, CONTROL="1")) >= {
        "option",
        "nested",
        "login",
        "variable",
        "file",
        "hook",
        "path",
        "renewed",
    }


@pytest.fixture
def known() -> str:
    secret = "p&ss w0rd/ü"
    secrecy.keep([secret, "short"])
    return secret


@pytest.mark.parametrize(
    "text",
    ["said {0} here", "https://host/?q={1}", '{{"a": "{2}"}}', "postgresql://u:{1}@host/db", "{0!r}"],
)
def test_a_known_secret_is_found_in_every_form(known: str, text: str) -> None:
    told = text.format(known, quote(known, safe=""), json.dumps(known)[1:-1])
    hidden = secrecy.redacted(told)
    assert HIDDEN in hidden
    assert "w0rd" not in hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("password=hunter2 and more", "password=*** and more"),
        ('{"access_token": "abc123"}', '{"access_token": "***"}'),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("mailto://me:pw@host/x", "mailto://***@host/x"),
        ("api_key: k, next", "api_key: ***, next"),
        ("a short sentence about tokens and passwords", "a short sentence about tokens and passwords"),
        ("shorts stay short", "shorts stay short"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_words_are_not(known: str, text: str, hidden: str) -> None:
    assert secrecy.redacted(text) == hidden


def test_an_exception_is_cleaned_with_all_that_it_came_from(known: str) -> None:
    def fail() -> None:
        try:
            raise ValueError(f"inner {known}")
        except ValueError as inner:
            raise BadInput(f"outer {known}", where=f"file {known}", mend=f"ask {known}") from inner

    with pytest.raises(BadInput) as caught:
        secrecy.discreetly(fail)
    error = caught.value
    said = [str(error), error.where, error.mend, str(error.__cause__)]
    assert not [words for words in said if "w0rd" in words]
    assert "outer ***" in str(error)


def test_a_log_line_and_its_traceback_are_cleaned(known: str) -> None:
    try:
        raise ValueError(known)
    except ValueError:
        record = logging.LogRecord("outlay", logging.ERROR, "here", 1, "told %s", (known,), sys.exc_info())
    line = secrecy.Discreet("%(message)s").format(record)
    assert line.startswith("told ***\nTraceback")
    assert "w0rd" not in line


def test_the_path_of_a_database_is_no_secret_and_a_token_in_the_address_of_a_service_is() -> None:
    assert set(secrecy.logins("postgresql://bot:p%40ssword@db/ads-2026")) == {"p%40ssword", "p@ssword"}
    assert set(secrecy.logins("sqlite:////srv/shop-2026/outlay.sqlite")) == set()
    assert "T0KEN99xyz" in set(secrecy.of_address("slack://T0KEN99xyz/hooks/#channel"))
    assert "hooks" not in set(secrecy.of_address("slack://T0KEN99xyz/hooks/#channel"))


@pytest.mark.parametrize("told", ["POST {url} 200", "POST /services/TabcdefgXYZ/Bqwertyuiop 200"])
def test_the_address_of_a_webhook_is_hidden_though_no_part_of_it_looks_like_a_token(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrecy, "VAULT", Vault())
    url = "https://hooks.example.com/services/TabcdefgXYZ/Bqwertyuiop"
    secrecy.keep(secrecy.of_hook(url))
    assert secrecy.redacted(told.format(url=url)) == "POST *** 200"


def test_a_webhooks_path_that_is_a_word_is_left_in_other_texts() -> None:
    assert list(secrecy.of_hook("https://example.com/outlay")) == ["https://example.com/outlay"]
    assert list(secrecy.of_hook("https://example.com/")) == []


@pytest.mark.parametrize(
    ("name", "secret"),
    [("GIT_AUTHOR_NAME", False), ("author", False), ("AUTHORITY", False), ("PROXY_AUTH", True), ("oauth2", True),
     ("Authorization", True), ("auth.header", True)],
)  # fmt: skip
def test_a_name_that_speaks_of_authors_tells_of_no_secret(name: str, secret: bool) -> None:
    assert list(secrecy.of_environment({name: "Mia Sommer"})) == ["Mia Sommer"] * secret
    assert list(secrecy.of_options({name: "Mia Sommer"})) == ["Mia Sommer"] * secret


def test_the_working_directory_of_a_shell_is_no_secret_and_what_else_is_named_so_is() -> None:
    told = {"PWD": "/srv/outlay", "OLDPWD": "/home/ada", "DB_PWD": "hunter22", "pwd": "hunter33"}
    assert list(secrecy.of_environment(told)) == ["hunter22", "hunter33"]


def test_the_breaker_of_an_account_keeps_no_secret(known: str) -> None:
    store, clock = MemoryStore(), SetClock(datetime(2026, 3, 1, tzinfo=UTC))
    Breakers(store, clock, Fuse(1)).tell("shop", "budgets", Stop(f"401 for {known}"))
    (circuit,) = store.circuits()
    assert circuit.why == "budgets: 401 for ***"
    assert "401 for ***" in store.audit()[0].event.detail
