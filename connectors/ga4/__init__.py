"""Google Analytics 4, read only: what came of the sessions that a campaign brought, and what it cost where GA4 knows.

options.py    the settings
client.py     reports through Google's library, and what its failures mean
connector.py  the contract
"""

from __future__ import annotations

from importlib.util import find_spec

from connectors.contract import BuildContext, Connector
from connectors.credentials import missing_extra


def build(context: BuildContext) -> Connector:
    """Build the connector from its settings (entry point `ga4`).

    Raises:
        BadInput: A setting is wrong, or the extra is not installed.
        AskMarketer: The credentials cannot be read.
    """
    if find_spec("google") is None or find_spec("google.analytics") is None:
        raise missing_extra(context, "ga4", "google-analytics-data")
    # Deferred: only now is it known that the extra is installed, and it is slow to load.
    from connectors.ga4.connector import Ga4Connector  # noqa: PLC0415
    from connectors.ga4.options import read_options  # noqa: PLC0415

    return Ga4Connector(context, read_options(context))
