"""Measurements of an ECG: R peaks, intervals, axis, amplitudes, ST levels, and signal quality."""
