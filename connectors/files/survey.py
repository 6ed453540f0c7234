"""One pass over the folder for all that is not performance: accounts, entities, and the budgets that it implies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from connectors.contract import Account, BudgetTarget, Entity, EntityKind, Level, Series
from connectors.files.book import Book
from connectors.files.bridge import from_numpy
from connectors.files.cells import MISSING, IntArray, joint
from connectors.files.keys import KeySet, Totals
from connectors.files.options import Options
from connectors.files.performance import FileReader
from connectors.files.reading import Chunk, Source
from connectors.money import Money

MEAN_DAYS: Final = 28
"""A budget that no column states is the mean spend of the campaign's last so many days with rows."""

_NAMES: Final = ("campaign_name", "tags", "ad_group_name", "ad_name", "creative_name", "audience_name")
_ORDER: Final = tuple(EntityKind)

_EntityKey = tuple[str, EntityKind, str]


@dataclass(frozen=True, slots=True)
class Survey:
    """What a folder holds beside performance; `budgets` is one daily budget per campaign, as its rows imply it."""

    accounts: tuple[Account, ...]
    entities: tuple[Entity, ...]
    budgets: tuple[BudgetTarget, ...]


@dataclass(slots=True)
class _Notes:
    """What one pass gathers; the newest statement of a name or a budget counts."""

    entities: dict[_EntityKey, Entity] = field(default_factory=dict)
    budgets: dict[int, tuple[int, int]] = field(default_factory=dict)
    seen: KeySet = field(default_factory=KeySet)
    spend: Totals = field(default_factory=lambda: Totals(1))


def survey(sources: Sequence[Source], options: Options, connector: str, now: datetime) -> Survey:
    """Read all files, the newest first, so that what is met first counts.

    Raises:
        BadInput: A file or row cannot be read.
    """
    book, notes = Book(connector, options), _Notes()
    for source in reversed(sources):
        _read(FileReader(source, options, book, now), book, notes)
    entities = sorted(notes.entities.values(), key=lambda e: (_ORDER.index(e.kind), e.account.account_id, e.entity_id))
    return Survey(tuple(book.accounts.values()), tuple(entities), tuple(_budgets(book, notes, options)))


def _read(reader: FileReader, book: Book, notes: _Notes) -> None:
    entities: dict[_EntityKey, Entity] = {}
    budgets: dict[int, tuple[int, int]] = {}
    named: set[tuple[int, tuple[str, ...]]] = set()
    for chunk in reader.chunks((*_NAMES, "spend", "budget")):
        codes = reader.codes(chunk)
        days, slots = reader.places(chunk, codes)
        campaigns = book.campaign_codes()[codes]
        new = notes.seen.add(codes, slots)
        notes.spend.add(campaigns[new], days[new], reader.number(chunk, "spend", codes)[new, None])
        _note_budgets(budgets, campaigns, days, reader.number(chunk, "budget", codes))
        for pair in _named(reader, chunk, codes):
            if pair not in named:
                named.add(pair)
                for entity in _of_row(book.series[pair[0]], dict(zip(_NAMES, pair[1], strict=True))):
                    entities[entity.account.account_id, entity.kind, entity.entity_id] = entity
    notes.entities = {**entities, **notes.entities}
    for campaign, stated in budgets.items():
        if campaign not in notes.budgets or stated[0] > notes.budgets[campaign][0]:
            notes.budgets[campaign] = stated


def _note_budgets(budgets: dict[int, tuple[int, int]], campaigns: IntArray, days: IntArray, amounts: IntArray) -> None:
    """Keep each campaign's amount of its last day; of several rows of that day, the last one's."""
    stated = np.flatnonzero(amounts != MISSING)
    order = stated[np.lexsort((days[stated], campaigns[stated]))]
    last = np.append(np.diff(campaigns[order]) != 0, True)[: len(order)]
    for row in order[last].tolist():
        campaign, day = int(campaigns[row]), int(days[row])
        if campaign not in budgets or day >= budgets[campaign][0]:
            budgets[campaign] = (day, int(amounts[row]))


def _named(reader: FileReader, chunk: Chunk, codes: IntArray) -> list[tuple[int, tuple[str, ...]]]:
    """The distinct pairs of a series' number and the texts of `_NAMES`."""
    columns = [reader.layout.column(name) for name in _NAMES]
    _, first = joint([from_numpy(codes), *(chunk.columns[name] for name in columns if name is not None)], chunk.rows)
    rows = from_numpy(first)
    texts = [[""] * len(first) if name is None else chunk.columns[name].take(rows).to_pylist() for name in columns]
    return list(zip(codes[first].tolist(), zip(*texts, strict=True), strict=True))


def _of_row(series: Series, names: dict[str, str]) -> Iterable[Entity]:
    tags = tuple(tag for tag in (part.strip() for part in names["tags"].split(";")) if tag)
    yield Entity(
        series.account,
        EntityKind.CAMPAIGN,
        series.campaign_id,
        names["campaign_name"] or series.campaign_id,
        tags=tags,
    )
    below = (
        (EntityKind.AD_GROUP, series.ad_group_id, "ad_group_name", series.campaign_id),
        (EntityKind.AD, series.ad_id, "ad_name", series.ad_group_id or series.campaign_id),
        (EntityKind.CREATIVE, series.creative_id, "creative_name", None),
        (EntityKind.AUDIENCE, series.audience_id, "audience_name", None),
    )
    for kind, entity_id, name, parent in below:
        if entity_id is not None:
            yield Entity(series.account, kind, entity_id, names[name] or entity_id, parent)


def _budgets(book: Book, notes: _Notes, options: Options) -> Iterator[BudgetTarget]:
    means = _mean_spend(notes.spend)
    for (account_id, campaign_id), campaign in book.campaigns.items():
        account = book.accounts[account_id]
        micros = notes.budgets[campaign][1] if campaign in notes.budgets else means[campaign]
        quantum = options.quantum_micros(account.currency)
        yield BudgetTarget(
            account=account,
            budget_id=campaign_id,
            name=notes.entities[account_id, EntityKind.CAMPAIGN, campaign_id].name,
            holder=Level.CAMPAIGN,
            covers=(campaign_id,),
            amount=Money(micros, account.currency).quantize(quantum, "nearest"),
            minimum=options.minimum(account.currency),
            quantum_micros=quantum,
        )


def _mean_spend(spend: Totals) -> dict[int, int]:
    """Each campaign's mean spend over its last `MEAN_DAYS` days with rows, in micros."""
    campaigns, _, sums = spend.result()
    distinct, starts = np.unique(campaigns, return_index=True)
    means = {}
    for campaign, days in zip(distinct.tolist(), np.split(sums[:, 0], starts[1:]), strict=True):
        last = days[-MEAN_DAYS:]
        means[campaign] = int(last.sum()) // len(last)
    return means
