"""Labels: ten classes (or a published label set) from statements or measurements, traceably."""
