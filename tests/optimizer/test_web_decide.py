"""What people do at the page, without a script: look, approve, change, reject, withdraw, restore, stop."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from optimizer.agent import writing
from optimizer.agent.bootstrap import open_house
from optimizer.decide import report
from optimizer.plan.recommendation import Certificate
from optimizer.plan.record import Record, State
from tests.optimizer.web_world import PASSWORD, Visitor, World, world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def page_of(record: Record) -> str:
    return f"/recommendations/{record.recommendation.rec_id}"


def changed(record: Record) -> list[int]:
    return [n for n, line in enumerate(record.recommendation.decision.all_lines) if line.changes]


def approve(visitor: Visitor, record: Record, lines: list[int] | None = None, **more: str):
    page = page_of(record)
    fields = {"plan_hash": record.recommendation.plan_hash, "line": lines or changed(record), **more}
    return visitor.act(f"{page}/approve", seen=page, **fields)


def state(here: World, record: Record) -> State:
    return here.premises.store.record(record.recommendation.rec_id).state


def test_every_screen_answers_before_anything_was_planned_and_says_what_to_do(here: World) -> None:
    ana = here.client("ana")
    for screen in (
        "/",
        "/recommendations",
        "/leaderboards",
        "/pacing",
        "/scorecard",
        "/attribution",
        "/history",
        "/rules",
        "/switch",
        "/simulator",
    ):
        answer = ana.get(screen)
        assert answer.status_code == 200, screen
        assert "None" not in re.sub(r"<[^>]*>", "", answer.text).replace("None are written", "")
    assert "outlay plan" in ana.get("/recommendations").text


def test_a_proposal_shows_what_why_and_how_sure(here: World) -> None:
    record = here.plan()
    text = here.client("vic").get(page_of(record)).text
    for line in record.recommendation.decision.lines:
        assert line.name in text
        if line.changes:
            assert line.reason.split(":")[0] in text
    assert text.count('class="interval') == len([line for line in record.recommendation.decision.lines if line.changes])
    assert "P(worse)" in text
    assert "Approve" not in text  # a viewer decides nothing
    assert "needs the role approver" in text


def test_the_certificate_tells_the_gap_as_it_is_and_what_it_takes_as_given(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_certificate", lambda plan: Certificate(50.0, 100.0, 0.5, 1))
    text = here.client("vic").get(page_of(here.plan())).text
    assert "within 50.000% of the best that the curves and limits allow, given what is on trial" in text


def test_a_line_shows_its_curve_and_its_days(here: World) -> None:
    record = here.plan()
    ana = here.client("ana")
    part = ana.get(f"{page_of(record)}/lines/0", headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith('<div class="behind">')
    assert 'class="curve"' in part
    whole = ana.get(f"{page_of(record)}/lines/0").text
    assert 'id="table-curve"' in whole
    assert whole.count("<tr>") > 30 + 30  # points of the curve, and days
    assert ana.get(f"{page_of(record)}/lines/99").status_code == 404


def test_approved_at_the_page_it_is_written_and_shown_as_verified_and_restored(here: World) -> None:
    record = here.plan()
    ben = here.client("ben")
    answer = approve(ben, record, reason="looks right")
    assert answer.status_code == 303
    kept = here.premises.store.record(record.recommendation.rec_id)
    assert (kept.state, kept.approved_by) == (State.APPROVED, "ben")
    assert here.carry_out(record).state is State.VERIFIED
    text = ben.get(page_of(record)).text
    assert "Written and verified" in text
    assert text.count('class="badge verified"') == 1 + len(changed(record))
    assert ben.act(f"{page_of(record)}/rollback", seen=page_of(record)).status_code == 303
    child = here.premises.records()[0]
    assert child.recommendation.parent_id == record.recommendation.rec_id
    assert child.state is State.PROPOSED
    assert approve(ben, child).status_code == 303


def test_only_the_chosen_lines_are_approved(here: World) -> None:
    record = here.plan()
    ana = here.client("ana")
    cuts = [n for n in changed(record) if record.recommendation.decision.lines[n].proposed.micros
            < record.recommendation.decision.lines[n].current.micros]  # fmt: skip
    assert approve(ana, record, cuts[:1]).status_code == 303
    kept = here.premises.store.record(record.recommendation.rec_id)
    assert kept.approved_lines == (record.recommendation.decision.lines[cuts[0]].key,)


def test_what_breaks_a_limit_by_itself_is_refused_with_the_reason_and_the_choice_kept(here: World) -> None:
    record = here.plan()
    lines = record.recommendation.decision.lines
    raises = [n for n in changed(record) if lines[n].proposed.micros > lines[n].current.micros]
    answer = approve(here.client("ana"), record, raises, reason="more!")
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert state(here, record) is State.PROPOSED
    boxes = dict(re.findall(r'name="line" value="(\d+)"[^>]*?(checked)?>', answer.text))
    assert {int(n) for n, on in boxes.items() if on} == set(raises)


def test_another_plan_than_the_one_shown_is_not_approved(here: World) -> None:
    record = here.plan()
    answer = approve(here.client("ana"), record, plan_hash="0" * 64)
    assert answer.status_code == 409
    assert state(here, record) is State.PROPOSED


def test_no_line_chosen_is_told(here: World) -> None:
    record = here.plan()
    ana = here.client("ana")
    answer = ana.act(f"{page_of(record)}/approve", seen=page_of(record), plan_hash=record.recommendation.plan_hash)
    assert answer.status_code == 422
    assert "No line is chosen" in answer.text


def test_an_edit_is_solved_around_and_shown_before_it_is_approved(here: World) -> None:
    record = here.plan()
    ana = here.client("ana")
    line = record.recommendation.decision.lines[0]
    wanted = (line.current.micros + (line.proposed.micros - line.current.micros) // 2) // 1_000_000
    page = f"{page_of(record)}?edit=true"
    answer = ana.act(f"{page_of(record)}/edit", seen=page, **{"amount-0": str(wanted)})
    assert answer.status_code == 303, answer.text
    edited = here.premises.store.record(record.recommendation.rec_id)
    assert edited.recommendation.revision == 2
    assert edited.recommendation.author == "ana"
    fixed = {key: money.micros for key, money in edited.recommendation.fixed}
    assert fixed == {line.key: wanted * 1_000_000}
    text = ana.get(page_of(record)).text
    assert "set by hand" in text
    assert "A newer revision stands" in ana.get(f"{page_of(record)}?revision=1").text


def test_an_edit_of_a_plan_that_somebody_changed_meanwhile_is_refused(here: World) -> None:
    record = here.plan()
    ana = here.client("ana")
    page = f"{page_of(record)}?edit=true"
    assert f'name="plan_hash" value="{record.recommendation.plan_hash}"' in ana.get(page).text
    answer = ana.act(f"{page_of(record)}/edit", seen=page, plan_hash="0" * 64, **{"amount-0": "1"})
    assert answer.status_code == 409
    assert here.premises.store.record(record.recommendation.rec_id).recommendation.revision == 1


@pytest.mark.parametrize(
    ("typed", "said"), [("a lot", "is no amount"), ("-5", "below zero"), ("", "No amount was changed"), ("1e99", "")]
)
def test_an_amount_that_makes_no_sense_is_told_and_what_was_typed_stays(here: World, typed: str, said: str) -> None:
    record = here.plan()
    ana = here.client("ana")
    page = f"{page_of(record)}?edit=true"
    answer = ana.act(f"{page_of(record)}/edit", seen=page, **{"amount-0": typed})
    assert answer.status_code in (409, 422)
    assert said in answer.text
    assert f'value="{typed}"' in answer.text
    assert here.premises.store.record(record.recommendation.rec_id).recommendation.revision == 1


def test_a_rejection_needs_a_reason_and_keeps_it(here: World) -> None:
    record = here.plan()
    ben = here.client("ben")
    page = page_of(record)
    assert ben.act(f"{page}/reject", seen=page, reason=" ").status_code == 409
    assert ben.act(f"{page}/reject", seen=page, reason="launch week").status_code == 303
    assert state(here, record) is State.REJECTED
    assert "launch week" in ben.get(page).text


def test_an_approval_is_withdrawn_before_anything_is_written(here: World) -> None:
    record = here.plan()
    ben = here.client("ben")
    approve(ben, record)
    page = page_of(record)
    assert ben.act(f"{page}/revoke", seen=page, reason="wait").status_code == 303
    assert state(here, record) is State.REJECTED


def test_an_expired_plan_is_told_and_closed(here: World) -> None:
    record = here.plan()
    here.clock.at += timedelta(hours=11)
    ben = here.client("ben")
    here.clock.at = record.recommendation.valid_until + timedelta(minutes=1)
    ben = here.client("ben")
    answer = approve(ben, record)
    assert answer.status_code == 409
    assert state(here, record) is State.EXPIRED
    assert "Expired" in ben.get(page_of(record)).text


def test_of_two_approvers_at_once_one_wins_and_the_other_is_told(here: World) -> None:
    record = here.plan()
    ana, ben = here.client("ana"), here.client("ben")
    proofs = [visitor.proof(page_of(record)) for visitor in (ana, ben)]
    fields = {"plan_hash": record.recommendation.plan_hash, "line": changed(record)}
    answers = [
        visitor.post(f"{page_of(record)}/approve", proof=proof, **fields)
        for visitor, proof in zip((ana, ben), proofs, strict=True)
    ]
    assert [answer.status_code for answer in answers] == [303, 409]
    assert "approved" in answers[1].text.lower()


def test_what_somebody_changed_meanwhile_is_told_line_by_line(here: World) -> None:
    record = here.plan()
    ben = here.client("ben")
    approve(ben, record)
    here.edit_behind(record)
    with open_house(here.config, here.clock) as house, pytest.raises(Exception, match=r"changed|live"):
        writing.apply(house, record.recommendation.rec_id)
    text = ben.get(page_of(record)).text
    assert "Expired" in text
    assert "drift" in text


def test_four_eyes_above_the_threshold(tmp_path: Path) -> None:
    with world(tmp_path, "\n[approval]\nsecond_approver_above = 1\n") as here:
        record = here.plan()
        ana, ben = here.client("ana"), here.client("ben")
        assert approve(ana, record).headers["location"].endswith("said=second")
        assert state(here, record) is State.PROPOSED
        assert "waits for a second person" in ben.get(page_of(record)).text
        assert approve(ana, record).status_code == 409  # the same person
        assert approve(ben, record).headers["location"].endswith("said=approved")


def test_so_much_money_asks_for_the_password_again(tmp_path: Path) -> None:
    with world(tmp_path, "confirm_above = 1\n") as here:  # of [web], the last table
        record = here.plan()
        ben = here.client("ben")
        here.clock.at += timedelta(minutes=6)
        assert approve(ben, record).status_code == 403
        assert approve(ben, record, password="wrong password").status_code == 403
        assert state(here, record) is State.PROPOSED
        assert approve(ben, record, password=PASSWORD).status_code == 303


def test_a_fresh_password_is_not_asked_for_again(tmp_path: Path) -> None:
    with world(tmp_path, "confirm_above = 1\n") as here:
        assert approve(here.client("ben"), here.plan()).status_code == 303


def test_the_kill_switch_stands_on_every_screen_and_is_thrown_with_a_reason(here: World) -> None:
    here.plan()
    ben = here.client("ben")
    for screen in ("/", "/recommendations", "/leaderboards", "/pacing", "/scorecard", "/attribution", "/rules"):
        assert f'action="{here.root}/pause"' in ben.get(screen).text
    assert ben.act("/pause", reason=" ").status_code == 422
    assert ben.act("/pause", reason="odd numbers").status_code == 303
    brake = here.premises.store.brake()
    assert brake is not None
    assert (brake.on, brake.actor, brake.reason) == (True, "ben", "odd numbers")
    assert "Writes are stopped" in ben.get("/rules").text
    assert ben.act("/resume", reason="").status_code == 303
    assert here.premises.store.brake().on is False


def test_the_kill_switch_may_be_thrown_for_some_hours(here: World) -> None:
    ben = here.client("ben")
    for hours in ("two", "0", "-1", "nan", "inf", "1e9"):
        answer = ben.act("/pause", reason="sale", hours=hours)
        assert (answer.status_code, here.premises.store.brake()) == (422, None)
        assert "hours" in answer.text
    assert ben.act("/pause", reason="sale", hours="1.5").status_code == 303
    brake = here.premises.store.brake()
    assert brake.until == brake.at + timedelta(minutes=90)
    assert ", until" in ben.get("/rules").text
    assert ben.act("/pause", reason="short", hours="1").status_code == 409
    assert "stopped writes until" in ben.get("/switch").text
    assert ben.act("/resume", reason="").status_code == 303
    assert here.premises.store.brake().on is False


def test_the_lines_and_the_history_can_be_taken_away(here: World) -> None:
    record = here.plan()
    vic = here.client("vic")
    rows = list(csv.DictReader(io.StringIO(vic.get(f"{page_of(record)}/lines.csv").text)))
    lines = record.recommendation.decision.lines
    assert [row["proposed"] for row in rows] == [str(line.proposed.amount) for line in lines]
    told = list(csv.DictReader(io.StringIO(vic.get("/history.csv").text)))
    assert [int(row["number"]) for row in told] == [entry.number for entry in here.premises.store.audit()]


def test_the_proof_of_the_history_is_shown_on_request(here: World) -> None:
    here.plan()
    assert "entries hold" in here.client("vic").get("/history?prove_it=true").text


def test_edited_settings_count_and_nonsense_is_told_while_the_old_ones_stand(here: World) -> None:
    ana = here.client("ana")
    text = here.config.read_text()
    here.config.write_text(text.replace("minimum_days = 0", "minimum_days = 3"))
    assert "<strong>3</strong>" in ana.get("/rules").text
    here.config.write_text(text + "\nnonsense = [")
    shown = ana.get("/rules").text
    assert "those that were read before stand" in shown
    assert "<strong>3</strong>" in shown


def test_no_secret_of_the_settings_is_shown(tmp_path: Path) -> None:
    canary = "canary-0123456789"
    with world(tmp_path, f'\n[notify]\nurls = ["json://user:{canary}@127.0.0.1/x"]\n') as here:
        ana = here.client("ana")
        for screen in ("/", "/rules", "/history"):
            assert canary not in ana.get(screen).text


def test_names_from_a_platform_are_harmless(here: World) -> None:
    """Whatever a campaign is called, it stays a text on each screen and in each table."""
    hostile = [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "=cmd|' /C calc'!A0",
        "a\u202eb",
        "x" * 10_000,
    ]
    here.rename(hostile)
    record = here.plan()
    ana = here.client("ana")
    for path in ("/", "/recommendations", page_of(record), f"{page_of(record)}?edit=true", "/leaderboards",
                 f"{page_of(record)}/lines/0", f"{page_of(record)}/lines/1", "/scorecard", "/history"):  # fmt: skip
        text = ana.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "\u202e" not in re.sub(r'title="[^"]*"', "", text)
    rows = list(csv.DictReader(io.StringIO(ana.get(f"{page_of(record)}/lines.csv").text)))
    assert not any(row["name"].startswith(("=", "+", "-", "@")) for row in rows)
