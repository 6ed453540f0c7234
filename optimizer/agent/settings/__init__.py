"""What a marketer writes down: `config.toml`, read once, checked whole, never changed afterwards.

Precedence: environment (`OUTLAY_GOAL__MARGIN`) over secret files (`$OUTLAY_SECRETS_DIR/goal__margin`) over
`config.toml` over the defaults of the tables, of which each subject has a module. Amounts are read as decimals, never
through a float. The descriptions of the fields are what an error offers as its mend and what docs/configuration.md
lists.
"""

from optimizer.agent.settings.asked import goals, guardrails, lift_tests, rotation
from optimizer.agent.settings.errors import SettingsError
from optimizer.agent.settings.reading import load, load_store, load_store_outside, sample
from optimizer.agent.settings.store import store_url
from optimizer.agent.settings.whole import Settings

__all__ = [
    "Settings",
    "SettingsError",
    "goals",
    "guardrails",
    "lift_tests",
    "load",
    "load_store",
    "load_store_outside",
    "rotation",
    "sample",
    "store_url",
]
