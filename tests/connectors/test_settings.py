"""Settings that are wrong: told with the mend, and without what was given, which may be a secret in the wrong place."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from connectors.contract import BuildContext
from connectors.errors import BadInput
from connectors.settings import secure

CANARY = "canary-token-1234567890"
SECRET = {"env": "T"}
SOUND = {
    "linkedin": {"accounts": ["1"], "token": SECRET},
    "tiktok": {"advertisers": ["1"], "token": SECRET},
    "awin": {"advertiser": "1", "token": SECRET, "currency": "EUR"},
    "ga4": {"property": "1"},
    "meta": {"accounts": ["1"], "access_token": SECRET},
    "google": {
        "customer_ids": ["123-456-7890"],
        "developer_token": SECRET,
        "client_id": "c",
        "client_secret": SECRET,
        "refresh_token": SECRET,
    },
    "warehouse": {"url": "duckdb:///ads.duckdb"},
}
ADDRESSES = [
    ("linkedin", "address"),
    ("tiktok", "address"),
    ("awin", "address"),
    ("meta", "base_url"),
    ("google", "token_uri"),
]


def _read(kind, options):
    read = importlib.import_module(f"connectors.{kind}.options").read_options
    return read(BuildContext(kind, options, Path(), "config.toml"))


def _refused(kind, options):
    with pytest.raises(BadInput) as met:
        _read(kind, options)
    return met.value


@pytest.mark.parametrize("kind", SOUND)
def test_a_secret_in_the_wrong_place_stands_in_no_error_of_the_chain(kind):
    """`raise ... from None` inside the handler would leave pydantic's own error, with the input, for a context."""
    first = next(iter(SOUND[kind]))
    error = _refused(kind, SOUND[kind] | {first: [CANARY, {"deep": CANARY}]})
    assert (error.__context__, error.__cause__) == (None, None)
    assert CANARY not in str(error)


@pytest.mark.parametrize("kind", SOUND)
def test_what_is_missing_is_told_with_a_line_to_add(kind):
    first = next(iter(SOUND[kind]))
    error = _refused(kind, {name: value for name, value in SOUND[kind].items() if name != first})
    assert f"add a line such as {first} = " in str(error)
    assert "..." not in str(error)


@pytest.mark.parametrize("kind", ["linkedin", "tiktok", "awin", "ga4", "meta", "google"])
def test_a_misspelt_setting_is_told_with_the_nearest(kind):
    assert "did you mean 'timeout_seconds'?" in str(_refused(kind, SOUND[kind] | {"timeout_second": 3}))


@pytest.mark.parametrize(("kind", "field"), ADDRESSES)
@pytest.mark.parametrize("url", ["http://example.com", "http://127.0.0.1.example.com", "http://localhost@example.com"])
def test_no_token_goes_in_the_clear_to_another_machine(kind, field, url):
    error = _refused(kind, SOUND[kind] | {field: url})
    assert error.field == field
    assert "it must begin with https://" in str(error)
    assert "Value error" not in str(error)


@pytest.mark.parametrize(("kind", "field"), ADDRESSES)
def test_an_emulator_on_this_machine_is_spoken_to_in_the_clear(kind, field):
    assert getattr(_read(kind, SOUND[kind] | {field: "http://127.0.0.1:8080/"}), field) == "http://127.0.0.1:8080"


@pytest.mark.parametrize("url", ["", "https://", "api.example.com", "https://a b"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ValueError, match="no address"):
        secure(url)
