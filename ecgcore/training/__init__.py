"""Training: from a cohort and a network's name to a run folder with weights and scores."""
