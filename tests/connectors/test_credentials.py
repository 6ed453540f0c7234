"""Secrets come from the environment or a file, and stand in no message."""

import pytest
from pydantic import ValidationError

from connectors.contract import BuildContext
from connectors.credentials import Redactor, SecretSource, missing_extra
from connectors.errors import AskMarketer
from connectors.vault import HIDDEN, VAULT


@pytest.fixture
def context(tmp_path):
    return BuildContext("meta", {}, tmp_path, "config.toml [connectors.meta]")


def test_from_the_environment(context, monkeypatch):
    monkeypatch.setenv("META_TOKEN", "canary-1234\n")
    assert SecretSource(env="META_TOKEN").read(context, "token") == "canary-1234"


def test_a_variable_that_is_not_set_is_named(context, monkeypatch):
    monkeypatch.delenv("META_TOKEN", raising=False)
    with pytest.raises(AskMarketer, match=r"field 'token': .* META_TOKEN is not set.*set META_TOKEN"):
        SecretSource(env="META_TOKEN").read(context, "token")


def test_from_a_file_that_only_its_owner_reads(context, tmp_path):
    file = tmp_path / "token"
    file.write_text("canary-1234\n")
    file.chmod(0o600)
    assert SecretSource(file="token").read(context, "token") == "canary-1234"


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"canary-1234", 0o604, "open to other users"),
        (b"canary-1234", 0o640, "open to other users"),
        (b"\n", 0o600, "is empty"),
        (b"\xff\xfecanary", 0o600, "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(context, tmp_path, content, mode, words):
    file = tmp_path / "token"
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(AskMarketer, match=words) as met:
        SecretSource(file="token").read(context, "token")
    assert "canary" not in f"{met.value} {met.value.__context__!r}"


def test_a_file_that_is_not_there_is_named(context):
    with pytest.raises(AskMarketer, match="token cannot be read"):
        SecretSource(file="token").read(context, "token")


@pytest.mark.parametrize("value", ["canary-1234", {}, {"env": "A", "file": "b"}, {"value": "canary-1234"}])
def test_a_secret_in_the_settings_is_refused_without_being_repeated(value):
    with pytest.raises(ValidationError) as met:
        SecretSource.model_validate(value)
    assert all("canary" not in error["msg"] for error in met.value.errors())


def test_a_secret_that_was_read_is_in_the_vault(context, monkeypatch, tmp_path):
    monkeypatch.setenv("SHOP_TOKEN", "canary-of-a-variable")
    (tmp_path / "token").write_text("canary-of-a-file\n")
    (tmp_path / "token").chmod(0o600)
    SecretSource(env="SHOP_TOKEN").read(context, "token")
    SecretSource(file=tmp_path / "token").read(context, "token")
    assert VAULT.hide("canary-of-a-variable, canary-of-a-file") == f"{HIDDEN}, {HIDDEN}"


def test_what_one_connector_hides_the_process_hides_and_another_connector_does_not():
    Redactor(["canary-of-one"]).add_passing("canary-for-a-while")
    assert VAULT.hide("canary-of-one, canary-for-a-while") == f"{HIDDEN}, {HIDDEN}"
    assert Redactor().clean("canary-of-one") == "canary-of-one"


def test_secrets_are_taken_out_of_texts():
    redactor = Redactor(["canary-1234", "canary-1234-longer", "abc"])
    assert redactor.clean("canary-1234-longer and canary-1234 and abc") == f"{HIDDEN} and {HIDDEN} and abc"
    redactor.add("renewed-token")
    assert redactor.clean(RuntimeError("renewed-token")) == HIDDEN
    assert "canary" not in repr(redactor)


def test_a_missing_extra_is_asked_for_by_name(context):
    assert "pip install 'outlay[meta]'" in str(missing_extra(context, "meta", "facebook-business"))
