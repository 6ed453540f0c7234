"""What an emulated ad account of Meta is like."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What an emulated ad account is like, and how much it bears.

    Attributes:
        campaign_budgets: Share of the campaigns that hold their budget themselves (campaign budget optimisation) and
            have an ad set for each audience. In each other one a single ad set holds the budget, with all its ads.
        sharing: Share of those other campaigns that let their ad sets share budgets.
        token: The one access token that is taken; None: any.
        app_secret: The secret of the app, with which every call must prove itself; None: no proof is asked for.
        permissions: What the token was granted.
        version: The newest version of the API; the two before it are served too, older ones are not.
        ended: Versions that have ended, and are answered as the newest.
        budget_changes_an_hour: How often a budget may be changed within an hour of the account's clock; None: any
            number.
        calls_an_hour: How many calls are taken within an hour of this machine's clock, of insights and of everything
            else each.
        rows_at_once: How many rows of insights are answered directly.
        rows_a_report: How many rows a report may have; a larger one fails.
        report_polls: How often a report is looked at before it is completed.
        page_rows: Rows of a page where no limit is asked for.
    """

    campaign_budgets: float = 0.5
    sharing: float = 0.0
    token: str | None = None
    app_secret: str | None = None
    permissions: tuple[str, ...] = ("ads_read", "ads_management")
    version: int = 26
    ended: tuple[int, ...] = ()
    budget_changes_an_hour: int | None = 4
    calls_an_hour: int = 190_000
    rows_at_once: int = 10_000
    rows_a_report: int = 1_000_000
    report_polls: int = 2
    page_rows: int = 25

    def __post_init__(self) -> None:
        for name in ("campaign_budgets", "sharing"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")
