"""The simulated platform: worlds behind the contract of any other connector, and the faults of real ones."""
