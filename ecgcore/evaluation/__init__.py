"""Evaluation: predictions against labels, with intervals over patients."""
