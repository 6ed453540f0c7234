"""What `[bandits]` asks for reaches the shares of the ads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bandits.policy import Rule
from optimizer.agent.settings import SettingsError, goals, load
from optimizer.decide import decide
from optimizer.goals import Goals, GoalsError, Sharing
from optimizer.guardrails import Guardrails
from tests.optimizer.snapshots import NOW, snapshot

SEEN = snapshot(days=40, ads=True)


def better(sharing: Sharing) -> float:
    """The share of the better of two ads, which have an equal one now."""
    decision = decide(SEEN, Goals("EUR", sharing=sharing), Guardrails(), NOW, np.random.default_rng(1))
    return {arm.arm_id: arm.share for arm in decision.arms}["ad1"]


def test_the_policy_and_the_step_that_were_asked_for_make_the_shares() -> None:
    assert better(Sharing(Rule.UNIFORM)) == pytest.approx(0.5)
    assert better(Sharing(Rule.EPSILON_GREEDY)) == pytest.approx(0.95)
    assert better(Sharing(Rule.EPSILON_GREEDY, largest_step=0.2)) == pytest.approx(0.7)


def test_the_settings_reach_the_goals(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[bandits]\npolicy = "top-two"\nhorizon_days = 30\nfloor = 0.2\nlargest_step = 0.25\n')
    assert goals(load(path)).sharing == Sharing(Rule.TOP_TWO, 30.0, 0.2, 0.25)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('policy = "best"', "bandits.policy"),
        ("horizon_days = -1", "bandits.horizon_days"),
        ("floor = 1.5", "bandits.floor"),
        ("largest_step = 0", "bandits.largest_step"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[bandits]\n{line}\n")
    with pytest.raises(SettingsError, match=words):
        load(path)


@pytest.mark.parametrize("wrong", [{"horizon_days": -1.0}, {"floor": 1.5}, {"largest_step": 0.0}])
def test_a_sharing_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(GoalsError, match=next(iter(wrong))):
        Sharing(**wrong)


def test_the_digest_of_the_goals_follows_the_sharing() -> None:
    assert Goals("EUR", sharing=Sharing(Rule.UNIFORM)).digest() != Goals("EUR").digest()
