"""The commands' names, arguments and help; what they do stands in `commands`, which is imported when one runs.

Importing this module must stay cheap, so that `outlay --help` and shell completion answer at once: the house behind
the door (NumPy, SciPy, SQLAlchemy) is imported by `_act` only.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

# What click calls UsageError; Typer, which brings a click of its own, exports only this one of its kinds.
_Misuse = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])


class _Commands(TyperGroup):
    """Commands of which words that cannot be understood end with 1, since 2 says that a proposal waits."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words before the command."""
        with _misuse_is_an_error():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Read the words of the command, and run it."""
        with _misuse_is_an_error():
            return super().invoke(ctx)


class _Listed(_Commands):
    """Commands that list what there is when none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words before the command."""
        return super().parse_args(ctx, args or ["list"])


@contextmanager
def _misuse_is_an_error() -> Iterator[None]:
    try:
        yield
    except _Misuse as misuse:
        misuse.exit_code = 1
        raise


app = typer.Typer(
    name="outlay",
    cls=_Commands,
    help="Plan, approve, write and verify advertising budgets, with the uncertainty of each step.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
connectors_app = typer.Typer(
    cls=_Listed, help="List and check the connectors. Without a command, list them.", rich_markup_mode=None
)
app.add_typer(connectors_app, name="connectors")
db_app = typer.Typer(
    cls=_Commands,
    help="Bring the store up to date, back it up, put it back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(db_app, name="db")
audit_app = typer.Typer(
    cls=_Commands, help="Prove the history and list it.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(audit_app, name="audit")
experiment_app = typer.Typer(
    cls=_Listed, help="Compare arms by rules written down beforehand. Without a command, list.", rich_markup_mode=None
)
app.add_typer(experiment_app, name="experiment")
lift_app = typer.Typer(
    cls=_Listed, help="Test what spend brings because of itself. Without a command, list.", rich_markup_mode=None
)
app.add_typer(lift_app, name="lift")
users_app = typer.Typer(
    cls=_Listed, help="Say who may log in, and as what. Without a command, list them.", rich_markup_mode=None
)
app.add_typer(users_app, name="users")

Config = Annotated[Path, typer.Option("--config", "-c", help="The settings file.", envvar="OUTLAY_CONFIG")]
Json = Annotated[bool, typer.Option("--json", help="Answer as one JSON object on standard output.")]
Rec = Annotated[str, typer.Argument(help="The recommendation's id, or 'latest'.")]
As = Annotated[str | None, typer.Option("--as", help="Who acts; by default the user of this terminal.")]
Lines = Annotated[str | None, typer.Option(help="Only these budgets and ads: ids or names, separated by commas.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Plan for this day (YYYY-MM-DD) as if it were today.")]
Trial = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its id, its name, or 'latest'.")]
Then = Annotated[str | None, typer.Option("--as-of", metavar="DAY", help="As it was when this day (YYYY-MM-DD) began.")]
ErrorRate = Annotated[float, typer.Option(help="Of calling an arm different that is not, over all looks.")]
Power = Annotated[float, typer.Option(help="Of finding the minimum effect.")]
Effect = Annotated[float, typer.Option(help="The least relative lift worth a change, such as 0.1.")]
Measure = Annotated[
    str,
    typer.Option(metavar="METRIC", help="ctr, conversion-rate, conversions-per-impression or revenue-per-impression."),
]
Lifted = Annotated[str, typer.Argument(metavar="TEST", help="Its id, its name, or 'latest'.")]
Sold = Annotated[
    Path | None, typer.Option(metavar="FILE", help="CSV of what was sold in all; by default that of the settings.")
]
LiftScope = Annotated[str, typer.Argument(metavar="SCOPE", help="What is tested: channel:NAME or campaign:ID.")]
LiftKind = Annotated[str, typer.Option(help="switchback: budgets by lot; holdout: regions by lot.")]
Sells = Annotated[str, typer.Option(help="What is counted: conversions or value.")]
Begins = Annotated[str | None, typer.Option(metavar="DAY", help="A day after today; by default tomorrow.")]
Pairs = Annotated[int, typer.Option(min=4, max=14, help="Switchback: pairs of blocks, one high and one low.")]
BlockDays = Annotated[int, typer.Option(min=1, max=60, help="Switchback: days of a block; 7 for whole weeks.")]
BurnIn = Annotated[int, typer.Option(min=0, help="Switchback: first days of a block that are not read.")]
Way = Annotated[str, typer.Option(help="Switchback: budgets go down, up or both, by the largest step.")]
HoldoutDays = Annotated[int, typer.Option("--days", min=7, max=180, help="Holdout: how many days.")]
RegionShare = Annotated[float, typer.Option(help="Holdout: share of the regions to be tested.")]
Changed = Annotated[float, typer.Option(help="Holdout: change of spend there; -1 switches it off.")]
Configs = Annotated[
    list[Path] | None,
    typer.Option(
        "--config", "-c", envvar="OUTLAY_CONFIG", help="A settings file, or a folder of such; may be repeated."
    ),
]
Name = Annotated[str, typer.Argument(help="Of a user, in any case.")]
Label = Annotated[str, typer.Option(help="What the token is for; each user has a label once.")]
InRole = Annotated[str, typer.Option("--role", help="viewer, approver or admin.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Holds the password; - for standard input. By default it is asked for."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each core.")]

_CONFIG = Path("config.toml")


def _column(of: str) -> Any:
    return typer.Option(metavar="COLUMN", help=f"With --log: the column {of}")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where config.toml is written.")] = Path(),
    files: Annotated[Path | None, typer.Option(help="A folder of CSV or Parquet files to be mapped.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 currency of the files, such as EUR.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA zone of the files, such as Europe/Berlin.")] = None,
    json: Json = False,
) -> None:
    """Write a commented config.toml. With --files, map their columns, too."""
    _act("init", folder=folder, files=files, currency=currency, time_zone=time_zone, json=json)


@app.command()
def demo(
    folder: Annotated[Path | None, typer.Option(help="Keep the demo's files here.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 7,
    json: Json = False,
) -> None:
    """Show the whole loop offline, on a simulated market. Takes under a minute."""
    _act("demo", folder=folder, seed=seed, json=json)


@app.command()
def plan(
    config: Config = _CONFIG,
    as_of: AsOf = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the decision; by default a new one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the recommendation as JSON to this file.")] = None,
    json: Json = False,
) -> None:
    """Read the platforms, learn, and propose; writes to no platform. Exit 2: a proposal waits."""
    _act("plan", config=config, as_of=as_of, seed=seed, out=out, json=json)


@app.command()
def show(
    rec: Rec = "latest",
    config: Config = _CONFIG,
    revision: Annotated[int | None, typer.Option(help="An earlier revision.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Also its history and its writes.")] = False,
    json: Json = False,
) -> None:
    """Show a recommendation as a diff."""
    _act("show", rec=rec, config=config, revision=revision, history=history, json=json)


@app.command()
def explain(
    rec: Rec = "latest",
    config: Config = _CONFIG,
    revision: Annotated[int | None, typer.Option(help="An earlier revision.")] = None,
    again: Annotated[
        bool, typer.Option("--recompute", help="Decide again from the same, and compare byte by byte.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what a recommendation was decided from. With --recompute, exit 1: it would come out otherwise now."""
    _act("explain", rec=rec, config=config, revision=revision, again=again, json=json)


@app.command()
def pacing(config: Config = _CONFIG, json: Json = False) -> None:
    """Tell how each month's or flight's amount is spent. Asks no platform and writes nothing."""
    _act("pacing", config=config, json=json)


@app.command()
def report(
    rec: Rec = "latest",
    config: Config = _CONFIG,
    period: Annotated[
        str | None,
        typer.Option(help="Report on these days instead: last-7-days, last-month, 2026-10, 2026-10-01..2026-10-31."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="With --period: channel, campaign, ad-group, ad, creative, audience, day, week, month, or several."
        ),
    ] = None,
    conversion: Annotated[
        str | None, typer.Option(help="With --period: only conversions of this definition, such as lead.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="With --period: html, csv or json.")] = "html",
    out: Annotated[
        Path | None, typer.Option(help="The file, by default report.FORMAT; one that is there is replaced.")
    ] = None,
    json: Json = False,
) -> None:
    """Write a recommendation as one HTML file. It has curves, writes and history: to mail, to keep, to print.

    With --period, report instead what was spent in some days and what came of it, as HTML, CSV or JSON.
    """
    _act("report", rec=rec, config=config, period=period, by=by, conversion=conversion, form=form, out=out, json=json)


@app.command()
def scorecard(
    config: Config = _CONFIG,
    since: Annotated[
        str | None, typer.Option(help="First day of the advice, such as 2026-03-01. [90 days ago]")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="One row for each recommendation.")] = False,
    json: Json = False,
) -> None:
    """Say what advice promised and what came of it. Reads the store alone; docs/scorecard.md says how."""
    _act("scorecard", config=config, since=since, as_csv=csv, json=json)


@app.command()
def approve(
    rec: Rec,
    config: Config = _CONFIG,
    lines: Lines = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the approval.")] = "",
    plan_hash: Annotated[
        str | None, typer.Option("--hash", help="The hash that was shown (8 digits or more); asked for in a terminal.")
    ] = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Approve a recommendation, or some of its lines."""
    _act("approve", rec=rec, config=config, lines=lines, reason=reason, plan_hash=plan_hash, actor=actor, json=json)


@app.command()
def reject(
    rec: Rec,
    reason: Annotated[str, typer.Option(help="Why; rejections are data.")],
    config: Config = _CONFIG,
    actor: As = None,
    json: Json = False,
) -> None:
    """Reject a recommendation, or revoke its approval. What is being written can no longer be revoked."""
    _act("reject", rec=rec, reason=reason, config=config, actor=actor, json=json)


@app.command()
def edit(
    rec: Rec,
    config: Config = _CONFIG,
    set_: Annotated[list[str] | None, typer.Option("--set", help="BUDGET=AMOUNT; may be repeated.")] = None,
    keep: Annotated[list[str] | None, typer.Option("--keep", help="BUDGET stays as it is; may be repeated.")] = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Fix single lines and solve the rest around them. The new revision is to be approved anew."""
    _act("edit", rec=rec, config=config, amounts=set_ or [], keep=keep or [], actor=actor, json=json)


@app.command()
def apply(
    rec: Rec,
    config: Config = _CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the platforms, write nothing.")] = False,
    json: Json = False,
) -> None:
    """Write what was approved, decreases and resumes first. Goes on where it was stopped. Exit 3: drift."""
    _act("apply", rec=rec, config=config, dry_run=dry_run, json=json)


@app.command()
def verify(rec: Rec, config: Config = _CONFIG, json: Json = False) -> None:
    """Read the written budgets and ads back. Exit 3: one is not what was written."""
    _act("verify", rec=rec, config=config, json=json)


@app.command()
def rollback(rec: Rec, config: Config = _CONFIG, actor: As = None, json: Json = False) -> None:
    """Propose to restore exactly what stood before. Approve and apply it like any other."""
    _act("rollback", rec=rec, config=config, actor=actor, json=json)


@app.command()
def backtest(
    config: Config = _CONFIG,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="First day (YYYY-MM-DD); by default 28 days to the last.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="Last day; by default the last one with rows.")
    ] = None,
    as_if_mature: Annotated[
        bool, typer.Option("--as-if-mature", help="Take rows to have been known the morning after, as they are now.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the posterior draws.")] = 7,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead: a CSV file of logged choices with propensities.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --log: uniform, greedy or thompson; repeatable, by default all."),
    ] = None,
    action: Annotated[str | None, _column("of the arm that was chosen; by default 'action'.")] = None,
    reward: Annotated[str | None, _column("of what it brought; by default 'reward'.")] = None,
    propensity: Annotated[str | None, _column("of the arm's probability; by default 'propensity'.")] = None,
    target: Annotated[str | None, _column("of its probability under another policy, if there is one.")] = None,
    batches: Annotated[
        int | None, typer.Option(help="With --log: how often greedy and thompson learn anew; by default 20.")
    ] = None,
    clip: Annotated[float | None, typer.Option(help="With --log: cut importance weights to this.")] = None,
    json: Json = False,
) -> None:
    """Judge past mornings by what came of them. Writes nothing.

    With --log, say instead what other policies would have brought, by a log of choices with their probabilities.
    """
    columns = {"action": action, "reward": reward, "propensity": propensity, "target": target}
    _act(
        "backtest",
        config=config,
        since=since,
        until=until,
        as_if_mature=as_if_mature,
        seed=seed,
        log=log,
        policy=policy or [],
        columns=columns,
        batches=batches,
        clip=clip,
        json=json,
    )


@app.command()
def refit(
    config: Config = _CONFIG,
    as_of: AsOf = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the draws; by default a new one.")
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="Draws of each chain that are kept; by default those of the settings.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fit and check, and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Fit the priors of the learning anew. Takes minutes. Exit 4: a check failed, the priors of before stand."""
    _act("refit", config=config, as_of=as_of, seed=seed, draws=draws, dry_run=dry_run, quiet=json, json=json)


@app.command()
def appraise(
    config: Config = _CONFIG,
    as_of: AsOf = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the draws; by default a new one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be kept.")] = False,
    json: Json = False,
) -> None:
    """Appraise claims and customers. Plans count by it. Exit 4: something could not be appraised."""
    _act("appraise", config=config, as_of=as_of, seed=seed, dry_run=dry_run, quiet=json, json=json)


@app.command()
def attribution(
    config: Config = _CONFIG,
    model: Annotated[
        str | None, typer.Option(help="Whose interval is shown, such as markov; by default that of the settings.")
    ] = None,
    window_clicks: Annotated[
        str | None, typer.Option(metavar="DAYS", help="Days before an order within which a click counts, such as 30d.")
    ] = None,
    as_of: AsOf = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn: intervals, and orders of joining.")] = 0,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as CSV, too.")] = None,
    json: Json = False,
) -> None:
    """Say which channels led to orders. All models side by side, with what platforms claim."""
    words = {"model": model, "window_clicks": window_clicks, "as_of": as_of, "seed": seed, "csv": csv}
    _act("attribution", config=config, **words, json=json)


@app.command()
def lifetime(
    config: Config = _CONFIG,
    by: Annotated[
        str, typer.Option(metavar="GROUP", help="channel, or cohort: the month of the first order.")
    ] = "channel",
    as_of: Then = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the draws; by default a new one.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the table there, as CSV.")] = None,
    json: Json = False,
) -> None:
    """Tell what customers are worth. Takes a minute or more. Exit 4: a check failed, and no value is given."""
    _act("lifetime", config=config, by=by, as_of=as_of, seed=seed, csv=csv, quiet=json, json=json)


@app.command()
def run(
    config: Configs = None,
    json: Json = False,
) -> None:
    """Run the agent until SIGTERM or Ctrl-C. It writes what people approve.

    Each day it reads, decides and tells; what is approved it writes at once, and verifies. Logs are JSON lines on
    standard error.
    """
    _act("run", configs=config or [_CONFIG], json=json)


@app.command()
def web(
    config: Configs = None,
    json: Json = False,
) -> None:
    """Serve the page alone. People decide; nothing is written until `outlay run` runs."""
    _act("web", configs=config or [_CONFIG], json=json)


@app.command()
def mcp(config: Config = _CONFIG, json: Json = False) -> None:
    """Serve an assistant (MCP). On standard input and output it reads and proposes, and approves nothing."""
    _act("mcp", config=config, json=json)


@app.command()
def pause(
    reason: Annotated[str, typer.Option(help="Why; kept, and told to whoever asks.")],
    config: Config = _CONFIG,
    actor: As = None,
    json: Json = False,
) -> None:
    """Stop all writes at once: the kill switch. What is planned waits until `outlay resume`."""
    _act("pause", reason=reason, config=config, actor=actor, json=json)


@app.command()
def resume(
    config: Config = _CONFIG,
    reason: Annotated[str, typer.Option(help="Why; kept with it.")] = "",
    actor: As = None,
    json: Json = False,
) -> None:
    """Let writes go on after `outlay pause`."""
    _act("resume", reason=reason, config=config, actor=actor, json=json)


@app.command()
def status(config: Config = _CONFIG, json: Json = False) -> None:
    """Say what waits, what runs, and how fresh the data are."""
    _act("status", config=config, json=json)


@app.command()
def doctor(config: Config = _CONFIG, json: Json = False) -> None:
    """Check settings, store and connectors, and say what to mend."""
    _act("doctor", config=config, json=json)


@app.command()
def simulate(
    scenario: Annotated[str | None, typer.Argument(metavar="SCENARIO", help="One of --list, or a TOML file.")] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="One of --list; repeatable, by default outlay and equal. Others are compared with the first.",
        ),
    ] = None,
    worlds: Annotated[int, typer.Option(min=1, help="How many worlds are drawn from the scenario.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first world; the others count on from it.")] = 1,
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Days compared, after the history; by default 120, or as many as there are."),
    ] = None,
    workers: Workers = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Dask scheduler, instead of processes here.")
    ] = None,
    goal: Annotated[
        str, typer.Option(metavar="GOAL", help="What counts: conversions, value, incremental or incremental-value.")
    ] = "conversions",
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default one of its own in runs/.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the scenarios and the policies.")] = False,
    json: Json = False,
) -> None:
    """Compare policies in simulated worlds whose truth is known.

    The run is kept in a folder; the same command goes on there if it was stopped.
    """
    _act(
        "simulate", scenario=scenario, policies=policy or [], worlds=worlds, seed=seed, days=days, workers=workers,
        cluster=cluster, goal=goal, out=out, listed=list_, json=json,
    )  # fmt: skip


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a simulated run.")],
    policy: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --day: whose day; by default the first policy's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="With --day: in which world; by default the first.")] = None,
    day: Annotated[
        int | None, typer.Option(help="Instead: what was known, done and true on this day, counted from 0.")
    ] = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Compute a simulated run anew, or look into one of its days.

    Without --day all is computed anew and compared byte by byte; exit 1: something differs.
    """
    _act("replay", folder=folder, policy=policy, seed=seed, day=day, workers=workers, json=json)


@app.command()
def emulate(
    platform: Annotated[str | None, typer.Argument(metavar="PLATFORM", help="One of --list.")] = None,
    scenario: Annotated[str, typer.Option(metavar="NAME", help="The market: a scenario, or a TOML file.")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market and of the faults.")] = 1,
    today: Annotated[
        str | None, typer.Option(metavar="DAY", help="The market's today (YYYY-MM-DD), its history behind it.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="The account's, instead of the scenario's.")] = None,
    state: Annotated[Path | None, typer.Option(help="A file in which the market lives on.")] = None,
    faults: Annotated[
        str, typer.Option(help="How often requests go wrong, such as throttled=0.1,lost_after=0.05.")
    ] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 0,
    control_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the interface that directs it.")] = 0,
    day_seconds: Annotated[
        float | None, typer.Option(min=0.01, help="A day passes every so many seconds; by default when told to.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the platforms.")] = False,
    json: Json = False,
) -> None:
    """Serve an ad platform on loopback.

    Over a simulated market, until interrupted: to test an integration in any language, without an account.
    """
    _act(
        "emulate", platform=platform, scenario=scenario, seed=seed, today=today, currency=currency, state=state,
        faults=faults, port=port, control_port=control_port, day_seconds=day_seconds, listed=list_, machine=json,
        json=json,
    )  # fmt: skip


@experiment_app.command("register")
def experiment_register(
    name: Annotated[str, typer.Argument(help="For people; unique among those that are open.")],
    target: Annotated[list[str], typer.Option(help="The budget that the arms are in: key, id or name; repeatable.")],
    arm: Annotated[
        list[str], typer.Option(metavar="ID[=SHARE]", help="An arm and its share; repeatable, without shares evenly.")
    ],
    metric: Measure,
    minimum_effect: Effect,
    days: Annotated[int, typer.Option(help="How many days it lasts; `outlay experiment size` says.")],
    config: Config = _CONFIG,
    control: Annotated[str | None, typer.Option(metavar="ID", help="The control; by default the first arm.")] = None,
    kind: Annotated[str, typer.Option(metavar="KIND", help="What the arms are: ad, creative or audience.")] = "ad",
    first_day: Annotated[
        str | None, typer.Option(metavar="DAY", help="A day after today (YYYY-MM-DD); by default tomorrow.")
    ] = None,
    guard: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=LOSS", help="May fall by so much at most; repeatable.")
    ] = None,
    holdout: Annotated[float, typer.Option(help="Share that the control keeps in any case.")] = 0.0,
    error_rate: ErrorRate = 0.05,
    power: Power = 0.8,
    least_days: Annotated[int, typer.Option(help="No verdict before so many days had rows.")] = 7,
    settle_days: Annotated[int, typer.Option(help="The last look is so many days after the last day.")] = 7,
    planned: Annotated[int | None, typer.Option(help="Exposure of all arms that it is planned for.")] = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Write down what is compared and by which rules, before its first day. A change is a new registration."""
    _act(
        "experiment_register", name=name, config=config, actor=actor, target=target, arm=arm, metric=metric,
        minimum_effect=minimum_effect, days=days, control=control, kind=kind, first_day=first_day, guard=guard or [],
        holdout=holdout, error_rate=error_rate, power=power, least_days=least_days, settle_days=settle_days,
        planned=planned, json=json,
    )  # fmt: skip


@experiment_app.command("status")
def experiment_status(
    experiment: Trial = "latest", config: Config = _CONFIG, as_of: Then = None, json: Json = False
) -> None:
    """Say how it stands. Exit 2: it has ended, close it. Exit 4: it cannot be trusted, or does harm."""
    _act("experiment_status", experiment=experiment, config=config, as_of=as_of, json=json)


@experiment_app.command("list")
def experiment_list(config: Config = _CONFIG, json: Json = False) -> None:
    """List all experiments, the newest first."""
    _act("experiment_list", config=config, json=json)


@experiment_app.command("close")
def experiment_close(
    experiment: Trial,
    reason: Annotated[str, typer.Option(help="Why; kept with its end.")],
    config: Config = _CONFIG,
    keep: Annotated[str | None, typer.Option(metavar="ID", help="The arm that stays; by default the winner.")] = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Write its end down, with what it says now. Its arms are then free again."""
    _act("experiment_close", experiment=experiment, reason=reason, config=config, keep=keep, actor=actor, json=json)


@experiment_app.command("size")
def experiment_size(
    metric: Measure,
    rate: Annotated[float, typer.Option(help="Of the control; for revenue the conversions per impression.")],
    daily: Annotated[float, typer.Option(help="Impressions (or clicks) a day, all arms together.")],
    minimum_effect: Effect = 0.1,
    arms: Annotated[int, typer.Option(help="How many, the control among them.")] = 2,
    control_share: Annotated[float | None, typer.Option(help="Of the exposure; by default an even split.")] = None,
    error_rate: ErrorRate = 0.05,
    power: Power = 0.8,
    dispersion: Annotated[float, typer.Option(help="How much days vary, in times of chance.")] = 1.0,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the paths that are played.")] = None,
    json: Json = False,
) -> None:
    """Say how long an experiment must run, for one test at its end and with daily looks."""
    _act(
        "experiment_size", metric=metric, rate=rate, daily=daily, minimum_effect=minimum_effect, arms=arms,
        control_share=control_share, error_rate=error_rate, power=power, dispersion=dispersion, seed=seed, json=json,
    )  # fmt: skip


@experiment_app.command("report")
def experiment_report(
    experiment: Trial = "latest",
    config: Config = _CONFIG,
    out: Annotated[Path | None, typer.Option(help="The file; by default its id with .html.")] = None,
    as_of: Then = None,
    json: Json = False,
) -> None:
    """Write one page with pictures that needs nothing but itself. Exit codes as for status."""
    _act("experiment_report", experiment=experiment, config=config, out=out, as_of=as_of, json=json)


@lift_app.command("design")
def lift_design(
    scope: LiftScope,
    config: Config = _CONFIG,
    outcomes: Sold = None,
    kind: LiftKind = "switchback",
    outcome: Sells = "conversions",
    first_day: Begins = None,
    pairs: Pairs = 6,
    block_days: BlockDays = 7,
    burn_in: BurnIn = 2,
    way: Way = "down",
    days: HoldoutDays = 28,
    share: RegionShare = 0.25,
    change: Changed = -1.0,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the lots; by default a new one.")] = None,
    json: Json = False,
) -> None:
    """Say what a lift test could find and what it costs. Writes nothing."""
    _act(
        "lift_design", scope=scope, config=config, outcomes=outcomes, kind=kind, outcome=outcome, first_day=first_day,
        pairs=pairs, block_days=block_days, burn_in=burn_in, way=way, days=days, share=share, change=change, seed=seed,
        json=json,
    )  # fmt: skip


@lift_app.command("start")
def lift_start(
    name: Annotated[str, typer.Argument(help="For people; unique among those that are open.")],
    scope: LiftScope,
    config: Config = _CONFIG,
    outcomes: Sold = None,
    kind: LiftKind = "switchback",
    outcome: Sells = "conversions",
    first_day: Begins = None,
    pairs: Pairs = 6,
    block_days: BlockDays = 7,
    burn_in: BurnIn = 2,
    way: Way = "down",
    days: HoldoutDays = 28,
    share: RegionShare = 0.25,
    change: Changed = -1.0,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the lots; by default a new one.")] = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Write a lift test down before its first day. Plans then ask for the budgets of its blocks."""
    _act(
        "lift_start", name=name, scope=scope, config=config, outcomes=outcomes, kind=kind, outcome=outcome,
        first_day=first_day, pairs=pairs, block_days=block_days, burn_in=burn_in, way=way, days=days, share=share,
        change=change, seed=seed, actor=actor, json=json,
    )  # fmt: skip


@lift_app.command("list")
def lift_list(config: Config = _CONFIG, json: Json = False) -> None:
    """List all lift tests, the newest first."""
    _act("lift_list", config=config, json=json)


@lift_app.command("status")
def lift_status(test: Lifted = "latest", config: Config = _CONFIG, json: Json = False) -> None:
    """Say how a lift test stands. Exit 2: it is over, read it."""
    _act("lift_status", test=test, config=config, json=json)


@lift_app.command("read")
def lift_read(
    test: Lifted,
    config: Config = _CONFIG,
    outcomes: Sold = None,
    spend: Annotated[
        float | None, typer.Option(help="Holdout: what the test regions would have spent in its days.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read it, and write nothing.")] = False,
    actor: As = None,
    json: Json = False,
) -> None:
    """Read a lift test that is over, and keep what it says. Exit 4: more is claimed than it found."""
    _act("lift_read", test=test, config=config, outcomes=outcomes, spend=spend, dry_run=dry_run, actor=actor, json=json)


@lift_app.command("stop")
def lift_stop(
    test: Lifted,
    reason: Annotated[str, typer.Option(help="Why; kept with its end.")],
    config: Config = _CONFIG,
    actor: As = None,
    json: Json = False,
) -> None:
    """Break a lift test off. The next plans put its budgets back."""
    _act("lift_stop", test=test, reason=reason, config=config, actor=actor, json=json)


@connectors_app.command("list")
def connectors_list(config: Config = _CONFIG, json: Json = False) -> None:
    """List the kinds of connector that are installed and the connectors that are configured."""
    _act("connectors_list", config=config, json=json)


@connectors_app.command("check")
def connectors_check(config: Config = _CONFIG, json: Json = False) -> None:
    """Read a little from each configured connector and say what is missing."""
    _act("connectors_check", config=config, json=json)


@db_app.command("upgrade")
def db_upgrade(config: Config = _CONFIG, json: Json = False) -> None:
    """Bring the store's tables to this program's version. Every command that opens the store does so, too."""
    _act("db_upgrade", config=config, json=json)


@db_app.command("current")
def db_current(config: Config = _CONFIG, json: Json = False) -> None:
    """Say of which version the store's tables are. Changes nothing."""
    _act("db_current", config=config, json=json)


@db_app.command("backup")
def db_backup(
    file: Annotated[Path, typer.Argument(help="A new file; FILE.json beside it says what is in it.")],
    config: Config = _CONFIG,
    json: Json = False,
) -> None:
    """Copy the store into a new file. Others may write meanwhile."""
    _act("db_backup", file=file, config=config, json=json)


@db_app.command("restore")
def db_restore(
    file: Annotated[Path, typer.Argument(help="What `outlay db backup` wrote.")],
    config: Config = _CONFIG,
    json: Json = False,
) -> None:
    """Put a backup into the place that the settings name, which must be empty."""
    _act("db_restore", file=file, config=config, json=json)


@audit_app.command("verify")
def audit_verify(
    config: Config = _CONFIG,
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A head that was kept elsewhere; it must be in the chain.")
    ] = None,
    json: Json = False,
) -> None:
    """Prove that no entry was changed, removed or put in, and print the head. Exit 1: the chain does not hold."""
    _act("audit_verify", config=config, head=head, json=json)


@audit_app.command("show")
def audit_show(
    config: Config = _CONFIG,
    rec: Annotated[str | None, typer.Option(metavar="ID", help="Of this recommendation only.")] = None,
    actor: Annotated[str | None, typer.Option("--by", metavar="NAME", help="What this person or policy did.")] = None,
    action: Annotated[
        str | None, typer.Option(metavar="WHAT", help="Such as approved, or write for all that begin so.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="DAY", help="From this day (YYYY-MM-DD) on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="Until this day, included.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The last so many.")] = 50,
    json: Json = False,
) -> None:
    """List who did what, when and why, the newest last."""
    _act(
        "audit_show", config=config, rec=rec, actor=actor, action=action, since=since, until=until, limit=limit,
        json=json,
    )  # fmt: skip


@users_app.command("list")
def users_list(config: Config = _CONFIG, json: Json = False) -> None:
    """List who may log in, with their tokens."""
    _act("users_list", config=config, json=json)


@users_app.command("add")
def users_add(
    name: Annotated[str, typer.Argument(help="As it is to stand in the history.")],
    role: InRole,
    config: Config = _CONFIG,
    subject: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="ISSUER SUBJECT", help="What an identity provider calls them; a password may be left out."
        ),
    ] = None,
    password_file: PasswordFile = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Add somebody who may log in. In a terminal the password is asked for."""
    _act(
        "users_add", name=name, role=role, config=config, subject=subject, password_file=password_file, actor=actor,
        json=json,
    )  # fmt: skip


@users_app.command("role")
def users_role(
    name: Name,
    to: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, approver or admin.")],
    config: Config = _CONFIG,
    actor: As = None,
    json: Json = False,
) -> None:
    """Give somebody another role. A lower one ends their sessions."""
    _act("users_role", name=name, to=to, config=config, actor=actor, json=json)


@users_app.command("password")
def users_password(
    name: Name, config: Config = _CONFIG, password_file: PasswordFile = None, actor: As = None, json: Json = False
) -> None:
    """Give somebody another password. It ends their sessions."""
    _act("users_password", name=name, config=config, password_file=password_file, actor=actor, json=json)


@users_app.command("shut-out")
def users_shut_out(name: Name, config: Config = _CONFIG, actor: As = None, json: Json = False) -> None:
    """Let somebody log in no more. It ends their sessions and tokens at once."""
    _act("users_shut_out", name=name, config=config, actor=actor, json=json)


@users_app.command("let-in")
def users_let_in(name: Name, config: Config = _CONFIG, actor: As = None, json: Json = False) -> None:
    """Let somebody log in again who was shut out."""
    _act("users_let_in", name=name, config=config, actor=actor, json=json)


@users_app.command("token")
def users_token(
    name: Name,
    label: Label,
    role: InRole,
    config: Config = _CONFIG,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How long it lasts.")] = 90,
    actor: As = None,
    json: Json = False,
) -> None:
    """Make a token for a program, and print it this once. It may no more than its user may."""
    _act("users_token", name=name, label=label, role=role, config=config, days=days, actor=actor, json=json)


@users_app.command("revoke")
def users_revoke(name: Name, label: Label, config: Config = _CONFIG, actor: As = None, json: Json = False) -> None:
    """End a token."""
    _act("users_revoke", name=name, label=label, config=config, actor=actor, json=json)


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    app()


def _act(command: str, **arguments: Any) -> None:
    # Deferred: the commands import the whole house, and --help must not wait for it.
    gc.disable()  # to load code makes many objects and no garbage
    commands = importlib.import_module("optimizer.agent.cli.commands")
    commands.found(command)
    gc.enable()
    sys.exit(commands.run(command, **arguments))
