"""Meta (Facebook, Instagram) through its own SDK, the Graph API and the Marketing API; docs/platforms.md explains it.

`options` are its settings, `session` and `door` the way to the platform, `usage` its hints on limits, `failures` its
errors in the four families, `units` its currencies, `reports` asks for insights and `rows` reads them, `catalogue`
lists what there is, `budgets` and `statuses` write, `diagnosis` looks at credentials, `connector` joins them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.credentials import missing_extra

if TYPE_CHECKING:
    from connectors.contract import BuildContext
    from connectors.meta.connector import MetaConnector


def build(context: BuildContext) -> MetaConnector:
    """Build the connector from its settings (entry point `meta`); nothing is asked of the platform yet.

    Raises:
        BadInput: A setting is unknown, missing or wrong, or the SDK is not installed.
        AskMarketer: A credential cannot be read.
    """
    try:
        # The SDK is an extra: without it this package imports, and only here it is missed.
        from connectors.meta.connector import build_connector  # noqa: PLC0415
    except ImportError:
        raise missing_extra(context, "meta", "facebook-business") from None
    return build_connector(context)


__all__ = ["build"]
