"""From orders to checked values: the sampled models are the formulae, and nothing is handed on that fails a check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pymc as pm
import pytensor
import pytest

from optimizer.measure.lifetime import buying, renewing, spending
from optimizer.measure.lifetime.contract import By, Kind, Lifetime, Valuation
from optimizer.measure.lifetime.customers import Customers, summarise
from optimizer.measure.lifetime.evidence import purchases, subscriptions
from optimizer.measure.lifetime.fitting import value
from optimizer.measure.lifetime.models import (
    Leaning,
    bought,
    build_purchases,
    build_subscriptions,
    buying_of,
    chances_of,
    renewed,
    spending_of,
)
from optimizer.refit.contract import Sampling
from simulations.customers import Clientele, Subscribers, orders

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)
TINY = Sampling(draws=5, tune=5, chains=2, depth=3)
ENOUGH = Sampling(draws=450, tune=400, chains=4)
"""Whatever chance does to 1,800 draws, four times as many, which are drawn where these do not do, are enough."""
SPEND = (6.0, 4.0, 15.0)
SHOP = (
    Clientele("search", 500, 0.5, 40.0, (0.7, 2.0), SPEND),
    Clientele("social", 300, 0.5, 60.0, (0.9, 1.8), (6.0, 4.0, 12.0)),
    Clientele("rare", 1, 0.5, 40.0, (0.7, 2.0), SPEND),
    Clientele(None, 150, 0.5, 40.0, (0.7, 2.0), SPEND),
)
CLUB = (
    Subscribers("search", 600, (0.8, 8.0), 10.0, 30.0),
    Subscribers("social", 400, (1.6, 7.2), 20.0, 30.0),
    Subscribers("rare", 1, (0.8, 8.0), 10.0, 30.0),
)


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def customers_of(kinds: tuple[Clientele | Subscribers, ...], seed: int) -> Customers:
    last_won = datetime(2025, 10, 1, tzinfo=UTC)
    return summarise(orders(kinds, (START, last_won), END, "EUR", np.random.default_rng(seed)), END.date(), "EUR", UTC)


@pytest.fixture(scope="module")
def shop() -> Customers:
    return customers_of(SHOP, 1)


@pytest.fixture(scope="module")
def club() -> Customers:
    return customers_of(CLUB, 2)


@pytest.fixture(scope="module")
def valued(shop: Customers) -> Valuation:
    return value(shop, Lifetime(sampling=ENOUGH), np.random.default_rng(3), _silent)


@pytest.fixture(scope="module")
def retained(club: Customers) -> Valuation:
    asked = Lifetime(kind=Kind.SUBSCRIPTION, period_days=30.0, sampling=ENOUGH)
    return value(club, asked, np.random.default_rng(4), _silent)


@pytest.fixture
def hasty() -> Iterator[None]:
    """To compile for speed takes longer than few draws do without."""
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        yield


def test_the_model_of_purchases_is_the_density_of_the_formulae(shop: Customers, hasty: None) -> None:
    """PyMC's graph at one point, and its part in NumPy, against the likelihood of each customer by itself."""
    evidence = purchases(shop, shop.channels, shop.channel, np.arange(len(shop)))
    rng, groups = np.random.default_rng(5), len(shop.channels)
    p = {"log_rate": rng.normal(-4, 0.3, groups), "logit_loss": rng.normal(-1, 0.3, groups)}
    p |= {"log_shape": np.array(-0.4), "log_agreement": np.array(0.9)}
    spent = {"log_spend": rng.normal(3.2, 0.1, groups), "log_p": np.array(1.4), "log_q": np.array(0.8)}
    drawn = {name: values[None] for name, values in (p | spent).items()}
    own = buying.Buying(*(c[0][shop.channel] for c in _columns(buying_of(drawn), "r alpha a b")))
    by_hand = buying.log_likelihood(own, shop.repeats, shop.recency, shop.age).sum()
    assert bought(p, evidence, np) == pytest.approx(by_hand, rel=1e-10)
    back = shop.repeats > 0
    pays = spending.Spending(*(c[0][shop.channel[back]] for c in _columns(spending_of(drawn), "p q gamma")))
    paid = spending.log_likelihood(pays, shop.repeats[back], shop.spend[back]).sum()
    model = build_purchases(evidence)
    found = model.compile_fn(
        model.replace_rvs_by_values(model.potentials), inputs=model.value_vars, on_unused_input="ignore"
    )
    point = _placed(model, p | spent)
    assert [float(part) for part in found(point)] == [pytest.approx(by_hand), pytest.approx(paid)]


def _placed(model: pm.Model, p: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the point at which parameters have these values, in the sampler's coordinates."""
    point = dict(model.initial_point())
    for name, values in p.items():
        value = model.rvs_to_values[model[name]]
        transform = model.rvs_to_transforms[model[name]]
        if isinstance(transform, Leaning):
            quantity = name.partition("_")[2]
            mean, apart = point[f"{quantity}_mean"], np.exp(point[f"{quantity}_sd_log__"])
            point[value.name] = transform.forward(values, mean, apart)
        else:
            point[value.name] = np.asarray(values)
    return point


def _columns(of: object, names: str) -> list[np.ndarray]:
    return [getattr(of, name) for name in names.split()]


def test_the_model_of_subscriptions_is_the_density_of_the_formulae(club: Customers, hasty: None) -> None:
    evidence = subscriptions(club, club.channels, club.channel, Lifetime(period_days=30.0))
    p = {"logit_loss": np.array([-2.0, -1.5, -1.0]), "log_agreement": np.array(1.8)}
    a, b = (column[0] for column in chances_of({name: values[None] for name, values in p.items()}))
    by_hand = renewing.log_likelihood(a, b, evidence.renewed, evidence.left)
    assert renewed(p, evidence, np) == pytest.approx(by_hand)
    model = build_subscriptions(evidence)
    found = model.compile_fn(
        model.replace_rvs_by_values(model.potentials), inputs=model.value_vars, on_unused_input="ignore"
    )
    assert [float(part) for part in found(_placed(model, p))] == [pytest.approx(by_hand)]


def test_values_of_new_customers_are_those_of_the_truth(valued: Valuation) -> None:
    """Each channel's true value lies within 4.9 posterior standard deviations."""
    assert valued.passed, valued.words
    assert valued.groups == ("", "rare", "search", "social")
    assert valued.values is not None
    assert valued.values.shape == (1_000, 4)
    truth = {kind.channel or "": _worth(kind, valued.asked) for kind in SHOP}
    for place, name in enumerate(valued.groups):
        draws = np.log(valued.values[:, place])
        assert abs(np.log(truth[name]) - draws.mean()) < 4.9 * draws.std(), name


def _worth(kind: Clientele, asked: Lifetime) -> float:
    p, q, gamma = kind.spend
    one = buying.Buying(*(np.array([x]) for x in (kind.shape, kind.scale, *kind.loss)))
    return p * gamma / (q - 1) * (1 + float(buying.expected(one, asked.horizon_days, asked.force)[0]))


def test_a_channel_of_one_customer_leans_on_the_others_and_says_how_little_is_known(valued: Valuation) -> None:
    assert valued.values is not None
    known = dict(zip(valued.groups, np.log(valued.values).std(axis=0), strict=True))
    assert known["rare"] > 2 * max(known["search"], known["social"])
    between = np.median(valued.values, axis=0)[[0, 2, 3]]
    assert 0.5 * between.min() < np.median(valued.values[:, 1]) < 2 * between.max()


def test_each_customer_has_a_chance_and_a_future(valued: Valuation) -> None:
    assert valued.alive is not None
    assert valued.ahead is not None
    customers = valued.customers
    assert np.all((valued.alive >= 0) & (valued.alive <= 1))
    assert np.all(valued.alive[customers.repeats == 0] == 1)
    assert np.all(valued.ahead > 0)
    lively = (customers.repeats >= 3) & (customers.age - customers.recency < 30)
    quiet = (customers.repeats == 0) & (customers.age > 400)
    assert valued.ahead[lively].mean() > 3 * valued.ahead[quiet].mean()
    assert valued.mean_of(valued.alive).shape == (4,)


def test_subscribers_are_worth_what_they_pay_until_they_leave(retained: Valuation) -> None:
    assert retained.passed, retained.words
    assert retained.values is not None
    assert retained.ahead is not None
    asked = retained.asked
    counts = np.exp(-asked.force * 30.0 * np.arange(1, 13))
    for place, name in enumerate(retained.groups):
        (kind,) = (kind for kind in CLUB if kind.channel == name)
        a, b = (np.array([x]) for x in kind.loss)
        truth = kind.price * (1 + float(renewing.survival(a, b, 12)[0] @ counts))
        draws = np.log(retained.values[:, place])
        assert abs(np.log(truth) - draws.mean()) < 4.9 * draws.std(), name
    gone = renewing.renewals(retained.customers, 30.0, 7.0).ended == 1
    assert np.all(retained.ahead[gone] == 0)
    assert np.all(retained.ahead[~gone] > 0)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("kind", list(Kind))
def test_a_run_that_stays_short_is_withheld_and_says_why(kind: Kind, shop: Customers, club: Customers) -> None:
    told: list[int] = []
    asked = Lifetime(kind=kind, by=By.COHORT, period_days=30.0, most=200, sampling=TINY)
    customers = shop if kind is Kind.PURCHASES else club
    found = value(customers, asked, np.random.default_rng(6), lambda done, _total: told.append(done))
    assert (found.values, found.alive, found.ahead) == (None, None, None)
    assert found.groups[:2] == ("2024-01", "2024-02")
    names = [check.name for check in found.checks]
    assert names == ["evidence", "r-hat", "ess-bulk", "ess-tail", "divergences", "coverage", "calibration"]
    assert found.words.startswith("No value is given. ")
    assert told[-1] == 2 * (4 * TINY.draws + 4 * TINY.tune)
    with pytest.raises(ValueError, match="must not be handed on"):
        replace(found, values=np.ones((1, 1)))


def test_too_few_customers_are_not_fitted(shop: Customers) -> None:
    few = summarise([], END.date(), "EUR", UTC)
    found = value(few, Lifetime(), np.random.default_rng(7), _silent)
    assert (found.passed, found.idata) == (False, None)
    assert "0 customers, of whom 0 came back; a fit needs at least 100 and 50, and some who paid." in found.words


@pytest.mark.parametrize("kind", list(Kind))
def test_repeats_that_left_nothing_are_not_fitted(kind: Kind, shop: Customers) -> None:
    free = replace(shop, spend=np.zeros(len(shop)))
    found = value(free, Lifetime(kind=kind), np.random.default_rng(7), _silent)
    assert (found.passed, found.idata) == (False, None)
    assert "came back and paid nothing; a fit needs" in found.words


def test_a_sample_in_which_hardly_anybody_came_back_is_not_fitted(shop: Customers) -> None:
    """Of half a million customers with as few repeats as these, a hundred hold next to none."""
    many = 50 * len(shop)
    rare = replace(
        shop,
        **{
            name: np.concatenate([getattr(shop, name), np.resize(getattr(shop, name), many) * kept])
            for name, kept in {
                "channel": 1, "first_day": 1, "repeats": 0, "recency": 0, "age": 1, "opening": 1, "spend": 0,
            }.items()
        },
    )  # fmt: skip
    found = value(rare, Lifetime(most=100), np.random.default_rng(8), _silent)
    assert (found.passed, found.idata) == (False, None)


@pytest.mark.parametrize(
    ("name", "bad"),
    [("horizon_days", 0), ("discount_rate", -0.1), ("period_days", 0.5), ("most", 0), ("grace_days", float("nan"))],
)
def test_questions_that_make_no_sense_are_refused(name: str, bad: float) -> None:
    with pytest.raises(ValueError, match=f"lifetime.{name} must be"):
        replace(Lifetime(), **{name: bad})
