"""Evaluation: what a run predicted against what the labels say, with intervals over patients."""
