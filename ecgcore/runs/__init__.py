"""Run folders: configuration, weights, status, queue and provenance."""
