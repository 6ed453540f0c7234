"""What every store refuses, and in which words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from connectors.contract import Account, AdKey, AdState, BudgetTarget
from optimizer.approval import STEPS
from optimizer.approval.table import PROGRAM
from optimizer.plan.appraisal import Appraisal
from optimizer.plan.doubts import Doubt
from optimizer.plan.experiments import Closing, ExperimentRecord
from optimizer.plan.lift_tests import Holdout, LiftEnd, LiftPlan, LiftRecord
from optimizer.plan.record import BudgetIntent, Intent, IntentState, Record, State, Transition
from optimizer.ports import ApprovalStands, NotFound, StateConflict, StoreError

LARGEST: Final = 2**63 - 1
"""The largest number of micros that a database holds."""

_CONFIRMED: Final = frozenset({IntentState.ACKNOWLEDGED, IntentState.VERIFIED})
_WRITING: Final = frozenset({State.APPLYING, State.APPLIED})


def same_account(stored: Account, given: Account) -> None:
    """Check that an account is what it was.

    Raises:
        StoreError: Its currency or zone is another one than that of everything stored under it.
    """
    for what, old, new in (
        ("currency", stored.currency, given.currency),
        ("time zone", stored.time_zone, given.time_zone),
    ):
        if old != new:
            raise StoreError(
                f"account {given.account_id!r} of {given.connector!r} is stored with {what} {old}, and is {new} now; "
                f"its history does not fit any more: set {old} again, or begin a new store"
            )


def check_budgets(connector: str, budgets: Iterable[BudgetTarget]) -> None:
    """Check that budgets are of one connector and that a database can hold them.

    Raises:
        StoreError: One is of another connector, or its amount, minimum or quantum does not fit into 64 bits.
    """
    for budget in budgets:
        if budget.account.connector != connector:
            raise StoreError(f"budget {budget.key} was read as one of {connector!r}; correct the connector")
        minimum = 0 if budget.minimum is None else budget.minimum.micros
        if max(budget.amount.micros, minimum, budget.quantum_micros) > LARGEST:
            raise StoreError(
                f"budget {budget.key} holds an amount beyond 9.2e12 {budget.account.currency}, which no budget is; "
                "correct its unit in the source"
            )


def check_ads(connector: str, ads: Iterable[AdState]) -> None:
    """Check that ads are of one connector and stand once each.

    Raises:
        StoreError: One is of another connector, or was read twice.
    """
    met: set[AdKey] = set()
    for ad in ads:
        if ad.account.connector != connector:
            raise StoreError(f"ad {ad.key} was read as one of {connector!r}; correct the connector")
        if ad.key in met:
            raise StoreError(f"ad {ad.key} was read twice in one reading; correct the connector")
        met.add(ad.key)


def check_doubts(connector: str, doubts: Iterable[Doubt]) -> None:
    """Check that doubts are of one connector, and that each account and code has one at most.

    Raises:
        StoreError: One is of another connector, or two are of one account and code.
    """
    met: set[tuple[str, str]] = set()
    for doubt in doubts:
        if doubt.connector != connector:
            raise StoreError(f"doubt {doubt.code!r} of {doubt.subject} was noted as one of {connector!r}")
        if (doubt.account_id, doubt.code) in met:
            raise StoreError(f"doubt {doubt.code!r} of {doubt.subject} was noted twice in one reading")
        met.add((doubt.account_id, doubt.code))


def check_alone(other: Intent | None) -> None:
    """Check that no other revision is being written, of which an open intent is given.

    Raises:
        StateConflict: One is. Two plans at once could each keep a limit and together break it.
    """
    if other is not None:
        raise StateConflict(
            f"{other.rec_id} revision {other.revision} is being written: {other.key} is {other.state.value}; "
            "let it end first"
        )


def check_step(stored: Record | None, step: Transition) -> None:
    """Check that a step starts from what is stored.

    Raises:
        StateConflict: The revision exists though it should be new, is not in the state that the step starts from,
            holds another plan, or has an approval that the step's record lacks.
        StoreError: An intent names two currencies.
    """
    recommendation = step.record.recommendation
    name = f"{recommendation.rec_id} revision {recommendation.revision}"
    for intent in step.intents:
        if isinstance(intent, BudgetIntent):
            _check_currency(intent)
    if stored is None:
        if step.before is not None:
            raise StateConflict(f"{name} is not stored, though the step starts from {step.before.value!r}")
        return
    if step.before is None:
        raise StateConflict(f"{name} exists already")
    if stored.state is not step.before:
        raise StateConflict(f"{name} is {stored.state.value!r} by now, not {step.before.value!r}: look at it again")
    if stored.recommendation.plan_hash != recommendation.plan_hash:
        raise StateConflict(f"{name} is stored with another plan hash: a revision is never changed")
    if step.record.approvals[: len(stored.approvals)] != stored.approvals:
        raise StateConflict(f"{name} has been approved by somebody else meanwhile: look at it again")


def new_plans(steps: Iterable[Transition]) -> frozenset[str]:
    """The plans of the program's own that steps propose; edits and rollbacks are not, since somebody asked for them."""
    made = (step.record.recommendation for step in steps if (step.before, step.record.state) == (None, State.PROPOSED))
    return frozenset(each.rec_id for each in made if each.author == PROGRAM)


def check_unapproved(standing: Record | None) -> None:
    """Check that no approval waits, of which one is given: whoever gave it may have done so while the plan was made.

    Raises:
        ApprovalStands: One does.
    """
    if standing is not None:
        raise ApprovalStands.of(standing)


def check_intent(stored: Intent | None, state: State | None, before: Intent, after: Intent) -> None:
    """Check that an intent is replaced by a next state of itself.

    Args:
        stored: What is stored under its key.
        state: Where its revision stands; None if that is not stored.
        before: What the step starts from.
        after: What it leads to.

    Raises:
        StateConflict: The stored intent is not `before`, or its revision is not being applied or applied.
        StoreError: `after` is another write, no write takes such a step, or it is confirmed without saying when.
    """
    if stored != before:
        raise StateConflict(f"intent {before.idempotency_key} has moved on meanwhile, or is not stored")
    if state not in _WRITING:
        stands = "not stored" if state is None else state.value
        raise StateConflict(f"intent {before.idempotency_key}: {before.rec_id} is {stands}, nothing of it is written")
    if _identity(before) != _identity(after):
        raise StoreError(f"intent {before.idempotency_key} cannot become another one: {after}")
    if (before.state, after.state) not in STEPS:
        raise StoreError(f"intent {before.idempotency_key} is {before.state}: it cannot become {after.state}")
    if after.state in _CONFIRMED and after.updated_at is None:
        raise StoreError(f"intent {after.idempotency_key} is confirmed without a time: set updated_at")


def acknowledged_at(intent: Intent, before: datetime | None) -> datetime | None:
    """Return since when a platform has confirmed an intent: the first time stays."""
    if before is not None or intent.state not in _CONFIRMED:
        return before
    return intent.updated_at


def taken(intents: Sequence[Intent]) -> StateConflict:
    """Return the error of intents of which one is stored already, or whose budget or ad has an open one."""
    keys = ", ".join(str(intent.key) for intent in intents)
    return StateConflict(f"a write is open, or was planned before, on one of these: {keys}")


def too_large() -> StoreError:
    """Return the error of a measure that does not fit into 64 bits."""
    return StoreError("a measure is beyond 9.2e18 millionths, which no amount is; correct its unit in the source")


def no_such_record(rec_id: str, revision: int | None) -> NotFound:
    """Return the error of a recommendation that is not stored."""
    which = "" if revision is None else f" revision {revision}"
    return NotFound(f"there is no recommendation {rec_id!r}{which}")


def same_appraisal(made: Appraisal) -> StateConflict:
    """Return the error of an appraisal of a subject and time of which there is one."""
    return StateConflict(f"an appraisal of {made.subject} of {made.made_at} is stored already, and is never changed")


def same_refit(refit_id: str) -> StateConflict:
    """Return the error of a refit whose id is taken."""
    return StateConflict(f"refit {refit_id!r} is stored already, and a refit is never changed")


def check_registration(kept: Iterable[ExperimentRecord], new: ExperimentRecord) -> None:
    """Refuse an experiment that would take part in another one that is still open.

    Args:
        kept: All that are stored.
        new: The one to be entered.

    Raises:
        StateConflict: Its id is taken, or an open one has its name or shares an arm or the audience of one with it.
    """
    plan = new.plan
    for old in kept:
        if old.experiment_id == new.experiment_id:
            raise StateConflict(f"experiment {old.experiment_id!r} is registered already, and is never changed")
        if old.closing is not None:
            continue
        where = f"{old.plan.name!r} ({old.experiment_id}), which is still open; close that one first"
        if old.plan.name == plan.name:
            raise StateConflict(f"an experiment of this name is {where}, or choose another name")
        if not set(old.plan.targets) & set(plan.targets):
            continue
        shared = sorted(set(old.plan.ids) & set(plan.ids))
        if old.plan.kind is not plan.kind:
            raise StateConflict(f"a target of it is in {where}: an ad of the one may reach an audience of the other")
        if shared:
            raise StateConflict(f"arm {shared[0]!r} is in {where}")


def check_closing(kept: Iterable[ExperimentRecord], closing: Closing) -> None:
    """Refuse the end of an experiment that there is not, or that has one.

    Raises:
        NotFound: It was never registered.
        StateConflict: It is closed already, or was not registered by then.
    """
    found = [record for record in kept if record.experiment_id == closing.experiment_id]
    if not found:
        raise NotFound(f"there is no experiment {closing.experiment_id!r}")
    if found[0].closing is not None or found[0].registered_at > closing.closed_at:
        raise StateConflict(f"experiment {closing.experiment_id!r} is closed already, or was not registered by then")


def check_lift_test(kept: Iterable[LiftRecord], new: LiftRecord) -> None:
    """Refuse a lift test that would meet another one that is still open.

    Raises:
        StateConflict: Its id is taken, or an open one has its name, or is about the same spend.
    """
    for old in kept:
        if old.lift_id == new.lift_id:
            raise StateConflict(f"lift test {old.lift_id!r} is registered already, and is never changed")
        if old.end is not None:
            continue
        where = f"{old.plan.name!r} ({old.lift_id}), which is still open; read or stop that one first"
        if old.plan.name == new.plan.name:
            raise StateConflict(f"a lift test of this name is {where}, or choose another name")
        if _meet(old.plan, new.plan):
            raise StateConflict(f"the same spend is tested by {where}")


def _meet(one: LiftPlan, other: LiftPlan) -> bool:
    """Whether two tests are about the same spend: a budget of both, or a channel and what is in it."""
    if not isinstance(one, Holdout) and not isinstance(other, Holdout):
        return not {base.key for base in one.bases}.isdisjoint(base.key for base in other.bases)
    return one.channel == other.channel and (None in (one.campaign, other.campaign) or one.campaign == other.campaign)


def check_lift_end(kept: Iterable[LiftRecord], end: LiftEnd) -> None:
    """Refuse the end of a lift test that there is not, or that has one.

    Raises:
        NotFound: It was never registered.
        StateConflict: It has ended already, or was not registered by then.
    """
    found = [record for record in kept if record.lift_id == end.lift_id]
    if not found:
        raise NotFound(f"there is no lift test {end.lift_id!r}")
    if found[0].end is not None or found[0].registered_at > end.at:
        raise StateConflict(f"lift test {end.lift_id!r} has ended already, or was not registered by then")


def _identity(intent: Intent) -> tuple[object, ...]:
    what = (intent.key, intent.base, intent.target, intent.order)
    return intent.idempotency_key, intent.rec_id, intent.revision, *what


def _check_currency(intent: BudgetIntent) -> None:
    if intent.base.currency != intent.target.currency:
        raise StoreError(f"intent {intent.idempotency_key} goes from {intent.base} to {intent.target}")
