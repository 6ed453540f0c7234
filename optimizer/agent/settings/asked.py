"""What the core is asked for, built from the settings: goals, guardrails, limits of switching ads, and lift tests."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from connectors.money import Money
from optimizer.agent.settings.errors import SettingsError
from optimizer.agent.settings.flights import flights
from optimizer.agent.settings.refit import LiftTestTable, read_lift_tests, repeated
from optimizer.agent.settings.whole import Settings
from optimizer.goals import Counting, Goals, GoalsError, Limit, Pin, Sharing
from optimizer.guardrails import Guardrails
from optimizer.rotation import Rotation


def goals(settings: Settings, source: str = "config.toml") -> Goals:
    """Return what the marketer asks of a plan.

    Args:
        settings: What was loaded.
        source: How to name the file.

    Raises:
        SettingsError: The settings ask for what makes no sense together.
    """
    try:
        return _goals(settings)
    except GoalsError as error:
        raise SettingsError([f"{source}: {error}"]) from None


def _goals(settings: Settings) -> Goals:
    goal, currency = settings.goal, settings.portfolio.currency
    if goal.counts is Counting.CREDITED and settings.attribution.chosen is None:
        raise GoalsError('counts = "credited" asks for a model. Mend: name one as model of [attribution]')

    def money(amount: Decimal | None) -> Money | None:
        return None if amount is None else Money.of(amount, currency)

    return Goals(
        currency=currency,
        objective=goal.objective,
        total=money(goal.total_per_day),
        value_per_conversion=money(goal.value_per_conversion),
        margin=goal.margin,
        largest_step=settings.guardrails.largest_step,
        limits=tuple(
            Limit(
                scope=t.scope,
                floor=money(t.floor),
                ceiling=money(t.ceiling),
                share_floor=t.share_floor,
                share_ceiling=t.share_ceiling,
                roas_floor=t.roas_floor,
                cpa_ceiling=money(t.cpa_ceiling),
                minimum_when_on=money(t.minimum_when_on),
            )
            for t in settings.limits
        ),
        pins=tuple(Pin(t.scope, t.author, t.reason, t.until) for t in settings.pins),
        roas_floor=goal.roas_floor,
        cpa_ceiling=money(goal.cpa_ceiling),
        confidence=goal.confidence,
        explore=goal.explore,
        explore_limit=goal.explore_limit,
        risk_aversion=goal.risk_aversion,
        risk_tail=goal.risk_tail,
        switching_cost=goal.switching_cost,
        counts=goal.counts,
        value=goal.value,
        sharing=Sharing(**settings.bandits.model_dump()),
        payments=tuple(table.payment for table in settings.payments),
        flights=(flown := flights(goal.total_per_month, settings.flights, settings.pacing, currency)),
        largest_cut=settings.pacing.largest_cut if flown else None,
    )


def guardrails(settings: Settings) -> Guardrails:
    """Return the written limits of the agent; `largest_step` goes into the goals, which the allocator reads."""
    return Guardrails(**settings.guardrails.model_dump(exclude={"largest_step"}))


def rotation(settings: Settings) -> Rotation:
    """Return the written limits of switching ads."""
    return Rotation(**settings.ads.model_dump())


def lift_tests(settings: Settings, home: Path) -> tuple[LiftTestTable, ...]:
    """Return the lift tests of `config.toml` and, after them, those of the file that it names.

    Args:
        settings: What was loaded.
        home: The folder of `config.toml`.

    Raises:
        SettingsError: The file cannot be read, a row of it is no test, or a test stands there twice.
    """
    name = settings.refit.lift_tests_file
    if name is None:
        return settings.lift_tests
    path = home / name
    tests = (*settings.lift_tests, *read_lift_tests(path))
    place = repeated(tests)
    if place is not None:
        test = tests[place]
        words = f"{path}: the test of {test.scope} from {test.first_day} stands there or in config.toml already"
        raise SettingsError([f"{words}. Mend: remove one of the two."])
    return tests
