"""Impression shares in SQL, as impressions to be had and those lost to the budget: shares do not add up, these do."""

from __future__ import annotations

from typing import Final

from connectors.contract import PerformanceRow

CREATE: Final = "CREATE TEMP TABLE auction (local, day, known_from, eligible, lost)"
DROP: Final = "DROP TABLE IF EXISTS temp.auction"
STAGE: Final = "INSERT INTO temp.auction (local, day, known_from, eligible, lost) VALUES (?, ?, ?, ?, ?)"
TOTALS: Final = """
    SELECT m.grp, a.day, SUM(a.eligible), SUM(a.lost)
    FROM temp.member m JOIN fact_auction a ON a.series_id = m.series_id AND a.day >= :since AND a.day < :until
    WHERE a.known_from = (
        SELECT MAX(b.known_from) FROM fact_auction b
        WHERE b.series_id = a.series_id AND b.day = a.day AND b.known_from <= :known_at
    )
    GROUP BY m.grp, a.day
"""
ANY: Final = "SELECT EXISTS (SELECT 1 FROM fact_auction)"


def entered_from(staged: str) -> str:
    """Return the statement that enters what was staged; what says the same as was known at its time is left out.

    Args:
        staged: The schema of the temporary tables.
    """
    return f"""
        INSERT INTO fact_auction (series_id, day, known_from, eligible, lost)
        SELECT n.series_id, a.day, a.known_from, a.eligible, a.lost
        FROM {staged}.auction a JOIN {staged}.numbered n ON n.local = a.local
        WHERE NOT EXISTS (
            SELECT 1 FROM fact_auction f
            WHERE f.series_id = n.series_id AND f.day = a.day AND f.eligible = a.eligible AND f.lost = a.lost
            AND f.known_from = (
                SELECT MAX(g.known_from) FROM fact_auction g
                WHERE g.series_id = n.series_id AND g.day = a.day AND g.known_from <= a.known_from
            )
        )
        ON CONFLICT (series_id, day, known_from) DO UPDATE SET eligible = excluded.eligible, lost = excluded.lost
    """  # noqa: S608 - a constant of ours


def stated(row: PerformanceRow, local: int, instant: int) -> list[tuple[int, int, int, int, int]]:
    """Return what a row states of auctions, as `STAGE` takes it; nothing where it says nothing."""
    told = row.auctions
    return [] if told is None else [(local, row.day.toordinal(), instant, *told)]
