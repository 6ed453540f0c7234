"""Awin, an affiliate network, read only: what publishers brought, and the commission that it costs.

options.py       the settings
client.py        requests over HTTP at the network's pace, and what their failures mean
transactions.py  transactions, summed by publisher and day
connector.py     the contract
"""

from __future__ import annotations

from importlib.util import find_spec

from connectors.contract import BuildContext, Connector
from connectors.credentials import missing_extra


def build(context: BuildContext) -> Connector:
    """Build the connector from its settings (entry point `awin`).

    Raises:
        BadInput: A setting is wrong, or the extra is not installed.
        AskMarketer: A secret cannot be read.
    """
    if find_spec("httpx") is None:
        raise missing_extra(context, "awin", "httpx")
    # Deferred: only now is it known that the extra is installed.
    from connectors.awin.connector import AwinConnector  # noqa: PLC0415
    from connectors.awin.options import read_options  # noqa: PLC0415

    return AwinConnector(context, read_options(context))
