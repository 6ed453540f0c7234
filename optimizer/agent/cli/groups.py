"""The commands that stand in groups: experiments, lift tests, connectors, the store, its record, and people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optimizer.agent.cli.words import (
    CONFIG,
    As,
    Commands,
    Config,
    Json,
    Listed,
    Then,
    act,
)

connectors_app = typer.Typer(
    cls=Listed, help="List and check the connectors. Without a command, list them.", rich_markup_mode=None
)
db_app = typer.Typer(
    cls=Commands,
    help="Bring the store up to date, back it up, put it back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
audit_app = typer.Typer(
    cls=Commands, help="Prove the history and list it.", no_args_is_help=True, rich_markup_mode=None
)
experiment_app = typer.Typer(
    cls=Listed, help="Compare arms by rules written down beforehand. Without a command, list.", rich_markup_mode=None
)
lift_app = typer.Typer(
    cls=Listed, help="Test what spend brings because of itself. Without a command, list.", rich_markup_mode=None
)
users_app = typer.Typer(
    cls=Listed, help="Say who may log in, and as what. Without a command, list them.", rich_markup_mode=None
)

Trial = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its id, its name, or 'latest'.")]
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
Lots = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the lots; by default a new one.")]
Name = Annotated[str, typer.Argument(help="Of a user, in any case.")]
Label = Annotated[str, typer.Option(help="What the token is for; each user has a label once.")]
InRole = Annotated[str, typer.Option("--role", help="viewer, approver or admin.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Holds the password; - for standard input. By default it is asked for."),
]


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
    config: Config = CONFIG,
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
    act(
        "experiment_register", name=name, config=config, actor=actor, target=target, arm=arm, metric=metric,
        minimum_effect=minimum_effect, days=days, control=control, kind=kind, first_day=first_day, guard=guard or [],
        holdout=holdout, error_rate=error_rate, power=power, least_days=least_days, settle_days=settle_days,
        planned=planned, json=json,
    )  # fmt: skip


@experiment_app.command("status")
def experiment_status(
    experiment: Trial = "latest", config: Config = CONFIG, as_of: Then = None, json: Json = False
) -> None:
    """Say how it stands. Exit 2: it has ended, close it. Exit 4: it cannot be trusted, or does harm."""
    act("experiment_status", experiment=experiment, config=config, as_of=as_of, json=json)


@experiment_app.command("list")
def experiment_list(config: Config = CONFIG, json: Json = False) -> None:
    """List all experiments, the newest first."""
    act("experiment_list", config=config, json=json)


@experiment_app.command("close")
def experiment_close(
    experiment: Trial,
    reason: Annotated[str, typer.Option(help="Why; kept with its end.")],
    config: Config = CONFIG,
    keep: Annotated[str | None, typer.Option(metavar="ID", help="The arm that stays; by default the winner.")] = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Write its end down, with what it says now. Its arms are then free again."""
    act("experiment_close", experiment=experiment, reason=reason, config=config, keep=keep, actor=actor, json=json)


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
    act(
        "experiment_size", metric=metric, rate=rate, daily=daily, minimum_effect=minimum_effect, arms=arms,
        control_share=control_share, error_rate=error_rate, power=power, dispersion=dispersion, seed=seed, json=json,
    )  # fmt: skip


@experiment_app.command("report")
def experiment_report(
    experiment: Trial = "latest",
    config: Config = CONFIG,
    out: Annotated[Path | None, typer.Option(help="The file; by default its id with .html.")] = None,
    as_of: Then = None,
    json: Json = False,
) -> None:
    """Write one page with pictures that needs nothing but itself. Exit codes as for status."""
    act("experiment_report", experiment=experiment, config=config, out=out, as_of=as_of, json=json)


@lift_app.command("design")
def lift_design(
    scope: LiftScope,
    config: Config = CONFIG,
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
    seed: Lots = None,
    json: Json = False,
) -> None:
    """Say what a lift test could find and what it costs. Writes nothing."""
    act(
        "lift_design", scope=scope, config=config, outcomes=outcomes, kind=kind, outcome=outcome, first_day=first_day,
        pairs=pairs, block_days=block_days, burn_in=burn_in, way=way, days=days, share=share, change=change, seed=seed,
        json=json,
    )  # fmt: skip


@lift_app.command("start")
def lift_start(
    name: Annotated[str, typer.Argument(help="For people; unique among those that are open.")],
    scope: LiftScope,
    config: Config = CONFIG,
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
    seed: Lots = None,
    actor: As = None,
    json: Json = False,
) -> None:
    """Write a lift test down before its first day. Plans then ask for the budgets of its blocks."""
    act(
        "lift_start", name=name, scope=scope, config=config, outcomes=outcomes, kind=kind, outcome=outcome,
        first_day=first_day, pairs=pairs, block_days=block_days, burn_in=burn_in, way=way, days=days, share=share,
        change=change, seed=seed, actor=actor, json=json,
    )  # fmt: skip


@lift_app.command("list")
def lift_list(config: Config = CONFIG, json: Json = False) -> None:
    """List all lift tests, the newest first."""
    act("lift_list", config=config, json=json)


@lift_app.command("status")
def lift_status(test: Lifted = "latest", config: Config = CONFIG, json: Json = False) -> None:
    """Say how a lift test stands. Exit 2: it is over, read it."""
    act("lift_status", test=test, config=config, json=json)


@lift_app.command("read")
def lift_read(
    test: Lifted,
    config: Config = CONFIG,
    outcomes: Sold = None,
    spend: Annotated[
        float | None, typer.Option(help="Holdout: what the test regions would have spent in its days.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read it, and write nothing.")] = False,
    actor: As = None,
    json: Json = False,
) -> None:
    """Read a lift test that is over, and keep what it says. Exit 4: more is claimed than it found."""
    act("lift_read", test=test, config=config, outcomes=outcomes, spend=spend, dry_run=dry_run, actor=actor, json=json)


@lift_app.command("stop")
def lift_stop(
    test: Lifted,
    reason: Annotated[str, typer.Option(help="Why; kept with its end.")],
    config: Config = CONFIG,
    actor: As = None,
    json: Json = False,
) -> None:
    """Break a lift test off. The next plans put its budgets back."""
    act("lift_stop", test=test, reason=reason, config=config, actor=actor, json=json)


@connectors_app.command("list")
def connectors_list(config: Config = CONFIG, json: Json = False) -> None:
    """List the kinds of connector that are installed and the connectors that are configured."""
    act("connectors_list", config=config, json=json)


@connectors_app.command("check")
def connectors_check(config: Config = CONFIG, json: Json = False) -> None:
    """Read a little from each configured connector and say what is missing."""
    act("connectors_check", config=config, json=json)


@db_app.command("upgrade")
def db_upgrade(config: Config = CONFIG, json: Json = False) -> None:
    """Bring the store's tables to this program's version. Every command that opens the store does so, too."""
    act("db_upgrade", config=config, json=json)


@db_app.command("current")
def db_current(config: Config = CONFIG, json: Json = False) -> None:
    """Say of which version the store's tables are. Changes nothing."""
    act("db_current", config=config, json=json)


@db_app.command("rename")
def db_rename(config: Config = CONFIG, actor: As = None, json: Json = False) -> None:
    """Say that the portfolio whose the store is has got the name that the settings give it."""
    act("db_rename", config=config, actor=actor, json=json)


@db_app.command("backup")
def db_backup(
    file: Annotated[Path, typer.Argument(help="A new file; FILE.json beside it says what is in it.")],
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Copy the store into a new file. Others may write meanwhile."""
    act("db_backup", file=file, config=config, json=json)


@db_app.command("restore")
def db_restore(
    file: Annotated[Path, typer.Argument(help="What `outlay db backup` wrote.")],
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Put a backup into the place that the settings name, which must be empty."""
    act("db_restore", file=file, config=config, json=json)


@audit_app.command("verify")
def audit_verify(
    config: Config = CONFIG,
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A head that was kept elsewhere; it must be in the chain.")
    ] = None,
    json: Json = False,
) -> None:
    """Prove that no entry was changed, removed or put in, and print the head. Exit 1: the chain does not hold."""
    act("audit_verify", config=config, head=head, json=json)


@audit_app.command("show")
def audit_show(
    config: Config = CONFIG,
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
    act(
        "audit_show", config=config, rec=rec, actor=actor, action=action, since=since, until=until, limit=limit,
        json=json,
    )  # fmt: skip


@users_app.command("list")
def users_list(config: Config = CONFIG, json: Json = False) -> None:
    """List who may log in, with their tokens."""
    act("users_list", config=config, json=json)


@users_app.command("add")
def users_add(
    name: Annotated[str, typer.Argument(help="As it is to stand in the history.")],
    role: InRole,
    config: Config = CONFIG,
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
    act(
        "users_add", name=name, role=role, config=config, subject=subject, password_file=password_file, actor=actor,
        json=json,
    )  # fmt: skip


@users_app.command("role")
def users_role(
    name: Name,
    to: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, approver or admin.")],
    config: Config = CONFIG,
    actor: As = None,
    json: Json = False,
) -> None:
    """Give somebody another role. A lower one ends their sessions."""
    act("users_role", name=name, to=to, config=config, actor=actor, json=json)


@users_app.command("password")
def users_password(
    name: Name, config: Config = CONFIG, password_file: PasswordFile = None, actor: As = None, json: Json = False
) -> None:
    """Give somebody another password. It ends their sessions."""
    act("users_password", name=name, config=config, password_file=password_file, actor=actor, json=json)


@users_app.command("shut-out")
def users_shut_out(name: Name, config: Config = CONFIG, actor: As = None, json: Json = False) -> None:
    """Let somebody log in no more. It ends their sessions and tokens at once."""
    act("users_shut_out", name=name, config=config, actor=actor, json=json)


@users_app.command("let-in")
def users_let_in(name: Name, config: Config = CONFIG, actor: As = None, json: Json = False) -> None:
    """Let somebody log in again who was shut out."""
    act("users_let_in", name=name, config=config, actor=actor, json=json)


@users_app.command("token")
def users_token(
    name: Name,
    label: Label,
    role: InRole,
    config: Config = CONFIG,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How long it lasts.")] = 90,
    actor: As = None,
    json: Json = False,
) -> None:
    """Make a token for a program, and print it this once. It may no more than its user may."""
    act("users_token", name=name, label=label, role=role, config=config, days=days, actor=actor, json=json)


@users_app.command("revoke")
def users_revoke(name: Name, label: Label, config: Config = CONFIG, actor: As = None, json: Json = False) -> None:
    """End a token."""
    act("users_revoke", name=name, label=label, config=config, actor=actor, json=json)
