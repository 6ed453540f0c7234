"""Recommendations as a person reads them in a terminal; their tables stand in `tables`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from connectors.contract import BudgetKey, EntityStatus
from optimizer.agent.cli import tables
from optimizer.agent.cli.tables import clean, interval
from optimizer.plan.recommendation import AdLine, Binding, Decision, Explanation, Finding, Line, LineKey, Severity
from optimizer.plan.record import Event, Intent, Record, State

_STYLES: Final = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.BLOCK: "bold red"}
_SHOWN_FINDINGS: Final = 12
_SHOWN_REASONS: Final = 15
_SHOWN_NAMES: Final = 6
_NOTHING: Final = "Nothing to change: leave every budget as it is."
_DECLINED: Final = frozenset({"gain-too-small", "nothing-to-shift"})


def record(shown: Record) -> RenderableType:
    """A recommendation as a readable diff: what, how much, how sure, why, and what to do next."""
    decision = shown.recommendation.decision
    parts: list[RenderableType] = [_head(shown), Padding(_summary(decision), (1, 0))]
    if decision.moves:
        parts += [tables.budgets(decision), _bullets("Where the money goes", _shifts(decision)), _why(decision)]
    elif decision.explanation is not None and decision.explanation.declined is not None:
        title = "Why no budget changes" if decision.acts else "Why nothing is proposed"
        parts.append(_bullets(title, [decision.explanation.declined.words]))
    if decision.ads:
        parts.append(section("Ads", tables.ads(decision.ads, decision.unit, _names(decision))))
    parts.append(_unchanged(decision))
    parts.append(_bullets("Promises", [promise.words for promise in decision.promises]))
    parts.append(_bullets("What holds the plan back", [binding.words for binding in decision.bindings]))
    parts.append(_bullets("What more or less money would do", _money(decision.explanation)))
    parts.append(_findings(_of_the_rest(decision)))
    if decision.arms:
        parts.append(_arms(decision))
    return Group(*parts, Padding(Text(next_step(shown), style="bold"), (1, 0, 0, 0)))


def history(shown: Record, events: Sequence[Event], writes: Sequence[Intent]) -> RenderableType:
    """What became of a recommendation, and of each of its writes."""
    return Group(section("History", tables.history(events)), intents(shown, writes))


def intents(shown: Record, writes: Sequence[Intent]) -> RenderableType:
    """The writes of a recommendation and where each stands; nothing if there are none."""
    listed = [tables.intents(writes, _all_names(shown.recommendation.decision))] if writes else []
    return section("Writes", *listed)


def approved(lines: Sequence[Line | AdLine]) -> RenderableType:
    """The lines that an approval is for, each from its current to its proposed budget or status."""
    told = [f"{clean(line.name)}: {line.current} -> {line.proposed}" for line in lines]
    return Text("\n".join(f"- {words}" for words in told))


def next_step(shown: Record) -> str:
    """What a person may do next with a recommendation; empty where its story has ended."""
    rec = shown.recommendation
    words = {
        State.PROPOSED: f"Next: outlay approve {rec.rec_id} --hash {rec.plan_hash[:12]}, or reject, or edit.",
        State.APPROVED: f"Next: outlay apply {rec.rec_id}",
        State.APPLYING: f"Next: outlay apply {rec.rec_id} goes on where it stopped.",
        State.APPLIED: f"Next: outlay verify {rec.rec_id}",
        State.FAILED: f"Next: outlay show {rec.rec_id} --history, then outlay apply {rec.rec_id} retries what is open.",
        State.VERIFIED: f"Undo with: outlay rollback {rec.rec_id}",
    }
    return words.get(shown.state, "")


def plain(text: str) -> str:
    """A platform's or person's text made harmless for a terminal: no markup, no control characters."""
    return escape(clean(text))


def section(title: str, *parts: RenderableType) -> Group:
    """A title with what stands under it, or nothing if there is nothing; no padding, which would cut wide tables."""
    return Group(*([Text(), Text(title, style="bold"), *parts] if parts else []))


def bullet(sentence: str, *before: tuple[str, str]) -> Table:
    """A sentence of a list; `before` are words with a style that begin it."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_row("-", Text.assemble(*before, clean(sentence)))
    return table


def _head(shown: Record) -> Text:
    rec, decision = shown.recommendation, shown.recommendation.decision
    planned = f"for {decision.as_of} ({decision.time_zone}), {decision.currency}"
    return Text.assemble(
        (rec.rec_id, "bold"),
        f"  revision {rec.revision}, {shown.state.value}  {planned}",
        (f"\nhash {rec.plan_hash[:12]}, valid until {rec.valid_until:%Y-%m-%d %H:%M} UTC", "dim"),
    )


def _summary(decision: Decision) -> Text:
    if not decision.moves:
        return Text(f"{_switched(decision)}Leave every budget as it is." if decision.acts else _NOTHING)
    changed = sum(line.changes for line in decision.lines)
    sentences = [
        f"{_movement(decision)} in {changed} of {len(decision.lines)} budgets: "
        f"{decision.expected_now:,.2f} -> {decision.expected_then:,.2f} {decision.unit}.",
        _outcome(decision),
    ]
    if decision.ads:
        sentences.append(_switched(decision).strip())
    if decision.explored:
        sentences.append(
            f"{decision.explored:.1%} of the spend stands where it may turn out better than expected, to learn of it."
        )
    if decision.certificate is not None:
        gap = _tiny(decision.certificate.gap)
        given = ", given what is on trial" if decision.certificate.trials else ""
        sentences.append(f"The aim is within {gap} of the best under these beliefs and limits{given} (certified).")
    return Text("\n".join(sentences))


def _movement(decision: Decision) -> str:
    """What is raised and what is cut, as one figure where both are the same."""
    moved = [line.proposed.micros - line.current.micros for line in decision.lines]
    raised, cut = sum(m for m in moved if m > 0), -sum(m for m in moved if m < 0)
    if raised == cut:
        return f"Move {raised / 1e6:,.2f} {decision.currency} a day"
    sides = [f"{verb} {micros / 1e6:,.2f}" for verb, micros in (("raise", raised), ("cut", cut)) if micros]
    return f"{' and '.join(sides).capitalize()} {decision.currency} a day"


def _outcome(decision: Decision) -> str:
    """What the whole plan brings; of a plan that buys less on purpose, what it saves and what that costs."""
    effect = decision.total
    if tables.saves(decision):
        saved = sum(line.current.micros - line.proposed.micros for line in decision.lines) / 1e6
        return (
            f"Saves {saved:,.2f} {decision.currency} a day and costs about {-effect.mean:,.2f} {decision.unit}\n"
            f"(80% sure of [{-effect.high80:,.2f}, {-effect.low80:,.2f}], "
            f"95% of [{-effect.high95:,.2f}, {-effect.low95:,.2f}])."
        )
    return (
        f"Gain {effect.mean:+,.2f}; 80% sure of {interval(effect.low80, effect.high80)}, "
        f"95% of {interval(effect.low95, effect.high95)}; P(worse) {effect.p_worse:.0%}."
    )


def _tiny(share: float) -> str:
    return f"{share:.3%}" if share >= 1e-5 else "0.001%"


def _why(decision: Decision) -> Group:
    changed = [line for line in decision.lines if line.changes][: tables.SHOWN_LINES]
    about = _by_line(decision)
    told = [
        [
            Text(clean(line.name)),
            _indented(line.reason),
            *([] if line.turn is None else [_indented(line.turn.words)]),
            *_limits(line.reason, line.bindings),
            *(_doubt(finding) for finding in about.get(str(line.key), ())),
        ]
        for line in changed
    ]
    return section("Why", *chain.from_iterable(told))


def _by_line(decision: Decision) -> dict[str, list[Finding]]:
    """The findings on single lines that move and are shown, by budget."""
    shown = {str(line.key) for line in [line for line in decision.lines if line.changes][: tables.SHOWN_LINES]}
    found: dict[str, list[Finding]] = {}
    for finding in decision.findings:
        if finding.subject in shown:
            found.setdefault(finding.subject, []).append(finding)
    return found


def _of_the_rest(decision: Decision) -> list[Finding]:
    """The findings that do not stand under a line, nor are told by what was found instead of a plan."""
    told = _by_line(decision) if decision.moves else {}
    why = decision.explanation is not None and decision.explanation.declined is not None
    left = _DECLINED if why else frozenset()
    return [finding for finding in decision.findings if finding.subject not in told and finding.code not in left]


def _doubt(finding: Finding) -> RenderableType:
    mark = (f"{finding.severity.value}: ", _STYLES[finding.severity])
    return Padding(Text.assemble(mark, clean(f"{finding.message} {finding.mend}".strip())), (0, 0, 0, 4))


def _shifts(decision: Decision) -> list[str]:
    return [] if decision.explanation is None else [shift.words for shift in decision.explanation.shifts]


def _money(explanation: Explanation | None) -> list[str]:
    """What is left of the total, and what a larger one would do."""
    parts = () if explanation is None else (explanation.unspent, explanation.more)
    return [part.words for part in parts if part is not None]


def _unchanged(decision: Decision) -> RenderableType:
    """Why the other budgets stay, those with the same reason and limits together."""
    groups: dict[tuple[str, tuple[Binding, ...]], list[str]] = {}
    for line in decision.lines:
        if not line.changes:
            groups.setdefault((line.reason, line.bindings), []).append(line.name)
    told: list[RenderableType] = []
    for (reason, bindings), names in list(groups.items())[:_SHOWN_REASONS]:
        told += [bullet(f"{_listed(names)}: {reason}"), *_limits(reason, bindings)]
    if len(groups) > _SHOWN_REASONS:
        told.append(_rest(sum(map(len, list(groups.values())[_SHOWN_REASONS:]))))
    return section("Unchanged", *told)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _limits(reason: str, bindings: Sequence[Binding]) -> list[RenderableType]:
    """The limits of a line with what they cost, but for those that the reason names already in the same words."""
    return [_indented(f"Limit: {binding.words}.") for binding in bindings if binding.words not in reason]


def _bullets(title: str, sentences: Sequence[str]) -> RenderableType:
    return section(title, *(bullet(sentence) for sentence in sentences))


def _findings(findings: Sequence[Finding]) -> RenderableType:
    told: list[RenderableType] = []
    for finding in findings[:_SHOWN_FINDINGS]:
        words = f"{finding.message} {finding.mend}".strip()
        told.append(bullet(words, (f"{finding.severity.value}: ", _STYLES[finding.severity])))
    if len(findings) > _SHOWN_FINDINGS:
        told.append(_rest(len(findings) - _SHOWN_FINDINGS))
    return section("What was noticed", *told)


def _arms(decision: Decision) -> Group:
    written = "What is written of it stands under Ads" if decision.ads else "Advice, not written"
    about = Text(f"{written}; the rate is {decision.arms[0].metric}.", style="dim")
    return section("Creatives and audiences, largest shifts first", about, tables.arms(decision.arms, _names(decision)))


def _switched(decision: Decision) -> str:
    """How many ads are paused and resumed and what that should bring, as a sentence with a blank behind it."""
    resumed = sum(line.proposed is EntityStatus.ACTIVE for line in decision.ads)
    gain = "" if decision.by_ads is None else f": {decision.by_ads:+,.2f} {decision.unit} beside those of the budgets"
    return f"Ads: {len(decision.ads) - resumed} to be paused, {resumed} to be resumed{gain}. "


def _names(decision: Decision) -> dict[BudgetKey, str]:
    return {line.key: line.name for line in decision.lines}


def _all_names(decision: Decision) -> dict[LineKey, str]:
    return {line.key: line.name for line in decision.all_lines}


def _indented(sentence: str) -> Padding:
    return Padding(Text(clean(sentence)), (0, 0, 0, 4))


def _rest(count: int) -> Text:
    return Text(f"- and {count} more (--json shows all)", style="dim")
