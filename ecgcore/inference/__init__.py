"""Inference: a finished run or shipped model, loaded with its exact pre-processing."""
