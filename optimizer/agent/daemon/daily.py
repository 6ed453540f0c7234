"""What the daily jobs do: read, decide, let the policy look, tell people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from functools import partial

from optimizer import approval
from optimizer.agent import cycle
from optimizer.agent.cycle import House
from optimizer.agent.daemon.agenda import Timetable
from optimizer.agent.daemon.board import Board
from optimizer.agent.daemon.jobs import Jobs
from optimizer.plan.record import Record, State
from optimizer.ports import ApprovalStands


def plan_of_the_day(house: House, board: Board, jobs: Jobs, timetable: Timetable, due: datetime) -> None:
    """Read the platforms and decide, for a moment at which that was due."""
    today = due.astimezone(timetable.zone).date()
    jobs.run(house, timetable, "pull", due, partial(_pulled, house, jobs, today))
    if jobs.is_done("pull", due):
        jobs.run(house, timetable, "decide", due, partial(_decided, house, board))
    elif jobs.is_given_up("pull", due, timetable):
        jobs.run(house, timetable, "decide", due, _nothing_read)


def announce(house: House, board: Board, jobs: Jobs, timetable: Timetable) -> None:
    """Tell people of each proposal once, and let the written policy look at it first.

    What the policy has approved waits no more, and is told nonetheless until somebody was reached.
    """
    board.read()
    if (record := board.own()) is None:
        return
    made = record.recommendation.created_at
    if record.state is State.PROPOSED and house.autonomy.mode is approval.Mode.AUTOPILOT:
        jobs.run(house, timetable, "approve", made, partial(_considered, house, record))
    jobs.run(house, timetable, "announce", made, partial(_announced, house, record))


def _pulled(house: House, jobs: Jobs, today: date) -> str:
    """Read what the platforms may have restated since all of them were read last, and say from which day on."""
    reports: Iterable[cycle.PullReport] = cycle.pull(house, today, last=jobs.last_reading(house))
    jobs.have_read(house, today)
    return "; ".join(
        f"{report.connector} from {report.since} on: {report.rows.new} new rows, {report.rows.restated} restated, "
        f"{report.budgets} budgets"
        for report in reports
    )


def _decided(house: House, board: Board) -> str:
    """Propose, unless an approval waits, for a window, a resume or a second person: a new plan would take its place.

    One that is given while the plan is made counts as well: the store takes no plan beside it.
    """
    board.read()  # a person may have approved something meanwhile
    approved = [*board.approved(), *(record for record in board.waiting() if record.approval_stands)]
    if approved:
        return str(ApprovalStands.of(approved[0]))
    try:
        record = cycle.propose(house, house.today())
    except ApprovalStands as stands:
        return str(stands)
    recommendation = record.recommendation
    changed = sum(line.changes for line in recommendation.decision.lines)
    return f"{recommendation.rec_id} is {record.state.value}: {changed} budgets"


def _nothing_read() -> str:
    return "nothing was decided, since the platforms could not be read"


def _considered(house: House, record: Record) -> str:
    found = cycle.approve_by_policy(house, record)
    rec_id = record.recommendation.rec_id
    if isinstance(found, approval.Waits):
        return f"{rec_id} waits for a person: {found.words}"
    return f"{rec_id} is approved by the policy"


def _announced(house: House, record: Record) -> str:
    """Tell of a proposal as it stands now: the policy may have approved it a moment ago."""
    cycle.announce(house, house.store.record(record.recommendation.rec_id))
    return f"{record.recommendation.rec_id} was announced"
