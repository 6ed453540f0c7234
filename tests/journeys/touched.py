"""A shop whose books tell orders, and whose tag tells the paths to them, in files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

TODAY = date(2026, 3, 1)
FIRST = date(2026, 1, 1)
CONFIG = """
[portfolio]
currency = "EUR"
{goal}
[attribution]
model = "{model}"
days = 30
[connectors.shop]
kind = "files"
folder = "exports"
currency = "EUR"
time_zone = "UTC"
pattern = "ads.csv"
touches = "touches.csv"
orders = "orders.csv"
"""


def shop_of_paths(folder: Path, model: str = "linear", orders: str = "", touches: str = "", goal: str = "") -> Path:
    """Write a shop of 40 persons: each clicks on social, then on search, and half of them order the day after.

    Args:
        folder: Where.
        model: Of `[attribution]`.
        orders, touches: A further line of each file.
        goal: Further settings.

    Returns:
        The settings file.
    """
    exports = folder / "exports"
    exports.mkdir()
    start = datetime(2026, 2, 10, tzinfo=UTC)
    clicks, bought = ["person,at,channel,campaign_id"], ["order_id,customer,at,value,refunded,claims"]
    for person in range(40):
        at = start + timedelta(minutes=person)
        clicks += [
            f"p{person},{at.isoformat()},social,s1",
            f"p{person},{(at + timedelta(hours=5)).isoformat()},search,{'b1' if person % 4 else 'b2'}",
        ]
        if person % 2:
            bought.append(f"o{person},p{person},{(at + timedelta(days=1)).isoformat()},30,0,search;social")
    ads = ["date,platform,campaign_id,spend,conversions,conversions_value"]
    for day in range(59):
        for channel, campaign, spend in (("social", "s1", 10), ("search", "b1", 20), ("search", "b2", 20)):
            ads.append(f"{FIRST + timedelta(day)},{channel},{campaign},{spend},1,30")
    for name, lines in (("touches", [*clicks, touches]), ("orders", [*bought, orders]), ("ads", ads)):
        text = "\n".join(line for line in lines if line)
        (exports / f"{name}.csv").write_text(f"{text}\n", encoding="utf-8")
    config = folder / "config.toml"
    config.write_text(CONFIG.format(model=model, goal=goal), encoding="utf-8")
    return config
