"""What the page says is to be done next: by the settings, and by what is kept and how old it is."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO

import pytest
from babel.messages.pofile import read_po

from optimizer.agent.settings import Settings, goals
from optimizer.agent.web import texts
from optimizer.agent.web import words as w
from optimizer.agent.web.next_steps import Situation, next_steps
from optimizer.measure.counting import compare
from optimizer.plan.appraisal import Appraisal, Estimate
from optimizer.plan.lift_tests import LiftEnd, LiftReading, LiftRecord
from optimizer.plan.snapshot import Snapshot
from tests.optimizer.kept_worth import credited, refitted, valued
from tests.optimizer.snapshots import NOW, TODAY, snapshot
from tests.optimizer.test_decide_lift import record

DAY = timedelta(days=1)
FILES = '[connectors.shop]\nkind = "files"\nfolder = "x"\n'
TOLD = FILES + 'touches = "t.csv"\n'
MODEL = '[attribution]\nmodel = "markov"\nmarkov_order = 2\n'
SOCIAL = Estimate("social", 0.5, 0.2)
LIFETIME = '[goal]\nobjective = "revenue"\nvalue = "lifetime"\n'


def situation(
    toml: str = "", *made: Appraisal, known: Snapshot | None = None, tested: Mapping[str, date] | None = None
) -> Situation:
    settings = Settings.model_validate(tomllib.loads('[portfolio]\ncurrency = "EUR"\n' + toml))
    wanted, seen = goals(settings), replace(known or snapshot(), appraisals=made)
    return Situation(settings, wanted, seen, compare(seen, wanted), tested or {}, NOW)


def steps(here: Situation, about: str) -> dict[str, tuple[str, ...]]:
    return {step.words: step.commands for step in next_steps(here) if step.about == about}


def fitted(at: float, **lifts: float | None) -> Snapshot:
    return replace(snapshot(), priors=refitted(NOW - at * DAY, **lifts).priors)


READING = LiftReading(TODAY - 30 * DAY, TODAY - 3 * DAY, 900.0, -300.0, -9.0, 2.0, -13.0, -5.0, 0.9, -20.0, 2.0)


def read(days_ago: float) -> LiftRecord:
    at = NOW - days_ago * DAY
    return replace(record(TODAY - 30 * DAY), end=LiftEnd("L-1", at, at.date(), "ann", "read", READING, "a" * 64))


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        (FILES, '[connectors.shop] touches = "touches.csv", orders = "orders.csv"'),
        (
            '[connectors.dwh]\nkind = "warehouse"\nurl = "x"\n',
            '[connectors.dwh] touches_query = "SELECT ...", orders_query = "SELECT ..."',
        ),
        (
            '[connectors.meta]\nkind = "meta"\n',
            '[connectors.books] kind = "files", folder = "exports", touches = "touches.csv", orders = "orders.csv"',
        ),
        (TOLD, None),
    ],
)
def test_where_no_model_is_named_the_way_to_credit_begins_at_the_books(toml: str, line: str | None) -> None:
    first = () if line is None else (line,)
    rest = ("outlay attribution", '[attribution] model = "markov"', "outlay appraise")
    assert steps(situation(toml), "credit") == {w.NO_MODEL: (*first, *rest)}


@pytest.mark.parametrize(
    ("goal", "made", "wanted"),
    [
        ("", (), {w.NO_CREDIT}),
        ("", (credited(NOW - DAY, SOCIAL),), {w.CREDIT_UNUSED}),
        ('[goal]\ncounts = "credited"\n', (credited(NOW - DAY, SOCIAL),), set()),
        ('[goal]\ncounts = "incremental"\n', (credited(NOW - DAY, SOCIAL),), set()),
        ('[goal]\ncounts = "credited"\n', (credited(NOW - 7 * DAY, SOCIAL),), {w.CREDIT_DUE}),
        ('[goal]\ncounts = "credited"\n', (credited(NOW - DAY, SOCIAL, model="markov-1/1"),), {w.OTHER_MODEL}),
    ],
)
def test_credit_is_reckoned_renewed_and_counted(goal: str, made: tuple[Appraisal, ...], wanted: set[str]) -> None:
    assert set(steps(situation(goal + MODEL + TOLD, *made), "credit")) == wanted


def test_what_is_kept_of_no_model_any_more_asks_for_nothing() -> None:
    assert steps(situation(TOLD, credited(NOW - 90 * DAY, SOCIAL)), "credit") == {}


def test_a_lift_test_is_proposed_of_the_largest_channel_then_of_what_was_not_tested() -> None:
    first = situation().found.rows[0].name
    assert steps(situation(), "lift") == {w.NO_LIFT: (f"outlay lift design channel:{first} --outcomes FILE",)}
    known = fitted(1, search=0.5, social=None)
    toml = '[goal]\ncounts = "incremental"\n[lift]\noutcomes_file = "sold.csv"\n'
    assert steps(situation(toml, known=known), "lift") == {w.LIFT_OF_SOME: ("outlay lift design channel:social",)}
    every = fitted(1, search=0.5, social=0.7)
    assert steps(situation(known=every), "lift") == {w.LIFT_UNUSED: ('[goal] counts = "incremental"',)}
    assert steps(situation(toml, known=every), "lift") == {}


def test_a_name_that_a_shell_would_split_is_quoted() -> None:
    known = snapshot()
    odd = replace(known, targets=tuple(replace(target, channel="brand; rm") for target in known.targets))
    assert steps(situation(known=odd), "lift") == {
        w.NO_LIFT: ("outlay lift design 'channel:brand; rm' --outcomes FILE",)
    }


def test_tests_that_run_wait_or_were_not_learnt_from_are_told() -> None:
    running, over = record(TODAY - 3 * DAY), record(TODAY - 30 * DAY)
    for test, words, command in (
        (running, w.LIFT_RUNS, "outlay lift status L-1"),
        (over, w.LIFT_UNREAD, "outlay lift read L-1"),
    ):
        assert steps(situation(known=replace(snapshot(), lift_tests=(test,))), "lift")[words] == (command,)
    told = {"search": TODAY - 3 * DAY}
    unlearnt = situation(known=replace(snapshot(), lift_tests=(read(1),)), tested=told)
    assert steps(unlearnt, "lift") == {w.LIFT_UNLEARNT: ("outlay refit",)}
    counts = '[goal]\ncounts = "incremental"\n'
    for fitted_ago, wanted in ((2.0, {w.LIFT_UNLEARNT}), (0.5, set())):
        known = replace(fitted(fitted_ago, search=0.5, social=0.5), lift_tests=(read(1),))
        assert set(steps(situation(counts, known=known, tested=told), "lift")) == wanted
    plain = situation(counts, known=fitted(1, search=None, social=None), tested=told)
    assert set(steps(plain, "lift")) == {w.LIFT_UNLEARNT}  # told in the settings after the refit


@pytest.mark.parametrize(
    ("toml", "made", "wanted"),
    [
        ("", (), {w.LIFETIME_UNASKED: (
            "outlay lifetime", '[goal] objective = "revenue"', '[goal] value = "lifetime"', "outlay appraise",
        )}),
        ('[goal]\nobjective = "profit"\n', (valued(NOW - DAY, "EUR", SOCIAL),),
         {w.LIFETIME_UNUSED: ('[goal] value = "lifetime"',)}),
        (LIFETIME, (), {w.NO_LIFETIME: ("outlay appraise",)}),
        (LIFETIME, (valued(NOW - DAY, "JPY", SOCIAL),), {w.LIFETIME_CURRENCY: ("outlay appraise",)}),
        (LIFETIME, (valued(NOW - 8 * DAY, "EUR", SOCIAL),), {w.LIFETIME_DUE: ("outlay appraise",)}),
        (LIFETIME, (valued(NOW - DAY, "EUR", SOCIAL),), {}),
    ],
)  # fmt: skip
def test_customers_are_valued_renewed_and_counted(
    toml: str, made: tuple[Appraisal, ...], wanted: dict[str, tuple[str, ...]]
) -> None:
    assert steps(situation(toml, *made), "customer") == wanted


def test_every_step_can_be_translated() -> None:
    known = {message.id for message in read_po(BytesIO(texts.collected()))}
    told = {value for name, value in vars(w).items() if name.isupper() and isinstance(value, str)}
    assert len(told) == 16
    assert told <= known
