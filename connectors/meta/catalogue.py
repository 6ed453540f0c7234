"""What there is in an account: campaigns, ad sets with their learning stage, ads, creatives, audiences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from connectors.contract import Account, AdState, Entity, EntityKind, EntityStatus
from connectors.errors import AskMarketer
from connectors.meta.door import Body, Door, text
from connectors.meta.options import Options

_GONE: Final = ("DELETED", "ARCHIVED")
_CAMPAIGNS: Final = ("ACTIVE", "PAUSED", "IN_PROCESS", "WITH_ISSUES", "ARCHIVED", "DELETED")
_AD_SETS: Final = (*_CAMPAIGNS, "CAMPAIGN_PAUSED")
_ADS: Final = (
    *_AD_SETS, "ADSET_PAUSED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED", "PENDING_BILLING_INFO",
)  # fmt: skip
_LEARNING: Final = {"LEARNING": "learning", "FAIL": "learning-limited"}
_LIMIT: Final = 200
"""Rows of a page: the fields of creatives and audiences are heavy."""


def account_of(door: Door, connector: str, account_id: str) -> Account:
    """Return an ad account, with its currency and time zone.

    Raises:
        ConnectorError: Of one of the families.
    """
    body = door.read(f"act_{account_id}", fields="account_id,name,currency,timezone_name").body
    where = f"{connector}: ad account {account_id}"
    try:
        return Account(connector, account_id, text(body, "currency", where), text(body, "timezone_name", where))
    except ValueError as error:
        words = str(error)
    raise AskMarketer(f"{where}: {words}", mend="leave this account out, or update Outlay")


def entities(door: Door, account: Account, options: Options) -> Iterator[Entity]:
    """Yield everything of an account that has a name, parents first; what was archived or deleted too, as removed.

    Raises:
        ConnectorError: Of one of the families.
    """
    known: set[str] = set()
    for body in _listed(door, account, "campaigns", "id,name,effective_status", _CAMPAIGNS):
        known.add(str(body.get("id")))
        yield _entity(account, EntityKind.CAMPAIGN, body, None)
    fields = "id,name,campaign_id,effective_status,learning_stage_info,targeting"
    ad_sets = list(_listed(door, account, "adsets", fields, _AD_SETS))
    for body in ad_sets:
        known.add(str(body.get("id")))
        yield _entity(account, EntityKind.AD_GROUP, body, _met(known, body.get("campaign_id")), _learning(body))
    ads = list(_listed(door, account, "ads", "id,name,adset_id,effective_status,creative{id,name}", _ADS))
    yield from _audiences(account, ad_sets, options)
    yield from _creatives(account, ads)
    for body in ads:
        yield _entity(account, EntityKind.AD, body, _met(known, body.get("adset_id")))


def ads(door: Door, account: Account) -> Iterator[AdState]:
    """Yield the ads that could deliver, by their own switches, read now.

    Raises:
        ConnectorError: Of one of the families.
    """
    for body in door.rows(f"act_{account.account_id}", "ads", fields=AD_FIELDS, limit=_LIMIT):
        if body.get("status") in ("ACTIVE", "PAUSED"):
            yield ad_state(account, body)


AD_FIELDS: Final = "id,name,account_id,campaign_id,adset_id,status,updated_time"


def ad_state(account: Account, body: Body) -> AdState:
    """Return an ad as the platform sends it."""
    where = f"{account.connector}: ad {body.get('id')}"
    return AdState(
        account=account,
        ad_id=text(body, "id", where),
        name=text(body, "name", where),
        campaign_id=text(body, "campaign_id", where),
        ad_group_id=text(body, "adset_id", where),
        status=EntityStatus.ACTIVE if body.get("status") == "ACTIVE" else EntityStatus.PAUSED,
        etag=f"{body.get('status')} since {body.get('updated_time')}",
    )


def _listed(door: Door, account: Account, edge: str, fields: str, statuses: Iterable[str]) -> Iterator[dict[str, Any]]:
    """List an edge with what was archived and deleted, which the platform leaves out if it is not asked."""
    path = (f"act_{account.account_id}", edge)
    yield from door.rows(*path, fields=fields, effective_status=list(statuses), limit=_LIMIT)


def _entity(account: Account, kind: EntityKind, body: Body, parent: str | None, tags: tuple[str, ...] = ()) -> Entity:
    status = body.get("effective_status")
    stands = EntityStatus.ACTIVE if status in ("ACTIVE", "IN_PROCESS", "WITH_ISSUES") else EntityStatus.PAUSED
    return Entity(
        account,
        kind,
        text(body, "id", f"{account.connector}: {kind.value}"),
        str(body.get("name") or body.get("id")),
        parent,
        EntityStatus.REMOVED if status in _GONE else stands,
        tags,
    )


def learns(ad_set: Body) -> bool:
    """Return whether an ad set is in its learning phase; one whose learning is limited has left it."""
    return _stage(ad_set) == "LEARNING"


def _met(known: set[str], parent: object) -> str | None:
    return parent if isinstance(parent, str) and parent in known else None


def _learning(body: Body) -> tuple[str, ...]:
    tag = _LEARNING.get(_stage(body))
    return (tag,) if tag else ()


def _stage(ad_set: Body) -> str:
    return str((ad_set.get("learning_stage_info") or {}).get("status"))


def _audiences(account: Account, ad_sets: Iterable[Body], options: Options) -> Iterator[Entity]:
    """Each custom audience that an ad set aims at; where rows are broken down, those parts are named by the rows."""
    if options.breakdowns:
        return
    met: set[str] = set()
    for body in ad_sets:
        for audience in (body.get("targeting") or {}).get("custom_audiences") or ():
            if audience["id"] not in met:
                met.add(audience["id"])
                yield Entity(account, EntityKind.AUDIENCE, audience["id"], str(audience.get("name") or audience["id"]))


def _creatives(account: Account, found: Iterable[Body]) -> Iterator[Entity]:
    met: set[str] = set()
    for body in found:
        creative = body.get("creative") or {}
        if creative.get("id") and creative["id"] not in met:
            met.add(creative["id"])
            yield Entity(account, EntityKind.CREATIVE, creative["id"], str(creative.get("name") or creative["id"]))
