"""What to spend: the pure core that turns a snapshot and goals into a decision, and the agent around it.

Everything outside `optimizer.agent` is pure: no clock, disk, network or terminal.
"""
