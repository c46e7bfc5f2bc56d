"""Inference: a trained run or shipped model with the pre-processing it was trained on."""
