"""A marketer's ways through the command line, on files: plan, decide, write, read back, undo."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.journeys.shops import BUDGET, Answered, Outlay, Shop

FINE, ERROR, PENDING, DRIFT, BLOCKED = 0, 1, 2, 3, 4


def plan(outlay: Outlay, shop: Shop, *more: object) -> Answered:
    return outlay("plan", "-c", shop.config, "--as-of", shop.today, "--seed", 1, "--json", *more)


def rec(answer: Answered) -> tuple[str, str]:
    recommendation = answer.data["recommendation"]
    return recommendation["rec_id"], recommendation["plan_hash"]


def proposed(answer: Answered) -> dict[str, Decimal]:
    lines = answer.data["recommendation"]["decision"]["lines"]
    return {line["key"]["budget_id"]: Decimal(line["proposed"]["micros"]).scaleb(-6) for line in lines}


def extremes(answer: Answered) -> tuple[str, str]:
    """The budgets that the plan cuts most and raises most."""
    wanted = proposed(answer)
    change = {name: float(wanted[name]) - BUDGET[name] for name in BUDGET}
    least, most = min(BUDGET, key=change.__getitem__), max(BUDGET, key=change.__getitem__)
    assert change[least] < 0 < change[most]
    return least, most


def test_the_whole_way_there_and_back(outlay: Outlay, shop: Shop) -> None:
    answer = plan(outlay, shop)
    assert answer.code == PENDING, answer.err
    name, whole = rec(answer)
    wanted = proposed(answer)
    cut, raised = extremes(answer)
    assert {name for name in BUDGET if wanted[name] > BUDGET[name]} <= {"generic", "prospecting"}, "far from saturated"
    assert cut in {"brand", "retargeting"}, "nearly saturated; a trial is paid for by all others together"
    assert sum(wanted.values()) <= Decimal(sum(BUDGET.values()))
    assert not (shop.folder / "data" / "budgets.csv").exists(), "a plan writes to no platform"

    seen = outlay("show", name, "-c", shop.config)
    assert seen.code == FINE
    for word in (cut, raised, "P(worse)", "EUR", "Europe/Berlin", whole[:12], f"outlay approve {name}"):
        assert word in seen.out

    assert outlay("approve", name, "-c", shop.config, "--hash", whole[:12], "--as", "ada").code == FINE
    rehearsal = outlay("apply", name, "-c", shop.config, "--dry-run", "--json")
    assert rehearsal.code == FINE
    assert all(row["problem"] == "" for row in rehearsal.data["dry_run"])
    assert not (shop.folder / "data" / "budgets.csv").exists(), "a dry run writes nothing"

    assert outlay("apply", name, "-c", shop.config).code == FINE
    assert {key: Decimal(amount) for key, amount in shop.budgets().items()} == wanted
    checked = outlay("verify", name, "-c", shop.config, "--json")
    assert (checked.code, checked.data["state"]) == (FINE, "verified")

    undo = outlay("rollback", name, "-c", shop.config, "--as", "ada", "--json")
    assert undo.code == PENDING
    child, child_hash = rec(undo)
    assert undo.data["recommendation"]["parent_id"] == name
    assert outlay("approve", child, "-c", shop.config, "--hash", child_hash, "--as", "ada").code == FINE
    assert outlay("apply", child, "-c", shop.config).code == FINE
    assert outlay("verify", child, "-c", shop.config).code == FINE
    assert {key: float(amount) for key, amount in shop.budgets().items()} == BUDGET
    assert outlay("show", name, "-c", shop.config, "--json").data["state"] == "rolled-back"


def test_every_step_of_the_way_is_told(outlay: Outlay, shop: Shop) -> None:
    name, whole = rec(plan(outlay, shop))
    outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "ada", "--reason", "looks right")
    outlay("apply", name, "-c", shop.config)
    outlay("verify", name, "-c", shop.config)
    told = outlay("show", name, "-c", shop.config, "--history", "--json").data
    actions = [event["action"] for event in told["events"] if not event["action"].startswith("write-")]
    assert actions == ["proposed", "approved", "begun", "applied", "verified"]
    assert told["events"][1]["actor"] == "ada"
    assert "looks right" in told["events"][1]["detail"]
    changes = [(i["target"]["micros"] - i["base"]["micros"]) for i in told["intents"]]
    assert changes == sorted(changes), "decreases are written first"
    assert "Writes" in outlay("show", name, "-c", shop.config, "--history").out


def test_some_lines_only_and_never_raises_alone(outlay: Outlay, shop: Shop) -> None:
    answer = plan(outlay, shop)
    name, whole = rec(answer)
    cut, raised = extremes(answer)
    raises = outlay("approve", name, "-c", shop.config, "--hash", whole, "--lines", raised, "--as", "ada")
    assert raises.code == BLOCKED
    assert "total" in raises.err
    cuts = outlay("approve", name, "-c", shop.config, "--hash", whole, "--lines", cut, "--as", "ada")
    assert cuts.code == FINE, cuts.err
    assert outlay("apply", name, "-c", shop.config).code == FINE
    changed = {key for key, amount in shop.budgets().items() if float(amount) != BUDGET[key]}
    assert changed == {cut}


def test_an_edit_is_a_new_revision_with_the_rest_solved_around_it(outlay: Outlay, shop: Shop) -> None:
    answer = plan(outlay, shop)
    name, whole = rec(answer)
    edited = outlay("edit", name, "-c", shop.config, "--set", "generic=110", "--keep", "brand", "--as", "ada", "--json")
    assert edited.code == PENDING, edited.err
    assert edited.data["recommendation"]["revision"] == 2
    amounts = proposed(edited)
    assert (amounts["generic"], amounts["brand"]) == (110, 200)
    assert sum(amounts.values()) <= Decimal(sum(BUDGET.values()))
    old = outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "ada")
    assert old.code == BLOCKED, "the hash of the first revision approves nothing any more"
    assert outlay("show", name, "-c", shop.config, "--revision", 1, "--json").data["state"] == "edited"


def test_an_edit_beyond_the_step_is_refused_with_the_room_there_is(outlay: Outlay, shop: Shop) -> None:
    name, _ = rec(plan(outlay, shop))
    answer = outlay("edit", name, "-c", shop.config, "--set", "generic=500", "--as", "ada")
    assert answer.code == BLOCKED
    assert "generic" in answer.err
    assert "130.00" in answer.err


def test_a_persons_change_after_the_approval_is_never_overwritten(outlay: Outlay, shop: Shop) -> None:
    answer = plan(outlay, shop)
    first, first_hash = rec(answer)
    _, raised = extremes(answer)
    outlay("approve", first, "-c", shop.config, "--hash", first_hash, "--as", "ada")
    outlay("apply", first, "-c", shop.config)
    outlay("verify", first, "-c", shop.config)
    undo, undo_hash = rec(outlay("rollback", first, "-c", shop.config, "--as", "ada", "--json"))
    outlay("approve", undo, "-c", shop.config, "--hash", undo_hash, "--as", "ada")
    shop.edit_budget(raised, "55.00")
    answer = outlay("apply", undo, "-c", shop.config)
    assert answer.code == DRIFT
    assert "55.00 EUR" in answer.err
    assert shop.budgets()[raised] == "55.00"


def test_rejection_needs_a_reason_and_ends_the_matter(outlay: Outlay, shop: Shop) -> None:
    name, whole = rec(plan(outlay, shop))
    assert outlay("reject", name, "-c", shop.config, "--as", "ada").code != FINE
    assert outlay("reject", name, "-c", shop.config, "--reason", " ", "--as", "ada").code == BLOCKED
    assert outlay("reject", name, "-c", shop.config, "--reason", "sale ends today", "--as", "ada").code == FINE
    late = outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "ada")
    assert late.code == BLOCKED
    assert "rejected" in late.err


def test_an_approval_can_be_revoked_before_it_is_applied(outlay: Outlay, shop: Shop) -> None:
    name, whole = rec(plan(outlay, shop))
    outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "ada")
    assert outlay("reject", name, "-c", shop.config, "--reason", "on second thoughts", "--as", "ada").code == FINE
    assert outlay("apply", name, "-c", shop.config).code == BLOCKED


def test_above_a_threshold_two_people_decide(outlay: Outlay, shop: Shop) -> None:
    shop.append("\n[approval]\nsecond_approver_above = 1\n")
    name, whole = rec(plan(outlay, shop))
    first = outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "ada")
    assert "second approver" in first.out
    assert outlay("apply", name, "-c", shop.config).code == BLOCKED
    assert outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "Ada").code == BLOCKED
    assert outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "bob").code == FINE
    assert outlay("apply", name, "-c", shop.config).code == FINE


def test_a_newer_plan_supersedes_the_older(outlay: Outlay, shop: Shop) -> None:
    old, whole = rec(plan(outlay, shop))
    new, _ = rec(plan(outlay, shop, "--seed", 2))
    assert old != new
    assert outlay("show", old, "-c", shop.config, "--json").data["state"] == "superseded"
    assert outlay("approve", old, "-c", shop.config, "--hash", whole, "--as", "ada").code == BLOCKED
    assert outlay("show", "latest", "-c", shop.config, "--json").data["recommendation"]["rec_id"] == new


def test_an_approval_without_the_hash_is_no_approval(outlay: Outlay, shop: Shop) -> None:
    name, whole = rec(plan(outlay, shop))
    blind = outlay("approve", name, "-c", shop.config, "--as", "ada")
    assert blind.code == ERROR
    assert "--hash" in blind.err
    other = "0" * 12 if whole[0] != "0" else "1" * 12
    assert outlay("approve", name, "-c", shop.config, "--hash", other, "--as", "ada").code == BLOCKED


def test_only_named_approvers_approve(outlay: Outlay, shop: Shop) -> None:
    shop.append('\n[approval]\napprovers = ["ada"]\n')
    name, whole = rec(plan(outlay, shop))
    assert outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "eve").code == BLOCKED
    assert outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "ada").code == FINE


@pytest.mark.parametrize(
    ("settings", "broken"),
    [
        ('[[limits]]\nscope = "campaign:brand"\nfloor = 195\n', lambda p: p["brand"] < 195),
        ('[[limits]]\nscope = "channel:search"\nceiling = 305\n', lambda p: p["brand"] + p["generic"] > 305),
        (
            '[[limits]]\nscope = "channel:social"\nshare_floor = 0.5\n',
            lambda p: p["retargeting"] + p["prospecting"] < 285,
        ),
        ('[[pins]]\nscope = "campaign:generic"\nauthor = "ada"\nreason = "test"\n', lambda p: p["generic"] != 100),
        ("[guardrails]\nlargest_step = 0.1\n", lambda p: p["generic"] > 110 or p["brand"] < 180),
        ("[goal]\ntotal_per_day = 500\n", lambda p: sum(p.values()) > 500),
    ],
)
def test_every_limit_is_kept(outlay: Outlay, shop: Shop, settings: str, broken: object) -> None:
    shop.append("\n" + settings)
    answer = plan(outlay, shop)
    assert answer.code == PENDING, answer.err
    assert not broken(proposed(answer))


def test_status_and_doctor_say_what_waits_and_that_all_is_well(outlay: Outlay, shop: Shop) -> None:
    assert "Next: outlay plan" in outlay("status", "-c", shop.config).out
    name, _ = rec(plan(outlay, shop))
    waits = outlay("status", "-c", shop.config, "--json").data
    assert [row["recommendation"] for row in waits["recommendations"]] == [name]
    assert waits["accounts"] == [{"account": "shop/shop", "last_day": "2026-03-01"}]
    assert outlay("doctor", "-c", shop.config).code == FINE
    assert outlay("connectors", "check", "-c", shop.config).code == FINE
    assert {k["name"] for k in outlay("connectors", "list", "-c", shop.config, "--json").data["kinds"]} >= {
        "files",
        "simulated",
    }


def test_the_same_evidence_and_seed_give_the_same_decision(outlay: Outlay, shop: Shop) -> None:
    first = plan(outlay, shop).data["recommendation"]["decision"]
    again = plan(outlay, shop).data["recommendation"]["decision"]
    for decision in (first, again):
        decision.pop("input_digest")  # holds the time at which it was asked
    assert first == again
