"""Microsoft Advertising: performance by ad, daily budgets of campaigns, ads paused and resumed.

options.py    the settings
library.py    what is used of Microsoft's own library
signing.py    access tokens for a refresh token
client.py     calls through the library, and what their failures mean
reports.py    an ad's day: submitted, polled for, fetched as a file
zones.py      Microsoft's names of time zones
entities.py   campaigns, ad groups, ads and budgets as they stand now
connector.py  the contract
"""

from __future__ import annotations

from importlib.util import find_spec

from connectors.contract import BuildContext, Connector
from connectors.credentials import missing_extra


def build(context: BuildContext) -> Connector:
    """Build the connector from its settings (entry point `microsoft`).

    Raises:
        BadInput: A setting is wrong, or the extra is not installed.
        AskMarketer: A secret cannot be read.
    """
    if find_spec("openapi_client") is None:
        raise missing_extra(context, "microsoft", "msads")
    # Deferred: only now is it known that the extra is installed, and it takes seconds to load.
    from connectors.microsoft.connector import MicrosoftConnector  # noqa: PLC0415
    from connectors.microsoft.options import read_options  # noqa: PLC0415

    return MicrosoftConnector(context, read_options(context))
