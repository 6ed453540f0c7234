"""The ids and names under which a platform shows a world: campaigns, ad groups, ads, creatives, audiences, series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from connectors.contract import Account, Entity, EntityKind, Series
from simulations.truth import Truth, audience_name


class Catalogue:
    """Everything of one account that has a name; an ad group holds the ads for one audience.

    Attributes:
        campaign_ids, budget_ids: In the order of the world's campaigns.
        series: In the order of the world's ads.
    """

    def __init__(self, account: Account, truth: Truth) -> None:
        self._account = account
        self._truth = truth
        self.campaign_ids = tuple(str(1001 + k) for k in range(len(truth.names)))
        self.budget_ids = tuple(f"b{campaign}" for campaign in self.campaign_ids)
        self.series = tuple(self._series(ad) for ad in range(truth.ads.campaign.size))

    def entities(self) -> Iterator[Entity]:
        """Yield every entity once, parents first."""
        for campaign, name in zip(self.campaign_ids, self._truth.names, strict=True):
            yield Entity(self._account, EntityKind.CAMPAIGN, campaign, name, tags=_tags(name))
        found: dict[tuple[EntityKind, str], Entity] = {}
        for ad in range(len(self.series)):
            for entity in self._below(ad):
                found.setdefault((entity.kind, entity.entity_id), entity)
        for kind in (EntityKind.AD_GROUP, EntityKind.CREATIVE, EntityKind.AUDIENCE, EntityKind.AD):
            yield from (entity for entity in found.values() if entity.kind is kind)

    def _series(self, ad: int) -> Series:
        ids = self._ids(ad)
        return Series(
            account=self._account,
            campaign_id=ids.campaign,
            channel=self._channel(ad),
            ad_group_id=ids.ad_group,
            ad_id=ids.ad,
            creative_id=ids.creative,
            audience_id=ids.audience,
            conversion_definition="purchase",
            attribution_setting=f"{self._truth.scenario.restatement_days}-day-click",
        )

    def _below(self, ad: int) -> Iterator[Entity]:
        ids, account = self._ids(ad), self._account
        people = audience_name(int(self._truth.ads.audience[ad]))
        creative = f"Creative {_letter(int(self._truth.ads.creative[ad]))}"
        channel = self._channel(ad).capitalize()
        yield Entity(account, EntityKind.AD_GROUP, ids.ad_group, people, ids.campaign)
        yield Entity(account, EntityKind.CREATIVE, ids.creative, creative, ids.campaign)
        yield Entity(account, EntityKind.AUDIENCE, ids.audience, f"{channel} | {people}")
        yield Entity(account, EntityKind.AD, ids.ad, f"{creative} | {people}", ids.ad_group)

    def _ids(self, ad: int) -> _Ids:
        ads = self._truth.ads
        campaign = self.campaign_ids[ads.campaign[ad]]
        creative, audience = ads.creative[ad] + 1, ads.audience[ad] + 1
        return _Ids(
            campaign=campaign,
            ad_group=f"{campaign}-g{audience}",
            ad=f"{campaign}-g{audience}-a{creative}",
            creative=f"{campaign}-c{creative}",
            audience=f"{self._channel(ad)}-p{audience}",
        )

    def _channel(self, ad: int) -> str:
        campaign = int(self._truth.ads.campaign[ad])
        return self._truth.scenario.channels[int(self._truth.channel[campaign])].name


class _Ids(NamedTuple):
    campaign: str
    ad_group: str
    ad: str
    creative: str
    audience: str


def _tags(name: str) -> tuple[str, ...]:
    """Theme and market of a campaign's name, as tags: `brand`, `de`."""
    return tuple(sorted(part.lower().replace(" ", "-") for part in name.split(" | ")[1:]))


def _letter(index: int) -> str:
    """A, B, ... Z, A2, B2, ..."""
    return chr(ord("A") + index % 26) + ("" if index < 26 else str(index // 26 + 1))
