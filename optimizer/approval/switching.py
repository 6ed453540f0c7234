"""Ads of one budget at every instant of switching them: a budget that runs never stands without a running ad.

The sum of budgets has its envelopes; this is the like for ads. Each ad counts as running only if it runs whatever
becomes of the writes that are open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from connectors.contract import AdKey, AdState, BudgetKey, BudgetTarget, EntityStatus, zone
from optimizer.approval.intents import DONE, latest
from optimizer.approval.proposals import ad_lines, chosen, resumes
from optimizer.approval.refusal import Code, Refusal
from optimizer.goals import Goals
from optimizer.plan.recommendation import AdLine, LineKey
from optimizer.plan.record import AdIntent, Intent, IntentState, Record
from optimizer.plan.running import crews, running
from optimizer.plan.snapshot import Snapshot
from optimizer.plan.tested import ads_in_experiments
from optimizer.rotation import Rotation, protection

_AGAIN: Final = "Make a new plan."
_WHOLE: Final = "Choose the ad that takes its place too, or approve the whole plan."

Live = Mapping[BudgetKey, BudgetTarget]
Ads = Mapping[AdKey, AdState]


def in_order(lines: Iterable[AdLine]) -> tuple[AdLine, ...]:
    """Order the switches of each budget so that resumes go before pauses."""
    return tuple(sorted(lines, key=lambda line: (line.target, not resumes(line), line.key)))


def alone(lines: Iterable[AdLine]) -> Refusal | None:
    """Refuse chosen lines that by themselves leave a budget with fewer running ads than the plan keeps."""
    for _, group in groupby(in_order(lines), key=lambda line: line.target):
        members = tuple(group)
        left = members[0].running + sum(1 if resumes(line) else -1 for line in members)
        least = min(members[0].least, members[0].running)
        if left < least:
            names = ", ".join(line.name for line in members)
            words = f"The chosen lines cannot stand by themselves: {names}: {_left(left, least)}."
            return Refusal(Code.LAST_AD, words, _WHOLE)
    return None


def darkened(lines: Iterable[AdLine], live: Live, ads: Ads) -> Refusal | None:
    """Refuse to begin what would leave a budget too few running ads, with all ads as they are now."""
    crew = crews(live.values(), ads.values())
    for target, group in groupby(in_order(lines), key=lambda line: line.target):
        members = tuple(group)
        if (refusal := _strangers(members, crew.get(target, ()))) is not None:
            return refusal
        runs = running(crew[target])
        left = runs.difference(*[{line.key} for line in members if not resumes(line)])
        left |= {line.key for line in members if resumes(line)}
        least = _least(members[0].least, len(runs))
        if len(left) < least and len(left) < len(runs):
            return Refusal(Code.LAST_AD, f"{members[0].name}: {_left(len(left), least)}.", _AGAIN)
    return None


def darkens(
    intent: AdIntent, line: AdLine, current: Mapping[LineKey, Intent], crew: Sequence[AdState], keep: int = 1
) -> str | None:
    """Say why a switch may not be sent now, or None: a pause waits for the ads that are to run instead.

    Args:
        intent: A planned one.
        line: The line that it carries out.
        current: Every intent of the revision that counts.
        crew: The ads that draw on the line's budget, read now.
        keep: How many must run by the settings of now, if so many did; the plan's own number holds, too.
    """
    if intent.key not in {ad.key for ad in crew}:
        return f"{line.name} does not draw on {line.target} any more"
    if intent.target is EntityStatus.ACTIVE:
        return None
    switches = {each.key: each for each in current.values() if isinstance(each, AdIntent)}
    planned_from = {ad.key for ad in crew if _base(ad, switches) is EntityStatus.ACTIVE}
    sure = {ad.key for ad in crew if ad.status is EntityStatus.ACTIVE and not _may_stop(switches.get(ad.key))}
    least, left = _least(max(line.least, keep), len(planned_from)), len(sure - {intent.key})
    return f"{line.name}: {_left(left, least)}" if left < least else None


def touched(record: Record, intent: Intent, ads: Ads) -> bool:
    """Whether an ad was switched since the plan was made, wherever it stands now, by its etag.

    Of two statuses, to undo a switch is to restore the base: without this, a switch whose answer was lost and that a
    person has undone would look as if it had never been made, and would be made again. False of a budget, whose base
    nobody meets by chance, and where the platform has no etag.
    """
    if not isinstance(intent, AdIntent) or intent.key not in ads:
        return False
    planned = next((line.etag for line in record.recommendation.decision.ads if line.key == intent.key), "")
    now = ads[intent.key].etag
    return bool(planned and now) and planned != now


def forbidden(
    record: Record, intents: Iterable[Intent], seen: Snapshot, wanted: Goals, rotation: Rotation, now: datetime
) -> Refusal | None:
    """Judge the planned switches of a revision by the pins, experiments and settings of this moment.

    A rollback restores what stood before: pins and experiments hold for it, the settings must not keep it back.

    Args:
        record: The revision.
        intents: All of its intents; those that are planned are judged.
        seen: Who draws on which budget, under which channel and tags, and which experiments are open.
        wanted: The goals as they are now.
        rotation: The settings of ads as they are now.
        now: Aware UTC.
    """
    decision = record.recommendation.decision
    lines = {line.key: line for line in ad_lines(chosen(record))}
    ahead = [i for i in latest(intents).values() if isinstance(i, AdIntent) and i.state is IntentState.PLANNED]
    if ahead and rotation.off and record.recommendation.parent_id is None:
        return Refusal(Code.NOT_WRITABLE, "Ads are not switched any more: ads.max_changes is 0.", _AGAIN)
    targets = {target.key: target for target in seen.targets}
    day = min(decision.as_of, now.astimezone(zone(decision.time_zone)).date())
    tested = ads_in_experiments(seen)
    for intent in ahead:
        line = lines[intent.key]
        why = protection(wanted, targets.get(line.target), line.key, line.name, day)
        if why is None and (line.target, line.key.ad_id) in tested:
            why = "it is in an open experiment"
        if why is not None:
            words = f"{line.name} may not be set to {line.proposed} any more: {why}."
            return Refusal(Code.NOT_WRITABLE, words, _AGAIN)
    return None


def _strangers(lines: Sequence[AdLine], crew: Sequence[AdState]) -> Refusal | None:
    known = {ad.key for ad in crew}
    for line in lines:
        if line.key not in known:
            words = f"{line.name} ({line.key}) does not draw on {line.target} any more."
            return Refusal(Code.NOT_WRITABLE, words, _AGAIN)
    return None


def _least(planned: int, running_now: int) -> int:
    """How many ads must go on running: what the plan keeps, but never more than ran, and never none."""
    return max(min(planned, running_now), 1)


def _base(ad: AdState, switches: Mapping[AdKey, AdIntent]) -> EntityStatus:
    """The status from which the plan was made; what somebody else has set since counts as it is."""
    intent = switches.get(ad.key)
    return ad.status if intent is None or intent.state is IntentState.DRIFT else intent.base


def _may_stop(intent: AdIntent | None) -> bool:
    """Whether an ad that is read as running is, or may yet come to be, paused by a call of ours."""
    if intent is None or intent.target is EntityStatus.ACTIVE:
        return False
    # A first call that was refused, or never sent, cannot land any more; see `intents.most`.
    return intent.state in DONE or intent.attempts > (1 if intent.state is IntentState.REFUSED else 0)


def _left(left: int, least: int) -> str:
    return f"{left} of the ads of its budget would run, and at least {least} must"
