"""Comparison: paired differences between runs, with intervals and tests."""
