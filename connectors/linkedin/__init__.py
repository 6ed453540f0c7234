"""LinkedIn campaigns: performance by creative, daily budgets of campaigns, creatives paused and resumed.

    options.py    the settings
    client.py     versioned Rest.li requests over HTTP, and what their failures mean
    reports.py    `adAnalytics`: days in stretches that stay under its silent limit
    connector.py  the contract

LinkedIn's own Python library is a beta that returns a refusal as if it were an answer; plain HTTP is used instead.
"""

from __future__ import annotations

from importlib.util import find_spec

from connectors.contract import BuildContext, Connector
from connectors.credentials import missing_extra


def build(context: BuildContext) -> Connector:
    """Build the connector from its settings (entry point `linkedin`).

    Raises:
        BadInput: A setting is wrong, or the extra is not installed.
        AskMarketer: A secret cannot be read.
    """
    if find_spec("httpx") is None:
        raise missing_extra(context, "linkedin", "httpx")
    # Deferred: only now is it known that the extra is installed.
    from connectors.linkedin.connector import LinkedInConnector  # noqa: PLC0415
    from connectors.linkedin.options import read_options  # noqa: PLC0415

    return LinkedInConnector(context, read_options(context))
