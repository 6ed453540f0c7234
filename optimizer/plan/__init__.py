"""The values that pass between the rooms of the optimizer: frozen, checked at birth, no behaviour beyond their own.

`snapshot` is what is known, `problem` is what the allocator solves, `recommendation` is what a person decides on.
"""
