"""Colours of model A and model B, the same in reports, studies and the dashboard."""

MODEL_COLOURS = {"A": "#475569", "B": "#0F766E"}
