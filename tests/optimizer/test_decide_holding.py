"""Lines that are held back by lot: which may be, how often, and that limits are kept around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from connectors.money import Money
from optimizer.agent.deciding import Surroundings, decided
from optimizer.decide import decide
from optimizer.goals import Goals, Limit, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.recommendation import Decision, Finding, Severity
from tests.optimizer.snapshots import BUDGETS, NOW, snapshot

SEEN = snapshot()
GUARDS = Guardrails()
GOALS = Goals("EUR")


def lotted(seed: int, share: float = 0.4, goals: Goals = GOALS) -> Decision:
    return decide(SEEN, goals, GUARDS, NOW, np.random.default_rng(seed), hold_back=share)


def test_without_a_share_nothing_changes_to_the_byte() -> None:
    plain = decide(SEEN, GOALS, GUARDS, NOW, np.random.default_rng(1))
    assert to_json(lotted(1, 0.0)) == to_json(plain)
    assert '"lot"' not in to_json(plain)


def test_held_lines_stay_say_so_and_leave_the_total_as_it_is() -> None:
    plain = decide(SEEN, GOALS, GUARDS, NOW, np.random.default_rng(1))
    proposed = {line.key: line.proposed for line in plain.lines}
    seen_held = 0
    for seed in range(4):
        decision = lotted(seed)
        lots = [line for line in decision.lines if line.lot is not None]
        assert len(lots) == 4
        for line in lots:
            assert line.lot is not None
            assert line.lot.chance == pytest.approx((0.4 - 0.4**4) / (1 - 0.4**4))
            assert line.lot.proposed == proposed[line.key]
            if line.lot.held:
                seen_held += 1
                assert not line.changes
                assert "held back to measure" in line.reason
        assert sum(line.proposed.micros for line in decision.lines) <= sum(BUDGETS.values()) * 1_000_000
        assert from_json(Decision, to_json(decision)) == decision
        assert to_json(lotted(seed)) == to_json(decision)
    assert seen_held > 0


def test_the_lot_falls_as_often_as_it_says() -> None:
    held = [sum(line.lot.held for line in lotted(seed).lines if line.lot is not None) for seed in range(16)]
    chance = (0.4 - 0.4**4) / (1 - 0.4**4)
    error = np.sqrt(chance * (1 - chance) / 64)
    assert abs(sum(held) / 64 - chance) < 5 * error


def test_pins_hands_and_broken_limits_have_no_lot() -> None:
    pinned = replace(GOALS, pins=(Pin(Scope.parse("campaign:brand"), None, "an agreement"),))
    assert all(line.lot is None for line in lotted(1, goals=pinned).lines)  # three are left: too few for a lot
    broken = replace(GOALS, total=Money.of("500", "EUR"))
    assert all(line.lot is None for line in lotted(1, goals=broken).lines)
    forced = replace(GOALS, limits=(Limit(Scope.parse("campaign:brand"), ceiling=Money.of("190", "EUR")),))
    assert all(line.lot is None for line in lotted(1, goals=forced).lines)


def test_whether_a_lot_is_told_of_does_not_depend_on_how_it_falls() -> None:
    """Around some of the lines no plan keeps this ceiling, around others one does: there must be no lot at all."""
    tight = replace(GOALS, cpa_ceiling=Money.of("14.4", "EUR"), confidence=0.6)
    assert sum(line.changes for line in lotted(1, 0.0, tight).lines) == 4
    for seed in range(6):
        assert all(line.lot is None for line in lotted(seed, goals=tight).lines)
    wide = replace(tight, cpa_ceiling=Money.of("14.7", "EUR"))
    for seed in range(6):
        assert sum(line.lot is not None for line in lotted(seed, goals=wide).lines) == 4


def test_an_edit_ends_the_lot_and_what_was_noticed_is_told() -> None:
    doubt = Finding("intervals-too-narrow", Severity.WARNING, "portfolio", "Only 70% held.")
    around = Surroundings(hold_back=0.4, noticed=(doubt,))
    free = decided(SEEN, GOALS, GUARDS, around, NOW, 1, {})
    assert any(line.lot is not None for line in free.lines)
    assert doubt in free.findings
    by_hand = decided(SEEN, GOALS, GUARDS, around, NOW, 1, {SEEN.targets[0].key: Money.of("195", "EUR")})
    assert all(line.lot is None for line in by_hand.lines)
    assert from_json(Surroundings, to_json(around)) == around
