"""What every store does: the same suite on the store in memory, in an SQLite file and on a PostgreSQL server."""

import math
import pickle
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.contract import (
    Account,
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
from optimizer.agent.trail import entries
from optimizer.approval import STEPS
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.audit import prove
from optimizer.plan.basis import Basis
from optimizer.plan.priors import AdLevel, AdMean, AdPriors, ChannelPrior, ResponsePriors, Spread
from optimizer.plan.recommendation import Decision, Effect, Evidence, Line, Objective, Recommendation
from optimizer.plan.record import AdIntent, BudgetIntent, Event, IntentState, Record, State, Transition
from optimizer.plan.refits import ADS, Check, RefitRecord
from optimizer.ports import (
    ApprovalStands,
    ConflictingRows,
    IngestReport,
    NotFound,
    SnapshotQuery,
    StateConflict,
    StoreError,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT = Account("ads", "1", "USD", "UTC")
SERIES = Series(ACCOUNT, "c1", "search")
DAY = date(2026, 2, 20)
KEY = BudgetKey("ads", "1", "b1")
NO_EFFECT = Effect(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def new_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "new.sqlite"
    open_sql(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request, new_file, tmp_path):
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = open_sql(f"sqlite:///{shutil.copy(new_file, tmp_path / 'outlay.sqlite')}")
    else:
        opened = open_sql(request.getfixturevalue("postgres"))
    yield opened
    opened.close()


def row(spend, fetched_at=NOON, day=DAY, series=SERIES):
    return PerformanceRow(series, day, spend, 2_000_000, None, 5_000_000, 3_000_000, fetched_at)


def budget(amount="10", key=KEY, covers=("c1",), account=ACCOUNT):
    return BudgetTarget(account, key.budget_id, "Budget", Level.CAMPAIGN, covers, Money.of(amount, account.currency))


def spends(store, known_at=NOON + timedelta(days=30), days=12):
    store.note_budgets("ads", [budget()], NOON - timedelta(days=300))
    panel = store.snapshot(SnapshotQuery(known_at, date(2026, 3, 1), days, "USD", "UTC")).panel
    return panel.spend[0, (DAY - panel.first_day).days]


def recommendation(rec_id="R-1", revision=1, created_at=NOON, **changes):
    line = Line(KEY, "Budget", "search", Money.of(10, "USD"), Money.of(12, "USD"), "e1", NO_EFFECT, (),
                Evidence(30, 5.0, 100.0, False, "enough"), "it pays — and more")  # fmt: skip
    decision = Decision(
        DAY, "USD", "UTC", Objective.CONVERSIONS, "conversions a day", (line,), NO_EFFECT, 1.0, 1.5, (), (), (), (), (),
        None, "m/1", "g/1", "a" * 64, "b" * 64,
    )  # fmt: skip
    plain = Recommendation(rec_id, revision, None, created_at, created_at + timedelta(days=2), "outlay", 7, "0.1",
                           decision, "")  # fmt: skip
    plain = replace(plain, **changes)
    return replace(plain, plan_hash=plain.computed_hash())


def step(made, state=State.PROPOSED, before=None, intents=(), actor="outlay", **standing):
    event = Event(made.rec_id, made.revision, NOON, actor, state.value, "as told")
    return Transition(Record(made, state, **standing), before, event, tuple(intents))


def intent(key="k1", budget_key=KEY, order=0, state=IntentState.PLANNED, **changes):
    plain = BudgetIntent(key, "R-1", 1, budget_key, Money.of(10, "USD"), Money.of(12, "USD"), order, state)
    return replace(plain, **changes)


def sent(made, action="write-sent"):
    return Event(made.rec_id, made.revision, NOON, "outlay", action, str(made.key))


def refit(refit_id="F-1", at=NOON, *, half=0.5, passed=True, **changes):
    """A refit; `half` tells its priors from those of others."""
    checks = (Check("r-hat", 1.002, 1.01, True, "All chains agree."),)
    if not passed:
        checks = (*checks, Check("ess-bulk", 12.5, 400.0, False, "Too few draws — sample more."))
    search = ChannelPrior("search", Spread(half, 0.1), Spread(-0.25, 1 / 3), Spread(0.3, 0.1), None)
    social = ChannelPrior("social", Spread(-half, 0.1), Spread(0.0, 1e-9), None, Spread(-0.5, 0.2))
    priors = ResponsePriors(at, "hierarchy/1", (search, social)) if passed else None
    file = f"refits/{refit_id}.nc"
    plain = RefitRecord(refit_id, at, "hierarchy/1", "0.1", 2**62, "a" * 64, 12.75, checks, priors, file)
    return replace(plain, **changes)


def refit_of_ads(refit_id="F-2", at=NOON + timedelta(days=1), *, passed=True):
    """A refit of the slow tier's model of ads."""
    some = Spread(-0.5, 1 / 3)
    levels, means = (AdLevel("ad", 8, some),), (AdMean("files/shop/b", Spread(-4.0, 0.1)),)
    priors = AdPriors(at, f"{ADS}/1", "impression", some, None, Spread(-3.0, 0.2), 0.1, levels, means)
    plain = refit(refit_id, at, passed=passed, model=f"{ADS}/1", priors=None)
    return replace(plain, priors=priors if passed else None)


def begun(store, *made, rec_id="R-1"):
    """Store a recommendation that is being applied, with these intents."""
    store.commit([step(recommendation(rec_id), State.APPLYING, intents=made)])


def named(store, known_at):
    query = SnapshotQuery(known_at, date(2026, 3, 1), 12, "USD", "UTC")
    return store.snapshot(query).targets[0].campaign_names[0]


class TestAuctions:
    def shares(self, store, known_at=NOON + timedelta(days=30)):
        store.note_budgets("ads", [budget()], NOON - timedelta(days=300))
        panel = store.snapshot(SnapshotQuery(known_at, date(2026, 3, 1), 12, "USD", "UTC")).panel
        at = (DAY - panel.first_day).days
        return None if panel.eligible is None else (panel.eligible[0, at], panel.lost[0, at])

    def test_without_shares_there_is_nothing(self, store):
        store.ingest([row(1)])
        assert self.shares(store) is None

    def test_shares_of_a_day_are_kept_as_impressions(self, store):
        store.ingest([replace(row(1), impression_share_micros=500_000, lost_to_budget_micros=200_000)])
        assert self.shares(store) == (10.0, 2.0)

    def test_those_of_the_series_of_a_budget_add_up(self, store):
        other = Series(ACCOUNT, "c1", "search", "g1")
        told = [(SERIES, 500_000, 200_000), (other, 250_000, 0)]
        store.ingest(
            replace(row(1, series=s), impression_share_micros=share, lost_to_budget_micros=lost)
            for s, share, lost in told
        )
        assert self.shares(store) == (30.0, 2.0)

    def test_they_are_known_from_when_they_were_told(self, store):
        later = NOON + timedelta(days=2)
        told = replace(row(1), impression_share_micros=500_000, lost_to_budget_micros=200_000)
        store.ingest([told])
        store.ingest([replace(told, fetched_at=NOON + timedelta(days=1))])
        store.ingest([replace(told, fetched_at=later, lost_to_budget_micros=400_000)])
        store.ingest([replace(row(1), fetched_at=later + timedelta(days=1))])
        assert self.shares(store, later - timedelta(seconds=1)) == (10.0, 2.0)
        assert self.shares(store) == (10.0, 4.0)
        assert self.shares(store, NOON - timedelta(seconds=1)) is None


class TestFacts:
    def test_rows_are_counted_by_what_they_did(self, store):
        assert store.ingest(iter([row(1), row(2, day=DAY + timedelta(days=1))])) == IngestReport(2, 2, 0, 0)
        later = NOON + timedelta(days=1)
        again = [row(1, later), row(3, later, DAY + timedelta(days=1)), row(4, later, DAY + timedelta(days=2))]
        assert store.ingest(again) == IngestReport(3, 1, 1, 1)

    def test_reading_the_same_rows_again_changes_nothing(self, store):
        rows = [row(n, NOON + timedelta(hours=n)) for n in range(5)]
        assert store.ingest(rows) == IngestReport(5, 1, 4, 0)
        assert store.ingest(reversed(rows)) == IngestReport(5, 0, 0, 5)

    def test_no_rows_are_no_change(self, store):
        assert store.ingest(iter(())) == IngestReport(0, 0, 0, 0)

    def test_a_restatement_is_kept_beside_what_it_replaces(self, store):
        store.ingest([row(1_000_000)])
        store.ingest([row(4_000_000, NOON + timedelta(days=1))])
        assert spends(store, NOON) == 1.0
        assert spends(store, NOON + timedelta(days=1, microseconds=-1)) == 1.0
        assert spends(store, NOON + timedelta(days=1)) == 4.0

    def test_an_older_statement_goes_into_the_history_only(self, store):
        store.ingest([row(1_000_000), row(3_000_000, NOON + timedelta(hours=3))])
        report = store.ingest([row(2_000_000, NOON + timedelta(hours=2)), row(500_000, NOON - timedelta(hours=1))])
        assert report == IngestReport(2, 0, 2, 0)
        known = [spends(store, NOON + timedelta(hours=h)) for h in (-1, 0, 1, 2, 3, 4)]
        assert known == [0.5, 1.0, 1.0, 2.0, 3.0, 3.0]

    def test_the_order_of_rows_in_one_reading_does_not_matter(self, store):
        rows = [row(n * 1_000_000, NOON + timedelta(hours=n)) for n in (3, 1, 2)]
        assert store.ingest(rows) == IngestReport(3, 1, 2, 0)
        assert [spends(store, NOON + timedelta(hours=h)) for h in (1, 2, 3)] == [1.0, 2.0, 3.0]

    @pytest.mark.parametrize("hours", [(1, 2), (2, 1)])
    def test_one_value_stated_twice_is_known_from_the_first_time(self, store, hours):
        assert store.ingest(row(1_000_000, NOON + timedelta(hours=h)) for h in hours) == IngestReport(2, 1, 0, 1)
        assert spends(store, NOON + timedelta(hours=1)) == 1.0

    @pytest.mark.parametrize("known", [[], [row(9)], [row(1, NOON - timedelta(days=1))]])
    @pytest.mark.parametrize("values", [(1, 2), (2, 1)])
    def test_two_values_of_one_instant_leave_nothing(self, store, known, values):
        known = [replace(r, fetched_at=NOON - timedelta(days=1)) for r in known]
        store.ingest(known)
        other = row(7, day=DAY + timedelta(days=1))
        before = store.snapshot(SnapshotQuery(NOON, date(2026, 3, 1), 12, "USD", "UTC")).digest()
        with pytest.raises(ConflictingRows, match="2026-02-20") as caught:
            store.ingest([other, row(values[0]), row(values[1])])
        assert (caught.value.series, caught.value.day) == (SERIES, DAY)
        assert store.snapshot(SnapshotQuery(NOON, date(2026, 3, 1), 12, "USD", "UTC")).digest() == before
        assert store.ingest([other]).new == 1

    def test_another_value_of_an_instant_already_stored_conflicts(self, store):
        store.ingest([row(1), row(2, NOON + timedelta(days=1))])
        with pytest.raises(ConflictingRows):
            store.ingest([row(3)])

    def test_rows_that_break_off_leave_nothing(self, store):
        def rows():
            yield row(1)
            raise OSError("the file is gone")

        with pytest.raises(OSError, match="gone"):
            store.ingest(rows())
        assert store.ingest([row(1)]).new == 1

    def test_series_of_every_level_and_definition_are_apart(self, store):
        kinds = [
            SERIES, replace(SERIES, campaign_id="c2"), replace(SERIES, ad_group_id="g"),
            replace(SERIES, ad_group_id="g", ad_id="a"), replace(SERIES, audience_id="a"),
            replace(SERIES, creative_id="a"), replace(SERIES, conversion_definition="sale"),
            replace(SERIES, attribution_setting="7d"), replace(SERIES, account=replace(ACCOUNT, account_id="2")),
        ]  # fmt: skip
        assert store.ingest(row(n, series=s) for n, s in enumerate(kinds)).new == len(kinds)
        assert store.ingest(row(n, series=replace(s)) for n, s in enumerate(kinds)).unchanged == len(kinds)

    def test_a_renamed_channel_is_the_same_series_under_its_new_name(self, store):
        store.note_budgets("ads", [budget()], NOON)
        store.ingest([row(1)])
        report = store.ingest([row(1, series=replace(SERIES, channel="paid search"))])
        assert (report.new, report.unchanged) == (0, 1)
        query = SnapshotQuery(NOON + timedelta(days=30), DAY + timedelta(days=1), 5, "USD", "UTC")
        assert [target.channel for target in store.snapshot(query).targets] == ["paid search"]

    @pytest.mark.parametrize("change", [{"currency": "EUR"}, {"time_zone": "Europe/Berlin"}])
    def test_an_account_keeps_its_currency_and_zone(self, store, change):
        store.ingest([row(1)])
        other = replace(ACCOUNT, **change)
        (name,) = change.values()
        for attempt in (
            lambda: store.ingest([row(1, series=replace(SERIES, account=other))]),
            lambda: store.note_entities([Entity(other, EntityKind.AD, "a", "A")]),
            lambda: store.note_budgets("ads", [budget(account=other)], NOON),
        ):
            with pytest.raises(StoreError, match=rf"'1' of 'ads'.*{name} now.*set .* again"):
                attempt()

    def test_the_budget_in_force_before_a_history_is_that_of_its_first_days(self, store):
        for days, amount in ((900, "7"), (400, "8"), (9, "9"), (3, "11")):
            store.note_budgets("ads", [budget(amount)], NOON - timedelta(days=days))
        store.ingest([row(1)])
        budgets = store.snapshot(SnapshotQuery(NOON, NOON.date(), 7, "USD", "UTC")).panel.budget
        assert budgets.tolist() == [[9.0, 9.0, 9.0, 9.0, 11.0, 11.0, 11.0]]
        long_ago = NOON - timedelta(days=500)
        budgets = store.snapshot(SnapshotQuery(long_ago, NOON.date(), 2, "USD", "UTC")).panel.budget
        assert budgets.tolist() == [[7.0, 7.0]]

    def test_a_budget_beyond_64_bits_is_told_by_name(self, store):
        large = replace(budget(), budget_id="b9", amount=Money.of("1e14", "USD"))
        tall = replace(budget(), budget_id="b9", minimum=Money.of("1e14", "USD"))
        for one in (large, tall, replace(budget(), budget_id="b9", quantum_micros=2**63)):
            with pytest.raises(StoreError, match=r"ads/1/b9 holds an amount beyond 9\.2e12 USD.*correct its unit"):
                store.note_budgets("ads", [budget(), one], NOON)
        query = SnapshotQuery(NOON, DAY, 1, "USD", "UTC")
        assert store.snapshot(query).targets == ()
        store.note_budgets("ads", [replace(budget(), amount=Money(2**63 - 1, "USD"))], NOON)
        assert len(store.snapshot(query).targets) == 1

    def test_a_budget_of_another_connector_is_refused(self, store):
        with pytest.raises(StoreError, match="ads/1/b1 was read as one of 'meta'"):
            store.note_budgets("meta", [budget()], NOON)

    def test_a_measure_beyond_64_bits_is_told(self, store):
        with pytest.raises(StoreError, match="correct its unit"):
            store.ingest([row(2**63)])
        assert store.ingest([row(2**63 - 1)]).new == 1


class TestLedger:
    def test_a_record_comes_back_as_it_was(self, store):
        made = recommendation()
        store.commit([step(made)])
        found = store.record("R-1")
        assert found == Record(made, State.PROPOSED)
        assert found.recommendation.computed_hash() == made.plan_hash
        approved = step(made, State.APPROVED, State.PROPOSED, approved_by="ann", approved_lines=(KEY,),
                        approvals=("ann",))  # fmt: skip
        store.commit([approved])
        assert store.record("R-1", 1) == approved.record
        assert [(e.action, e.at) for e in store.events("R-1")] == [("proposed", NOON), ("approved", NOON)]
        assert store.events("R-2") == ()

    def test_what_is_not_there_is_told(self, store):
        store.commit([step(recommendation())])
        for which in (("R-2",), ("R-1", 2)):
            with pytest.raises(NotFound, match=which[0]):
                store.record(*which)

    @pytest.mark.parametrize(
        ("attempt", "words"),
        [
            (step(recommendation()), "exists already"),
            (step(recommendation(), State.APPLYING, State.APPROVED), "'proposed' by now, not 'approved'"),
            (step(recommendation("R-2"), State.APPROVED, State.PROPOSED), "not stored"),
            (step(recommendation(seed=8), State.APPROVED, State.PROPOSED), "another plan hash"),
            (step(recommendation(), State.APPROVED, State.PROPOSED, approvals=("bob", "ann")), "somebody else"),
        ],
    )
    def test_a_step_from_another_state_is_refused_with_all_that_goes_with_it(self, store, attempt, words):
        store.commit([step(recommendation(), approvals=("ann",))])
        with pytest.raises(StateConflict, match=words):
            store.commit([step(recommendation("R-9")), replace(attempt, intents=(intent(),))])
        assert [r.recommendation.rec_id for r in store.records()] == ["R-1"]
        assert len(store.events("R-1")) == 1
        assert store.events("R-9") == ()
        assert store.intents("R-1", 1) == ()

    @pytest.mark.parametrize(
        ("state", "approvals", "waits"),
        [(State.APPROVED, ("ann",), "to be written"), (State.PROPOSED, ("ann",), "for a second person")],
    )
    def test_no_plan_of_the_programs_takes_the_place_of_an_approval_by_itself(self, store, state, approvals, waits):
        old, new = recommendation("R-1"), recommendation("R-2")
        store.commit([step(old, state, approvals=approvals)])
        told = store.audit()
        with pytest.raises(ApprovalStands, match=f"R-1 is approved and waits {waits}: no other plan is made"):
            store.commit([step(new)])
        with pytest.raises(NotFound):
            store.record("R-2")
        assert store.audit() == told
        # What somebody asked for may stand beside it: a rollback, and an edit of a plan that was made before.
        store.commit([step(recommendation("R-3", author="bob"))])
        store.commit([step(recommendation("R-4"), State.HELD)])
        closing = step(old, State.SUPERSEDED, state, approvals=approvals)
        store.commit([step(new), closing])  # whoever closes it knows of it
        assert store.record("R-2").state is State.PROPOSED
        store.commit([step(recommendation("R-5"))])  # a proposal is no approval

    def test_steps_of_one_commit_see_one_another(self, store):
        first, second = recommendation(), recommendation(revision=2, seed=8)
        store.commit([step(first)])
        store.commit([step(first, State.EDITED, State.PROPOSED), step(second), step(second, State.REJECTED,
                      State.PROPOSED)])  # fmt: skip
        assert store.record("R-1", 1).state is State.EDITED
        assert store.record("R-1").recommendation == second
        assert [r.state for r in store.records()] == [State.REJECTED]

    def test_records_are_the_latest_revisions_newest_first(self, store):
        for n in range(4):
            store.commit([step(recommendation(f"R-{n}", created_at=NOON + timedelta(hours=n // 2)))])
        store.commit([step(recommendation("R-0", 2, created_at=NOON + timedelta(hours=5)), State.HELD)])

        def ids(*asked):
            return [record.recommendation.rec_id for record in store.records(*asked)]

        proposed, one = frozenset({State.PROPOSED}), NOON + timedelta(hours=1)
        assert ids() == ["R-0", "R-3", "R-2", "R-1"]
        assert ids(proposed) == ["R-3", "R-2", "R-1"]
        assert ids(proposed, 1) == ["R-3"]
        assert ids(frozenset()) == []
        assert ids(None, 9, one) == ["R-0", "R-3", "R-2"]
        assert ids(None, 9, one + timedelta(microseconds=1)) == ["R-0"]
        assert ids(proposed, 1, one) == ["R-3"]

    def test_a_budget_has_one_open_intent_at_most(self, store):
        begun(store, intent("a"))
        again = step(recommendation(), State.APPLYING, State.APPLYING, intents=[intent("b")])
        with pytest.raises(StateConflict, match="ads/1/b1"):
            store.commit([again])
        assert store.intents("R-1", 1) == (intent("a"),)
        store.advance(intent("a"), intent("a", state=IntentState.CANCELLED), sent(intent("a"), "write-cancelled"))
        store.commit([again])
        assert store.open_intents() == (intent("b"),)

    def test_while_one_revision_is_written_no_other_is_begun(self, store):
        first, other = intent("a"), BudgetKey("ads", "1", "b2")
        begun(store, first)
        second = step(recommendation("R-2"), State.APPLYING, intents=[intent("b", other, rec_id="R-2")])
        newer = step(recommendation(revision=2), State.APPLYING, intents=[intent("c", other, revision=2)])
        for attempt in (second, newer):
            with pytest.raises(StateConflict, match="R-1 revision 1 is being written: ads/1/b1 is planned"):
                store.commit([attempt])
        assert [r.recommendation.revision for r in store.records()] == [1]
        store.commit([replace(second, intents=())])  # what brings no writes may pass
        store.advance(first, replace(first, state=IntentState.CANCELLED), sent(first, "write-cancelled"))
        store.commit([newer])
        assert [i.idempotency_key for i in store.open_intents()] == ["c"]

    def test_two_revisions_are_not_begun_in_one_commit_either(self, store):
        other = intent("b", BudgetKey("ads", "1", "b2"), rec_id="R-2")
        steps = [step(recommendation(r), State.APPLYING, intents=[i]) for r, i in (("R-1", intent()), ("R-2", other))]
        with pytest.raises(StateConflict, match="R-1 revision 1 is being written"):
            store.commit(steps)
        assert store.records() == ()

    def test_two_open_intents_of_one_commit_conflict(self, store):
        with pytest.raises(StateConflict):
            store.commit([step(recommendation(), intents=[intent("a"), intent("b", order=1)])])
        assert store.records() == ()

    def test_an_idempotency_key_is_used_once(self, store):
        other = BudgetKey("ads", "1", "b2")
        store.commit([step(recommendation(), intents=[intent("a", state=IntentState.CANCELLED)])])
        with pytest.raises(StateConflict):
            store.commit([step(recommendation("R-2"), intents=[intent("a", other)])])

    def test_intents_come_in_the_order_of_writing_and_advance_by_compare_and_set(self, store):
        keys = [BudgetKey("ads", "1", f"b{n}") for n in range(3)]
        begun(store, *(intent(f"k{n}", keys[n], 2 - n) for n in range(3)))
        assert [i.idempotency_key for i in store.intents("R-1", 1)] == ["k2", "k1", "k0"]
        before = intent("k0", keys[0], 2)
        after = replace(before, state=IntentState.SENDING, attempts=1, note="begun", updated_at=NOON)
        store.advance(before, after, Event("R-1", 1, NOON, "outlay", "sending", "k0"))
        assert store.intents("R-1", 1)[2] == after
        assert store.events("R-1")[-1].action == "sending"
        for stale in (before, intent("k9")):
            with pytest.raises(StateConflict, match="moved on"):
                store.advance(stale, replace(stale, attempts=9), Event("R-1", 1, NOON, "outlay", "never", ""))
        assert len(store.events("R-1")) == 2

    @pytest.mark.parametrize(
        "after",
        [
            intent(key="k2", state=IntentState.SENDING),
            intent(budget_key=BudgetKey("ads", "1", "b2"), state=IntentState.SENDING),
            intent(state=IntentState.ACKNOWLEDGED),
            intent(state=IntentState.SENDING, target=Money.of(12, "EUR")),
            intent(state=IntentState.SENDING, target=Money.of(13, "USD")),
            intent(state=IntentState.SENDING, base=Money.of(11, "USD")),
            intent(state=IntentState.SENDING, order=1),
        ],
    )
    def test_an_intent_stays_itself(self, store, after):
        begun(store, intent())
        with pytest.raises(StoreError, match="intent k"):
            store.advance(intent(), after, sent(after))
        assert store.intents("R-1", 1) == (intent(),)
        assert len(store.events("R-1")) == 1

    @pytest.mark.parametrize("before", IntentState)
    @pytest.mark.parametrize("after", IntentState)
    def test_a_write_takes_the_steps_of_the_table_only(self, store, before, after):
        first, then = (intent(state=state, updated_at=NOON) for state in (before, after))
        begun(store, first)
        if (before, after) in STEPS:
            store.advance(first, then, sent(then))
            assert store.intents("R-1", 1) == (then,)
        else:
            with pytest.raises(StoreError, match=f"is {before}: it cannot become {after}"):
                store.advance(first, then, sent(then))

    @pytest.mark.parametrize("state", State)
    def test_a_write_advances_only_while_its_revision_is_applied(self, store, state):
        store.commit([step(recommendation(), state, intents=[intent()])])
        after = intent(state=IntentState.SENDING)
        if state in {State.APPLYING, State.APPLIED}:
            store.advance(intent(), after, sent(after))
            assert store.events("R-1")[-1] == sent(after)
        else:
            with pytest.raises(StateConflict, match=f"R-1 is {state.value}, nothing of it is written"):
                store.advance(intent(), after, sent(after))
            assert store.intents("R-1", 1) == (intent(),)

    def test_moves_are_told_from_when_the_platform_acknowledged_them(self, store):
        begun(store, intent())
        acknowledged = intent(state=IntentState.ACKNOWLEDGED, updated_at=NOON)
        store.advance(intent(), acknowledged, sent(acknowledged))
        later = replace(acknowledged, state=IntentState.VERIFIED, updated_at=NOON + timedelta(days=1))
        store.advance(acknowledged, later, sent(later))

        def moves(at):
            snapshot = store.snapshot(SnapshotQuery(at, date(2026, 3, 1), 5, "USD", "UTC"))
            return [(m.key, m.at, m.before, m.after) for m in snapshot.moves]

        told = [(KEY, NOON, Money.of(10, "USD"), Money.of(12, "USD"))]
        assert moves(NOON - timedelta(microseconds=1)) == []
        assert moves(NOON) == told
        assert moves(NOON + timedelta(days=30)) == told
        assert moves(NOON + timedelta(days=31)) == []

    def test_closing_twice_is_allowed(self, store):
        store.close()
        store.close()


class TestWhatWasDecidedFrom:
    def test_a_revision_keeps_what_it_was_decided_from(self, store):
        kept = Basis(NOON + timedelta(microseconds=1), 400, '{"currency":"USD"}', "{}", "{}")
        store.commit(
            [replace(step(recommendation("R-1")), basis=kept), replace(step(recommendation("R-2")), basis=kept)]
        )
        store.commit([step(recommendation("R-3"))])
        assert store.basis("R-1", 1) == store.basis("R-2", 1) == kept
        assert store.basis("R-3", 1) is None
        with pytest.raises(NotFound):
            store.basis("R-1", 2)

    def test_a_step_that_was_refused_keeps_nothing(self, store):
        kept = Basis(NOON, 400, "{}", "{}", "{}")
        late = step(recommendation("R-9"), State.APPROVED, State.PROPOSED)
        with pytest.raises(StateConflict):
            store.commit([replace(step(recommendation("R-1")), basis=kept), late])
        with pytest.raises(NotFound):
            store.basis("R-1", 1)
        assert store.audit() == ()

    def test_names_are_known_from_when_they_were_read(self, store):
        store.ingest([row(1)])
        store.note_budgets("ads", [budget()], NOON - timedelta(days=300))
        for days, name in ((0, "first"), (2, "third"), (1, "second"), (3, "third")):
            store.note_entities([Entity(ACCOUNT, EntityKind.CAMPAIGN, "c1", name)], NOON + timedelta(days=days))
        names = [named(store, NOON + timedelta(days=days)) for days in (-5, 0, 1, 2, 3)]
        assert names == ["first", "first", "second", "third", "third"]

    def test_of_names_read_at_one_time_the_latest_wins(self, store):
        store.ingest([row(1)])
        store.note_budgets("ads", [budget()], NOON - timedelta(days=300))
        for name in ("first", "second"):
            store.note_entities([Entity(ACCOUNT, EntityKind.CAMPAIGN, "c1", name)], NOON)
        assert named(store, NOON) == "second"

    def test_a_walk_of_the_history_page_by_page_is_whole(self, store):
        store.commit([step(recommendation(f"R-{n}")) for n in range(5)])
        walked = list(entries(store, page=2))
        assert [entry.event.rec_id for entry in walked] == [f"R-{n}" for n in range(5)]
        assert (store.audit(2, 1), store.audit(5)) == ((walked[2],), ())
        assert prove(walked).broken is None


AD = AdState(ACCOUNT, "a1", "Ad", "c1", "g1", EntityStatus.ACTIVE, "e1")
PAUSED = replace(AD, status=EntityStatus.PAUSED, etag="e2")


def ad_intent(key="k1", ad=AD.key, order=0, state=IntentState.PLANNED, **changes):
    plain = AdIntent(key, "R-1", 1, ad, EntityStatus.ACTIVE, EntityStatus.PAUSED, order, state)
    return replace(plain, **changes)


class TestAds:
    def known(self, store, at=NOON + timedelta(days=30)):
        return store.snapshot(SnapshotQuery(at, date(2026, 3, 1), 5, "USD", "UTC")).ads

    def test_statuses_are_known_from_when_they_were_read(self, store):
        other = replace(AD, ad_id="a0", ad_group_id=None, name="")
        store.note_ads("ads", [AD, other], NOON)
        store.note_ads("ads", [PAUSED, other], NOON + timedelta(hours=2))
        assert self.known(store, NOON - timedelta(microseconds=1)) == ()
        assert self.known(store, NOON + timedelta(hours=1)) == (other, AD)
        assert self.known(store) == (other, PAUSED)

    def test_an_older_reading_goes_into_the_history_only(self, store):
        store.note_ads("ads", [PAUSED], NOON)
        store.note_ads("ads", [AD], NOON - timedelta(hours=1))
        assert self.known(store, NOON - timedelta(minutes=1)) == (AD,)
        assert self.known(store) == (PAUSED,)

    def test_of_two_readings_of_one_instant_the_later_holds(self, store):
        for read in (AD, PAUSED, replace(AD, name="New")):
            store.note_ads("ads", [read], NOON)
            assert self.known(store) == (read,)

    def test_an_ad_that_is_not_read_any_more_has_left_until_it_comes_back(self, store):
        store.note_ads("ads", [AD], NOON)
        store.note_ads("other", [], NOON + timedelta(hours=1))
        assert self.known(store) == (AD,)
        store.note_ads("ads", [], NOON + timedelta(hours=2))
        assert self.known(store) == ()
        assert self.known(store, NOON + timedelta(hours=1)) == (AD,)
        store.note_ads("ads", [AD], NOON + timedelta(hours=3))
        assert self.known(store) == (AD,)

    def test_many_ads_are_taken_in_at_once(self, store):
        many = [replace(AD, ad_id=f"{n:04}") for n in range(700)]
        store.note_ads("ads", many, NOON)
        changed = [replace(ad, status=EntityStatus.PAUSED) for ad in many[:650]]
        store.note_ads("ads", [*changed, *many[650:]], NOON)
        assert self.known(store) == (*changed, *many[650:])

    @pytest.mark.parametrize(
        ("ads", "words"),
        [
            ([replace(AD, account=replace(ACCOUNT, connector="x"))], "read as one of 'ads'"),
            ([AD, PAUSED], "read twice"),
            ([replace(AD, account=replace(ACCOUNT, currency="EUR"))], "currency"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_kept(self, store, ads, words):
        store.note_ads("ads", [AD], NOON)
        with pytest.raises(StoreError, match=words):
            store.note_ads("ads", [*ads, replace(AD, ad_id="a9")], NOON + timedelta(hours=1))
        assert self.known(store) == (AD,)

    def test_ads_are_part_of_the_evidence_of_a_plan(self, store):
        def digest():
            return store.snapshot(SnapshotQuery(NOON, date(2026, 3, 1), 5, "USD", "UTC")).digest()

        digests = [digest()]
        for read in (AD, PAUSED):
            store.note_ads("ads", [read], NOON)
            digests.append(digest())
        assert len(set(digests)) == 3

    def test_a_write_of_an_ad_is_stored_beside_one_of_a_budget_of_the_same_id(self, store):
        both = (intent("k0", BudgetKey("ads", "1", "a1")), ad_intent(order=1))
        begun(store, *both)
        assert store.intents("R-1", 1) == both
        assert store.open_intents() == both

    def test_an_ad_has_one_open_intent_at_most(self, store):
        begun(store, ad_intent())
        with pytest.raises(StateConflict, match="ads/1/ads/a1"):
            store.commit([step(recommendation(), State.APPLYING, State.APPLYING, [ad_intent("k2")])])
        closed = ad_intent(state=IntentState.CANCELLED, updated_at=NOON)
        store.advance(ad_intent(), closed, sent(closed))
        store.commit([step(recommendation(), State.APPLYING, State.APPLYING, [ad_intent("k2", order=1)])])

    @pytest.mark.parametrize(
        "after",
        [
            ad_intent(target=EntityStatus.ACTIVE),
            ad_intent(base=EntityStatus.PAUSED),
            ad_intent(ad=replace(AD.key, ad_id="a2")),
            intent(),
        ],
    )
    def test_a_write_of_an_ad_stays_itself(self, store, after):
        begun(store, ad_intent())
        moved = replace(after, state=IntentState.SENDING)
        with pytest.raises(StoreError, match="cannot become another one"):
            store.advance(ad_intent(), moved, sent(moved))

    def test_switches_are_told_from_when_the_platform_acknowledged_them(self, store):
        begun(store, ad_intent(), intent("k0", order=1))
        done = ad_intent(state=IntentState.ACKNOWLEDGED, updated_at=NOON)
        store.advance(ad_intent(), done, sent(done))

        def switches(at):
            snapshot = store.snapshot(SnapshotQuery(at, date(2026, 3, 1), 5, "USD", "UTC"))
            assert snapshot.moves == ()
            return [(s.key, s.at, s.before, s.after) for s in snapshot.switches]

        assert switches(NOON - timedelta(microseconds=1)) == []
        assert switches(NOON) == [(AD.key, NOON, EntityStatus.ACTIVE, EntityStatus.PAUSED)]
        assert switches(NOON + timedelta(days=31)) == []

    def test_approved_ads_come_back_as_they_were(self, store):
        store.commit([step(recommendation(), approved_lines=(KEY, AD.key), approvals=("ann",))])
        assert store.record("R-1").approved_lines == (KEY, AD.key)


class TestRefits:
    def known(self, store, at):
        """The priors that stood, which a snapshot of that time carries, too."""
        priors = store.latest_priors(at)
        assert store.snapshot(SnapshotQuery(at, date(2026, 3, 1), 5, "USD", "UTC")).priors == priors
        return priors

    def test_before_the_first_there_are_none(self, store):
        assert store.refits() == ()
        assert self.known(store, NOON) is None

    def test_a_refit_comes_back_as_it_was(self, store):
        kept, withheld = refit(), refit("F-2", NOON + timedelta(days=7), passed=False, file="")
        store.record_refit(kept)
        store.record_refit(withheld)
        assert store.refits() == (withheld, kept)
        assert store.refits(limit=1) == (withheld,)
        assert [r.passed for r in store.refits()] == [False, True]
        assert withheld.objections == ("Too few draws — sample more.",)

    def test_what_is_no_number_stays_what_it_is(self, store):
        check = Check("evidence", math.nan, math.inf, False, "Nothing to learn from.")
        store.record_refit(refit(passed=False, checks=(check, replace(check, value=-math.inf))))
        first, second = store.refits()[0].checks
        assert math.isnan(first.value)
        assert (first.limit, second.value) == (math.inf, -math.inf)

    def test_priors_are_known_from_the_end_of_their_fit(self, store):
        first, second = refit(half=1.0), refit("F-2", NOON + timedelta(days=7), half=2.0)
        store.record_refit(first)
        store.record_refit(second)
        assert self.known(store, NOON - timedelta(microseconds=1)) is None
        assert self.known(store, NOON) == first.priors
        assert self.known(store, second.fitted_at - timedelta(microseconds=1)) == first.priors
        assert self.known(store, second.fitted_at) == second.priors
        assert self.known(store, NOON + timedelta(days=300)) == second.priors

    def test_a_refit_that_was_refused_leaves_the_priors_of_before(self, store):
        store.record_refit(refit())
        store.record_refit(refit("F-2", NOON + timedelta(days=7), passed=False))
        assert self.known(store, NOON + timedelta(days=8)) == refit().priors

    def test_of_two_of_one_time_the_later_one_stands(self, store):
        for name, half in (("F-b", 1.0), ("F-a", 2.0)):
            store.record_refit(refit(name, half=half))
        assert [r.refit_id for r in store.refits()] == ["F-a", "F-b"]
        assert self.known(store, NOON) == refit("F-a", half=2.0).priors

    def test_priors_of_ads_stand_beside_those_of_the_response(self, store):
        ads, day = refit_of_ads(), timedelta(days=1)
        store.record_refit(refit())
        store.record_refit(ads)
        store.record_refit(refit_of_ads("F-3", NOON + 2 * day, passed=False))
        assert [(r.refit_id, r.about_ads, r.passed) for r in store.refits()] == [
            ("F-3", True, False), ("F-2", True, True), ("F-1", False, True),
        ]  # fmt: skip
        assert store.refits()[1] == ads
        for at, of_ads in ((NOON, None), (NOON + day, ads.priors), (NOON + 3 * day, ads.priors)):
            snapshot = store.snapshot(SnapshotQuery(at, date(2026, 3, 1), 5, "USD", "UTC"))
            assert (store.latest_ad_priors(at), snapshot.ad_priors) == (of_ads, of_ads)
            assert self.known(store, at) == refit().priors

    def test_a_refit_recorded_late_does_not_undo_a_younger_one(self, store):
        store.record_refit(refit("F-2", NOON + timedelta(days=7), half=2.0))
        store.record_refit(refit("F-1", NOON, half=1.0))
        assert [r.refit_id for r in store.refits()] == ["F-2", "F-1"]
        assert self.known(store, NOON + timedelta(days=8)).of("search").log_half.mean == 2.0

    def test_an_id_is_used_once(self, store):
        store.record_refit(refit(half=1.0))
        with pytest.raises(StateConflict, match=r"refit 'F-1' is stored already"):
            store.record_refit(refit(at=NOON + timedelta(days=1), half=2.0))
        assert store.refits() == (refit(half=1.0),)

    def test_priors_are_part_of_the_evidence_of_a_plan(self, store):
        query = SnapshotQuery(NOON + timedelta(days=1), date(2026, 3, 1), 5, "USD", "UTC")
        plain = store.snapshot(query).digest()
        store.record_refit(refit(passed=False))
        assert store.snapshot(query).digest() == plain
        store.record_refit(refit("F-2"))
        with_priors = store.snapshot(query).digest()
        assert with_priors != plain
        other = MemoryStore()
        other.record_refit(refit("F-2"))
        assert other.snapshot(query).digest() == with_priors


def appraisal(subject=Subject.CREDIT, at=NOON, mean=0.5, **changes):
    """Credit of a channel and one of its campaigns, or the value of a customer."""
    currency = "" if subject is Subject.CREDIT else "USD"
    estimates = (Estimate("search", mean, 0.25), Estimate("search", 2 * mean, 0.5, campaign="brand"))
    return replace(Appraisal(subject, "model/1", at, "a" * 64, currency, estimates), **changes)


class TestAppraisals:
    def known(self, store, at):
        """Those that stood, which a snapshot of that time carries, too."""
        found = store.latest_appraisals(at)
        assert store.snapshot(SnapshotQuery(at, date(2026, 3, 1), 5, "USD", "UTC")).appraisals == found
        return found

    def test_before_the_first_there_are_none(self, store):
        assert store.appraisals() == ()
        assert self.known(store, NOON) == ()

    def test_the_newest_of_each_subject_stands_from_when_it_was_made(self, store):
        day = timedelta(days=1)
        first, second, other = (
            appraisal(),
            appraisal(at=NOON + 2 * day, mean=0.7),
            appraisal(Subject.CUSTOMER, NOON + day),
        )
        for made in (second, other, first):
            store.record_appraisal(made)
        assert store.appraisals() == (second, other, first)
        assert store.appraisals(limit=1) == (second,)
        assert self.known(store, NOON - day) == ()
        assert self.known(store, NOON + day) == (first, other)
        assert self.known(store, NOON + 2 * day) == (second, other)

    def test_none_is_made_twice_at_one_time(self, store):
        store.record_appraisal(appraisal())
        with pytest.raises(StateConflict, match=r"appraisal of credit .* is stored already"):
            store.record_appraisal(appraisal(mean=0.6))
        store.record_appraisal(appraisal(Subject.CUSTOMER))
        assert set(store.appraisals()) == {appraisal(), appraisal(Subject.CUSTOMER)}

    def test_they_are_part_of_the_evidence_of_a_plan(self, store):
        query = SnapshotQuery(NOON + timedelta(days=1), date(2026, 3, 1), 5, "USD", "UTC")
        plain = store.snapshot(query).digest()
        store.record_appraisal(appraisal())
        assert store.snapshot(query).digest() != plain


# The rows that are measured


def test_rows_are_told_as_they_were_known_to_the_micro(store):
    store.note_entities([Entity(ACCOUNT, EntityKind.CAMPAIGN, "c1", "Brand")], NOON)
    other = Series(ACCOUNT, "c0", "social")
    store.ingest([row(1_234_567), row(7, day=DAY + timedelta(days=1)), row(5, series=other)])
    store.ingest([row(2_000_001, NOON + timedelta(days=1))])
    then = store.performance(NOON, DAY, DAY + timedelta(days=1))
    assert [s.campaign_id for s in then.series] == ["c0", "c1"]
    assert then.row.tolist() == [0, 1, 1]
    assert then.day.tolist() == [DAY.toordinal(), DAY.toordinal(), DAY.toordinal() + 1]
    assert then.micros[:, 0].tolist() == [5, 1_234_567, 7]
    assert then.micros[0].tolist() == [5, 2_000_000, 0, 5_000_000, 3_000_000]
    assert then.reported[0].tolist() == [True, True, False, True, True]
    assert then.names[("ads", "1", EntityKind.CAMPAIGN, "c1")] == "Brand"
    now = store.performance(NOON + timedelta(days=2), DAY, DAY)
    assert now.micros[:, 0].tolist() == [5, 2_000_001]


def test_a_day_that_is_not_over_is_not_among_the_rows_that_are_measured(store):
    east = Series(Account("ads", "2", "USD", "Pacific/Auckland"), "c1", "search")
    day = NOON.date()
    store.ingest([row(3, day=day), row(4, day=day, series=east)])
    found = store.performance(NOON, day, day)
    assert found.micros[:, 0].tolist() == [4], "in Auckland the day was over an hour before"
    assert store.performance(NOON - timedelta(days=9), day, day).series == ()
    with pytest.raises(ValueError, match="before the first"):
        store.performance(NOON, day, day - timedelta(days=1))


def test_what_stands_in_the_way_of_a_plan_can_be_told_by_another_process():
    stands = ApprovalStands.of(Record(recommendation(), State.APPROVED))
    assert (
        str(pickle.loads(pickle.dumps(stands)))
        == str(stands)
        == ("R-1 is approved and waits to be written: no other plan is made")
    )
