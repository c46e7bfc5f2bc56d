"""Version of this package, stamped on every run, and the notice that it is for research only."""

__version__ = "0.1.0"
RESEARCH_USE_ONLY = "Research use only. Not a medical device."
