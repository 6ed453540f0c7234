"""The ids and names under which a platform shows a world: campaigns, ad groups, ads, creatives, audiences, series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from connectors.contract import Account, AdState, Entity, EntityKind, EntityStatus, Series
from simulations.market.events import BoolArray
from simulations.market.truth import Truth, audience_name
from simulations.scenarios import Channel


class Catalogue:
    """Everything of one account that has a name; an ad group holds the ads for one audience.

    Attributes:
        campaign_ids, budget_ids: In the order of the world's campaigns.
        ad_ids: In the order of the world's ads.
        series: Of each conversion definition that an ad's channel has, by the indices of definition and ad; the first
            definition is the purchase, which every channel has.
    """

    def __init__(self, account: Account, truth: Truth) -> None:
        self._account = account
        self._truth = truth
        self.campaign_ids = tuple(str(1001 + k) for k in range(len(truth.names)))
        self.budget_ids = tuple(f"b{campaign}" for campaign in self.campaign_ids)
        self.ad_ids = tuple(self._ids(ad).ad for ad in range(truth.ads.campaign.size))
        channel = truth.channel[truth.ads.campaign]
        self.series = {
            (kind, ad): self._series(kind, ad)
            for kind, law in enumerate(truth.kinds)
            for ad in np.flatnonzero(law.per_purchase[channel] > 0).tolist()
        }

    def ad(self, ad: int, status: EntityStatus, etag: str) -> AdState:
        """Return one ad as the platform holds it."""
        ids = self._ids(ad)
        return AdState(self._account, ids.ad, self._ad_name(ad), ids.campaign, ids.ad_group, status, etag)

    def entities(self, launched: BoolArray, running: BoolArray, ads: BoolArray) -> Iterator[Entity]:
        """Yield every entity once, parents first; nothing of campaigns that nobody has launched.

        Args:
            launched: Which campaigns there are, shape (K,).
            running: Which of them are not paused, shape (K,).
            ads: Which ads are not paused, shape (A,).
        """
        for campaign in np.flatnonzero(launched).tolist():
            yield self._campaign(campaign, EntityStatus.ACTIVE if running[campaign] else EntityStatus.PAUSED)
        found: dict[tuple[EntityKind, str], Entity] = {}
        for ad in np.flatnonzero(launched[self._truth.ads.campaign]).tolist():
            for entity in self._below(ad, EntityStatus.ACTIVE if ads[ad] else EntityStatus.PAUSED):
                found.setdefault((entity.kind, entity.entity_id), entity)
        for kind in (EntityKind.AD_GROUP, EntityKind.CREATIVE, EntityKind.AUDIENCE, EntityKind.AD):
            yield from (entity for entity in found.values() if entity.kind is kind)

    def _campaign(self, campaign: int, status: EntityStatus) -> Entity:
        name = self._truth.names[campaign]
        return Entity(
            self._account, EntityKind.CAMPAIGN, self.campaign_ids[campaign], name, status=status, tags=_tags(name)
        )

    def _series(self, kind: int, ad: int) -> Series:
        ids = self._ids(ad)
        return Series(
            account=self._account,
            campaign_id=ids.campaign,
            channel=self._channel(ad).name,
            ad_group_id=ids.ad_group,
            ad_id=ids.ad,
            creative_id=ids.creative,
            audience_id=ids.audience,
            conversion_definition=self._truth.kinds[kind].name,
            attribution_setting=f"{self._attribution_days(ad)}-day-click",
        )

    def _ad_name(self, ad: int) -> str:
        return f"{self._creative_name(ad)} | {audience_name(int(self._truth.ads.audience[ad]))}"

    def _creative_name(self, ad: int) -> str:
        return creative_name(int(self._truth.ads.creative[ad]))

    def _below(self, ad: int, status: EntityStatus) -> Iterator[Entity]:
        ids, account = self._ids(ad), self._account
        people, creative = audience_name(int(self._truth.ads.audience[ad])), self._creative_name(ad)
        channel = self._channel(ad).name.capitalize()
        yield Entity(account, EntityKind.AD_GROUP, ids.ad_group, people, ids.campaign)
        yield Entity(account, EntityKind.CREATIVE, ids.creative, creative, ids.campaign)
        yield Entity(account, EntityKind.AUDIENCE, ids.audience, f"{channel} | {people}")
        yield Entity(account, EntityKind.AD, ids.ad, self._ad_name(ad), ids.ad_group, status)

    def _ids(self, ad: int) -> _Ids:
        ads = self._truth.ads
        campaign = self.campaign_ids[ads.campaign[ad]]
        creative, audience = ads.creative[ad] + 1, ads.audience[ad] + 1
        return _Ids(
            campaign=campaign,
            ad_group=f"{campaign}-g{audience}",
            ad=f"{campaign}-g{audience}-a{creative}",
            creative=f"{campaign}-c{creative}",
            audience=f"{self._channel(ad).name}-p{audience}",
        )

    def _attribution_days(self, ad: int) -> int:
        window = self._truth.scenario.tracking.restatement_days
        return min(self._channel(ad).attribution_days or window, window)

    def _channel(self, ad: int) -> Channel:
        campaign = int(self._truth.ads.campaign[ad])
        return self._truth.scenario.channels[int(self._truth.channel[campaign])]


class _Ids(NamedTuple):
    campaign: str
    ad_group: str
    ad: str
    creative: str
    audience: str


def _tags(name: str) -> tuple[str, ...]:
    """Theme and market of a campaign's name, as tags: `brand`, `de`."""
    return tuple(sorted(part.lower().replace(" ", "-") for part in name.split(" | ")[1:]))


def creative_name(index: int) -> str:
    """Return the name of a campaign's creative: Creative A, B, ... Z, A2, B2, ..."""
    return "Creative " + chr(ord("A") + index % 26) + ("" if index < 26 else str(index // 26 + 1))
