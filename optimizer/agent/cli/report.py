"""`outlay report`: a recommendation as one HTML file."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from connectors.errors import AskMarketer
from optimizer.agent.cli.answers import Answer
from optimizer.agent.clock import SystemClock
from optimizer.agent.web.premises import open_premises
from optimizer.agent.web.printed import printed
from optimizer.ports import NotFound
from simulations.disk import write_whole


def report(rec: str, config: Path, out: Path) -> Answer:
    """Write the report of the newest revision of a recommendation."""
    with open_premises([config], SystemClock()) as (premises,):
        newest = premises.records()
        if rec == "latest" and not newest:
            raise NotFound("there is no recommendation yet. Mend: make one with `outlay plan`")
        record = newest[0] if rec == "latest" else premises.record(rec)
        text = printed(premises, record)
    try:
        write_whole(out, text)
    except OSError as error:
        mend = "choose another place with --out"
        raise AskMarketer(f"{out} cannot be written: {error.strerror}", mend=mend) from None
    rec_id = record.recommendation.rec_id
    words = f"{rec_id} is written to {out}; open it in a browser, which also prints it as PDF."
    return Answer(Text(words), {"recommendation": rec_id, "written": str(out)})
