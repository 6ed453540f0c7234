"""Secrets are hidden by their values, in every form in which they may be told."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import vault
from connectors.vault import HIDDEN, SHORTEST, Vault

KEY = (
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n"
    "BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----"
)
AWKWARD = 'p&ss "w0rd"\\/ü+='

TOLD = {
    "plain": str,
    "repr": repr,
    "bytes": lambda secret: repr(secret.encode()),
    "json": json.dumps,
    "json of umlauts": lambda secret: json.dumps(secret, ensure_ascii=False),
    "json in json": lambda secret: json.dumps({"body": json.dumps({"token": secret})}),
    "address": lambda secret: f"https://host/?{urlencode({'q': secret})}",
    "path": lambda secret: f"https://host/{quote(secret)}/x",
    "lower case": lambda secret: quote(secret, safe="").replace("%2B", "%2b").replace("%C3%BC", "%c3%bc").lower(),
}


def holding(*secrets: str) -> Vault:
    found = Vault()
    found.keep(secrets)
    return found


@pytest.mark.parametrize("way", TOLD)
def test_a_secret_is_found_however_it_is_told(way: str) -> None:
    secret = "p&s0w/ü+=" if way == "lower case" else AWKWARD
    told = TOLD[way](secret)
    hidden = holding(secret).hide(f"before {told} after")
    assert HIDDEN in hidden
    assert "w0rd" not in hidden
    assert "0w" not in hidden


@given(
    st.text(min_size=SHORTEST, alphabet=st.characters(codec="utf-8", exclude_characters="*")),
    st.sampled_from(sorted(TOLD)),
)
def test_any_secret_is_found_in_any_form(secret: str, way: str) -> None:
    if way == "lower case" and secret != secret.lower():
        return  # to write letters small is no way of telling a secret
    told = TOLD[way](secret)
    assert HIDDEN in holding(secret).hide(told)
    assert quote_plus(secret) not in holding(secret).hide(told).replace(HIDDEN, "")


def test_a_private_key_is_found_line_by_line() -> None:
    told = holding(KEY).hide("\n".join(f"log: {line}" for line in KEY.split("\n")))
    assert "MIIE" not in told
    assert "BKcw" not in told
    assert "log: -----BEGIN PRIVATE KEY-----" in told  # the line of every key is none


def test_the_longest_is_hidden_first_and_short_ones_are_left() -> None:
    found = holding("canary-1", "canary-1-and-more", "short")
    assert found.hide("canary-1-and-more, canary-1, short") == f"{HIDDEN}, {HIDDEN}, short"
    assert repr(found) == "Vault(2 secrets)"


def test_a_token_that_passes_makes_room_for_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that runs for years is given one an hour; secrets of the settings stay."""
    monkeypatch.setattr(vault, "PASSING", 3)
    found = holding("kept-for-good")
    for number in range(5):
        found.keep_passing(f"token-{number}")
        found.keep_passing(f"token-{number}")
    assert found.hide("kept-for-good token-1 token-2 token-4") == f"{HIDDEN} token-1 {HIDDEN} {HIDDEN}"
    assert repr(found) == "Vault(4 secrets)"
