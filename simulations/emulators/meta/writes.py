"""What is changed by a POST to a campaign, an ad set or an ad: first looked at as a whole, then done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from simulations.emulators.meta.errors import GraphError, changed_too_often, invalid, not_there
from simulations.emulators.meta.layout import Kind, Layout
from simulations.emulators.meta.requests import Asked
from simulations.emulators.meta.units import step

Body = dict[str, Any]
Deed = Callable[[], None]

_HOUR: Final = timedelta(hours=1)
_BESIDE: Final = frozenset({"execution_options", "appsecret_proof", "fields", "method"})


def write(layout: Layout, asked: Asked) -> Body:
    """Do what is asked for; with `validate_only`, only look at it.

    Raises:
        GraphError: It is refused; nothing was done.
    """
    node = asked.path[0]
    deeds = _deeds(layout, node, asked)
    if not asked.validates_only:
        for deed in deeds:
            deed()
    return {"success": True}


def _deeds(layout: Layout, node: str, asked: Asked) -> list[Deed]:
    wanted = {name: value for name, value in asked.params.items() if name not in _BESIDE}
    for campaign in layout.account.campaigns():
        if str(campaign.campaign_id) == node:
            return [_budget(layout, "Campaign", campaign.index, name, value) for name, value in wanted.items()]
    for ad_set in layout.ad_sets():
        if str(ad_set.ad_set_id) == node:
            return [_budget(layout, "AdSet", ad_set.campaign.index, name, value) for name, value in wanted.items()]
    for ad in layout.account.ads():
        if str(ad.ad_id) == node and layout.gone.get(ad.ad_id) != "DELETED":
            return [_switch(layout, ad.ad_id, ad.index, name, value) for name, value in wanted.items()]
    raise not_there(node, asked.method)


def _budget(layout: Layout, kind: Kind, campaign: int, name: str, value: Any) -> Deed:
    holds = layout.holds(campaign) == (kind == "Campaign")
    if name == "lifetime_budget" and holds:
        raise invalid("Cannot switch between daily and lifetime budgets", 1_885_090)
    if name != "daily_budget":
        raise invalid(f"{name} of a {kind} cannot be changed in this emulator")
    if not holds:
        words = "The budget is set at the other level: a campaign and its ad sets never hold one both."
        raise invalid("Invalid parameter", 1_885_621, words)
    text = str(value)
    if not text.isdigit():
        raise invalid("Param daily_budget must be an integer")
    if int(text) < layout.least_units(kind, campaign):
        least = layout.least_units(kind, campaign)
        raise invalid("Invalid parameter", 1_885_272, f"Your budget is too low. It must be at least {least}.")
    _require_time(layout, campaign)
    micros = int(text) * step(layout.account.currency)
    return lambda: _do(layout.account.set_budget, campaign, micros)


def _require_time(layout: Layout, campaign: int) -> None:
    most, account = layout.options.budget_changes_an_hour, layout.account
    if most is None:
        return
    since = account.now - _HOUR
    if sum(change.index == campaign and change.at > since for change in layout.budget_changes()) >= most:
        raise changed_too_often()


def _switch(layout: Layout, ad_id: int, ad: int, name: str, value: Any) -> Deed:
    if name != "status":
        raise invalid(f"{name} of an Ad cannot be changed in this emulator")
    if value not in ("ACTIVE", "PAUSED", "ARCHIVED", "DELETED"):
        raise invalid("Param status must be one of {ACTIVE, PAUSED, DELETED, ARCHIVED}")
    if ad_id in layout.gone and value in ("ACTIVE", "PAUSED"):
        raise GraphError("(#100) An archived ad cannot be changed", 100, 1_487_056)

    def deed() -> None:
        if value in ("ARCHIVED", "DELETED"):
            layout.gone[ad_id] = value
        _do(layout.account.switch, ad, value == "ACTIVE")

    return deed


def _do[**P](change: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    change(*args, **kwargs)
