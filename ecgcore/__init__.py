"""Clinical-research workplace for 12-lead ECGs: record → label → cohort → image → model → run →
evaluation → comparison → explanation. Each folder imports only from those on its left.

Research use only, not a medical device.
"""

from ecgcore.version import __version__

__all__ = ["RESEARCH_USE_ONLY", "__version__"]

RESEARCH_USE_ONLY = "Research use only. Not a medical device."
