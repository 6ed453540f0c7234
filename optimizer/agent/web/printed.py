"""A recommendation as one HTML file that needs nothing but itself: to be mailed, kept, or printed by a browser."""

from __future__ import annotations

from optimizer.agent.web.formats import formats
from optimizer.agent.web.pages import STATIC, STYLES, templates
from optimizer.agent.web.premises import Premises
from optimizer.plan.recommendation import Record


def printed(premises: Premises, record: Record) -> str:
    """Return the page of a revision without forms and scripts, with the curve of each budget that moves.

    Args:
        premises: The portfolio.
        record: The revision, as it stands.
    """
    settings = premises.settings
    shown = formats(settings.web.locale, "", settings.portfolio.time_zone)
    made = record.recommendation
    facts = {
        "f": shown,
        "plan": premises.plan(made.rec_id, made.revision),
        "portfolio_name": settings.portfolio.name,
        "events": premises.events(made.rec_id),
        "intents": premises.intents(record),
        "names": {line.key: line.name for line in made.decision.all_lines},
        "style": "\n".join((STATIC / name).read_text(encoding="utf-8") for name in STYLES),
    }
    rooms = templates(shown.locale.partition("_")[0])
    return rooms.get_template("printed.html").render(facts)
