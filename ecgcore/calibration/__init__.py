"""Scores, calibration, thresholds and referral: the mathematics below inference and evaluation."""
