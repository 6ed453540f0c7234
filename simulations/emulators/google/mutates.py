"""Changes of budgets and of the statuses of ads: each operation is judged, and carried out unless only validated."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import grpc

from connectors.money import minor_unit_micros
from simulations.emulators.account import Account, Ad, Campaign
from simulations.emulators.google import messages
from simulations.emulators.google.refusals import Refusal, add
from simulations.market.truth import least_budget

_BUDGET: Final = re.compile(r"customers/(\d+)/campaignBudgets/(\d+)")
_AD: Final = re.compile(r"customers/(\d+)/adGroupAds/(\d+)~(\d+)")
LARGEST: Final = 10**15

_Place = tuple[tuple[str, int | None], ...]
_Carry = Callable[[], str]


class _Fault(Exception):  # noqa: N818 - it becomes an error of the answer
    """One operation that is refused."""

    def __init__(
        self, kind: str, code: str, words: str, field: str = "", detail: Callable[[Any], None] | None = None
    ) -> None:
        super().__init__(words)
        self.kind, self.code, self.words, self.field, self.detail = kind, code, words, field, detail


def set_budgets(account: Account, request: Any, response: Any) -> None:
    """Carry out a MutateCampaignBudgetsRequest.

    Raises:
        Refusal: An operation is refused, and with it, without `partial_failure`, all of them.
    """
    _mutate(request, response, lambda operation: _budget(account, operation))


def set_statuses(account: Account, request: Any, response: Any) -> None:
    """Carry out a MutateAdGroupAdsRequest.

    Raises:
        Refusal: An operation is refused, and with it, without `partial_failure`, all of them.
    """
    _mutate(request, response, lambda operation: _status(account, operation))


def _mutate(request: Any, response: Any, judge: Callable[[Any], _Carry]) -> None:
    failure, carried = messages.Failure(), list[_Carry | None]()
    if not request.operations:
        add(failure, "request_error", "REQUIRED_FIELD_MISSING", "There is no operation.", place=(("operations", None),))
    for index, operation in enumerate(request.operations):
        try:
            carried.append(judge(operation))
        except _Fault as fault:
            place: _Place = (("operations", index), ("update", None), (fault.field, None))
            add(failure, fault.kind, fault.code, fault.words, place=place, detail=fault.detail)
            carried.append(None)
    if failure.errors and not (request.partial_failure and request.operations):
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, failure.errors[0].message, failure)
    if failure.errors:
        response.partial_failure_error.code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
        response.partial_failure_error.message = failure.errors[0].message
        response.partial_failure_error.details.add().Pack(failure)
    if not request.validate_only:
        for carry in carried:
            response.results.add().resource_name = "" if carry is None else carry()


def _updated(operation: Any, pattern: re.Pattern[str], account: Account, field: str) -> re.Match[str]:
    """Return what an update names, if it is an update of this field alone of a resource of this account."""
    match operation.WhichOneof("operation"):
        case "update":
            pass
        case "create":
            raise _Fault(
                "operation_access_denied_error", "CREATE_OPERATION_NOT_PERMITTED", "Nothing can be created here."
            )
        case _:
            raise _Fault(
                "operation_access_denied_error", "REMOVE_OPERATION_NOT_PERMITTED", "Nothing can be removed here."
            )
    named = pattern.fullmatch(operation.update.resource_name)
    if named is None:
        raise _Fault("request_error", "RESOURCE_NAME_MALFORMED", "The resource name is malformed.", "resource_name")
    if int(named[1]) != account.account_id:
        raise _Fault("mutate_error", "RESOURCE_NOT_FOUND", "The resource is of another customer.", "resource_name")
    if not operation.update_mask.paths:
        raise _Fault("field_mask_error", "FIELD_MASK_MISSING", "The field mask must be provided for update operations.")
    for path in operation.update_mask.paths:
        if path.split(".")[0] not in operation.update.DESCRIPTOR.fields_by_name:
            raise _Fault(
                "field_mask_error", "FIELD_NOT_FOUND", f"The field mask names {path!r}, which is no field.", path
            )
        if path != field:
            raise _Fault("request_error", "IMMUTABLE_FIELD", f"The field {path!r} cannot be changed here.", path)
    return named


def _budget(account: Account, operation: Any) -> _Carry:
    named = _updated(operation, _BUDGET, account, "amount_micros")
    campaign = _found(account.campaigns(), lambda each: each.budget_id == int(named[2]))
    _check_amount(account, operation.update.amount_micros)
    micros: int = operation.update.amount_micros

    def carry() -> str:
        account.set_budget(campaign.index, micros)
        return str(operation.update.resource_name)

    return carry


def _check_amount(account: Account, micros: int) -> None:
    least, unit = least_budget(account.truth.scenario), minor_unit_micros(account.currency)
    wrong: tuple[tuple[bool, str, str], ...] = (
        (micros < 0, "NEGATIVE_MONEY_AMOUNT", "The money amount is negative."),
        (micros == 0, "MONEY_AMOUNT_LESS_THAN_CURRENCY_MINIMUM_CPC", "The money amount is less than the minimum CPC."),
        (micros > LARGEST, "MONEY_AMOUNT_TOO_LARGE", "The money amount is greater than the maximum allowed."),
        (
            micros % unit != 0,
            "NON_MULTIPLE_OF_MINIMUM_CURRENCY_UNIT",
            "It is no multiple of the minimum currency unit.",
        ),
        (micros < least, "BUDGET_BELOW_PER_DAY_MINIMUM", "The budget is below the minimum of a day."),
    )

    def detail(details: Any) -> None:
        told = details.budget_per_day_minimum_error_details
        told.currency_code = account.currency
        told.budget_per_day_minimum_micros = told.minimum_budget_amount_micros = least
        told.failed_budget_amount_micros = micros

    for holds, code, words in wrong:
        if holds:
            filled = detail if code == "BUDGET_BELOW_PER_DAY_MINIMUM" else None
            raise _Fault("campaign_budget_error", code, words, "amount_micros", filled)


def _status(account: Account, operation: Any) -> _Carry:
    named = _updated(operation, _AD, account, "status")
    ad = _found(account.ads(), lambda each: (each.ad_group_id, each.ad_id) == (int(named[2]), int(named[3])))
    constants = {number: name for name, number in (messages.numbers("ad_group_ad.status") or {}).items()}
    wanted = constants.get(operation.update.status, "")
    if wanted not in {"ENABLED", "PAUSED"}:
        raise _Fault("request_error", "INVALID_ENUM_VALUE", "An ad is enabled or paused.", "status")

    def carry() -> str:
        account.switch(ad.index, wanted == "ENABLED")
        return str(operation.update.resource_name)

    return carry


def _found[T: (Campaign, Ad)](those: tuple[T, ...], wanted: Callable[[T], bool]) -> T:
    for each in those:
        if wanted(each):
            return each
    raise _Fault("mutate_error", "RESOURCE_NOT_FOUND", "Resource was not found.", "resource_name")
