"""Whether what is read can be believed: accounts that are not what they were, times that cannot be, clocks apart.

What is doubtful of a connector is kept in the store as a set that each reading replaces, so that a decision finds it
beside its evidence. Of an account that is not what it was nothing is taken in: its history would be mixed with numbers
of another unit, and its budgets are left as they were read last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from connectors.contract import Account, AdState, BudgetTarget, Connector, Entity, PerformanceRow, TellsTime, zone
from optimizer.guardrails import Guardrails
from optimizer.plan.doubts import CHANGED, FUTURE, GONE, RECEIPT, SKEW, TWICE, UNREAD, Doubt
from optimizer.ports import Clock, ClockWentBack, Store

_OURS: Final = "Set this machine's clock (NTP), or look which of the two is wrong."


def clock_stands(store: Store, guards: Guardrails, now: datetime) -> None:
    """Check that time has not gone back since the history was last written.

    Raises:
        ClockWentBack: It has, by more than the clocks of machines that write in turn may differ.
    """
    written = store.last_written()
    if written is not None and written - now > timedelta(seconds=guards.clock_skew_seconds):
        raise ClockWentBack(now, written)


def acknowledged(store: Store, guards: Guardrails, connector: str, at: datetime, now: datetime) -> None:
    """Note where a write was acknowledged at a time that has not come yet: one of the two clocks is wrong.

    Args:
        store: Where it is noted.
        guards: How far clocks may differ.
        connector: Whose receipt it is.
        at: What the receipt says.
        now: Aware UTC.
    """
    if at - now <= timedelta(seconds=guards.clock_skew_seconds):
        return
    standing = [doubt for doubt in store.doubts(now) if doubt.connector == connector]
    if any(doubt.code == RECEIPT for doubt in standing):
        return
    words = "a write was acknowledged at a time that had not come yet by this machine's clock"
    store.note_doubts(connector, (*standing, Doubt(RECEIPT, connector, "", words, _OURS, now)), now)


class Watch:
    """One reading of one connector: lets through what can be believed, and notes what cannot.

    Attributes:
        unread: Accounts of which nothing is taken in, and whose budgets and ads stay as they were read last.
        afresh: Whether an account is read of which nothing was ever taken in, or not at the reading before.
    """

    def __init__(self, store: Store, guards: Guardrails, connector: Connector, name: str, clock: Clock) -> None:
        """Compare the accounts that a connector tells of with those that it told of before.

        Args:
            store: What is known so far.
            guards: How far clocks may differ, and how long an account that is gone counts.
            connector: What is read.
            name: The connector's, in the settings.
            clock: Ours; a reading may take long, and its rows bear the times at which they were read.

        Raises:
            ConnectorError: The accounts cannot be read.
        """
        self._store, self._connector, self._name, self._ours = store, connector, name, clock
        self._now, self._guards = clock.now(), guards
        self._move_on()
        self._before = [doubt for doubt in store.doubts(self._now) if doubt.connector == name]
        self._standing = {(d.account_id, FUTURE): d for d in self._before if d.code == FUTURE}
        self._receipt = next((doubt for doubt in self._before if doubt.code == RECEIPT), None)
        since = {doubt.account_id: doubt.since for doubt in self._before if doubt.code == GONE}
        listed, stored = connector.accounts(), store.accounts(name)
        self._doubts: dict[tuple[str, str], Doubt] = {}
        changed = set(self._changed(listed, {account.account_id: account for account in stored}))
        gone = set(self._gone(listed, stored, since))
        self._twice(listed)
        self.unread = frozenset(changed | gone)
        known = {account.account_id for account in stored} - {
            doubt.account_id for doubt in self._doubted(CHANGED, GONE)
        }
        self.afresh = any(account.account_id not in known | self.unread for account in listed)
        self._frozen = frozenset(changed)

    def _doubted(self, *codes: str) -> Iterator[Doubt]:
        """What stood in doubt before this reading."""
        return (doubt for doubt in self._before if doubt.code in codes)

    def rows(self, rows: Iterable[PerformanceRow]) -> Iterator[PerformanceRow]:
        """Let rows through, but those of accounts that are not what they were, and those of times yet to come."""
        for row in rows:
            if row.series.account.account_id in self._frozen:
                continue
            words = self._to_come(row)
            if words:
                self._move_on()
                words = self._to_come(row)
            if words:
                self._note(FUTURE, row.series.account.account_id, words, _OURS)
            else:
                yield row
        self._standing = {}  # only what was read to its end says that there is none any more

    def entities(self, entities: Iterable[Entity]) -> Iterator[Entity]:
        """Let names through, but those of accounts that are not what they were."""
        return (entity for entity in entities if entity.account.account_id not in self._frozen)

    def keep(self) -> None:
        """Keep what was doubtful of this reading so far, in place of what was before.

        Raises:
            StoreError: It cannot be kept.
        """
        self._clock()
        receipt = self._receipt
        if receipt is not None and self._now - receipt.since < self._guards.doubt:
            self._doubts["", RECEIPT] = receipt
        doubts = self._standing | self._doubts
        found = [doubts[key] for key in sorted(doubts)]
        if len(found) != len(self._before) or not all(map(Doubt.same, found, self._before)):
            self._store.note_doubts(self._name, found, self._now)
            self._before = found

    def _to_come(self, row: PerformanceRow) -> str:
        """Say what of a row is yet to come by the time that the clock said last; nothing if all has come."""
        account = row.series.account
        last = self._today.get(account.account_id)
        if last is None:
            last = self._latest.astimezone(zone(account.time_zone)).date()
            self._today[account.account_id] = last
        if row.day > last:
            return "it reports days that have not begun yet"
        if row.fetched_at > self._latest:
            return "its rows bear a time that has not come yet by this machine's clock"
        return ""

    def _move_on(self) -> None:
        """Look at the clock: what was yet to come may have come."""
        self._latest = self._ours.now() + timedelta(seconds=self._guards.clock_skew_seconds)
        self._today: dict[str, date] = {}

    def _changed(self, listed: Sequence[Account], stored: dict[str, Account]) -> Iterator[str]:
        for account in listed:
            old = stored.get(account.account_id, account)
            parts = [
                f"its {what} was {before} and is {now} now"
                for what, before, now in (
                    ("currency", old.currency, account.currency),
                    ("time zone", old.time_zone, account.time_zone),
                )
                if before != now
            ]
            if parts:
                mend = "Set it back, or plan the account by a settings file of its own with a new store."
                words = f"{' and '.join(parts)}; it is frozen: nothing of it is taken in, and its budgets stay"
                self._note(CHANGED, account.account_id, words, mend)
                yield account.account_id

    def _gone(self, listed: Sequence[Account], stored: Sequence[Account], since: dict[str, datetime]) -> Iterator[str]:
        """Accounts that are told of no more; after `gone_days` they are taken to be closed, and hold nothing.

        One that holds no budget any more was closed before, by then or by itself: there is nothing to be told of it.
        """
        met = {account.account_id for account in listed}
        missing = [account for account in stored if account.account_id not in met]
        holding = {budget.key.account_id for budget in self._store.budgets(self._name, self._now)} if missing else set()
        for account in missing:
            if account.account_id not in holding:
                continue
            days = f"after {self._guards.gone_days:g} days it is taken to be closed"
            mend = f"Give access back, or end its campaigns; {days}."
            words = "the connector tells of this account no more; its budgets are taken to stand where they were"
            if self._now - since.get(account.account_id, self._now) < timedelta(days=self._guards.gone_days):
                self._note(GONE, account.account_id, words, mend)
                yield account.account_id

    def _twice(self, listed: Sequence[Account]) -> None:
        for account_id, count in Counter(account.account_id for account in listed).items():
            if count > 1:
                mend = "Name it once in the settings of the connector, or correct the connector."
                self._note(TWICE, account_id, "the connector tells of this account more than once", mend)

    def _clock(self) -> None:
        """Compare the clocks, where the connector can tell its platform's."""
        ahead = self._connector.ahead_seconds() if isinstance(self._connector, TellsTime) else None
        if ahead is not None and abs(ahead) > self._guards.clock_skew_seconds:
            words = f"the platform's clock is {'ahead of' if ahead > 0 else 'behind'} this machine's"
            self._note(SKEW, "", f"{words} by more than {self._guards.clock_skew_seconds:g} seconds", _OURS)

    def _note(self, code: str, account_id: str, words: str, mend: str) -> None:
        self._doubts.setdefault((account_id, code), Doubt(code, self._name, account_id, words, mend, self._now))


def believed[T: (BudgetTarget, AdState)](read: Sequence[T], unread: frozenset[str]) -> tuple[T, ...]:
    """Return the budgets or ads of accounts that are taken in.

    Args:
        read: What a connector just told.
        unread: Accounts of which nothing is taken in.
    """
    return tuple(each for each in read if each.account.account_id not in unread)


def left_unread(store: Store, name: str, now: datetime) -> frozenset[str]:
    """Return the accounts of a connector whose budgets and ads stay as they were read last."""
    return frozenset(d.account_id for d in store.doubts(now) if d.connector == name and d.code in UNREAD)
