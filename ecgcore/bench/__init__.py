"""Benchmarks of this machine and of measurements and labels, for ``ecgcore bench``."""
