"""What all tests share: Hypothesis draws the same examples for the same code, so that a green run stays green."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from hypothesis import settings

from optimizer.agent import passwords
from tests.postgres_server import Server, running_server

settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server; whoever asks for one is skipped, with the reason, where there can be none."""
    with running_server() as address:
        server = Server(address)
        yield server
        server.close()


@pytest.fixture
def postgres(postgres_server):
    """The address of a database of the newest version on a PostgreSQL server, for one test."""
    return postgres_server.wiped()


@pytest.fixture
def new_postgres(postgres_server):
    """The address of a database without tables on a PostgreSQL server, for one test."""
    url = postgres_server.new()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def cheap_passwords(monkeypatch):
    """Passwords hashed at next to no cost, in the form in which all are."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
