"""What a person reads in a terminal: every figure is there, whole, however narrow the screen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from connectors.contract import AdKey, BudgetKey, EntityStatus
from connectors.money import Money
from optimizer.agent.cli import answers, render, screen
from optimizer.explain import figure
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.recommendation import (
    AdLine,
    ArmShare,
    Binding,
    Certificate,
    Decision,
    Declined,
    Effect,
    Evidence,
    Explanation,
    Finding,
    Line,
    More,
    Objective,
    Promise,
    Recommendation,
    Severity,
    Shift,
    Turn,
    Unspent,
)
from optimizer.plan.record import AdIntent, BudgetIntent, Event, IntentState, Record, State

WIDTHS = (80, 100, 140)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STAYS = Effect(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
EVIDENCE = Evidence(60, 400.0, 6000.0, thin=False, words="60 days, 400 conversions")
LONG = "Prospecting | Broad match without brand terms | Germany, Austria and Switzerland | mobile only"


def key(name: str) -> BudgetKey:
    return BudgetKey("files", "acme", name)


def line(name: str, now: int, then: int, reason: str = "why", bindings: tuple[Binding, ...] = ()) -> Line:
    """A line with amounts in cents, and an effect that differs from line to line."""
    gain = (then - now) / 900
    moved = Effect(gain, gain - 1.25, gain + 2.5, gain - 3.75, gain + 4.5, (then % 97) / 100)
    current, proposed = Money(now * 10_000, "EUR"), Money(then * 10_000, "EUR")
    effect = STAYS if now == then else moved
    return Line(key(name), name, "search", current, proposed, "", effect, bindings, EVIDENCE, reason)


def decision(*lines: Line, total: Effect | None = None) -> Decision:
    gain = sum(each.effect.mean for each in lines)
    return Decision(
        as_of=date(2026, 11, 24),
        currency="EUR",
        time_zone="Europe/Berlin",
        objective=Objective.CONVERSIONS,
        unit="conversions a day",
        lines=lines,
        total=total or Effect(gain, gain - 1, gain + 3, gain - 2, gain + 5, 0.12),
        expected_now=1234.5,
        expected_then=1234.5 + gain,
        findings=(),
        arms=(),
        envelopes=(),
        bindings=(),
        promises=(),
        certificate=Certificate(10.0, 10.0, 0.0),
        model_version="m",
        guardrail_version="g",
        goals_digest="0",
        input_digest="1",
    )


def record(made: Decision, state: State = State.PROPOSED) -> Record:
    recommendation = Recommendation(
        "R-1", 1, None, NOW, NOW.replace(day=24), "outlay", 7, "0.1", made, "0123456789abcdef" * 4
    )
    return Record(recommendation, state)


def shown(content: RenderableType, width: int) -> str:
    """What `screen.show` would print on a terminal of a width, without colours."""
    console = Console(width=width, highlight=False, emoji=False, color_system=None)
    with console.capture() as captured:
        console.print(screen.Tidy(content), crop=False)
    return captured.get()


def told(made: Decision, width: int = 200) -> str:
    """The same as one line of words."""
    return " ".join(shown(render.record(record(made)), width).split())


def span(low: float, high: float) -> str:
    return f"[{low:+,.2f}, {high:+,.2f}]"


def figures(effect: Effect) -> tuple[str, ...]:
    return f"{effect.mean:+,.2f}", span(effect.low80, effect.high80), span(effect.low95, effect.high95)


def stanza(text: str, start: str) -> str:
    """A table's row with the line under it."""
    rows = text.splitlines()
    at = next(i for i, row in enumerate(rows) if row.startswith(start))
    return "\n".join(rows[at : at + 2])


PLAN = (
    line(f"A {LONG}", 33_900, 44_070),
    line(f"B {LONG}", 1_234_567_89, 1_111_111_11),
    line(f"C {LONG}", 0, 1_250),
    line(f"D {LONG}", 48_382, 45_117),
    line("E", 20_000, 20_000, "Stays: a move would bring too little."),
    line("F", 12_345, 12_345, "Stays: pinned by ada: launch week."),
)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_figure_of_a_plan_is_cut(width: int) -> None:
    made = decision(*PLAN, total=Effect(4321.09, 1234.56, 6543.21, -123.45, 9876.54, 0.12))
    text = shown(render.record(record(made)), width)
    for each, mark, change in zip(PLAN[:4], "+-+-", ("+30.0%", "-10.0%", "new", "-6.7%"), strict=True):
        row = stanza(text, f"{mark} {each.name[:2]}")
        amounts = (f"{each.current.micros / 1e6:,.2f}", f"{each.proposed.micros / 1e6:,.2f}", change)
        for words in (*amounts, f"{each.effect.p_worse:.0%}", *figures(each.effect)):
            assert f" {words}" in row, (words, row)
    assert "(2 unchanged)" in text
    assert " 323.45" in stanza(text, "  (2 unchanged)")
    for words in (*figures(made.total), "12%"):
        assert words in stanza(text, "  total")
    assert "P(worse)" in text


def ad_lines() -> tuple[AdLine, ...]:
    effect = Effect(1234.5, -0.25, 23456.78, -1.0, 2.0, 0.08)
    shared = (Money.of("1234.56", "EUR"), 0.2, 0.04, 0.01, 3, 2)
    name, reason = f"{LONG[:60]}\x1b[2J[red]", "has 20% of the exposure and deserves 4%"
    ad = AdLine(AdKey("shop", "1", "ad-1"), key(PLAN[0].name), name, EntityStatus.ACTIVE, EntityStatus.PAUSED, "",
                *shared, effect, EVIDENCE, reason)  # fmt: skip
    back = replace(ad, key=AdKey("shop", "1", "ad-2"), name="Spring", current=EntityStatus.PAUSED,
                   proposed=EntityStatus.ACTIVE, effect=None, reason="paused by us, deserves 30%")  # fmt: skip
    return back, ad


@pytest.mark.parametrize("width", WIDTHS)
def test_no_figure_of_the_ads_is_cut(width: int) -> None:
    text = shown(render.record(record(replace(decision(*PLAN), ads=ad_lines()))), width)
    assert "Ads: 1 to be paused, 1 to be resumed: +1,234.50 conversions a day beside" in " ".join(text.split())
    table = text[text.index("\nAds\n") :].splitlines()
    for name, words in (("ad-1", ("pause", "1,234.56", "8%")), ("ad-2", ("resume",))):
        (row,) = [row for row in table if f" {name} " in row]
        assert all(f" {each}" in row for each in words), row
    for figures in ("+1,234.50", "[-0.25, +23,456.78]"):
        assert len([row for row in table if f" {figures}" in row]) == 1
    assert "\x1b" not in text
    assert "has 20% of the exposure and deserves 4%" in text


def test_ads_alone_are_told_without_a_table_of_budgets() -> None:
    text = told(replace(decision(line("a", 10_000, 10_000)), ads=ad_lines()))
    assert "those of the budgets. Leave every budget as it is." in text
    assert "Nothing to change" not in text
    assert "outlay approve" in text


def test_what_is_written_of_the_shares_is_said() -> None:
    made = replace(decision(*PLAN), arms=arm_shares())
    assert "Advice, not written" in told(made)
    assert "What is written of it stands under Ads" in told(replace(made, ads=ad_lines()))


def test_writes_of_ads_are_told_by_name_and_status() -> None:
    back, paused = ad_lines()
    made = record(replace(decision(*PLAN), ads=(back, paused)))
    write = AdIntent("k", "R-1", 1, back.key, back.current, back.proposed, 0, IntentState.SENDING, note="no answer")
    text = shown(render.intents(made, [write]), 100)
    (row,) = [row for row in text.splitlines() if row.startswith("1. Spring")]
    assert row.split()[-3:] == ["paused", "active", "sending"]
    assert "budget or ad" in text
    assert "Spring: paused -> active" in shown(render.approved([back]), 100)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_figure_of_the_arms_is_cut(width: int) -> None:
    arms = arm_shares()
    text = shown(render.record(record(replace(decision(*PLAN), arms=arms))), width)
    for arm in arms:
        row = stanza(text, f"  {arm.name[:12]}")
        sure = f"{arm.p_best:.0%}" if arm.enough else "thin data"
        rate = figure(arm.rate), f"[{figure(arm.low90)}, {figure(arm.high90)}]"
        for words in (f"{arm.share_now:.0%}", f"{arm.share:.0%}", sure, *rate):
            assert f" {words}" in row.splitlines()[0], (words, row)


def test_a_screen_too_narrow_for_the_figures_is_overrun_rather_than_obeyed() -> None:
    arms = arm_shares()
    rows = shown(render.record(record(replace(decision(*PLAN), arms=arms))), 50).splitlines()
    for arm in arms:
        assert any(row.endswith(f"[{figure(arm.low90)}, {figure(arm.high90)}]") for row in rows)


@pytest.mark.parametrize("width", [64, *WIDTHS, 200])
def test_lines_end_where_their_words_end_and_none_is_wider_than_the_screen(width: int) -> None:
    made = replace(decision(*PLAN), arms=arm_shares(), findings=(Finding("x", Severity.INFO, "portfolio", LONG),))
    rows = shown(render.record(record(made)), width).split("\n")
    assert all(row == row.rstrip() for row in rows)
    assert all(first or second for first, second in pairwise(rows)), "two empty lines in a row"
    assert rows[0]
    assert all(len(row) <= width for row in rows), max(rows, key=len)


@example(amounts=[(0, 1)] * 9 + [(1_000_000_000, 0)], width=70)  # the headline breaks before the word "budgets"
@given(
    amounts=st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=40),
    width=st.integers(70, 160),
)
def test_the_columns_add_up_at_any_width(amounts: Sequence[tuple[int, int]], width: int) -> None:
    made = decision(*(line(f"N{number}", now, then) for number, (now, then) in enumerate(amounts)))
    text = shown(render.record(record(made)), width)
    if not made.moves:
        assert "Nothing to change" in " ".join(text.split())
        return
    table = text[text.index("\nbudget ") : text.index("\nWhy")].splitlines()
    found = [re.findall(r"(?<= )[\d,]+\.\d\d(?= |$)", row) for row in table if not row.startswith("    ")]
    sums = [tuple(round(float(text.replace(",", "")) * 100) for text in row[:2]) for row in found if len(row) >= 2]
    assert tuple(map(sum, zip(*sums[:-1], strict=True))) == sums[-1]
    assert sums[-1] == tuple(map(sum, zip(*amounts, strict=True)))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((line("a", 10_000, 12_000), line("b", 9_000, 7_000)), "Move 20.00 EUR a day in 2 of 2 budgets: 1,234.50 ->"),
        ((line("a", 10_000, 12_000), line("b", 9_000, 8_000)), "Raise 20.00 and cut 10.00 EUR a day in 2 of 2 budgets"),
        ((line("a", 47_371, 10_000), line("b", 9_000, 9_000)), "Cut 373.71 EUR a day in 1 of 2 budgets"),
        ((line("a", 10_000, 12_000),), "Raise 20.00 EUR a day in 1 of 1 budgets"),
    ],
)
def test_the_headline_says_what_is_raised_and_what_is_cut(lines: tuple[Line, ...], words: str) -> None:
    assert words in told(decision(*lines))


def test_a_gain_is_told_with_its_intervals_and_its_risk() -> None:
    text = told(decision(line("a", 10_000, 12_000), total=Effect(4.32, 0.59, 8.28, -0.91, 10.77, 0.06)))
    assert "Gain +4.32; 80% sure of [+0.59, +8.28], 95% of [-0.91, +10.77]; P(worse) 6%." in text
    assert "The aim is within 0.001% of the best under these beliefs and limits (certified)." in text
    assert "Saves" not in text


def test_a_certificate_that_holds_given_trials_says_so() -> None:
    made = replace(decision(line("a", 10_000, 12_000)), certificate=Certificate(10.0, 10.0, 0.0, 2))
    words = "The aim is within 0.001% of the best under these beliefs and limits, given what is on trial (certified)."
    assert words in told(made)


def test_a_plan_that_buys_less_tells_what_it_saves_and_what_that_costs() -> None:
    made = decision(line("a", 47_371, 10_000), total=Effect(-363.93, -420.0, -300.0, -440.0, -280.0, 0.997))
    text = told(made)
    costs = "Saves 373.71 EUR a day and costs about 363.93 conversions a day"
    assert f"{costs} (80% sure of [300.00, 420.00], 95% of [280.00, 440.00])." in text
    for word in ("Gain", "P(worse)", "100%"):
        assert word not in text


def test_a_plan_that_saves_and_gains_is_a_gain() -> None:
    text = told(decision(line("a", 47_371, 10_000), total=Effect(2.0, 1.0, 3.0, 0.0, 4.0, 0.02)))
    assert "Gain +2.00" in text
    assert "P(worse) 2%" in text


def test_each_line_tells_its_reason_and_what_its_limit_costs() -> None:
    step = Binding("step", "the largest step is 30%; each 100 EUR more would bring 0.5 conversions more", 0.005)
    same = Binding("pin", "pinned by ada", None)
    text = told(
        decision(
            line("a", 10_000, 13_000, "Raised: it brings more.", (step,)),
            line("b", 9_000, 9_000, "Stays: pinned by ada.", (same,)),
            line("c", 8_000, 8_000, "Stays: pinned by ada.", (same,)),
            line("d", 7_000, 7_000, "Stays: at its floor.", (step,)),
        )
    )
    assert f"Why a Raised: it brings more. Limit: {step.words}." in text
    assert f"Unchanged - b, c: Stays: pinned by ada. - d: Stays: at its floor. Limit: {step.words}." in text


def test_many_unchanged_lines_stay_few_lines() -> None:
    alike = [line(f"n{number}", 100, 100, "Stays: too thin.") for number in range(40)]
    text = told(decision(line("a", 10_000, 12_000), *alike))
    assert "- n0, n1, n2, n3, n4, n5 and 34 more: Stays: too thin." in text
    apart = [line(f"n{number}", 100, 100, f"Stays: {number} conversions.") for number in range(40)]
    text = told(decision(line("a", 10_000, 12_000), *apart))
    assert "- n14: Stays: 14 conversions. - and 25 more (--json shows all)" in text
    assert "n15" not in text


def test_a_plan_that_moves_nothing_says_why() -> None:
    text = told(decision(line("a", 100, 100, "Stays: too thin.")))
    assert "Nothing to change: leave every budget as it is." in text
    assert "Unchanged - a: Stays: too thin." in text
    assert "certified" not in text


def test_a_plan_is_explained_and_its_doubts_stand_under_their_lines() -> None:
    turn = Turn(0.82, 0.12, 23, "If its money brought 18% less than expected, the raise would gain nothing.")
    gain, money = Effect(3.1, 1.0, 5.0, 0.0, 6.0, 0.02), Money(45_000_000, "EUR")
    shift = Shift(key("b"), key("a"), money, gain, "45.00 EUR a day from b to a: +3.10 conversions a day.")
    explained = Explanation(
        (shift,), Unspent(money, "steps", "45.00 EUR stay unspent."), More(money, (), gain, "With 45.00 EUR more.")
    )
    doubt = Finding("slope-assumed", Severity.WARNING, str(key("a")), "a: 90% is assumption.", "Vary it.")
    held = Finding("thin-evidence", Severity.INFO, str(key("c")), "c: too thin.")
    made = replace(
        decision(
            replace(line("a", 10_000, 13_000, "Raised: it brings more."), turn=turn),
            line("b", 9_000, 6_000, "Cut: it brings less."),
            line("c", 8_000, 8_000, "Stays: too thin."),
        ),
        explanation=explained,
        findings=(doubt, held),
    )
    text = told(made)
    assert f"Where the money goes - {shift.words}" in text
    assert f"a Raised: it brings more. {turn.words} warning: a: 90% is assumption. Vary it. b Cut:" in text
    assert "What more or less money would do - 45.00 EUR stay unspent. - With 45.00 EUR more." in text
    assert "What was noticed - info: c: too thin." in text
    assert text.count("90% is assumption") == 1
    plain = answers.record_data(record(made))["recommendation"]["decision"]
    assert plain["lines"][0]["turn"]["factor"] == 0.82
    assert plain["explanation"]["shifts"][0]["words"] == shift.words
    assert all(len(row) <= 80 for row in shown(render.record(record(made)), 80).splitlines())


def test_doing_nothing_is_told_once_with_its_figures() -> None:
    finding = Finding("gain-too-small", Severity.INFO, "portfolio", "The best shift would gain too little.")
    made = replace(
        decision(line("a", 100, 100, "Stays: a move would bring too little.")),
        explanation=Explanation(declined=Declined(None, None, "The best shift found moves 12.00 EUR a day.")),
        findings=(finding,),
    )
    text = told(made)
    assert "Why nothing is proposed - The best shift found moves 12.00 EUR a day." in text
    assert finding.message not in text
    assert finding.message in told(replace(made, explanation=None)), "as older recommendations have it"


def test_promises_and_limits_of_the_portfolio_are_told() -> None:
    words = "ROAS 2.22 -> 2.67; at least 2.4 with a probability of 92%"
    made = replace(
        decision(line("a", 10_000, 12_000)),
        promises=(Promise("roas", words, 2.22, 2.67, 0.92),),
        bindings=(Binding("total", "the total is at most 100.00 EUR a day: dear", 0.1),),
    )
    text = told(made)
    assert f"Promises - {words}" in text
    assert "What holds the plan back - the total is at most 100.00 EUR a day: dear" in text
    assert "Promises" not in told(replace(made, promises=()))


def test_arms_stand_under_their_budgets_with_the_largest_shift_first() -> None:
    text = shown(render.record(record(replace(decision(*PLAN), arms=arm_shares()))), 140)
    rows = [row.strip() for row in text[text.index("Creatives and audiences") :].splitlines()]
    starts = ("E", "Video calm", "Carousel w", "D Prospect", "Still pict", "Long story")
    order = [next(i for i, row in enumerate(rows) if row.startswith(start)) for start in starts]
    assert order == sorted(order)
    assert "conversions per 1,000 impressions" in text


def test_a_worn_ad_is_told_under_its_row() -> None:
    words = "past its peak: about 40% of its first click rate is gone (90% sure of 30% to 50%)"
    arms = (replace(arm("E", "Video calm", 0.5, 0.2), worn=words), arm("E", "Carousel", 0.5, 0.8))
    rows = [row.strip() for row in shown(render.record(record(replace(decision(*PLAN), arms=arms))), 140).splitlines()]
    at = next(i for i, row in enumerate(rows) if row.startswith("Video calm"))
    assert rows[at + 1] == words


def test_more_arms_than_fit_are_counted() -> None:
    many = tuple(arm("E", f"ad {number}", 0.02, 0.02) for number in range(50))
    text = told(replace(decision(*PLAN), arms=many))
    assert "and 35 more (--json shows all)" in text


def test_names_cannot_control_the_terminal() -> None:
    evil = "[bold]x[/] \x1b[31m :smile:"
    text = shown(render.record(record(decision(line(evil, 10_000, 12_000, f"Raised: {evil}")))), 140)
    assert "\x1b" not in text
    assert text.count("[bold]x[/] \N{REPLACEMENT CHARACTER}[31m :smile:") == 3


def test_what_was_stored_before_lines_had_turns_keeps_its_hash() -> None:
    """The hash that an approval of an older version names: fields that came later are not in its content."""
    made = record(decision(line("a", 10_000, 13_000), line("b", 9_000, 6_000))).recommendation
    assert made.computed_hash() == "aedbd13dd693291a4571b896f39c3549d33382dfe8131c5f304a25ec2b917248"
    stored = to_json(made)
    assert '"turn"' not in stored
    assert '"explanation"' not in stored
    assert from_json(Recommendation, stored) == made
    explained = replace(made, decision=replace(made.decision, explanation=Explanation()))
    assert explained.computed_hash() != made.computed_hash()


def test_a_failed_revision_says_how_to_go_on() -> None:
    step = render.next_step(record(decision(*PLAN), State.FAILED))
    assert "outlay apply R-1 retries" in step
    assert render.next_step(record(decision(*PLAN), State.REJECTED)) == ""


@pytest.mark.parametrize("width", WIDTHS)
def test_writes_keep_their_amounts_and_what_went_wrong(width: int) -> None:
    note = "the live budget is 55.00 EUR, not the 100.00 EUR that was written: somebody changed it since"
    base, target = Money(123_456_780_000, "EUR"), Money(110_000_000, "EUR")
    drifted = BudgetIntent("k", "R-1", 1, key(PLAN[0].name), base, target, 0, IntentState.DRIFT, note=note)
    fine = replace(drifted, key=key("E"), order=1, state=IntentState.VERIFIED, note="read back as written")
    event = Event("R-1", 1, NOW, "ada", "approved", LONG)
    text = shown(render.history(record(decision(*PLAN)), [event], [drifted, fine]), width)
    for row in ("1. A Prospecting", "2. E"):
        assert all(word in stanza(text, row) for word in ("123,456.78 EUR", "110.00 EUR"))
    words = " ".join(text.split())
    assert note in words
    assert fine.note not in words
    assert words.startswith("History when (UTC)")
    assert "2026-11-23 12:00:00" in words


@pytest.mark.parametrize(("columns", "width"), [(None, 100), ("80", 80), ("140", 140), ("wide", 100)])
def test_a_pipe_is_a_hundred_columns_wide_unless_told(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert screen.screen().width == width


def arm(budget: str, name: str, now: float, then: float, *, enough: bool = True) -> ArmShare:
    metric = "conversions per 1,000 impressions"
    return ArmShare(key(budget), name, name, now, then, 0.97, 1234.5, 0.000987, 23456.7, metric, enough)


def arm_shares() -> tuple[ArmShare, ...]:
    """Two ads each of two budgets; budget E shifts more, and is listed last."""
    return (
        arm(PLAN[3].name, f"Long story of our founders | {LONG}", 0.5, 0.4),
        arm(PLAN[3].name, f"Still picture of the shop | {LONG}", 0.5, 0.6),
        arm("E", f"Carousel with prices | {LONG}", 0.9, 0.04, enough=False),
        arm("E", f"Video calm and slow | {LONG}", 0.1, 0.96),
    )
