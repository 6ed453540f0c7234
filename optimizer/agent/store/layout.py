"""Which series belong to which budget, arm and delay group. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from connectors.contract import Account, BudgetTarget, EntityKind, EntityStatus, Level, Series
from optimizer.agent.store.known import EntityKey, Groups, Known, KnownSeries
from optimizer.plan.snapshot import Arm, Target
from optimizer.ports import StoreError

_NO_CHANNEL = "unknown"
_NO_DEFINITION = "all"
_KINDS = {level: EntityKind(level.value) for level in Level}


@dataclass(frozen=True, slots=True)
class Layout:
    """Who belongs to whom; positions are those of `targets`, `arms`, `strays` and `delays`.

    Attributes:
        by_target: Target of each series that a budget pays for.
        arms, by_arm: The ads and audiences of those, and the series of each.
        strays, by_stray: Campaigns that draw on no known budget, as `connector/account/campaign`, and their series.
        delays: Delay groups (connector, conversion definition) with the positions of their targets.
    """

    targets: tuple[Target, ...]
    by_target: Groups
    arms: tuple[Arm, ...]
    by_arm: Groups
    strays: tuple[str, ...]
    by_stray: Groups
    delays: Mapping[tuple[str, str], tuple[int, ...]]


def lay_out(known: Known, currency: str) -> Layout:
    """Assign every known series to its budget, arm and delay group.

    A budget of which everything that draws on it has been removed is no target any more.

    Raises:
        StoreError: An account is in another currency than the portfolio's.
    """
    _check_currency(known, currency)
    budgets = sorted((b for b in known.budgets if not _removed(b, known)), key=lambda b: b.key)
    owners = _owners(budgets)
    series = sorted(known.series, key=lambda s: natural(s.series))
    owned = [(item, owner) for item in series if (owner := _owner(item.series, owners)) is not None]
    members: list[list[Series]] = [[] for _ in budgets]
    for item, owner in owned:
        members[owner].append(item.series)
    arms, by_arm = _arms(owned, known)
    strays, by_stray = _strays(item for item in series if _owner(item.series, owners) is None)
    return Layout(
        targets=tuple(_target(budget, members[k], known) for k, budget in enumerate(budgets)),
        by_target={item.number: owner for item, owner in owned},
        arms=arms,
        by_arm=by_arm,
        strays=strays,
        by_stray=by_stray,
        delays=_delays(budgets, members),
    )


def accounts(known: Known) -> tuple[Account, ...]:
    """Return the accounts that have rows or budgets, in order."""
    found = {item.series.account for item in known.series} | {budget.account for budget in known.budgets}
    return tuple(sorted(found, key=lambda a: (a.connector, a.account_id)))


def _check_currency(known: Known, currency: str) -> None:
    for account in accounts(known):
        if account.currency != currency:
            raise StoreError(
                f"account {account.account_id!r} of {account.connector!r} is in {account.currency}, the portfolio in "
                f"{currency}; no rate is assumed: plan it by a settings file of its own, with that currency and store"
            )


def _removed(budget: BudgetTarget, known: Known) -> bool:
    keys = [_entity_key(budget.account, _KINDS[budget.holder], cover) for cover in budget.covers]
    return all(key in known.entities and known.entities[key].status is EntityStatus.REMOVED for key in keys)


def _entity_key(account: Account, kind: EntityKind, entity_id: str) -> EntityKey:
    return (account.connector, account.account_id, kind, entity_id)


def _owners(budgets: Sequence[BudgetTarget]) -> dict[EntityKey, int]:
    """Return who pays for what; of two budgets that name one entity the first by key does."""
    owners: dict[EntityKey, int] = {}
    for position, budget in enumerate(budgets):
        for cover in budget.covers:
            owners.setdefault(_entity_key(budget.account, _KINDS[budget.holder], cover), position)
    return owners


def _owner(series: Series, owners: Mapping[EntityKey, int]) -> int | None:
    """Return the budget that pays for a series: the one held nearest to it, so that no row is counted twice."""
    levels = (
        (EntityKind.AD, series.ad_id),
        (EntityKind.AD_GROUP, series.ad_group_id),
        (EntityKind.CAMPAIGN, series.campaign_id),
    )
    for kind, entity_id in levels:
        if entity_id is not None and (owner := owners.get(_entity_key(series.account, kind, entity_id))) is not None:
            return owner
    return None


def natural(series: Series) -> tuple[str, ...]:
    """Return a series' ids, by which series are put in order."""
    ids = (series.campaign_id, series.ad_group_id, series.ad_id, series.creative_id, series.audience_id)
    account = (series.account.connector, series.account.account_id)
    rest = (series.conversion_definition, series.attribution_setting)
    return (*account, *(part or "" for part in ids), *rest)


def _target(budget: BudgetTarget, members: Sequence[Series], known: Known) -> Target:
    campaigns = _campaigns(budget, members, known)
    entities = [known.entities.get(_entity_key(budget.account, EntityKind.CAMPAIGN, c)) for c in campaigns]
    return Target(
        budget=budget,
        channel=_commonest([series.channel for series in members], _NO_CHANNEL),
        tags=tuple(sorted({tag for entity in entities if entity is not None for tag in entity.tags})),
        campaigns=campaigns,
        campaign_names=tuple(c if e is None else e.name for c, e in zip(campaigns, entities, strict=True)),
    )


def _campaigns(budget: BudgetTarget, members: Sequence[Series], known: Known) -> tuple[str, ...]:
    if budget.holder is Level.CAMPAIGN:
        return tuple(sorted(set(budget.covers)))
    found = {series.campaign_id for series in members}
    for cover in budget.covers:
        campaign = _ancestor(_entity_key(budget.account, _KINDS[budget.holder], cover), known)
        if campaign is not None:
            found.add(campaign)
    return tuple(sorted(found))


def _ancestor(key: EntityKey, known: Known) -> str | None:
    """Return the campaign above an ad group or ad, None where the store has not been told."""
    above = {EntityKind.AD: EntityKind.AD_GROUP, EntityKind.AD_GROUP: EntityKind.CAMPAIGN}
    while (kind := above.get(key[2])) is not None:
        entity = known.entities.get(key)
        if entity is None or entity.parent_id is None:
            return None
        key = (key[0], key[1], kind, entity.parent_id)
    return key[3]


def _commonest(names: Collection[str], otherwise: str) -> str:
    if len(set(names)) == 1:  # nearly always, and counting costs more than all else
        return next(iter(names))
    counts = Counter(names)
    return min(counts, key=lambda name: (-counts[name], name)) if counts else otherwise


def _strays(series: Iterable[KnownSeries]) -> tuple[tuple[str, ...], Groups]:
    names = {item.number: _campaign_path(item.series) for item in series}
    strays = tuple(sorted(set(names.values())))
    position = {name: place for place, name in enumerate(strays)}
    return strays, {number: position[name] for number, name in names.items()}


def _campaign_path(series: Series) -> str:
    return f"{series.account.connector}/{series.account.account_id}/{series.campaign_id}"


def _arms(owned: Sequence[tuple[KnownSeries, int]], known: Known) -> tuple[tuple[Arm, ...], Groups]:
    found = {item.number: _arm(item.series, owner, known) for item, owner in owned if _is_arm(item.series)}
    arms = tuple(sorted(set(found.values()), key=_arm_order))
    position = {arm: place for place, arm in enumerate(arms)}
    return arms, {number: position[arm] for number, arm in found.items()}


def _is_arm(series: Series) -> bool:
    return (series.ad_id, series.creative_id, series.audience_id) != (None, None, None)


def _arm(series: Series, owner: int, known: Known) -> Arm:
    parts = (
        (EntityKind.AD, series.ad_id),
        (EntityKind.CREATIVE, series.creative_id if series.ad_id is None else None),
        (EntityKind.AUDIENCE, series.audience_id),
    )
    name = " | ".join(_name(series.account, kind, part, known) for kind, part in parts if part is not None)
    return Arm(owner, series.ad_group_id, series.ad_id, series.creative_id, series.audience_id, name)


def _name(account: Account, kind: EntityKind, entity_id: str, known: Known) -> str:
    entity = known.entities.get(_entity_key(account, kind, entity_id))
    return entity_id if entity is None else entity.name


def _arm_order(arm: Arm) -> tuple[int, tuple[str, ...]]:
    return arm.target, tuple(part or "" for part in (arm.ad_group_id, arm.ad_id, arm.creative_id, arm.audience_id))


def _delays(
    budgets: Sequence[BudgetTarget], members: Sequence[Sequence[Series]]
) -> dict[tuple[str, str], tuple[int, ...]]:
    """Put each target into the group of its commonest conversion definition."""
    groups: dict[tuple[str, str], list[int]] = {}
    for position, (budget, series) in enumerate(zip(budgets, members, strict=True)):
        definition = _commonest([s.conversion_definition for s in series], _NO_DEFINITION)
        key = (budget.account.connector, definition)
        groups.setdefault(key, []).append(position)
    return {key: tuple(groups[key]) for key in sorted(groups)}
