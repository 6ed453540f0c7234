"""Recommendations, states and reports as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from optimizer.plan.recommendation import (
    ArmShare,
    Decision,
    Effect,
    Event,
    Finding,
    Intent,
    Record,
    Severity,
    State,
)

_STYLES = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.BLOCK: "bold red"}
_SHOWN_LINES = 30
_SHOWN_ARMS = 12
_SHOWN_FINDINGS = 12


def console() -> Console:
    """Return the console for answers: standard output, plain where it is not a terminal or NO_COLOR is set."""
    return Console(highlight=False, soft_wrap=False)


def record(shown: Record) -> RenderableType:
    """A recommendation as a readable diff: what, how much, how sure, why, and what to do next."""
    decision = shown.recommendation.decision
    parts: list[RenderableType] = [_head(shown), _summary(decision)]
    if decision.moves:
        parts.append(_lines(decision))
        parts.append(_reasons(decision))
    if decision.bindings:
        parts.append(_bullets("What holds the plan back", [binding.words for binding in decision.bindings]))
    if decision.findings:
        parts.append(_findings(decision.findings))
    if decision.arms:
        parts.append(_arms(decision.arms, {line.key: line.name for line in decision.lines}))
    parts.append(_next(shown))
    return Group(*parts)


def history(events: Sequence[Event]) -> Table:
    """A recommendation's history, oldest first."""
    table = Table(box=None, pad_edge=False, title="History", title_justify="left")
    for title in ("when (UTC)", "rev", "who", "did", "detail"):
        table.add_column(title)
    for event in events:
        table.add_row(
            f"{event.at:%Y-%m-%d %H:%M:%S}", str(event.revision), plain(event.actor), event.action, plain(event.detail)
        )
    return table


def intents(writes: Sequence[Intent]) -> Table:
    """The writes of a recommendation and where each stands."""
    table = Table(box=None, pad_edge=False, title="Writes", title_justify="left")
    for title, justify in (("#", "right"), ("budget", "left"), ("from", "right"), ("to", "right")):
        table.add_column(title, justify="right" if justify == "right" else "left")
    table.add_column("state")
    table.add_column("note")
    for intent in writes:
        table.add_row(
            str(intent.order + 1), plain(str(intent.key)), str(intent.base), str(intent.target), intent.state.value,
            plain(intent.note),
        )  # fmt: skip
    return table


def plain(text: str) -> str:
    """A platform's or person's text made harmless for a terminal: no markup, no control characters."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def percent(before: int, after: int) -> str:
    """A relative change, such as `+12.5%`."""
    return "new" if before == 0 else f"{(after - before) / before:+.1%}"


def span(effect: Effect) -> str:
    """Mean and 80% interval of a change."""
    return f"{effect.mean:+,.2f} [{effect.low80:+,.2f}, {effect.high80:+,.2f}]"


def _head(shown: Record) -> Text:
    rec = shown.recommendation
    text = Text(f"{rec.rec_id}", style="bold")
    text.append(f"  revision {rec.revision}, {shown.state.value}", style="none")
    text.append(f"  for {rec.decision.as_of} ({rec.decision.time_zone}), {rec.decision.currency}", style="none")
    text.append(f"\nhash {rec.plan_hash[:12]}, valid until {rec.valid_until:%Y-%m-%d %H:%M} UTC", style="dim")
    return text


def _summary(decision: Decision) -> Padding:
    if not decision.moves:
        lead = "Nothing to change: leave every budget as it is."
    else:
        moved = sum(abs(line.proposed.micros - line.current.micros) for line in decision.lines) / 2e6
        changed = sum(line.changes for line in decision.lines)
        effect = decision.total
        lead = (
            f"Move {moved:,.2f} {decision.currency} a day in {changed} of {len(decision.lines)} budgets: "
            f"{decision.expected_now:,.2f} -> {decision.expected_then:,.2f} {decision.unit} expected.\n"
            f"Gain {effect.mean:+,.2f}; 80% sure of [{effect.low80:+,.2f}, {effect.high80:+,.2f}], "
            f"95% of [{effect.low95:+,.2f}, {effect.high95:+,.2f}]; {effect.p_worse:.0%} likely to be worse than now."
        )
    if decision.certificate is not None and decision.moves:
        lead += (
            f"\nThe aim it moves towards is proved to be within {_tiny(decision.certificate.gap)} of the best there is."
        )
    return Padding(Text(lead), (1, 0, 1, 0))


def _tiny(share: float) -> str:
    return f"{share:.3%}" if share >= 1e-5 else "0.001%"


def _lines(decision: Decision) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("", width=1)
    table.add_column("budget", overflow="ellipsis", no_wrap=True, ratio=1)
    for title, width in (
        ("current", 9),
        ("proposed", 9),
        ("change", 7),
        (f"{decision.unit}\n80%, 95% sure", 0),
        ("P(worse)", 8),
    ):
        table.add_column(title, justify="right", no_wrap=True, min_width=width)
    changed = [line for line in decision.lines if line.changes]
    for line in changed[:_SHOWN_LINES]:
        up = line.proposed > line.current
        mark = Text("+" if up else "-", style="green" if up else "red")
        table.add_row(mark, plain(line.name), *_cells(line.current.micros, line.proposed.micros, line.effect))
    if len(changed) > _SHOWN_LINES:
        table.add_row(" ", f"({len(changed) - _SHOWN_LINES} smaller moves; --json shows all)", style="dim")
    if len(changed) < len(decision.lines):
        table.add_row(" ", f"({len(decision.lines) - len(changed)} unchanged)", style="dim")
    now = sum(line.current.micros for line in decision.lines)
    then = sum(line.proposed.micros for line in decision.lines)
    table.add_row("", "total", *_cells(now, then, decision.total), style="bold")
    return table


def _cells(now: int, then: int, effect: Effect) -> tuple[str, ...]:
    wide = f"[{effect.low95:+,.2f}, {effect.high95:+,.2f}]"
    return (
        f"{now / 1e6:,.2f}",
        f"{then / 1e6:,.2f}",
        percent(now, then),
        f"{span(effect)}\n{wide}",
        f"{effect.p_worse:.0%}",
    )


def _reasons(decision: Decision) -> Padding:
    rows = Table(box=None, pad_edge=False, show_header=False)
    rows.add_column(max_width=34, overflow="ellipsis", no_wrap=True)
    rows.add_column(overflow="fold")
    for line in [line for line in decision.lines if line.changes][:_SHOWN_LINES]:
        rows.add_row(plain(line.name), plain(line.reason))
    return Padding(Group(Text("Why", style="bold"), rows), (1, 0, 0, 0))


def _bullets(title: str, sentences: list[str]) -> Padding:
    body = Text("\n".join(f"- {sentence}" for sentence in sentences))
    return Padding(Group(Text(title, style="bold"), body), (1, 0, 0, 0))


def _findings(findings: Sequence[Finding]) -> Padding:
    text = Text()
    for finding in findings[:_SHOWN_FINDINGS]:
        text.append(f"- {finding.severity.value}: ", style=_STYLES[finding.severity])
        text.append(f"{finding.message}{f' {finding.mend}' if finding.mend else ''}\n")
    if len(findings) > _SHOWN_FINDINGS:
        text.append(f"- and {len(findings) - _SHOWN_FINDINGS} more (--json shows all)\n", style="dim")
    text.rstrip()
    return Padding(Group(Text("What was noticed", style="bold"), text), (1, 0, 0, 0))


def _arms(arms: Sequence[ArmShare], names: dict[object, str]) -> Padding:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("ad", overflow="ellipsis", no_wrap=True, ratio=3)
    table.add_column("of", overflow="ellipsis", no_wrap=True, ratio=2)
    for title, width in (("share", 5), ("advised", 7), ("P(best)", 9), ("rate [90% interval]", 22)):
        table.add_column(title, justify="right", no_wrap=True, min_width=width)
    moved = sorted(arms, key=lambda arm: -abs(arm.share - arm.share_now))
    for arm in moved[:_SHOWN_ARMS]:
        sure = f"{arm.p_best:.0%}" if arm.enough else "thin data"
        table.add_row(
            plain(arm.name), plain(names.get(arm.key, str(arm.key))), f"{arm.share_now:.0%}", f"{arm.share:.0%}", sure,
            f"{arm.rate:.3g} [{arm.low90:.3g}, {arm.high90:.3g}]",
        )  # fmt: skip
    if len(moved) > _SHOWN_ARMS:
        table.add_row(f"and {len(moved) - _SHOWN_ARMS} more (--json shows all)", style="dim")
    heading = Text.assemble(
        ("Creatives and audiences, largest shifts first", "bold"),
        (f" (advice, not written; the rate is {arms[0].metric})", "dim"),
    )
    return Padding(Group(heading, table), (1, 0, 0, 0))


def _next(shown: Record) -> Padding:
    rec = shown.recommendation
    words = {
        State.PROPOSED: f"Next: outlay approve {rec.rec_id} --hash {rec.plan_hash[:12]}, or reject, or edit.",
        State.APPROVED: f"Next: outlay apply {rec.rec_id}",
        State.APPLYING: f"Next: outlay apply {rec.rec_id} goes on where it stopped.",
        State.APPLIED: f"Next: outlay verify {rec.rec_id}",
        State.FAILED: f"Next: outlay show {rec.rec_id} --history, then outlay apply {rec.rec_id} retries what is open.",
        State.VERIFIED: f"Undo with: outlay rollback {rec.rec_id}",
    }
    return Padding(Text(words.get(shown.state, ""), style="bold"), (1, 0, 0, 0))
