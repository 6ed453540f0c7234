"""An experiment as one page to look at: a single HTML file that needs nothing but itself.

It draws with the tools and in the style of the simulator's report (`simulations.report`).
"""
