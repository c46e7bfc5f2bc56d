"""Studies: many trainings that answer one question, each kept as a small file."""
