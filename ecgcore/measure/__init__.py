"""What can be measured on an ECG: R peaks, intervals, axis, amplitudes, ST levels."""
