"""The approval machine, pure: proposals, verdicts, write intents, drift and rollback as values.

`now` and live budgets are passed in; what is not allowed comes back as a `Refusal`. Steps are `Transition`s for
`Store.commit`, intents go through `Store.advance`. The contract is written out in docs/safety.md.
"""

from optimizer.approval.applying import Blocked, Waiting, begin, conclude, retry, sendable, verified
from optimizer.approval.autonomy import AUTOPILOT, Ads, Autonomy, Mode, Waits, consider
from optimizer.approval.disbelief import ahead, disbelieved
from optimizer.approval.edge import barred
from optimizer.approval.envelopes import Bounds
from optimizer.approval.hands import NO_CHANGES, by_whom, landed, named
from optimizer.approval.intents import (
    DONE,
    OPEN,
    RESEND_AFTER,
    STEPS,
    UNRESOLVED,
    acknowledged,
    cancel,
    drifted,
    latest,
    postponed,
    recover,
    refused,
    sending,
    told,
    unknown,
    verify,
)
from optimizer.approval.names import POLICY_NAMES, of_policy
from optimizer.approval.proposals import (
    ad_lines,
    budget_lines,
    chosen,
    counted,
    drifts,
    expire,
    issue,
    lapsed,
    moved,
    outdate,
    revise,
    standing,
    supersede,
)
from optimizer.approval.recheck import recheck
from optimizer.approval.refusal import Code, Drift, Refusal
from optimizer.approval.restoring import rollback, rolled_back
from optimizer.approval.switching import forbidden, touched
from optimizer.approval.table import TRANSITIONS, Action, Step
from optimizer.approval.verdicts import Approve, Policy, Reject, Revoke, Verdict, judge
from optimizer.approval.windows import Window, closed, next_opening
from optimizer.approval.witness import Testimony, contradictions

__all__ = [
    "AUTOPILOT",
    "DONE",
    "NO_CHANGES",
    "OPEN",
    "POLICY_NAMES",
    "RESEND_AFTER",
    "STEPS",
    "TRANSITIONS",
    "UNRESOLVED",
    "Action",
    "Ads",
    "Approve",
    "Autonomy",
    "Blocked",
    "Bounds",
    "Code",
    "Drift",
    "Mode",
    "Policy",
    "Refusal",
    "Reject",
    "Revoke",
    "Step",
    "Testimony",
    "Verdict",
    "Waiting",
    "Waits",
    "Window",
    "acknowledged",
    "ad_lines",
    "ahead",
    "barred",
    "begin",
    "budget_lines",
    "by_whom",
    "cancel",
    "chosen",
    "closed",
    "conclude",
    "consider",
    "contradictions",
    "counted",
    "disbelieved",
    "drifted",
    "drifts",
    "expire",
    "forbidden",
    "issue",
    "judge",
    "landed",
    "lapsed",
    "latest",
    "moved",
    "named",
    "next_opening",
    "of_policy",
    "outdate",
    "postponed",
    "recheck",
    "recover",
    "refused",
    "retry",
    "revise",
    "rollback",
    "rolled_back",
    "sendable",
    "sending",
    "standing",
    "supersede",
    "told",
    "touched",
    "unknown",
    "verified",
    "verify",
]
