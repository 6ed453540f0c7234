"""The hidden market: what a world truly is, and what a day in it brings."""
