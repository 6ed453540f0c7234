"""The stores, step by step on the same random life: equal answers, equal refusals, equal digests."""

import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bandits.experiment import Experiment, Kind, Metric, Share
from bandits.readout import Verdict
from connectors.contract import (
    Account,
    AdKey,
    AdState,
    BudgetKey,
    BudgetTarget,
    Entity,
    EntityKind,
    EntityStatus,
    Level,
    PerformanceRow,
    Series,
)
from connectors.money import Money
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.agent.store.timeline import Clash, Version, fold, in_force
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.basis import Basis
from optimizer.plan.experiments import Closing, ExperimentRecord
from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.recommendation import Decision, Effect, Objective, Recommendation
from optimizer.plan.record import AdIntent, BudgetIntent, Event, IntentState, Record, State, Transition
from optimizer.plan.refits import Check, RefitRecord
from optimizer.ports import SnapshotQuery, StoreError

START = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = date(2026, 2, 25)
ACCOUNTS = (Account("ads", "1", "USD", "UTC"), Account("ads", "2", "USD", "Pacific/Auckland"))
SERIES = (
    Series(ACCOUNTS[0], "c1", "search"),
    Series(ACCOUNTS[0], "c1", "search", "g1", "a1", conversion_definition="sale"),
    Series(ACCOUNTS[1], "c2", "social", audience_id="u1"),
)

moments = st.integers(0, 8).map(lambda n: START + timedelta(hours=9 * n))
amounts = st.integers(0, 3)
rows = st.builds(
    lambda series, day, at, spend, conversions, value, share: PerformanceRow(
        series, FIRST + timedelta(days=day), spend, conversions, value, 6 * spend, spend, at, share, share and 300_000
    ),
    st.sampled_from(SERIES), st.integers(0, 3), moments, amounts, st.integers(-1, 2), st.none() | amounts,
    st.none() | st.sampled_from([500_000, 700_000]),
)  # fmt: skip
budgets = st.builds(
    lambda n, amount, shared: BudgetTarget(
        ACCOUNTS[n % 2], f"b{n}", "B", Level.CAMPAIGN, (f"c{n % 2 + 1}",), Money(amount, "USD"), shared=shared
    ),
    st.integers(0, 2), amounts, st.booleans(),
)  # fmt: skip
texts = st.characters(exclude_categories=("Cs",), exclude_characters="\0")  # PostgreSQL keeps no NUL, and says so
entities = st.builds(
    lambda n, name, tags: Entity(ACCOUNTS[0], list(EntityKind)[n], "c1", name, tags=tuple(tags)),
    st.integers(0, 4), st.text(texts, max_size=3), st.lists(st.text(texts, max_size=2), max_size=2),
)  # fmt: skip
keys = st.sampled_from([BudgetKey("ads", "1", "b0"), BudgetKey("ads", "2", "b1"), AdKey("ads", "1", "b0")])
ads = st.builds(
    lambda n, name, status: AdState(ACCOUNTS[n % 2], f"a{n}", name, "c1", ("g1" if n else None), status),
    st.integers(0, 2), st.text(max_size=2), st.sampled_from([EntityStatus.ACTIVE, EntityStatus.PAUSED]),
)  # fmt: skip


def transition(number, revision, state, before, intents):
    none = Effect(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    decision = Decision(FIRST, "USD", "UTC", Objective.REVENUE, "USD a day", (), none, 0.0, 0.0, (), (), (), (), (),
                        None, "m", "g", "", "")  # fmt: skip
    rec_id = f"R{number}"
    made = Recommendation(rec_id, revision, None, START, START, "outlay", 1, "0.1", decision, f"h{number}")
    named = tuple(replace(i, rec_id=rec_id, revision=revision) for i in intents)
    basis = (
        Basis(START + timedelta(hours=number), 90, f"goals {revision}", "guards", "around") if before is None else None
    )
    return Transition(Record(made, state), before, Event(rec_id, revision, START, "x", state.value, ""), named, basis)


intents = st.builds(
    lambda key, name, order, state: (
        AdIntent(f"k{name}", "", 1, key, EntityStatus.ACTIVE, EntityStatus.PAUSED, order, state)
        if isinstance(key, AdKey)
        else BudgetIntent(f"k{name}", "", 1, key, Money(1, "USD"), Money(2, "USD"), order, state)
    ),
    keys, st.integers(0, 5), st.integers(0, 2), st.sampled_from([IntentState.PLANNED, IntentState.CANCELLED]),
)  # fmt: skip
states = st.sampled_from([State.PROPOSED, State.APPROVED, State.APPLYING])
transitions = st.builds(
    transition, st.integers(0, 2), st.integers(1, 2), states, st.none() | states, st.lists(intents, max_size=2)
)


def refit(number, at, mean, passed):
    channel = ChannelPrior("search", Spread(mean, 0.1), Spread(0.0, 1.0))
    check = Check("r-hat", mean, 1.01, passed, "said")
    priors = ResponsePriors(at, "m", (channel,)) if passed else None
    return RefitRecord(f"F{number}", at, "m", "0.1", number, "e" * 64, mean * mean, (check,), priors)


refits = st.builds(refit, st.integers(0, 3), moments, st.floats(-3, 3), st.booleans())


def experiment(number, at, kind, arms):
    split = tuple(Share(f"a{arm}", 0.5) for arm in (arms, arms + 1))
    plan = Experiment(f"n{number % 2}", ("ads/1/b0",), kind, split, f"a{arms}", Metric.CTR, 0.1, FIRST,
                      FIRST + timedelta(days=20))  # fmt: skip
    return ExperimentRecord(f"E{number}", plan, plan.digest(), at, "x", "0.1")


experiments = st.builds(experiment, st.integers(0, 3), moments, st.sampled_from([Kind.AD, Kind.CREATIVE]),
                        st.integers(0, 2))  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def template():
    """A file that has been brought up to date once; each life begins with a copy of it."""
    with tempfile.TemporaryDirectory() as folder:
        open_sql(f"sqlite:///{folder}/new.sqlite").close()
        Lives.template = Path(folder) / "new.sqlite"
        yield


class Lives(RuleBasedStateMachine):
    """Does the same to both stores and compares what they answer."""

    template = Path()

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        file = Path(self.folder.name) / "outlay.sqlite"
        shutil.copy(self.template, file)
        self.stores = (MemoryStore(), open_sql(self.address(file)))

    def address(self, file):
        return f"sqlite:///{file}"

    def both(self, name, *arguments):
        answers = []
        for store in self.stores:
            try:
                answers.append(getattr(store, name)(*arguments))
            except StoreError as error:
                answers.append((type(error), str(error)))
        assert answers[0] == answers[1]
        return answers[0]

    @rule(given=st.lists(rows, max_size=12))
    def ingest(self, given):
        self.both("ingest", given)

    @rule(given=st.lists(budgets, max_size=3), at=moments)
    def note_budgets(self, given, at):
        self.both("note_budgets", "ads", given, at)

    @rule(given=st.lists(ads, max_size=3), at=moments)
    def note_ads(self, given, at):
        self.both("note_ads", "ads", given, at)

    @rule(given=st.lists(entities, max_size=3), at=moments)
    def note_entities(self, given, at):
        self.both("note_entities", given, at)

    @rule(given=st.lists(transitions, max_size=3))
    def commit(self, given):
        self.both("commit", given)

    @rule(number=st.integers(0, 2), at=moments, place=st.integers(0, 3), state=st.sampled_from(IntentState))
    def advance(self, number, at, place, state):
        stored = self.both("intents", f"R{number}", 1)
        if place < len(stored):
            after = replace(stored[place], state=state, attempts=stored[place].attempts + 1, updated_at=at)
            self.both("advance", stored[place], after, Event(f"R{number}", 1, at, "x", "sent", ""))

    @rule(given=refits, at=moments, limit=st.integers(1, 3))
    def refit(self, given, at, limit):
        self.both("record_refit", given)
        self.both("refits", limit)
        self.both("latest_priors", at)

    @rule(subject=st.sampled_from(Subject), at=moments, mean=st.sampled_from([0.5, 2.0]), limit=st.integers(1, 3))
    def appraise(self, subject, at, mean, limit):
        currency = "" if subject is Subject.CREDIT else "USD"
        made = Appraisal(subject, "m/1", at, "a" * 64, currency, (Estimate("search", mean, 0.5),))
        self.both("record_appraisal", made)
        self.both("appraisals", limit)
        self.both("latest_appraisals", at)

    @rule(given=experiments, ended=st.integers(0, 3), at=moments)
    def experiment(self, given, ended, at):
        self.both("register_experiment", given)
        self.both("close_experiment", Closing(f"E{ended}", at, "x", Verdict.RUNNING, None, "enough", "e" * 64))
        self.both("experiments", 2)

    @rule(at=moments, days=st.integers(1, 4))
    def snapshot(self, at, days):
        query = SnapshotQuery(at, FIRST + timedelta(days=3), days, "USD", "UTC")
        one, other = (store.snapshot(query) for store in self.stores)
        assert one.targets == other.targets
        assert (one.ads, one.switches) == (other.ads, other.switches)
        assert one.appraisals == other.appraisals
        np.testing.assert_array_equal(one.panel.conversions, other.panel.conversions)
        assert one.digest() == other.digest()

    @invariant()
    def the_ledgers_agree(self):
        self.both("records")
        self.both("audit")
        for number in range(3):
            self.both("events", f"R{number}")
            self.both("record", f"R{number}")
            for revision in (1, 2):
                self.both("intents", f"R{number}", revision)
                self.both("basis", f"R{number}", revision)

    def teardown(self):
        for store in self.stores:
            store.close()
        self.folder.cleanup()


Lives.TestCase.settings = settings(max_examples=30, stateful_step_count=15, deadline=None, derandomize=True)
TestLives = Lives.TestCase


class LivesOnAServer(Lives):
    """The same with the store on a PostgreSQL server, whose tables are emptied for each life."""

    server = None

    def address(self, file):
        return self.server.wiped()


def test_lives_on_a_server(postgres_server):
    LivesOnAServer.server = postgres_server
    few = settings(max_examples=8, stateful_step_count=12, deadline=None, derandomize=True)
    run_state_machine_as_test(LivesOnAServer, settings=few)


statements = st.lists(st.builds(Version, st.integers(0, 9), st.tuples(*[st.integers(0, 2)] * 5)), max_size=12)


@given(statements, st.integers(-1, 10))
@settings(derandomize=True)
def test_what_is_in_force_is_the_youngest_statement_not_younger_than_the_moment(given_statements, moment):
    """Against the plain definition, for statements that arrive in the order in which they were learnt."""
    ordered = sorted({s.known_from: s for s in given_statements}.values(), key=lambda s: s.known_from)
    history = []
    fold(history, ordered)
    expected = [s.measures for s in ordered if s.known_from <= moment][-1:]
    found = in_force(history, moment)
    assert ([] if found is None else [found.measures]) == expected
    assert all(a.measures != b.measures for a, b in pairwise(history))


@given(statements, statements)
@settings(derandomize=True)
def test_a_second_reading_of_the_same_statements_adds_nothing(first, second):
    history = []
    for reading in (first, second):
        try:
            fold(history, sorted(reading, key=lambda s: s.known_from))
        except Clash:
            return
    times = [version.known_from for version in history]
    assert times == sorted(set(times))
    assert fold(list(history), history) == []
