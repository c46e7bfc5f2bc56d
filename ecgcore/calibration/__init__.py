"""Scores, calibration, thresholds and referral: shared by inference and evaluation."""
