"""What goes into a refit is checked at birth, and priors never come with a failed check."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.refit.contract import Check, LiftTest, Refit, Sampling

PRIORS = ResponsePriors(
    datetime(2026, 3, 2, tzinfo=UTC), "m/1", (ChannelPrior("search", Spread(0.0, 0.5), Spread(0.3, 0.2)),)
)
GOOD = Check("r-hat", 1.0, 1.01, True, "The chains agree.")
BAD = Check("ess-bulk", 12.0, 400.0, False, "Only 12 draws are effective.")


def test_priors_are_only_handed_on_when_every_check_passed() -> None:
    assert Refit(None, (GOOD,), PRIORS).passed
    for checks in ((GOOD, BAD), ()):
        assert not Refit(None, checks, None).passed
        with pytest.raises(ValueError, match="must not be handed on"):
            Refit(None, checks, PRIORS)


def test_the_words_say_which_check_failed() -> None:
    assert Refit(None, (GOOD, BAD), None).words == "The priors of before stand. Only 12 draws are effective."
    assert "new priors stand" in Refit(None, (GOOD,), PRIORS).words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"draws": 0}, "draws"),
        ({"tune": 0}, "tune"),
        ({"chains": 1}, "chains"),
        ({"cores": 0}, "cores"),
        ({"depth": 0}, "depth"),
        ({"days": 13}, "days"),
        ({"campaigns": 0}, "campaigns"),
        ({"target_accept": 1.0}, "target_accept"),
    ],
)
def test_sampling_is_checked(change: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sampling(**change)  # type: ignore[arg-type]


FIRST, LAST = date(2026, 2, 2), date(2026, 2, 8)


def test_a_lift_test_knows_its_days() -> None:
    assert LiftTest("search", FIRST, LAST, 700.0, -700.0, -31.0, 4.0).days == 7


@pytest.mark.parametrize(
    ("numbers", "last", "words"),
    [
        ((700.0, 100.0, 3.0, 1.0), date(2026, 2, 1), "before it begins"),
        ((700.0, -701.0, 3.0, 1.0), LAST, "below zero"),
        ((-1.0, 5.0, 3.0, 1.0), LAST, "below zero"),
        ((700.0, 0.0, 3.0, 1.0), LAST, "must not be zero"),
        ((700.0, 100.0, 3.0, 0.0), LAST, "must be positive"),
        ((700.0, float("nan"), 3.0, 1.0), LAST, "finite"),
    ],
)
def test_lift_tests_are_checked(numbers: tuple[float, float, float, float], last: date, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LiftTest("search", FIRST, last, *numbers)
