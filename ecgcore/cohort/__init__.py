"""Cohorts: records stored for many runs, and which of them a run uses for what."""
