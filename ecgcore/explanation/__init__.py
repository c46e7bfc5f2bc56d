"""Explanation: where in an ECG a network found evidence for a class, and at what resolution."""
