"""Training: from a cohort and a network's name to a run folder that tells its own story."""
