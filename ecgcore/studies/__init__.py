"""Studies: trainings that together answer one question, each stored as a small file."""
