"""`python -m optimizer.agent.cli`, the same as `outlay`."""

from optimizer.agent.cli.app import main

main()
