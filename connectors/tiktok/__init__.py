"""TikTok ads: performance by ad, budgets of ad groups and campaigns, ads paused and resumed.

options.py    the settings
client.py     calls through TikTok's own library, and what its failures mean
entities.py   campaigns, ad groups and ads as they stand now
reports.py    an ad's day, page by page
connector.py  the contract
"""

from __future__ import annotations

from importlib.util import find_spec

from connectors.contract import BuildContext, Connector
from connectors.credentials import missing_extra


def build(context: BuildContext) -> Connector:
    """Build the connector from its settings (entry point `tiktok`).

    Raises:
        BadInput: A setting is wrong, or the extra is not installed.
        AskMarketer: A secret cannot be read.
    """
    if find_spec("business_api_client") is None:
        raise missing_extra(context, "tiktok", "tiktok-business-api-sdk-official")
    # Deferred: only now is it known that the extra is installed, and it is slow to load.
    from connectors.tiktok.connector import TikTokConnector  # noqa: PLC0415
    from connectors.tiktok.options import read_options  # noqa: PLC0415

    return TikTokConnector(context, read_options(context))
