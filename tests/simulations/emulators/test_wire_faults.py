"""Which request goes wrong, and how often; and a server on loopback that begins and ends."""

from contextlib import suppress
from datetime import date
from threading import Thread
from time import sleep
from urllib.request import urlopen

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from simulations.emulators.account import Account
from simulations.emulators.faults import Chances, Fault, Faults
from simulations.emulators.registry import Setup, find
from simulations.emulators.serving import HttpServer
from simulations.scenarios import named


def test_what_is_scripted_comes_first_and_in_order():
    faults = Faults()
    faults.script("write", Fault.LOST_AFTER, None, Fault.THROTTLED)
    assert [faults.next("write") for _ in range(4)] == [Fault.LOST_AFTER, None, Fault.THROTTLED, None]
    assert faults.next("read") is None
    assert faults.met[Fault.LOST_AFTER] == 1
    assert faults.requests == {"read": 1, "write": 4}


def test_a_fault_that_a_request_cannot_have_is_refused():
    with pytest.raises(ValueError, match="a read cannot be lost_after"):
        Faults().script("read", Fault.LOST_AFTER)


def test_chances_are_kept():
    faults = Faults(Chances(throttled=0.3, lost_after=0.2), np.random.default_rng(5))
    for _ in range(20_000):
        faults.next("write")
        faults.next("read")
    # Binomial with n = 40,000 and 20,000: five standard deviations are 460 and 283.
    assert abs(faults.met[Fault.THROTTLED] - 12_000) < 460
    assert abs(faults.met[Fault.LOST_AFTER] - 4_000) < 283


@pytest.mark.parametrize(
    ("text", "words"),
    [("lost=0.1", "'lost' is no fault"), ("slow=much", "needs a probability"), ("slow=2", "from 0 to 1")],
)
def test_bad_chances_say_what_is_wrong(text, words):
    with pytest.raises(ValueError, match=words):
        Chances.parse(text)


def test_chances_are_read():
    assert Chances.parse("throttled=0.1, slow=.2") == Chances(throttled=0.1, slow=0.2)
    assert Chances.parse("") == Chances()
    with pytest.raises(ValueError, match="at most 1"):
        Chances(throttled=0.6, slow=0.6)


@pytest.mark.parametrize(
    ("platform", "method", "path"),
    [
        ("awin", "GET", "/accounts"),
        ("linkedin", "GET", "/rest/adAnalytics"),
        ("meta", "GET", "/v26.0/me"),
        ("microsoft", "POST", "/CustomerManagement/v13/Account/Query"),
        ("tiktok", "GET", "/open_api/v1.3/campaign/get/"),
    ],
)
def test_an_answer_that_takes_long_holds_up_no_other(platform, method, path):
    faults = Faults(slow_seconds=600.0)
    faults.script("read", Fault.SLOW)
    account = Account(named("tiny-yen", history_days=2, time_zone="Europe/Berlin"), seed=11, start=date(2025, 3, 3))
    server = find(platform)(Setup(account, faults))

    def ask():
        with suppress(httpx.TransportError):
            httpx.request(method, f"{server.address}{path}", timeout=900.0)

    slow = Thread(target=ask)
    slow.start()
    while not faults.met[Fault.SLOW]:
        sleep(0.01)
    httpx.request(method, f"{server.address}{path}", timeout=300.0)
    assert slow.is_alive()
    server.close()  # cuts it off
    slow.join()


def test_a_server_begins_and_ends():
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])
    with HttpServer(app) as server:
        assert urlopen(server.address).read() == b"here"
    with pytest.raises(OSError, match="refused"):
        urlopen(server.address)
