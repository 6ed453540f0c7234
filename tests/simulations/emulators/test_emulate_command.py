"""What `outlay emulate` says: all that a client in another process must know, and what a taken port is called."""

from __future__ import annotations

import errno
import json
import socket
from datetime import date
from types import MappingProxyType

import pytest

from connectors.errors import AskMarketer
from optimizer.agent.cli import emulate
from simulations.emulators.account import Account
from simulations.emulators.registry import EMULATORS, Setup, find
from simulations.emulators.serving import HOST
from simulations.scenarios import named

SETTINGS = MappingProxyType({"google": {"token_uri"}})


def _account():
    return Account(named("tiny-yen", history_days=3), seed=1, start=date(2025, 3, 3))


@pytest.mark.parametrize("machine", [True, False])
@pytest.mark.parametrize("platform", sorted(EMULATORS))
def test_all_that_a_client_must_know_is_told(platform, machine, capsys):
    account = _account()
    emulator = find(platform)(Setup(account))
    try:
        emulate._tell(platform, account, emulator, "http://desk", machine=machine)
        told = capsys.readouterr().out
        assert set(emulator.further) == SETTINGS.get(platform, set())
        for value in (emulator.address, "http://desk", *emulator.environment.values(), *emulator.further.values()):
            assert value in told
        if machine:
            assert json.loads(told)["settings"] == emulator.further
    finally:
        emulator.close()


@pytest.mark.parametrize("platform", sorted(EMULATORS))
def test_a_taken_port_is_said_in_words(platform):
    start = find(platform)
    with socket.create_server((HOST, 0)) as taken:
        setup = Setup(_account(), port=taken.getsockname()[1])
        with pytest.raises(OSError, match=str(setup.port) if platform in ("google", "ga4") else "in use") as found:
            start(setup)
        assert found.value.errno == errno.EADDRINUSE
        with pytest.raises(AskMarketer, match=f"port {setup.port} cannot be used") as asked:
            emulate._listening(lambda: start(setup), setup.port)
    assert "None" not in str(asked.value)


@pytest.mark.parametrize("platform", ["google", "ga4"])
def test_two_emulators_share_no_port(platform):
    """gRPC lets a second server of the same process or another in, where it is not told otherwise."""
    one = find(platform)(Setup(_account()))
    try:
        with pytest.raises(OSError, match="taken"):
            find(platform)(Setup(_account(), port=int(one.address.rpartition(":")[2])))
    finally:
        one.close()
