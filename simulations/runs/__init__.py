"""Runs: policies at play in worlds, fanned out, recorded, resumed, replayed and scored."""
