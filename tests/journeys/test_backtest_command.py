"""`outlay backtest` from the command line: a shop's exports read once, real exports, logs of choices, and bad words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.journeys.shops import BUDGET, Outlay, Shop
from tests.journeys.test_real_input import CLICKS, CRITEO, DATA, PROVIDER, Real, settle_in

FINE, ERROR = 0, 1
PERIOD = ("--since", "2026-02-25", "--until", "2026-03-01")


@pytest.fixture
def planned(outlay: Outlay, shop: Shop) -> Shop:
    """A shop whose rows were read once."""
    outlay("plan", "-c", shop.config, "--as-of", shop.today, "--json")
    return shop


def test_an_export_read_once_is_walked_under_an_assumption_that_is_told(outlay: Outlay, planned: Shop) -> None:
    refused = outlay("backtest", "-c", planned.config, *PERIOD)
    assert refused.code == ERROR
    assert "Mend: --as-if-mature" in refused.err
    answer = outlay("backtest", "-c", planned.config, *PERIOD, "--as-if-mature")
    assert answer.code == FINE, answer.err
    told = " ".join(answer.out.split())
    assert "Backtest from 2026-02-25 to 2026-03-01: 5 mornings" in told
    assert "Assumed: each row was known the morning after its day" in told
    assert "20 budget-mornings: the mean spend of the week before stands in" in told
    assert "What this cannot say" in told
    assert "nan" not in told


def test_the_object_holds_every_morning_and_the_same_seed_gives_the_same(outlay: Outlay, planned: Shop) -> None:
    words = ("backtest", "-c", planned.config, *PERIOD, "--as-if-mature", "--seed", 5, "--json")
    first = outlay(*words)
    data = first.data
    assert [morning["day"] for morning in data["mornings"]] == [
        "2026-02-25", "2026-02-26", "2026-02-27", "2026-02-28", "2026-03-01",
    ]  # fmt: skip
    assert set(data["mornings"][0]["budgets"]) == {f"shop/shop/{name}" for name in BUDGET}
    assert (data["as_if_mature"], data["assumed_budgets"], data["unknown_mornings"]) == (True, 20, [])
    assert [level for level, _ in data["coverage"]] == [0.5, 0.8, 0.9]
    assert [found["window"] for found in data["forecasters"]] == [None, 7, 28]
    assert data["forecasters"][0]["log"]["cells"] == 20
    assert len(data["reach"]) == 4
    assert outlay(*words).out == first.out


def test_no_figure_is_cut_where_the_screen_is_narrow(
    outlay: Outlay, planned: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("backtest", "-c", planned.config, *PERIOD, "--as-if-mature")
    data = outlay(*words, "--json").data
    monkeypatch.setenv("COLUMNS", "40")
    lines = outlay(*words).out.splitlines()
    rival = data["forecasters"][2]["behind"][1]
    assert any(line.endswith(f"{rival['mean']:,.3f} ± {rival['se']:,.3f}") for line in lines)
    for item in data["reach"]:
        assert any(line.startswith(item["name"]) and line.endswith(f"{item['outside']:.1%}") for line in lines)


def test_budgets_that_are_never_planned_leave_nothing_to_judge(outlay: Outlay, shop: Shop) -> None:
    (shop.folder / "data" / "budgets.csv").write_text(
        "budget_id,campaign_ids,amount,currency,kind\nbrand,brand,9000,EUR,lifetime\n", encoding="utf-8"
    )
    outlay("plan", "-c", shop.config, "--as-of", shop.today, "--json")
    told = outlay("backtest", "-c", shop.config, *PERIOD, "--as-if-mature")
    assert told.code == FINE, told.err
    assert "there is nothing to score" in told.out
    assert "No daily budget was planned" in told.out


def test_one_morning_has_no_standard_error(outlay: Outlay, planned: Shop) -> None:
    day = ("--since", "2026-03-01", "--until", "2026-03-01")
    told = outlay("backtest", "-c", planned.config, *day, "--as-if-mature")
    assert told.code == FINE, told.err
    assert "4 budget-days of 1 days" in told.out
    assert "nan" not in told.out


def test_nothing_is_written_by_looking_back(outlay: Outlay, planned: Shop) -> None:
    before = outlay("status", "-c", planned.config, "--json").data
    outlay("backtest", "-c", planned.config, *PERIOD, "--as-if-mature")
    assert outlay("status", "-c", planned.config, "--json").data == before


def test_rows_that_say_when_they_were_learnt_need_no_assumption(outlay: Outlay, shop: Shop) -> None:
    """Each row is stated anew on three mornings, in three files; what was known then is walked."""
    header, *lines = shop.rows.read_text(encoding="utf-8").splitlines()
    shop.rows.unlink()
    for age, share in ((1, 0.5), (2, 0.8), (3, 1.0)):
        stated = [f"{header},learnt"]
        for line in lines:
            cells = line.split(",")
            cells[5] = str(int(int(cells[5]) * share))
            learnt = np.datetime64(cells[0]) + np.timedelta64(age, "D")
            stated.append(",".join([*cells, f"{learnt}T05:00:00Z"]))
        (shop.rows.parent / f"after-{age}.csv").write_text("\n".join(stated) + "\n", encoding="utf-8")
    shop.append('\n[connectors.shop.columns]\nfetched_at = "learnt"\n')
    outlay("plan", "-c", shop.config, "--as-of", shop.today, "--json")
    answer = outlay("backtest", "-c", shop.config, *PERIOD, "--json")
    assert answer.code == FINE, answer.err
    assert (answer.data["as_if_mature"], len(answer.data["mornings"])) == (False, 5)
    assert answer.data["assumed_budgets"] == 20, "budgets were read today only"
    told = " ".join(outlay("backtest", "-c", shop.config, *PERIOD).out.split())
    assert "Each morning had what the store knew at noon of that day" in told
    assert "Assumed" not in told


@pytest.mark.parametrize("real", [CLICKS, PROVIDER, CRITEO], ids=["clicks", "conversions", "criteo"])
def test_real_exports_are_walked(real: Real, outlay: Outlay, tmp_path: Path) -> None:
    config = settle_in(real, tmp_path)
    outlay("plan", "-c", config, "--as-of", real.today, "--json")
    since = real.today.replace(day=real.today.day - 7) if real.today.day > 7 else "2024-01-25"
    answer = outlay("backtest", "-c", config, "--since", since, "--as-if-mature", "--json")
    assert answer.code == FINE, answer.err
    assert 0 < answer.data["forecasters"][0]["log"]["cells"] <= 7 * len(answer.data["reach"])


def log_of_choices(folder: Path) -> Path:
    rng = np.random.default_rng(2)
    arms = rng.choice(3, size=3_000, p=[0.6, 0.3, 0.1])
    rewards = rng.random(3_000) < np.array([0.1, 0.3, 0.2])[arms]
    lines = ["ad,sale,chance,other"]
    lines += [
        f"ad{arm},{int(sale)},{(0.6, 0.3, 0.1)[arm]},{(0.2, 0.6, 0.2)[arm]}"
        for arm, sale in zip(arms, rewards, strict=True)
    ]
    path = folder / "choices.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


COLUMNS = ("--action", "ad", "--reward", "sale", "--propensity", "chance")


def test_a_log_of_choices_is_read_for_other_policies(outlay: Outlay, tmp_path: Path) -> None:
    words = ("backtest", "--log", log_of_choices(tmp_path), *COLUMNS, "--policy", "uniform", "--policy", "thompson")
    answer = outlay(*words, "--target", "other", "--json")
    assert answer.code == FINE, answer.err
    uniform, thompson, other = answer.data["policies"]
    assert (uniform["policy"], thompson["policy"], other["policy"]) == ("uniform", "thompson", "other")
    for found, truth in ((uniform, 0.2), (other, 0.24)):
        assert abs(found["ips"]["value"] - truth) < 5.5 * found["ips"]["se"]
        assert abs(found["snips"]["value"] - truth) < 5.5 * found["snips"]["se"]
    assert abs(uniform["dr"]["value"] - 0.2) < 5.5 * uniform["dr"]["se"]
    assert other["dr"] is None, "a column says only how likely the logged action was"
    assert thompson["leading"] == "ad1"
    shown = outlay(*words).out
    assert "3,000 logged choices among 3 arms; mean sale a choice" in shown
    assert "gain on the log (DR)" in shown


def test_doubts_about_a_log_are_told(outlay: Outlay, tmp_path: Path) -> None:
    path = tmp_path / "choices.csv"
    path.write_text("action,reward,propensity\n" + "a,1,0.9\nb,0,0.9\n" * 50, encoding="utf-8")
    answer = outlay("backtest", "--log", path, "--policy", "uniform", "--clip", "0.5")
    assert answer.code == FINE, answer.err
    told = " ".join(answer.out.split())
    assert "its weights average 0.556 ± 0.000 where they should average 1" in told
    assert "100.0% of the weights were cut" in told


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (("--policy", "uniform"), "add --log FILE"),
        (("--clip", "3"), "add --log FILE"),
        (("--batches", "3"), "add --log FILE"),
        (("--since", "yesterday"), "write it as YYYY-MM-DD"),
        (("--log", "nowhere.csv"), "name a CSV file that may be read"),
        (("--log", "nowhere.csv", "--as-if-mature"), "leave them out"),
        (("--log", "nowhere.csv", "--policy", "best"), "write one of uniform, greedy, thompson"),
        (("--log", "nowhere.csv", "--clip", "0"), "write a number above 0"),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    words: tuple[str, ...], mend: str, outlay: Outlay, planned: Shop
) -> None:
    answer = outlay("backtest", "-c", planned.config, *words)
    assert answer.code == ERROR
    assert f"{mend}" in answer.err
    assert outlay("backtest", "-c", planned.config, *words, "--json").data["error"]["kind"] in (
        "BadInput",
        "AskMarketer",
    )


def test_an_empty_store_says_what_fills_it(outlay: Outlay, shop: Shop) -> None:
    answer = outlay("backtest", "-c", shop.config)
    assert answer.code == ERROR
    assert "Mend: `outlay plan` reads them" in answer.err


def test_the_published_log_is_read_as_it_is(outlay: Outlay) -> None:
    path = DATA / "open_bandit" / "random" / "men" / "men.csv"
    if not path.exists():
        pytest.skip("the Open Bandit data set is not on this machine (shared/data)")
    words = ("--action", "item_id", "--reward", "click", "--propensity", "propensity_score", "--json")
    data = outlay("backtest", "--log", path, *words).data
    assert (data["rows"], len(data["arms"])) == (10_000, 34)
    assert data["policies"][0]["ips"]["value"] == pytest.approx(data["logged"]["value"])
