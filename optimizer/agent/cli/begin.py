"""`outlay init`: a commented config.toml, and a first mapping of a folder of exports."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from connectors.contract import zone
from connectors.errors import BadInput
from connectors.files.options import WELL_KNOWN
from connectors.money import exponent
from optimizer.agent import settings
from optimizer.agent.cli.answers import Answer

# Guesses for headers that the files connector does not know by name; a person confirms them in config.toml.
_LIKELY: Final[Mapping[str, str]] = {
    "date": r"date|^day$",
    "campaign_id": r"campaign(?!.*(budget|amount))",
    "spend": r"spend|cost",
    "conversions": r"conv(?!.*value)|^[cv]tv$|purchase|order|lead|signup",
    "budget": r"budget",
    "channel": r"channel|platform|network|^medium$",
}
_NEEDED: Final = ("date", "campaign_id", "spend", "conversions")
_CONNECTOR: Final = "files"


def init(folder: Path, files: Path | None, currency: str | None, time_zone: str | None) -> Answer:
    """Write config.toml; an existing one is never touched."""
    target = folder / "config.toml"
    text = settings.sample()
    guesses: Mapping[str, list[str]] = {}
    if files is not None:
        currency, time_zone = currency or "USD", time_zone or "UTC"
        _check(currency, time_zone)
        guesses = _guesses(_header(files))
        text = _portfolio(text, currency, time_zone) + _table(files, target, currency, time_zone, guesses)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise BadInput("it exists already; nothing was written", where=str(target),
                       mend="choose another folder, or move the file away.") from None  # fmt: skip
    except OSError as error:
        raise BadInput(
            f"cannot be written: {error.strerror}", where=str(target), mend="choose another folder."
        ) from None
    missing = [name for name in _NEEDED if files is not None and not guesses[name]]
    shown = f"Wrote {target}."
    if files is not None:
        shown += f" Check currency ({currency}), zone ({time_zone}) and columns in it"
        shown += f"; no column was found for {', '.join(missing)}." if missing else ", then: outlay connectors check"
    return Answer(shown, {"config": str(target), "columns": dict(guesses), "missing": missing})


def _check(currency: str, time_zone: str) -> None:
    try:
        exponent(currency)
        zone(time_zone)
    except ValueError as error:
        raise BadInput(str(error), where="outlay init", mend="write --currency and --time-zone so.") from None


def _header(folder: Path) -> list[str]:
    """The column names of the folder's first CSV or Parquet file."""
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in {".csv", ".parquet"})
    if not found:
        raise BadInput(
            "there is no CSV or Parquet file in it", where=str(folder), mend="name the folder of the exports."
        )
    try:
        if found[0].suffix.lower() == ".parquet":
            return [str(name) for name in pq.read_schema(found[0]).names]
        with found[0].open(newline="", encoding="utf-8-sig") as lines:
            return next(csv.reader(lines), [])
    except (OSError, ValueError) as error:
        raise BadInput(f"its header cannot be read: {error}", where=str(found[0]), mend="export it anew.") from None


def _guesses(header: Sequence[str]) -> dict[str, list[str]]:
    known = {field: [name for name in header if name.casefold() in names] for field, names in WELL_KNOWN.items()}
    return {
        field: known[field][:1] or [name for name in header if re.search(pattern, name.casefold())]
        for field, pattern in _LIKELY.items()
    }


def _portfolio(sample: str, currency: str, time_zone: str) -> str:
    text = re.sub(r'^currency = ".*?"', f"currency = {json.dumps(currency)}", sample, count=1, flags=re.MULTILINE)
    return re.sub(r'^time_zone = ".*?"', f"time_zone = {json.dumps(time_zone)}", text, count=1, flags=re.MULTILINE)


def _table(files: Path, target: Path, currency: str, time_zone: str, guesses: Mapping[str, list[str]]) -> str:
    folder = files.resolve()
    home = target.parent.resolve()
    place = folder.relative_to(home) if folder.is_relative_to(home) else folder
    pattern = "*.csv" if any(folder.glob("*.csv")) else "*.parquet"
    lines = [
        "",
        f"[connectors.{_CONNECTOR}]",
        'kind = "files"',
        f"folder = {json.dumps(str(place))}",
        f"pattern = {json.dumps(pattern)}",
        f"currency = {json.dumps(currency)}  # of every amount in the files: check it",
        f"time_zone = {json.dumps(time_zone)}  # in which a day of the files begins and ends: check it",
        'account = "main"',
        *([] if guesses["channel"] else ['channel = "all"  # or map a column: channel = "..." under columns']),
        "",
        f"[connectors.{_CONNECTOR}.columns]",
    ]
    for field, names in guesses.items():
        if not names:
            lines.append(f'# {field} = "..."  # no column looks like it{": write one" if field in _NEEDED else ""}')
        elif field == "conversions" and len(names) > 1:
            lines.append(f"{field} = {json.dumps(names)}  # summed; leave out what should not count")
        else:
            lines.append(f"{field} = {json.dumps(names[0])}")
    return "\n".join(lines) + "\n"
