"""Comparison: is the difference between two runs on the same records real?"""
