"""Google Ads as a connector, through the official client (`outlay[google]`: google-ads 34, interface v26).

`options` are its settings, `secrets` its credentials, `session` the client and its manners, `errors` the families,
`units` its numbers, `accounts`, `reports`, `budgets` and `statuses` what is read and written, `checkup` what the
marketer is told before the first cycle; `connector` joins them.
"""

from connectors.google.connector import build

__all__ = ["build"]
