"""Passwords are hashed and compared, secrets are made; messages hold neither."""

import re
import unicodedata

import pytest
from argon2 import PasswordHasher

from optimizer.agent import passwords
from optimizer.plan.people import Role, User

pytestmark = pytest.mark.usefixtures("cheap_passwords")


def test_a_password_matches_its_hash_and_no_other():
    kept = passwords.hashed("correct horse")
    assert passwords.matches(kept, "correct horse")
    assert not passwords.matches(kept, "correct hors")
    assert not passwords.matches(kept, "")
    assert passwords.hashed("correct horse") != kept


def test_the_hash_is_one_that_a_user_may_have():
    assert User("ana", Role.ADMIN, passwords.hashed("correct horse"), None).password


def test_nobodys_password_matches_and_takes_a_whole_verification(monkeypatch):
    verified = []

    class Watched(PasswordHasher):
        def verify(self, kept, password):
            verified.append(kept)
            return super().verify(kept, password)

    monkeypatch.setattr(passwords, "_HASHER", Watched(time_cost=1, memory_cost=8, parallelism=1))
    assert not passwords.matches(None, "correct horse")
    assert not passwords.matches(None, "")
    assert [kept.partition("$m")[0] for kept in verified] == ["$argon2id$v=19"] * 2


def test_what_is_no_hash_matches_nothing():
    assert not passwords.matches("$argon2id$nonsense", "correct horse")


def test_the_same_signs_are_the_same_password_however_they_are_put_together():
    kept = passwords.hashed(unicodedata.normalize("NFD", "Ünïcödé pässwörd"))
    assert passwords.matches(kept, unicodedata.normalize("NFC", "Ünïcödé pässwörd"))


@pytest.mark.parametrize(
    ("password", "name", "words"),
    [
        ("short one", "", "too short"), ("", "", "too short"), ("x" * 1_025, "", "too long"),
        ("Anastasia Beaver", "anastasia beaver", "the name itself"), (" anabeatrix ", "Anabeatrix", "the name itself"),
    ],
)  # fmt: skip
def test_a_poor_password_is_refused_without_being_told(password, name, words):
    with pytest.raises(ValueError, match=f"{words}.* Mend: ") as caught:
        passwords.hashed(password, name)
    assert not password or password not in str(caught.value)


def test_a_password_of_the_greatest_length_is_taken_and_a_longer_one_matches_nothing():
    kept = passwords.hashed("x" * 1_024)
    assert passwords.matches(kept, "x" * 1_024)
    assert not passwords.matches(kept, "x" * 1_025)
    assert not passwords.matches(None, "x" * 10_000_000)


def test_a_hash_of_another_cost_is_stale():
    assert not passwords.stale(passwords.hashed("correct horse"))
    assert passwords.stale(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("correct horse"))


def test_secrets_differ_and_only_their_hash_is_kept():
    assert len({passwords.new_secret() for _ in range(50)}) == 50
    assert re.fullmatch(r"[\w-]{43}", passwords.new_secret())
    assert re.fullmatch(r"outlay_[\w-]{43}", passwords.new_token())
    # NIST's example of SHA-256 (FIPS 180-2, B.1)
    assert passwords.secret_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_whatever_is_shown_as_a_secret_has_a_hash():
    assert len(passwords.secret_hash("\ud800")) == 64
