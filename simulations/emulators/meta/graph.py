"""The Graph API over one account: who may call, which node or edge is meant, and what it answers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from simulations.emulators.meta.activities import activities
from simulations.emulators.meta.errors import GraphError, invalid, not_there
from simulations.emulators.meta.insights import read_query
from simulations.emulators.meta.layout import Layout
from simulations.emulators.meta.limits import INSIGHTS, MANAGEMENT
from simulations.emulators.meta.paging import page
from simulations.emulators.meta.reports import Reports
from simulations.emulators.meta.requests import Asked, select
from simulations.emulators.meta.units import least
from simulations.emulators.meta.writes import write

Body = dict[str, Any]

_SERVED_BEFORE = 2


class Graph:
    """Answers requests; one at a time.

    Args:
        layout: The account as Meta shows it.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._options = layout.options
        self.reports = Reports(layout)

    def use(self, asked: Asked) -> str:
        """Return which of the two allowances a request draws on."""
        return INSIGHTS if asked.path[-1] == "insights" else MANAGEMENT

    def version(self, asked: Asked) -> str:
        """Return the version by which a request is answered: one that has ended is answered by the newest."""
        return f"v{self._options.version if asked.version in self._options.ended else asked.version}.0"

    def admit(self, asked: Asked) -> None:
        """Raise unless the request may be made at all.

        Raises:
            GraphError: Token, proof or version are not taken.
        """
        if not asked.token:
            raise GraphError("An access token is required to request this resource.", 104)
        if self._options.token is not None and asked.token != self._options.token:
            raise GraphError(f"Malformed access token {asked.token}", 190)  # it does show it
        self._prove(asked)
        served = range(self._options.version - _SERVED_BEFORE, self._options.version + 1)
        if asked.version not in served and asked.version not in self._options.ended:
            raise GraphError(
                "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version: "
                f"v{self._options.version}.0.",
                2635,
            )

    def answer(self, asked: Asked, *, empty: bool) -> Body:
        """Return what a request is answered.

        Args:
            asked: The request.
            empty: Whether a list begins with an empty page.

        Raises:
            GraphError: It is refused.
        """
        if asked.method == "POST":
            return self._post(asked)
        if asked.method != "GET":
            raise invalid(f"{asked.method} is not emulated")
        return self._node(asked) if len(asked.path) == 1 else self._edge(asked, empty=empty)

    def is_list(self, asked: Asked) -> bool:
        """Whether a request is answered in pages."""
        return asked.method == "GET" and len(asked.path) == 2

    def _prove(self, asked: Asked) -> None:
        secret, proof = self._options.app_secret, asked.params.get("appsecret_proof")
        if secret is None:
            return
        if not proof:
            message = "API calls from the server require an appsecret_proof argument"
            raise GraphError(message, 100, kind="GraphMethodException")
        wanted = hmac.new(secret.encode(), asked.token.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(str(proof), wanted):
            message = "Invalid appsecret_proof provided in the API argument"
            raise GraphError(message, 100, kind="GraphMethodException")

    def _require(self, *permissions: str) -> None:
        if not set(permissions) & set(self._options.permissions):
            message = f"(#200) Ad account owner has NOT grant {' or '.join(permissions)} permission"
            raise GraphError(message, 200, status=403)

    def _post(self, asked: Asked) -> Body:
        if asked.path[-1] == "insights":
            self._require("ads_read", "ads_management")
            if asked.path[0] != self._account:
                raise not_there(asked.path[0], asked.method)
            return self.reports.order(read_query(asked.params, self._layout.account.today))
        self._require("ads_management")
        if len(asked.path) != 1:
            raise invalid(f"creating {asked.path[-1]} is not emulated")
        return write(self._layout, asked)

    @property
    def _account(self) -> str:
        return f"act_{self._layout.account.account_id}"

    def _node(self, asked: Asked) -> Body:
        node, fields = asked.path[0], asked.params.get("fields")
        if node == "me":
            return select({"id": "100001", "name": "System user"}, fields or "id,name", "User")
        self._require("ads_read", "ads_management")
        if node == self._account:
            return select(self._layout.account_body(), fields, "AdAccount")
        if node in self.reports.runs:
            return self.reports.look(node)
        for kind, bodies in self._kinds().items():
            for body in bodies():
                if body["id"] == node:
                    return select(body, fields, kind)
        raise not_there(node, asked.method)

    def _kinds(self) -> dict[str, Callable[[], list[Body]]]:
        return {"Campaign": self._layout.campaigns, "AdSet": self._layout.ad_set_bodies, "Ad": self._layout.ads}

    def _edge(self, asked: Asked, *, empty: bool) -> Body:
        rows = self._of_me(asked) if asked.path[0] == "me" else self._of_account(asked)
        return page(asked, rows, self._options.page_rows, empty=empty)

    def _of_me(self, asked: Asked) -> list[Body]:
        if asked.path[1] == "permissions":
            known = ("ads_read", "ads_management", "business_management")
            granted = self._options.permissions
            return [{"permission": name, "status": "granted" if name in granted else "declined"} for name in known]
        if asked.path[1] == "adaccounts":
            self._require("ads_read", "ads_management")
            return [select(self._layout.account_body(), asked.params.get("fields"), "AdAccount")]
        raise GraphError("Unknown path components", 2500)

    def _of_account(self, asked: Asked) -> list[Body]:
        self._require("ads_read", "ads_management")
        node, edge = asked.path
        if edge == "insights" and node in self.reports.runs:
            return self.reports.read(node)
        if node != self._account:
            raise not_there(node, asked.method)
        if edge == "insights":
            return self.reports.direct(read_query(asked.params, self._layout.account.today))
        if edge == "minimum_budgets":
            return [least(code) for code in sorted({"EUR", "JPY", "USD", self._layout.account.currency})]
        fields = asked.params.get("fields")
        if edge == "activities":
            told = activities(self._layout, asked.params)
            return [select(one, fields or "event_type,event_time,object_id", "AdActivity") for one in told]
        kinds = {"campaigns": "Campaign", "adsets": "AdSet", "ads": "Ad"}
        if edge not in kinds:
            raise invalid(f"Tried accessing nonexisting field ({edge}) on node type (AdAccount)")
        bodies = self._kinds()[kinds[edge]]()
        return [select(body, fields, kinds[edge]) for body in bodies if _listed(body, asked)]


def _listed(body: Body, asked: Asked) -> bool:
    """Whether a list shows a node: what is archived or deleted only where it is asked for."""
    statuses = asked.params.get("effective_status")
    if isinstance(statuses, list):
        return body["effective_status"] in statuses
    return body["effective_status"] not in ("ARCHIVED", "DELETED")
