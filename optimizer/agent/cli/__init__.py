"""The command line: `outlay`. Answers go to standard output, logs and errors to standard error.

Exit codes: 0 fine, 1 error, 2 changes pending, 3 drift, 4 blocked by a guardrail.
"""

from optimizer.agent.cli.app import main

__all__ = ["main"]
