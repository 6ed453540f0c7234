"""Meta on loopback: the Graph API and the Marketing API over a simulated account; docs/emulators.md has the table.

`options` are its knobs, `layout` the account as Meta shows it, `insights` and `reports` what ads brought, `activities`
the history, `writes` what can be changed, `graph` who answers what, `requests` and `paging` how it is asked, `limits`
how much, `errors` and `units` the platform's own, `server` the wire.
"""

from simulations.emulators.meta.options import Options
from simulations.emulators.meta.server import MetaEmulator
from simulations.emulators.registry import Setup

_DEFAULT = Options()


def start(setup: Setup, options: Options = _DEFAULT) -> MetaEmulator:
    """Start the emulator.

    Raises:
        OSError: The port is taken.
    """
    return MetaEmulator(setup, options)


__all__ = ["MetaEmulator", "Options", "start"]
