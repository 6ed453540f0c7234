"""Reports that are sent by themselves: once for each time that they are due, and again to whom they did not reach."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_string
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from pydantic import ValidationError

from optimizer.agent.clock import SetClock
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.daemon.reports import last_due
from optimizer.agent.notify import AppriseNotifier
from optimizer.agent.settings.reports import ReportTable
from optimizer.plan.office import Outcome
from tests.optimizer.test_daemon_desk import Office
from tests.optimizer.test_notices import Hook, Inbox, _free_port, hook

pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")  # a service of Apprise's

__all__ = ["hook"]  # a fixture of the notices


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, str]]:
    made = Inbox()
    server = Controller(made, "127.0.0.1", _free_port())
    server.start()
    yield made, f"mailto://127.0.0.1:{server.port}?from=bot@example.org&to=ann@example.org&mode=insecure&format=text"
    server.stop()


def table(when: str) -> ReportTable:
    return ReportTable(name="r", when=when)


@pytest.mark.parametrize(
    ("when", "now", "due"),
    [
        ("mon 07:00", "2026-03-02T06:00", "2026-03-02T06:00"),  # 07:00 in Berlin
        ("mon 07:00", "2026-03-02T05:59", "2026-02-23T06:00"),
        ("sun 23:30", "2026-03-02T06:00", "2026-03-01T22:30"),
        ("1 07:00", "2026-03-02T06:00", "2026-03-01T06:00"),
        ("28 07:00", "2026-03-02T06:00", "2026-02-28T06:00"),
        ("3 07:00", "2026-03-02T06:00", "2026-02-03T06:00"),
        ("mon 07:00", "2026-04-01T06:00", "2026-03-30T05:00"),  # the clocks went forward
    ],
)
def test_when_a_report_was_due_last(when: str, now: str, due: str) -> None:
    at, expected = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, due))
    assert last_due(table(when), "Europe/Berlin", at) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"when": "monday 7:00"}, "Mend: write 'mon 07:00' for weekly"),
        ({"when": "31 07:00"}, "day 1 to 28"),
        ({"when": "mon 25:00"}, "it is no moment"),
        ({"period": "2026-10"}, "the same days each time"),
        ({"period": "soon"}, "is no period"),
        ({"by": ["mood"]}, "it is not known. Mend: write one or more of channel"),
        ({"by": ["day", "week"]}, "by one of day, week and month"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ReportTable.model_validate({"name": "r", "when": "mon 07:00", **changes})


def office_with(folder: Path, *urls: str) -> Office:
    """A portfolio that reports at half past six, an hour before its clock's first look."""
    listed = ", ".join(f'"{url}"' for url in urls)
    office = Office(folder)
    day = office.clock.at.astimezone(UTC) + timedelta(hours=9)
    weekday = f"{day:%a}".lower()
    text = f'\n[notify]\nurls = [{listed}]\n[[reports]]\nname = "Week"\nwhen = "{weekday} {day:%H:%M}"\n'
    office.config.write_text(office.config.read_text() + text)
    office.clock.at += timedelta(minutes=1)
    return office


def test_a_report_arrives_by_mail_once_with_its_page_also_after_a_crash(
    tmp_path: Path, inbox: tuple[Inbox, str]
) -> None:
    kept, url = inbox
    office = office_with(tmp_path, url)
    office.look()
    assert office.outcomes()["report:Week"] is Outcome.DONE
    sent = [mail for mail in map(message_from_string, kept.mails) if "Week" in mail["Subject"]]
    (mail,) = sent
    parts = [part for part in mail.walk() if not part.is_multipart()]
    assert "Spend:" in parts[0].get_payload(decode=True).decode()
    page = next(part for part in parts if part.get_filename() == "report.html")
    assert b"</html>" in page.get_payload(decode=True)
    count = len(kept.mails)
    office.look()
    office.desk.leave()
    again = Desk(office.config, office.clock)
    again.look()
    assert again.seen.runs["report:Week"].outcome is Outcome.DONE
    again.leave()
    assert len(kept.mails) == count, "the process that took over does not send it anew"
    office.clock.at += timedelta(days=7)
    next_week = Desk(office.config, office.clock)
    next_week.look()
    next_week.leave()
    assert sum("Week" in message_from_string(text)["Subject"] for text in kept.mails) == 2


def test_what_died_before_it_was_sent_is_sent_by_the_next(
    tmp_path: Path, inbox: tuple[Inbox, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, url = inbox
    office = office_with(tmp_path, url)

    class Died(BaseException):
        """The process was killed."""

    def killed(*_given: object, **named: object) -> None:
        if named.get("page"):
            raise Died

    monkeypatch.setattr(AppriseNotifier, "tell", killed)
    with pytest.raises(Died):
        office.look()
    monkeypatch.undo()
    office.desk.leave()
    next_one = Desk(office.config, office.clock)
    next_one.look()
    assert next_one.seen.runs["report:Week"].outcome is Outcome.DONE
    next_one.leave()
    assert sum("Week" in message_from_string(text)["Subject"] for text in kept.mails) == 1


def test_only_the_address_that_failed_gets_it_again(tmp_path: Path, inbox: tuple[Inbox, str], hook: Hook) -> None:
    kept, url = inbox
    office = office_with(tmp_path, url, hook.url)
    hook.code = 503
    office.look()
    assert office.outcomes()["report:Week"] is Outcome.FAILED
    hook.code = 200
    office.clock.sleep(16 * 60)
    office.look()
    assert office.outcomes()["report:Week"] is Outcome.DONE
    office.desk.leave()
    assert sum("Week" in message_from_string(text)["Subject"] for text in kept.mails) == 1
    assert sum("Week" in body["title"] for body in hook.bodies) == 1


def test_a_report_that_was_missed_for_a_day_is_left_out(tmp_path: Path, inbox: tuple[Inbox, str]) -> None:
    kept, url = inbox
    office = office_with(tmp_path, url)
    assert isinstance(office.clock, SetClock)
    office.clock.at += timedelta(days=1)
    office.look()
    assert "report:Week" not in office.outcomes()
    office.desk.leave()
    assert not any("Week" in message_from_string(text)["Subject"] for text in kept.mails)
