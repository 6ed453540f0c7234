"""The commands' names, arguments and help; what they do stands in `commands`, which is imported when one runs.

Importing this module must stay cheap, so that `outlay --help` and shell completion answer at once: the house behind
the door (NumPy, SciPy, SQLAlchemy) is imported by `words.act` only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from optimizer.agent.cli import groups
from optimizer.agent.cli.words import (
    CONFIG,
    As,
    Before,
    Commands,
    Config,
    Json,
    act,
)

app = typer.Typer(
    name="outlay",
    cls=Commands,
    help="Plan, approve, write and verify advertising budgets, with the uncertainty of each step.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(groups.connectors_app, name="connectors")
app.add_typer(groups.db_app, name="db")
app.add_typer(groups.audit_app, name="audit")
app.add_typer(groups.experiment_app, name="experiment")
app.add_typer(groups.lift_app, name="lift")
app.add_typer(groups.users_app, name="users")

Rec = Annotated[str, typer.Argument(help="The recommendation's id, or 'latest'.")]
Lines = Annotated[str | None, typer.Option(help="Only these budgets and ads: ids or names, separated by commas.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Plan for this day (YYYY-MM-DD) as if it were today.")]
Configs = Annotated[
    list[Path] | None,
    typer.Option(
        "--config", "-c", envvar="OUTLAY_CONFIG", help="A settings file, or a folder of such; may be repeated."
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each core.")]


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
    act("init", folder=folder, files=files, currency=currency, time_zone=time_zone, json=json)


@app.command()
def demo(
    folder: Annotated[Path | None, typer.Option(help="Keep the demo's files here.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 7,
    json: Json = False,
) -> None:
    """Show the whole loop offline, on a simulated market. Takes under a minute."""
    act("demo", folder=folder, seed=seed, json=json)


@app.command()
def plan(
    config: Config = CONFIG,
    as_of: AsOf = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the decision; by default a new one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the recommendation as JSON to this file.")] = None,
    json: Json = False,
) -> None:
    """Read the platforms, learn, and propose; writes to no platform. Exit 2: a proposal waits."""
    act("plan", config=config, as_of=as_of, seed=seed, out=out, json=json)


@app.command()
def show(
    rec: Rec = "latest",
    config: Config = CONFIG,
    revision: Annotated[int | None, typer.Option(help="An earlier revision.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Also its history and its writes.")] = False,
    json: Json = False,
) -> None:
    """Show a recommendation as a diff."""
    act("show", rec=rec, config=config, revision=revision, history=history, json=json)


@app.command()
def explain(
    rec: Rec = "latest",
    config: Config = CONFIG,
    revision: Annotated[int | None, typer.Option(help="An earlier revision.")] = None,
    again: Annotated[
        bool, typer.Option("--recompute", help="Decide again from the same, and compare byte by byte.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what a recommendation was decided from. With --recompute, exit 1: it would come out otherwise now."""
    act("explain", rec=rec, config=config, revision=revision, again=again, json=json)


@app.command()
def pacing(config: Config = CONFIG, json: Json = False) -> None:
    """Tell how each month's or flight's amount is spent. Asks no platform and writes nothing."""
    act("pacing", config=config, json=json)


@app.command()
def report(
    rec: Rec = "latest",
    config: Config = CONFIG,
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
    """Write a recommendation or a period's figures as a file. HTML to mail, to keep, to print.

    A recommendation comes with curves, writes and history. With --period, it is what was spent in some days and what
    came of it, as HTML, CSV or JSON.
    """
    act("report", rec=rec, config=config, period=period, by=by, conversion=conversion, form=form, out=out, json=json)


@app.command()
def scorecard(
    config: Config = CONFIG,
    since: Annotated[
        str | None, typer.Option(help="First day of the advice, such as 2026-03-01. [90 days ago]")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="One row for each recommendation.")] = False,
    json: Json = False,
) -> None:
    """Say what advice promised and what came of it. Reads the store alone; docs/scorecard.md says how."""
    act("scorecard", config=config, since=since, as_csv=csv, json=json)


@app.command()
def approve(
    rec: Rec,
    config: Config = CONFIG,
    lines: Lines = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the approval.")] = "",
    plan_hash: Annotated[
        str | None, typer.Option("--hash", help="The hash that was shown (8 digits or more); asked for in a terminal.")
    ] = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Approve a recommendation, or some of its lines."""
    act("approve", rec=rec, config=config, lines=lines, reason=reason, plan_hash=plan_hash, actor=actor, json=json)


@app.command()
def reject(
    rec: Rec,
    reason: Annotated[str, typer.Option(help="Why; rejections are data.")],
    config: Config = CONFIG,
    actor: As = None,
    json: Json = False,
) -> None:
    """Reject a recommendation, or revoke its approval. What is being written can no longer be revoked."""
    act("reject", rec=rec, reason=reason, config=config, actor=actor, json=json)


@app.command()
def edit(
    rec: Rec,
    config: Config = CONFIG,
    set_: Annotated[list[str] | None, typer.Option("--set", help="BUDGET=AMOUNT; may be repeated.")] = None,
    keep: Annotated[list[str] | None, typer.Option("--keep", help="BUDGET stays as it is; may be repeated.")] = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Fix single lines and solve the rest around them. The new revision is to be approved anew."""
    act("edit", rec=rec, config=config, amounts=set_ or [], keep=keep or [], actor=actor, json=json)


@app.command()
def apply(
    rec: Rec,
    config: Config = CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the platforms, write nothing.")] = False,
    json: Json = False,
) -> None:
    """Write what was approved, decreases and resumes first. Goes on where it was stopped. Exit 3: drift."""
    act("apply", rec=rec, config=config, dry_run=dry_run, json=json)


@app.command()
def verify(rec: Rec, config: Config = CONFIG, json: Json = False) -> None:
    """Read the written budgets and ads back. Exit 3: one is not what was written."""
    act("verify", rec=rec, config=config, json=json)


@app.command()
def rollback(rec: Rec, config: Config = CONFIG, actor: As = None, json: Json = False) -> None:
    """Propose to restore exactly what stood before. Approve and apply it like any other."""
    act("rollback", rec=rec, config=config, actor=actor, json=json)


@app.command()
def backtest(
    config: Config = CONFIG,
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
    act(
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
    config: Config = CONFIG,
    as_of: Before = None,
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
    act("refit", config=config, as_of=as_of, seed=seed, draws=draws, dry_run=dry_run, quiet=json, json=json)


@app.command()
def appraise(
    config: Config = CONFIG,
    as_of: Before = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the draws; by default a new one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be kept.")] = False,
    json: Json = False,
) -> None:
    """Appraise claims and customers. Plans count by it. Exit 4: something could not be appraised."""
    act("appraise", config=config, as_of=as_of, seed=seed, dry_run=dry_run, quiet=json, json=json)


@app.command()
def attribution(
    config: Config = CONFIG,
    model: Annotated[
        str | None, typer.Option(help="Whose interval is shown, such as markov; by default that of the settings.")
    ] = None,
    window_clicks: Annotated[
        str | None, typer.Option(metavar="DAYS", help="Days before an order within which a click counts, such as 30d.")
    ] = None,
    as_of: Before = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn: intervals, and orders of joining.")] = 0,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as CSV, too.")] = None,
    json: Json = False,
) -> None:
    """Say which channels led to orders. All models side by side, with what platforms claim."""
    words = {"model": model, "window_clicks": window_clicks, "as_of": as_of, "seed": seed, "csv": csv}
    act("attribution", config=config, **words, json=json)


@app.command()
def lifetime(
    config: Config = CONFIG,
    by: Annotated[
        str, typer.Option(metavar="GROUP", help="channel, or cohort: the month of the first order.")
    ] = "channel",
    as_of: Before = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the draws; by default a new one.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the table there, as CSV.")] = None,
    json: Json = False,
) -> None:
    """Tell what customers are worth. Takes a minute or more. Exit 4: a check failed, and no value is given."""
    act("lifetime", config=config, by=by, as_of=as_of, seed=seed, csv=csv, quiet=json, json=json)


@app.command()
def run(
    config: Configs = None,
    json: Json = False,
) -> None:
    """Run the agent until SIGTERM or Ctrl-C. It writes what people approve.

    Each day it reads, decides and tells; what is approved it writes at once, and verifies. Logs are JSON lines on
    standard error.
    """
    act("run", configs=config or [CONFIG], json=json)


@app.command()
def web(
    config: Configs = None,
    json: Json = False,
) -> None:
    """Serve the page alone. People decide; nothing is written until `outlay run` runs."""
    act("web", configs=config or [CONFIG], json=json)


@app.command()
def mcp(config: Config = CONFIG, json: Json = False) -> None:
    """Serve an assistant (MCP). On standard input and output it reads and proposes, and approves nothing."""
    act("mcp", config=config, json=json)


@app.command()
def pause(
    reason: Annotated[str, typer.Option(help="Why; kept, and told to whoever asks.")],
    hours: Annotated[
        float | None,
        typer.Option(help="For how long; writes then go on by themselves. Without it: until `outlay resume`."),
    ] = None,
    config: Config = CONFIG,
    actor: As = None,
    json: Json = False,
) -> None:
    """Stop all writes at once: the kill switch. What is planned waits until `outlay resume`, or for so many hours."""
    act("pause", reason=reason, hours=hours, config=config, actor=actor, json=json)


@app.command()
def resume(
    config: Config = CONFIG,
    reason: Annotated[str, typer.Option(help="Why; kept with it.")] = "",
    actor: As = None,
    json: Json = False,
) -> None:
    """Let writes go on after `outlay pause`."""
    act("resume", reason=reason, config=config, actor=actor, json=json)


@app.command()
def status(config: Config = CONFIG, json: Json = False) -> None:
    """Say what waits, what runs, and how fresh the data are."""
    act("status", config=config, json=json)


@app.command()
def doctor(config: Config = CONFIG, json: Json = False) -> None:
    """Check settings, store and connectors, and say what to mend."""
    act("doctor", config=config, json=json)


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
    act(
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
    act("replay", folder=folder, policy=policy, seed=seed, day=day, workers=workers, json=json)


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
    act(
        "emulate", platform=platform, scenario=scenario, seed=seed, today=today, currency=currency, state=state,
        faults=faults, port=port, control_port=control_port, day_seconds=day_seconds, listed=list_, machine=json,
        json=json,
    )  # fmt: skip


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    app()
